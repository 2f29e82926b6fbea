"""Detects whether any thread of the process can still run, or virtual time may move."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

_TASKS = Path("/proc/self/task")
_ROUND = 0.001  # seconds of real time
_ROUNDS = 5  # quiet rounds in a row before all threads count as waiting
_MOST = 1.0  # seconds of real time without activity on the clock; then time moves, whatever is running
OWN_THREADS = "okx-rfq"  # threads of the sandbox, the clock, and the observers


class _Real:
    """The original functions, which freezegun and other patches do not replace here."""

    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)
    process_time = staticmethod(time.process_time)
    thread_time = staticmethod(time.thread_time)


def real_monotonic() -> float:
    """Return the real `time.monotonic()`, even if it has been patched."""
    return _Real.monotonic()


class Quiet:
    """Watches the threads of the process."""

    def __init__(self) -> None:
        self.stuck = False
        self._known: set[int | None] = set()
        self._met: set[int] = set()
        self.begin()
        self.restart()

    def begin(self) -> None:
        """Treat the existing threads as the test runner's."""
        self._known = {thread.ident for thread in threading.enumerate()}
        self._met = set()

    def met(self) -> None:
        """Record that the current thread uses the clock, even if the test did not start it."""
        self._met.add(threading.get_ident())

    def others(self) -> bool:
        """Return whether other threads may have work: those that a test has started, or if this is one."""
        here = threading.get_ident()
        return any(
            (thread.ident not in self._known or (thread.ident in self._met and thread.ident != here))
            and not thread.name.startswith(OWN_THREADS)
            for thread in threading.enumerate()
        )

    def restart(self) -> None:
        """Start watching."""
        self._events = -1
        self._rounds = 0
        self._since = real_monotonic()
        self._cpu = _others_cpu()

    def wait(self, events: int, *, busy: bool) -> bool:
        """Wait for one round, and return whether enough rounds were quiet.

        Args:
            events: how many events the clock has counted so far.
            busy: whether a request is on the wire, in which case nothing counts as quiet.
        """
        _Real.sleep(_ROUND)
        cpu = _others_cpu()
        spent, self._cpu = cpu - self._cpu, cpu
        if busy or events != self._events:
            self._events, self._rounds, self._since = events, 0, real_monotonic()
            self.stuck = False
            return False
        self.stuck = real_monotonic() - self._since > _MOST
        if spent > _ROUND / 5 or _other_thread_runs():
            self._rounds = 0
        else:
            self._rounds += 1
        return self.stuck or self._rounds >= _ROUNDS


def _others_cpu() -> float:
    # The CPU seconds that the process has used, except for this thread's.
    return _Real.process_time() - _Real.thread_time()


def _other_thread_runs() -> bool:
    """Return whether another thread of this process is running or waiting for a CPU. Linux only."""
    own = str(threading.get_native_id())
    try:
        tasks = os.listdir(_TASKS)
    except OSError:
        return False
    for task in tasks:
        if task != own:
            try:
                state = (_TASKS / task / "stat").read_bytes().rpartition(b")")[2].split(None, 1)[0]
            except (OSError, IndexError):  # the thread has just ended
                return True
            if state in (b"R", b"D"):
                return True
    return False
