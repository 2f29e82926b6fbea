"""The guard's twin: a process in a session of its own, which acts when the guard disappears."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from okx_rfq_plugin.cli.family import Family
from okx_rfq_plugin.cli.processes import Process, call_this

DONE, STARTED = b"done\n", b"started\n"
_READY = b"ready\n"
_LOOK = 1.0  # seconds between two looks at what the command has started
_PATIENCE = 60.0  # seconds for a new twin to be ready, on a machine that is busy
_PREFIX = "okx-rfq guard (twin): "
_IGNORED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGTSTP", "SIGTTOU", "SIGTTIN", "SIGUSR1", "SIGUSR2", "SIGPIPE")


class Twin:
    """The guard's end of the pipe.

    Args:
        config: what the twin needs to know, which is no secret: it reads the key where the guard does.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._writer = self._reader = -1
        self._started = False
        self.pid = 0

    def start(self) -> None:
        """Start a process; a new one takes the place of one that was killed.

        Raises:
            OSError: it cannot be started.
        """
        self._close()
        near, self._writer = os.pipe()
        self._reader, far = os.pipe()
        # By the very path that this process imports from, wherever it was started.
        code = f"import sys; sys.path[:] = {sys.path!r}; from okx_rfq_plugin.cli.twin import main; main()"
        try:
            self.pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-c", code],
                os.environ,
                file_actions=((os.POSIX_SPAWN_DUP2, near, 0), (os.POSIX_SPAWN_DUP2, far, 1)),
                setpgroup=0,
            )
        finally:
            os.close(near)
            os.close(far)
        self._write(json.dumps(self._config).encode() + b"\n")
        if self._started:
            self._write(STARTED)

    def wait(self, seconds: float = _PATIENCE) -> bool:
        """Return whether it is ready, as soon as it is, or has ended."""
        ready, _, _ = select.select((self._reader,), (), (), seconds)
        return bool(ready) and os.read(self._reader, len(_READY)) == _READY

    def command_starts(self) -> None:
        """Tell it that from now on there is something to end."""
        self._started = True
        self._write(STARTED)

    def dismiss(self) -> None:
        """Tell it that all is done, and wait a moment until it has gone."""
        self._write(DONE)
        if self.pid:
            with suppress(OSError):
                select.select((self._reader,), (), (), 2.0)
            with suppress(ChildProcessError):
                os.waitpid(self.pid, os.WNOHANG)
        self._close()

    def _write(self, words: bytes) -> None:
        with suppress(OSError):  # it has been killed
            os.write(self._writer, words)

    def _close(self) -> None:
        for end in (self._writer, self._reader):
            if end >= 0:
                os.close(end)
        self._writer = self._reader = -1


def main() -> None:
    """Be the twin: wait for the guard's word, or for its disappearance."""
    with suppress(OSError):
        os.setsid()
    for name in _IGNORED:
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    call_this("okx-rfq-twin")
    line = b""
    while not line.endswith(b"\n"):
        read = os.read(0, 1)
        if not read:
            return
        line += read
    config = json.loads(line)
    _import_all(config)
    os.write(1, _READY)
    family = Family(config["guard"], config["mark"], [*config["others"], os.getpid()])
    if _guard_disappeared(family):
        _take_over(config, family)


def _import_all(config: dict[str, Any]) -> None:
    """Import beforehand what will be needed when memory or time is short."""
    from okx_rfq_plugin.cli import canceler, ending  # noqa: F401

    if config["accounts"] is None:
        import ccxt  # noqa: F401
    else:
        from okx_rfq_plugin.cli import many  # noqa: F401


def _guard_disappeared(family: Family) -> bool:
    """Wait; return whether the guard has gone without a word while its command ran."""
    started = False
    rest = b""
    while True:
        if not select.select((0,), (), (), _LOOK)[0]:
            if started:
                family.look()
            continue
        read = os.read(0, 64)
        if not read:
            return started
        rest += read
        started |= STARTED in rest
        if DONE in rest:
            return False


def _take_over(config: dict[str, Any], family: Family) -> None:
    """End the command and cancel; a process that was forked off before goes on where this one is killed."""
    while _spare_is_needed():
        pass
    _act(config, family)


def _spare_is_needed() -> bool:
    """Fork a spare; return in the spare alone, and there only when its parent has been killed."""
    reader, writer = os.pipe()
    if os.fork():
        os.close(reader)
        os.set_inheritable(writer, False)
        global _spare
        _spare = writer
        return False
    os.close(writer)
    if os.read(reader, len(DONE)) == DONE:
        os._exit(0)
    os.close(reader)
    return True


_spare = -1  # where the spare hears that all is done


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
    os.write(_spare, DONE)


def _end(family: Family, say: Callable[[str], None]) -> set[Process]:
    # Twice: what was forked at the very moment of a look is found by the next.
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
