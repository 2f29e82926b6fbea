"""A command as a child process, in its own process group, with the terminal if there is one."""

from __future__ import annotations

import math
import os
import select
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from okx_rfq_plugin._core.clock import SYSTEM, Clock
from okx_rfq_plugin.cli.family import Family
from okx_rfq_plugin.cli.interrupts import is_the_end
from okx_rfq_plugin.cli.processes import MARK, Process

Handler = Any  # as typeshed has it for signal.signal: a callable, a number or None

SIGNALED = 128  # plus the signal's number

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
HEARD = (*ENDING, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT, signal.SIGCHLD)
_NOT_IGNORED = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTTOU)  # ignored by Python or here, but not by the command
_STDIN = 0
_LOOK = 0.05  # seconds between two checks whether a family is empty, since no event reports it
_LONG = 3600.0
_MANY = 4096
_NOT_THE_COMMANDS = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")  # systemd's variables for the guard itself


class NotStartedError(Exception):
    """The command could not be started. The message says why."""


class Child:
    """A command that runs with this process's stdin, stdout, stderr and environment.

    Args:
        command: the program and its arguments.
        grace: seconds that it has to end after an ending signal was forwarded to it.
        say: called with a sentence about each event.
        family: finds the processes it has started.
        mark: added to its environment.
        variables: its environment; this process's by default.
        clock: measures the grace.
    """

    def __init__(
        self,
        command: list[str],
        *,
        grace: float,
        say: Callable[[str], None],
        family: Family | None = None,
        mark: str = "",
        variables: Mapping[str, str] | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        self._command = command
        self._grace = grace
        self._say = say
        self._variables = os.environ if variables is None else variables
        self._mark = mark or f"{os.getpid()}"
        self.family = family or Family(os.getpid(), self._mark)
        self._clock = clock
        self._group = 0  # the process's number, which is also its group's
        self._kill_at = math.inf
        self._ends_by = signal.SIGTERM
        self._code: int | None = None
        self.survivors: set[Process] = set()
        self.on_ending: Callable[[], None] = lambda: None  # called at the first ending signal
        self.on_other: Callable[[int, int], None] = lambda pid, status: None  # called for each other ended child
        self.on_look: Callable[[], float] = lambda: _LONG  # called between waits; returns seconds to the next call

    def start(self) -> None:
        """Start the command.

        Raises:
            NotStartedError: if it cannot be run.
        """
        variables = {name: value for name, value in self._variables.items() if name not in _NOT_THE_COMMANDS}
        try:
            # No Python code runs between fork and exec, where locks of other threads would be held forever.
            self._group = os.posix_spawnp(
                self._command[0],
                self._command,
                {**variables, MARK: self._mark},
                setpgroup=0,
                setsigdef=_NOT_IGNORED,
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise NotStartedError(f"{self._command[0]} could not be started: {reason}") from None
        self.family.group = self._group

    def run(self, signals: int) -> int:
        """Start the command, forward each signal once, and finally kill what is left of its family.

        What the command leaves running gets the rest of the grace if a signal was forwarded, and none if the command
        ended by itself.

        Args:
            signals: the file descriptor that `handled` yields for HEARD; SIGTTOU must be ignored meanwhile.

        Returns:
            Its exit code as shells show it: 128 + N after signal N.

        Raises:
            NotStartedError: if it cannot be run.
        """
        self.start()
        try:
            if self._lend_terminal():
                self._send(signal.SIGCONT)  # it may have asked for the terminal before it had it, and be stopped
            return self._watch(signals)
        finally:
            self.survivors = self.family.end(self.reap)
            self._take_terminal_back()

    def _watch(self, signals: int) -> int:
        while self._code is None or (self._kill_at < math.inf and self.family.lives()):
            ending = self._kill_at < math.inf
            wait = min(_LOOK if ending else _LONG, self.on_look(), self._kill_at - self._clock.now())
            if select.select((signals,), (), (), max(0.0, wait))[0]:
                for signum in os.read(signals, _MANY):
                    self._heed(signum)
            self.reap()
            if self._clock.now() >= self._kill_at:
                self._say(f"The command did not end in {self._grace:g} s: it is killed.")
                return SIGNALED + signal.SIGKILL if self._code is None else self._code
            if ending:
                self.family.signal_orphans(self._ends_by)
        return self._code

    def _heed(self, signum: int) -> None:
        if signum == signal.SIGCONT:
            self._resume()
        elif signum in HEARD and signum != signal.SIGCHLD:
            self._pass_on(signal.Signals(signum))

    def _pass_on(self, signum: signal.Signals) -> None:
        grace = ""
        if signum in ENDING:
            self.family.forget_signals()
            self.family.signal(signum)
            self.family.resume()  # a stopped process would not notice the signal
            self._ends_by = signum
            if self._kill_at == math.inf:
                self._kill_at = self._clock.now() + self._grace
                grace = f", which has {self._grace:g} s to end"
                self.on_ending()
        else:
            self._send(signum)
            self._send(signal.SIGCONT)
        self._say(f"{signum.name} was passed on to the command{grace}.")

    def reap(self) -> None:
        """Reap every child that has ended or stopped, including orphans of the command, which this process adopts."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid != self._group:
                if not os.WIFSTOPPED(status):
                    self.on_other(pid, status)
            elif os.WIFSTOPPED(status):
                self._stop_too()
            else:
                code = os.waitstatus_to_exitcode(status)
                self._code = code if code >= 0 else SIGNALED - code

    def _stop_too(self) -> None:
        # Stopped by Ctrl+Z: the shell that waits for this process must get its terminal back.
        self._say("The command is stopped: what it has created is active, and nothing cancels it until it goes on.")
        if self._take_terminal_back():
            os.kill(0, signal.SIGTSTP)
            self._resume()

    def _resume(self) -> None:
        self._lend_terminal()
        self._send(signal.SIGCONT)

    def _lend_terminal(self) -> bool:
        with suppress(OSError):  # stdin is not a terminal
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

    def _send(self, signum: int) -> None:
        with suppress(OSError):  # no process is left in the group
            os.killpg(self._group, signum)


@contextmanager
def handled(handlers: Mapping[int, Handler]) -> Iterator[tuple[int, Callable[[], None]]]:
    """Install signal handlers, except for signals that this process was started to ignore. Restores them on exit.

    Yields a file descriptor from which the number of each signal can be read as a byte, and a function that wakes the
    reader without a signal. The reader wakes on every signal, whereas a Python handler runs only once the main thread
    is awake. Use it on the main thread.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = {signum: signal.getsignal(signum) for signum in handlers}
    wakeup_before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def wake() -> None:
        with suppress(OSError):  # full, so the reader is awake; or closed
            os.write(writer, b"\0")

    try:
        for signum, handler in handlers.items():
            if before[signum] is not signal.SIG_IGN or signum == signal.SIGCHLD:
                signal.signal(signum, handler)
        yield reader, wake
    finally:
        for signum, handler in before.items():
            # The outcome is known. No signal may change code or message during the last instructions of the process.
            signal.signal(signum, signal.SIG_IGN if is_the_end() and signum in ENDING else handler)
        signal.set_wakeup_fd(wakeup_before)
        os.close(reader)
        os.close(writer)
