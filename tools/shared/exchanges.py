"""ccxt objects on a sandbox."""

from __future__ import annotations

from typing import Any

import okx_rfq_plugin


def make_exchange(module: Any, url: str, *, installed: bool, limiter: bool = True, **policy: float) -> Any:
    """Return a module's okx object, with the plugin if `installed`. `policy` contains arguments of RetryPolicy."""
    exchange = module.okx({"enableRateLimit": limiter})
    exchange.set_sandbox_mode(True)
    exchange.urls["api"]["rest"] = url
    if installed:
        okx_rfq_plugin.install(exchange, policy=okx_rfq_plugin.RetryPolicy(**policy))
    return exchange
