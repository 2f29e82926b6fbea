"""A block trader on plain asyncio that leaves no RFQ of its account active, however it ends."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import ccxt.async_support as ccxt

import okx_rfq_plugin


def make_exchange() -> Any:
    """Return an okx object with the key from the environment. Tests set OKX_BASE_URL to a sandbox."""
    keys = {"apiKey": "OKX_API_KEY", "secret": "OKX_API_SECRET", "password": "OKX_PASSPHRASE"}
    exchange = ccxt.okx({name: os.environ[variable] for name, variable in keys.items()})
    exchange.urls["api"]["rest"] = os.environ.get("OKX_BASE_URL", exchange.urls["api"]["rest"])
    return exchange


async def ask(exchange: Any) -> None:
    """Ask one counterparty for a price of one BTC-USDT block."""
    legs = [{"instId": "BTC-USDT", "side": "buy", "sz": "25"}]
    made = await exchange.private_post_rfq_create_rfq({"counterparties": ["WAGMI"], "legs": legs})
    print("asked", made["data"][0]["rfqId"], flush=True)


async def main() -> None:
    """Trade until a signal, an error or the end of the strategy."""
    exchange = make_exchange()
    try:
        async with okx_rfq_plugin.cancel_on_exit(exchange):  # also installs cancel_all_rfqs() on it
            await ask(exchange)
            if "BOT_FAILS" in os.environ:
                raise ValueError("a mistake in the strategy")
            await asyncio.Event().wait()  # the strategy's own work
    finally:
        await exchange.close()


if __name__ == "__main__":
    asyncio.run(main())
