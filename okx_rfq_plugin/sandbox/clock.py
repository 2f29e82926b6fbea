"""The time that a sandbox lives in: the machine's, a function's, or one that passes as soon as somebody waits."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Protocol, runtime_checkable


@runtime_checkable
class SandboxClock(Protocol):
    """What `Sandbox(clock=...)` takes, besides a function that returns Unix seconds.

    Everything that a sandbox does in time goes by it: expiry, limits, the 30 s window, and the seconds of faults.
    """

    def wall(self) -> float:
        """Return Unix seconds."""

    async def delay(self, seconds: float) -> None:
        """Return when the given number of seconds has passed on this clock.

        Called on the sandbox's own event loop, once for each fault that delays a reply, and canceled when the sandbox
        is closed. It must not block.
        """


class FunctionClock:
    """A function for the time of day, and the machine's seconds for delays."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall

    def wall(self) -> float:
        """Return Unix seconds."""
        return self._wall()

    async def delay(self, seconds: float) -> None:
        """Wait for the given number of seconds of real time."""
        await asyncio.sleep(seconds)


class VirtualClock:
    """Time that stands still until `advance` moves it, or a fault waits: then the seconds have passed at once.

    Waits that overlap end in the order of their ends, each at its own moment.
    """

    def __init__(self, wall: float | None = None) -> None:
        self._now = float(int(time.time()) if wall is None else wall)
        self._lock = threading.Lock()
        self._ends: list[tuple[float, int]] = []  # of the waits of this moment
        self._numbers = count()

    def __call__(self) -> float:
        """Return Unix seconds."""
        return self.wall()

    def wall(self) -> float:
        """Return Unix seconds."""
        with self._lock:
            return self._now

    def advance(self, seconds: float) -> None:
        """Let the given number of seconds pass."""
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds!r} seconds")
        with self._lock:
            self._now += seconds

    async def delay(self, seconds: float) -> None:
        """Let time pass up to the end of this wait, after the waits that end before it."""
        with self._lock:
            wait = self._now + seconds, next(self._numbers)
            self._ends.append(wait)
        try:
            while True:
                await asyncio.sleep(0)  # whatever arrives at this moment may have an earlier end
                with self._lock:
                    if wait == min(self._ends):
                        self._now = max(self._now, wait[0])
                        return
        finally:
            with self._lock:
                self._ends.remove(wait)


def as_clock(given: SandboxClock | Callable[[], float]) -> SandboxClock:
    """Return a clock made of what `Sandbox(clock=...)` was given."""
    if isinstance(given, SandboxClock):
        return given
    if callable(given):
        return FunctionClock(given)
    raise TypeError(f"a sandbox's clock is a function that returns Unix seconds, or a SandboxClock, not {given!r}")
