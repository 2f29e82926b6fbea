"""The kill switch on the classes of okx-exchange: sync, async, WebSocket, and a class per order."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from okx import OkxAsync, OkxSync, OkxWs

import okx_rfq_plugin

for cls in (OkxSync, OkxAsync, OkxWs):
    okx_rfq_plugin.install(cls)


class PerOrder(OkxSync):
    """A class such as some frameworks create for each order."""


def make_exchange(cls: Any) -> Any:
    """Return an object with the key from the environment. Tests set OKX_BASE_URL to a sandbox."""
    keys = {"apiKey": "OKX_API_KEY", "secret": "OKX_API_SECRET", "password": "OKX_PASSPHRASE"}
    exchange = cls({name: os.environ[variable] for name, variable in keys.items()})
    exchange.urls["api"]["rest"] = os.environ.get("OKX_BASE_URL", exchange.urls["api"]["rest"])
    return exchange


def ask() -> None:
    """Ask one counterparty for a price of one BTC-USDT block."""
    legs = [{"instId": "BTC-USDT", "side": "buy", "sz": "25"}]
    make_exchange(OkxSync).private_post_rfq_create_rfq({"counterparties": ["WAGMI"], "legs": legs})


async def cancel(cls: Any) -> str:
    """Cancel with an async object."""
    exchange = make_exchange(cls)
    try:
        return str((await exchange.cancel_all_rfqs())["status"])
    finally:
        await exchange.close()


if __name__ == "__main__":
    for cls in (OkxSync, PerOrder):
        ask()
        print(cls.__name__, make_exchange(cls).cancel_all_rfqs()["status"])
    for cls in (OkxAsync, OkxWs):
        ask()
        print(cls.__name__, asyncio.run(cancel(cls)))
