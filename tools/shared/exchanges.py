"""ccxt objects on a sandbox."""

from __future__ import annotations

from typing import Any

import okx_rfq_plugin


def make_exchange(module: Any, url: str, *, installed: bool, limiter: bool = True, **policy: float) -> Any:
    """Return ccxt's okx object of a module, with the plugin on it if `installed`; `policy` is a RetryPolicy's."""
    exchange = module.okx({"enableRateLimit": limiter})
    exchange.set_sandbox_mode(True)
    exchange.urls["api"]["rest"] = url
    if installed:
        okx_rfq_plugin.install(exchange, policy=okx_rfq_plugin.RetryPolicy(**policy))
    return exchange
