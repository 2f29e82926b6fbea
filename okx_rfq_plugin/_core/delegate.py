"""The delegate of an exchange: the object on which one request is made, and what differs there.

An attempt calls the implicit method not on the exchange but on its delegate: an object of a subclass of the exchange's
class that shares its `__dict__`. There ccxt and the user's overrides read and write the exchange's own state, except
for the members in this table, which differ for this one request only. `request.Request` implements each in the method
of the same name, which gets the exchange's own member as its first argument.

    member                    when ccxt uses it                            what differs
    fetch2                    first                                        sends any other path by the exchange itself
    throttle                  before signing                               does not wait
    sign                      before each send                             notes the signature of this request
    check_proxy_url_settings  first in `fetch`, once for each send         notes the send; checks the headers
    session                   last before sending                          gives the session that `connection` chooses
    get_socks_proxy_session   instead of `session`, async with SOCKS       the same
    timeout                   when sending, milliseconds                   no more than the attempt's
    parse_json                on each reply                                a body nested too deep is no JSON
    handle_errors             on each reply, before anything is raised     notes the reply to this request's signature
    logger, log               around each send                             cannot raise

All are there in ccxt 4.5.44 to 4.5.90. tests/core/test_ccxt_hooks.py fails if one of them is no longer used.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from okx_rfq_plugin._core import members

METHODS = (
    *("fetch2", "throttle", "sign", "check_proxy_url_settings", "get_socks_proxy_session"),
    *("parse_json", "handle_errors", "log"),
)
VALUES = ("session", "timeout", "logger")


def delegate_of(exchange: Any, request: Any) -> Any:
    """Return a delegate of the exchange for this request."""
    cls = type(exchange)
    delegate: Any = object.__new__(members.subclass_of(cls, "delegate", _NAMESPACE))
    delegate.__dict__ = exchange.__dict__
    delegate.okx_rfq_request = request
    # The members that `install` has put on an object's generated class serve the exchange itself: skip them here.
    delegate.okx_rfq_above = cls if members.is_generated(cls) else type(delegate)
    return delegate


def _method(name: str) -> property:
    """Return a member that calls the request's method; a data descriptor, so no instance attribute shadows it."""

    def get(delegate: Any) -> Any:
        values = delegate.__dict__
        own = values[name] if name in values else getattr(super(delegate.okx_rfq_above, delegate), name)
        return partial(getattr(delegate.okx_rfq_request, name), own)

    return _assignable(name, get)


def _value(name: str) -> property:
    def get(delegate: Any) -> Any:
        request = delegate.okx_rfq_request
        return getattr(request, name)(getattr(request.exchange, name))

    return _assignable(name, get)


def _assignable(name: str, get: Any) -> property:
    def assign(delegate: Any, value: Any) -> None:
        setattr(delegate.okx_rfq_request.exchange, name, value)

    def delete(delegate: Any) -> None:
        delattr(delegate.okx_rfq_request.exchange, name)

    return property(get, assign, delete)


_NAMESPACE: dict[str, Any] = {
    "__slots__": ("okx_rfq_above", "okx_rfq_request"),
    "__del__": list,  # ccxt's would close the exchange's session; a built-in, in which no interrupt can be lost
    **{name: _method(name) for name in METHODS},
    **{name: _value(name) for name in VALUES},
}
