"""This file is the only one that reads the clock of the machine and waits on it, or stands in for that clock."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time


class Clock:
    """Monotonic time and the two ways to let it pass, in seconds; tests put a virtual one in its place."""

    def now(self) -> float:
        """Return seconds since some fixed moment; never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float, waker: Waker) -> None:
        """Wait so long, or until woken, holding this thread."""
        waker.lock.acquire(timeout=seconds)

    async def asleep(self, seconds: float, waker: AsyncWaker) -> None:
        """Same as sleep, for a task."""
        await asyncio.wait((waker.future,), timeout=seconds)

    def busy(self) -> contextlib.AbstractContextManager[None]:
        """Return a context manager around each request: a virtual clock does not move on meanwhile."""
        return _NOTHING


_NOTHING: contextlib.AbstractContextManager[None] = contextlib.nullcontext()


class Waker:
    """Ends the sleep of one thread, from any thread, and from a signal handler on that very thread.

    A bare lock: threading.Event holds one of its own for a moment, at which a signal handler would wait for ever.
    `busy` says that a request is on the wire meanwhile, so that a clock that skips waits must not skip this one.
    """

    def __init__(self, *, busy: bool = False) -> None:
        self.busy = busy
        self.lock = threading.Lock()
        self.lock.acquire()

    def wake(self) -> None:
        """End the sleep, or the next one if there is none yet."""
        with contextlib.suppress(RuntimeError):  # woken already
            self.lock.release()


class AsyncWaker:
    """Same as Waker, for a task: from any thread and any loop."""

    def __init__(self, *, busy: bool = False) -> None:
        self.busy = busy
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self._loop.create_future()

    def wake(self) -> None:
        """End the sleep, or the next one if there is none yet."""
        with contextlib.suppress(RuntimeError):  # its loop is closed: nobody sleeps there any more
            self._loop.call_soon_threadsafe(self._done)

    def _done(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


class NotedClock(Clock):
    """The clock of the machine; `waits` are the seconds that were waited, in order."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def sleep(self, seconds: float, waker: Waker) -> None:
        """Wait, and note it."""
        self._note(seconds)
        super().sleep(seconds, waker)

    async def asleep(self, seconds: float, waker: AsyncWaker) -> None:
        """Same as sleep, for a task."""
        self._note(seconds)
        await super().asleep(seconds, waker)

    def _note(self, seconds: float) -> None:
        if seconds > 0:
            self.waits.append(round(seconds, 6))  # a difference of two moments


class SkippingClock(NotedClock):
    """Time that passes only when somebody waits, and then at once; `waits` are the seconds that were skipped."""

    def __init__(self) -> None:
        super().__init__()
        self._time = float(int(time.monotonic()))  # whole seconds, so that sums of waits stay exact
        self.begin()

    def __deepcopy__(self, memo: object) -> SkippingClock:
        return self  # a copied exchange lives in the same time

    def begin(self) -> None:
        """Begin afresh: no waits, the machine's time of day, and what was before is a minute ago."""
        self.waits = []
        self._time += 60.0
        self._day = int(time.time()) - self._time

    def now(self) -> float:
        """Return seconds since some fixed moment; never goes back."""
        return self._time

    def wall(self) -> float:
        """Return Unix seconds, in step with this clock."""
        return self._time + self._day

    def milliseconds(self) -> int:
        """Return Unix milliseconds, as ccxt's method of this name does."""
        return int(self.wall() * 1000)

    def sleep(self, seconds: float, waker: Waker) -> None:
        """Skip it, and note it; what is on the wire is waited for."""
        if waker.busy:
            Clock.sleep(self, seconds, waker)
        else:
            self._skip(seconds)

    async def asleep(self, seconds: float, waker: AsyncWaker) -> None:
        """Same as sleep, for a task; the others have their turn."""
        if waker.busy:
            await Clock.asleep(self, seconds, waker)
        else:
            self._skip(seconds)
            await asyncio.sleep(0)

    def _skip(self, seconds: float) -> None:
        self._note(seconds)
        self._time = round(self._time + seconds, 6)


SYSTEM = Clock()
