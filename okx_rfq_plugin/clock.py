"""This file is the only one that reads the clock of the machine and waits on it."""

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


SYSTEM = Clock()
