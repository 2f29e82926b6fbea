"""The fleet: a kill switch and a dead man's switch for many machines, on a Redis or Valkey store."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from okx_rfq_plugin.fleet.joining import join

__all__ = ["guarded_environment", "join"]


def guarded_environment(url: str, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment that makes a strategy a member of the fleet without code changes.

    Args:
        url: the URL of the store.
        environment: the environment to extend; this process's by default.
    """
    return {**(os.environ if environment is None else environment), "OKX_RFQ_FLEET": url}


def __getattr__(name: str) -> Any:
    if name == "join":
        from okx_rfq_plugin.fleet.joining import join

        return join
    raise AttributeError(f"module 'okx_rfq_plugin.fleet' has no attribute {name!r}")
