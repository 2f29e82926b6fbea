"""This file puts `cancel_all_rfqs` on an exchange object or class, and takes it off again."""

from __future__ import annotations

from typing import Any, TypeVar

from ccxt.base.errors import NotSupported

from okx_rfq_plugin import members
from okx_rfq_plugin.cancel import POLICY
from okx_rfq_plugin.lane import lane_members
from okx_rfq_plugin.plugins import get_plugin_manager
from okx_rfq_plugin.receipts import Receipt
from okx_rfq_plugin.retry import RetryPolicy

T = TypeVar("T")

_HAS = "cancelAllRfqs"


def install(target: T, *, policy: RetryPolicy | None = None) -> T:
    """Add `cancel_all_rfqs()` to an exchange.

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
    cls = target if isinstance(target, type) else type(target)
    if not get_plugin_manager().hook.serves_rfqs(exchange_class=cls):
        raise NotSupported(f"okx_rfq_plugin: no plugin cancels RFQs for {target!r}; ccxt's okx classes are served")
    if isinstance(target, type):
        members.put(target, _face)
    else:
        _put_on_object(target)
    if policy is not None:
        setattr(target, POLICY, policy)
    return target


def uninstall(target: T) -> T:
    """Take off what `install` has put on this very object or class; where there is nothing, nothing happens."""
    if isinstance(target, type):
        if members.carries(target):
            members.take_off(target)
    elif members.is_generated(type(target), _face):
        target.__class__ = type(target).__base__  # type: ignore[assignment]  # the class that it had before
        if members.first_carrier(type(target)) is None:
            target.has.pop(_HAS, None)  # type: ignore[attr-defined]  # every ccxt exchange has it
    if POLICY in vars(target):
        delattr(target, POLICY)
    return target


def _put_on_object(exchange: Any) -> None:
    if not members.is_generated(type(exchange), _face):
        exchange.__class__ = members.subclass_with(type(exchange), _face)
    exchange.has[_HAS] = True


def _face(owner: type) -> dict[str, Any]:
    """Make the members of an installed class."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        members.next_in_line(owner, self, "__init__")(*args, **kwargs)
        self.has[_HAS] = True

    def __reduce_ex__(self: Any, protocol: Any) -> Any:
        reduced = members.next_in_line(owner, self, "__reduce_ex__")(protocol)
        if isinstance(reduced, str):
            return reduced
        # A class made for single objects has no name that another process could find it by: its base travels.
        make, args, *state = reduced
        single = members.is_generated(owner, _face)
        args = tuple(owner.__base__ if single and arg is owner else arg for arg in args)
        return (_rebuilt, (make, args, single, getattr(owner, POLICY, None)), *state)

    cancel_all_rfqs = _cancel_all_rfqs if owner.synchronous else _cancel_all_rfqs_async  # type: ignore[attr-defined]  # ccxt's
    return {
        "__init__": __init__,
        "__reduce_ex__": __reduce_ex__,
        "cancel_all_rfqs": cancel_all_rfqs,
        "cancelAllRfqs": cancel_all_rfqs,
        **lane_members(owner),
    }


def _rebuilt(make: Any, args: Any, single: bool, policy: RetryPolicy | None) -> Any:
    """Make the object that a copy or a pickle stands for; where its class no longer carries the method, it does."""
    get_plugin_manager()
    exchange = make(*args)
    if single or members.first_carrier(type(exchange)) is None:
        exchange.__class__ = members.subclass_with(type(exchange), _face)
        if policy is not None:
            setattr(exchange, POLICY, policy)
    return exchange


def _cancel_all_rfqs(self: Any, params: dict[str, Any] = {}) -> Receipt:  # noqa: B006 - as ccxt's methods
    """Cancel every active RFQ that this User ID created, by whatever program, and say truthfully whether it is done.

    It leaves at once, past ccxt's queue, and is repeated as the policy of `install()` says. RFQs received as a maker,
    and quotes, are not touched. An RFQ whose creation is still on the wire may come to life after it.

    Args:
        params: goes to ccxt's `private_post_rfq_cancel_all_rfqs`; OKX knows no parameter.

    Returns:
        The receipt: `status` is "canceled" or "nothing_active"; see `okx_rfq_plugin.Receipt`.

    Raises:
        ccxt.BaseError: the class that fits; `error.cancel_failure` (`okx_rfq_plugin.CancelFailure`) says whether RFQs
            may have been canceled. ccxt.BadRequest, before anything is sent, if params is no dict.

    Source: okx.com/docs-v5/en/#block-trading-rest-api-cancel-all-rfqs
    """
    return get_plugin_manager().cancel_all_rfqs(self, params)


async def _cancel_all_rfqs_async(self: Any, params: dict[str, Any] = {}) -> Receipt:  # noqa: B006 - as above
    """Same as `cancel_all_rfqs` of ccxt.okx, for ccxt.async_support."""
    return await get_plugin_manager().cancel_all_rfqs_async(self, params)


for _function in (_cancel_all_rfqs, _cancel_all_rfqs_async):
    _function.__name__ = _function.__qualname__ = "cancel_all_rfqs"
