"""The sandbox's clock: the machine's, a function's, or virtual time that advances whenever a fault waits."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Protocol, runtime_checkable


@runtime_checkable
class SandboxClock(Protocol):
    """What `Sandbox(clock=...)` accepts besides a function that returns Unix seconds.

    Everything timed in the sandbox follows it: expiry, limits, the 30 s window, and the delays of faults.
    """

    def wall(self) -> float:
        """Return Unix seconds."""

    async def delay(self, seconds: float) -> None:
        """Return once the given number of seconds has passed on this clock.

        Called on the sandbox's event loop, once for each fault that delays a reply, and canceled when the sandbox is
        closed. It must not block.
        """


class FunctionClock:
    """A function for the time of day, and real seconds for delays."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall

    def wall(self) -> float:
        """Return Unix seconds."""
        return self._wall()

    async def delay(self, seconds: float) -> None:
        """Wait for the given number of seconds of real time."""
        await asyncio.sleep(seconds)


class VirtualClock:
    """Virtual time: moved by `advance`, or by a fault that waits, whose seconds then pass at once.

    Overlapping waits end in the order of their end times, each at its own time.
    """

    def __init__(self, wall: float | None = None) -> None:
        self._now = float(int(time.time()) if wall is None else wall)
        self._lock = threading.Lock()
        self._ends: list[tuple[float, int]] = []  # end times of the current waits
        self._numbers = count()

    def __call__(self) -> float:
        """Return Unix seconds."""
        return self.wall()

    def wall(self) -> float:
        """Return Unix seconds."""
        with self._lock:
            return self._now

    def advance(self, seconds: float) -> None:
        """Move the time forward by the given number of seconds."""
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds!r} seconds")
        with self._lock:
            self._now += seconds

    async def delay(self, seconds: float) -> None:
        """Advance the time to the end of this wait, after all waits that end earlier."""
        with self._lock:
            wait = self._now + seconds, next(self._numbers)
            self._ends.append(wait)
        try:
            while True:
                await asyncio.sleep(0)  # a request arriving at this time may have an earlier end
                with self._lock:
                    if wait == min(self._ends):
                        self._now = max(self._now, wait[0])
                        return
        finally:
            with self._lock:
                self._ends.remove(wait)


def as_clock(given: SandboxClock | Callable[[], float]) -> SandboxClock:
    """Return the clock for the `clock` argument of `Sandbox`."""
    if isinstance(given, SandboxClock):
        return given
    if callable(given):
        return FunctionClock(given)
    raise TypeError(f"a sandbox's clock is a function that returns Unix seconds, or a SandboxClock, not {given!r}")
