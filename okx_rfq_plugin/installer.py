"""`install` and `uninstall`: put the methods on an exchange object or class, and take them off."""

from __future__ import annotations

import weakref
from typing import Any, TypeVar

from ccxt.base.errors import NotSupported

from okx_rfq_plugin._core import certificates, members
from okx_rfq_plugin._core.creates import create_members
from okx_rfq_plugin._core.passing import passing_members
from okx_rfq_plugin._core.policy import POLICY, RetryPolicy
from okx_rfq_plugin.methods import FEATURES, methods_of
from okx_rfq_plugin.plugins import get_plugin_manager

T = TypeVar("T")


def install(target: T, *, policy: RetryPolicy | None = None) -> T:
    """Add `cancel_all_rfqs()` to an exchange, and with it `fetch_open_rfqs()` and the maker's `cancel_all_quotes()`.

    Installing twice is the same as once. An object and its class are independent; an object's policy beats its class's.

    Args:
        target: an object, which keeps them to itself, or a class of `ccxt`, `ccxt.async_support` or `ccxt.pro`, which
            gives them to all its objects and subclasses, present and future.
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
        members.put(cls, rfq_members)
    elif not members.is_generated(type(target)):
        target.__class__ = members.subclass_with(type(target), rfq_members)
    if policy is not None:
        setattr(cls if isinstance(target, type) else target, POLICY, policy)
    if getattr(target, "synchronous", False):
        certificates.trusted()  # read now: the first cancel does not spend the 15 ms
    get_plugin_manager().installed(target)
    return target


def uninstall(target: T) -> T:
    """Take off what `install` has put on this very object or class; do nothing if there is nothing."""
    holder: Any = members.plain(target) if isinstance(target, type) else target
    if isinstance(holder, type):
        if members.carries(holder):
            members.take_off(holder)
    elif members.is_generated(type(holder)):
        holder.__class__ = type(holder).__base__
    if POLICY in getattr(holder, "__dict__", ()):
        delattr(holder, POLICY)
    for exchange in [flagged for flagged in list(_flagged.values()) if not hasattr(flagged, "cancel_all_rfqs")]:
        has = exchange.has
        for feature in FEATURES:
            has.pop(feature, None)
        _flagged.pop(id(exchange), None)
    return target


# Objects whose `has` lists the features, by id: `uninstall` removes them.
_flagged: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()


class _Has:
    """ccxt's `has` with the features of this package, for every object of the class, older ones included."""

    def __init__(self, next_in_line: members.NextInLine) -> None:
        self._next_in_line = next_in_line

    def __get__(self, exchange: Any, cls: type) -> Any:
        if exchange is None:
            return self._next_in_line(cls, "has")
        if "has" not in exchange.__dict__:  # in the middle of ccxt's constructor
            return self._next_in_line(exchange, "has")
        has = exchange.__dict__["has"]
        if isinstance(has, dict) and id(exchange) not in _flagged:
            has.update(dict.fromkeys(FEATURES, True))
            _flagged[id(exchange)] = exchange
        return has

    def __set__(self, exchange: Any, value: Any) -> None:
        exchange.__dict__["has"] = value
        _flagged.pop(id(exchange), None)


def rfq_members(owner: type, next_in_line: members.NextInLine) -> dict[str, Any]:
    """Make the members of an installed class."""
    get_plugin_manager()  # scans for plugins now, not in a cancel; also where an exchange is unpickled

    def __reduce_ex__(self: Any, protocol: Any) -> Any:
        return _reduced(type(self), owner, next_in_line(self, "__reduce_ex__")(protocol))

    return {
        "__reduce_ex__": __reduce_ex__,
        "has": _Has(next_in_line),
        **methods_of(owner),
        **passing_members(owner, next_in_line),
        **create_members(owner, next_in_line, _asked),
    }


def _asked(exchange: Any, path: str, params: dict[str, Any]) -> None:
    get_plugin_manager().creating(exchange, path, params)


def _reduced(cls: type, owner: Any, reduced: Any) -> Any:
    # Another process cannot find a generated class by name, so its base is pickled. If the class has the methods here
    # but not there, the object gets them.
    if isinstance(reduced, str):
        return reduced
    make, args, *rest = reduced
    if rest and isinstance(rest[0], dict) and isinstance(rest[0].get("has"), dict):
        # The features are added there when `has` is read, and so go when the methods go.
        bare = {name: value for name, value in rest[0]["has"].items() if name not in FEATURES}
        rest[0] = {**rest[0], "has": bare}
    args = tuple(members.plain(arg) if isinstance(arg, type) else arg for arg in args)
    own = members.is_generated(cls)
    return (_rebuilt, (None if own else getattr(owner, POLICY, None), own, make, args), *rest)


def _rebuilt(policy: RetryPolicy | None, own: bool, make: Any, args: Any) -> Any:
    """Rebuild an exchange from a copy or a pickle."""
    exchange = make(*args)
    if own or members.first_carrier(type(exchange)) is None:
        exchange.__class__ = members.subclass_with(members.plain(type(exchange)), rfq_members)
        if policy is not None:
            setattr(exchange, POLICY, policy)
    get_plugin_manager().installed(exchange)
    return exchange
