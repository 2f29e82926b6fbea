"""This file puts the RFQs that OKX lists into ccxt's manner."""

from __future__ import annotations

from typing import Any, TypedDict


class RfqLeg(TypedDict):
    """One leg of an RFQ; `amount` is OKX's `sz`: contracts, or on spot pairs what OKX counts there."""

    symbol: str
    side: str
    amount: float
    info: dict[str, Any]


class OpenRfq(TypedDict):
    """One RFQ of one's own, as `fetch_open_rfqs` returns it.

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


def is_own(row: dict[str, Any]) -> bool:
    """Say whether a listed RFQ was created by this account, and not received as a maker.

    Source: okx.com/docs-v5/en/#block-trading-rest-api-get-rfqs
    """
    return row.get("flowType") in ("", None)


def parse_rfq(exchange: Any, row: dict[str, Any]) -> OpenRfq:
    """Put one row of `rfq/rfqs` into ccxt's manner."""
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
