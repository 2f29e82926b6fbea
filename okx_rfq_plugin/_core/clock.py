"""The machine's clock, and the wakers that end a wait early."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from functools import partial

# freezegun stops `time.monotonic`, and a limit kept on a clock that stands still is never over. It does not know
# `clock_gettime`, which Windows lacks.
_monotonic: Callable[[], float] = (
    partial(time.clock_gettime, time.CLOCK_MONOTONIC) if hasattr(time, "clock_gettime") else time.monotonic
)


def _stands_still(loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether a loop's time stands still: freezegun stops it, and with it every timer of the loop."""
    before, until = loop.time(), _monotonic() + 5e-5
    while _monotonic() < until:
        pass
    return loop.time() == before


class Clock:
    """Monotonic time, and two ways to wait, in seconds; tests replace it with a virtual clock."""

    def now(self) -> float:
        """Return seconds since some fixed moment; never goes back."""
        return _monotonic()

    def sleep(self, seconds: float, waker: Waker) -> None:
        """Wait the given number of seconds, or until woken, holding this thread."""
        waker.lock.acquire(timeout=seconds)

    async def asleep(self, seconds: float, waker: AsyncWaker) -> None:
        """Async version of `sleep`."""
        timer = None
        if seconds > 0 and _stands_still(waker.loop):
            timer = threading.Timer(seconds, waker.wake)  # the loop's own timer would never fire
            timer.daemon = True
            with contextlib.suppress(RuntimeError):  # no thread available
                timer.start()
        try:
            await asyncio.wait((waker.future,), timeout=seconds)
        finally:
            if timer is not None:
                timer.cancel()

    def busy(self) -> contextlib.AbstractContextManager[object]:
        """Context manager around each request on the wire: a virtual clock stands still meanwhile."""
        return _NOTHING


class Waker:
    """Ends the sleep of one thread, from any thread, and from a signal handler on that very thread.

    A bare lock: threading.Event briefly holds an internal lock, and a signal handler that strikes then would wait
    forever. `busy` says that the wait is for a request on the wire.
    """

    def __init__(self, *, busy: bool = False) -> None:
        self.busy = busy
        self.lock = threading.Lock()
        self.lock.acquire()

    def wake(self) -> None:
        """End the sleep, or the next one if there is none yet."""
        with contextlib.suppress(RuntimeError):  # woken already
            self.lock.release()

    @property
    def woken(self) -> bool:
        """Whether the sleep was ended, and the sleeper has not run yet."""
        return not self.lock.locked()


class AsyncWaker:
    """Async version of `Waker`: for one task, from any thread and any loop."""

    def __init__(self, *, busy: bool = False) -> None:
        self.busy = busy
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self.loop.create_future()

    def wake(self) -> None:
        """End the sleep, or the next one if there is none yet."""
        with contextlib.suppress(RuntimeError):  # its loop is closed: no task sleeps there any more
            self.loop.call_soon_threadsafe(self._done)

    @property
    def woken(self) -> bool:
        """Whether the sleep was ended, and the sleeper has not run yet."""
        return self.future.done()

    def _done(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


_NOTHING: contextlib.AbstractContextManager[object] = contextlib.nullcontext()
SYSTEM = Clock()
