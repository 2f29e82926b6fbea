"""The block-trading desk's kill switch for ccxt: one call cancels every RFQ on OKX and tells the truth about it."""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from okx_rfq_plugin._core.policy import RetryPolicy
    from okx_rfq_plugin._core.records import CancelFailure, ExchangeSnapshot, Receipt
    from okx_rfq_plugin._core.rfqs import OpenRfq, RfqLeg
    from okx_rfq_plugin.hookspecs import hookimpl
    from okx_rfq_plugin.installer import install, uninstall
    from okx_rfq_plugin.on_exit import cancel_on_exit
    from okx_rfq_plugin.plugins import get_plugin_manager
    from okx_rfq_plugin.process_exit import at_exit
    from okx_rfq_plugin.protocols import AsyncRfqExchange, RfqExchange
    from okx_rfq_plugin.redaction import redact_ccxt_logs

    __version__: str

__all__ = [
    "AsyncRfqExchange",
    "CancelFailure",
    "ExchangeSnapshot",
    "OpenRfq",
    "Receipt",
    "RetryPolicy",
    "RfqExchange",
    "RfqLeg",
    "__version__",
    "at_exit",
    "cancel_on_exit",
    "get_plugin_manager",
    "hookimpl",
    "install",
    "redact_ccxt_logs",
    "uninstall",
]

# Each name is imported on first use, so that pytest does not start half a second later because of ccxt.
_MODULE_OF = {
    "AsyncRfqExchange": "protocols",
    "CancelFailure": "_core.records",
    "ExchangeSnapshot": "_core.records",
    "OpenRfq": "_core.rfqs",
    "Receipt": "_core.records",
    "RetryPolicy": "_core.policy",
    "RfqExchange": "protocols",
    "RfqLeg": "_core.rfqs",
    "at_exit": "process_exit",
    "cancel_on_exit": "on_exit",
    "get_plugin_manager": "plugins",
    "hookimpl": "hookspecs",
    "install": "installer",
    "redact_ccxt_logs": "redaction",
    "uninstall": "installer",
}

logging.getLogger("okx_rfq_plugin").addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("okx-rfq-plugin")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'okx_rfq_plugin' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"okx_rfq_plugin.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
