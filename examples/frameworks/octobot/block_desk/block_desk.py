"""A trading mode that requests block quotes. OKX_RFQ_AUTOINSTALL=1 installs the methods, and the guard cancels."""

from __future__ import annotations

import os
from typing import Any

from octobot_trading.exchanges.connectors.ccxt import ccxt_client_util
from octobot_trading.modes import AbstractTradingMode

if url := os.environ.get("OKX_BASE_URL"):  # set by tests to a sandbox; OctoBot has no setting for an address
    addresses = {"api": {"rest": url}, "test": {"rest": url}}
    ccxt_client_util.get_custom_domain_config = lambda exchange_class: {"urls": addresses}


class BlockDesk(AbstractTradingMode):
    """Requests one block quote, and does not trade on the order book."""

    async def initialize(self, trading_config: Any = None, auto_start: bool = True) -> None:
        """Request a quote when the bot has started."""
        await super().initialize(trading_config, auto_start)
        client = self.exchange_manager.exchange.connector.client  # ccxt's own object
        legs = [{"instId": "BTC-USDT", "side": "buy", "sz": "25"}]
        made = await client.private_post_rfq_create_rfq({"counterparties": ["WAGMI"], "legs": legs})
        print("asked", made["data"][0]["rfqId"], "with", client.has["cancelAllRfqs"], flush=True)
