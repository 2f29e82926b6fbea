"""The verdict for cases that no reply on a socket produces, and the descriptions of attempts."""

from __future__ import annotations

import json
from typing import Any

import ccxt
import pytest

from okx_rfq_plugin._core.endpoints import (
    CANCEL_ALL_AFTER,
    CANCEL_ALL_QUOTES,
    CANCEL_ALL_RFQS,
    CANCEL_BATCH_RFQS,
    RFQS,
    Endpoint,
)
from okx_rfq_plugin._core.verdict import Meaning, Reply, Verdict, classify, describe


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


# A reply, what ccxt raised, and the description.
TOLD: list[tuple[Reply | None, Any, str]] = [
    (None, None, "no reply was seen; a fetch() of your own has to pass it to handle_errors(), as ccxt's does"),
    (None, ccxt.NetworkError("okx POST there"), "no reply arrived (NetworkError: okx POST there)"),
    (
        None,
        caused(ccxt.RequestTimeout("okx POST there"), ValueError("with a secret")),
        "no reply arrived (RequestTimeout from ValueError)",
    ),
    (Reply(502), None, "HTTP 502 arrived without an OKX code"),
    (Reply(502), ccxt.ExchangeNotAvailable("a page"), "HTTP 502 arrived without an OKX code"),
    (Reply(200, [1]), None, "HTTP 200 arrived without an OKX code"),
    (Reply(200, {"code": "0", "msg": ""}), None, "OKX answered 0 (HTTP 200)"),
    (Reply(401, {"code": 50113, "msg": "Wrong."}), None, 'OKX answered 50113 (HTTP 401): "Wrong"'),
    (Reply(200, {"code": "1", "data": [{"sMsg": " Not \n now.. "}]}), None, 'OKX answered 1 (HTTP 200): "Not now"'),
    (Reply(200, {"code": "1", "msg": "Top.", "data": [{"sMsg": "Row."}]}), None, 'OKX answered 1 (HTTP 200): "Top"'),
    (Reply(200, {"code": "1", "msg": " ", "data": [7, {"sMsg": "Row."}]}), None, 'OKX answered 1 (HTTP 200): "Row"'),
    (Reply(200, {"code": "1", "msg": 7, "data": {"sMsg": "Row."}}), None, 'OKX answered 1 (HTTP 200): "Row"'),
    (Reply(200, {"code": "1", "msg": "x" * 300}), None, f'OKX answered 1 (HTTP 200): "{"x" * 200}"'),
]


@pytest.mark.parametrize(("reply", "error", "words"), TOLD)
def test_an_attempt_is_told_in_words(reply: Reply | None, error: Any, words: str) -> None:
    """OKX's text is quoted on one line and shortened; of other pages only the status is mentioned."""
    assert words == describe(reply, error)


UNKNOWN = Verdict(Meaning.UNKNOWN, ccxt.BadResponse)
SUCCESS = {"code": "0", "msg": "", "data": [{"ts": "1697026383085"}]}

# A reply, what ccxt raised, whether anything may have left the machine, and the verdict.
JUDGED: list[tuple[Reply | None, Any, bool, Verdict]] = [
    (None, None, True, UNKNOWN),
    (None, None, False, UNKNOWN),  # ccxt returned: a user's own `fetch` has answered
    (None, ccxt.ExchangeError("?"), True, UNKNOWN),
    (None, ccxt.ExchangeError("?"), False, Verdict(Meaning.REJECTED, ccxt.ExchangeError)),
    (None, ccxt.BadSymbol("?"), False, Verdict(Meaning.REJECTED, ccxt.BadSymbol)),
    (None, ccxt.NetworkError("?"), False, Verdict(Meaning.UNAVAILABLE, ccxt.NetworkError)),
    (None, ccxt.AuthenticationError("?"), True, Verdict(Meaning.REJECTED, ccxt.AuthenticationError)),
    (None, ccxt.ExchangeClosedByUser("?"), True, Verdict(Meaning.REJECTED, ccxt.ExchangeClosedByUser)),
    (None, ccxt.InvalidProxySettings("?"), True, Verdict(Meaning.REJECTED, ccxt.InvalidProxySettings)),
    (None, ccxt.NotSupported("?"), True, Verdict(Meaning.REJECTED, ccxt.NotSupported)),
    (
        Reply(200, {"code": "0", "data": [{"ts": "1"}, {"sCode": "0"}]}),
        None,
        True,
        Verdict(Meaning.DONE, ccxt.BadResponse, "0"),
    ),
    (Reply(429), None, True, Verdict(Meaning.RATE_LIMITED, ccxt.RateLimitExceeded)),
    (Reply(418, {"code": "0_1"}), None, True, Verdict(Meaning.RATE_LIMITED, ccxt.RateLimitExceeded)),
    (Reply(500, {"code": "0_1"}), None, True, UNKNOWN),
    (Reply(299, SUCCESS), None, True, Verdict(Meaning.DONE, ccxt.BadResponse, "0")),
    (Reply(300, SUCCESS), None, True, Verdict(Meaning.UNKNOWN, ccxt.BadResponse, "0")),
    (Reply(199, SUCCESS), None, True, Verdict(Meaning.UNKNOWN, ccxt.BadResponse, "0")),
    (Reply(200, SUCCESS), ccxt.ExchangeError("?"), True, Verdict(Meaning.UNKNOWN, ccxt.BadResponse, "0")),
    (Reply(200, {"code": "1" * 9}), None, True, Verdict(Meaning.UNKNOWN, ccxt.BadResponse, "1" * 9)),
    (Reply(200, {"code": "1" * 10}), None, True, UNKNOWN),
    (Reply(200, {"code": "1"}), None, True, Verdict(Meaning.UNKNOWN, ccxt.BadResponse, "1")),
    (
        Reply(200, {"code": "1", "data": {"sCode": "70207"}}),
        None,
        True,
        Verdict(Meaning.UNKNOWN, ccxt.BadResponse, "1"),
    ),
    (
        Reply(200, {"code": "2", "data": [{"sCode": "70207"}]}),
        None,
        True,
        Verdict(Meaning.UNKNOWN, ccxt.BadResponse, "2"),
    ),
]


@pytest.mark.parametrize(("reply", "error", "sent", "verdict"), JUDGED)
def test_an_attempt_is_judged(reply: Reply | None, error: Any, sent: bool, verdict: Verdict) -> None:
    """By code first, status second, and the error's class last; a doubt is never a success."""
    assert verdict == classify(CANCEL_ALL_RFQS, reply, error, sent=sent)


def rows(code: str, *said: str) -> Reply:
    return Reply(200, {"code": code, "msg": "", "data": [{"sCode": each} for each in said]})


# Other endpoints: the method called, the reply, and the verdict.
ELSEWHERE: list[tuple[Endpoint, Reply | None, Verdict]] = [
    (CANCEL_BATCH_RFQS, rows("0", "0", "0"), Verdict(Meaning.DONE, ccxt.BadResponse, "0", some=True)),
    (CANCEL_BATCH_RFQS, rows("1", "70000", "70200"), Verdict(Meaning.DONE, ccxt.BadResponse, "1")),
    (CANCEL_BATCH_RFQS, rows("2", "0", "70000"), Verdict(Meaning.DONE, ccxt.BadResponse, "2", some=True)),
    (CANCEL_BATCH_RFQS, rows("2", "0", "50011"), Verdict(Meaning.RATE_LIMITED, ccxt.RateLimitExceeded, "2", some=True)),
    (CANCEL_BATCH_RFQS, rows("1", "70000", "50011"), Verdict(Meaning.RATE_LIMITED, ccxt.RateLimitExceeded, "1")),
    (CANCEL_BATCH_RFQS, rows("1", "51000", "50005"), Verdict(Meaning.UNAVAILABLE, ccxt.ExchangeNotAvailable, "1")),
    (CANCEL_BATCH_RFQS, rows("1", "51000", "50001"), Verdict(Meaning.UNKNOWN, ccxt.ExchangeNotAvailable, "1")),
    (CANCEL_BATCH_RFQS, rows("1", "50000", "59999"), Verdict(Meaning.UNKNOWN, ccxt.BadResponse, "1")),
    (CANCEL_BATCH_RFQS, rows("0"), Verdict(Meaning.UNKNOWN, ccxt.BadResponse, "0")),
    (CANCEL_BATCH_RFQS, rows("2", "0", "0_1"), Verdict(Meaning.UNKNOWN, ccxt.BadResponse, "2", some=True)),
    (CANCEL_BATCH_RFQS, rows("2", "0", "70200 "), Verdict(Meaning.UNKNOWN, ccxt.BadResponse, "2", some=True)),
    (CANCEL_BATCH_RFQS, rows("1", "59999"), Verdict(Meaning.UNKNOWN, ccxt.BadResponse, "1")),
    (CANCEL_BATCH_RFQS, rows("1"), Verdict(Meaning.UNKNOWN, ccxt.BadResponse, "1")),
    (CANCEL_BATCH_RFQS, rows("50011", "0"), Verdict(Meaning.RATE_LIMITED, ccxt.RateLimitExceeded, "50011", some=True)),
    (CANCEL_BATCH_RFQS, None, UNKNOWN),
    (CANCEL_ALL_RFQS, rows("1", "0", "70000"), Verdict(Meaning.UNKNOWN, ccxt.BadResponse, "1")),
    (CANCEL_ALL_RFQS, rows("70203"), Verdict(Meaning.REJECTED, ccxt.ExchangeError, "70203", by_name=True)),
    (CANCEL_ALL_RFQS, rows("70208"), Verdict(Meaning.UNAVAILABLE, ccxt.ExchangeNotAvailable, "70208", by_name=True)),
    (CANCEL_ALL_RFQS, rows("1", "70203", "70203"), Verdict(Meaning.REJECTED, ccxt.ExchangeError, "1", by_name=True)),
    (CANCEL_ALL_RFQS, rows("1", "70208"), Verdict(Meaning.UNAVAILABLE, ccxt.ExchangeNotAvailable, "1", by_name=True)),
    (CANCEL_ALL_RFQS, rows("1", "70203", "70208"), Verdict(Meaning.UNKNOWN, ccxt.BadResponse, "1")),
    (CANCEL_ALL_RFQS, rows("1", "70408"), Verdict(Meaning.UNKNOWN, ccxt.BadResponse, "1")),
    (CANCEL_ALL_RFQS, rows("1", "50011"), Verdict(Meaning.UNKNOWN, ccxt.BadResponse, "1")),
    (CANCEL_ALL_RFQS, rows("2", "70203"), Verdict(Meaning.UNKNOWN, ccxt.BadResponse, "2")),
    (CANCEL_ALL_QUOTES, rows("1", "70408"), Verdict(Meaning.REJECTED, ccxt.ExchangeError, "1")),
    (CANCEL_BATCH_RFQS, rows("1", "50011", "50005"), Verdict(Meaning.RATE_LIMITED, ccxt.RateLimitExceeded, "1")),
    (CANCEL_BATCH_RFQS, rows("1", "50102", "50005"), Verdict(Meaning.UNAVAILABLE, ccxt.ExchangeNotAvailable, "1")),
    (CANCEL_BATCH_RFQS, rows("1", "50102", "50000"), Verdict(Meaning.CLOCK, ccxt.InvalidNonce, "1")),
    (CANCEL_BATCH_RFQS, rows("1", "50120", "50113"), Verdict(Meaning.REJECTED, ccxt.AuthenticationError, "1")),
    (CANCEL_ALL_QUOTES, rows("70408"), Verdict(Meaning.REJECTED, ccxt.ExchangeError, "70408")),
    (CANCEL_ALL_QUOTES, rows("1", "70409"), Verdict(Meaning.NOTHING_ACTIVE, ccxt.ExchangeError, "1")),
    (CANCEL_ALL_QUOTES, rows("70207"), Verdict(Meaning.REJECTED, ccxt.ExchangeError, "70207")),
    *[
        (RFQS, Reply(200, {"code": "0", "data": data}), Verdict(meaning, ccxt.BadResponse, "0"))
        for data, meaning in [
            ([], Meaning.DONE),
            ([{"rfqId": "1", "state": "active"}], Meaning.DONE),
            ([{"rfqId": "1", "state": "active"}, {"rfqId": "2"}], Meaning.UNKNOWN),
            ([{"rfqId": 1, "state": "active"}], Meaning.UNKNOWN),
            (["1"], Meaning.UNKNOWN),
            ({"rfqId": "1", "state": "active"}, Meaning.UNKNOWN),
            (None, Meaning.UNKNOWN),
        ]
    ],
]


@pytest.mark.parametrize(("endpoint", "reply", "verdict"), ELSEWHERE)
def test_an_attempt_is_judged_by_what_was_called(endpoint: Endpoint, reply: Reply | None, verdict: Verdict) -> None:
    """The rows of a batch decide; each row must be readable."""
    assert verdict == classify(endpoint, reply, None)


# Not a success, because something that OKX documents is missing, or something else is present.
_NO_DATA: list[Any] = [None, [], {}, "", "ts", {"ts": "1697026383085"}, [None], [[]], [{}], ["ts"]]
_NO_CODES: list[Any] = ["-1", "70200 ", " 0", "", "1", "70208", "0_1", 0, 1.5, 0.0, True, False, None, [], ["0"], {}]
NO_SUCCESS: list[Any] = [
    *[{**SUCCESS, "code": code} for code in (0, "00", "0_1", "0 ", " 0", "+0", "-0", 0.0, False, None, ["0"])],
    *[{**SUCCESS, "data": data} for data in _NO_DATA],
    *[{**SUCCESS, "data": [{"ts": ts}]} for ts in (None, "", "now", 1.5, -1, True, ["1697026383085"], "1.5", "-1")],
    *[{**SUCCESS, "data": [{"ts": "1697026383085", "sCode": code}]} for code in _NO_CODES],
    {**SUCCESS, "data": [{"ts": "1697026383085"}, {"sCode": "70208"}]},
    {**SUCCESS, "data": [{"ts": "1697026383085"}, "and more"]},
    {"code": "0"},
    {"code": "0", "msg": ""},
]


@pytest.mark.parametrize("endpoint", [CANCEL_ALL_RFQS, CANCEL_ALL_QUOTES], ids=lambda endpoint: endpoint.path)
@pytest.mark.parametrize("body", NO_SUCCESS, ids=json.dumps)
def test_what_is_like_a_success_is_none(endpoint: Endpoint, body: Any) -> None:
    """A success has the exact code, the rows that OKX documents, and no row that says anything but success."""
    assert UNKNOWN.meaning is classify(endpoint, Reply(200, body), None).meaning


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("row", [{"ts": "1"}, {"triggerTime": "1"}, {"triggerTime": "soon", "ts": "1"}, {}])
def test_a_countdown_without_its_times_is_no_success(row: dict[str, str], status: int) -> None:
    """Both times are documented, and a success has them."""
    body = {"code": "0", "msg": "", "data": [row]}

    assert UNKNOWN.meaning is classify(CANCEL_ALL_AFTER, Reply(status, body), None).meaning


def test_what_is_known_of_an_attempt_does_not_change() -> None:
    """Replies and verdicts are values: equal by content, and immutable."""
    reply, verdict = Reply(200, {"code": "0"}), classify(CANCEL_ALL_RFQS, None, None)

    assert Reply(200, {"code": "0"}) == reply
    assert hash(verdict) == hash(classify(CANCEL_ALL_RFQS, None, None))
    for value, name in ((reply, "status"), (verdict, "meaning")):
        with pytest.raises(AttributeError):
            setattr(value, name, None)


def test_an_attempt_may_have_been_sent_unless_it_is_said() -> None:
    """By default, the request may have left the machine."""
    assert Meaning.UNKNOWN is classify(CANCEL_ALL_RFQS, None, ccxt.ExchangeError("?")).meaning
