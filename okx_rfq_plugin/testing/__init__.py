"""Public test helpers besides the fixtures of the pytest plugin, imported on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .interactions import CassetteRequest
    from .reading import CassetteError
    from .replaying import replay
    from .stage import Refused

__all__ = ["CassetteError", "CassetteRequest", "Refused", "replay"]

_ROOMS = {"CassetteError": "reading", "CassetteRequest": "interactions", "Refused": "stage", "replay": "replaying"}


def __getattr__(name: str) -> object:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
