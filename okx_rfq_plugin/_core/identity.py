"""Digests, without secrets, of the account that an exchange object acts for, and of what callers must share."""

from __future__ import annotations

import hashlib
from operator import attrgetter
from typing import Any

from okx_rfq_plugin._core import connection, members

# Credentials and route of a request, besides key, host and environment.
_way = attrgetter(
    *("secret", "password", "headers", "userAgent", "user_agent", "proxy", "proxies", "aiohttp_proxy"),
    *("proxyUrl", "proxyUrlCallback", "proxy_url", "proxy_url_callback"),
    *("httpProxy", "httpProxyCallback", "http_proxy", "http_proxy_callback"),
    *("httpsProxy", "httpsProxyCallback", "https_proxy", "https_proxy_callback"),
    *("socksProxy", "socksProxyCallback", "socks_proxy", "socks_proxy_callback"),
)
# ccxt's methods that a request and its reply pass through.
ON_THE_WAY = ("request", "fetch2", "throttle", "sign", "fetch", "open", "handle_errors")


def key_of(exchange: Any) -> bytes:
    """Return a digest of API key, host and environment: OKX's limits are kept for each."""
    simulated = dict(exchange.headers or {}).get("x-simulated-trading")
    api = exchange.urls.get("api")
    rest = api.get("rest") if isinstance(api, dict) else api  # ccxt.pro has another address beside it
    return _digest(rest, exchange.hostname, simulated, exchange.apiKey)


def sharing_of(exchange: Any, params: dict[str, Any]) -> bytes:
    """Return a digest of what callers must have in common, besides `key_of`, to be served by one request."""
    session = exchange.session
    # Objects that run ccxt's code alone share with each other. A class from elsewhere may do anything with a request
    # (paper trading), so its objects share among themselves only; an object with a patched method (a mock) shares with
    # itself only. An id is safe here: the object lives as long as its callers do.
    classes = members.plain(type(exchange)).__mro__
    code = [id(cls) for cls in classes if not members.is_ccxts(str(cls.__module__))]
    alone = not vars(exchange).keys().isdisjoint(ON_THE_WAY) or not connection.is_ccxts_own(exchange, session)
    return _digest(
        _way(exchange),
        exchange.requests_trust_env if exchange.synchronous else exchange.aiohttp_trust_env,
        id(exchange) if alone else connection.settings_of(exchange, session),
        sorted(params.items(), key=repr),
        code,
    )


def _digest(*parts: Any) -> bytes:
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).digest()
