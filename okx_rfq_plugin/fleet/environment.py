"""The entry point `fleet`: joins the fleet in OKX_RFQ_FLEET, and does nothing if the variable is not set."""

from __future__ import annotations

import os
from typing import Any

from okx_rfq_plugin.hookspecs import hookimpl

VARIABLE = "OKX_RFQ_FLEET"


class _Missing:
    """Refuses creates if the environment names a fleet that cannot be joined. Cancels are unaffected."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    @hookimpl
    def rfq_creating(self, exchange: Any, path: str) -> None:
        from ccxt.base.errors import OperationRejected

        raise OperationRejected(f"{exchange.id} {path}: nothing was sent, for {VARIABLE} is set and {self._reason}")


class _Nothing:
    """A plugin without hooks."""


def _plugin() -> object:
    if not os.environ.get(VARIABLE):
        return _Nothing()
    try:
        from okx_rfq_plugin.fleet.plugin import plugin
    except ImportError:
        return _Missing("redis is not installed: pip install 'okx-rfq-plugin[fleet]'")
    return plugin


plugin = _plugin()
