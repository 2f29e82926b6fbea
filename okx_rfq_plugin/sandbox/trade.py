"""A block trade, and how OKX shows it.

Source: okx.com/docs-v5/en/#block-trading-rest-api-get-trades and
#block-trading-rest-api-get-public-multi-leg-transactions-of-block-trades
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .quote import Quote
from .rfq import Rfq


@dataclass(frozen=True, kw_only=True)
class Trade:
    """One block trade. Fees are not simulated, and are 0."""

    id: str
    rfq: Rfq
    quote: Quote
    legs: list[dict[str, str]]
    time: int  # Unix milliseconds

    def ids(self, *, to_maker: bool) -> dict[str, Any]:
        """Return what execute-quote and trades have in common. Neither side sees the other's own ids."""
        return {
            "blockTdId": self.id,
            "rfqId": self.rfq.id,
            "clRfqId": "" if to_maker else self.rfq.client_id,
            "quoteId": self.quote.id,
            "clQuoteId": self.quote.client_id if to_maker else "",
            "tag": (self.quote if to_maker else self.rfq).params["tag"],
            "tTraderCode": "" if self.rfq.params["anonymous"] else self.rfq.trader_code,
            "mTraderCode": "" if self.quote.params["anonymous"] else self.quote.trader_code,
            "cTime": str(self.time),
            "acctAlloc": [],
        }

    def executed_reply(self) -> dict[str, Any]:
        """Return it as execute-quote does."""
        legs = [{name: value for name, value in leg.items() if name != "tradeQuoteCcy"} for leg in self.legs]
        return {**self.ids(to_maker=False), "legs": legs}

    def shown(self, *, to_maker: bool) -> dict[str, Any]:
        """Return it as `rfq/trades` does."""
        legs = [dict(leg) for leg in self.legs]
        return {**self.ids(to_maker=to_maker), "isSuccessful": True, "errorCode": "", "legs": legs}

    def shown_to_all(self) -> dict[str, Any]:
        """Return it as `rfq/public-trades` does."""
        names = ("instId", "side", "sz", "px", "tradeId")
        legs = [{name: leg[name] for name in names} for leg in self.legs]
        return {"blockTdId": self.id, "groupId": "", "legs": legs, "strategy": "", "cTime": str(self.time)}
