"""This file says what an answer of OKX's means; its codes are judged here and nowhere else."""

from __future__ import annotations

import re
from enum import Enum
from typing import Any, NamedTuple

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

from okx_rfq_plugin._core.endpoints import Endpoint


class Meaning(Enum):
    """What one attempt came to."""

    DONE = "done"
    NOTHING_ACTIVE = "nothing active"
    RATE_LIMITED = "rate limited"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"
    CLOCK = "clock"
    REJECTED = "rejected"


class Reply(NamedTuple):
    """One HTTP reply: its status, and its decoded body where that was a JSON object or array."""

    status: int
    body: Any = None


class Verdict(NamedTuple):
    """What one attempt means, and what to raise if no further one follows.

    `raises` is the ccxt exception class, `code` OKX's own (None where there was none). `by_name` says that OKX would
    not cancel all of them at once, but may cancel those that are named; `some`, that a row of a batch went well.
    """

    meaning: Meaning
    raises: type[BaseError]
    code: str | None = None
    by_name: bool = False
    some: bool = False


# Every published code that can answer a cancel, and the class that a caller catches in the end; ccxt's own class
# is kept where it is a subclass of that. What stands in no row is unknown.
# Source: okx.com/docs-v5/en/#error-code-rest-api and #error-code-rest-api-block-trading-and-spread-orderbook
_TABLE: tuple[tuple[Meaning, type[BaseError], str], ...] = (
    (Meaning.DONE, BadResponse, "0"),  # conditions: _by_rows()
    (Meaning.NOTHING_ACTIVE, ExchangeError, "70207 70409"),  # of RFQs and of quotes: each endpoint has its own
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
    (Meaning.REJECTED, ExchangeError, "70200 70203"),
)
_MEANING_OF = {code: (meaning, raises) for meaning, raises, codes in _TABLE for code in codes.split()}
_UNKNOWN = (Meaning.UNKNOWN, BadResponse)
_CODE = re.compile(r"[0-9]{1,9}(_[0-9]{1,6})?")
_THROTTLED_STATUSES = (418, 429)

# ccxt raises these before a request leaves the machine.
_NEVER_SENT = (AuthenticationError, ExchangeClosedByUser, InvalidProxySettings, NotSupported)


def classify(endpoint: Endpoint, reply: Reply | None, error: BaseError | None, *, sent: bool = True) -> Verdict:
    """Say what one attempt came to.

    Args:
        endpoint: what was called.
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
        if isinstance(error, _NEVER_SENT) or (not sent and error is not None):
            meaning, raises = Meaning.REJECTED, ExchangeError
            if isinstance(error, OperationFailed):  # no connection: another attempt may have one
                meaning, raises = Meaning.UNAVAILABLE, OperationFailed
    elif code is None:
        if reply.status in _THROTTLED_STATUSES:
            meaning, raises = Meaning.RATE_LIMITED, RateLimitExceeded
    elif code in ("0", "1", "2"):
        meaning, raises = _by_rows(endpoint, code, reply, error)
    else:
        meaning, raises = _meaning_of(endpoint, code)
    kept = OperationFailed if meaning is Meaning.UNKNOWN else raises
    if isinstance(error, kept):
        raises = type(error)
    some = bool(endpoint.gone) and reply is not None and "0" in _said(reply)
    return Verdict(meaning, raises, code, _head(code) in endpoint.by_name, some)


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


def rows_of(reply: Reply) -> list[Any] | None:
    """Return the rows of a reply; None where there is no list of them."""
    data = reply.body.get("data") if isinstance(reply.body, dict) else None
    return data if isinstance(data, list) else None


def _meaning_of(endpoint: Endpoint, code: str) -> tuple[Meaning, type[BaseError]]:
    if _head(code) == endpoint.too_many:
        return Meaning.REJECTED, ExchangeError
    meaning, raises = _MEANING_OF.get(_head(code), _UNKNOWN)
    if meaning is Meaning.NOTHING_ACTIVE and _head(code) != endpoint.nothing_active:
        meaning = Meaning.REJECTED
    return meaning, raises


def _by_rows(endpoint: Endpoint, code: str, reply: Reply, error: BaseError | None) -> tuple[Meaning, type[BaseError]]:
    # 0, and 1 (no row went well) and 2 (some did), which leave the last word to the rows.
    rows = rows_of(reply)
    said = _said(reply)
    if code == "0":
        done = error is None and 200 <= reply.status < 300 and said <= {None, "0"}
        return _MEANING_OF["0"] if done and _is_readable(endpoint, rows) else _UNKNOWN
    if rows and endpoint.gone:
        not_gone = sorted(map(str, said - {"0", *endpoint.gone}))
        return _meaning_of(endpoint, not_gone[0] if not_gone else "0")
    if rows and code == "1" and said == {endpoint.nothing_active} != {None}:
        return _meaning_of(endpoint, str(endpoint.nothing_active))
    return _UNKNOWN


def _is_readable(endpoint: Endpoint, rows: list[Any] | None) -> bool:
    if not endpoint.fields:
        return True
    return rows is not None and all(
        isinstance(row, dict) and all(isinstance(row.get(field), str) for field in endpoint.fields) for row in rows
    )


def _said(reply: Reply) -> set[str | None]:
    return {_code(row, "sCode") for row in _rows(reply)}


def _rows(reply: Reply) -> list[Any]:
    rows = rows_of(reply)
    if rows is None:
        return [reply.body.get("data")] if isinstance(reply.body, dict) else []
    return rows


def _head(code: str | None) -> str:
    # 51008_1000 is a kind of 51008.
    return str(code).partition("_")[0]


def _code(holder: Any, key: str) -> str | None:
    # Digits, as a string with OKX, perhaps with a sub-code; an integer is taken too, as ccxt does. Anything else is no
    # code of OKX's.
    value = holder.get(key) if isinstance(holder, dict) else None
    return str(value) if type(value) in (str, int) and _CODE.fullmatch(str(value)) else None
