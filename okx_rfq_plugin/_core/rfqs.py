"""The RFQs that OKX lists: whose they are, and how they look in ccxt's manner."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal, TypedDict


class RfqLeg(TypedDict):
    """One leg of an RFQ; `amount` is OKX's `sz`: contracts, or on spot pairs what OKX counts there."""

    symbol: str
    side: str
    amount: float
    info: dict[str, Any]


class OpenRfq(TypedDict):
    """One RFQ that this account created, as `fetch_open_rfqs` returns it.

    `status` is OKX's word, "active" or "pending_fill". `timestamp` (of creation) and `expiryTimestamp` are Unix
    milliseconds. `symbol` of a leg is ccxt's where its markets are loaded, else OKX's instrument id.
    """

    id: str
    clientRfqId: str | None
    status: str
    timestamp: int | None
    datetime: str | None
    expiryTimestamp: int | None
    legs: list[RfqLeg]
    info: dict[str, Any]


Owner = Literal["own", "received", "unclear"]


def owner_of(row: Mapping[str, Any], mine: str | None = None, others: Collection[str] = ()) -> Owner:
    """Return whose a listed RFQ is, as far as that is proved; what only seems so is unclear.

    OKX lists RFQs that the account sent and RFQs that it received. Proofs of "received": a `flowType`, which "returns
    empty for takers"; the account's own trader code among the counterparties; another's as the sender. Proofs of "own":
    a `clRfqId`, which makers never see; the own trader code as the sender; counterparties who are all others. An empty
    `flowType` proves nothing: OKX does not say what makers get. Where proofs contradict each other, "received" wins: no
    id of another's is named in a cancel.

    Args:
        row: one row of `rfq/rfqs`.
        mine: the account's own trader code, where it is known: see `own_trader_code`.
        others: trader codes that are not the account's own, such as those that `rfq/counterparties` lists.

    Source: okx.com/docs-v5/en/#block-trading-rest-api-get-rfqs
    """
    sender, receivers = row.get("traderCode") or None, row.get("counterparties") or []
    named = receivers if isinstance(receivers, list) else []
    if row.get("flowType") not in ("", None) or (mine is not None and mine in named) or (sender and sender in others):
        return "received"
    if mine is not None and sender:
        return "own" if sender == mine else "received"
    if row.get("clRfqId") or (named and all(code in others for code in named)):
        return "own"
    return "unclear"


def own_trader_code(rows: Iterable[Mapping[str, Any]], others: Collection[str] = ()) -> str | None:
    """Return the account's own trader code, where the listed RFQs leave one possibility; None where they do not.

    It is the sender of what shows a `clRfqId`. Else it is in every row, as the sender of what the account sent or among
    the counterparties of what it received.

    Args:
        rows: rows of `rfq/rfqs`, all of one account.
        others: trader codes that are not the account's own.
    """
    possible: set[str] | None = None
    for row in rows:
        sender, receivers = row.get("traderCode"), row.get("counterparties")
        if not isinstance(sender, str) or not sender or not isinstance(receivers, list) or not receivers:
            continue  # the sender of an anonymous one may be anybody, and so may a receiver who is not shown
        if row.get("clRfqId") and not row.get("flowType"):
            return sender
        named = {sender, *(code for code in receivers if isinstance(code, str))} - set(others)
        possible = named if possible is None else possible & named
    return next(iter(possible)) if possible is not None and len(possible) == 1 else None


def is_own(row: Mapping[str, Any], mine: str | None = None, others: Collection[str] = ()) -> bool:
    """Return whether a listed RFQ counts as created by this account: it is not proved that it was received.

    For naming ids in a cancel this is not enough: there `owner_of` must say "own".
    """
    return owner_of(row, mine, others) != "received"


def parse_rfq(exchange: Any, row: dict[str, Any]) -> OpenRfq:
    """Return one row of `rfq/rfqs` in ccxt's manner."""
    timestamp = exchange.safe_integer(row, "cTime")
    return {
        "id": row["rfqId"],
        "clientRfqId": row.get("clRfqId") or None,
        "status": row["state"],
        "timestamp": timestamp,
        "datetime": exchange.iso8601(timestamp),
        "expiryTimestamp": exchange.safe_integer(row, "validUntil"),
        "legs": [_parse_leg(exchange, leg) for leg in row.get("legs") or []],
        "info": row,
    }


def _parse_leg(exchange: Any, leg: dict[str, Any]) -> RfqLeg:
    markets = (exchange.markets_by_id or {}).get(leg.get("instId"))
    return {
        "symbol": markets[0]["symbol"] if markets else leg.get("instId", ""),
        "side": leg.get("side", ""),
        "amount": exchange.safe_number(leg, "sz"),
        "info": leg,
    }
