"""This file says what an answer to cancel-all-rfqs means; OKX's codes are judged here and nowhere else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ccxt.base.errors import (
    AccountSuspended,
    AuthenticationError,
    BadResponse,
    BaseError,
    ExchangeClosedByUser,
    ExchangeError,
    ExchangeNotAvailable,
    InvalidNonce,
    InvalidProxySettings,
    NotSupported,
    OperationFailed,
    PermissionDenied,
    RateLimitExceeded,
)


class Meaning(Enum):
    """What one attempt came to."""

    CANCELED = "canceled"
    NOTHING_ACTIVE = "nothing active"
    RATE_LIMITED = "rate limited"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"
    CLOCK = "clock"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Reply:
    """One HTTP reply: its status, and its decoded body where that was a JSON object or array."""

    status: int
    body: Any = None


@dataclass(frozen=True)
class Verdict:
    """What one attempt means, and what to raise if no further one follows.

    `raises` is the ccxt exception class, `code` OKX's own (None where there was none).
    """

    meaning: Meaning
    raises: type[BaseError]
    code: str | None = None


# Every published code that can answer this endpoint, and the class that a caller catches in the end; ccxt's own class
# is kept where it is a subclass of that. What stands in no row is unknown.
# Source: okx.com/docs-v5/en/#error-code-rest-api and #error-code-rest-api-block-trading-and-spread-orderbook
_TABLE: tuple[tuple[Meaning, type[BaseError], str], ...] = (
    (Meaning.CANCELED, BadResponse, "0"),  # conditions: _canceled()
    (Meaning.NOTHING_ACTIVE, ExchangeError, "70207"),
    (Meaning.RATE_LIMITED, RateLimitExceeded, "50011 50013 50040 50061"),
    (Meaning.UNAVAILABLE, ExchangeNotAvailable, "50001 50005 50046 50062 70208"),
    (Meaning.UNAVAILABLE, ExchangeNotAvailable, "50017 50018 50019 50020 50021 50022 50023"),  # frozen for the moment
    (Meaning.CLOCK, InvalidNonce, "50102"),
    (Meaning.REJECTED, AuthenticationError, "50100 50101 50103 50104 50105 50106 50107 50111 50112 50113 50114 50119"),
    (Meaning.REJECTED, PermissionDenied, "50027 50030 50035 50041 50110 50118 50120 50121"),
    (Meaning.REJECTED, PermissionDenied, "50038 50051 50052 50059 50060 70015"),  # not offered to this account here
    (Meaning.REJECTED, AccountSuspended, "50007 50009 50012 50029"),
    (Meaning.REJECTED, ExchangeError, "50000 50002 50006 50008 50010 50014 50015 50016 50024 50025"),
    (Meaning.REJECTED, ExchangeError, "50108 50109 50115 51000 70000 70001 70002 70003 70004 70005 70006"),
    (Meaning.REJECTED, ExchangeError, "70200 70203 70409"),
)
_MEANING_OF = {code: (meaning, raises) for meaning, raises, codes in _TABLE for code in codes.split()}
_UNKNOWN = (Meaning.UNKNOWN, BadResponse)
_THROTTLED_STATUSES = (418, 429)

# ccxt raises these before a request leaves the machine.
_NEVER_SENT = (AuthenticationError, ExchangeClosedByUser, InvalidProxySettings, NotSupported)


def classify(reply: Reply | None, error: BaseError | None, *, sent: bool = True) -> Verdict:
    """Say what one attempt to cancel all RFQs came to.

    Args:
        reply: what OKX or a proxy answered; None where no reply arrived.
        error: what ccxt raised; None where it returned.
        sent: False only where it is certain that no request left the machine.

    Returns:
        The verdict: by the code in the reply first, by HTTP status second, by the class of the error last.

    Source: okx.com/docs-v5/en/#block-trading-rest-api-cancel-all-rfqs
    """
    code = None if reply is None else _code(reply.body, "code")
    meaning, raises = _UNKNOWN
    if reply is None:
        if isinstance(error, _NEVER_SENT) or not (sent or error is None or isinstance(error, OperationFailed)):
            meaning, raises = Meaning.REJECTED, ExchangeError
    elif code is None:
        if reply.status in _THROTTLED_STATUSES:
            meaning, raises = Meaning.RATE_LIMITED, RateLimitExceeded
    elif code == "0" and not _canceled(reply, error):
        pass
    elif code == "1" and isinstance(reply.body.get("data"), list) and _row_codes(reply) == {"70207"}:
        meaning, raises = _MEANING_OF["70207"]
    else:
        meaning, raises = _MEANING_OF.get(code, _UNKNOWN)
    kept = OperationFailed if meaning is Meaning.UNKNOWN else raises
    if isinstance(error, kept):
        raises = type(error)
    return Verdict(meaning, raises, code)


def describe(reply: Reply | None, error: BaseError | None) -> str:
    """Put into words what one attempt brought; a text of OKX's is quoted, a page of anybody else's is not."""
    if error is not None and reply is None:
        cause = f" from {type(error.__cause__).__name__}" if error.__cause__ else f": {error}"
        return f"no reply arrived ({type(error).__name__}{cause})"
    if reply is None:
        return "no reply was seen"
    code = _code(reply.body, "code")
    if code is None:
        return f"HTTP {reply.status} arrived without an OKX code"
    sources = [reply.body.get("msg"), *(row.get("sMsg") for row in _rows(reply) if isinstance(row, dict))]
    text = next((" ".join(source.split()) for source in sources if isinstance(source, str) and source.strip()), "")
    return f"OKX answered {code} (HTTP {reply.status})" + (f': "{text[:200].rstrip(".")}"' if text else "")


def _canceled(reply: Reply, error: BaseError | None) -> bool:
    return error is None and 200 <= reply.status < 300 and _row_codes(reply) <= {None, "0"}


def _rows(reply: Reply) -> list[Any]:
    data = reply.body.get("data")
    return data if isinstance(data, list) else [data]


def _row_codes(reply: Reply) -> set[str | None]:
    return {_code(row, "sCode") for row in _rows(reply)}


def _code(holder: Any, key: str) -> str | None:
    # Digits, as a string with OKX; an integer is taken too, as ccxt does. Anything else is no code of OKX's.
    value = holder.get(key) if isinstance(holder, dict) else None
    return str(value) if type(value) in (str, int) and re.fullmatch(r"[0-9]{1,9}", str(value)) else None
