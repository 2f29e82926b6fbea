"""Output for people: sentences, tables, a progress bar, and lines on stderr. rich is imported on first use."""

from __future__ import annotations

import json
import logging
import os
import queue
import select
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import click

from okx_rfq_plugin.cli.outcomes import exit_code, plain

_FRAME = 0.1  # seconds between two frames of a progress bar
_PATIENCE = 0.2  # seconds for stderr to accept a line
_SILENCE = 1.0  # seconds until a person is told that something is still running
_GOOD = {"fg": "green", "bold": True}
_BAD = {"fg": "red", "bold": True}


def say(words: str, *, good: bool | None = None, err: bool = False) -> None:
    """Print a sentence without wrapping it; green or red on a terminal that shows colors."""
    style: dict[str, Any] = {} if good is None else _GOOD if good else _BAD
    click.secho(words, err=err, color=None if _colored() else False, **style)


def say_json(facts: Mapping[str, Any]) -> None:
    """Print one object on one line, flushed."""
    click.echo(json.dumps(facts))
    sys.stdout.flush()


class Aside:
    """Prints objects on its own thread, so that a slow reader delays nothing."""

    def __init__(self) -> None:
        self._line: queue.SimpleQueue[Mapping[str, Any] | threading.Event | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Aside:
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._line.put(None)
        self._thread.join()

    def say(self, facts: Mapping[str, Any]) -> None:
        """Queue an object for printing."""
        self._line.put(facts)

    def flush(self) -> None:
        """Wait a moment for all of them to be printed."""
        printed = threading.Event()
        self._line.put(printed)
        printed.wait(_SILENCE)

    def _run(self) -> None:
        while (facts := self._line.get()) is not None:
            if isinstance(facts, threading.Event):
                facts.set()
            else:
                with once_done():
                    say_json(facts)


def show_table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]], *, err: bool = False) -> None:
    """Print a table as wide as the terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, markup=False, stderr=err).print(table)


def show_book(title: str, rfqs: Iterable[Mapping[str, Any]]) -> None:
    """Print RFQs as OKX shows them."""
    rows = []
    for rfq in rfqs:
        legs = ", ".join(f"{leg['side']} {leg['sz']} {leg['instId']}" for leg in rfq["legs"])
        left = max(0.0, int(rfq["validUntil"]) / 1000 - time.time())
        rows.append((rfq["rfqId"], legs, rfq["state"], f"{left:.0f} s" if rfq["state"] == "active" else ""))
    show_table(title, ("RFQ", "legs", "state", "time left"), rows)


def show_outcomes(outcomes: Mapping[str, Mapping[str, Any]]) -> None:
    """Print each account's outcome, the worst last; on stderr if one failed."""
    worst_last = sorted(outcomes.items(), key=lambda pair: exit_code(pair[1]))
    rows = (
        (name, facts["status"], f"{facts['attempts']} in {facts['elapsed']:.2f} s", plain(facts.get("message") or ""))
        for name, facts in worst_last
    )
    wrong = any(exit_code(facts) for facts in outcomes.values())
    show_table("Accounts", ("account", "status", "attempts", "what went wrong"), rows, err=wrong)


@contextmanager
def progress(title: str, total: int, *, quiet: bool) -> Iterator[Callable[[], None]]:
    """Yield a function to call for each completed step. On a terminal, a bar shows the progress.

    The bar appears with the first step, because a question may come before it. It is drawn on its own thread, so that
    a stopped terminal delays no step.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    steps: list[None] = []
    ended = threading.Event()

    def draw() -> None:
        with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as bar:
            task = bar.add_task(title, total=total)
            while not ended.wait(_FRAME):
                bar.update(task, completed=len(steps), refresh=True)

    def step() -> None:
        steps.append(None)
        if len(steps) == 1:
            thread.start()

    thread = threading.Thread(target=draw, daemon=True)
    try:
        yield step
    finally:
        ended.set()
        with suppress(RuntimeError):  # it was never started, as there was no step
            thread.join()


def tell(words: str) -> None:
    """Print on stderr if it is a terminal: for a person who waits, not for logs."""
    with suppress(OSError, ValueError, AttributeError):
        if sys.stderr.isatty():
            say_if_heard(words)


def is_watched() -> bool:
    """Return whether there is a person at a terminal to ask."""
    return bool(sys.stdin and sys.stderr and sys.stdin.isatty() and sys.stderr.isatty())


@contextmanager
def once_done() -> Iterator[None]:
    """Context manager for output about finished work: neither Ctrl+C nor a closed pipe changes the exit code."""
    with suppress(KeyboardInterrupt, ValueError, MemoryError), unread():
        yield


@contextmanager
def unread() -> Iterator[None]:
    """Context manager for optional output, which may fail if no one reads it."""
    try:
        yield
    except OSError:
        # The interpreter's final flush must not fail either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say_if_heard(words: str) -> None:
    """Print on stderr if possible. A stopped or closed terminal, or a full pipe, delays no cancel."""
    with suppress(OSError, ValueError, AttributeError, LookupError):
        stderr = sys.stderr.fileno()
        if select.select((), (stderr,), (), _PATIENCE)[1]:
            # Bypasses Python's buffer, because a signal handler may print while it is in use.
            os.write(stderr, f"{words}\n".encode(sys.stderr.encoding or "ascii", "backslashreplace"))


def last_words(words: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Print the outcome on stderr and as objects on stdout while the main thread hangs."""
    say_if_heard(words)
    for row in rows:
        with suppress(OSError):
            os.write(1, f"{json.dumps(row)}\n".encode())


def now() -> str:
    """Return the time of day, which begins every line printed while something is running."""
    return time.strftime("%H:%M:%S")


@contextmanager
def waiting_shown(words: str, *, quiet: bool = False) -> Iterator[None]:
    """Print a line on stderr for each second that the block takes."""
    if quiet:
        yield
        return
    ended = threading.Event()

    def run() -> None:
        seconds = 0.0
        while not ended.wait(_SILENCE):
            seconds += _SILENCE
            say_if_heard(f"{now()} {words}: still waiting, for {seconds:g} s.")

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()


@contextmanager
def attempts_shown(prefix: str = "", *, quiet: bool = False, verbose: bool = False) -> Iterator[None]:
    """Print each attempt's result on stderr, and when the next one follows."""
    logger = logging.getLogger("okx_rfq_plugin")
    handler = _Attempts(prefix, verbose=verbose)
    before = logger.level
    if verbose:
        logger.setLevel(logging.DEBUG)
    if not quiet:
        logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


@contextmanager
def log_file(path: str | None) -> Iterator[None]:
    """Append the package's log, from DEBUG on, to a file. An unwritable file is reported, and stops no cancel."""
    if path is None:
        yield
        return
    logger = logging.getLogger("okx_rfq_plugin")
    before = logger.level
    handler: logging.Handler
    try:
        handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        say_if_heard(f"{now()} Nothing is logged: {path} cannot be written: {error.strerror}.")
        handler = logging.NullHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
        with suppress(OSError):
            handler.close()


class _Attempts(logging.Handler):
    """Prints the package's warnings, one before each wait. With `verbose`, everything that the package logs."""

    def __init__(self, prefix: str, *, verbose: bool) -> None:
        super().__init__(logging.DEBUG if verbose else logging.WARNING)
        self._prefix = prefix
        self._verbose = verbose

    def emit(self, record: logging.LogRecord) -> None:
        if self._verbose:
            say_if_heard(f"{now()} {self._prefix}{record.levelname} {record.getMessage()}")
        elif record.levelno == logging.WARNING:
            say_if_heard(f"{now()} {self._prefix}{plain(record.getMessage())}")


def _colored() -> bool:
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
