"""What OKX's answers mean. Its codes are judged here and nowhere else."""

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


# The sCodes in the rows of a reply: None for a row without one, "?" for a value that is no code.
_Said = frozenset["str | None"]


class Reply(NamedTuple):
    """One HTTP reply: its status, and its decoded body if that was a JSON object or array."""

    status: int
    body: Any = None


class Verdict(NamedTuple):
    """What one attempt means, and what to raise if no further one follows."""

    meaning: Meaning
    raises: type[BaseError]  # ccxt's exception class
    code: str | None = None  # OKX's own; None where it gave none
    by_name: bool = False  # OKX would not cancel all at once, but may cancel by name
    some: bool = False  # a row of a batch succeeded


# Every published code that can answer a cancel, and the class that the caller finally catches; ccxt's own class is kept
# if it is a subclass of that. A code that is not listed is unknown. So are 50001 and 50013: OKX does not say that
# nothing was executed.
# Source: okx.com/docs-v5/en/#error-code-rest-api and #error-code-rest-api-block-trading-and-spread-orderbook
_TABLE: tuple[tuple[Meaning, type[BaseError], str], ...] = (
    (Meaning.NOTHING_ACTIVE, ExchangeError, "70207 70409"),  # for RFQs and for quotes
    (Meaning.RATE_LIMITED, RateLimitExceeded, "50011 50040 50061"),
    (Meaning.UNKNOWN, ExchangeNotAvailable, "50001 50013"),
    (Meaning.UNAVAILABLE, ExchangeNotAvailable, "50005 50046 50062 70208"),
    (Meaning.UNAVAILABLE, ExchangeNotAvailable, "50017 50018 50019 50020 50021 50022 50023"),  # frozen temporarily
    (Meaning.CLOCK, InvalidNonce, "50102"),
    (Meaning.REJECTED, AuthenticationError, "50100 50101 50103 50104 50105 50106 50107 50111 50112 50113 50114 50119"),
    (Meaning.REJECTED, AuthenticationError, "59506"),
    (Meaning.REJECTED, PermissionDenied, "50027 50030 50035 50041 50110 50118 50120 50121"),
    (Meaning.REJECTED, PermissionDenied, "50038 50051 50052 50053 50059 50060 50067 70015"),  # not offered here
    (Meaning.REJECTED, PermissionDenied, "50032 50033 50075"),  # not with this currency or instrument
    (Meaning.REJECTED, PermissionDenied, "59500 59515 59516 59517 59550 59604 59608 59611 59613 59614 59619"),
    (Meaning.REJECTED, AccountSuspended, "50007 50009 50012 50029 59508 59519"),
    (Meaning.REJECTED, ExchangeError, "50000 50002 50006 50008 50010 50014 50015 50016 50024 50025 50028 50044"),
    (
        Meaning.REJECTED,
        ExchangeError,
        "50108 50109 50115 51000 70000 70001 70002 70003 70004 70005 70006 70008",
    ),
    (Meaning.REJECTED, ExchangeError, "59510 59610 70200 70203 70511"),
)
_MEANING_OF = {code: (meaning, raises) for meaning, raises, codes in _TABLE for code in codes.split()}
_DONE = (Meaning.DONE, BadResponse)
_UNKNOWN = (Meaning.UNKNOWN, BadResponse)

# If the rows of a batch disagree, the batch means the first of these that one row means: a doubt is never lost, and a
# temporary failure is retried.
_GRAVEST = (
    Meaning.UNKNOWN,
    Meaning.RATE_LIMITED,
    Meaning.UNAVAILABLE,
    Meaning.CLOCK,
    Meaning.REJECTED,
)

_CODE = re.compile(r"[0-9]|[0-9]{2,9}(_[0-9]{1,6})?")  # 51008_1000 is a kind of 51008
_NUMBER = re.compile(r"[0-9]+")
_THROTTLED_STATUSES = (418, 429)

# ccxt raises these before a request leaves the machine.
_NEVER_SENT = (AuthenticationError, ExchangeClosedByUser, InvalidProxySettings, NotSupported)


def classify(endpoint: Endpoint, reply: Reply | None, error: BaseError | None, *, sent: bool = True) -> Verdict:
    """Return what one attempt came to.

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
    said = frozenset() if reply is None else _said(reply)
    decisive = _decisive(endpoint, code, reply, said)
    meaning, raises = _UNKNOWN
    if reply is None:
        if isinstance(error, _NEVER_SENT) or (not sent and error is not None):
            meaning, raises = Meaning.REJECTED, ExchangeError
            if isinstance(error, OperationFailed):  # no connection: another attempt may get one
                meaning, raises = Meaning.UNAVAILABLE, OperationFailed
    elif code is None:
        if reply.status in _THROTTLED_STATUSES:
            meaning, raises = Meaning.RATE_LIMITED, RateLimitExceeded
    elif decisive in ("0", "1", "2"):
        meaning, raises = _by_rows(endpoint, code, reply, said, error)
    else:
        meaning, raises = _meaning_of(endpoint, str(decisive))
    kept = OperationFailed if meaning is Meaning.UNKNOWN else raises
    if isinstance(error, kept):
        raises = type(error)
    some = bool(endpoint.gone) and "0" in said
    return Verdict(meaning, raises, code, _head(decisive) in endpoint.by_name, some)


def describe(reply: Reply | None, error: BaseError | None) -> str:
    """Return the result of one attempt in words; OKX's text is quoted, a page from elsewhere is not."""
    if error is not None and reply is None:
        cause = f" from {type(error.__cause__).__name__}" if error.__cause__ else f": {error}"
        return f"no reply arrived ({type(error).__name__}{cause})"
    if reply is None:
        return "no reply was seen; a fetch() of your own has to pass it to handle_errors(), as ccxt's does"
    code = _code(reply.body, "code")
    if code is None:
        return f"HTTP {reply.status} arrived without an OKX code"
    sources = [reply.body.get("msg"), *(row.get("sMsg") for row in _rows(reply) if isinstance(row, dict))]
    text = next((" ".join(source.split()) for source in sources if isinstance(source, str) and source.strip()), "")
    return f"OKX answered {code} (HTTP {reply.status})" + (f': "{text[:200].rstrip(".")}"' if text else "")


def rows_of(reply: Reply) -> list[Any] | None:
    """Return the rows of a reply; None if it has no list of them."""
    data = reply.body.get("data") if isinstance(reply.body, dict) else None
    return data if isinstance(data, list) else None


def _decisive(endpoint: Endpoint, code: str | None, reply: Reply | None, said: _Said) -> str | None:
    """Return the code that decides: the reply's own, or a refusal of the whole request that every row repeats."""
    if code == "1" and reply is not None and rows_of(reply) and len(said) == 1 and said <= endpoint.refusals:
        return next(iter(said))
    return code


def _meaning_of(endpoint: Endpoint, code: str) -> tuple[Meaning, type[BaseError]]:
    head = _head(code)
    if head == endpoint.too_many:
        return Meaning.REJECTED, ExchangeError
    meaning, raises = _MEANING_OF.get(head, _UNKNOWN)
    if meaning is Meaning.NOTHING_ACTIVE and head != endpoint.nothing_active:
        meaning = Meaning.REJECTED
    return meaning, raises


def _by_rows(
    endpoint: Endpoint, code: str, reply: Reply, said: _Said, error: BaseError | None
) -> tuple[Meaning, type[BaseError]]:
    # Code 0; or 1 (no row succeeded) or 2 (some did), where the rows decide.
    rows = rows_of(reply)
    if code == "0":
        # The string "0" exactly: OKX writes success in no other way.
        done = error is None and 200 <= reply.status < 300 and reply.body["code"] == "0" and said <= {None, "0"}
        return _DONE if done and _is_documented(endpoint, rows) else _UNKNOWN
    if rows and endpoint.gone:
        return _gravest(endpoint, said - {"0", *endpoint.gone})
    return _UNKNOWN


def _gravest(endpoint: Endpoint, said: _Said) -> tuple[Meaning, type[BaseError]]:
    meanings = dict(_meaning_of(endpoint, str(code)) for code in sorted(said, key=str, reverse=True))
    return next(((meaning, meanings[meaning]) for meaning in _GRAVEST if meaning in meanings), _DONE)


def _is_documented(endpoint: Endpoint, rows: list[Any] | None) -> bool:
    """Whether a success holds what OKX documents for it."""
    if rows is None or not all(isinstance(row, dict) for row in rows):
        return False
    if not all(isinstance(row.get(field), str) for row in rows for field in endpoint.fields):
        return False
    return not endpoint.proof or any(all(_is_said(row, field) for field in endpoint.proof) for row in rows)


def _is_said(row: dict[str, Any], field: str) -> bool:
    value = row.get(field)
    return type(value) in (str, int) and bool(_NUMBER.fullmatch(str(value)))


def _said(reply: Reply) -> _Said:
    return frozenset(map(_said_by, _rows(reply)))


def _said_by(row: Any) -> str | None:
    if not isinstance(row, dict) or "sCode" not in row:
        return None
    code = _code(row, "sCode")
    return "?" if code is None or (code == "0" and row["sCode"] != "0") else code


def _rows(reply: Reply) -> list[Any]:
    rows = rows_of(reply)
    if rows is None:
        return [reply.body.get("data")] if isinstance(reply.body, dict) else []
    return rows


def _head(code: str | None) -> str:
    return str(code).partition("_")[0]


def _code(holder: Any, key: str) -> str | None:
    # OKX writes digits as a string, sometimes with a sub-code. An integer is accepted, too, as by ccxt: OKX was seen to
    # send one in 2021. Anything else is no code of OKX's.
    value = holder.get(key) if isinstance(holder, dict) else None
    return str(value) if type(value) in (str, int) and _CODE.fullmatch(str(value)) else None
