"""Recognizes okx exchange objects, wherever they were created, and which of them is currently sending."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from okx_rfq_plugin.testing.patches import Patches

_CALL = "private_post_rfq_cancel_all_rfqs"  # ccxt's implicit method, found on every okx class, whatever its name
_ENTRIES = ("request", "fetch2", "fetch")  # a subclass may override each of them, and send with another library
KEY = "ok-access-key"  # the header with the API key
CLOCK = "_okx_rfq_clock"  # attribute of an exchange: the clock that the core waits on for it
SERVED = "_okx_rfq_served"  # attribute of an exchange: a fixture created it


class Asking(NamedTuple):
    """An okx object that is sending, or a description in `client` if the sender is not one.

    `url` is the intended address, if it is already known.
    """

    exchange: Any
    url: str | None
    client: str = "an unknown client"


_asking: ContextVar[Asking | None] = ContextVar("okx_rfq_asking", default=None)
_asked_for: dict[int, Asking] = {}  # by id: what each unfinished `fetch` of an okx object is sending
SIGNED = Asking(None, None, "a client that signs requests for OKX")


def is_okx(cls: type) -> bool:
    """Return whether a class is one of ccxt's okx classes or a subclass."""
    return hasattr(cls, _CALL)


def is_served(exchange: Any) -> bool:
    """Return whether an exchange was created by a fixture or by a fixture's sandbox."""
    return getattr(exchange, SERVED, False) is True


def asking() -> Asking | None:
    """Return the okx object whose request this thread or task is making, or None."""
    return _asking.get()


def asking_by(headers: Any) -> Asking | None:
    """Return `asking()`, or `SIGNED` if it is None and the request is signed for OKX."""
    known = _asking.get()
    return SIGNED if known is None and is_signed(headers) else known


def is_signed(headers: Any) -> bool:
    """Return whether headers, a mapping or pairs, are those of a request signed for OKX."""
    names = headers if isinstance(headers, Mapping) else [pair[0] for pair in headers or ()]
    return any((name.decode("latin-1") if isinstance(name, bytes) else str(name)).lower() == KEY for name in names)


def asking_for(host: str) -> Asking | None:
    """Return the okx object that is sending to a host on some thread or task, or None."""
    return next((each for each in list(_asked_for.values()) if each.url and urlsplit(each.url).hostname == host), None)


def roots() -> list[Any]:
    """Return ccxt's okx classes for requests and for aiohttp, from which `ccxt.pro` and all others derive."""
    import ccxt
    import ccxt.async_support

    return [ccxt.okx, ccxt.async_support.okx]


def watch_entries(patches: Patches, refuse_socket: Callable[[Any, str], None]) -> None:
    """Track every okx object while it sends.

    Args:
        patches: where the changes are recorded.
        refuse_socket: called with the exchange and the address before a WebSocket is opened; raises to refuse it.
    """
    for root in roots():
        for name in _ENTRIES:
            holder = next(base for base in root.__mro__ if name in vars(base) and not is_okx(base))
            patches.replace(holder, name, _entry(vars(holder)[name], name, root.synchronous))
        for cls in _family(root):
            _watch_overrides(patches, cls)

    def watched_init(self: Any, *args: Any, **kwargs: Any) -> None:
        if is_okx(type(self)):
            for base in type(self).__mro__:
                if is_okx(base):
                    _watch_overrides(patches, base)
        made(self, *args, **kwargs)

    holder = next(base for base in roots()[0].__mro__ if "__init__" in vars(base) and not is_okx(base))
    made = vars(holder)["__init__"]
    patches.replace(holder, "__init__", functools.wraps(made)(watched_init))

    pro = roots()[1]
    holder = next(base for base in pro.__mro__ if "client" in vars(base))
    connect = vars(holder)["client"]

    @functools.wraps(connect)
    def client(self: Any, url: str, *args: Any, **kwargs: Any) -> Any:
        if is_okx(type(self)):
            refuse_socket(self, url)
        return connect(self, url, *args, **kwargs)

    patches.replace(holder, "client", client)
    from ccxt.async_support.base.ws.client import Client

    for name in ("create_connection", "send"):  # also on clients created earlier
        patches.replace(Client, name, _of_client(vars(Client)[name], refuse_socket))


def _of_client(call: Any, refuse_socket: Callable[[Any, str], None]) -> Any:
    @functools.wraps(call)
    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = getattr(getattr(self, "on_message_callback", None), "__self__", None)
        if exchange is not None and is_okx(type(exchange)):
            refuse_socket(exchange, str(self.url))
        return call(self, *args, **kwargs)

    return watched


def _watch_overrides(patches: Patches, cls: Any) -> None:
    for name in _ENTRIES:
        call = vars(cls).get(name)
        own = str(getattr(call, "__module__", "")).startswith("okx_rfq_plugin.")
        if callable(call) and not own and not hasattr(call, _WATCHED):
            patches.replace(cls, name, _entry(call, name, cls.synchronous))


_WATCHED = "_okx_rfq_watched"


def _entry(call: Any, name: str, synchronous: bool) -> Any:
    if synchronous:

        @functools.wraps(call)
        def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
            if not is_okx(type(self)):
                return call(self, *args, **kwargs)
            with _sends(self, name, args, kwargs):
                return call(self, *args, **kwargs)

    else:

        @functools.wraps(call)
        async def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
            if not is_okx(type(self)):
                return await call(self, *args, **kwargs)
            with _sends(self, name, args, kwargs):
                return await call(self, *args, **kwargs)

    setattr(watched, _WATCHED, True)
    return watched


@contextmanager
def _sends(exchange: Any, name: str, args: Any, kwargs: Any) -> Iterator[None]:
    url = None
    busy: AbstractContextManager[object] = nullcontext()
    if name == "fetch":
        url = kwargs.get("url", args[0] if args else None)
        clock = getattr(exchange, CLOCK, None)
        if clock is not None:
            busy = clock.busy()
    asked = Asking(exchange, url)
    token = _asking.set(asked)
    _asked_for[id(asked)] = asked
    try:
        with busy:
            yield
    finally:
        del _asked_for[id(asked)]
        _asking.reset(token)


def _family(cls: Any) -> Iterator[Any]:
    yield cls
    for subclass in cls.__subclasses__():
        yield from _family(subclass)


@contextmanager
def instead_of(asked: Asking, url: str) -> Iterator[None]:
    """Context manager for a request deliberately sent to another address."""
    with sending(Asking(asked.exchange, url)):
        yield


@contextmanager
def sending(asked: Asking) -> Iterator[None]:
    """Context manager that attributes what is sent to this object."""
    token = _asking.set(asked)
    try:
        yield
    finally:
        _asking.reset(token)
