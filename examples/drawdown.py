"""A block trader that requests quotes, and cancels every request when the desk has lost too much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ccxt

from okx_rfq_plugin import RfqExchange


class BlockTrader:
    """Requests quotes until the equity falls by `max_drawdown` (0.1 is a tenth) from its highest.

    `state` is "trading", "halted" (nothing of ours is active) or "in doubt" (a person has to look).
    """

    def __init__(self, exchange: RfqExchange, *, max_drawdown: float) -> None:
        self.exchange = exchange
        self.max_drawdown = max_drawdown
        self.state = "trading"
        self._highest = 0.0

    def ask(self, counterparties: Sequence[str], *legs: Mapping[str, str]) -> str | None:
        """Send a request for quote, and return its id, or None if trading has ended."""
        if self.state != "trading":
            return None
        rfq = {"counterparties": list(counterparties), "legs": [dict(leg) for leg in legs]}
        rfq_id: str = self.exchange.private_post_rfq_create_rfq(rfq)["data"][0]["rfqId"]
        return rfq_id

    def mark(self, equity: float) -> dict[str, Any] | None:
        """Record the equity. Below the drawdown, cancel and return the receipt; while in doubt, try again."""
        self._highest = max(self._highest, equity)
        if self.state == "halted" or (self.state == "trading" and equity > self._highest * (1 - self.max_drawdown)):
            return None
        self.state = "in doubt"  # until OKX has answered
        try:
            receipt = self.exchange.cancel_all_rfqs()
        except ccxt.OperationFailed:  # no answer, or not a useful one: the next mark tries again
            return None
        self.state = "halted"
        return dict(receipt)
