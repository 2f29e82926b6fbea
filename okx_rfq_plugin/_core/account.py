"""This file says which account an exchange object speaks for, in a form that shows no secret."""

from __future__ import annotations

import hashlib
from operator import attrgetter
from typing import Any

# Beside key, host and world: as whom, and by which way, a request travels.
_way = attrgetter(
    *("secret", "password", "proxies", "aiohttp_proxy"),
    *("proxyUrl", "proxyUrlCallback", "proxy_url", "proxy_url_callback"),
    *("httpProxy", "httpProxyCallback", "http_proxy", "http_proxy_callback"),
    *("httpsProxy", "httpsProxyCallback", "https_proxy", "https_proxy_callback"),
    *("socksProxy", "socksProxyCallback", "socks_proxy", "socks_proxy_callback"),
)


def key_of(exchange: Any) -> bytes:
    """Return what stands for API key, host and world: OKX's limits are kept for each of these."""
    world = dict(exchange.headers or {}).get("x-simulated-trading")
    api = exchange.urls.get("api")
    rest = api.get("rest") if isinstance(api, dict) else api  # ccxt.pro has another address beside it
    return _digest(rest, exchange.hostname, world, exchange.apiKey)


def sharing_of(exchange: Any, params: dict[str, Any]) -> bytes:
    """Return what stands for all in which callers must agree to be served by one request, beside `key_of`."""
    return _digest(_way(exchange), sorted(params.items(), key=repr))


def _digest(*parts: Any) -> bytes:
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).digest()
