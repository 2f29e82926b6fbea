"""An RFQ: parsed from create-rfq, its lifetime, and how OKX shows it.

Source: okx.com/docs-v5/en/#block-trading-rest-api-create-rfq and #block-trading-rest-api-get-rfqs
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .book import Entry, Kind
from .codes import Refused
from .params import Params, bad, flag, identifier, number, required, rows, text, texts

RFQ = Kind(
    name="RFQs",
    id="rfqId",
    client_id="clRfqId",
    states=("active", "canceled", "pending_fill", "filled", "expired", "failed", "traded_away"),
    missing="70000",
    duplicate="70101",
    not_active="70200",
    state="rfqState",
    none_active="70207",
    too_many="70203",
    limit="rfqLimit",
)
MOST_LEGS = 15
OPTIONS_LIFE = 600_000  # ms, if every leg is an option
LIFE = 120_000  # ms, otherwise

_INSTRUMENT = re.compile(r"[A-Z0-9]+(-[A-Z0-9._]+){1,4}")
_OPTION = re.compile(r"[A-Z0-9]+-[A-Z0-9_]+-[0-9]{6}-[0-9.]+-[CP]")


@dataclass(kw_only=True)
class Rfq(Entry):
    """An RFQ and its creator."""

    trader_code: str
    params: dict[str, Any]
    filled_by: str = ""  # the trader code of the maker whose quote was executed

    def created_reply(self) -> dict[str, Any]:
        """Return it as create-rfq does: with the trader code, even if anonymous, and without `flowType`."""
        shown = {**self.shown(), "traderCode": self.trader_code}
        return {name: value for name, value in shown.items() if name != "flowType"}

    def shown(self, *, maker: str | None = None, flow_type: str = "") -> dict[str, Any]:
        """Return it as `rfq/rfqs` does, to its creator or to a maker.

        Args:
            maker: the trader code of the maker who asks. If another maker's quote was executed, the state is
                "traded_away".
            flow_type: what that maker sees as `flowType`, which is "" for takers. The docs name no value.
        """
        traded_away = maker is not None and self.state == "filled" and self.filled_by not in ("", maker)
        return {
            "rfqId": self.id,
            "clRfqId": self.client_id if maker is None else "",
            "tag": self.params["tag"],
            "traderCode": "" if self.params["anonymous"] else self.trader_code,
            "validUntil": str(self.valid_until),
            "allowPartialExecution": self.params["allowPartialExecution"],
            "state": "traded_away" if traded_away else self.state,
            "flowType": "" if maker is None else flow_type,
            "counterparties": list(self.params["counterparties"]),
            "legs": [dict(leg) for leg in self.params["legs"]],
            "cTime": str(self.created),
            "uTime": str(self.updated),
            "groupId": "",
        }


def open_rfq(params: Params, *, rfq_id: str, trader_code: str, makers: frozenset[str], now: int) -> Rfq:
    """Read the parameters of create-rfq, and return the new RFQ.

    Args:
        makers: the trader codes that may receive RFQs.
        now: Unix milliseconds.

    Raises:
        Refused: for the first parameter that is missing or wrong.
    """
    client_id = identifier(params, "clRfqId", 32)
    read: dict[str, Any] = {
        "counterparties": _counterparties(params, makers),
        "anonymous": flag(params, "anonymous"),
        "tag": identifier(params, "tag", 16),
        "allowPartialExecution": flag(params, "allowPartialExecution"),
        "legs": _legs(params),
    }
    if rows(params, "acctAlloc"):
        # Group RFQs are for master accounts, whose sub-accounts share them. The sandbox's users have no sub-accounts.
        raise Refused("70517", param0="acctAlloc")
    life = OPTIONS_LIFE if all(_OPTION.fullmatch(leg["instId"]) for leg in read["legs"]) else LIFE
    return Rfq(
        id=rfq_id,
        client_id=client_id,
        created=now,
        valid_until=now + life,
        updated=now,
        trader_code=trader_code,
        params=read,
    )


def _counterparties(params: Params, makers: frozenset[str]) -> list[str]:
    codes = texts(params, "counterparties")
    if params.get("counterparties") is None:
        raise Refused("50014", param0="counterparties")
    if not codes:
        raise Refused("70102")
    if len(codes) > len(makers):
        raise Refused("70107")  # the docs do not say how many are too many; here, more than there are
    if not makers.issuperset(codes):
        raise Refused("70103")
    return codes


def _legs(params: Params) -> list[dict[str, str]]:
    rows_ = rows(params, "legs")
    if not rows_:
        raise Refused("50014", param0="legs")
    if len(rows_) > MOST_LEGS:
        raise Refused("70005")
    legs = [read_leg(row) for row in rows_]
    if len({leg["instId"] for leg in legs}) < len(legs):
        raise Refused("70100")
    # Auto-execution requires a price on every leg or on none; the docs say "rejected" and name no code. The prices are
    # parsed and otherwise unused: replies do not contain them, and no quote triggers a trade here.
    prices = [number(price, "lmtPx") for row in rows_ if (price := text(row, "lmtPx"))]
    if prices and len(prices) < len(rows_):
        bad("lmtPx")
    return legs


def read_leg(row: Any) -> dict[str, str]:
    """Return the leg of an RFQ or of a quote, without its price."""
    if not isinstance(row, dict):
        bad("legs")
    instrument = required(row, "instId")
    if not _INSTRUMENT.fullmatch(instrument):
        raise Refused("70004", instId=instrument)
    size = number(required(row, "sz"), "sz")
    side = required(row, "side", ("buy", "sell"))
    spot = instrument.count("-") == 1
    # Without a tdMode, the one that an account in Futures mode would get.
    usual = "cash" if spot else "isolated" if _OPTION.fullmatch(instrument) and side == "buy" else "cross"
    return {
        "instId": instrument,
        "tdMode": text(row, "tdMode", ("cross", "isolated", "cash")) or usual,
        "ccy": text(row, "ccy"),
        "sz": size,
        "side": side,
        "posSide": text(row, "posSide", ("long", "short", "net")),
        "tgtCcy": text(row, "tgtCcy", ("base_ccy", "quote_ccy")) or ("base_ccy" if spot else ""),
        "tradeQuoteCcy": text(row, "tradeQuoteCcy") or (instrument.partition("-")[2] if spot else ""),
    }
