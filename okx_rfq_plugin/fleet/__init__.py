"""The fleet: one switch for many machines, and a dead man's switch, on a Redis or Valkey store."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from okx_rfq_plugin.fleet.joining import join

__all__ = ["guarded_environment", "join"]


def guarded_environment(url: str, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for a strategy that is to be a member of the fleet without a line of code.

    Args:
        url: of the store.
        environment: what it would have otherwise; this process's by default.
    """
    return {**(os.environ if environment is None else environment), "OKX_RFQ_FLEET": url}


def __getattr__(name: str) -> Any:
    if name == "join":
        from okx_rfq_plugin.fleet.joining import join

        return join
    raise AttributeError(f"module 'okx_rfq_plugin.fleet' has no attribute {name!r}")
