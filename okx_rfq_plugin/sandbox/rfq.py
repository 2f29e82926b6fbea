"""Holds one RFQ: how it is read from create-rfq, how long it lives, how OKX shows it.

Source: okx.com/docs-v5/en/#block-trading-rest-api-create-rfq and #block-trading-rest-api-get-rfqs
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .codes import Refused
from .params import Params, bad, flag, identifier, number, required, rows, text, texts

STATES = ("active", "canceled", "pending_fill", "filled", "expired", "failed", "traded_away")
MOST_LEGS = 15
OPTIONS_LIFE = 600_000  # ms, where every leg is an option
LIFE = 120_000  # ms, otherwise

_INSTRUMENT = re.compile(r"[A-Z0-9]+(-[A-Z0-9._]+){1,4}")
_OPTION = re.compile(r"[A-Z0-9]+-[A-Z0-9_]+-[0-9]{6}-[0-9.]+-[CP]")


@dataclass(kw_only=True)
class Rfq:
    """One RFQ; times are in Unix milliseconds."""

    rfq_id: str
    trader_code: str
    params: dict[str, Any]
    created: int
    valid_until: int
    updated: int
    state: str = "active"

    def move(self, state: str, now: int) -> None:
        """Take another state."""
        self.state, self.updated = state, now

    def created_reply(self) -> dict[str, Any]:
        """Show it as create-rfq does: with the trader code even of an anonymous one, without `flowType`."""
        shown = {**self.shown(), "traderCode": self.trader_code}
        return {name: value for name, value in shown.items() if name != "flowType"}

    def shown(self, *, to_maker: bool = False) -> dict[str, Any]:
        """Show it as `rfq/rfqs` does, to its creator or to a maker.

        `flowType` is "" for takers; the docs name no value that makers would see, so theirs is "" too.
        """
        return {
            "rfqId": self.rfq_id,
            "clRfqId": "" if to_maker else self.params["clRfqId"],
            "tag": self.params["tag"],
            "traderCode": "" if self.params["anonymous"] else self.trader_code,
            "validUntil": str(self.valid_until),
            "allowPartialExecution": self.params["allowPartialExecution"],
            "state": self.state,
            "flowType": "",
            "counterparties": list(self.params["counterparties"]),
            "legs": [dict(leg) for leg in self.params["legs"]],
            "cTime": str(self.created),
            "uTime": str(self.updated),
            "groupId": "",
        }


def open_rfq(params: Params, *, rfq_id: str, trader_code: str, makers: frozenset[str], now: int) -> Rfq:
    """Read the parameters of create-rfq, and start the RFQ's life.

    Args:
        makers: the trader codes that may be asked.
        now: Unix milliseconds.

    Raises:
        Refused: for the first parameter that is missing or wrong.
    """
    read: dict[str, Any] = {
        "counterparties": _counterparties(params, makers),
        "anonymous": flag(params, "anonymous"),
        "clRfqId": identifier(params, "clRfqId", 32),
        "tag": identifier(params, "tag", 16),
        "allowPartialExecution": flag(params, "allowPartialExecution"),
        "legs": _legs(params),
    }
    if rows(params, "acctAlloc"):
        # A group RFQ is for master accounts, and spreads over their sub-accounts: the sandbox's users have none.
        raise Refused("70517", param0="acctAlloc")
    life = OPTIONS_LIFE if all(_OPTION.fullmatch(leg["instId"]) for leg in read["legs"]) else LIFE
    return Rfq(rfq_id=rfq_id, trader_code=trader_code, params=read, created=now, valid_until=now + life, updated=now)


def _counterparties(params: Params, makers: frozenset[str]) -> list[str]:
    codes = texts(params, "counterparties")
    if params.get("counterparties") is None:
        raise Refused("50014", param0="counterparties")
    if not codes:
        raise Refused("70102")
    if not makers.issuperset(codes):
        raise Refused("70103")
    return codes


def _legs(params: Params) -> list[dict[str, str]]:
    rows_ = rows(params, "legs")
    if not rows_:
        raise Refused("50014", param0="legs")
    if len(rows_) > MOST_LEGS:
        raise Refused("70005")
    legs = [_leg(row) for row in rows_]
    if len({leg["instId"] for leg in legs}) < len(legs):
        raise Refused("70100")
    # Auto-execution asks for a price on every leg or on none; the docs say "rejected" and name no code.
    if len({bool(text(row, "lmtPx")) for row in rows_}) > 1:
        bad("lmtPx")
    return legs


def _leg(row: Any) -> dict[str, str]:
    if not isinstance(row, dict):
        bad("legs")
    instrument = required(row, "instId")
    if not _INSTRUMENT.fullmatch(instrument):
        raise Refused("70004", instId=instrument)
    size = number(required(row, "sz"), "sz")
    side = required(row, "side", ("buy", "sell"))
    if price := text(row, "lmtPx"):
        number(price, "lmtPx")  # read, and not shown: replies do not hold it
    spot = instrument.count("-") == 1
    # Without a tdMode: what an account in Futures mode would get.
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
