"""vectorbt reads candles through ccxt; the same okx object has the kill switch."""

from __future__ import annotations

import os
from typing import Any

import ccxt
import vectorbt as vbt

import okx_rfq_plugin


def make_exchange() -> Any:
    """Return an okx object with the key from the environment. Tests set OKX_BASE_URL to a sandbox."""
    keys = {"apiKey": "OKX_API_KEY", "secret": "OKX_API_SECRET", "password": "OKX_PASSPHRASE"}
    exchange = ccxt.okx({name: os.environ[variable] for name, variable in keys.items()})
    exchange.urls["api"]["rest"] = os.environ.get("OKX_BASE_URL", exchange.urls["api"]["rest"])
    return exchange


if __name__ == "__main__":
    exchange = okx_rfq_plugin.install(make_exchange())
    with okx_rfq_plugin.cancel_on_exit(exchange):
        candles = vbt.CCXTData.download(
            "BTC/USDT", exchange=exchange, timeframe="1h", start="2 days ago", end="now", show_progress=False
        )
        print("candles", len(candles.get("Close")), flush=True)

        legs = [{"instId": "BTC-USDT", "side": "buy", "sz": "25"}]
        made = exchange.private_post_rfq_create_rfq({"counterparties": ["WAGMI"], "legs": legs})
        print("asked", made["data"][0]["rfqId"], flush=True)
        print("before the end:", exchange.cancel_all_rfqs()["status"], flush=True)
