"""However callers come, leave, get lost and are refused, what sharing must never do; the cases are hypothesis's."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import ccxt
import ccxt.async_support
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.sharing import GRACE, LONGEST, TICK, WINDOW, Fate, Loop, World, on_loop_time, venue

pytestmark = pytest.mark.exhaustive


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
        await world.passes(caller.comes)
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
