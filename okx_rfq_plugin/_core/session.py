"""This file makes an HTTP session for one attempt, where the exchange's own may not let it through."""

from __future__ import annotations

from typing import Any


def is_full(exchange: Any) -> bool:
    """Say whether every connection of an async exchange's pool is in use, so that one more request would wait there."""
    connector = getattr(exchange.session, "connector", None)
    if connector is None:
        return False
    # aiohttp counts what is free, for a host too, and shows it nobody.
    acquired = len(getattr(connector, "_acquired", ()))
    return any(0 < limit <= acquired for limit in (connector.limit, connector.limit_per_host))


def own_session(exchange: Any) -> Any:
    """Return a session with nothing in it but the exchange's settings; None where its session is not ccxt's own making.

    To be closed by the caller, after the attempt.
    """
    return _sync_session(exchange.session) if exchange.synchronous else _async_session(exchange)


def _sync_session(current: Any) -> Any:
    import requests

    if type(current) is not requests.Session:
        return None
    session = requests.Session()
    for name in ("headers", "auth", "proxies", "hooks", "params", "verify", "cert", "trust_env", "max_redirects"):
        setattr(session, name, getattr(current, name))
    for prefix, adapter in current.adapters.items():
        if type(adapter) is not requests.adapters.HTTPAdapter:
            session.mount(prefix, adapter)
    return session


def _async_session(exchange: Any) -> Any:
    import aiohttp

    if not exchange.own_session or exchange.ssl_context is None:
        return None
    connector = aiohttp.TCPConnector(ssl=exchange.ssl_context)
    return aiohttp.ClientSession(connector=connector, trust_env=exchange.aiohttp_trust_env)
