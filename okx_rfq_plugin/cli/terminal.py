"""This file shows things to a person: rich is loaded here, and only when there is something to show."""

from __future__ import annotations

import json
import logging
import os
import queue
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import click

from okx_rfq_plugin.cli.outcomes import exit_code

_FRAME = 0.1  # seconds between two pictures of a bar
_PATIENCE = 0.2  # seconds for stderr to take a line
_GOOD = {"fg": "green", "bold": True}
_BAD = {"fg": "red", "bold": True}


def say(words: str, *, good: bool | None = None, err: bool = False) -> None:
    """Print a sentence, unbroken; green or red on a terminal that shows colours."""
    style: dict[str, Any] = {} if good is None else _GOOD if good else _BAD
    click.secho(words, err=err, color=None if _coloured() else False, **style)


def say_json(facts: Mapping[str, Any]) -> None:
    """Print one object on one line, at once."""
    click.echo(json.dumps(facts))
    sys.stdout.flush()


@contextmanager
def json_aside() -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Give what prints objects, on a thread of its own: a reader who is slow holds nobody up. Wait for the last."""
    line: queue.SimpleQueue[Mapping[str, Any] | None] = queue.SimpleQueue()

    def run() -> None:
        while (facts := line.get()) is not None:
            with once_done():
                say_json(facts)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield line.put
    finally:
        line.put(None)
        thread.join()


def show_table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table as wide as the terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, markup=False).print(table)


def show_book(title: str, rfqs: Iterable[Mapping[str, Any]]) -> None:
    """Print RFQs as OKX shows them."""
    rows = []
    for rfq in rfqs:
        legs = ", ".join(f"{leg['side']} {leg['sz']} {leg['instId']}" for leg in rfq["legs"])
        left = max(0.0, int(rfq["validUntil"]) / 1000 - time.time())
        rows.append((rfq["rfqId"], legs, rfq["state"], f"{left:.0f} s" if rfq["state"] == "active" else ""))
    show_table(title, ("RFQ", "legs", "state", "time left"), rows)


def show_outcomes(outcomes: Mapping[str, Mapping[str, Any]]) -> None:
    """Print how it ended for each account, the worst last."""
    worst_last = sorted(outcomes.items(), key=lambda pair: exit_code(pair[1]))
    rows = (
        (name, facts["status"], f"{facts['attempts']} in {facts['elapsed']:.2f} s", facts.get("message") or "")
        for name, facts in worst_last
    )
    show_table("Accounts", ("account", "status", "attempts", "what went wrong"), rows)


@contextmanager
def progress(title: str, total: int, *, quiet: bool) -> Iterator[Callable[[], None]]:
    """Give what to call for each step done; on a terminal a bar shows how many are, elsewhere nothing moves.

    The bar is there from the first step on, since before that somebody may be asked something. It is drawn on a thread
    of its own: a terminal that is stopped holds up no step.
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
        with suppress(RuntimeError):  # not a single step: it was never started
            thread.join()


def is_watched() -> bool:
    """Say whether somebody sits at a terminal and can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


@contextmanager
def attempts_shown(prefix: str = "") -> Iterator[None]:
    """Print on stderr what each attempt has come to, and when the next one follows."""
    logger = logging.getLogger("okx_rfq_plugin")
    handler = _Attempts(prefix)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextmanager
def once_done() -> Iterator[None]:
    """Show inside of this what is done already: neither Ctrl+C nor a reader who has gone changes the exit code."""
    with suppress(KeyboardInterrupt), unread():
        yield


@contextmanager
def unread() -> Iterator[None]:
    """Print inside of this what is no part of the matter: it goes on where nobody reads."""
    try:
        yield
    except OSError:
        # Nor may the interpreter find out when it flushes in the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM end what runs inside of this as Ctrl+C does: it unwinds, and says what is true."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Attempts(logging.Handler):
    """Prints the package's warnings: one before each wait."""

    def __init__(self, prefix: str) -> None:
        super().__init__(logging.WARNING)
        self._prefix = prefix

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno == logging.WARNING:
            say_if_heard(self._prefix + record.getMessage())


def say_if_heard(words: str) -> None:
    """Print on stderr, or not: a terminal that is stopped or gone, or a pipe that nobody reads, holds up no cancel."""
    with suppress(OSError, ValueError, AttributeError):
        stderr = sys.stderr.fileno()
        if select.select((), (stderr,), (), _PATIENCE)[1]:
            # Past Python's buffer, in whose middle a signal handler may come to say something too.
            os.write(stderr, f"{words}\n".encode(sys.stderr.encoding, "replace"))


def _coloured() -> bool:
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
