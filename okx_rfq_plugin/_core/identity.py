"""Which account an exchange object speaks for, and which objects may share a request; as digests, without secrets."""

from __future__ import annotations

import hashlib
from operator import attrgetter
from typing import Any

from okx_rfq_plugin._core import connection, members

# As whom, and by which way, a request travels, beside key, host and environment.
_way = attrgetter(
    *("secret", "password", "headers", "userAgent", "user_agent", "proxy", "proxies", "aiohttp_proxy"),
    *("proxyUrl", "proxyUrlCallback", "proxy_url", "proxy_url_callback"),
    *("httpProxy", "httpProxyCallback", "http_proxy", "http_proxy_callback"),
    *("httpsProxy", "httpsProxyCallback", "https_proxy", "https_proxy_callback"),
    *("socksProxy", "socksProxyCallback", "socks_proxy", "socks_proxy_callback"),
)
# ccxt's methods on the way of a request, and of its reply.
ON_THE_WAY = ("request", "fetch2", "throttle", "sign", "fetch", "open", "handle_errors")


def key_of(exchange: Any) -> bytes:
    """Return what stands for API key, host and environment: OKX's limits are kept for each of these."""
    simulated = dict(exchange.headers or {}).get("x-simulated-trading")
    api = exchange.urls.get("api")
    rest = api.get("rest") if isinstance(api, dict) else api  # ccxt.pro has another address beside it
    return _digest(rest, exchange.hostname, simulated, exchange.apiKey)


def sharing_of(exchange: Any, params: dict[str, Any]) -> bytes:
    """Return what stands for all that callers must agree in to be served by one request, beside `key_of`."""
    session = exchange.session
    # Objects whose requests are all ccxt's own doing share. A class of somebody else's in the line may do anything with
    # a request (paper trading), and so shares with its own objects only; so does what was put on one object (a mock).
    # An id stands for something that lives as long as the callers do, so nothing else can have it meanwhile.
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
