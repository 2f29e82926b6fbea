"""OctoBot's own exchange for OKX, created as OctoBot does. OKX_RFQ_AUTOINSTALL=1 installs the methods."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import octobot_trading.api as trading_api
from octobot_commons import configuration
from octobot_trading.exchanges.connectors.ccxt import ccxt_client_util

if url := os.environ.get("OKX_BASE_URL"):  # set by tests to a sandbox; OctoBot has no setting for an address
    ccxt_client_util.get_custom_domain_config = lambda exchange_class: {"urls": {"api": {"rest": url}}}


def encrypted(variable: str) -> str:
    """Return a key in the form of OctoBot's config.json."""
    return str(configuration.encrypt(os.environ[variable]).decode())


KEYS = {"api-key": "OKX_API_KEY", "api-secret": "OKX_API_SECRET", "api-password": "OKX_PASSPHRASE"}
CONFIG: dict[str, Any] = {
    "crypto-currencies": {"BTC": {"pairs": ["BTC/USDT"], "enabled": True}},
    "exchanges": {"okx": {"enabled": True, **{name: encrypted(variable) for name, variable in KEYS.items()}}},
    "trader": {"enabled": True},
    "trader-simulator": {"enabled": False},
    "trading": {"risk": 1, "reference-market": "USDT"},
    "time_frame": [],
}


async def main() -> None:
    """Request a quote, and use the kill switch."""
    manager = (
        await trading_api.create_exchange_builder(CONFIG, "okx").disable_trading_mode().is_rest_only().is_real().build()
    )
    client = manager.exchange.connector.client  # ccxt's own object
    try:
        legs = [{"instId": "BTC-USDT", "side": "buy", "sz": "25"}]
        made = await client.private_post_rfq_create_rfq({"counterparties": ["WAGMI"], "legs": legs})
        print("asked", made["data"][0]["rfqId"], flush=True)
        print((await client.cancel_all_rfqs())["status"], flush=True)
    finally:
        await manager.stop()  # OctoBot's own tasks run until then


if __name__ == "__main__":
    asyncio.run(main())
