"""A freqtrade strategy that requests block quotes, and leaves no RFQ active when the bot ends."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import ccxt
import ccxt.pro
from freqtrade.enums import RunMode
from freqtrade.strategy import IntParameter, IStrategy
from pandas import DataFrame

import okx_rfq_plugin

# freqtrade creates its exchange objects from these two classes. Existing objects get the methods too.
okx_rfq_plugin.install(ccxt.okx)
okx_rfq_plugin.install(ccxt.pro.okx)


class BlockDesk(IStrategy):
    """Requests one block quote, and does not trade on the order book."""

    timeframe = "5m"
    minimal_roi: dict[str, float] = {}  # noqa: RUF012 - as freqtrade requires it
    stoploss = -0.99
    patience = IntParameter(1, 10, default=5, space="buy")  # something for hyperopt to try
    asked: str | None = None

    def bot_start(self, **kwargs: Any) -> None:
        """Register the cancel in a live bot only, since backtesting and hyperopt call this too."""
        if self.dp.runmode is RunMode.LIVE:
            okx_rfq_plugin.at_exit(self.dp._exchange._api)

    def bot_loop_start(self, current_time: datetime, **kwargs: Any) -> None:
        """Request a quote when the bot has started."""
        if self.dp.runmode is RunMode.LIVE and self.asked is None:
            legs = [{"instId": "BTC-USDT", "side": "buy", "sz": "25"}]
            rfq = {"counterparties": ["WAGMI"], "legs": legs}
            self.asked = self.dp._exchange._api.private_post_rfq_create_rfq(rfq)["data"][0]["rfqId"]
            print("asked", self.asked, flush=True)

    def populate_indicators(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        """Use no indicators."""
        return dataframe

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        """Never enter."""
        dataframe["enter_long"] = 0
        return dataframe

    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        """Never exit."""
        dataframe["exit_long"] = 0
        return dataframe
