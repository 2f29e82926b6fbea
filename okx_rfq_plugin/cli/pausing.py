"""Waiting by the package's clock, which tests replace."""

from __future__ import annotations

from typing import Any


def pause(seconds: float) -> None:
    """Wait, holding this thread."""
    from okx_rfq_plugin._core.clock import Waker

    _clock().sleep(seconds, Waker())


async def async_pause(seconds: float) -> None:
    """Async version of `pause`."""
    from okx_rfq_plugin._core.clock import AsyncWaker

    await _clock().asleep(seconds, AsyncWaker())


def _clock() -> Any:
    from okx_rfq_plugin import get_plugin_manager

    plugin: Any = get_plugin_manager().get_plugin("okx")
    return plugin.clock
