"""The public names of the sandbox. The implementation, aiohttp included, is imported on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .clock import SandboxClock, VirtualClock
    from .faults import DROP, Fault
    from .request import Request
    from .sandbox import Sandbox

__all__ = ["DROP", "Fault", "Request", "Sandbox", "SandboxClock", "VirtualClock"]

_ROOMS = {
    "DROP": "faults",
    "Fault": "faults",
    "Request": "request",
    "Sandbox": "sandbox",
    "SandboxClock": "clock",
    "VirtualClock": "clock",
}


def __getattr__(name: str) -> object:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
