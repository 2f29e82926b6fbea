"""The two things that stand in for the world in every test: a clock, and ccxt's two faces."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from okx_rfq_plugin import RetryPolicy, install
from okx_rfq_plugin._core.clock import Clock
from okx_rfq_plugin.sandbox import Sandbox

# An attempt's timeout is real time, which a busy machine may hold up for longer than the default of three seconds.
PATIENT = RetryPolicy(attempt_timeout=10.0)


class VirtualClock(Clock):
    """A clock that moves when somebody waits, at once; `waits` are the seconds that would have been waited."""

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
        """Seconds since the epoch, in step with this clock."""
        return time.time() + self.time - 1000.0


@dataclass(frozen=True)
class Twin:
    """One of ccxt's faces: its module, and how a cancel is called there."""

    module: Any
    synchronous: bool

    def cancel(self, exchange: Any, *args: Any, **kwargs: Any) -> Any:
        """Return what `exchange.cancel_all_rfqs(...)` returns; an async object is closed afterwards."""
        return self.run(exchange, lambda: exchange.cancel_all_rfqs(*args, **kwargs))

    def run(self, exchange: Any, *calls: Callable[[], Any]) -> Any:
        """Call one after another, on one loop where they are to be awaited; return what the last one returned."""
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
    """Make an exchange as the fixture of that name does, of another account or with another policy."""
    exchange = sandbox.exchange(twin.module.okx, credentials=credentials)
    exchange.milliseconds = lambda: int(clock.wall() * 1000)
    return install(exchange, policy=replace(PATIENT, **policy))


def kind(value: object) -> str:
    """Name a parameter by its class: the same in every process, where a repr may hold an address."""
    return type(value).__name__
