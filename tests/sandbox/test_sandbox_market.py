"""What a bot reads at its start beside markets and balance."""

from __future__ import annotations

import itertools
from typing import Any

import ccxt
import pytest

from okx_rfq_plugin.sandbox import Sandbox

# From okx.com/docs-v5/en/#order-book-trading-market-data-get-ticker
TICKER = """
    instType instId last lastSz askPx askSz bidPx bidSz open24h high24h low24h volCcy24h vol24h sodUtc0 sodUtc8 ts
"""
MINUTE = 60_000


def test_candles(exchange: Any) -> None:
    """Newest first on the wire, one a minute, the last one not complete."""
    rows = exchange.public_get_market_candles({"instId": "BTC-USDT", "bar": "1m", "limit": "3"})["data"]
    times = [int(row[0]) for row in rows]

    assert [9, 9, 9] == [len(row) for row in rows]
    assert [MINUTE] * 2 == [later - earlier for later, earlier in itertools.pairwise(times)]
    assert 0 == times[0] % MINUTE
    assert ["0", "1", "1"] == [row[8] for row in rows]


@pytest.mark.parametrize("timeframe", ["1m", "5m", "1h", "4h", "1d", "1w", "1M"])
def test_candles_through_ccxt(exchange: Any, timeframe: str) -> None:
    """Every timeframe that ccxt asks for, since a moment too."""
    step = exchange.parse_timeframe(timeframe) * 1000
    since = exchange.milliseconds() - 5 * step
    candles = exchange.fetch_ohlcv("BTC/USDT:USDT", timeframe, since=since, limit=3)

    assert 3 == len(candles) == len(exchange.fetch_ohlcv("ETH/USDT", timeframe, limit=3))
    assert all(since <= candle[0] for candle in candles)


@pytest.mark.parametrize("query", ["instId=BTC-USDT&bar=5x", "instId=BTC-USDT&limit=x", "instId=DOGE-USDT"])
def test_candles_of_what_is_not_there(wire: Any, query: str) -> None:
    """A bar, a number or an instrument that is none."""
    assert "51000" == wire.code("GET", f"market/candles?{query}")


def test_tickers(exchange: Any) -> None:
    """Every field that OKX documents, for each instrument of the type."""
    (ticker,) = exchange.public_get_market_ticker({"instId": "BTC-USDT"})["data"]

    assert set(TICKER.split()) == ticker.keys()
    assert {"BTC/USDT", "ETH/USDT"} == exchange.fetch_tickers().keys()
    assert 0.05 == exchange.fetch_ticker(next(m for m in exchange.markets if m.endswith("-C")))["last"]


def test_nothing_is_held_and_nothing_ordered(exchange: Any) -> None:
    """No position, no order, leverage 1, one tier."""
    assert [] == exchange.fetch_positions() == exchange.fetch_open_orders("BTC/USDT")
    assert 1 == exchange.fetch_leverage("BTC/USDT:USDT", {"marginMode": "cross"})["longLeverage"]
    assert [100] == [tier["maxLeverage"] for tier in exchange.fetch_market_leverage_tiers("BTC/USDT:USDT")]


def test_a_tier_needs_a_family(sandbox: Sandbox, exchange: Any) -> None:
    """OKX requires one for whatever is no margin."""
    with pytest.raises(ccxt.BadRequest, match="50014"):
        exchange.public_get_public_position_tiers({"instType": "SWAP", "tdMode": "cross"})
