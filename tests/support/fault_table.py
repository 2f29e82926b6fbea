"""The meaning of each reply and each network fault, derived from OKX's docs and not from the code.

Sources: okx.com/docs-v5/en/#error-code-rest-api (general class, API class, as published on 2026-07-13),
#error-code-rest-api-block-trading-and-spread-orderbook, #block-trading-rest-api-cancel-all-rfqs, #overview-rate-limits.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import ccxt

from support.ccxts import TELLS_NUMBERS
from support.standin import Step, cut, cut_by_reset, cut_chunk, hang, raw, redirect, reply, reset, reset_unread, silence

CANCEL_ALL = "/api/v5/rfq/cancel-all-rfqs"
PUBLIC_TIME = "/api/v5/public/time"
TS = "1697026383085"

DONE = "done"  # OKX acknowledged the cancel; the call ends
EMPTY = "empty"  # OKX says that nothing is active; the call ends
BUSY = "busy"  # not executed, because others use the window; retry
AWAY = "away"  # not executed, not available now; retry
DOUBT = "doubt"  # executed or not; retry, and the doubt stays
CLOCK = "clock"  # not executed, because the timestamp was wrong; read OKX's clock, twice at most, and retry
NO = "no"  # not executed, and a retry would not help; the call ends

CCXT_S_OWN = None  # the class that ccxt itself derives from the reply
LOST = (ccxt.OperationFailed, ccxt.BadResponse)  # ccxt's class for a failed operation if it had one, else this


@dataclass(frozen=True)
class Row:
    """What happens to one request, its meaning, and what is raised if it was the last."""

    name: str
    step: Step
    means: str
    raises: type | tuple[type, ...] | None
    words: str = ""
    slow: bool = False  # the client must run into its timeout
    detour: bool = False  # the client connects again, for something other than a cancel

    def __repr__(self) -> str:
        return self.name

    @property
    def ends(self) -> bool:
        """Whether no further request may follow."""
        return self.means in (DONE, EMPTY, NO)


@dataclass(frozen=True)
class Unreached(Step):
    """A request that reaches no server: `by` says whether the name or the port does not exist."""

    by: str = ""


@dataclass(frozen=True)
class Ending:
    """The result of a call: a receipt's status or what is raised, after how many attempts, and with what doubt."""

    status: str | None
    raises: Row | None
    attempts: int | None  # None: as many as the deadline allows
    doubt: bool


def predict(rows: Iterable[Row], repeats_last: bool = True) -> Ending:
    """Return the expected result of a sequence.

    Go through the rows in order. The first success ends the call, and so do the first rejection and the third complaint
    about the clock, since the clock is corrected at most twice. Anything else is retried until the deadline, and the
    last row, which repeats forever, determines what is raised. A doubt left by any row is never lost.
    """
    doubt, clocks, row = False, 0, None
    for attempt, row in enumerate(rows, 1):
        doubt |= row.means == DOUBT
        clocks += row.means == CLOCK
        if row.means in (DONE, EMPTY):
            return Ending("canceled" if row.means == DONE else "nothing_active", None, attempt, doubt)
        if row.means == NO or clocks == 3:
            return Ending(None, row, attempt, doubt)
    if row is not None and row.means == CLOCK and repeats_last:
        return Ending(None, row, attempt + 3 - clocks, doubt)
    return Ending(None, row, None, doubt)


def said(code: Any, data: Any = (), words: str = "") -> dict[str, Any]:
    """Return the body of a reply in OKX's form."""
    return {"code": code, "msg": words, "data": list(data)}


def rows_of(*codes: str) -> list[dict[str, str]]:
    return [{"sCode": code, "sMsg": "x"} for code in codes]


SUCCESS = said("0", [{"ts": TS}])
HTML = "<!DOCTYPE html><html><body><h1>Service</h1></body></html>"

# Code, HTTP status and a short form of OKX's text, as published; meaning; class.
PUBLISHED: tuple[tuple[str, int, str, str, Any], ...] = (
    ("50011", 200, "Rate limit reached; throttle", BUSY, ccxt.RateLimitExceeded),
    ("50011", 429, "Too Many Requests", BUSY, ccxt.RateLimitExceeded),
    ("50013", 429, "Systems are busy, try again later", DOUBT, LOST),
    ("50040", 200, "Too frequent operations, try again later", BUSY, ccxt.RateLimitExceeded),
    ("50061", 200, "maximum order rate limit for this account reached", BUSY, ccxt.RateLimitExceeded),
    ("50001", 503, "Service temporarily unavailable, try again later", DOUBT, LOST),
    ("50005", 410, "endpoint inactive or unavailable", AWAY, ccxt.ExchangeNotAvailable),
    ("50017", 200, "position frozen by ADL, try again later", AWAY, ccxt.ExchangeNotAvailable),
    ("50018", 200, "currency frozen by ADL", AWAY, ccxt.ExchangeNotAvailable),
    ("50019", 200, "account frozen by ADL, try again later", AWAY, ccxt.ExchangeNotAvailable),
    ("50020", 200, "position frozen by liquidation, try again later", AWAY, ccxt.ExchangeNotAvailable),
    ("50021", 200, "currency frozen by liquidation", AWAY, ccxt.ExchangeNotAvailable),
    ("50022", 200, "account frozen by liquidation, try again later", AWAY, ccxt.ExchangeNotAvailable),
    ("50023", 200, "funding fees frozen, try again later", AWAY, ccxt.ExchangeNotAvailable),
    ("50046", 200, "temporarily unavailable, being improved", AWAY, ccxt.ExchangeNotAvailable),
    ("50062", 200, "currently unavailable", AWAY, ccxt.ExchangeNotAvailable),
    ("70208", 200, "Cancellation failed: service unavailable now, try again later", AWAY, ccxt.ExchangeNotAvailable),
    ("50004", 400, "timeout; does not mean that the request was successful or failed", DOUBT, LOST),
    ("50026", 500, "System error, try again later", DOUBT, LOST),
    ("1", 200, "Operation failed", DOUBT, LOST),
    ("2", 200, "Bulk operation partially succeeded", DOUBT, LOST),
    ("50102", 401, "Timestamp request expired", CLOCK, ccxt.InvalidNonce),
    ("50100", 400, "API frozen", NO, ccxt.AuthenticationError),
    ("50101", 401, "APIKey does not match current environment", NO, ccxt.AuthenticationError),
    ("50103", 401, "OK-ACCESS-KEY cannot be empty", NO, ccxt.AuthenticationError),
    ("50104", 401, "OK-ACCESS-PASSPHRASE cannot be empty", NO, ccxt.AuthenticationError),
    ("50105", 401, "OK-ACCESS-PASSPHRASE incorrect", NO, ccxt.AuthenticationError),
    ("50106", 401, "OK-ACCESS-SIGN cannot be empty", NO, ccxt.AuthenticationError),
    ("50107", 401, "OK-ACCESS-TIMESTAMP cannot be empty", NO, ccxt.AuthenticationError),
    ("50111", 401, "Invalid OK-ACCESS-KEY", NO, ccxt.AuthenticationError),
    ("50112", 401, "Invalid OK-ACCESS-TIMESTAMP", NO, ccxt.AuthenticationError),
    ("50113", 401, "Invalid signature", NO, ccxt.AuthenticationError),
    ("50114", 401, "Invalid authorization", NO, ccxt.AuthenticationError),
    ("50119", 200, "API key doesn't exist", NO, ccxt.AuthenticationError),
    ("50030", 200, "no permission to use this endpoint", NO, ccxt.PermissionDenied),
    ("50035", 403, "APIKey must be bound to IP", NO, ccxt.PermissionDenied),
    ("50041", 200, "user ID not allowlisted", NO, ccxt.PermissionDenied),
    ("50110", 401, "IP not in the key's whitelist", NO, ccxt.PermissionDenied),
    ("50118", 200, "broker's IP to be whitelisted", NO, ccxt.PermissionDenied),
    ("50120", 200, "key without permission for this function", NO, ccxt.PermissionDenied),
    ("50121", 200, "no access through this IP", NO, ccxt.PermissionDenied),
    ("50027", 200, "account restricted from trading", NO, ccxt.PermissionDenied),
    ("50038", 200, "unavailable in demo trading", NO, ccxt.PermissionDenied),
    ("50051", 200, "compliance restrictions in your country", NO, ccxt.PermissionDenied),
    ("50052", 200, "local laws: cannot trade your chosen crypto", NO, ccxt.PermissionDenied),
    ("50059", 200, "additional steps required by local regulators", NO, ccxt.PermissionDenied),
    ("50060", 200, "identity verification required", NO, ccxt.PermissionDenied),
    ("70015", 200, "advanced verification required", NO, ccxt.PermissionDenied),
    ("50007", 200, "User blocked", NO, ccxt.AccountSuspended),
    ("50009", 200, "Account frozen by stop-out", NO, ccxt.AccountSuspended),
    ("50012", 200, "Account status invalid", NO, ccxt.AccountSuspended),
    ("50029", 200, "risk control: restricted from transactions", NO, ccxt.AccountSuspended),
    ("50032", 200, "currency not supported for this account", NO, ccxt.PermissionDenied),
    ("50033", 200, "instrument blocked", NO, ccxt.PermissionDenied),
    ("50053", 200, "feature only for certain regions", NO, ccxt.PermissionDenied),
    ("50067", 200, "not supported in your region", NO, ccxt.PermissionDenied),
    ("50075", 200, "trading of this is restricted", NO, ccxt.PermissionDenied),
    ("50000", 400, "Body cannot be empty", NO, CCXT_S_OWN),
    ("50002", 400, "JSON syntax error", NO, CCXT_S_OWN),
    ("50006", 400, "Invalid Content-Type", NO, CCXT_S_OWN),
    ("50008", 200, "User doesn't exist", NO, CCXT_S_OWN),
    ("50010", 200, "User ID cannot be empty", NO, CCXT_S_OWN),
    ("50014", 400, "parameter cannot be empty", NO, CCXT_S_OWN),
    ("50015", 400, "either parameter is required", NO, CCXT_S_OWN),
    ("50016", 400, "parameters do not match", NO, CCXT_S_OWN),
    ("50024", 200, "parameters cannot exist together", NO, CCXT_S_OWN),
    ("50025", 200, "parameter count exceeds the limit", NO, CCXT_S_OWN),
    ("50028", 200, "unable to take the order", NO, CCXT_S_OWN),
    ("50044", 200, "must select one broker type", NO, CCXT_S_OWN),
    ("50108", 401, "Exchange ID does not exist", NO, CCXT_S_OWN),
    ("50109", 401, "Exchange domain does not exist", NO, CCXT_S_OWN),
    ("50115", 405, "Invalid request method", NO, CCXT_S_OWN),
    ("51000", 400, "parameter error", NO, CCXT_S_OWN),
    ("70000", 200, "RFQ does not exist", NO, CCXT_S_OWN),
    ("70001", 200, "Quote does not exist", NO, CCXT_S_OWN),
    ("70002", 200, "Block trade does not exist", NO, CCXT_S_OWN),
    ("70003", 200, "Public block trade does not exist", NO, CCXT_S_OWN),
    ("70004", 200, "Invalid instrument", NO, CCXT_S_OWN),
    ("70005", 200, "too many legs in RFQ", NO, CCXT_S_OWN),
    ("70006", 200, "minimum asset requirement not met", NO, CCXT_S_OWN),
    ("70008", 200, "not valid for this account", NO, CCXT_S_OWN),
    ("70511", 200, "not available to this account", NO, CCXT_S_OWN),
    ("70200", 200, "RFQ with this status cannot be canceled", NO, CCXT_S_OWN),
    ("70203", 200, "Cancellation failed: rfq count exceeds the limit", NO, CCXT_S_OWN),
    ("70409", 200, "Cancellation failed: no active Quotes", NO, CCXT_S_OWN),
    ("70207", 200, "Cancellation failed: no active RFQs", EMPTY, ()),
)

# Also published, but about orders, legs, quotes, transfers or demo assets, which do not affect a cancel of RFQs. If
# one arrives anyway, its text does not say that nothing was canceled: a doubt.
ABOUT_OTHER_THINGS = """
    50036 50037 50039 50042 50045 50047 50048 50049 50050 50055 50056 50057 50058
    50063 50064 50069 50071 50072 50076 50077 50116 50122 70007 70009 70010 70011 70012 70013
    70014 70016 70060 70061 70062 70064 70065 70066 70067 70100 70101 70102 70103 70105 70106 70107 70108 70109
    70301 70303 70304 70305 70306 70307 70308 70309 70310 70400 70408 70501 70502 70503 70504 70505 70506 70507
    70508 70509 70510 70514 70515 70516 70517 70518 75001 75002 75003 56000 56001 56002 56003 56004 56005
    56006 56007 56008 51008_1000
"""


def _published(code: str, status: int, words: str, means: str, raises: Any) -> Row:
    return Row(
        f"{code} ({status})", reply(status, said(code, words=words)), means, raises, words, detour=means == CLOCK
    )


def _zipped(data: bytes) -> Step:
    return reply(200, data, headers={"Content-Encoding": "gzip"})


CODES = [_published(*row) for row in PUBLISHED]
OTHER_CODES = [_published(code, 200, "about something else", DOUBT, LOST) for code in ABOUT_OTHER_THINGS.split()]

# Success is an HTTP status of 2xx, code 0, and no row that contradicts it.
REPLIES = [
    Row("canceled", reply(200, SUCCESS), DONE, ()),
    Row("canceled, row of sCode 0", reply(200, said("0", [{"ts": TS, "sCode": "0"}])), DONE, ()),
    Row("none active, in rows", reply(200, said("1", rows_of("70207", "70207"))), EMPTY, ()),
    Row("null", reply(200, "null"), DOUBT, LOST),
    Row("empty object", reply(200, {}), DOUBT, LOST),
    Row("empty body", reply(200, ""), DOUBT, LOST),
    Row("204", raw(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"), DOUBT, LOST),
    Row("429, no code", reply(429, "slow down", "text/plain"), BUSY, ccxt.RateLimitExceeded),
    Row("418, no code", reply(418, ""), BUSY, ccxt.RateLimitExceeded),
]

# Replies that could be mistaken for a success.
LOOKALIKES = [
    Row("code 0, no row", reply(200, said("0")), DOUBT, LOST),
    Row(
        "code 0 as a number",
        reply(200, said(0, [{"ts": TS}])),
        DOUBT if TELLS_NUMBERS else DONE,
        LOST if TELLS_NUMBERS else (),
    ),
    Row("code 0, a row refused", reply(200, said("0", rows_of("0", "70208"))), DOUBT, LOST),
    Row("code 1, rows differ", reply(200, said("1", rows_of("70207", "70200"))), DOUBT, LOST),
    Row("code 2, none active in a row", reply(200, said("2", rows_of("0", "70207"))), DOUBT, LOST),
    Row("code 0 with 500", reply(500, SUCCESS), DOUBT, LOST),
    Row("code 0 with 302", reply(302, SUCCESS), DOUBT, LOST),
    Row("code 0 with 404", reply(404, SUCCESS), DOUBT, LOST),
    Row("no code", reply(200, {"data": [{"ts": TS}]}), DOUBT, LOST),
    Row("code null", reply(200, said(None, [{"ts": TS}])), DOUBT, LOST),
    Row("code true", reply(200, said(True, [{"ts": TS}])), DOUBT, LOST),
    Row("code unheard of", reply(200, said("99999")), DOUBT, LOST),
    Row("a list", reply(200, [SUCCESS]), DOUBT, LOST),
]

MEGABYTE = 1 << 20
HALF_A_HEAD = b"HTTP/1.1 200 So\r\nContent-Ty"
HALF_A_BODY = b'HTTP/1.1 200 So\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"code":"0"'
LIKE_A_CANCEL = "answers code 0 and a ts, as a cancel does"

FAULTS = [
    # Nothing was sent: no doubt, and a retry may succeed.
    Row("name unknown", Unreached(by="name"), AWAY, ccxt.NetworkError),
    Row("refused", Unreached(by="port"), AWAY, ccxt.NetworkError),
    Row("reset unread", reset_unread(), DOUBT, LOST),
    Row("reset", reset(), DOUBT, LOST),
    Row("closed without a byte", silence(), DOUBT, LOST),
    Row("cut", cut(200, '{"code":"0","msg":"","data":[{"ts":"1"}]}'), DOUBT, LOST),
    Row("cut by reset", cut_by_reset(200, '{"code":"0","msg":"","data":[{"ts":"1"}]}'), DOUBT, LOST),
    Row("cut in a chunk", cut_chunk(200, '{"code":"0","msg":"","data":[{"ts":"1"}]}'), DOUBT, LOST),
    Row("cut in the head", raw(HALF_A_HEAD), DOUBT, LOST),
    Row("no HTTP", raw(b"220 mail.invalid ESMTP\r\n"), DOUBT, LOST),
    Row("no gzip", _zipped(b"this is no gzip"), DOUBT, LOST),
    Row("half a gzip", _zipped(gzip.compress(b'{"code":"0","data":[]}' * 99)[:40]), DOUBT, LOST),
    Row("gzip", _zipped(gzip.compress(b'{"code":"0","msg":"","data":[{"ts":"1"}]}')), DONE, ()),
    Row("1 MB, canceled", reply(200, said("0", [{"ts": TS}], "x" * MEGABYTE)), DONE, ()),
    Row("1 MB, rate limited", reply(429, said("50011", words="x" * MEGABYTE)), BUSY, ccxt.RateLimitExceeded),
    Row("1 MB, rejected", reply(401, said("50113", words="x" * MEGABYTE)), NO, ccxt.AuthenticationError),
    Row("1 MB of HTML", reply(200, "<p>" * (MEGABYTE // 3), "text/html"), DOUBT, LOST),
    Row("1 MB of nothing", reply(200, b"\0" * MEGABYTE, "application/octet-stream"), DOUBT, LOST),
    Row("canceled, as HTML", reply(200, SUCCESS, "text/html"), DONE, ()),
    Row("canceled, in no charset", reply(200, SUCCESS, "application/json; charset=none"), DONE, ()),
    Row("rejected, as HTML", reply(401, said("50111"), "text/html"), NO, ccxt.AuthenticationError),
    Row("none active, as text", reply(200, said("70207"), "text/plain"), EMPTY, ()),
    Row("not UTF-8", reply(200, b'\xff\xfe{"code":"0"}'), DOUBT, LOST),
    *(
        Row(f"HTML, {status}", reply(status, HTML, "text/html"), DOUBT, LOST)
        for status in (200, 400, 401, 403, 404, 407, 408, 451, 500, 502, 503, 504, 511, 520, 525)
    ),
    Row("HTML, 429", reply(429, HTML, "text/html"), BUSY, ccxt.RateLimitExceeded),
    # Redirects are not followed: OKX documents none, and an answer from the target acknowledges no cancel.
    Row("302 to a page", redirect("/page"), DOUBT, LOST),
    Row("302 to OKX's clock", redirect(PUBLIC_TIME), DOUBT, LOST, LIKE_A_CANCEL),
    Row("303 to OKX's clock", redirect(PUBLIC_TIME, 303), DOUBT, LOST, LIKE_A_CANCEL),
    Row("301 to a rejection", redirect("/rejection", 301), DOUBT, LOST),
    Row("302 in a circle", redirect("/circle"), DOUBT, LOST),
    Row("302 to nowhere", redirect("http://127.0.0.1:9/"), DOUBT, LOST),
    Row("302 without a place", raw(b"HTTP/1.1 302 So\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), DOUBT, LOST),
    Row("307 to TLS that fails", redirect("https://okx.invalid/x", 307), DOUBT, LOST),
    Row("308 to the same", redirect("/moved", 308), DOUBT, LOST),
    Row("silent", hang(), DOUBT, LOST, slow=True),
    Row("slow head", Step(HALF_A_HEAD, end="hang"), DOUBT, LOST, slow=True),
    Row("slow body", Step(HALF_A_BODY, end="hang"), DOUBT, LOST, slow=True),
]

TLS_FAULTS = [  # before the request is sent; a client that rejects the certificate will reject it next time, too
    Row("no TLS", Unreached(by="no TLS"), AWAY, ccxt.NetworkError),
    Row("TLS of a stranger", Unreached(by="a stranger"), NO, ccxt.ExchangeError),
]

PRINCIPAL = [*CODES, *REPLIES, *LOOKALIKES, *FAULTS]
BY_NAME = {row.name: row for row in [*PRINCIPAL, *OTHER_CODES]}


def group_of(row: Row) -> str:
    """Return what a row has in common with others: its meaning, and where a doubt or refusal comes from."""
    if row.means == NO:
        return f"{NO}: {getattr(row.raises, '__name__', 'of no family')}"
    if isinstance(row.step, Unreached):
        return f"{row.means}: unreached"
    if row.means != DOUBT:
        return row.means
    if row in LOOKALIKES:
        return f"{DOUBT}: looks like success"
    if row.detour or row.slow:
        return f"{DOUBT}: {'detour' if row.detour else 'slow'}"
    return f"{DOUBT}: {'on the way' if row in FAULTS else 'in words'}"


GROUPS: dict[str, list[Row]] = {}
for _row in PRINCIPAL:
    GROUPS.setdefault(group_of(_row), []).append(_row)
