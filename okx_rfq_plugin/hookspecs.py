"""This file names the hooks through which other packages serve, wrap or watch a cancel."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from okx_rfq_plugin._core.records import ExchangeSnapshot, Receipt
    from okx_rfq_plugin._core.rfqs import OpenRfq

PROJECT = "okx_rfq_plugin"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec(firstresult=True)
def serves_rfqs(exchange_class: type) -> bool | None:
    """Say whether this plugin can cancel the RFQs of such exchanges; asked by `install()`."""


@hookspec(firstresult=True)
def cancel_all_rfqs(exchange: Any, params: dict[str, Any], confirm: bool) -> Receipt | Awaitable[Receipt] | None:
    """Cancel every active RFQ of the exchange's account, or return None to leave it to the next plugin.

    With `confirm` go on until none is left, and say so in the receipt; a plugin that takes no `confirm` is asked all
    the same. Called on the caller's own thread or task. Returns the receipt, on async exchanges an awaitable of it. The
    package's own implementation for OKX is `tryfirst`; whoever wants to come before it must say so too.
    """


@hookspec(firstresult=True)
def fetch_open_rfqs(exchange: Any, params: dict[str, Any]) -> list[OpenRfq] | Awaitable[list[OpenRfq]] | None:
    """Read the account's own open RFQs; called as `cancel_all_rfqs` is."""


@hookspec(firstresult=True)
def cancel_all_quotes(exchange: Any, params: dict[str, Any]) -> Receipt | Awaitable[Receipt] | None:
    """Cancel every active quote of the exchange's account; called as `cancel_all_rfqs` is."""


@hookspec(firstresult=True)
def cancel_all_quotes_after(
    exchange: Any, timeout: int, params: dict[str, Any]
) -> dict[str, Any] | Awaitable[dict[str, Any]] | None:
    """Set the venue's countdown for quotes, `timeout` in seconds; called as `cancel_all_rfqs` is."""


@hookspec
def rfq_creating(exchange: Any, path: str, params: dict[str, Any]) -> None:
    """Asked on the caller's thread before a signed create-rfq or create-quote leaves; raise to refuse it."""


@hookspec
def exchange_installed(exchange: Any) -> None:
    """Told when the methods were put on an exchange object, or an object of an installed class was made."""


@hookspec
def rfq_cancel_retrying(exchange: ExchangeSnapshot, attempt: int, error: Exception, wait: float) -> None:
    """Told when attempt number `attempt` (from 1) did not end it and the next follows in `wait` seconds."""


@hookspec
def rfqs_canceled(exchange: ExchangeSnapshot, receipt: Receipt) -> None:
    """Told when a cancel has returned its receipt."""


@hookspec
def rfq_cancel_failed(exchange: ExchangeSnapshot, error: BaseException) -> None:
    """Told when a cancel has raised; `error.cancel_failure` says what may be true."""


@hookspec
def quote_cancel_retrying(exchange: ExchangeSnapshot, attempt: int, error: Exception, wait: float) -> None:
    """Same as `rfq_cancel_retrying`, for `cancel_all_quotes`."""


@hookspec
def quotes_canceled(exchange: ExchangeSnapshot, receipt: Receipt) -> None:
    """Same as `rfqs_canceled`, for `cancel_all_quotes`."""


@hookspec
def quote_cancel_failed(exchange: ExchangeSnapshot, error: BaseException) -> None:
    """Same as `rfq_cancel_failed`, for `cancel_all_quotes`."""
