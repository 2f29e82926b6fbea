"""This file holds the types to annotate an exchange with that `cancel_all_rfqs` was put on."""

from __future__ import annotations

from typing import Any, Protocol

from okx_rfq_plugin.receipts import Receipt


class RfqExchange(Protocol):
    """An object of `ccxt.okx` after `install()`; what else ccxt gives it is there too, as `Any`."""

    def cancel_all_rfqs(self, params: dict[str, Any] = ...) -> Receipt:
        """Cancel every active RFQ of the User ID."""

    def __getattr__(self, name: str) -> Any: ...


class AsyncRfqExchange(Protocol):
    """Same as RfqExchange, for ccxt.async_support and ccxt.pro."""

    async def cancel_all_rfqs(self, params: dict[str, Any] = ...) -> Receipt:
        """Same as `RfqExchange.cancel_all_rfqs`, to be awaited."""

    def __getattr__(self, name: str) -> Any: ...
