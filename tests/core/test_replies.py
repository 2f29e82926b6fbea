"""The required outcome of every published reply to cancel-all-rfqs, written down independently of the package.

Source: okx.com/docs-v5/en/#error-code-rest-api and #error-code-rest-api-block-trading-and-spread-orderbook, and for
"ccxt's own class" what ccxt 4.5.90 raises. A stand-in sends each reply over a real socket, to both twins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import ccxt
import pytest
from support.ccxts import tells_numbers
from support.replies import (
    AWAY,
    CANCEL_ALL,
    CANCELED,
    CODES,
    DEADLINE,
    HTML,
    JITTER,
    MISPLACED,
    PUBLIC_TIME,
    RATE,
    REJECTED,
    RETRIED,
    SENTENCES,
    SUCCEEDS,
    SUCCESS,
    TS,
    UNKNOWN,
    UNTIL_DEADLINE,
    UNTIL_DEADLINE_RATE_LIMITED,
    WINDOW,
    Answer,
    aimed,
    facts,
    failed,
    failure_of,
)
from support.standin import Standin, Step, cut, redirect, reply, reset


def answers(*among: list[Answer], meanings: tuple[str, ...] = (*SUCCEEDS, *RETRIED, REJECTED)) -> Any:
    """Parametrize over answers, by name; a change tries each on one of the twins."""
    chosen = [answer for answers in among for answer in answers if answer.meaning in meanings]
    parametrized = pytest.mark.parametrize("answer", chosen, ids=[answer.name for answer in chosen])
    return lambda test: pytest.mark.thinned(parametrized(test))


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
    """Code 0 without a failing row, and 70207 in all its forms, are a success after one request."""
    standin.script(answer.step)

    receipt = twin.cancel(exchange)

    assert ("canceled" if answer.meaning == CANCELED else "nothing_active") == receipt["status"]
    assert (TS if answer.meaning == CANCELED else None) == receipt["timestamp"]
    assert ["POST " + CANCEL_ALL] == [f"{request.method} {request.path}" for request in standin.requests]
    assert 1 == receipt["attempts"]


@answers(CODES, SENTENCES, MISPLACED, meanings=(*RETRIED, REJECTED))
def test_a_persistent_answer_raises_its_class(
    answer: Answer, twin: Any, exchange: Any, standin: Standin, clock: Any
) -> None:
    """A persistent reply ends in its class and says whether RFQs may have been canceled; a rejection ends at once."""
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
    """Rate limited, unavailable or unknown replies are retried after a wait, and may succeed."""
    standin.script(answer.step, reply(200, SUCCESS))

    receipt = twin.cancel(exchange)

    assert ("canceled", TS, 2) == (receipt["status"], receipt["timestamp"], receipt["attempts"])
    assert 2 == len(standin.requests)
    assert 1 == len(clock.waits)


@answers(CODES, SENTENCES, MISPLACED, meanings=(RATE,))
def test_a_rate_limit_waits_a_whole_window_and_jitter(
    answer: Answer, twin: Any, exchange: Any, standin: Standin, clock: Any
) -> None:
    """After "too many requests" a whole window passes each time, plus up to 0.3 s, so that processes drift apart."""
    standin.script(answer.step)

    failure_of(twin, exchange)

    assert all(WINDOW <= wait <= WINDOW + JITTER for wait in clock.waits)
    assert len(clock.waits) == len(set(clock.waits))


@answers(CODES, meanings=(AWAY, UNKNOWN))
def test_what_is_not_available_is_asked_less_and_less(
    answer: Answer, twin: Any, standin: Standin, clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Unavailable and unknown replies back off: each of the first waits is longer than the one before."""
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
BUSY = reply(200, failed("50005"))
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
    """Whatever came before, the last answer counts: canceled, or nothing active because an earlier attempt worked."""
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
    """A rejection is never retried, and says "may be canceled" exactly if an earlier attempt ended unknown."""
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
        ([LOST, BUSY], ccxt.ExchangeNotAvailable, "50005", True),
        ([TOO_MANY, BUSY], ccxt.ExchangeNotAvailable, "50005", False),
        ([BUSY, TOO_MANY], ccxt.RateLimitExceeded, "50011", False),
        ([TOO_MANY, GONE], ccxt.BadResponse, None, True),
        ([GONE, LOST], ccxt.ExchangeNotAvailable, None, True),
        ([DENIED], ccxt.AuthenticationError, "50113", False),
    ],
)
def test_at_the_deadline_the_last_answer_names_the_class(
    steps: list[Step], raises: type, code: str | None, may_be_canceled: bool, twin: Any, standin: Standin, clock: Any
) -> None:
    """At the deadline, the last answer determines class and code; doubt comes from any attempt."""
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
    """`deadline=0` sends only the first attempt, and waits for nothing."""
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
    """Attempts start within the deadline, 30 s by default, and there is no wait beyond it in vain."""
    policy = {} if deadline is None else {"deadline": deadline}
    standin.script(step)
    began = clock.now()

    error = failure_of(twin, aimed(twin, standin, clock, **policy))

    assert all(request.at - began <= (deadline or 30.0) for request in standin.requests)
    assert clock.now() - began <= (deadline or 30.0)
    assert error.cancel_failure.attempts == len(standin.requests)


def test_the_default_deadline_is_used_up(twin: Any, standin: Standin, clock: Any) -> None:
    """With 30 s to go, a rate limit is retried as long as another window fits."""
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
    """An attempt that started in time may finish, and OKX's answer counts whenever it comes."""
    standin.script(TOO_MANY, OK.while_on_the_wire(lambda: clock.sleep(60.0)))

    receipt = twin.cancel(aimed(twin, standin, clock, deadline=DEADLINE))

    assert ("canceled", 2) == (receipt["status"], receipt["attempts"])
    assert 62.0 <= receipt["elapsed"] <= 62.0 + JITTER


def test_a_wait_that_oversleeps_starts_no_attempt(
    twin: Any, standin: Standin, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine suspended during the wait wakes after the deadline, and sends nothing any more."""
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
        pytest.param(
            {"code": "0", "data": [{"ts": TS}], "inTime": "1"}, TS, "2023-10-11T12:13:03.085Z", marks=tells_numbers
        ),
        (failed("70207"), None, None),
    ],
)
def test_the_receipt_holds_okx_s_time_and_reply(
    body: Any, timestamp: int | None, written: str | None, twin: Any, exchange: Any, standin: Standin
) -> None:
    """A receipt has OKX's time, or None if nothing was active, and OKX's reply unchanged."""
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
    """If a captive portal redirects the request, the redirect is not followed: the outcome is unknown."""
    standin.script(redirect("/portal"))
    standin.script(reply(200, HTML, "text/html"), path="/portal")

    error = failure_of(twin, exchange)

    assert (ccxt.BadResponse, None, UNTIL_DEADLINE, True) == facts(error)
    assert [] == standin.seen("/portal")


def signed_at(standin: Standin) -> list[float]:
    """Return the Unix time in seconds with which each cancel was signed."""
    stamps = [request.headers["OK-ACCESS-TIMESTAMP"] for request in standin.seen(CANCEL_ALL)]
    return [datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp() for stamp in stamps]


def okx_time(clock: Any, ahead: float) -> Step:
    """Return OKX's answer to public/time on a clock that is `ahead` seconds ahead of this machine's."""
    return reply(200, {"code": "0", "msg": "", "data": [{"ts": str(int((clock.wall() + ahead) * 1000))}]})


@pytest.mark.parametrize("ahead", [120.0, -3600.0])
def test_a_wrong_clock_is_corrected_by_okx_s(
    ahead: float, twin: Any, exchange: Any, standin: Standin, clock: Any
) -> None:
    """After 50102, OKX's clock is read once, and the next request is signed with it immediately."""
    standin.script(EARLY, OK)
    standin.script(okx_time(clock, ahead), path=PUBLIC_TIME)
    here = clock.wall()

    receipt = twin.cancel(exchange)

    assert ("canceled", 2) == (receipt["status"], receipt["attempts"])
    assert [CANCEL_ALL, PUBLIC_TIME, CANCEL_ALL] == [request.path for request in standin.requests]
    assert [pytest.approx(here, abs=0.1), pytest.approx(here + ahead, abs=0.1)] == signed_at(standin)
    assert 0.0 == receipt["elapsed"]


def test_the_time_request_carries_no_key(twin: Any, exchange: Any, standin: Standin, clock: Any) -> None:
    """OKX's clock is public: it is read without key, passphrase or signature, and without further parameters."""
    standin.script(EARLY, OK)
    standin.script(okx_time(clock, 120.0), path=PUBLIC_TIME)

    twin.cancel(exchange)

    asked = standin.seen(PUBLIC_TIME)[0]
    assert ("GET", b"") == (asked.method, asked.body)
    assert [] == [name for name in asked.headers if name.startswith("OK-ACCESS")]


def test_a_second_correction_may_help(twin: Any, standin: Standin, clock: Any) -> None:
    """If the first reading was wrong, OKX's clock is read once more."""
    standin.script(EARLY, EARLY, OK)
    standin.script(okx_time(clock, 60.0), okx_time(clock, 120.0), path=PUBLIC_TIME)
    here = clock.wall()

    receipt = twin.cancel(aimed(twin, standin, clock))

    waited = sum(clock.waits)
    assert ("canceled", 3) == (receipt["status"], receipt["attempts"])
    assert 2 == len(standin.seen(PUBLIC_TIME))
    assert [0.0, 60.0, 120.0 + waited] == pytest.approx([at - here for at in signed_at(standin)], abs=3.0)


@pytest.mark.parametrize("offset", [0, -777, 4242])
def test_a_correction_that_was_never_tried_is_put_back(offset: int, twin: Any, standin: Standin, clock: Any) -> None:
    """If the deadline comes before the corrected request, ccxt's offset is unchanged."""
    exchange = aimed(twin, standin, clock, deadline=1.0)
    exchange.options["timeDifference"] = offset
    standin.script(EARLY)
    standin.script(okx_time(clock, 120.0), path=PUBLIC_TIME)

    error = failure_of(twin, exchange)

    assert (ccxt.InvalidNonce, "50102", 2, False) == facts(error)
    assert 2 == len(standin.seen(PUBLIC_TIME))
    assert offset == exchange.options["timeDifference"]


@pytest.mark.parametrize("offset", [0, -777, 4242])
def test_two_corrections_that_do_not_help_are_the_last(offset: int, twin: Any, standin: Standin, clock: Any) -> None:
    """OKX's clock is used twice at most; then nothing was canceled, it says so, and ccxt's offset is unchanged."""
    exchange = aimed(twin, standin, clock)
    exchange.options["timeDifference"] = offset
    standin.script(EARLY)
    standin.script(okx_time(clock, 120.0), path=PUBLIC_TIME)

    error = failure_of(twin, exchange)

    assert (ccxt.InvalidNonce, "50102", 3, False) == facts(error)
    assert 2 == len(standin.seen(PUBLIC_TIME))
    assert offset == exchange.options["timeDifference"]


def test_an_offset_that_helped_stays(twin: Any, exchange: Any, standin: Standin, clock: Any) -> None:
    """The offset that OKX accepted stays in ccxt."""
    standin.script(EARLY, OK)
    told = clock.wall()
    standin.script(okx_time(clock, 120.0), path=PUBLIC_TIME)

    twin.cancel(exchange)

    late = (clock.wall() - told) * 1000  # ms that this machine has taken since, which look like lag of OKX's
    assert -120_002 <= exchange.options["timeDifference"] <= -120_000 + late + 2


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
    """Without OKX's time there is a wait before the next attempt, the offset stays, and the error is InvalidNonce."""
    standin.script(EARLY)
    standin.script(step, path=PUBLIC_TIME)

    error = failure_of(twin, exchange)

    assert (ccxt.InvalidNonce, "50102", UNTIL_DEADLINE, False) == facts(error)
    assert UNTIL_DEADLINE - 1 <= len(clock.waits)  # and longer if OKX's limit is waited for too
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
    """The class of ccxt's error; nothing if it was read."""
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
    """A failed reading does not count as a correction, and does not end the cancel."""
    exchange = aimed(twin, standin, clock)
    standin.script(EARLY, EARLY, OK)
    standin.script(step, okx_time(clock, 120.0), path=PUBLIC_TIME)

    receipt = twin.cancel(exchange)

    assert ("canceled", 3) == (receipt["status"], receipt["attempts"])
    assert -120_000 == pytest.approx(exchange.options["timeDifference"], abs=5_000)


@pytest.mark.parametrize("ts", ["-5", "99999999999999999999", "1e300"])
def test_a_time_that_is_none_is_not_believed(ts: str, twin: Any, standin: Standin, clock: Any) -> None:
    """A time that cannot be signed with counts as none: the next attempt is signed with this machine's clock."""
    exchange = aimed(twin, standin, clock)
    standin.script(EARLY, OK)
    standin.script(reply(200, {"code": "0", "msg": "", "data": [{"ts": ts}]}), path=PUBLIC_TIME)

    receipt = twin.cancel(exchange)

    assert ("canceled", 2) == (receipt["status"], receipt["attempts"])
    assert 0 == exchange.options["timeDifference"]


def test_a_clock_verdict_at_the_deadline_ends_in_invalid_nonce(twin: Any, standin: Standin, clock: Any) -> None:
    """`deadline=0` also applies to a wrong clock: one signed request, and nothing canceled."""
    exchange = aimed(twin, standin, clock, deadline=0)
    standin.script(EARLY, OK)
    standin.script(okx_time(clock, 120.0), path=PUBLIC_TIME)

    error = failure_of(twin, exchange)

    assert (ccxt.InvalidNonce, "50102", 1, False) == facts(error)
    assert 1 == len(standin.seen(CANCEL_ALL))
