"""A venue without a network, on event loops whose time jumps to the next timer."""

from __future__ import annotations

import asyncio
import json
import selectors
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import ccxt
import ccxt.async_support

import okx_rfq_plugin
from okx_rfq_plugin import RetryPolicy
from okx_rfq_plugin._core.clock import Clock

WINDOW = 2.0  # seconds in which OKX accepts two requests
GRACE = 0.5  # seconds that others wait for an attempt beyond its timeout
LONGEST = 4.0  # seconds: the timeout of the exchange objects here, which no attempt exceeds
TICK = 1e-6  # seconds: the error of sums of floats


class Time:
    """Seconds shared by several loops, which pass only when one of them has nothing to do."""

    def __init__(self) -> None:
        self.now = 1000.0


class Selector(selectors.SelectSelector):
    """Waits for no sockets; advances the time instead."""

    def __init__(self, time: Time) -> None:
        super().__init__()
        self._time = time

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise AssertionError("everybody waits for ever")
            self._time.now += max(timeout, 0)
        return ready


class Loop(asyncio.SelectorEventLoop):
    """An event loop on a time that jumps to the next timer."""

    def __init__(self, time: Time) -> None:
        self._virtual = time
        super().__init__(Selector(time))
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._virtual.now

    def until(self, task: Awaitable[Any] | None = None, *, at: float = 0.0) -> Any:
        """Run until a task is done, or until the given time."""
        return self.run_until_complete(task if task is not None else asyncio.sleep(at - self.time()))


class LoopClock(Clock):
    """The machine's way of waiting on a loop, on that loop's time."""

    def __init__(self, time: Time) -> None:
        self._virtual = time

    def now(self) -> float:
        return self._virtual.now

    def sleep(self, seconds: float, waker: Any) -> None:
        self._virtual.now += seconds

    async def asleep(self, seconds: float, waker: Any) -> None:
        await asyncio.wait((waker.future,), timeout=seconds)


@dataclass(frozen=True)
class Fate:
    """The outcome of a request: after how many seconds an OKX code, or no reply. `heard` is whether OKX acted on it."""

    code: str | None = "0"
    latency: float = 0.05
    status: int = 200


@dataclass
class Sent:
    """A request on the wire; `number` orders all events."""

    key: str
    number: int
    at: float
    code: str | None = None


@dataclass
class World:
    """The network, OKX behind it, and a log."""

    time: Time
    fates: Iterator[Fate]
    sent: list[Sent] = field(default_factory=list)
    happened: int = 0

    def number(self) -> int:
        self.happened += 1
        return self.happened

    async def passes(self, seconds: float) -> None:
        """Let virtual time pass: the loop skips it as soon as there is nothing else to do."""
        await asyncio.sleep(seconds)


class Venue(ccxt.async_support.okx):
    """ccxt's okx, whose network is a `World`."""

    world: World

    async def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        self.check_proxy_url_settings(url, method, headers, body)
        timeout = self.timeout / 1000
        if url.endswith("/public/time"):
            return await self._reply(url, method, headers, 200, {"code": "0", "data": [{"ts": "1700000000000"}]})
        fate = next(self.world.fates)
        sent = Sent(self.apiKey, self.world.number(), self.world.time.now)
        self.world.sent.append(sent)
        if fate.latency > timeout:
            await asyncio.sleep(timeout)
            raise ccxt.RequestTimeout("no reply in time")
        await asyncio.sleep(fate.latency)
        if fate.code is None:
            raise ccxt.ExchangeNotAvailable("the connection broke")
        sent.code = fate.code
        reply = {"code": fate.code, "msg": "", "data": [{"ts": "1700000000000"}] if fate.code == "0" else []}
        return await self._reply(url, method, headers, fate.status, reply)

    async def _reply(self, url: str, method: str, headers: Any, status: int, reply: Any) -> Any:
        self.handle_errors(status, "So", url, method, {}, json.dumps(reply), reply, headers, None)
        return reply


def venue(key: str = "dummy-key-0000", cls: Any = Venue, timeout: float = LONGEST, **policy: float) -> Any:
    """Return an okx object in a `World`, with the plugin installed."""
    made = cls({"apiKey": key, "secret": "dummy-secret-0000", "password": "Dummy-pass-0000", "timeout": timeout * 1000})
    return okx_rfq_plugin.install(made, policy=RetryPolicy(**policy))


@contextmanager
def on_loop_time(fates: Iterator[Fate]) -> Iterator[World]:
    """Put the plugin on a new time and a new world."""
    okx = okx_rfq_plugin.get_plugin_manager().get_plugin("okx")
    before = okx.clock
    world = World(Time(), fates)
    okx.clock = LoopClock(world.time)
    Venue.world = world
    try:
        yield world
    finally:
        okx.clock = before
        del Venue.world
