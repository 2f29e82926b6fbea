"""Type annotations for an exchange with the plugin installed."""

from __future__ import annotations

from typing import Any, Protocol

from okx_rfq_plugin._core.records import Receipt
from okx_rfq_plugin._core.rfqs import OpenRfq


class RfqExchange(Protocol):
    """A `ccxt.okx` object after `install()`. ccxt's other attributes are available as `Any`."""

    def cancel_all_rfqs(self, params: dict[str, Any] = ..., *, confirm: bool = ...) -> Receipt:
        """Cancel every active RFQ of the User ID."""

    def fetch_open_rfqs(self, params: dict[str, Any] = ...) -> list[OpenRfq]:
        """Return the account's own open RFQs."""

    def cancel_all_quotes(self, params: dict[str, Any] = ...) -> Receipt:
        """Cancel every active quote of the User ID."""

    def cancel_all_quotes_after(self, timeout: int, params: dict[str, Any] = ...) -> dict[str, Any]:
        """Have OKX cancel every quote by itself after `timeout` seconds."""

    def __getattr__(self, name: str) -> Any: ...


class AsyncRfqExchange(Protocol):
    """Async version of `RfqExchange`, for ccxt.async_support and ccxt.pro."""

    async def cancel_all_rfqs(self, params: dict[str, Any] = ..., *, confirm: bool = ...) -> Receipt:
        """Async version of `RfqExchange.cancel_all_rfqs`."""

    async def fetch_open_rfqs(self, params: dict[str, Any] = ...) -> list[OpenRfq]:
        """Async version of `RfqExchange.fetch_open_rfqs`."""

    async def cancel_all_quotes(self, params: dict[str, Any] = ...) -> Receipt:
        """Async version of `RfqExchange.cancel_all_quotes`."""

    async def cancel_all_quotes_after(self, timeout: int, params: dict[str, Any] = ...) -> dict[str, Any]:
        """Async version of `RfqExchange.cancel_all_quotes_after`."""

    def __getattr__(self, name: str) -> Any: ...
