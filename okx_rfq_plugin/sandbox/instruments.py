"""A few made-up instruments, so that a client's list of markets is not empty.

Source: the fields, from okx.com/docs-v5/en/#public-data-rest-api-get-instruments
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

DERIVATIVES = ("SWAP", "FUTURES", "OPTION")
LISTED = "1606468572000"
DAYS_TO_EXPIRY = 28  # at least; then the next Friday, 08:00 UTC

_FIELDS: dict[str, Any] = {
    **dict.fromkeys(
        ("alias", "auctionEndTime", "baseCcy", "contTdSwTime", "ctMult", "ctType", "ctVal", "ctValCcy"), ""
    ),
    **dict.fromkeys(("expTime", "instFamily", "lever", "maxMktAmt", "openType", "optType", "preMktSwTime"), ""),
    **dict.fromkeys(("quoteCcy", "rpiMinLevel", "rpiMinPxBand", "seriesId", "settleCcy", "stk", "uly"), ""),
    **dict.fromkeys(("maxIcebergSz", "maxLmtSz", "maxMktSz", "maxStopSz", "maxTriggerSz", "maxTwapSz"), "100000"),
    "category": "1",
    "futureSettlement": False,
    "instCategory": "1",
    "instIdCode": None,
    "listTime": LISTED,
    "lotSz": "1",
    "maxLmtAmt": "1000000",
    "minSz": "1",
    "ruleType": "normal",
    "state": "live",
    "tickSz": "0.1",
    "tradeQuoteCcyList": [],
    "upcChg": [],
}
# Fractions of a price; options have none.
_BANDS = {"initPxLmtPct": "0.05", "floatPxLmtPct": "0.03", "maxPxLmtPct": "0.15"}
_FEE_GROUPS = {"SPOT": "12", "SWAP": "4", "FUTURES": "5", "OPTION": "1"}


def instruments(now: int) -> list[dict[str, Any]]:
    """Return every instrument. `now` is in Unix milliseconds; contracts expire in four to five weeks."""
    expiry = _expiry(now)
    day, expires = expiry.strftime("%y%m%d"), str(int(expiry.timestamp() * 1000))
    rows = [_spot(base) for base in ("BTC", "ETH")]
    for base in ("BTC", "ETH"):
        rows += [_contract(base, quote, "SWAP", "SWAP") for quote in ("USDT", "USD")]
        rows += [_contract(base, quote, "FUTURES", day, expTime=expires) for quote in ("USDT", "USD")]
        strike = {"BTC": "100000", "ETH": "4000"}[base]
        for side in ("C", "P"):
            rows.append(_option(base, f"{day}-{strike}-{side}", optType=side, stk=strike, expTime=expires))
    return rows


def _spot(base: str) -> dict[str, Any]:
    own = {"instType": "SPOT", "instId": f"{base}-USDT", "baseCcy": base, "quoteCcy": "USDT"}
    sizes = {"lotSz": "0.00000001", "minSz": "0.00001", "maxMktAmt": "1000000"}
    return {**_FIELDS, **_BANDS, **own, **sizes, "groupId": _FEE_GROUPS["SPOT"], "tradeQuoteCcyList": ["USDT"]}


def _option(base: str, ending: str, **own: str) -> dict[str, Any]:
    # One contract is ctVal times ctMult of the coin: 0.01 BTC for BTC-USD options, as other people's code has it.
    sizes = {"ctVal": "1", "ctMult": {"BTC": "0.01", "ETH": "0.1"}[base], "ctValCcy": base, "tickSz": "0.0001"}
    without = dict.fromkeys(("ctType", "lever", *_BANDS), "")
    return _contract(base, "USD", "OPTION", ending, **sizes, **without, **own)


def _contract(base: str, quote: str, kind: str, ending: str, **changed: str) -> dict[str, Any]:
    linear = quote == "USDT"
    family = f"{base}-{quote}"
    return {
        **_FIELDS,
        **_BANDS,
        "groupId": _FEE_GROUPS[kind],
        "instType": kind,
        "instId": f"{family}-{ending}",
        "instFamily": family,
        "uly": family,
        "settleCcy": quote if linear else base,
        "ctType": "linear" if linear else "inverse",
        "ctVal": "0.01" if linear else "100",
        "ctMult": "1",
        "ctValCcy": base if linear else "USD",
        "lever": "100",
        **changed,
    }


def _expiry(now: int) -> datetime:
    earliest = datetime.fromtimestamp(now // 1000, timezone.utc) + timedelta(days=DAYS_TO_EXPIRY)
    friday = earliest + timedelta(days=(4 - earliest.weekday()) % 7)
    return friday.replace(hour=8, minute=0, second=0, microsecond=0)
