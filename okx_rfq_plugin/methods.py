"""The methods that an exchange gets, and their async versions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from okx_rfq_plugin._core.records import Receipt
from okx_rfq_plugin._core.rfqs import OpenRfq
from okx_rfq_plugin.plugins import get_plugin_manager

# ruff: noqa: B006 - `params={}`, as ccxt's own methods have it


def cancel_all_rfqs(self: Any, params: dict[str, Any] = {}, *, confirm: bool = False) -> Receipt:
    """Cancel every active RFQ that this User ID created, by whatever program, and say truthfully whether it is done.

    It leaves at once, past ccxt's queue, but for OKX's own limit of two in two seconds, which is kept for all exchange
    objects of this process; who has to wait for it shares the next request with all others who wait. It is repeated as
    the policy of `install()` says. Where OKX will not cancel all at once, they are listed and canceled by name. RFQs
    received as a maker, and quotes, are not touched.

    A create-rfq of this account that still waits in ccxt's queue, on an exchange that the package is on, is refused
    with ccxt.OperationRejected. One that is signed already (on the wire, or waiting for a connection: aiohttp's pool, a
    name that is being resolved), or in another process or library, is not covered: such an RFQ may come to life after
    the cancel.

    Args:
        params: goes to ccxt's `private_post_rfq_cancel_all_rfqs`; OKX knows no parameter.
        confirm: go on until OKX says that none is active, and read in its list what is left.

    Returns:
        The receipt: `status` is "canceled" or "nothing_active"; with `confirm` also `confirmed`, `remaining` and
        `filling`; see `okx_rfq_plugin.Receipt`.

    Raises:
        ccxt.BaseError: the class that fits; `error.cancel_failure` (`okx_rfq_plugin.CancelFailure`) says whether RFQs
            may have been canceled, and which remain where that is known. ccxt.BadRequest, before anything is sent, if
            params is no dict.

    Source: okx.com/docs-v5/en/#block-trading-rest-api-cancel-all-rfqs
    """
    return get_plugin_manager().serve("cancel_all_rfqs", self, params, confirm=confirm)  # type: ignore[no-any-return]


async def _cancel_all_rfqs(self: Any, params: dict[str, Any] = {}, *, confirm: bool = False) -> Receipt:
    """Same as `cancel_all_rfqs` of ccxt.okx, for ccxt.async_support."""
    return await get_plugin_manager().serve_async("cancel_all_rfqs", self, params, confirm=confirm)  # type: ignore[no-any-return]


def fetch_open_rfqs(self: Any, params: dict[str, Any] = {}) -> list[OpenRfq]:
    """Read the RFQs that this User ID created and that are active or being executed, oldest first.

    Those received as a maker are left out. It leaves at once, past ccxt's queue, but for OKX's own limit of two in two
    seconds, which one call uses up: OKX lists one state and 100 RFQs a request.

    Args:
        params: goes to ccxt's `private_get_rfq_rfqs`; `state` and `endId` are set here, `limit` is the size of a page.

    Returns:
        The RFQs in ccxt's manner; see `okx_rfq_plugin.OpenRfq`.

    Raises:
        ccxt.BaseError: the class that fits, where not all could be read before the deadline of the policy.

    Source: okx.com/docs-v5/en/#block-trading-rest-api-get-rfqs
    """
    return get_plugin_manager().serve("fetch_open_rfqs", self, params)  # type: ignore[no-any-return]


async def _fetch_open_rfqs(self: Any, params: dict[str, Any] = {}) -> list[OpenRfq]:
    """Same as `fetch_open_rfqs` of ccxt.okx, for ccxt.async_support."""
    return await get_plugin_manager().serve_async("fetch_open_rfqs", self, params)  # type: ignore[no-any-return]


def cancel_all_quotes(self: Any, params: dict[str, Any] = {}) -> Receipt:
    """Cancel every active quote that this User ID made: the maker's twin of `cancel_all_rfqs`.

    The receipt, the failures and the policy are the same; it neither confirms nor cancels by name. A create-quote that
    still waits in ccxt's queue is refused. The limit of two in two seconds is one of its own.

    Source: okx.com/docs-v5/en/#block-trading-rest-api-cancel-all-quotes
    """
    return get_plugin_manager().serve("cancel_all_quotes", self, params)  # type: ignore[no-any-return]


async def _cancel_all_quotes(self: Any, params: dict[str, Any] = {}) -> Receipt:
    """Same as `cancel_all_quotes` of ccxt.okx, for ccxt.async_support."""
    return await get_plugin_manager().serve_async("cancel_all_quotes", self, params)  # type: ignore[no-any-return]


def cancel_all_quotes_after(self: Any, timeout: int, params: dict[str, Any] = {}) -> dict[str, Any]:
    """Have OKX cancel every quote of this User ID by itself, unless this is called again in time.

    OKX has this countdown for quotes only. It has none for RFQs: for those run the strategy under `okx-rfq guard`, or
    inside `okx_rfq_plugin.cancel_on_exit`.

    Args:
        timeout: seconds, 10 to 120; 0 ends the countdown.
        params: goes to ccxt's `private_post_rfq_cancel_all_after`.

    Returns:
        `triggerTimestamp` and `triggerDatetime` (None where none runs), `timestamp` and `datetime` of OKX's answer
        (Unix milliseconds and ISO 8601), `info`.

    Raises:
        ccxt.BadRequest: for another timeout; nothing is sent. Else as `cancel_all_rfqs`.

    Source: okx.com/docs-v5/en/#block-trading-rest-api-cancel-all-after
    """
    return get_plugin_manager().serve("cancel_all_quotes_after", self, params, timeout=timeout)  # type: ignore[no-any-return]


async def _cancel_all_quotes_after(self: Any, timeout: int, params: dict[str, Any] = {}) -> dict[str, Any]:
    """Same as `cancel_all_quotes_after` of ccxt.okx, for ccxt.async_support."""
    return await get_plugin_manager().serve_async("cancel_all_quotes_after", self, params, timeout=timeout)  # type: ignore[no-any-return]


_TWINS: tuple[tuple[Callable[..., Any], Callable[..., Any]], ...] = (
    (cancel_all_rfqs, _cancel_all_rfqs),
    (fetch_open_rfqs, _fetch_open_rfqs),
    (cancel_all_quotes, _cancel_all_quotes),
    (cancel_all_quotes_after, _cancel_all_quotes_after),
)
for _sync, _async in _TWINS:
    _async.__name__ = _async.__qualname__ = _sync.__name__


def methods_of(owner: Any) -> dict[str, Callable[..., Any]]:
    """Return the methods for a class of ccxt's, under both of the names that ccxt gives to each of its own."""
    functions = [_sync if owner.synchronous else _async for _sync, _async in _TWINS]
    return {name: each for each in functions for name in (each.__name__, camel_case(each.__name__))}


def camel_case(name: str) -> str:
    """Write a name as ccxt does in `has` and in its second names."""
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


FEATURES = tuple(camel_case(_sync.__name__) for _sync, _async in _TWINS)
