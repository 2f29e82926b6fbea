"""A FastAPI service with a kill switch for each client: `uvicorn service:app`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from typing import Any

import ccxt.async_support as ccxt
from fastapi import FastAPI, HTTPException

import okx_rfq_plugin

okx_rfq_plugin.install(ccxt.okx)  # on the class, so that every client's object has it
exchanges: dict[str, Any] = {}  # by client


def make_exchange(client: str) -> Any:
    """Return a client's okx object. Here, all have the key from the environment."""
    keys = {"apiKey": "OKX_API_KEY", "secret": "OKX_API_SECRET", "password": "OKX_PASSPHRASE"}
    exchange = ccxt.okx({name: os.environ[variable] for name, variable in keys.items()})
    exchange.urls["api"]["rest"] = os.environ.get("OKX_BASE_URL", exchange.urls["api"]["rest"])
    return exchange


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open an exchange for each client; at the end, cancel for all of them, and close them."""
    async with contextlib.AsyncExitStack() as stack:
        for client in os.environ.get("DESK_CLIENTS", "desk").split(","):
            exchange = exchanges[client] = make_exchange(client)
            stack.push_async_callback(exchange.close)
            await stack.enter_async_context(okx_rfq_plugin.cancel_on_exit(exchange))
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/{client}/rfqs")
async def ask(client: str) -> dict[str, str]:
    """Ask for a price on behalf of the client."""
    legs = [{"instId": "BTC-USDT", "side": "buy", "sz": "25"}]
    made = await exchanges[client].private_post_rfq_create_rfq({"counterparties": ["WAGMI"], "legs": legs})
    return {"rfqId": made["data"][0]["rfqId"]}


@app.post("/{client}/kill-switch")
async def kill_switch(client: str) -> dict[str, Any]:
    """Cancel every RFQ of the client's account: 200 with the receipt, or 503 with what is true now."""
    try:
        return dict(await exchanges[client].cancel_all_rfqs())
    except ccxt.BaseError as error:
        in_doubt = error.cancel_failure.may_be_canceled
        raise HTTPException(503, {"error": str(error), "may_be_canceled": in_doubt}) from error
