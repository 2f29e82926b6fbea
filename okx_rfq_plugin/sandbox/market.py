"""What a bot reads at its start beside markets and balance: candles, tickers, positions; without a market behind them.

Source: the fields, from okx.com/docs-v5/en/#order-book-trading-market-data; one price an instrument, of the sandbox's
own, which never moves.
"""

from __future__ import annotations

import re
from typing import Any

from .calls import Call, Question
from .codes import Refused, Reply, reply
from .instruments import instruments
from .params import required, text

PRICES = {"BTC": "100000", "ETH": "4000"}
MODES = ("cross", "isolated", "cash", "spot_isolated")
_KINDS = ("SPOT", "SWAP", "FUTURES", "OPTION")
_MOST = 300  # candles in a reply
_SECONDS = {"s": 1, "m": 60, "H": 3600, "D": 86_400, "W": 7 * 86_400, "M": 30 * 86_400}
_BAR = re.compile(r"([0-9]{1,2})([smHDWM])(utc)?")


def candles(question: Question) -> Reply:
    """GET market/candles and market/history-candles: newest first, all at one price, without volume."""
    price = _price(_instrument(question, required(question.params, "instId")))
    step = _milliseconds(text(question.params, "bar") or "1m")
    most = min(_number(question, "limit", 100), _MOST)
    newest = min(question.now, _number(question, "after", question.now + 1) - 1)
    oldest = _number(question, "before", 0)
    begins = range(newest - newest % step, max(oldest, newest - most * step), -step)
    rows = [[str(ts), *[price] * 4, "0", "0", "0", "0" if ts + step > question.now else "1"] for ts in begins]
    return reply(data=rows[:most])


def ticker(question: Question) -> Reply:
    """GET market/ticker."""
    return reply(data=[_ticker(_instrument(question, required(question.params, "instId")), question.now)])


def tickers(question: Question) -> Reply:
    """GET market/tickers, of one type."""
    kind = required(question.params, "instType", _KINDS)
    rows = [row for row in instruments(question.now) if row["instType"] == kind]
    return reply(data=[_ticker(row, question.now) for row in rows])


def position_tiers(question: Question) -> Reply:
    """GET public/position-tiers: one tier without a limit."""
    kind = required(question.params, "instType", ("MARGIN", "SWAP", "FUTURES", "OPTION"))
    required(question.params, "tdMode", ("cross", "isolated"))
    family = text(question.params, "instFamily") or text(question.params, "uly")
    if kind != "MARGIN" and not family:
        raise Refused("50014", param0="instFamily")
    empty = dict.fromkeys(("baseMaxLoan", "instId", "optMgnFactor", "quoteMaxLoan"), "")
    sizes = {"minSz": "0", "maxSz": "1000000", "maxLever": "100", "imr": "0.01", "mmr": "0.004", "tier": "1"}
    return reply(data=[{**empty, **sizes, "instFamily": family, "uly": family}])


def nothing(call: Call) -> Reply:
    """GET account/positions, trade/orders-pending and trade/orders-algo-pending: there are none."""
    return reply()


def leverage(call: Call) -> Reply:
    """GET account/leverage-info: 1 for each instrument that is asked for."""
    mode = required(call.params, "mgnMode", MODES)
    ids = required(call.params, "instId").split(",")
    return reply(data=[{"ccy": "", "instId": each, "lever": "1", "mgnMode": mode, "posSide": "net"} for each in ids])


def _instrument(question: Question, name: str) -> dict[str, Any]:
    for row in instruments(question.now):
        if row["instId"] == name:
            return row
    raise Refused("51000", param0="instId")


def _number(question: Question, name: str, default: int) -> int:
    value = text(question.params, name) or str(default)
    if not value.isdecimal():
        raise Refused("51000", param0=name)
    return int(value)


def _price(row: dict[str, Any]) -> str:
    return "0.05" if row["instType"] == "OPTION" else PRICES[row["instId"].partition("-")[0]]


def _ticker(row: dict[str, Any], now: int) -> dict[str, str]:
    price = dict.fromkeys(("last", "askPx", "bidPx", "open24h", "high24h", "low24h", "sodUtc0", "sodUtc8"), _price(row))
    sizes = {"lastSz": "0", "askSz": "1", "bidSz": "1", "vol24h": "0", "volCcy24h": "0"}
    return {"instType": row["instType"], "instId": row["instId"], **price, **sizes, "ts": str(now)}


def _milliseconds(bar: str) -> int:
    match = _BAR.fullmatch(bar)
    if match is None:
        raise Refused("51000", param0="bar")
    return int(match[1]) * _SECONDS[match[2]] * 1000
