"""Requests that leave their delegate for the exchange itself, and the members that serve them there.

A method that was bound to the exchange before (`original = exchange.fetch`, then `exchange.fetch = wrapper`) knows
nothing of the delegate. The request is found on the exchange by its signature, and goes on as it would on the delegate.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from okx_rfq_plugin._core import members, request
from okx_rfq_plugin._core.request import Request

# The request that is on the exchange itself, in this thread or task.
_passing: ContextVar[Request | None] = ContextVar("okx_rfq_passing", default=None)


def passing_members(owner: type, next_in_line: members.NextInLine) -> dict[str, Any]:
    """Make the members of an installed class that serve a request on the exchange itself."""

    def fetch(self: Any, own: Any, url: Any, method: Any = "GET", headers: Any = None, body: Any = None) -> Any:
        found = request.signed_by(self, headers)
        if found is None:
            return own(url, method, headers, body)
        return next_in_line(found.delegate, "fetch")(url, method, headers, body)

    def check_proxy_url_settings(self: Any, own: Any, *args: Any, **kwargs: Any) -> Any:
        found = request.signed_by(self, request.argument("headers", 2, args, kwargs))
        if found is None:
            _passing.set(None)
            return own(*args, **kwargs)
        settings = found.check_proxy_url_settings(own, *args, **kwargs)
        _passing.set(found)
        return settings

    def handle_errors(self: Any, own: Any, *args: Any, **kwargs: Any) -> Any:
        found = request.signed_by(self, request.argument("requestHeaders", 7, args, kwargs))
        return own(*args, **kwargs) if found is None else found.handle_errors(own, *args, **kwargs)

    functions = (fetch, check_proxy_url_settings, handle_errors)
    return {
        **{each.__name__: members.around(owner, each.__name__, each, next_in_line) for each in functions},
        "session": _Passing("session", next_in_line, Request.session),
        "timeout": _Passing("timeout", next_in_line, Request.timeout),
    }


def note_signed(exchange: Any, path: str, signed: Any) -> None:
    """Note that the exchange itself has signed a request, which may be that of the attempt under way here."""
    found = request.current(exchange)
    if found is not None:
        found.signed(path, signed)


class _Passing:
    """An attribute of the exchange that differs while a request passes through the exchange itself."""

    def __init__(self, name: str, next_in_line: members.NextInLine, differ: Callable[[Request, Any], Any]) -> None:
        self._name = name
        self._next_in_line = next_in_line
        self._differ = differ

    def __get__(self, exchange: Any, cls: type) -> Any:
        if exchange is None:
            return self._next_in_line(cls, self._name)
        values = exchange.__dict__
        value = values[self._name] if self._name in values else self._next_in_line(exchange, self._name)
        found = _passing.get()
        return value if found is None or found.exchange is not exchange else self._differ(found, value)

    def __set__(self, exchange: Any, value: Any) -> None:
        exchange.__dict__[self._name] = value

    def __delete__(self, exchange: Any) -> None:
        if self._name not in exchange.__dict__:
            raise AttributeError(self._name)
        del exchange.__dict__[self._name]
