"""Every published reply to cancel-all-rfqs and its expected result, written down independently of the package.

Source: okx.com/docs-v5/en/#error-code-rest-api and #error-code-rest-api-block-trading-and-spread-orderbook, and for
"ccxt's own class" what ccxt 4.5.90 raises.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import ANY

import ccxt
import pytest

import okx_rfq_plugin
from support.ccxts import TELLS_NUMBERS
from support.standin import Standin, Step, reply
from support.twins import PATIENT

CANCEL_ALL = "/api/v5/rfq/cancel-all-rfqs"
PUBLIC_TIME = "/api/v5/public/time"
WINDOW = 2.0  # seconds in which OKX counts requests to this endpoint
JITTER = 0.3  # seconds, the most that is added to a wait
TS = 1697026383085

SUCCESS = {"code": "0", "msg": "", "data": [{"ts": str(TS)}]}
HTML = "<!DOCTYPE html><html><body>Bad gateway</body></html>"

CANCELED, NOTHING, RATE, AWAY, UNKNOWN, CLOCK, REJECTED = (
    "canceled",
    "nothing active",
    "rate limited",
    "unavailable",
    "unknown",
    "clock",
    "rejected",
)
SUCCEEDS = (CANCELED, NOTHING)
RETRIED = (RATE, AWAY, UNKNOWN)


@dataclass(frozen=True)
class Answer:
    """A reply, its meaning, the class raised if it persists, and OKX's code in it."""

    name: str
    step: Step
    meaning: str
    raises: type[ccxt.BaseError] | None = None
    code: Any = None


def published(
    meaning: str, raises: type[ccxt.BaseError] | None, statuses: tuple[int, ...], *codes: int
) -> list[Answer]:
    """Return one row of OKX's pages: each code under each HTTP status."""
    return [
        Answer(f"{code}-{status}", reply(status, failed(str(code))), meaning, raises, str(code))
        for code in codes
        for status in statuses
    ]


def failed(code: Any, *s_codes: Any) -> dict[str, Any]:
    """Return OKX's body for a failure, with rows if given."""
    return {"code": code, "msg": "Said so.", "data": [{"sCode": s_code, "sMsg": "Said so."} for s_code in s_codes]}


# Rows without an HTTP status are sent under 200 and 400.
EITHER = (200, 400)

# 70203 and 70208, after which RFQs are canceled by name, are in test_by_name.py.
CODES = [
    Answer("0-200", reply(200, SUCCESS), CANCELED, code="0"),
    *published(NOTHING, None, (200,), 70207),
    *published(RATE, ccxt.RateLimitExceeded, (200, 429), 50011),
    *published(RATE, ccxt.RateLimitExceeded, (200,), 50040, 50061),
    *published(AWAY, ccxt.ExchangeNotAvailable, (200,), 50046, 50062),
    *published(AWAY, ccxt.ExchangeNotAvailable, (410,), 50005),
    *published(AWAY, ccxt.ExchangeNotAvailable, (200,), *range(50017, 50024)),
    *published(UNKNOWN, ccxt.OnMaintenance, (503,), 50001),  # neither says that nothing was executed
    *published(UNKNOWN, ccxt.ExchangeNotAvailable, (429,), 50013),
    *published(UNKNOWN, ccxt.RequestTimeout, (400,), 50004),
    *published(UNKNOWN, ccxt.ExchangeNotAvailable, (500,), 50026),
    *published(REJECTED, ccxt.AuthenticationError, (401, 400, 200), 50100, 50101, *range(50103, 50108)),
    *published(REJECTED, ccxt.AuthenticationError, (401, 400, 200), *range(50111, 50115), 50119),
    *published(REJECTED, ccxt.PermissionDenied, EITHER, 50030, 50035, 50041, 50110, 50118, 50120, 50121),
    *published(REJECTED, ccxt.AccountSuspended, EITHER, 50007, 50009, 50012, 50029),
    *published(REJECTED, ccxt.PermissionDenied, EITHER, 50027),
    *published(REJECTED, ccxt.PermissionDenied, EITHER, 50038, 50051, 50052, 50059, 50060, 70015),
    *published(REJECTED, ccxt.BadRequest, EITHER, 50000, 50002, 50006, 50014, 50024, 50044, 50115, 51000),
    *published(REJECTED, ccxt.AuthenticationError, EITHER, 50008),
    *published(REJECTED, ccxt.ExchangeError, EITHER, 50010, 50015, 50016, 50025, 50028, 50108, 50109),
    *published(REJECTED, ccxt.ExchangeError, EITHER, *range(70000, 70007), 70200, 70409),
]

# "By code first, HTTP status second": a code means the same under the HTTP status of another row.
MISPLACED = [
    *published(RATE, ccxt.RateLimitExceeded, (500, 401), 50011),
    *published(UNKNOWN, ccxt.ExchangeNotAvailable, (200, 503), 50013),
    *published(AWAY, ccxt.ExchangeNotAvailable, (429,), 50046),
    *published(UNKNOWN, ccxt.RequestTimeout, (200, 429), 50004),
    *published(REJECTED, ccxt.AuthenticationError, (403, 429, 500, 502), 50113),
    *published(REJECTED, ccxt.PermissionDenied, (401, 403, 500), 50120),
    *published(REJECTED, ccxt.BadRequest, (405, 503), 50115),
]


def unknown(name: str, step: Step, raises: type[ccxt.BaseError] = ccxt.BadResponse, code: Any = None) -> Answer:
    """Return an answer that leaves the outcome open. ccxt's class is kept if it is an OperationFailed."""
    return Answer(name, step, UNKNOWN, raises, code)


SENTENCES = [
    Answer("code 0 under 201", reply(201, SUCCESS), CANCELED, code="0"),
    Answer(
        "code 0 with a row that says 0", reply(200, {"code": "0", "data": [{"ts": str(TS), "sCode": "0"}]}), CANCELED
    ),
    Answer("code 0 as text/html", reply(200, SUCCESS, content_type="text/html"), CANCELED),
    Answer("code 0 as a download", reply(200, SUCCESS, content_type="application/octet-stream"), CANCELED),
    Answer("code 0 in 1 MB", reply(200, {**SUCCESS, "msg": "x" * 1_000_000}), CANCELED),
    Answer("code 70207 as a number", reply(200, failed(70207)), NOTHING, code="70207"),
    Answer("code 1, all rows 70207", reply(200, failed("1", "70207", "70207")), NOTHING),
    Answer("code 1, one row 70207", reply(200, failed("1", "70207")), NOTHING),
    Answer("code 1, rows 70207 as numbers", reply(200, failed(1, 70207)), NOTHING),
    Answer("code 50011 as a number", reply(200, failed(50011)), RATE, ccxt.RateLimitExceeded, "50011"),
    Answer("code 50113 as a number", reply(401, failed(50113)), REJECTED, ccxt.AuthenticationError, "50113"),
    Answer("429 in HTML", reply(429, HTML, "text/html"), RATE, ccxt.RateLimitExceeded),
    Answer("429 and nothing", reply(429), RATE, ccxt.RateLimitExceeded),
    Answer("429 in JSON with no code", reply(429, {"msg": "slow down"}), RATE, ccxt.RateLimitExceeded),
    Answer("429 with a list", reply(429, [1]), RATE, ccxt.RateLimitExceeded),
    Answer("418 in HTML", reply(418, HTML, "text/html"), RATE, ccxt.RateLimitExceeded),
    Answer("418 and nothing", reply(418), RATE, ccxt.RateLimitExceeded),
    Answer("418 in JSON with no code", reply(418, {}), RATE, ccxt.RateLimitExceeded),
    Answer(
        "code 0 as a number",
        reply(200, {**SUCCESS, "code": 0}),
        UNKNOWN if TELLS_NUMBERS else CANCELED,
        ccxt.BadResponse if TELLS_NUMBERS else None,
        code="0",
    ),
    unknown("code 0 without data", reply(200, {"code": "0", "msg": ""}), code="0"),
    unknown("code 0 without a row", reply(200, {**SUCCESS, "data": []}), code="0"),
    unknown("code 0 without a time", reply(200, {**SUCCESS, "data": [{}]}), code="0"),
    unknown("code 0 with an empty time", reply(200, {**SUCCESS, "data": [{"ts": ""}]}), code="0"),
    unknown("code 0 with no time", reply(200, {**SUCCESS, "data": [{"ts": "soon"}]}), code="0"),
    unknown("code 0 under 500", reply(500, SUCCESS), ccxt.ExchangeNotAvailable, code=ANY),
    unknown("code 0 under 503", reply(503, SUCCESS), ccxt.ExchangeNotAvailable, code=ANY),
    unknown("code 0 under 401", reply(401, SUCCESS), code=ANY),
    unknown("code 0 under 300", reply(300, SUCCESS), code=ANY),
    unknown("code 0 with a failing row", reply(200, failed("0", "70208")), code=ANY),
    unknown("code 0 with a failing row as a number", reply(200, failed("0", 51000)), code=ANY),
    unknown("code 0 with one failing row of two", reply(200, failed("0", "0", "51000")), code=ANY),
    unknown("code 1 with no rows", reply(200, failed("1")), code="1"),
    unknown("code 1, rows 70207 and 0", reply(200, failed("1", "70207", "0")), code="1"),
    unknown("code 1, rows 70207 and 51000", reply(200, failed("1", "70207", "51000")), code="1"),
    unknown("code 1, rows 51000 and 70207", reply(200, failed("1", "51000", "70207")), code="1"),
    unknown("code 1, a row 50113", reply(200, failed("1", "50113")), code="1"),
    unknown("code 1, a row 50011", reply(200, failed("1", "50011")), ccxt.RateLimitExceeded, code="1"),
    unknown("code 1, a row 70207 and a void", reply(200, {"code": "1", "data": [{"sCode": "70207"}, {}]}), code="1"),
    unknown("code 1, rows that are none", reply(200, {"code": "1", "data": ["70207", None]}), code="1"),
    unknown("code 1, data that are none", reply(200, {"code": "1", "data": {"sCode": "70207"}}), code="1"),
    unknown("code 2", reply(200, {**SUCCESS, "code": "2"}), code="2"),
    unknown("code 2 as a number", reply(200, {**SUCCESS, "code": 2}), code="2"),
    unknown("code 2 with rows", reply(200, failed("2", "0", "70208")), code="2"),
    unknown("code 2, all rows 70207", reply(200, failed("2", "70207")), code="2"),
    unknown("code 58001, listed nowhere", reply(200, failed("58001")), code="58001"),
    unknown("code 51001, a BadSymbol to ccxt", reply(400, failed("51001")), code="51001"),
    unknown("code 51113, a RateLimitExceeded to ccxt", reply(200, failed("51113")), ccxt.RateLimitExceeded, "51113"),
    unknown("code 4088, ManualInteractionNeeded to ccxt", reply(200, failed("4088")), code="4088"),
    unknown("code 99999 under 429", reply(429, failed("99999")), code="99999"),
    unknown("code 99999 under 401", reply(401, failed("99999")), code="99999"),
    unknown("code true", reply(200, {**SUCCESS, "code": True}), code=ANY),
    unknown("code false", reply(200, {**SUCCESS, "code": False}), code=ANY),
    unknown("code null", reply(200, {**SUCCESS, "code": None})),
    unknown("code empty", reply(200, {**SUCCESS, "code": ""}), code=ANY),
    unknown("code 00", reply(200, {**SUCCESS, "code": "00"}), code=ANY),
    unknown("code 0.0", reply(200, '{"code": 0.0, "data": [{"ts": "1697026383085"}]}'), code=ANY),
    unknown("code in a list", reply(200, {**SUCCESS, "code": ["0"]}), code=ANY),
    unknown("code one level down", reply(200, {"result": SUCCESS})),
    unknown("no code", reply(200, {"msg": "", "data": [{"ts": str(TS)}]})),
    unknown("{}", reply(200, {})),
    unknown("an empty list", reply(200, [])),
    unknown("a list", reply(200, [SUCCESS])),
    unknown("a list of numbers", reply(200, [0])),
    unknown("0", reply(200, "0")),
    unknown("null", reply(200, "null")),
    unknown("a JSON string", reply(200, '"0"')),
    unknown("JSON cut short", reply(200, '{"code":"0","msg":"","da')),
    unknown("JSON after a byte order mark", reply(200, '\ufeff{"code":"0"}')),
    unknown("bytes that are no UTF-8", reply(200, b"\xff\xfe\x00{")),
    unknown("HTML", reply(200, HTML, "text/html")),
    unknown("HTML as JSON", reply(200, HTML)),
    unknown("HTML as a download", reply(200, HTML, "application/octet-stream")),
    unknown("1 MB of HTML", reply(200, HTML + "x" * 1_000_000, "text/html")),
    unknown("nothing", reply(200, "")),
    unknown("nothing, as HTML", reply(200, "", "text/html")),
    unknown("nothing, as a download", reply(200, "", "application/octet-stream")),
    unknown("204", reply(204)),
    unknown("304", reply(304)),
    unknown("a redirect to nowhere", reply(302)),
    unknown("400 in HTML", reply(400, HTML, "text/html"), ccxt.ExchangeNotAvailable),
    unknown("400 in JSON with no code", reply(400, {"msg": "no"})),
    unknown("401 in HTML", reply(401, HTML, "text/html")),
    unknown("401 in JSON with no code", reply(401, {"error": "proxy"})),
    unknown("403 in HTML", reply(403, HTML, "text/html"), ccxt.ExchangeNotAvailable),
    unknown("404 in HTML", reply(404, HTML, "text/html"), ccxt.ExchangeNotAvailable),
    unknown("405 in HTML", reply(405, HTML, "text/html"), ccxt.ExchangeNotAvailable),
    unknown("407 in HTML", reply(407, HTML, "text/html")),
    unknown("408 in HTML", reply(408, HTML, "text/html"), ccxt.RequestTimeout),
    unknown("422 in HTML", reply(422, HTML, "text/html")),
    unknown("451 in HTML", reply(451, HTML, "text/html"), ccxt.ExchangeNotAvailable),
    unknown("499 in HTML, unknown to ccxt", reply(499, HTML, "text/html")),
    unknown("500 in HTML", reply(500, HTML, "text/html"), ccxt.ExchangeNotAvailable),
    unknown("500 and nothing", reply(500), ccxt.ExchangeNotAvailable),
    unknown("502 in HTML", reply(502, HTML, "text/html"), ccxt.ExchangeNotAvailable),
    unknown("502 in JSON with no code", reply(502, {"msg": "no"})),
    unknown("502 with a list", reply(502, [1])),
    unknown("503 in HTML", reply(503, HTML, "text/html"), ccxt.ExchangeNotAvailable),
    unknown("504 in HTML", reply(504, HTML, "text/html"), ccxt.RequestTimeout),
    unknown("511 in HTML", reply(511, HTML, "text/html")),
    unknown("520 in HTML", reply(520, HTML, "text/html"), ccxt.ExchangeNotAvailable),
    unknown("599 in HTML, unknown to ccxt", reply(599, HTML, "text/html")),
]

TLS = ssl.create_default_context()  # created once: ccxt.async_support creates one for each object, in 40 ms

# With a deadline of 5 s the fourth attempt would start too late: after 3 * 2 s, or 1 + 2 + 4 s and jitter.
DEADLINE = 5.0
UNTIL_DEADLINE, UNTIL_DEADLINE_RATE_LIMITED = 4, 3


def aimed(twin: Any, standin: Standin, clock: Any, **policy: float) -> Any:
    """Return a ccxt okx object of the twin on the stand-in, with the virtual clock and the plugin."""
    exchange = twin.module.okx(
        {"apiKey": "dummy-key-0000", "secret": "dummy-secret-0000", "password": "Dummy-pass-0000"}
    )
    exchange.ssl_context = TLS
    exchange.urls["api"]["rest"] = standin.url
    exchange.milliseconds = lambda: int(clock.wall() * 1000)
    return okx_rfq_plugin.install(exchange, policy=replace(PATIENT, **policy))


def failure_of(twin: Any, exchange: Any, *args: Any) -> ccxt.BaseError:
    """Cancel, and return the resulting ccxt error."""
    with pytest.raises(ccxt.BaseError) as caught:
        twin.cancel(exchange, *args)
    return caught.value


def facts(error: Any) -> tuple[Any, ...]:
    """Return an exception's class, OKX's code, the attempts, and whether it may have been canceled anyway."""
    failure = error.cancel_failure
    return type(error), failure.code, failure.attempts, failure.may_be_canceled
