"""A quote: parsed from create-quote, its lifetime, and how OKX shows it.

Source: okx.com/docs-v5/en/#block-trading-rest-api-create-quote and #block-trading-rest-api-get-quotes
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from .book import Entry, Kind
from .codes import Refused
from .params import Params, flag, identifier, number, required, rows, whole
from .rfq import Rfq, read_leg

QUOTE = Kind(
    name="quotes",
    id="quoteId",
    client_id="clQuoteId",
    states=("active", "canceled", "pending_fill", "filled", "expired", "failed"),
    missing="70001",
    duplicate="70301",
    not_active="70400",
    state="quoteState",
    none_active="70409",
    too_many="70408",
    limit="quoteLimit",
)
USUAL_LIFE = 60  # seconds
LIVES = range(10, 121)  # seconds that may be requested

# An active quote's state after its RFQ ends. The docs do not say. An RFQ about to be filled has not ended.
_ENDS = {
    "canceled": "canceled",
    "expired": "expired",
    "filled": "canceled",
    "failed": "canceled",
    "traded_away": "canceled",
}


@dataclass(kw_only=True)
class Quote(Entry):
    """A quote and its maker."""

    rfq: Rfq
    trader_code: str
    params: dict[str, Any]

    def settle(self, now: int) -> None:
        """Update the state to what it is at `now`. A quote ends on its own or with its RFQ, whichever is sooner."""
        self.rfq.settle(now)
        ended = _ENDS.get(self.rfq.state)
        if self.state == "active" and ended and self.rfq.updated <= min(now, self.valid_until):
            self.move(ended, self.rfq.updated)
        super().settle(now)

    def created_reply(self) -> dict[str, Any]:
        """Return it as create-quote does: with the trader code, even if anonymous."""
        return {**self.shown(), "traderCode": self.trader_code}

    def shown(self, *, to_taker: bool = False) -> dict[str, Any]:
        """Return it as `rfq/quotes` does, to its creator or to the taker. Neither sees the other's own id."""
        return {
            "quoteId": self.id,
            "clQuoteId": "" if to_taker else self.client_id,
            "rfqId": self.rfq.id,
            "clRfqId": self.rfq.client_id if to_taker else "",
            "tag": self.params["tag"],
            "traderCode": "" if self.params["anonymous"] else self.trader_code,
            "quoteSide": self.params["quoteSide"],
            "state": self.state,
            "reason": "",
            "validUntil": str(self.valid_until),
            "legs": [dict(leg) for leg in self.params["legs"]],
            "cTime": str(self.created),
            "uTime": str(self.updated),
        }


def open_quote(params: Params, rfq: Rfq, *, quote_id: str, trader_code: str, now: int) -> Quote:
    """Read the parameters of create-quote, and return the new quote.

    Args:
        rfq: the RFQ with this `rfqId`.
        now: Unix milliseconds.

    Raises:
        Refused: if the RFQ is not active, or for the first parameter that is missing or wrong.
    """
    if rfq.state != "active":
        raise Refused("70303", rfqState=rfq.state)
    client_id = identifier(params, "clQuoteId", 32)
    life = whole(params, "expiresIn", LIVES, USUAL_LIFE)
    read = {
        "tag": identifier(params, "tag", 16),
        "anonymous": flag(params, "anonymous"),
        "quoteSide": required(params, "quoteSide", ("buy", "sell")),
        "legs": _legs(params, rfq),
    }
    return Quote(
        id=quote_id,
        client_id=client_id,
        created=now,
        valid_until=now + life * 1000,
        updated=now,
        rfq=rfq,
        trader_code=trader_code,
        params=read,
    )


def _legs(params: Params, rfq: Rfq) -> list[dict[str, str]]:
    rows_ = rows(params, "legs")
    if not rows_:
        raise Refused("50014", param0="legs")
    legs = [{**read_leg(row), "px": number(required(row, "px"), "px")} for row in rows_]
    if _shape(legs) != _shape(rfq.params["legs"]):
        raise Refused("70306", rfqId=rfq.id)
    return legs


def _shape(legs: Sequence[dict[str, str]]) -> list[tuple[str, str, Decimal, str]]:
    # A quote must cover the whole RFQ, so instruments, sides and quantities have to be the same.
    return sorted((leg["instId"], leg["side"], Decimal(leg["sz"]), leg["tgtCcy"]) for leg in legs)
