"""Patches that make `time.sleep` and `asyncio.sleep` wait in virtual time."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from typing import Any

from okx_rfq_plugin._core.clock import AsyncWaker, Waker
from okx_rfq_plugin.testing.clocks import VirtualClock
from okx_rfq_plugin.testing.patches import Patches
from okx_rfq_plugin.testing.quiet import OWN_THREADS

# Packages whose modules may import the function by name, and must keep the real one.
_OTHERS = ("okx_rfq_plugin", "_pytest", "pytest", "aiohttp", "urllib3", "requests", "anyio", "xdist", "execnet", "vcr")


def patch_sleep(clock: VirtualClock) -> Patches:
    """Patch both functions in every module except the packages above, and return the patches for undoing it."""
    real, real_async = time.sleep, asyncio.sleep

    def sleep(seconds: float) -> None:
        if threading.current_thread().name.startswith(OWN_THREADS):
            real(seconds)
        elif seconds < 0:
            raise ValueError("sleep length must be non-negative")
        else:
            clock.sleep(seconds, Waker())

    async def sleep_async(delay: float, result: Any = None) -> Any:
        if threading.current_thread().name.startswith(OWN_THREADS):
            return await real_async(delay, result)
        await clock.asleep(delay, AsyncWaker())
        return result

    patches = Patches()
    for module in [time, asyncio, *list(sys.modules.values())]:
        name = getattr(module, "__name__", None)
        if not isinstance(name, str) or (module not in (time, asyncio) and _is_machinery(name)):
            continue
        for attribute, value in list(getattr(module, "__dict__", {}).items()):
            if value is real:
                patches.replace(module, attribute, sleep)
            elif value is real_async:
                patches.replace(module, attribute, sleep_async)
    return patches


def _is_machinery(name: str) -> bool:
    top = name.partition(".")[0]
    return top in _OTHERS or top in sys.stdlib_module_names
