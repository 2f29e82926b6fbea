"""The clock of the machine, which every other test replaces."""

from __future__ import annotations

import asyncio

from okx_rfq_plugin.clock import Clock


def test_the_real_clock_moves_on_and_waits_both_ways() -> None:
    """Its time never goes back; a wait of nothing returns at once, on a thread and on a task."""
    clock = Clock()
    before = clock.now()
    clock.sleep(0)
    asyncio.run(clock.asleep(0))

    assert before <= clock.now()
