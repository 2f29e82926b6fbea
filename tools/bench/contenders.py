"""The clients being compared, behind a common interface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ccxt
import ccxt.async_support
import httpx
from okx.BlockTrading import BlockTradingAPI

from tools.shared.exchanges import make_exchange

from .records import CCXT, CCXT_TUNED, OURS, PYTHON_OKX

Credentials = dict[str, str]

# Each peer with the settings that suit it best: no queue if it has one, a timeout as short as this package's, and, if
# it retries, as many retries as fit into half a minute at OKX's window. python-okx does not retry.
TIMEOUT = 3.0  # seconds
REPETITIONS = {"maxRetriesOnFailure": 5, "maxRetriesOnFailureDelay": 2000}


class Ccxt:
    """One of ccxt's okx objects. On ccxt.async_support, `cancel` and `ask_time` return awaitables."""

    def __init__(
        self, module: Any, url: str, *, installed: bool, limiter: bool = True, tuned: bool = False, **policy: float
    ) -> None:
        self.exchange = make_exchange(module, url, installed=installed, limiter=limiter and not tuned, **policy)
        if tuned:
            self.exchange.timeout = int(TIMEOUT * 1000)
            self.exchange.options.update(REPETITIONS)
        self._installed = installed

    def become(self, user: Credentials) -> None:
        """Switch to another key, over the open connections."""
        for name, value in user.items():
            setattr(self.exchange, name, value)

    def ask_time(self) -> Any:
        """Send another request, as a busy strategy does."""
        return self.exchange.public_get_public_time()

    def look(self) -> Any:
        """Send what usually precedes a cancel: a read of the RFQs."""
        return self.exchange.private_get_rfq_rfqs()

    def cancel(self) -> Any:
        """Cancel every RFQ."""
        if self._installed:
            return self.exchange.cancel_all_rfqs()
        return self.exchange.private_post_rfq_cancel_all_rfqs()

    def close(self) -> Any:
        """Close the connections."""
        return self.exchange.close()


class PythonOkx:
    """OKX's own client. It is sync only."""

    def __init__(self, url: str) -> None:
        self._api = BlockTradingAPI(flag="1", domain=url)
        self._api.timeout = httpx.Timeout(TIMEOUT)

    def become(self, user: Credentials) -> None:
        """Switch to another key, over the open connections."""
        self._api.API_KEY, self._api.API_SECRET_KEY, self._api.PASSPHRASE = user.values()

    def look(self) -> Any:
        """Send what usually precedes a cancel: a read of the RFQs."""
        return self._api.get_rfqs()

    def cancel(self) -> Any:
        """Cancel every RFQ."""
        return self._api.cancel_all_rfqs()

    def close(self) -> None:
        """Close the connections."""
        self._api.close()


def sync_contender(name: str, url: str, **policy: float) -> Any:
    """Create one contender, sync."""
    return PythonOkx(url) if name == PYTHON_OKX else _ccxt(ccxt, name, url, policy)


def async_contender(name: str, url: str, **policy: float) -> Ccxt:
    """Create one of the contenders that have an async variant."""
    return _ccxt(ccxt.async_support, name, url, policy)


def sync_contenders(url: str, **policy: float) -> dict[str, Any]:
    """Create all contenders, sync."""
    return {name: sync_contender(name, url, **policy) for name in (CCXT, CCXT_TUNED, OURS, PYTHON_OKX)}


def async_contenders(url: str, **policy: float) -> dict[str, Any]:
    """Create the contenders that have an async variant."""
    return {name: async_contender(name, url, **policy) for name in (CCXT, CCXT_TUNED, OURS)}


def served(outcome: Any) -> bool:
    """Return whether the caller now knows that no RFQ is active. Raw clients call "none active" an error."""
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
    """Async version of `outcome_of`, for an awaitable."""
    try:
        return await awaitable
    except Exception as error:
        return error


def rotated(names: list[str], turn: int) -> list[str]:
    """Return the names rotated by the turn, so that none is always first or last."""
    step = turn % len(names)
    return names[step:] + names[:step]


def _ccxt(module: Any, name: str, url: str, policy: dict[str, Any]) -> Ccxt:
    if name == OURS:
        return Ccxt(module, url, installed=True, **policy)
    return Ccxt(module, url, installed=False, tuned=name == CCXT_TUNED)
