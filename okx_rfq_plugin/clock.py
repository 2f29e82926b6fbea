"""This file is the only one that reads the clock of the machine and waits on it."""

from __future__ import annotations

import asyncio
import time


class Clock:
    """Monotonic time and the two ways to let it pass, in seconds; tests put a virtual one in its place."""

    def now(self) -> float:
        """Return seconds since some fixed moment; never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait, holding this thread."""
        time.sleep(seconds)

    async def asleep(self, seconds: float) -> None:
        """Same as sleep, for a task."""
        await asyncio.sleep(seconds)
