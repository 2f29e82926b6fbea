"""This file runs a command as a child, in a process group of its own and with the terminal, if there is one."""

from __future__ import annotations

import math
import os
import select
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from okx_rfq_plugin._core.clock import SYSTEM, Clock

Handler = Any  # as the typing of signal.signal has it: a callable, a number or None

NOT_FOUND, NOT_EXECUTABLE = 127, 126  # as with shells, env and timeout
SIGNALED = 128  # and the signal's number

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
HEARD = (*_ENDING, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT, signal.SIGCHLD)
_NOT_IGNORED = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTTOU)  # by the command, as they are by Python or here
_STDIN = 0
_LOOK = 0.05  # seconds between two looks at whether a group is empty: nobody tells of that
_LONG = 3600.0
_MANY = 4096


class Child:
    """A command that runs with this process's stdin, stdout, stderr and environment.

    Args:
        command: the program and its arguments.
        grace: seconds that it has to end after a signal to do so was passed on to it.
        say: told in a sentence what happens.
        clock: measures the grace.
    """

    def __init__(self, command: list[str], *, grace: float, say: Callable[[str], None], clock: Clock = SYSTEM) -> None:
        self._command = command
        self._grace = grace
        self._say = say
        self._clock = clock
        self._group = 0  # number of the process, and of its group
        self._kill_at = math.inf
        self._code: int | None = None

    def run(self, signals: int) -> int:
        """Start it, pass signals on to its group, once each, and kill what is left of that in the end.

        What it has left running has the rest of the grace where a signal was passed on, and none where it ended by
        itself.

        Args:
            signals: the file descriptor that `handled` gives for HEARD; SIGTTOU is to be ignored meanwhile.

        Returns:
            Its exit code as shells show it: 128 + N after signal N, 127 where there is no such command, 126 where it
            cannot be run.
        """
        try:
            # Nothing of Python's runs between fork and exec, where other threads' locks are held for ever.
            self._group = os.posix_spawnp(
                self._command[0], self._command, os.environ, setpgroup=0, setsigdef=_NOT_IGNORED
            )
        except OSError as error:
            self._say(f"{self._command[0]} could not be started: {error.strerror}.")
            return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
        try:
            if self._lend_terminal():
                self._send(signal.SIGCONT)  # it may have asked for the terminal before it had it, and be stopped
            return self._watch(signals)
        finally:
            self._send(signal.SIGKILL)
            self._take_terminal_back()

    def _watch(self, signals: int) -> int:
        while self._code is None or (self._kill_at < math.inf and self._group_lives()):
            wait = min(_LONG if self._code is None else _LOOK, self._kill_at - self._clock.now())
            if select.select((signals,), (), (), max(0.0, wait))[0]:
                for signum in os.read(signals, _MANY):
                    self._heed(signum)
            if self._clock.now() >= self._kill_at:
                self._say(f"The command did not end in {self._grace:g} s: it is killed.")
                return SIGNALED + signal.SIGKILL if self._code is None else self._code
        return self._code

    def _heed(self, signum: int) -> None:
        if signum == signal.SIGCHLD:
            if self._code is None:
                self._reap()
        elif signum == signal.SIGCONT:
            self._resume()
        elif signum in HEARD:
            self._pass_on(signum)

    def _pass_on(self, signum: int) -> None:
        self._send(signum)
        self._send(signal.SIGCONT)  # one that is stopped would not notice
        grace = ""
        if signum in _ENDING and self._kill_at == math.inf:
            self._kill_at = self._clock.now() + self._grace
            grace = f", which has {self._grace:g} s to end"
        self._say(f"{signal.Signals(signum).name} was passed on to the command{grace}.")

    def _reap(self) -> None:
        pid, status = os.waitpid(self._group, os.WNOHANG | os.WUNTRACED)
        if pid and os.WIFSTOPPED(status):
            self._stop_too()
        elif pid:
            code = os.waitstatus_to_exitcode(status)
            self._code = code if code >= 0 else SIGNALED - code

    def _stop_too(self) -> None:
        # By Ctrl+Z: what waits for this process, a shell, is to have its terminal back.
        self._say("The command is stopped: what it has created is active, and nothing cancels it until it goes on.")
        if self._take_terminal_back():
            os.kill(0, signal.SIGTSTP)
            self._resume()

    def _resume(self) -> None:
        self._lend_terminal()
        self._send(signal.SIGCONT)

    def _lend_terminal(self) -> bool:
        with suppress(OSError):  # stdin is no terminal
            if os.tcgetpgrp(_STDIN) == os.getpgrp():
                os.tcsetpgrp(_STDIN, self._group)
                return True
        return False

    def _take_terminal_back(self) -> bool:
        with suppress(OSError):
            if os.tcgetpgrp(_STDIN) == self._group:
                os.tcsetpgrp(_STDIN, os.getpgrp())
                return True
        return False

    def _group_lives(self) -> bool:
        with suppress(ChildProcessError):
            while os.waitpid(-self._group, os.WNOHANG)[0]:  # as process 1 this one inherits the dead
                pass
        return self._send(0)

    def _send(self, signum: int) -> bool:
        try:
            os.killpg(self._group, signum)
        except OSError:  # nobody is left there
            return False
        return True


@contextmanager
def handled(handlers: Mapping[int, Handler]) -> Iterator[int]:
    """Have signals handled so, but for those that this process was started to ignore; afterwards as before.

    Gives a file descriptor from which the number of each can be read as a byte. It wakes who waits for it whenever a
    signal comes, where a handler in Python waits until the main thread is awake. To be used on the main thread.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = {signum: signal.getsignal(signum) for signum in handlers}
    wakeup_before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        for signum, handler in handlers.items():
            if before[signum] is not signal.SIG_IGN or signum == signal.SIGCHLD:
                signal.signal(signum, handler)
        yield reader
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
        signal.set_wakeup_fd(wakeup_before)
        os.close(reader)
        os.close(writer)
