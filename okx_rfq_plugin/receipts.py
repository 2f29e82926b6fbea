"""This file holds the records that a cancel hands out: a receipt, the facts of a failure, an exchange for observers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypedDict


class Receipt(TypedDict):
    """What a successful cancel returns, in ccxt's manner.

    `timestamp` is OKX's time of the cancellation in Unix milliseconds and `datetime` the same in ISO 8601; both are
    None where nothing was active. `attempts` counts signed requests, `elapsed` is in seconds, `info` is OKX's last
    reply.
    """

    status: Literal["canceled", "nothing_active"]
    timestamp: int | None
    datetime: str | None
    attempts: int
    elapsed: float
    info: dict[str, Any]


@dataclass(frozen=True)
class CancelFailure:
    """What is known after a cancel has failed; found as `cancel_failure` on the exception.

    `code` is OKX's (None where it gave none), `attempts` counts signed requests, `elapsed` is in seconds.
    `may_be_canceled` is True as soon as one attempt's fate is unknown; where it is False, nothing was canceled.
    """

    code: str | None
    attempts: int
    elapsed: float
    may_be_canceled: bool


@dataclass(frozen=True)
class ExchangeSnapshot:
    """What an observer sees of an exchange: ccxt's id, the world ("demo" or "live"), the end of the API key."""

    id: str
    world: str
    key: str

    @classmethod
    def of(cls, exchange: Any) -> ExchangeSnapshot:
        """Take it; a key of under twelve characters is hidden whole."""
        key = str(getattr(exchange, "apiKey", None) or "")
        world = "demo" if (exchange.headers or {}).get("x-simulated-trading") == "1" else "live"
        return cls(exchange.id, world, "..." + key[-4:] if len(key) >= 12 else "...")
