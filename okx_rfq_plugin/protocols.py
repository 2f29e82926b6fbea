"""Types to annotate an installed exchange with."""

from __future__ import annotations

from typing import Any, Protocol

from okx_rfq_plugin._core.records import Receipt
from okx_rfq_plugin._core.rfqs import OpenRfq


class RfqExchange(Protocol):
    """An object of `ccxt.okx` after `install()`; what else ccxt gives it is there too, as `Any`."""

    def cancel_all_rfqs(self, params: dict[str, Any] = ..., *, confirm: bool = ...) -> Receipt:
        """Cancel every active RFQ of the User ID."""

    def fetch_open_rfqs(self, params: dict[str, Any] = ...) -> list[OpenRfq]:
        """Read the account's own open RFQs."""

    def cancel_all_quotes(self, params: dict[str, Any] = ...) -> Receipt:
        """Cancel every active quote of the User ID."""

    def cancel_all_quotes_after(self, timeout: int, params: dict[str, Any] = ...) -> dict[str, Any]:
        """Have OKX cancel every quote by itself, `timeout` in seconds."""

    def __getattr__(self, name: str) -> Any: ...


class AsyncRfqExchange(Protocol):
    """Same as RfqExchange, for ccxt.async_support and ccxt.pro."""

    async def cancel_all_rfqs(self, params: dict[str, Any] = ..., *, confirm: bool = ...) -> Receipt:
        """Same as `RfqExchange.cancel_all_rfqs`, to be awaited."""

    async def fetch_open_rfqs(self, params: dict[str, Any] = ...) -> list[OpenRfq]:
        """Same as `RfqExchange.fetch_open_rfqs`, to be awaited."""

    async def cancel_all_quotes(self, params: dict[str, Any] = ...) -> Receipt:
        """Same as `RfqExchange.cancel_all_quotes`, to be awaited."""

    async def cancel_all_quotes_after(self, timeout: int, params: dict[str, Any] = ...) -> dict[str, Any]:
        """Same as `RfqExchange.cancel_all_quotes_after`, to be awaited."""

    def __getattr__(self, name: str) -> Any: ...
