"""Waiting on the package's clock, which tests replace, and the offset between this clock and OKX's."""

from __future__ import annotations

import time
from typing import Any


def the_clock() -> Any:
    """Return the package's clock."""
    from okx_rfq_plugin import get_plugin_manager

    plugin: Any = get_plugin_manager().get_plugin("okx")
    return plugin.clock


def pause(seconds: float) -> None:
    """Wait, blocking this thread."""
    from okx_rfq_plugin._core.clock import Waker

    the_clock().sleep(seconds, Waker())


async def async_pause(seconds: float) -> None:
    """Async version of `pause`."""
    from okx_rfq_plugin._core.clock import AsyncWaker

    await the_clock().asleep(seconds, AsyncWaker())


def ahead_of(asked: float, at: Any) -> float:
    """Return the seconds that this clock is ahead of OKX's.

    Args:
        asked: seconds on this clock before OKX was asked.
        at: the result of `fetch_time`, just received.
    """
    return (asked + time.time()) / 2 - at / 1000 if isinstance(at, int) else 0.0
