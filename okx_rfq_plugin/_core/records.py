"""The public records of a cancel: receipt, failure, and the snapshot of an exchange for observers."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, Literal, TypedDict


class _Receipt(TypedDict):
    status: Literal["canceled", "nothing_active"]
    timestamp: int | None
    datetime: str | None
    attempts: int
    elapsed: float
    info: dict[str, Any]


class Receipt(_Receipt, total=False):
    """What a successful cancel returns, in ccxt's manner.

    `timestamp` is OKX's time of the cancellation in Unix milliseconds and `datetime` the same in ISO 8601; both are
    None where nothing was active, or where OKX gave none. `attempts` counts signed requests to cancel, `elapsed` is in
    seconds, `info` is OKX's last reply.

    With `confirm=True` only: `confirmed` is True, `remaining` has no ids, and `filling` has the ids of RFQs that were
    being executed and cannot be canceled (None where OKX would not list them).
    """

    confirmed: bool
    remaining: list[str]
    filling: list[str] | None


@dataclass(frozen=True)
class CancelFailure:
    """What is known after a cancel has failed; found as `cancel_failure` on the exception.

    `code` is OKX's (None where it gave none), `attempts` counts signed requests, `elapsed` is in seconds.
    `may_be_canceled` is True as soon as one attempt's fate is unknown; where it is False, nothing was canceled.

    `remaining` has the ids of RFQs that OKX still lists as active, `filling` those that are being executed; both are
    None where the list was not requested, or OKX would not give it.
    """

    code: str | None
    attempts: int
    elapsed: float
    may_be_canceled: bool
    remaining: tuple[str, ...] | None = None
    filling: tuple[str, ...] | None = None


@dataclass(frozen=True)
class ExchangeSnapshot:
    """What an observer sees of an exchange: ccxt's id, the environment ("demo" or "live"), the end of the API key."""

    id: str
    environment: str
    key: str

    @classmethod
    def of(cls, exchange: Any) -> ExchangeSnapshot:
        """Take it; a key of under twelve characters is hidden whole."""
        key = str(getattr(exchange, "apiKey", None) or "")
        environment = "demo" if (exchange.headers or {}).get("x-simulated-trading") == "1" else "live"
        return cls(exchange.id, environment, "..." + key[-4:] if len(key) >= 12 else "...")


def refusal(kind: Any, exchange: Any, method: str, reason: str) -> Any:
    """Make the exception of a ccxt class that says why nothing was sent at all."""
    error = kind(f"{exchange.id} {method}(): NOTHING WAS SENT: {reason}.")
    error.cancel_failure = CancelFailure(code=None, attempts=0, elapsed=0.0, may_be_canceled=False)
    return error


def add_note(error: BaseException, note: str) -> None:
    """Add a note to an exception; its own `add_note` came with Python 3.11, and does this."""
    error.__notes__ = [*getattr(error, "__notes__", ()), note]


def add_facts(error: BaseException, facts: CancelFailure, note: str) -> None:
    """Attach the facts, and a note that words them, to an exception from elsewhere."""
    with contextlib.suppress(Exception):  # some classes allow no attributes
        error.cancel_failure = facts  # type: ignore[attr-defined]  # most allow any
        add_note(error, note)
