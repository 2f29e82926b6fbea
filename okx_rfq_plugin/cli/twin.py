"""The guard's twin: a process in its own session, which takes over if the guard disappears."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from okx_rfq_plugin.cli.family import Family
from okx_rfq_plugin.cli.processes import TWIN, Process, call_this

DONE, STARTED = b"done\n", b"started\n"
_READY, _COVERED = b"ready\n", b"covered\n"  # it is ready to take over; it has a standby
_LOOK = 0.2  # minimum seconds between two scans of the command's processes
_SHARE = 0.02  # share of a processor that the scans may take
_PATIENCE = 60.0  # seconds for a new twin to be ready on a busy machine
_PREFIX = "okx-rfq guard (twin): "
_IGNORED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGTSTP", "SIGTTOU", "SIGTTIN", "SIGUSR1", "SIGUSR2", "SIGPIPE")


class Twin:
    """The guard's end of the pipe.

    Args:
        config: what the twin needs to know. It contains no secrets: the twin reads the key from the same places.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._writers: list[int] = []  # including those of killed twins, whose standby may still listen
        self._reader = -1
        self._heard = b""
        self._started = False
        self.has_ended = False
        self.pid = 0

    def start(self) -> None:
        """Start a process, which replaces one that was killed.

        Raises:
            OSError: if it cannot be started.
        """
        if self._reader >= 0:
            os.close(self._reader)
        near, writer = os.pipe()
        self._writers.append(writer)
        self._reader, far = os.pipe()
        self._heard, self.has_ended = b"", False
        # With this process's import path, wherever it was started.
        code = f"import sys; sys.path[:] = {sys.path!r}; from okx_rfq_plugin.cli.twin import main; main()"
        command = [sys.executable, "-c", code]
        streams = ((os.POSIX_SPAWN_DUP2, near, 0), (os.POSIX_SPAWN_DUP2, far, 1))
        spawn = partial(os.posix_spawn, command[0], command, os.environ, file_actions=streams, setsigmask=_signals())
        try:
            try:
                self.pid = spawn(setsid=True)
            except (
                NotImplementedError
            ):  # pragma: no cover - systems whose posix_spawn knows no setsid: it does so itself
                self.pid = spawn()
        finally:
            os.close(near)
            os.close(far)
        words = json.dumps(self._config).encode() + b"\n" + (STARTED if self._started else b"")
        with suppress(OSError):
            os.write(writer, words)

    def wait(self, seconds: float = _PATIENCE) -> bool:
        """Wait until it is ready or has ended; return whether it is ready."""
        return self._hears(_READY, seconds)

    def settle(self) -> bool:
        """Once a new twin has its own standby, dismiss that of the killed one. Return whether that is done."""
        if len(self._writers) > 1 and self._hears(_COVERED, 0.0):
            for writer in self._writers[:-1]:
                _tell(writer, DONE)
                os.close(writer)
            del self._writers[:-1]
        return len(self._writers) <= 1

    def command_starts(self) -> bool:
        """Tell the twin that there is now a command to end. Return whether it has a standby, once it does."""
        if not self._started:
            self._started = True
            self._write(STARTED)
        return self._hears(_COVERED, _PATIENCE)

    def _hears(self, word: bytes, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while word not in self._heard and not self.has_ended:
            if not select.select((self._reader,), (), (), max(0.0, until - time.monotonic()))[0]:
                return False
            read = os.read(self._reader, 64)
            self._heard += read
            self.has_ended = not read
        return word in self._heard

    def dismiss(self) -> None:
        """Tell the twin that all is done, and wait a moment until it has gone."""
        self._write(DONE)
        if self.pid:
            with suppress(OSError):
                self._hears(DONE, 2.0)  # it ends instead of answering
            with suppress(ChildProcessError):
                os.waitpid(self.pid, os.WNOHANG)
        self._close()

    def _write(self, words: bytes) -> None:
        for writer in self._writers:
            with suppress(OSError):  # it has been killed
                os.write(writer, words)

    def _close(self) -> None:
        for end in (*self._writers, self._reader):
            with suppress(OSError):
                os.close(end)
        self._writers, self._reader = [], -1


def main() -> None:
    """Run the twin. Errors are reported in a line, not as a traceback."""
    try:
        _run_twin()
    except Exception as error:
        words = str(error) or type(error).__name__
        with suppress(OSError, UnicodeError):
            os.write(2, f"{_PREFIX}it has ended: {words}.\n".encode())


def _run_twin() -> None:
    """Wait for the guard's message, or for its disappearance."""
    call_this(TWIN)  # first, because other twins recognize it by this name
    with suppress(OSError):
        os.setsid()
    for signum in _signals():
        signal.signal(signum, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _signals())  # blocked since the start; pending ones were discarded
    line = b""
    while not line.endswith(b"\n"):
        read = os.read(0, 1)
        if not read:
            return
        line += read
    config = json.loads(line)
    _import_all(config)
    _tell(1, _READY)
    family = Family(config["guard"], config["mark"], [*config["others"], os.getpid()])
    spare = _stand_by(family)
    if spare is not None:
        family.is_orphaned()
        _act(config, family)
        _tell(spare, DONE)


def _signals() -> list[int]:
    return [getattr(signal, name) for name in _IGNORED]


def _import_all(config: dict[str, Any]) -> None:
    """Import in advance what will be needed when memory or time is short."""
    from okx_rfq_plugin.cli import canceler, ending  # noqa: F401

    if config["accounts"] is None:
        import ccxt  # noqa: F401
    else:
        from okx_rfq_plugin.cli import many  # noqa: F401


def _stand_by(family: Family) -> int | None:
    """Wait until the guard has gone.

    As soon as there is a command to end, there is also a standby: a fork that continues here if its parent is killed.

    Returns:
        The pipe on which the standby listens, or None if there is nothing to do.
    """
    started = False
    spare = pid = -1
    rest = b""
    told: set[tuple[int, int]] = set()
    wait: float | None = None  # before the command starts there are no processes to look for
    while True:
        if started and spare < 0:
            spare, pid = _standby(family)
            told, wait = set(), _LOOK
            _tell(1, _COVERED)
            continue
        for known in family.known - told:
            _tell(spare, f"{known[0]} {known[1]}\n".encode())
            told.add(known)
        if not select.select((0,), (), (), wait)[0]:
            began = time.monotonic()
            family.look()
            wait = max(_LOOK, (time.monotonic() - began) / _SHARE)
            if os.waitpid(pid, os.WNOHANG)[0] == pid:
                os.close(spare)
                spare = -1
            continue
        read = os.read(0, 64)
        if not read:
            return spare if started else None
        rest += read
        started |= STARTED in rest
        if DONE in rest:
            _tell(spare, DONE)
            return None


def _standby(family: Family) -> tuple[int, int]:
    """Fork. Return the pipe to the new process and its number; in the new process, once its parent was killed, -1."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    pid = os.fork()
    return _known(reader, writer, pid) if pid else _standing_by(reader, writer, family)


def _known(reader: int, writer: int, pid: int) -> tuple[int, int]:
    os.close(reader)
    return writer, pid


def _standing_by(reader: int, writer: int, family: Family) -> tuple[int, int]:
    os.close(writer)
    heard = b""
    while read := os.read(reader, 4096):
        heard += read
    os.close(reader)
    if DONE in heard:
        os._exit(0)
    for line in heard.splitlines():
        number, started = line.split()
        family.known.add((int(number), int(started)))
    return -1, -1


def _tell(writer: int, words: bytes) -> None:
    with suppress(OSError):  # the reader was killed, or its pipe is full
        os.write(writer, words)


def _act(config: dict[str, Any], family: Family) -> None:
    from okx_rfq_plugin.cli.reports import Reports
    from okx_rfq_plugin.cli.terminal import attempts_shown, now, say_if_heard

    def say(words: str) -> None:
        say_if_heard(f"{now()} {_PREFIX}{words}")

    reports = Reports(config["status_file"], **config["facts"])
    reports.facts["guard"] = "disappeared"
    say("The guard has disappeared. Its twin ends the command and cancels.")
    reports.state("ending", "The guard has disappeared. Its twin ends the command and cancels.")
    survivors = _end(family, say)
    code, message = _cancel(config, survivors, say, attempts_shown)
    reports.state("ended", message, code=code, ended=round(time.time(), 3))


def _end(family: Family, say: Callable[[str], None]) -> set[Process]:
    # Twice, because the second pass finds processes that were forked during the first.
    survivors = family.end(thoroughly=True) | family.end(thoroughly=True)
    if survivors:
        say(f"Could not be ended: {', '.join(f'process {each}' for each in sorted(survivors))}.")
    return survivors


def _cancel(config: dict[str, Any], survivors: set[Process], say: Callable[[str], None], shown: Any) -> tuple[int, str]:
    from okx_rfq_plugin.cli.accounts import chosen, read_accounts
    from okx_rfq_plugin.cli.canceler import canceler_for
    from okx_rfq_plugin.cli.destinations import Destination
    from okx_rfq_plugin.cli.ending import Ending
    from okx_rfq_plugin.cli.outcomes import bound

    destination = accounts = None
    try:
        if config["accounts"] is None:
            destination = Destination(*config["destination"])
        else:
            from pathlib import Path

            accounts = chosen(read_accounts(Path(config["accounts"])), config["only"], ())
        with canceler_for(destination, accounts, deadline=config["deadline"]) as (canceler, _), shown(_PREFIX):
            ending = Ending(canceler, say, config["deadline"])
            code = ending.run(survivors)
            return code, ending.message
    except Exception as error:
        message = f"NOTHING WAS CANCELED by the twin: {getattr(error, 'message', error)} {bound()}"
        say(message)
        return 203, message
