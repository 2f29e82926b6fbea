"""Knows which exchange objects are OKX's, wherever they were made, and which of them is asking right now."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, NamedTuple

from okx_rfq_plugin.testing.patches import Patches

_CALL = "private_post_rfq_cancel_all_rfqs"  # ccxt's implicit method: what has it is OKX's, by whatever name it goes
_ENTRIES = ("request", "fetch2", "fetch")  # a subclass may replace each of them, and send by another library
CLOCK = "_okx_rfq_clock"  # of an exchange: the clock that the core waits on for it


class Asking(NamedTuple):
    """An okx object that is sending, and the address that it was to send to, where that is known already."""

    exchange: Any
    url: str | None


_asking: ContextVar[Asking | None] = ContextVar("okx_rfq_asking", default=None)
_unknown = Asking(None, None)


def is_okx(cls: type) -> bool:
    """Return whether a class is one of ccxt's okx classes, or made from one."""
    return hasattr(cls, _CALL)


def asking() -> Asking | None:
    """Return the okx object whose request this thread or task is making; None where there is none."""
    return _asking.get()


def asking_by(headers: Any) -> Asking | None:
    """Return `asking()`, or an unknown object where a request is signed as OKX wants it."""
    known = _asking.get()
    if known is None and isinstance(headers, Mapping):
        for name in headers:
            if str(name).lower() == "ok-access-key":
                return _unknown
    return known


def roots() -> list[Any]:
    """Return ccxt's okx classes, for requests and for aiohttp; `ccxt.pro` and all others are made from these."""
    import ccxt
    import ccxt.async_support

    return [ccxt.okx, ccxt.async_support.okx]


def watch_entries(patches: Patches, refuse_socket: Callable[[Any, str], None]) -> None:
    """Have every okx object known while it sends.

    Args:
        patches: where the changes go.
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
    holder = next((base for base in pro.__mro__ if "client" in vars(base)), None)
    if holder is not None:
        connect = vars(holder)["client"]

        @functools.wraps(connect)
        def client(self: Any, url: str, *args: Any, **kwargs: Any) -> Any:
            if is_okx(type(self)):
                refuse_socket(self, url)
            return connect(self, url, *args, **kwargs)

        patches.replace(holder, "client", client)
    from ccxt.async_support.base.ws.client import Client

    for name in ("create_connection", "send"):  # a client that was made before, too
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
    token = _asking.set(Asking(exchange, url))
    try:
        with busy:
            yield
    finally:
        _asking.reset(token)


def _family(cls: Any) -> Iterator[Any]:
    yield cls
    for subclass in cls.__subclasses__():
        yield from _family(subclass)


@contextmanager
def instead_of(asked: Asking, url: str) -> Iterator[None]:
    """Inside of this the request goes to another address, on purpose."""
    token = _asking.set(Asking(asked.exchange, url))
    try:
        yield
    finally:
        _asking.reset(token)
