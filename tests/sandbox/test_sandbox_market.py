"""What a bot reads at startup besides markets and balance."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from okx_rfq_plugin.sandbox.bars import BARS, openings

# From okx.com/docs-v5/en/#order-book-trading-market-data-get-ticker
TICKER = """
    instType instId last lastSz askPx askSz bidPx bidSz open24h high24h low24h volCcy24h vol24h sodUtc0 sodUtc8 ts
"""
# From okx.com/docs-v5/en/#public-data-rest-api-get-position-tiers
TIER = "baseMaxLoan imr instFamily instId maxLever maxSz minSz mmr optMgnFactor quoteMaxLoan tier uly"
# From okx.com/docs-v5/en/#trading-account-rest-api-get-leverage
LEVERAGE = "ccy instId lever mgnMode posSide"
MINUTE = 60_000


def test_candles(exchange: Any) -> None:
    """Newest first on the wire, one per minute, the last one incomplete."""
    rows = exchange.public_get_market_candles({"instId": "BTC-USDT", "bar": "1m", "limit": "3"})["data"]
    times = [int(row[0]) for row in rows]

    assert [9, 9, 9] == [len(row) for row in rows]
    assert [MINUTE] * 2 == [later - earlier for later, earlier in itertools.pairwise(times)]
    assert 0 == times[0] % MINUTE
    assert ["0", "1", "1"] == [row[8] for row in rows]


@pytest.mark.parametrize("timeframe", ["1m", "5m", "1h", "4h", "1d", "1w", "1M"])
def test_candles_through_ccxt(exchange: Any, timeframe: str) -> None:
    """Every timeframe that ccxt requests, also from a given time."""
    step = exchange.parse_timeframe(timeframe) * 1000
    since = exchange.milliseconds() - 5 * step
    candles = exchange.fetch_ohlcv("BTC/USDT:USDT", timeframe, since=since, limit=3)

    assert 3 == len(candles) == len(exchange.fetch_ohlcv("ETH/USDT", timeframe, limit=3))
    assert all(since <= candle[0] for candle in candles)


# Bars, a time, when the candle that contains it opens, and when the previous one opens.
OPENINGS = [
    ("15m", "2026-08-22T13:50:00", "2026-08-22T13:45:00", "2026-08-22T13:30:00"),
    ("4H", "2026-08-22T13:50:00", "2026-08-22T12:00:00", "2026-08-22T08:00:00"),
    ("6H", "2026-08-22T13:50:00", "2026-08-22T10:00:00", "2026-08-22T04:00:00"),
    ("6Hutc", "2026-08-22T13:50:00", "2026-08-22T12:00:00", "2026-08-22T06:00:00"),
    ("1D", "2026-08-22T16:00:00", "2026-08-22T16:00:00", "2026-08-21T16:00:00"),
    ("1Dutc", "2026-08-22T16:00:00", "2026-08-22T00:00:00", "2026-08-21T00:00:00"),
    ("1W", "2026-08-23T15:59:59", "2026-08-16T16:00:00", "2026-08-09T16:00:00"),
    ("1Wutc", "2026-08-23T15:59:59", "2026-08-17T00:00:00", "2026-08-10T00:00:00"),
    ("1M", "2026-01-31T16:00:00", "2026-01-31T16:00:00", "2025-12-31T16:00:00"),
    ("1Mutc", "2026-01-31T16:00:00", "2026-01-01T00:00:00", "2025-12-01T00:00:00"),
    ("3M", "2026-02-10T00:00:00", "2025-12-31T16:00:00", "2025-09-30T16:00:00"),
    ("3Mutc", "2026-02-10T00:00:00", "2026-01-01T00:00:00", "2025-10-01T00:00:00"),
]


@pytest.mark.parametrize(("bar", "now", "opening", "before"), OPENINGS)
def test_when_a_candle_opens(exchange: Any, clock: Any, bar: str, now: str, opening: str, before: str) -> None:
    """On UTC+8 from six hours on, on UTC if the bar says so; weeks on Monday, months on the first."""
    clock.now = exchange.parse8601(now) / 1000
    rows = exchange.public_get_market_candles({"instId": "BTC-USDT", "bar": bar, "limit": "2"})["data"]

    assert [opening, before] == [exchange.iso8601(int(row[0]))[:19] for row in rows]
    assert ["0", "1"] == [row[8] for row in rows]


@pytest.mark.parametrize("bar", BARS)
def test_pages_of_candles_join(exchange: Any, bar: str) -> None:
    """`after` and `before` exclude exactly the candle that they name."""

    def times(**params: Any) -> list[int]:
        query = {"instId": "BTC-USDT", "bar": bar, **params}
        return [int(row[0]) for row in exchange.public_get_market_candles(query)["data"]]

    everything = times(limit="6")

    assert everything[3:] == times(limit="3", after=str(everything[2]))
    assert everything[:2] == times(before=str(everything[2]))


def test_candles_of_a_second_are_in_the_history_alone(wire: Any) -> None:
    """The shortest candle in OKX's table is a minute."""
    assert ["51000", "0"] == [
        wire.code("GET", f"market/{path}candles?instId=BTC-USDT&bar=1s") for path in ("", "history-")
    ]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "50014"),
        ("instId=DOGE-USDT", "51001"),
        *(
            (f"instId=BTC-USDT&{wrong}", "51000")
            for wrong in ("bar=5x", "bar=7m", "bar=1d", "bar=1mutc", "limit=x", "after=-1")
        ),
    ],
)
def test_candles_of_what_is_not_there(wire: Any, query: str, code: str) -> None:
    """An invalid bar, number or instrument."""
    assert code == wire.code("GET", f"market/candles?{query}")


def test_tickers(exchange: Any) -> None:
    """Every field that OKX documents, for each instrument of the type."""
    (ticker,) = exchange.public_get_market_ticker({"instId": "BTC-USDT"})["data"]

    assert set(TICKER.split()) == ticker.keys()
    assert {"BTC/USDT", "ETH/USDT"} == exchange.fetch_tickers().keys()
    assert 2 == len(exchange.public_get_market_tickers({"instType": "OPTION", "instFamily": "ETH-USD"})["data"])
    assert [] == exchange.public_get_market_tickers({"instType": "EVENTS"})["data"]
    assert 0.05 == exchange.fetch_ticker(next(m for m in exchange.markets if m.endswith("-C")))["last"]


def test_nothing_is_held_and_nothing_ordered(exchange: Any) -> None:
    """No position, no order, leverage 1, one tier."""
    assert [] == exchange.fetch_positions() == exchange.fetch_open_orders("BTC/USDT")
    assert [] == exchange.fetch_closed_orders("BTC/USDT") == exchange.fetch_trades("BTC/USDT")
    assert 1 == exchange.fetch_leverage("BTC/USDT:USDT", {"marginMode": "cross"})["longLeverage"]
    assert [100] == [tier["maxLeverage"] for tier in exchange.fetch_market_leverage_tiers("BTC/USDT:USDT")]


TIERS = "public/position-tiers?tdMode=cross&instType="
REFUSED = [
    (f"{TIERS}SWAP", "50015"),
    (f"{TIERS}SWAP&instFamily={','.join('abcdef')}", "50025"),
    (f"{TIERS}MARGIN", "50015"),
    (f"{TIERS}SPOT", "51000"),
    ("public/position-tiers?instType=SWAP&instFamily=BTC-USD", "50014"),
    ("account/leverage-info?instId=BTC-USDT-SWAP", "50014"),
    ("account/leverage-info?instId=BTC-USDT-SWAP&mgnMode=cash", "51000"),
    ("account/leverage-info?mgnMode=cross", "50015"),
    (f"account/leverage-info?mgnMode=cross&ccy={','.join('abcdefghijklmnopqrstu')}", "50025"),
    ("account/positions?instType=SPOT", "51000"),
    ("trade/orders-pending?instType=STOCKS", "51000"),
    ("trade/orders-history", "50014"),
    ("market/trades?instId=DOGE-USDT", "51001"),
    ("trade/orders-algo-pending", "50014"),
    ("trade/orders-algo-pending?ordType=limit", "51000"),
    ("trade/orders-algo-pending?ordType=oco,trigger", "51000"),
    ("market/tickers", "50014"),
    ("market/tickers?instType=MARGIN", "51000"),
    ("market/ticker?instId=DOGE-USDT", "51001"),
]


@pytest.mark.parametrize(("target", "code"), REFUSED)
def test_what_okx_requires_is_required(wire: Any, target: str, code: str) -> None:
    """What the endpoints' tables require, and the values and numbers that they allow."""
    assert code == wire.code("GET", target)


@pytest.mark.parametrize(
    ("target", "rows"),
    [
        (f"{TIERS}SWAP&instFamily=BTC-USDT,ETH-USDT", [("BTC-USDT", ""), ("ETH-USDT", "")]),
        (f"{TIERS}SWAP&uly=BTC-USD", [("BTC-USD", "")]),
        (f"{TIERS}MARGIN&instId=BTC-USDT", [("", "BTC-USDT")]),
        (f"{TIERS}MARGIN&ccy=BTC", [("", "")]),
        (f"{TIERS}SWAP&instFamily=BTC-USD&tier=2", []),
    ],
)
def test_tiers(wire: Any, target: str, rows: list[tuple[str, str]]) -> None:
    """One for each family, or for each instrument of margin trading."""
    found = wire.send("GET", target)[1]["data"]

    assert rows == [(row["instFamily"], row["instId"]) for row in found]
    assert all(set(TIER.split()) == row.keys() for row in found)


@pytest.mark.parametrize("target", ["ordType=trigger", "ordType=conditional,oco&instType=SWAP"])
def test_there_is_no_algo_order(wire: Any, target: str) -> None:
    """Two types can be requested together."""
    assert [] == wire.send("GET", f"trade/orders-algo-pending?{target}")[1]["data"]


def test_leverage_of_currencies(wire: Any) -> None:
    """If no instrument is requested."""
    found = wire.send("GET", "account/leverage-info?mgnMode=cross&ccy=BTC,ETH")[1]["data"]

    assert [("", "BTC"), ("", "ETH")] == [(row["instId"], row["ccy"]) for row in found]
    assert all(set(LEVERAGE.split()) == row.keys() for row in found)


DAY = 86_400_000


@pytest.mark.parametrize(
    ("bar", "last", "days"),
    [("1Dutc", 2 * DAY + 1, [(2, 3), (1, 2), (0, 1)]), ("1Mutc", 75 * DAY, [(59, 90), (31, 59), (0, 31)])],
    ids=["days", "months"],
)
def test_candles_go_back_to_the_beginning_of_unix_time(bar: str, last: int, days: list[tuple[int, int]]) -> None:
    """And no further; a month has the days that it has."""
    assert [(opening * DAY, end * DAY) for opening, end in days] == list(openings(bar, last))


def test_a_bar_that_is_none() -> None:
    """The sandbox's own functions say so too."""
    with pytest.raises(ValueError, match="'5x' is no bar"):
        next(openings("5x", 0))
