"""The clients that are compared, all with one face."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ccxt
import ccxt.async_support
from okx.BlockTrading import BlockTradingAPI

from tools.shared.exchanges import make_exchange

from .records import CCXT, CCXT_OFF, OURS, PYTHON_OKX

Credentials = dict[str, str]


class Ccxt:
    """An okx object of ccxt's; on ccxt.async_support `cancel` and `ask_time` return what is to be awaited."""

    def __init__(self, module: Any, url: str, *, installed: bool, limiter: bool = True, **policy: float) -> None:
        self.exchange = make_exchange(module, url, installed=installed, limiter=limiter, **policy)
        self._installed = installed

    def become(self, user: Credentials) -> None:
        """Go on with another key, over the connections that are open."""
        for name, value in user.items():
            setattr(self.exchange, name, value)

    def ask_time(self) -> Any:
        """Send another request, as a busy strategy does."""
        return self.exchange.public_get_public_time()

    def look(self) -> Any:
        """Send what usually comes before a cancel: a look at the RFQs."""
        return self.exchange.private_get_rfq_rfqs()

    def cancel(self) -> Any:
        """Cancel every RFQ."""
        if self._installed:
            return self.exchange.cancel_all_rfqs()
        return self.exchange.private_post_rfq_cancel_all_rfqs()

    def close(self) -> Any:
        """Let go of the connections."""
        return self.exchange.close()


class PythonOkx:
    """OKX's own client; it is sync only."""

    def __init__(self, url: str) -> None:
        self._api = BlockTradingAPI(flag="1", domain=url)

    def become(self, user: Credentials) -> None:
        """Go on with another key, over the connections that are open."""
        self._api.API_KEY, self._api.API_SECRET_KEY, self._api.PASSPHRASE = user.values()

    def look(self) -> Any:
        """Send what usually comes before a cancel: a look at the RFQs."""
        return self._api.get_rfqs()

    def cancel(self) -> Any:
        """Cancel every RFQ."""
        return self._api.cancel_all_rfqs()

    def close(self) -> None:
        """Let go of the connections."""
        self._api.close()


def sync_contenders(url: str, **policy: float) -> dict[str, Any]:
    """Make all of them, sync."""
    return {**_ccxts(ccxt, url, policy), PYTHON_OKX: PythonOkx(url)}


def async_contenders(url: str, **policy: float) -> dict[str, Any]:
    """Make those that have an async side."""
    return _ccxts(ccxt.async_support, url, policy)


def served(outcome: Any) -> bool:
    """Return whether a caller now knows that no RFQ is active; raw clients call "none active" an error."""
    if isinstance(outcome, dict):
        return outcome.get("code", "0") in ("0", "70207")
    return isinstance(outcome, ccxt.ExchangeError) and "70207" in str(outcome)


def outcome_of(call: Callable[[], Any]) -> Any:
    """Return what a call returns or raises."""
    try:
        return call()
    except Exception as error:
        return error


async def outcome_of_async(awaitable: Any) -> Any:
    """Same as outcome_of, for what is to be awaited."""
    try:
        return await awaitable
    except Exception as error:
        return error


def rotated(names: list[str], turn: int) -> list[str]:
    """Return the names in an order that turns, so that nobody is always the first or the last."""
    step = turn % len(names)
    return names[step:] + names[:step]


def _ccxts(module: Any, url: str, policy: dict[str, Any]) -> dict[str, Ccxt]:
    return {
        CCXT: Ccxt(module, url, installed=False),
        CCXT_OFF: Ccxt(module, url, installed=False, limiter=False),
        OURS: Ccxt(module, url, installed=True, **policy),
    }
