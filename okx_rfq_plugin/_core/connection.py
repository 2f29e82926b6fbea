"""The connection of an attempt: which HTTP session sends it.

The rule: if ccxt made the exchange's session, each attempt gets a session of its own, made in the same way, with a new
connection. So the state of the exchange's session does not matter (forked, full, idle and dead, bound to another or a
closed loop, in use by the very frame that a signal has interrupted), and the reply cannot belong to another request. If
the user made the session, no other could be proved equal to it, and it is used as it is.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import weakref
from collections.abc import AsyncIterator, Callable
from operator import attrgetter
from typing import Any

from ccxt.base.errors import BadResponse

from okx_rfq_plugin._core import members, transport
from okx_rfq_plugin._core.certificates import adapter_class


def is_ccxts_own(exchange: Any, session: Any) -> bool:
    """Return whether the exchange's HTTP session is as ccxt makes it, unchanged by the user."""
    return _is_sync_plain(session) if exchange.synchronous else _is_async_plain(exchange, session)


def new_session(exchange: Any, session: Any) -> Any:
    """Return a session for one request, equal to the exchange's current one; the caller closes it."""
    return _new_sync(exchange, session) if exchange.synchronous else _new_async(exchange, session)


def close(session: Any) -> None:
    """Close a sync session that was made for one request.

    urllib3 closes a pool's connections in a finalizer, which swallows an interrupt that strikes there. So they are
    closed here first, and the finalizer is detached.
    """
    for adapter in set(session.adapters.values()):
        for manager in (adapter.poolmanager, *adapter.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118 - urllib3's container cannot be iterated over
                _without_finalizer(manager.pools[key]).close()
    session.close()


def _without_finalizer(pool: Any) -> Any:
    for reference in weakref.getweakrefs(pool):
        if isinstance(reference.__callback__, weakref.finalize):
            reference.__callback__.detach()
    return pool


def new_socks_session(exchange: Any, url: str) -> Any:
    """Return a session for one request through a SOCKS proxy, as ccxt makes it on async exchanges."""
    return _as_made_by_ccxt(exchange, opened=False).get_socks_proxy_session(url)


def is_closed(exchange: Any) -> bool:
    """Return whether an async exchange was closed by its user."""
    if exchange.synchronous:
        return False
    if hasattr(exchange, "closed_by_user"):  # from ccxt 4.5.71 on
        return bool(exchange.closed_by_user)
    was_open = (
        getattr(exchange, "asyncio_loop", None) is not None and getattr(exchange, "ssl_context", None) is not None
    )
    return was_open and exchange.session is None  # `close` drops the user's own session, too


def settings_of(exchange: Any, session: Any) -> object:
    """Return the user's own settings on a session of ccxt's making."""
    return None if session is None or not exchange.synchronous else (vars(session.headers), _settings(session))


# Sync: requests


_settings = attrgetter("auth", "proxies", "params", "verify", "cert")


def _is_sync_plain(session: Any) -> bool:
    import requests

    if session is None:
        return True
    if type(session) is not requests.Session or not vars(session).keys() <= set(session.__attrs__):
        return False
    return session.adapters.keys() == {"https://", "http://"} and all(map(_is_plain_adapter, session.adapters.values()))


def _is_plain_adapter(adapter: Any) -> bool:
    made: Any = _adapter_as_made()
    pool: Any = getattr(adapter, "poolmanager", None)
    return (
        type(adapter) is type(made)
        and vars(adapter).keys() == vars(made).keys()
        and type(pool) is type(made.poolmanager)
        and pool.connection_pool_kw == made.poolmanager.connection_pool_kw
        and type(adapter.max_retries) is type(made.max_retries)
        and vars(adapter.max_retries) == vars(made.max_retries)
    )


@functools.cache
def _adapter_as_made() -> Any:
    import requests

    return requests.adapters.HTTPAdapter()


def _new_sync(exchange: Any, session: Any) -> Any:
    import requests

    new = requests.Session.__new__(requests.Session)
    if session is None:  # the user has dropped it: make one as ccxt's constructor does
        session = requests.Session()
        session.trust_env = exchange.requests_trust_env
    vars(new).update(vars(session))
    new.cookies = requests.cookies.RequestsCookieJar()
    adapter = adapter_class()(pool_maxsize=1)  # requests' ten would only be filled and emptied
    new.adapters = type(session.adapters).fromkeys(session.adapters, adapter)
    return new


# Async: aiohttp


def _is_async_plain(exchange: Any, session: Any) -> bool:
    import aiohttp

    if not exchange.own_session or not is_ccxts_code(exchange, "open"):
        return False
    if session is None:
        return True
    connector = session.connector  # None once it is closed
    return (
        type(session) is aiohttp.ClientSession
        and vars(session).keys() <= session.ATTRS
        and (connector is None or (connector is exchange.tcp_connector and _is_plain_connector(connector)))
    )


def _is_plain_connector(connector: Any) -> bool:
    import aiohttp

    settings = vars(connector)
    return (
        type(connector) is aiohttp.TCPConnector
        and not any(settings.get(name) for name in ("_family", "_force_close", *_ADDRESSES))
        and type(settings.get("_resolver")).__module__ == "aiohttp.resolver"
    )


_ADDRESSES = ("_local_addr", "_local_addr_infos", "_socket_factory")
_OF_THE_LOOP = ("_connector", "_connector_owner", "_loop", "_source_traceback")  # of an aiohttp session; not copied


def _new_async(exchange: Any, session: Any) -> Any:
    new = _as_made_by_ccxt(exchange).session
    vars(new).update({name: value for name, value in vars(session).items() if name not in _OF_THE_LOOP})
    return new


def _as_made_by_ccxt(exchange: Any, *, opened: bool = True) -> Any:
    """Return a stand-in for the exchange on the running loop, with the session that ccxt's own `open` makes."""
    made: Any = object.__new__(_silent(type(exchange)))
    vars(made).update(vars(exchange))
    vars(made).update(
        session=None,
        tcp_connector=None,
        socks_proxy_sessions=None,
        aiohttp_socks_connector=None,
        asyncio_loop=None,
    )
    if opened:
        made.open()
    return made


def _silent(cls: type) -> type:
    return members.subclass_of(cls, "_okx_rfq_silent", {"__del__": list})


def is_ccxts_code(exchange: Any, *names: str) -> bool:
    """Return whether these methods of an exchange are ccxt's own, overridden nowhere."""
    return members.are_ccxts(exchange, names)


Failed = Callable[[BaseException, "BaseException | None", bool], None]


class OneRequest:
    """The session that ccxt gets for the one request of an attempt.

    It follows no redirect: OKX documents none, and a redirect would send key, passphrase and signature to another host,
    turn the POST into a GET, and return another page's answer.

    Args:
        choose: returns the session to send by; called once, on first use.
        leaving: called right before the HTTP library takes over.
        failed: called with the library's exception, the exception that was being handled before, and whether certainly
            nothing left.
    """

    def __init__(self, choose: Callable[[], Any], leaving: Callable[[], None], failed: Failed) -> None:
        self._choose = choose
        self._leaving = leaving
        self._failed = failed

    @functools.cached_property
    def _session(self) -> Any:
        return self._choose()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def request(self, *args: Any, **kwargs: Any) -> Any:
        """Send, as `requests.Session.request` does."""
        send, once, handled = self._session.request, _sends_once_sync(self._session), sys.exc_info()[1]
        kwargs["allow_redirects"] = False
        try:
            return _not_cached(send(*args, **(self._leaving() or kwargs)))
        except BaseException as error:
            self._judge(error, once, handled)
            raise

    def _judge(self, error: BaseException, once: bool, handled: BaseException | None) -> None:
        try:
            self._failed(error, handled, once and transport.nothing_left(error, handled))
        except BaseException:  # an interrupt: do again what it has cut short
            self._failed(error, handled, once and transport.nothing_left(error, handled))
            raise

    def get(self, *args: Any, **kwargs: Any) -> Any:
        """Send, as `aiohttp.ClientSession.get` does."""
        return self._exchanging(self._session.get, args, kwargs)

    def post(self, *args: Any, **kwargs: Any) -> Any:
        """Send, as `aiohttp.ClientSession.post` does."""
        return self._exchanging(self._session.post, args, kwargs)

    @contextlib.asynccontextmanager
    async def _exchanging(self, send: Any, args: Any, kwargs: Any) -> AsyncIterator[Any]:
        once, handled = _sends_once_async(self._session), sys.exc_info()[1]
        kwargs["allow_redirects"] = False
        try:
            async with send(*args, **(self._leaving() or kwargs)) as response:
                yield _not_cached(response)
        except BaseException as error:
            self._judge(error, once, handled)
            raise


def _sends_once_sync(session: Any) -> bool:
    # The user's code may send again by itself, and raise the error of the last time only.
    if not _is_code_of("requests", session, "request", "send", "get_adapter"):
        return False
    return all(_is_code_of("requests", adapter, "send") for adapter in set(session.adapters.values()))


def _sends_once_async(session: Any) -> bool:
    return _is_code_of("aiohttp", session, "_request", "get", "post") and not getattr(session, "_middlewares", None)


def _is_code_of(library: str, obj: Any, *names: str) -> bool:
    modules = [str(getattr(getattr(type(obj), name, None), "__module__", "")) for name in names]
    return vars(obj).keys().isdisjoint(names) and {module.partition(".")[0] for module in modules} == {library}


def _not_cached(response: Any) -> Any:
    # Set by requests-cache, CacheControl and aiohttp-client-cache: the reply to an earlier request.
    if getattr(response, "from_cache", False) is True:
        raise BadResponse("the exchange's session answered from its cache, which says nothing about this request")
    return response
