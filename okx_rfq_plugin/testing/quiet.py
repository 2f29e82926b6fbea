"""Finds out whether any thread of the process can go on, or virtual time may move."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

_TASKS = Path("/proc/self/task")
_ROUND = 0.001  # seconds of real time
_ROUNDS = 5  # quiet ones in a row before all threads count as waiting
_MOST = 1.0  # seconds of real time without a sign of life on the clock: then time moves, whatever is running
OWN_THREADS = "okx-rfq"  # threads of the sandbox, the clock, and the observers


class _Real:
    """The machine's functions, kept where freezegun and other patches do not replace them."""

    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)
    process_time = staticmethod(time.process_time)
    thread_time = staticmethod(time.thread_time)


def real_monotonic() -> float:
    """Return the real `time.monotonic()`, also where it has been patched."""
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
        """Take the threads that exist now for the test runner's."""
        self._known = {thread.ident for thread in threading.enumerate()}
        self._met = set()

    def met(self) -> None:
        """Note that the current thread uses the clock, also if the test did not start it."""
        self._met.add(threading.get_ident())

    def others(self) -> bool:
        """Return whether another thread may have something to do: where a test has started threads, or is in one."""
        here = threading.get_ident()
        return any(
            (thread.ident not in self._known or (thread.ident in self._met and thread.ident != here))
            and not thread.name.startswith(OWN_THREADS)
            for thread in threading.enumerate()
        )

    def restart(self) -> None:
        """Begin to watch."""
        self._events = -1
        self._rounds = 0
        self._since = real_monotonic()
        self._cpu = _others_cpu()

    def wait(self, events: int, *, busy: bool) -> bool:
        """Wait for a round, and return whether enough of them were quiet.

        Args:
            events: how much has happened on the clock so far.
            busy: whether a request is on the wire, so that nothing is to be watched.
        """
        _Real.sleep(_ROUND)
        cpu = _others_cpu()
        spent, self._cpu = cpu - self._cpu, cpu
        if busy or events != self._events:
            self._events, self._rounds, self._since = events, 0, real_monotonic()
            self.stuck = False
            return False
        self.stuck = real_monotonic() - self._since > _MOST
        if spent > _ROUND / 5 or _somebody_runs():
            self._rounds = 0
        else:
            self._rounds += 1
        return self.stuck or self._rounds >= _ROUNDS


def _others_cpu() -> float:
    # The seconds of CPU that the process has spent, but for this thread.
    return _Real.process_time() - _Real.thread_time()


def _somebody_runs() -> bool:
    """Return whether the system has another thread of this process running, or waiting for a CPU; Linux only."""
    own = str(threading.get_native_id())
    try:
        tasks = os.listdir(_TASKS)
    except OSError:
        return False
    for task in tasks:
        if task != own:
            try:
                state = (_TASKS / task / "stat").read_bytes().rpartition(b")")[2].split(None, 1)[0]
            except (OSError, IndexError):  # it has just ended
                return True
            if state in (b"R", b"D"):
                return True
    return False
