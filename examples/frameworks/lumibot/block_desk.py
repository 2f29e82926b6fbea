"""A lumibot strategy that requests block quotes, and leaves no RFQ active when the bot ends."""

from __future__ import annotations

import os
from typing import Any

import ccxt
from lumibot.brokers import Ccxt
from lumibot.strategies import Strategy
from lumibot.traders import Trader

import okx_rfq_plugin

okx_rfq_plugin.install(ccxt.okx)  # lumibot creates its object from this class, as `broker.api`


class BlockDesk(Strategy):
    """Requests one block quote, and does not trade on the order book."""

    def initialize(self) -> None:
        """Run once a minute."""
        self.sleeptime = "1M"

    def on_trading_iteration(self) -> None:
        """Request a quote."""
        legs = [{"instId": "BTC-USDT", "side": "buy", "sz": "25"}]
        made = self.broker.api.private_post_rfq_create_rfq({"counterparties": ["WAGMI"], "legs": legs})
        print("asked", made["data"][0]["rfqId"], flush=True)


def make_broker() -> Any:
    """Return a broker with the key from the environment. Tests set OKX_BASE_URL to a sandbox."""
    keys = {"apiKey": "OKX_API_KEY", "secret": "OKX_API_SECRET", "password": "OKX_PASSPHRASE"}
    config = {"exchange_id": "okx", "sandbox": False, **{name: os.environ[each] for name, each in keys.items()}}
    if url := os.environ.get("OKX_BASE_URL"):
        config["urls"] = {"api": {"rest": url}}
    return Ccxt(config)


if __name__ == "__main__":
    broker = make_broker()
    okx_rfq_plugin.at_exit(broker.api)  # on the main thread, since lumibot's own thread gets no signals
    trader = Trader()
    trader.add_strategy(BlockDesk(broker=broker))
    trader.run_all()
