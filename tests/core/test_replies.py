"""This file holds what every published reply to cancel-all-rfqs must come to, written down apart from the package.

Source: okx.com/docs-v5/en/#error-code-rest-api and #error-code-rest-api-block-trading-and-spread-orderbook, and for
"ccxt's own class" what ccxt 4.5.90 raises. A stand-in sends each reply over a real socket, to both twins.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from unittest.mock import ANY

import ccxt
import pytest
from support.standin import Standin, Step, cut, redirect, reply, reset

import okx_rfq_plugin
from okx_rfq_plugin import RetryPolicy

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
    """What is sent, what it means, the class that is raised where it stays so, and OKX's code in it."""

    name: str
    step: Step
    meaning: str
    raises: type[ccxt.BaseError] | None = None
    code: Any = None


def published(
    meaning: str, raises: type[ccxt.BaseError] | None, statuses: tuple[int, ...], *codes: int
) -> list[Answer]:
    """One row of OKX's pages: each code under each HTTP status."""
    return [
        Answer(f"{code}-{status}", reply(status, failed(str(code))), meaning, raises, str(code))
        for code in codes
        for status in statuses
    ]


def failed(code: Any, *s_codes: Any) -> dict[str, Any]:
    """OKX's body for a failure, with rows where there are any."""
    return {"code": code, "msg": "Said so.", "data": [{"sCode": s_code, "sMsg": "Said so."} for s_code in s_codes]}


# Rows that name no HTTP status are sent under 200 and 400.
EITHER = (200, 400)

# 70203 and 70208, after which RFQs are canceled by name, are in test_by_name.py.
CODES = [
    Answer("0-200", reply(200, SUCCESS), CANCELED, code="0"),
    *published(NOTHING, None, (200,), 70207),
    *published(RATE, ccxt.RateLimitExceeded, (200, 429), 50011),
    *published(RATE, ccxt.RateLimitExceeded, (200,), 50040, 50061),
    *published(RATE, ccxt.RateLimitExceeded, (429,), 50013),
    *published(AWAY, ccxt.ExchangeNotAvailable, (200,), 50046, 50062),
    *published(AWAY, ccxt.OnMaintenance, (503,), 50001),
    *published(AWAY, ccxt.ExchangeNotAvailable, (410,), 50005),
    *published(AWAY, ccxt.ExchangeNotAvailable, (200,), *range(50017, 50024)),
    *published(UNKNOWN, ccxt.RequestTimeout, (400,), 50004),
    *published(UNKNOWN, ccxt.ExchangeNotAvailable, (500,), 50026),
    *published(REJECTED, ccxt.AuthenticationError, (401, 400, 200), 50100, 50101, *range(50103, 50108)),
    *published(REJECTED, ccxt.AuthenticationError, (401, 400, 200), *range(50111, 50115), 50119),
    *published(REJECTED, ccxt.PermissionDenied, EITHER, 50030, 50035, 50041, 50110, 50118, 50120, 50121),
    *published(REJECTED, ccxt.AccountSuspended, EITHER, 50007, 50009, 50012, 50029),
    *published(REJECTED, ccxt.PermissionDenied, EITHER, 50027),
    *published(REJECTED, ccxt.PermissionDenied, EITHER, 50038, 50051, 50052, 50059, 50060, 70015),
    *published(REJECTED, ccxt.BadRequest, EITHER, 50000, 50002, 50006, 50014, 50024, 50115, 51000),
    *published(REJECTED, ccxt.AuthenticationError, EITHER, 50008),
    *published(REJECTED, ccxt.ExchangeError, EITHER, 50010, 50015, 50016, 50025, 50108, 50109),
    *published(REJECTED, ccxt.ExchangeError, EITHER, *range(70000, 70007), 70200, 70409),
]

# "By code first, HTTP status second": a code that OKX gave means the same under a status of some other row.
MISPLACED = [
    *published(RATE, ccxt.RateLimitExceeded, (500, 401), 50011),
    *published(RATE, ccxt.RateLimitExceeded, (200, 503), 50013),
    *published(AWAY, ccxt.ExchangeNotAvailable, (429,), 50046),
    *published(UNKNOWN, ccxt.RequestTimeout, (200, 429), 50004),
    *published(REJECTED, ccxt.AuthenticationError, (403, 429, 500, 502), 50113),
    *published(REJECTED, ccxt.PermissionDenied, (401, 403, 500), 50120),
    *published(REJECTED, ccxt.BadRequest, (405, 503), 50115),
]


def unknown(name: str, step: Step, raises: type[ccxt.BaseError] = ccxt.BadResponse, code: Any = None) -> Answer:
    """Build an answer that leaves everything open; ccxt's class is kept where it is an OperationFailed."""
    return Answer(name, step, UNKNOWN, raises, code)


SENTENCES = [
    Answer("code 0 as a number", reply(200, {**SUCCESS, "code": 0}), CANCELED, code="0"),
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
    unknown("code 50028, known to ccxt alone", reply(200, failed("50028")), code="50028"),
    unknown("code 51001, a BadSymbol to ccxt", reply(400, failed("51001")), code="51001"),
    unknown("code 51113, a RateLimitExceeded to ccxt", reply(200, failed("51113")), ccxt.RateLimitExceeded, "51113"),
    unknown("code 50044, a BadRequest to ccxt", reply(400, failed("50044")), code="50044"),
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

TLS = ssl.create_default_context()  # one for all: ccxt.async_support makes one for each object, in 40 ms

# With a deadline of 5 s the fourth attempt would start too late: after 3 * 2 s, or 1 + 2 + 4 s and jitter.
DEADLINE = 5.0
UNTIL_DEADLINE, UNTIL_DEADLINE_RATE_LIMITED = 4, 3


def answers(*among: list[Answer], meanings: tuple[str, ...] = (*SUCCEEDS, *RETRIED, REJECTED)) -> Any:
    """Parametrize over answers, by name."""
    chosen = [answer for answers in among for answer in answers if answer.meaning in meanings]
    return pytest.mark.parametrize("answer", chosen, ids=[answer.name for answer in chosen])


def aimed(twin: Any, standin: Standin, clock: Any, **policy: float) -> Any:
    """Build a ccxt okx object of the twin that talks to the stand-in, by the virtual clock, with the plugin on it."""
    exchange = twin.module.okx(
        {"apiKey": "dummy-key-0000", "secret": "dummy-secret-0000", "password": "Dummy-pass-0000"}
    )
    exchange.ssl_context = TLS
    exchange.urls["api"]["rest"] = standin.url
    exchange.milliseconds = lambda: int(clock.wall() * 1000)
    return okx_rfq_plugin.install(exchange, policy=RetryPolicy(**policy) if policy else None)


def failure_of(twin: Any, exchange: Any, *args: Any) -> ccxt.BaseError:
    """Cancel, and return what ccxt error it came to."""
    with pytest.raises(ccxt.BaseError) as caught:
        twin.cancel(exchange, *args)
    return caught.value


def facts(error: Any) -> tuple[Any, ...]:
    """What an exception says: its class, OKX's code, attempts, whether it may have been canceled all the same."""
    failure = error.cancel_failure
    return type(error), failure.code, failure.attempts, failure.may_be_canceled


@pytest.fixture
def standin(clock: Any) -> Iterator[Standin]:
    with Standin(clock.now) as running:
        yield running


@pytest.fixture
def exchange(twin: Any, standin: Standin, clock: Any) -> Any:
    return aimed(twin, standin, clock, deadline=DEADLINE)


@answers(CODES, SENTENCES, MISPLACED, meanings=SUCCEEDS)
def test_a_reply_that_says_it_is_done_gives_a_receipt(
    answer: Answer, twin: Any, exchange: Any, standin: Standin
) -> None:
    """Code 0 without a failing row, and 70207 in all its dresses, are a success after one request."""
    standin.script(answer.step)

    receipt = twin.cancel(exchange)

    assert ("canceled" if answer.meaning == CANCELED else "nothing_active") == receipt["status"]
    assert (TS if answer.meaning == CANCELED else None) == receipt["timestamp"]
    assert ["POST " + CANCEL_ALL] == [f"{request.method} {request.path}" for request in standin.requests]
    assert 1 == receipt["attempts"]


@answers(CODES, SENTENCES, MISPLACED, meanings=(*RETRIED, REJECTED))
def test_the_same_answer_for_ever_raises_its_class(
    answer: Answer, twin: Any, exchange: Any, standin: Standin, clock: Any
) -> None:
    """A reply that stays ends in its class and says whether RFQs may have been canceled; a rejection ends at once."""
    standin.script(answer.step)

    error = failure_of(twin, exchange)

    requests = {REJECTED: 1, RATE: UNTIL_DEADLINE_RATE_LIMITED}.get(answer.meaning, UNTIL_DEADLINE)
    assert (answer.raises, answer.code, requests, answer.meaning == UNKNOWN) == facts(error)
    assert [CANCEL_ALL] * requests == [request.path for request in standin.requests]
    assert (answer.meaning == UNKNOWN) == ("may still be active" in str(error).lower())
    assert 0 <= error.cancel_failure.elapsed <= DEADLINE
    assert requests - 1 == len(clock.waits)


@answers(CODES, SENTENCES, MISPLACED, meanings=RETRIED)
def test_a_passing_answer_followed_by_success_gives_a_receipt(
    answer: Answer, twin: Any, exchange: Any, standin: Standin, clock: Any
) -> None:
    """What is rate limited, unavailable or unknown is asked again, after a wait, and may end well."""
    standin.script(answer.step, reply(200, SUCCESS))

    receipt = twin.cancel(exchange)

    assert ("canceled", TS, 2) == (receipt["status"], receipt["timestamp"], receipt["attempts"])
    assert 2 == len(standin.requests)
    assert 1 == len(clock.waits)


@answers(CODES, SENTENCES, MISPLACED, meanings=(RATE,))
def test_a_rate_limit_waits_a_whole_window_and_jitter(
    answer: Answer, twin: Any, exchange: Any, standin: Standin, clock: Any
) -> None:
    """After "too many requests" a whole window passes each time, and up to 0.3 s, so that processes drift apart."""
    standin.script(answer.step)

    failure_of(twin, exchange)

    assert all(WINDOW <= wait <= WINDOW + JITTER for wait in clock.waits)
    assert len(clock.waits) == len(set(clock.waits))


@answers(CODES, meanings=(AWAY, UNKNOWN))
def test_what_is_not_available_is_asked_less_and_less(
    answer: Answer, twin: Any, standin: Standin, clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Unavailable and unknown back off: each of the first waits is longer than the one before."""
    exchange = aimed(twin, standin, clock, deadline=12.0)
    standin.script(answer.step)

    failure_of(twin, exchange)

    waits = [float(seconds) for seconds in re.findall(r"Next attempt in ([0-9.]+) s", caplog.text)]
    assert len(waits) >= 4
    assert waits == sorted(waits)
    assert waits[0] > 0


OK = reply(200, SUCCESS)
NONE = reply(200, failed("70207"))
NONE_IN_ROWS = reply(200, failed("1", "70207"))
TOO_MANY = reply(429, failed("50011"))
BUSY = reply(503, failed("50001"))
LOST = reply(502, HTML, "text/html")
GONE = reply(200, "")
PARTLY = reply(200, {**SUCCESS, "code": "2"})
DENIED = reply(401, failed("50113"))
READ_ONLY = reply(401, failed("50120"))
MALFORMED = reply(400, failed("50014"))
EARLY = reply(401, failed("50102"))
TIME = reply(200, {"code": "0", "msg": "", "data": [{"ts": "1800000000000"}]})


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        ([LOST, NONE], "nothing_active"),
        ([LOST, NONE_IN_ROWS], "nothing_active"),
        ([GONE, NONE], "nothing_active"),
        ([PARTLY, NONE], "nothing_active"),
        ([reset(), NONE], "nothing_active"),
        ([cut(200, '{"code":"0","msg":"","data":[]}'), NONE], "nothing_active"),
        ([TOO_MANY, NONE], "nothing_active"),
        ([BUSY, NONE], "nothing_active"),
        ([EARLY, NONE], "nothing_active"),
        ([TOO_MANY, LOST, NONE], "nothing_active"),
        ([LOST, TOO_MANY, NONE], "nothing_active"),
        ([TOO_MANY, TOO_MANY, OK], "canceled"),
        ([TOO_MANY, LOST, OK], "canceled"),
        ([LOST, BUSY, OK], "canceled"),
        ([BUSY, TOO_MANY, OK], "canceled"),
        ([PARTLY, GONE, OK], "canceled"),
        ([LOST, EARLY, OK], "canceled"),
        ([EARLY, TOO_MANY, OK], "canceled"),
        ([EARLY, EARLY, OK], "canceled"),
        ([OK, DENIED], "canceled"),
        ([NONE, DENIED], "nothing_active"),
    ],
)
def test_a_sequence_that_ends_well_gives_a_receipt(
    steps: list[Step], status: str, twin: Any, standin: Standin, clock: Any
) -> None:
    """Whatever came before, the last answer counts: canceled, or nothing there because an earlier one worked."""
    standin.script(*steps)
    standin.script(TIME, path=PUBLIC_TIME)

    receipt = twin.cancel(aimed(twin, standin, clock))

    requests = 1 if steps[-1] is DENIED else len(steps)
    assert (status, requests) == (receipt["status"], receipt["attempts"])
    assert requests == len(standin.seen(CANCEL_ALL))


@pytest.mark.parametrize(
    ("steps", "raises", "code", "may_be_canceled"),
    [
        ([DENIED, OK], ccxt.AuthenticationError, "50113", False),
        ([TOO_MANY, DENIED], ccxt.AuthenticationError, "50113", False),
        ([BUSY, DENIED], ccxt.AuthenticationError, "50113", False),
        ([EARLY, DENIED], ccxt.AuthenticationError, "50113", False),
        ([BUSY, TOO_MANY, MALFORMED], ccxt.BadRequest, "50014", False),
        ([TOO_MANY, BUSY, READ_ONLY], ccxt.PermissionDenied, "50120", False),
        ([EARLY, TOO_MANY, DENIED], ccxt.AuthenticationError, "50113", False),
        ([LOST, DENIED], ccxt.AuthenticationError, "50113", True),
        ([GONE, DENIED], ccxt.AuthenticationError, "50113", True),
        ([PARTLY, MALFORMED], ccxt.BadRequest, "50014", True),
        ([reset(), READ_ONLY], ccxt.PermissionDenied, "50120", True),
        ([LOST, TOO_MANY, DENIED], ccxt.AuthenticationError, "50113", True),
        ([LOST, BUSY, DENIED], ccxt.AuthenticationError, "50113", True),
        ([LOST, EARLY, DENIED], ccxt.AuthenticationError, "50113", True),
        ([TOO_MANY, LOST, DENIED], ccxt.AuthenticationError, "50113", True),
        ([EARLY, LOST, DENIED], ccxt.AuthenticationError, "50113", True),
    ],
)
def test_a_rejection_ends_it_and_remembers_what_came_before(
    steps: list[Step], raises: type, code: str, may_be_canceled: bool, twin: Any, standin: Standin, clock: Any
) -> None:
    """A rejection is never asked again, and says "may be canceled" exactly if an earlier attempt ended unknown."""
    standin.script(*steps)
    standin.script(TIME, path=PUBLIC_TIME)

    error = failure_of(twin, aimed(twin, standin, clock))

    requests = 1 if steps[0] is DENIED else len(steps)
    assert (raises, code, requests, may_be_canceled) == facts(error)
    assert requests == len(standin.seen(CANCEL_ALL))
    assert may_be_canceled == ("may still be active" in str(error).lower())


@pytest.mark.parametrize(
    ("steps", "raises", "code", "may_be_canceled"),
    [
        ([LOST, TOO_MANY], ccxt.RateLimitExceeded, "50011", True),
        ([LOST, BUSY], ccxt.OnMaintenance, "50001", True),
        ([TOO_MANY, BUSY], ccxt.OnMaintenance, "50001", False),
        ([BUSY, TOO_MANY], ccxt.RateLimitExceeded, "50011", False),
        ([TOO_MANY, GONE], ccxt.BadResponse, None, True),
        ([GONE, LOST], ccxt.ExchangeNotAvailable, None, True),
        ([DENIED], ccxt.AuthenticationError, "50113", False),
    ],
)
def test_at_the_deadline_the_last_answer_names_the_class(
    steps: list[Step], raises: type, code: str | None, may_be_canceled: bool, twin: Any, standin: Standin, clock: Any
) -> None:
    """Out of time, the last answer gives class and code; doubt comes from any attempt."""
    standin.script(*steps)

    error = failure_of(twin, aimed(twin, standin, clock, deadline=DEADLINE))

    assert (raises, code, may_be_canceled) == (
        type(error),
        error.cancel_failure.code,
        error.cancel_failure.may_be_canceled,
    )
    assert error.cancel_failure.attempts == len(standin.requests)


@pytest.mark.parametrize("step", [TOO_MANY, BUSY, LOST, GONE, PARTLY, reset()])
def test_a_deadline_of_nothing_sends_exactly_one(step: Step, twin: Any, standin: Standin, clock: Any) -> None:
    """`deadline=0` sends the first attempt, and that one alone, and waits for nothing."""
    standin.script(step, OK)

    error = failure_of(twin, aimed(twin, standin, clock, deadline=0))

    assert 1 == error.cancel_failure.attempts
    assert 1 == len(standin.requests)
    assert [] == clock.waits


@pytest.mark.parametrize("step", [TOO_MANY, BUSY, LOST], ids=["rate limited", "unavailable", "unknown"])
@pytest.mark.parametrize("deadline", [0.5, 2.0, 2.2, 7.5, None])
def test_no_attempt_starts_after_the_deadline(
    step: Step, deadline: float | None, twin: Any, standin: Standin, clock: Any
) -> None:
    """Attempts start within the deadline, 30 s by default, and nobody waits past it in vain."""
    policy = {} if deadline is None else {"deadline": deadline}
    standin.script(step)
    began = clock.now()

    error = failure_of(twin, aimed(twin, standin, clock, **policy))

    assert all(request.at - began <= (deadline or 30.0) for request in standin.requests)
    assert clock.now() - began <= (deadline or 30.0)
    assert error.cancel_failure.attempts == len(standin.requests)


def test_the_default_deadline_is_used_up(twin: Any, standin: Standin, clock: Any) -> None:
    """With 30 s to go, a rate limit is tried again as long as another window fits."""
    standin.script(TOO_MANY)

    error = failure_of(twin, aimed(twin, standin, clock))

    assert 30.0 - WINDOW - JITTER <= error.cancel_failure.elapsed <= 30.0
    assert error.cancel_failure.elapsed == pytest.approx(sum(clock.waits))


def test_an_attempt_that_outlasts_the_deadline_is_the_last(twin: Any, standin: Standin, clock: Any) -> None:
    """A reply that arrives after the deadline still counts, and no further attempt starts."""
    standin.script(LOST.while_on_the_wire(lambda: clock.sleep(31.0)), OK)

    error = failure_of(twin, aimed(twin, standin, clock))

    assert (ccxt.ExchangeNotAvailable, None, 1, True) == facts(error)
    assert 1 == len(standin.requests)
    assert 31.0 == pytest.approx(error.cancel_failure.elapsed)


def test_a_success_after_the_deadline_is_a_success(twin: Any, standin: Standin, clock: Any) -> None:
    """An attempt that started in time is let finish, and OKX's word counts whenever it comes."""
    standin.script(TOO_MANY, OK.while_on_the_wire(lambda: clock.sleep(60.0)))

    receipt = twin.cancel(aimed(twin, standin, clock, deadline=DEADLINE))

    assert ("canceled", 2) == (receipt["status"], receipt["attempts"])
    assert 62.0 <= receipt["elapsed"] <= 62.0 + JITTER


def test_a_wait_that_oversleeps_starts_no_attempt(
    twin: Any, standin: Standin, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that was suspended in the wait wakes after the deadline, and sends nothing any more."""
    short = clock.sleep
    monkeypatch.setattr(clock, "sleep", lambda seconds, waker=None: short(seconds + 100.0))
    standin.script(TOO_MANY, OK)

    error = failure_of(twin, aimed(twin, standin, clock))

    assert (ccxt.RateLimitExceeded, "50011", 1, False) == facts(error)
    assert 1 == len(standin.requests)


@pytest.mark.parametrize(
    ("body", "timestamp", "written"),
    [
        (SUCCESS, TS, "2023-10-11T12:13:03.085Z"),
        ({"code": "0", "msg": "", "data": []}, None, None),
        ({"code": "0"}, None, None),
        ({"code": "0", "data": None}, None, None),
        ({"code": "0", "data": [None]}, None, None),
        ({"code": "0", "data": [{}]}, None, None),
        ({"code": "0", "data": [{"ts": ""}]}, None, None),
        ({"code": "0", "data": [{"ts": "soon"}]}, None, None),
        ({"code": "0", "data": [{"ts": TS}], "inTime": "1"}, TS, "2023-10-11T12:13:03.085Z"),
        (failed("70207"), None, None),
    ],
)
def test_the_receipt_holds_okx_s_time_and_reply(
    body: Any, timestamp: int | None, written: str | None, twin: Any, exchange: Any, standin: Standin
) -> None:
    """A receipt has OKX's time, or None where it gave none that can be read, and OKX's reply as it was."""
    standin.script(reply(200, body))

    receipt = twin.cancel(exchange)

    assert {"status", "timestamp", "datetime", "attempts", "elapsed", "info"} == set(receipt)
    assert (timestamp, written) == (receipt["timestamp"], receipt["datetime"])
    assert body == receipt["info"]
    assert 0.0 == receipt["elapsed"]


def test_the_receipt_counts_attempts_and_seconds(twin: Any, exchange: Any, standin: Standin, clock: Any) -> None:
    """`attempts` is the number of signed requests, `elapsed` the seconds from the call to the receipt."""
    standin.script(TOO_MANY, TOO_MANY, OK)

    receipt = twin.cancel(exchange)

    assert 3 == receipt["attempts"]
    assert sum(clock.waits) == pytest.approx(receipt["elapsed"])


def test_a_redirect_to_html_is_no_success(twin: Any, exchange: Any, standin: Standin) -> None:
    """Where a captive portal turns the request away, nobody follows: it is unknown."""
    standin.script(redirect("/portal"))
    standin.script(reply(200, HTML, "text/html"), path="/portal")

    error = failure_of(twin, exchange)

    assert (ccxt.BadResponse, None, UNTIL_DEADLINE, True) == facts(error)
    assert [] == standin.seen("/portal")


def signed_at(standin: Standin) -> list[float]:
    """Seconds since the epoch that each cancel was signed with."""
    stamps = [request.headers["OK-ACCESS-TIMESTAMP"] for request in standin.seen(CANCEL_ALL)]
    return [datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp() for stamp in stamps]


def okx_time(clock: Any, ahead: float) -> Step:
    """OKX's answer to public/time on a clock that is so many seconds ahead of this machine's."""
    return reply(200, {"code": "0", "msg": "", "data": [{"ts": str(int((clock.wall() + ahead) * 1000))}]})


@pytest.mark.parametrize("ahead", [120.0, -3600.0])
def test_a_wrong_clock_is_corrected_by_okx_s(
    ahead: float, twin: Any, exchange: Any, standin: Standin, clock: Any
) -> None:
    """After 50102 OKX's clock is read once, and the next request is signed by it, at once."""
    standin.script(EARLY, OK)
    standin.script(okx_time(clock, ahead), path=PUBLIC_TIME)
    here = clock.wall()

    receipt = twin.cancel(exchange)

    assert ("canceled", 2) == (receipt["status"], receipt["attempts"])
    assert [CANCEL_ALL, PUBLIC_TIME, CANCEL_ALL] == [request.path for request in standin.requests]
    assert [pytest.approx(here, abs=0.1), pytest.approx(here + ahead, abs=0.1)] == signed_at(standin)
    assert 0.0 == receipt["elapsed"]


def test_the_time_request_carries_no_key(twin: Any, exchange: Any, standin: Standin, clock: Any) -> None:
    """OKX's clock is public: it is asked without key, passphrase or signature, and with no parameter of ours."""
    standin.script(EARLY, OK)
    standin.script(okx_time(clock, 120.0), path=PUBLIC_TIME)

    twin.cancel(exchange)

    asked = standin.seen(PUBLIC_TIME)[0]
    assert ("GET", b"") == (asked.method, asked.body)
    assert [] == [name for name in asked.headers if name.startswith("OK-ACCESS")]


def test_a_second_correction_may_help(twin: Any, standin: Standin, clock: Any) -> None:
    """Where the first reading was off, OKX's clock is read once more."""
    standin.script(EARLY, EARLY, OK)
    standin.script(okx_time(clock, 60.0), okx_time(clock, 120.0), path=PUBLIC_TIME)
    here = clock.wall()

    receipt = twin.cancel(aimed(twin, standin, clock))

    waited = sum(clock.waits)
    assert ("canceled", 3) == (receipt["status"], receipt["attempts"])
    assert 2 == len(standin.seen(PUBLIC_TIME))
    assert [0.0, 60.0, 120.0 + waited] == pytest.approx([at - here for at in signed_at(standin)], abs=3.0)


@pytest.mark.parametrize("offset", [0, -777, 4242])
def test_two_corrections_that_do_not_help_are_the_last(offset: int, twin: Any, standin: Standin, clock: Any) -> None:
    """OKX's clock is believed twice at most; then nothing was canceled, it says so, and ccxt's offset is as it was."""
    exchange = aimed(twin, standin, clock)
    exchange.options["timeDifference"] = offset
    standin.script(EARLY)
    standin.script(okx_time(clock, 120.0), path=PUBLIC_TIME)

    error = failure_of(twin, exchange)

    assert (ccxt.InvalidNonce, "50102", 3, False) == facts(error)
    assert 2 == len(standin.seen(PUBLIC_TIME))
    assert offset == exchange.options["timeDifference"]


def test_an_offset_that_helped_stays(twin: Any, exchange: Any, standin: Standin, clock: Any) -> None:
    """The offset that OKX accepted is ccxt's own from then on."""
    standin.script(EARLY, OK)
    standin.script(okx_time(clock, 120.0), path=PUBLIC_TIME)

    twin.cancel(exchange)

    assert -120_000 == pytest.approx(exchange.options["timeDifference"], abs=100)


def test_no_option_but_the_offset_is_touched(twin: Any, exchange: Any, standin: Standin, clock: Any) -> None:
    """A correction changes no other option of the exchange."""
    standin.script(EARLY, EARLY, OK)
    standin.script(okx_time(clock, 120.0), path=PUBLIC_TIME)
    before = {name: value for name, value in exchange.options.items() if name != "timeDifference"}

    twin.cancel(exchange)

    assert before == {name: value for name, value in exchange.options.items() if name != "timeDifference"}


NO_TIME = {
    "500": reply(500, HTML, "text/html"),
    "429": reply(429, failed("50011")),
    "HTML": reply(200, HTML, "text/html"),
    "nothing": reply(200, ""),
    "no data": reply(200, {"code": "0", "msg": "", "data": []}),
    "no number": reply(200, {"code": "0", "msg": "", "data": [{"ts": "soon"}]}),
    "a list": reply(200, []),
    "a reset": reset(),
}


@pytest.mark.parametrize("step", NO_TIME.values(), ids=NO_TIME)
def test_where_okx_s_clock_cannot_be_read_it_backs_off(
    step: Step, twin: Any, exchange: Any, standin: Standin, clock: Any
) -> None:
    """Without OKX's time there is a wait before the next attempt, the offset stays, and the end is InvalidNonce."""
    standin.script(EARLY)
    standin.script(step, path=PUBLIC_TIME)

    error = failure_of(twin, exchange)

    assert (ccxt.InvalidNonce, "50102", UNTIL_DEADLINE, False) == facts(error)
    assert UNTIL_DEADLINE - 1 <= len(clock.waits)  # and more, where OKX's limit is waited for too
    assert all(wait > 0 for wait in clock.waits)
    assert 0 == exchange.options["timeDifference"]


@pytest.mark.parametrize(
    ("step", "said"),
    [(reply(500, HTML, "text/html"), ["OKX's clock could not be read: ExchangeNotAvailable"]), (None, [])],
    ids=["unread", "read"],
)
def test_debug_log_says_where_okx_s_clock_was_not_read(
    step: Step | None,
    said: list[str],
    twin: Any,
    exchange: Any,
    standin: Standin,
    clock: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """By the class of ccxt's error; nothing where it was read."""
    standin.script(EARLY, OK)
    standin.script(step or okx_time(clock, 120.0), path=PUBLIC_TIME)

    with caplog.at_level("DEBUG", logger="okx_rfq_plugin"):
        twin.cancel(exchange)

    assert said == [message for message in caplog.messages if message.startswith("OKX's clock")]


def test_ctrl_c_while_okx_s_clock_is_read_is_not_lost(twin: Any, exchange: Any, standin: Standin) -> None:
    """It ends the call, as anywhere else."""

    def interrupted(params: Any) -> Any:
        raise KeyboardInterrupt

    standin.script(EARLY)
    exchange.fetch_time = interrupted

    with pytest.raises(KeyboardInterrupt) as raised:
        twin.cancel(exchange)
    assert not raised.value.cancel_failure.may_be_canceled  # type: ignore[attr-defined]  # ours


@pytest.mark.parametrize("step", NO_TIME.values(), ids=NO_TIME)
def test_okx_s_clock_is_asked_again_after_a_failure(step: Step, twin: Any, standin: Standin, clock: Any) -> None:
    """A reading that failed does not count against the corrections, and does not end the cancel."""
    exchange = aimed(twin, standin, clock)
    standin.script(EARLY, EARLY, OK)
    standin.script(step, okx_time(clock, 120.0), path=PUBLIC_TIME)

    receipt = twin.cancel(exchange)

    assert ("canceled", 3) == (receipt["status"], receipt["attempts"])
    assert -120_000 == pytest.approx(exchange.options["timeDifference"], abs=5_000)


@pytest.mark.parametrize("ts", ["-5", "99999999999999999999", "1e300"])
def test_a_time_that_is_none_is_not_believed(ts: str, twin: Any, standin: Standin, clock: Any) -> None:
    """A time by which nothing can be signed is as good as none: the next attempt is signed by this machine's clock."""
    exchange = aimed(twin, standin, clock)
    standin.script(EARLY, OK)
    standin.script(reply(200, {"code": "0", "msg": "", "data": [{"ts": ts}]}), path=PUBLIC_TIME)

    receipt = twin.cancel(exchange)

    assert ("canceled", 2) == (receipt["status"], receipt["attempts"])
    assert 0 == exchange.options["timeDifference"]


def test_a_clock_verdict_at_the_deadline_ends_in_invalid_nonce(twin: Any, standin: Standin, clock: Any) -> None:
    """`deadline=0` holds for a wrong clock too: one signed request, and nothing canceled."""
    exchange = aimed(twin, standin, clock, deadline=0)
    standin.script(EARLY, OK)
    standin.script(okx_time(clock, 120.0), path=PUBLIC_TIME)

    error = failure_of(twin, exchange)

    assert (ccxt.InvalidNonce, "50102", 1, False) == facts(error)
    assert 1 == len(standin.seen(CANCEL_ALL))
