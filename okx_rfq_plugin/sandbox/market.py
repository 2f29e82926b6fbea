"""What a bot reads at startup besides markets and balance: candles, tickers, positions. No market moves behind them.

Source: the parameters and fields, from okx.com/docs-v5/en/#order-book-trading-market-data and other sections. Each
instrument has one made-up price, which never changes.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from itertools import islice, takewhile
from typing import Any

from .bars import BARS, HISTORY_BARS, openings
from .calls import Call, Question
from .codes import Refused, Reply, reply
from .instruments import DERIVATIVES, instruments
from .params import Params, bad, required, text, whole

PRICES = {"BTC": "100000", "ETH": "4000"}
KINDS = ("SPOT", *DERIVATIVES, "EVENTS")
MOST_FAMILIES = 5  # of position-tiers
MOST_INSTRUMENTS = 20  # of leverage-info

_MOST = 300  # candles in a reply
_TIMES = range(10**15)
_ALGOS = ("conditional", "oco", "chase", "trigger", "move_order_stop", "iceberg", "twap", "smart_iceberg")


def _candles(question: Question, bars: Collection[str]) -> Reply:
    price = _price(_instrument(question, required(question.params, "instId")))
    bar = text(question.params, "bar", bars) or "1m"
    most = min(whole(question.params, "limit", range(1, 10**6), 100), _MOST)
    last = min(question.now, whole(question.params, "after", _TIMES, question.now + 1) - 1)
    oldest = whole(question.params, "before", _TIMES, 0)
    found = takewhile(lambda times: times[0] > oldest, openings(bar, last))
    rows = [
        [str(ts), *[price] * 4, "0", "0", "0", "0" if end > question.now else "1"] for ts, end in islice(found, most)
    ]
    return reply(data=rows)


candles = partial(_candles, bars=BARS)
"""GET market/candles: newest first, all at one price, without volume."""
history_candles = partial(_candles, bars=HISTORY_BARS)
"""GET market/history-candles: the same, with bars down to one second."""


def ticker(question: Question) -> Reply:
    """GET market/ticker."""
    return reply(data=[_ticker(_instrument(question, required(question.params, "instId")), question.now)])


def tickers(question: Question) -> Reply:
    """GET market/tickers, of one type and optionally of one family."""
    kind, family = required(question.params, "instType", KINDS), text(question.params, "instFamily")
    rows = [row for row in instruments(question.now) if row["instType"] == kind and family in ("", row["instFamily"])]
    return reply(data=[_ticker(row, question.now) for row in rows])


def position_tiers(question: Question) -> Reply:
    """GET public/position-tiers: one tier for each family, or for each instrument of margin trading."""
    kind = required(question.params, "instType", ("MARGIN", *DERIVATIVES))
    required(question.params, "tdMode", ("cross", "isolated"))
    families = _several(question.params, "instFamily", MOST_FAMILIES) or _several(question.params, "uly", MOST_FAMILIES)
    asked = _several(question.params, "instId", MOST_FAMILIES)
    if kind == "MARGIN" and not (asked or text(question.params, "ccy")):
        raise Refused("50015", param0="instId", param1="ccy")
    if kind != "MARGIN" and not families:
        raise Refused("50015", param0="instFamily", param1="uly")
    if text(question.params, "tier") not in ("", "1"):
        return reply()
    empty = dict.fromkeys(("baseMaxLoan", "instFamily", "instId", "optMgnFactor", "quoteMaxLoan", "uly"), "")
    row = {**empty, "minSz": "0", "maxSz": "1000000", "maxLever": "100", "imr": "0.01", "mmr": "0.004", "tier": "1"}
    if kind == "MARGIN":
        return reply(data=[{**row, "instId": each} for each in asked or [""]])
    return reply(data=[{**row, "instFamily": each, "uly": each} for each in families])


def positions(call: Call) -> Reply:
    """GET account/positions: always empty."""
    text(call.params, "instType", ("MARGIN", *DERIVATIVES, "EVENTS"))
    return reply()


def orders(call: Call) -> Reply:
    """GET trade/orders-pending: always empty."""
    text(call.params, "instType", (*KINDS, "MARGIN"))
    return reply()


def past_orders(call: Call) -> Reply:
    """GET trade/orders-history: always empty."""
    required(call.params, "instType", (*KINDS, "MARGIN"))
    return reply()


def trades(question: Question) -> Reply:
    """GET market/trades: always empty."""
    _instrument(question, required(question.params, "instId"))
    return reply()


def algo_orders(call: Call) -> Reply:
    """GET trade/orders-algo-pending: always empty. Two of the types may be requested together."""
    kinds = required(call.params, "ordType").split(",")
    if not {*kinds} <= {*_ALGOS} or (len(kinds) > 1 and not {*kinds} <= {"conditional", "oco"}):
        bad("ordType")
    return reply()


def leverage(call: Call) -> Reply:
    """GET account/leverage-info: 1 for each instrument or currency requested."""
    mode = required(call.params, "mgnMode", ("cross", "isolated"))
    ids = _several(call.params, "instId", MOST_INSTRUMENTS)
    currencies = [] if ids else _several(call.params, "ccy", MOST_INSTRUMENTS)
    if not (ids or currencies):
        raise Refused("50015", param0="instId", param1="ccy")
    row = {"ccy": "", "instId": "", "lever": "1", "mgnMode": mode, "posSide": "net"}
    return reply(data=[*({**row, "instId": each} for each in ids), *({**row, "ccy": each} for each in currencies)])


def _several(params: Params, name: str, most: int) -> list[str]:
    """Return the items of a comma-separated value, of which OKX accepts at most `most`."""
    values = [value for value in text(params, name).split(",") if value]
    if len(values) > most:
        raise Refused("50025", param0=name, param1=str(most))
    return values


def _instrument(question: Question, name: str) -> dict[str, Any]:
    for row in instruments(question.now):
        if row["instId"] == name:
            return row
    raise Refused("51001")


def _price(row: dict[str, Any]) -> str:
    return "0.05" if row["instType"] == "OPTION" else PRICES[row["instId"].partition("-")[0]]


def _ticker(row: dict[str, Any], now: int) -> dict[str, str]:
    price = dict.fromkeys(("last", "askPx", "bidPx", "open24h", "high24h", "low24h", "sodUtc0", "sodUtc8"), _price(row))
    sizes = {"lastSz": "0", "askSz": "1", "bidSz": "1", "vol24h": "0", "volCcy24h": "0"}
    return {"instType": row["instType"], "instId": row["instId"], **price, **sizes, "ts": str(now)}
