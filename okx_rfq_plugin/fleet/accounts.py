"""The account of an exchange object, identified by OKX's User ID."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

# Settings that affect how a request travels, besides address and key.
_WAY = (
    *("proxies", "aiohttp_proxy", "proxyUrl", "proxyUrlCallback", "proxy_url", "proxy_url_callback"),
    *("httpProxy", "httpProxyCallback", "http_proxy", "http_proxy_callback"),
    *("httpsProxy", "httpsProxyCallback", "https_proxy", "https_proxy_callback"),
    *("socksProxy", "socksProxyCallback", "socks_proxy", "socks_proxy_callback"),
    *("requests_trust_env", "verify", "timeout", "hostname", "headers", "urls", "options"),
)

Identity = tuple[str, str, str]


def environment_of(exchange: Any) -> str:
    """Return "demo" or "live"."""
    return "demo" if (exchange.headers or {}).get("x-simulated-trading") == "1" else "live"


def identity_of(exchange: Any) -> Identity:
    """Return a value shared by objects with the same account and key. It holds the key: keep it in the process."""
    api = exchange.urls.get("api")
    return environment_of(exchange), str(api.get("rest") if isinstance(api, dict) else api), str(exchange.apiKey)


def account_of(exchange: Any) -> str:
    """Ask OKX which User ID a key belongs to, and return it with the environment, such as "demo:1001".

    Raises:
        ccxt.BaseError: if OKX does not say.
    Source: okx.com/docs-v5/en/#trading-account-rest-api-get-account-configuration
    """
    return _account(exchange, exchange.private_get_account_config())


async def account_of_async(exchange: Any) -> str:
    """Async version of `account_of`."""
    return _account(exchange, await exchange.private_get_account_config())


def _account(exchange: Any, reply: Any) -> str:
    try:
        uid = str(reply["data"][0]["uid"])
    except (LookupError, TypeError):
        uid = ""
    if not uid.isdigit():  # "" would merge all such accounts into one
        from ccxt.base.errors import BadResponse

        raise BadResponse(f"{exchange.id} account/config: OKX did not say which User ID the key belongs to")
    return f"{environment_of(exchange)}:{uid}"


def sync_twin(exchange: Any) -> Any:
    """Return a new sync object for the same account, usable from any thread, whatever the event loop is doing."""
    import ccxt

    twin = getattr(ccxt, exchange.id, ccxt.okx)()
    for name in ("apiKey", "secret", "password"):
        setattr(twin, name, getattr(exchange, name))
    for name in filter(partial(hasattr, exchange), _WAY):
        setattr(twin, name, copy.copy(getattr(exchange, name)))
    return twin
