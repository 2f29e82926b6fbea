"""This file puts `cancel_all_rfqs` on an exchange object or class, and takes it off again."""

from __future__ import annotations

import weakref
from typing import Any, TypeVar

from ccxt.base.errors import NotSupported

from okx_rfq_plugin._core import members
from okx_rfq_plugin._core.creates import create_members
from okx_rfq_plugin._core.lane import lane_members
from okx_rfq_plugin._core.retry import POLICY, RetryPolicy
from okx_rfq_plugin.methods import FEATURES, methods_of
from okx_rfq_plugin.plugins import get_plugin_manager

T = TypeVar("T")


def install(target: T, *, policy: RetryPolicy | None = None) -> T:
    """Add `cancel_all_rfqs()` to an exchange, and with it `fetch_open_rfqs()` and the maker's `cancel_all_quotes()`.

    Installing twice is the same as once. An object and its class are independent; an object's policy beats its class's.

    Args:
        target: an object, which keeps it to itself, or a class of `ccxt`, `ccxt.async_support` or `ccxt.pro`, which
            gives it to all its objects and subclasses, to those too that are made later.
        policy: how long to go on; a new one replaces the old, None keeps it.

    Returns:
        The target.

    Raises:
        ccxt.NotSupported: no plugin serves such an exchange.
    """
    if policy is not None and not isinstance(policy, RetryPolicy):
        raise TypeError(f"policy is a RetryPolicy or None, not {policy!r}")
    cls = members.plain(target if isinstance(target, type) else type(target))
    if not get_plugin_manager().hook.serves_rfqs(exchange_class=cls):
        raise NotSupported(f"okx_rfq_plugin: no plugin cancels RFQs for {target!r}; ccxt's okx classes are served")
    if isinstance(target, type):
        members.put(cls, _face)
    else:
        _put_on_object(target)
    if policy is not None:
        setattr(cls if isinstance(target, type) else target, POLICY, policy)
    if not isinstance(target, type):
        get_plugin_manager().hook.exchange_installed(exchange=target)
    return target


def uninstall(target: T) -> T:
    """Take off what `install` has put on this very object or class; where there is nothing, nothing happens."""
    holder: Any = members.plain(target) if isinstance(target, type) else target
    if isinstance(holder, type):
        if members.carries(holder):
            members.take_off(holder)
    elif members.is_generated(type(holder), _face):
        holder.__class__ = type(holder).__base__
        _flagged[id(holder)] = holder
    if POLICY in getattr(holder, "__dict__", ()):
        delattr(holder, POLICY)
    for exchange in [flagged for flagged in _flagged.values() if not hasattr(flagged, "cancel_all_rfqs")]:
        for feature in FEATURES:
            exchange.has.pop(feature, None)
        del _flagged[id(exchange)]
    return target


def _put_on_object(exchange: Any) -> None:
    if not members.is_generated(type(exchange), _face):
        exchange.__class__ = members.subclass_with(type(exchange), _face)
    _flag(exchange)


# Objects that say `has["cancelAllRfqs"]` and so on, by id: so that they do not go on when nothing is left behind it.
_flagged: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()


def _flag(exchange: Any) -> None:
    exchange.has.update(dict.fromkeys(FEATURES, True))
    _flagged[id(exchange)] = exchange


def _face(owner: type, next_in_line: members.NextInLine) -> dict[str, Any]:
    """Make the members of an installed class."""
    get_plugin_manager()  # third parties are scanned here, also where a pickle brings the exchange, and not in a cancel

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        next_in_line(self, "__init__")(*args, **kwargs)
        _flag(self)
        get_plugin_manager().hook.exchange_installed(exchange=self)

    def __reduce_ex__(self: Any, protocol: Any) -> Any:
        policy = getattr(owner, POLICY, None)
        return members.reduce_by(_rebuilt, policy, next_in_line(self, "__reduce_ex__")(protocol))

    return {
        "__init__": __init__,
        "__reduce_ex__": __reduce_ex__,
        **methods_of(owner),
        **lane_members(owner, next_in_line),
        **create_members(owner, next_in_line),
    }


def _rebuilt(policy: RetryPolicy | None, make: Any, args: Any) -> Any:
    """Make the object that a copy or a pickle stands for; where its class does not carry the method, it does itself."""
    exchange = make(*args)
    if members.first_carrier(type(exchange)) is None:
        exchange.__class__ = members.subclass_with(type(exchange), _face)
        if policy is not None:
            setattr(exchange, POLICY, policy)
    _flagged[id(exchange)] = exchange
    return exchange
