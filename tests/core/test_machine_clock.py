"""The machine's clock: waits end, whatever has happened to the event loop's time."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from okx_rfq_plugin._core.clock import AsyncWaker, Clock

MOMENT = 0.001  # seconds of real time


class Frozen(asyncio.SelectorEventLoop):
    """A loop whose time does not move, as under freezegun; none of its timers fires."""

    def time(self) -> float:
        return 1000.0


def waited(loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    async def main() -> None:
        await Clock().asleep(seconds, AsyncWaker())

    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


@pytest.mark.parametrize("seconds", [MOMENT, 0.0])
def test_wait_on_a_frozen_loop_ends(seconds: float) -> None:
    """Otherwise it would last forever, and so would this test."""
    waited(Frozen(), seconds)


def test_wait_on_a_loop_that_moves_takes_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop's own timer does."""

    def no_thread(*args: Any) -> Any:
        raise AssertionError("a thread was started")

    monkeypatch.setattr(threading.Thread, "start", no_thread)

    waited(asyncio.SelectorEventLoop(), MOMENT)
