"""Signals and the time limit of a cancel. The first interrupts it; later ones change nothing."""

from __future__ import annotations

import math
import os
import select
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from okx_rfq_plugin.cli.outcomes import MAY_BE_CANCELED

# Signals that would end this process by default, with a code that says nothing about the RFQs.
_NAMES = (
    "SIGINT SIGTERM SIGHUP SIGQUIT SIGBREAK SIGALRM SIGUSR1 SIGUSR2 SIGVTALRM SIGPROF SIGXCPU SIGIO SIGPWR SIGSTKFLT"
)
ENDING: tuple[signal.Signals, ...] = tuple(getattr(signal, name) for name in _NAMES.split() if hasattr(signal, name))
_HANGUP = getattr(signal, "SIGHUP", None)
_FORCED = 2.0  # seconds to unwind; a host name lookup may block the main thread for any time

_MAIN, _WATCHER = "main", "watcher"

_final = False
_called = False


Say = Callable[[], object]
Force = Callable[[str], tuple[int, Say]]


class Interrupted(KeyboardInterrupt):
    """Ctrl+C, another signal, or the time limit."""


def until_the_end() -> None:
    """Prevent signals after an outcome from changing this process's exit code, even in its last instructions."""
    global _final
    _final = True


def is_the_end() -> bool:
    """Return whether this process ends with the command's return value."""
    return _final


def was_called() -> bool:
    """Return whether a cancel of this process may have begun."""
    return _called


class Interrupts:
    """Context manager: raises Interrupted in the main thread at the first ending signal, and never again.

    Enter it on the main thread.

    Args:
        timeout: seconds from `agreed()` until the interruption; None for no limit.
        force: called on another thread if the main thread does not notice an interruption in time, or hangs beyond the
            limit. Its argument is the cause of the interruption. It returns the exit code, with which the process ends
            immediately, and a function that first prints what is true, unless the main thread is printing it.
    """

    def __init__(self, timeout: float | None, force: Force) -> None:
        self.reason = ""  # the cause of the interruption, in words
        self._timeout = timeout
        self._force = force
        self._agreed = False
        self._over = False
        self._last_word: dict[str, str] = {}  # who reports the outcome: the first to ask, and no one after it
        self._stop: Callable[[], object] | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._wakeup_before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for signum in ENDING:
            if signal.getsignal(signum) is not signal.SIG_IGN:  # by nohup, and by shells for background jobs
                self._before[signum] = signal.signal(signum, self._hear)
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over()
        for signum, before in self._before.items():
            signal.signal(signum, signal.SIG_IGN if _final else before or signal.SIG_DFL)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._writer)  # ends the watching thread, which closes the other end

    def agreed(self) -> None:
        """Start the time limit, and ignore a lost SSH connection from now on."""
        global _called
        _called = self._agreed = True
        if self._timeout is not None:
            self._wake(b"\0")

    def by(self, stop: Callable[[], object] | None) -> None:
        """Make the first signal call this on the main thread instead of raising."""
        self._stop = stop

    def over(self) -> None:
        """Record that the outcome is known: nothing interrupts now. Ends the process if the other thread reports it."""
        self._over = True
        while not self._has_last_word(_MAIN):
            time.sleep(_FORCED)

    def _has_last_word(self, who: str) -> bool:
        return self._last_word.setdefault("of", who) == who

    def _hear(self, signum: int, frame: FrameType | None) -> None:
        if self._over or self.reason or (signum == _HANGUP and self._agreed) or not self._is_meant(signum):
            return
        self.reason = self._words(limited=signum == getattr(signal, "SIGALRM", None))
        if self._stop is not None:
            self._stop()
        else:
            raise Interrupted(self.reason)

    def _is_meant(self, signum: int) -> bool:
        if signum == getattr(signal, "SIGALRM", None):
            return self._timeout is not None and self._agreed
        # SIGUSR1 and the like are mistakes, not a request to give up a cancel.
        return signum in (signal.SIGINT, signal.SIGTERM, _HANGUP, getattr(signal, "SIGQUIT", None))

    def _words(self, *, limited: bool) -> str:
        return f"it did not end in {self._timeout:g} s (--timeout)" if limited else "it was interrupted"

    def _wake(self, byte: bytes) -> None:
        os.write(self._writer, byte)

    def _end(self, reason: str, *, speaks: bool) -> None:
        code = MAY_BE_CANCELED
        try:
            code, say = self._force(self.reason or reason)
            if speaks:
                say()
        finally:
            os._exit(code)

    def _watch(self) -> None:
        """Start the countdown at the first signal, or send a signal at the time limit."""
        limit_at = end_at = math.inf
        limited = interrupted = False
        while True:
            wait = min(limit_at, end_at) - time.monotonic()
            ready = select.select((self._reader,), (), (), None if wait == math.inf else max(0.0, wait))[0]
            read = os.read(self._reader, 1) if ready else b""
            if ready and not read:
                break
            if read == b"\0":
                limit_at = time.monotonic() + float(self._timeout or 0)
            elif read:
                if self._is_meant(read[0]) and not (read[0] == _HANGUP and self._agreed):
                    end_at = min(end_at, time.monotonic() + _FORCED)
                    interrupted = interrupted or not limited
            elif end_at <= limit_at:
                end_at = math.inf
                reason = self._words(limited=limited and not interrupted)
                if self._has_last_word(_WATCHER):
                    self._end(reason, speaks=True)
                elif limited:
                    self._end(reason, speaks=False)
            else:
                limit_at, limited = math.inf, True
                end_at = min(end_at, time.monotonic() + _FORCED)
                os.kill(os.getpid(), getattr(signal, "SIGALRM", signal.SIGTERM))
        os.close(self._reader)
