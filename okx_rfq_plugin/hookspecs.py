"""The hooks, by which other packages serve, wrap, watch or refuse."""

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
    """Return True if this plugin can cancel the RFQs of such exchanges; asked by `install()`."""


@hookspec
def exchange_installed(exchange: Any) -> None:
    """Called at the end of `install()` and when an installed exchange is unpickled or copied.

    `exchange` is what the method was put on: an object, or a class. An implementation that raises is logged.
    """


@hookspec(firstresult=True)
def cancel_all_rfqs(exchange: Any, params: dict[str, Any], confirm: bool) -> Receipt | Awaitable[Receipt] | None:
    """Cancel every active RFQ of the exchange's account, or return None to leave it to the next plugin.

    With `confirm` go on until none is left, and say so in the receipt. Called on the caller's own thread or task.
    Returns the receipt, on async exchanges an awaitable of it. The package's own implementation for OKX is `tryfirst`;
    a plugin that is to come before it must be so too.
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
    """Called before a create is sent: an implementation that raises refuses it, and nothing is sent.

    `path` is "rfq/create-rfq" or "rfq/create-quote", `params` what the user gave. Called on the caller's own thread or
    task, after ccxt's queue, at the last moment, when the request has its timestamp: what is sent more than 30 s after
    this, OKX refuses. It must not wait. Raise `ccxt.OperationRejected` for a refusal that
    ccxt's users expect.
    """


# Observers: each plugin hears on a thread of its own, in order, after the fact. `method` is "cancel_all_rfqs" or
# "cancel_all_quotes".


@hookspec
def rfq_cancel_retrying(exchange: ExchangeSnapshot, method: str, attempt: int, error: Exception, wait: float) -> None:
    """Called if attempt number `attempt` (from 1) did not end a cancel and the next follows in `wait` seconds."""


@hookspec
def rfqs_canceled(exchange: ExchangeSnapshot, method: str, receipt: Receipt) -> None:
    """Called when a cancel has returned its receipt."""


@hookspec
def rfq_cancel_failed(exchange: ExchangeSnapshot, method: str, error: BaseException) -> None:
    """Called when a cancel has raised; `error.cancel_failure` says what may be true."""
