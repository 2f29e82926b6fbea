"""A virtual clock, and ccxt's sync and async variants, used by every test."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from okx_rfq_plugin import RetryPolicy, install
from okx_rfq_plugin._core.clock import Clock
from okx_rfq_plugin.sandbox import Sandbox

# An attempt's timeout is real time, and a busy machine may delay it beyond the default of three seconds.
PATIENT = RetryPolicy(attempt_timeout=10.0)


class VirtualClock(Clock):
    """A clock that advances immediately on each wait; `waits` are the seconds that would have been waited."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.waits: list[float] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float, waker: Any = None) -> None:
        self.waits.append(seconds)
        self.time += seconds

    async def asleep(self, seconds: float, waker: Any = None) -> None:
        self.sleep(seconds)
        await asyncio.sleep(0)

    def wall(self) -> float:
        """Return seconds since the epoch, advancing with this clock."""
        return time.time() + self.time - 1000.0


@dataclass(frozen=True)
class Twin:
    """One of ccxt's variants: its module, and how a cancel is called there."""

    module: Any
    synchronous: bool

    def cancel(self, exchange: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the result of `exchange.cancel_all_rfqs(...)`; an async object is closed afterwards."""
        return self.run(exchange, lambda: exchange.cancel_all_rfqs(*args, **kwargs))

    def run(self, exchange: Any, *calls: Callable[[], Any]) -> Any:
        """Make the calls in order, on one loop if they are async; return the last result."""
        if self.synchronous:
            return [call() for call in calls][-1]

        async def on_a_loop() -> Any:
            try:
                return [await call() for call in calls][-1]
            finally:
                exchange.timeout_on_exit = 0
                await exchange.close()

        return asyncio.run(on_a_loop())


def made(twin: Twin, sandbox: Sandbox, clock: VirtualClock, credentials: Any = None, **policy: float) -> Any:
    """Create an exchange like the fixture of that name, for another account or with another policy."""
    exchange = sandbox.exchange(twin.module.okx, credentials=credentials)
    exchange.milliseconds = lambda: int(clock.wall() * 1000)
    return install(exchange, policy=replace(PATIENT, **policy))


def kind(value: object) -> str:
    """Return a parameter's class name, which is the same in every process; a repr may contain an address."""
    return type(value).__name__
