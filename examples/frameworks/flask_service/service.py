"""A Flask service with a kill switch: `gunicorn --preload --threads 8 service:app`."""

from __future__ import annotations

import os
from typing import Any

import ccxt
from flask import Flask

import okx_rfq_plugin


def make_exchange() -> Any:
    """Return an okx object with the key from the environment."""
    keys = {"apiKey": "OKX_API_KEY", "secret": "OKX_API_SECRET", "password": "OKX_PASSPHRASE"}
    made = ccxt.okx({name: os.environ[variable] for name, variable in keys.items()})
    made.urls["api"]["rest"] = os.environ.get("OKX_BASE_URL", made.urls["api"]["rest"])
    return okx_rfq_plugin.install(made)


app = Flask(__name__)
exchange = make_exchange()
okx_rfq_plugin.at_exit(exchange)  # in the process that imports this: with --preload gunicorn's master, else each worker


@app.post("/rfqs")
def ask() -> dict[str, str]:
    """Ask for a price."""
    legs = [{"instId": "BTC-USDT", "side": "buy", "sz": "25"}]
    made = exchange.private_post_rfq_create_rfq({"counterparties": ["WAGMI"], "legs": legs})
    return {"rfqId": made["data"][0]["rfqId"]}


@app.post("/kill-switch")
def kill_switch() -> Any:
    """Cancel every RFQ of the account: 200 with the receipt, or 503 with what is true now."""
    try:
        return dict(exchange.cancel_all_rfqs())
    except ccxt.BaseError as error:
        return {"error": str(error), "may_be_canceled": error.cancel_failure.may_be_canceled}, 503
