"""The clock of the machine, which every other test replaces."""

from __future__ import annotations

import asyncio

import pytest

from okx_rfq_plugin._core.clock import AsyncWaker, Clock, NotedClock, SkippingClock, Waker


def test_the_real_clock_moves_on_and_waits_both_ways() -> None:
    """Its time never goes back; a wait of nothing returns at once, on a thread and on a task."""
    clock = Clock()
    before = clock.now()
    clock.sleep(0, Waker())

    async def on_a_loop() -> None:
        await clock.asleep(0, AsyncWaker())

    asyncio.run(on_a_loop())

    assert before <= clock.now()


@pytest.mark.parametrize("make", [NotedClock, SkippingClock])
def test_waits_are_noted(make: type[NotedClock]) -> None:
    """The clocks for tests note each wait, on a thread and on a task; a wait of nothing is none."""
    clock = make()
    clock.sleep(0.001, Waker())
    clock.sleep(0, Waker())

    async def on_a_loop() -> None:
        await clock.asleep(0.002, AsyncWaker())

    asyncio.run(on_a_loop())

    assert [0.001, 0.002] == clock.waits


def test_the_skipping_clock_moves_by_the_waits_alone() -> None:
    """An hour passes at once, for the time of day too; a new beginning is later, at the machine's time of day."""
    clock = SkippingClock()
    began, day = clock.now(), clock.milliseconds()
    clock.sleep(3600, Waker())

    assert (3600.0, 3_600_000) == (clock.now() - began, clock.milliseconds() - day)

    clock.begin()

    assert [] == clock.waits
    assert clock.now() > began + 3600
    assert abs(clock.milliseconds() - day) < 60_000


def test_the_skipping_clock_waits_for_what_is_on_the_wire() -> None:
    """Such a wait is real, ends when it is woken, and is not noted."""
    clock = SkippingClock()
    before = clock.now()
    waker = Waker(busy=True)
    waker.wake()
    clock.sleep(60, waker)

    async def on_a_loop() -> None:
        waker = AsyncWaker(busy=True)
        waker.wake()
        await clock.asleep(60, waker)

    asyncio.run(on_a_loop())

    assert (before, []) == (clock.now(), clock.waits)
