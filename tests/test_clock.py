"""The clock of the machine, which every other test replaces."""

from __future__ import annotations

import asyncio

from okx_rfq_plugin.clock import AsyncWaker, Clock, Waker


def test_the_real_clock_moves_on_and_waits_both_ways() -> None:
    """Its time never goes back; a wait of nothing returns at once, on a thread and on a task."""
    clock = Clock()
    before = clock.now()
    clock.sleep(0, Waker())

    async def on_a_loop() -> None:
        await clock.asleep(0, AsyncWaker())

    asyncio.run(on_a_loop())

    assert before <= clock.now()
