"""This file lets callers come, leave, lose and be refused as hypothesis likes, and holds what sharing must never do."""

from __future__ import annotations

import asyncio
import json
import random
import selectors
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import ccxt
import ccxt.async_support
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import okx_rfq_plugin
from okx_rfq_plugin import RetryPolicy
from okx_rfq_plugin._core.clock import Clock

pytestmark = pytest.mark.exhaustive

WINDOW = 2.0  # seconds in which OKX takes two requests
GRACE = 0.5  # seconds that others wait for an attempt beyond its timeout
LONGEST = 4.0  # seconds: the timeout of the exchange objects here, which no attempt goes beyond
TICK = 1e-6  # seconds: what sums of floats may be off by


class Time:
    """Seconds that several loops have in common, and that pass only when one of them has nothing to do."""

    def __init__(self) -> None:
        self.now = 1000.0


class Selector(selectors.SelectSelector):
    """Waits for no socket: it lets the time pass instead."""

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
        """Run until a task is done, or until some time has come."""
        return self.run_until_complete(task if task is not None else asyncio.sleep(at - self.time()))


class LoopClock(Clock):
    """The machine's own way to wait on a loop, on that loop's time."""

    def __init__(self, time: Time) -> None:
        self._virtual = time

    def now(self) -> float:
        return self._virtual.now

    def sleep(self, seconds: float, waker: Any) -> None:
        self._virtual.now += seconds


@dataclass(frozen=True)
class Fate:
    """What becomes of a request: after so many seconds an OKX code, or no reply; `heard` where OKX acted on it."""

    code: str | None = "0"
    latency: float = 0.05
    status: int = 200


@dataclass
class Sent:
    """A request on the wire; `number` orders it among all that happened."""

    key: str
    number: int
    at: float
    code: str | None = None


@dataclass
class World:
    """The network, OKX behind it, and a diary."""

    time: Time
    fates: Iterator[Fate]
    sent: list[Sent] = field(default_factory=list)
    happened: int = 0

    def number(self) -> int:
        self.happened += 1
        return self.happened


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
    """Build an okx object in a `World`, with the plugin on it."""
    made = cls({"apiKey": key, "secret": "dummy-secret-0000", "password": "Dummy-pass-0000", "timeout": timeout * 1000})
    return okx_rfq_plugin.install(made, policy=RetryPolicy(**policy))


@contextmanager
def on_loop_time(fates: Iterator[Fate]) -> Iterator[World]:
    """Put the plugin on a fresh time and a fresh world."""
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


@dataclass(frozen=True)
class Caller:
    """Who cancels when: seconds from the start, an exchange object, params, and when it loses its patience."""

    comes: float
    object: int = 0
    params: bool = False
    leaves: float | None = None


@dataclass
class Call:
    """What a caller has seen."""

    key: str
    number: int
    came: float
    deadline: float
    ended: float = 0.0
    receipt: Any = None
    error: BaseException | None = None


Objects = list[tuple[Any, float]]


@pytest.fixture(scope="module")
def objects() -> Objects:
    """One account with two objects, and another account, each with its deadline; dear to build, they keep nothing."""
    return [
        (venue(deadline=6.0, attempt_timeout=1.0), 6.0),
        (venue(deadline=0.0, attempt_timeout=2.0), 0.0),
        (venue("dummy-key-0001", deadline=6.0, attempt_timeout=1.0), 6.0),
    ]


def play(objects: Objects, callers: list[Caller], fates: list[Fate]) -> tuple[World, list[Call]]:
    """Let the callers come, and return what happened; when the fates are used up all goes well."""

    def endless() -> Iterator[Fate]:
        yield from fates
        while True:
            yield Fate()

    async def call(caller: Caller) -> Call:
        exchange, deadline = objects[caller.object]
        await asyncio.sleep(caller.comes)
        mine = Call(exchange.apiKey, world.number(), world.time.now, deadline)
        try:
            mine.receipt = await exchange.cancel_all_rfqs({"tag": "x"} if caller.params else {})
        except ccxt.BaseError as error:
            mine.error = error
        except asyncio.CancelledError as error:
            mine.error = error
        mine.ended = world.time.now
        return mine

    async def all_of_them() -> list[Call]:
        tasks = [asyncio.ensure_future(call(caller)) for caller in callers]
        for task, caller in zip(tasks, callers, strict=True):
            if caller.leaves is not None:
                asyncio.get_running_loop().call_later(caller.comes + caller.leaves, task.cancel)
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        return [one for one in ended if isinstance(one, Call)]

    random.seed(1)
    with on_loop_time(endless()) as world:
        loop = Loop(world.time)
        try:
            return world, loop.until(all_of_them())
        finally:
            loop.close()


def check(world: World, calls: list[Call]) -> None:
    """Hold what must be true of every run."""
    for key in {sent.key for sent in world.sent}:
        times = [sent.at for sent in world.sent if sent.key == key]
        assert [] == [(a, b) for a, b in zip(times, times[2:], strict=False) if b - a < WINDOW - TICK]
    for call in calls:
        assert call.ended <= call.came + call.deadline + LONGEST + GRACE + WINDOW + TICK, call
        mine = [sent for sent in world.sent if sent.key == call.key and sent.number > call.number]
        if call.receipt is not None:
            good = {"canceled": "0", "nothing_active": "70207"}[call.receipt["status"]]
            assert any(sent.code == good and sent.at <= call.ended for sent in mine), call
    infos = [id(call.receipt["info"]) for call in calls if call.receipt]
    errors = [id(call.error) for call in calls if call.error]
    assert (len(infos), len(errors)) == (len(set(infos)), len(set(errors)))


LATENCIES = st.sampled_from([0.0, 0.05, 0.7, 1.5, 3.0, 60.0])
WELL = st.builds(Fate, st.sampled_from(["0", "70207"]), LATENCIES)
AGAIN = st.one_of(
    WELL,
    st.builds(Fate, st.none(), LATENCIES),
    st.builds(Fate, st.sampled_from(["50011", "50001", "50102"]), st.sampled_from([0.0, 0.05, 0.7])),
)
REFUSED = st.builds(Fate, st.just("50113"), st.sampled_from([0.05, 0.7]))
TIMES = st.one_of(st.sampled_from([0.0, 0.01, 0.5, 2.0, 2.05]), st.floats(0, 8, allow_nan=False))
CALLERS = st.builds(
    Caller,
    TIMES,
    st.integers(0, 2),
    st.booleans(),
    st.one_of(st.none(), st.none(), st.none(), st.sampled_from([0.0, 0.02, 0.6, 1.0, 2.0, 5.0])),
)
quickly = settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@quickly
@given(st.lists(CALLERS, min_size=1, max_size=8), st.lists(st.one_of(AGAIN, REFUSED), max_size=10))
def test_nobody_is_deceived_and_nobody_waits_for_ever(
    objects: Objects, callers: list[Caller], fates: list[Fate]
) -> None:
    """Whatever becomes of requests and callers: no share of an older request, no third send in 2 s, an end for all."""
    check(*play(objects, callers, fates))
