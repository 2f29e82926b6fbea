"""What a cancel must say when the connection between ccxt and the venue breaks, on real sockets."""

from __future__ import annotations

import asyncio
import gzip
import html
import json
import logging
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import ccxt
import pytest
from support.replies import DEADLINE, HTML, SUCCESS, TS, UNTIL_DEADLINE, aimed, facts, failed, failure_of
from support.standin import (
    Request,
    Standin,
    Step,
    echo,
    hang,
    raw,
    reply,
    reset,
)
from support.transport_faults import DONE, FAULTS, HEAD, LOST_BY_AIOHTTP, LOST_BY_REQUESTS, Fault
from support.twins import kind

OK = reply(200, SUCCESS)
LOST = reply(502, HTML, "text/html")

# Refused by 4.5.90 but not by 4.5.85, which reopened a closed object, and failed on its own broken settings.
since_4_5_90 = pytest.mark.skipif(
    [int(part) for part in ccxt.__version__.split(".")] < [4, 5, 90], reason="this ccxt does not refuse it by itself"
)
only_sync = pytest.mark.parametrize("twin", ["sync"], indirect=True)
only_async = pytest.mark.parametrize("twin", ["async"], indirect=True)
# Requests that are not sent do not wait for OKX's limit: at 0, 0.3, 0.9, 2.1 and 4.5 s.
UNSENT_UNTIL_DEADLINE = 5
_faults = pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])


def every_fault(test: Any) -> Any:
    """Parametrize over the faults; a change tries each on one of the twins."""
    return pytest.mark.thinned(_faults(test))


@pytest.fixture
def standin(clock: Any) -> Iterator[Standin]:
    with Standin(clock.now) as running:
        yield running


@pytest.fixture
def exchange(twin: Any, standin: Standin, clock: Any) -> Any:
    return aimed(twin, standin, clock, deadline=DEADLINE)


@every_fault
def test_a_broken_way_leaves_it_open(fault: Fault, twin: Any, exchange: Any, standin: Standin, clock: Any) -> None:
    """If no reply gets through, RFQs may or may not have been canceled: it retries to the deadline, and says so."""
    standin.script(fault.step)

    error = failure_of(twin, exchange)

    assert (fault.raises(twin), None, UNTIL_DEADLINE, True) == facts(error)
    assert UNTIL_DEADLINE - 2 <= len(clock.waits)  # the first retry does not wait after a broken connection
    assert "may still be active" in str(error).lower()


@every_fault
def test_a_broken_way_is_sent_once_at_a_time(fault: Fault, twin: Any, standin: Standin, clock: Any) -> None:
    """No lower layer retries or follows a redirect: one attempt is one request on the wire."""
    standin.script(fault.step)

    error = failure_of(twin, aimed(twin, standin, clock, deadline=0))

    assert 1 == error.cancel_failure.attempts
    assert 1 == len(standin.requests)


@every_fault
def test_a_way_that_holds_again_gives_a_receipt(fault: Fault, twin: Any, exchange: Any, standin: Standin) -> None:
    """A fault that occurs once is retried, and OKX's answer counts."""
    standin.script(fault.step, OK)

    receipt = twin.cancel(exchange)

    assert ("canceled", TS, 2) == (receipt["status"], receipt["timestamp"], receipt["attempts"])
    assert 2 == len(standin.requests)


@every_fault
def test_a_rejection_after_a_broken_way_remembers_it(fault: Fault, twin: Any, exchange: Any, standin: Standin) -> None:
    """The lost request may have worked, whatever the next one is told."""
    standin.script(fault.step, fault.step, reply(401, failed("50113")))

    error = failure_of(twin, exchange)

    assert (ccxt.AuthenticationError, "50113", True) == (*facts(error)[:2], error.cancel_failure.may_be_canceled)


@pytest.mark.parametrize(
    "step",
    [
        reply(200, gzip.compress(DONE.encode()), headers={"Content-Encoding": "gzip"}),
        raw(HEAD + b"\r\n" + DONE.encode()),
        raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(DONE), DONE.encode())),
        raw(b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(DONE), DONE.encode())),
    ],
    ids=["gzip", "no length", "chunks", "continue"],
)
def test_what_http_allows_is_read(step: Step, twin: Any, exchange: Any, standin: Standin) -> None:
    """A success counts in any form that HTTP allows."""
    standin.script(step)

    receipt = twin.cancel(exchange)

    assert ("canceled", TS, 1) == (receipt["status"], receipt["timestamp"], receipt["attempts"])


def test_no_answer_in_time_is_open(twin: Any, standin: Standin, clock: Any) -> None:
    """A request that is never answered ends in ccxt's RequestTimeout, and may have worked."""
    standin.script(hang())
    exchange = aimed(twin, standin, clock, deadline=0)
    exchange.timeout = 50

    error = failure_of(twin, exchange)

    assert (ccxt.RequestTimeout, None, 1, True) == facts(error)
    assert 1 == len(standin.requests)


def test_no_answer_in_time_is_asked_again(twin: Any, exchange: Any, standin: Standin) -> None:
    """After a timeout the next attempt may succeed; none active then means that the first one worked."""
    exchange.timeout = 50
    patient = hang().while_on_the_wire(lambda: setattr(exchange, "timeout", 10_000))
    standin.script(patient, reply(200, failed("70207")))

    receipt = twin.cancel(exchange)

    assert "nothing_active" == receipt["status"]
    assert 2 <= receipt["attempts"]  # more on a machine that takes longer than 50 ms to connect


def test_a_closed_port_leaves_no_doubt(twin: Any, standin: Standin, clock: Any) -> None:
    """If the connection was refused, nothing was sent: retried to the deadline, and certainly not canceled."""
    exchange = aimed(twin, standin, clock, deadline=DEADLINE, jitter=0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        exchange.urls["api"]["rest"] = f"http://127.0.0.1:{taken.getsockname()[1]}"

    error = failure_of(twin, exchange)

    assert (LOST_BY_REQUESTS if twin.synchronous else LOST_BY_AIOHTTP, None, UNSENT_UNTIL_DEADLINE, False) == facts(
        error
    )
    assert "NOTHING WAS CANCELED" in str(error)
    assert "nothing was sent: the connection was refused (" in str(error)
    assert [] == standin.requests


def test_a_port_that_opens_again_gives_a_receipt(
    twin: Any, exchange: Any, standin: Standin, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A venue that comes back during the wait is reached."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        exchange.urls["api"]["rest"] = f"http://127.0.0.1:{taken.getsockname()[1]}"
    standin.script(OK)
    wait = clock.sleep

    def come_back(seconds: float, waker: Any = None) -> None:
        exchange.urls["api"]["rest"] = standin.url
        wait(seconds)

    monkeypatch.setattr(clock, "sleep", come_back)

    receipt = twin.cancel(exchange)

    assert ("canceled", 2) == (receipt["status"], receipt["attempts"])


def test_a_failed_tls_handshake_leaves_no_doubt(twin: Any, standin: Standin, clock: Any) -> None:
    """A server that speaks no TLS under https has read no request; it is retried, whatever ccxt calls it."""
    standin.script(OK)
    exchange = aimed(twin, standin, clock, deadline=DEADLINE, jitter=0)
    exchange.urls["api"]["rest"] = standin.url.replace("http://", "https://")

    error = failure_of(twin, exchange)

    _, *rest = facts(error)
    assert [None, UNSENT_UNTIL_DEADLINE, False] == rest
    assert isinstance(error, ccxt.NetworkError)
    assert [""] * UNSENT_UNTIL_DEADLINE == [request.method for request in standin.requests]


def lose_the_key(exchange: Any) -> None:
    exchange.apiKey = ""


def lose_the_secret(exchange: Any) -> None:
    exchange.secret = None


def lose_the_passphrase(exchange: Any) -> None:
    exchange.password = ""


def use_two_proxies(exchange: Any) -> None:
    exchange.httpProxy = "http://127.0.0.1:1"
    exchange.httpsProxy = "http://127.0.0.1:1"


def use_a_proxy_twice(exchange: Any) -> None:
    exchange.proxyUrl = "http://127.0.0.1:1/"
    exchange.httpProxy = "http://127.0.0.1:1"


def use_ccxt_s_old_proxy_too(exchange: Any) -> None:
    exchange.httpProxy = "http://127.0.0.1:1"
    exchange.proxies = exchange.aiohttp_proxy = "http://127.0.0.1:1"


def lose_the_offset(exchange: Any) -> None:
    exchange.options["timeDifference"] = None


def lose_the_url(exchange: Any) -> None:
    exchange.urls["api"] = {}


@pytest.mark.parametrize(
    ("spoil", "raises"),
    [
        (lose_the_key, ccxt.AuthenticationError),
        (lose_the_secret, ccxt.AuthenticationError),
        (lose_the_passphrase, ccxt.AuthenticationError),
        (use_two_proxies, ccxt.InvalidProxySettings),
        (use_a_proxy_twice, ccxt.InvalidProxySettings),
        pytest.param(lose_the_offset, ccxt.ExchangeError, marks=since_4_5_90),
        pytest.param(lose_the_url, ccxt.ExchangeError, marks=since_4_5_90),
    ],
)
def test_what_never_leaves_the_machine_is_rejected(
    spoil: Any, raises: type, twin: Any, exchange: Any, standin: Standin, clock: Any
) -> None:
    """An exchange object that cannot send says so at once, and that nothing was canceled."""
    standin.script(OK)
    spoil(exchange)

    error = failure_of(twin, exchange)
    failure = error.cancel_failure

    assert raises is type(error)
    assert "***" not in str(error)  # a missing secret need not be hidden
    assert (None, False) == (failure.code, failure.may_be_canceled)
    assert ([], []) == (standin.requests, clock.waits)


def test_conflicting_proxies_old_and_new_are_rejected(twin: Any, exchange: Any, standin: Standin, clock: Any) -> None:
    """The older proxy settings of ccxt next to its newer ones send nothing, so that nothing was canceled."""
    standin.script(OK)
    use_ccxt_s_old_proxy_too(exchange)

    error = failure_of(twin, exchange)

    assert (None, False) == (error.cancel_failure.code, error.cancel_failure.may_be_canceled)
    assert ([], []) == (standin.requests, clock.waits)


def test_a_lost_reply_is_raised_from_ccxt_s_own_error_and_logged(
    twin: Any, standin: Standin, clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Its cause contains the socket's own words; the log contains the error once."""
    standin.script(reset())

    error = failure_of(twin, aimed(twin, standin, clock, deadline=0))

    assert isinstance(error.__cause__, ccxt.NetworkError)
    assert [("ERROR", str(error))] == [(record.levelname, record.getMessage()) for record in caplog.records]


def test_ctrl_c_before_anything_is_sent_leaves_no_doubt(twin: Any, exchange: Any, standin: Standin) -> None:
    """Nothing was signed yet."""

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        raise KeyboardInterrupt

    exchange.sign = interrupted

    with pytest.raises(KeyboardInterrupt) as caught:
        twin.cancel(exchange)

    failure = caught.value.cancel_failure  # type: ignore[attr-defined]  # the package puts it there
    assert (1, False, []) == (failure.attempts, failure.may_be_canceled, standin.requests)


def test_a_way_that_ccxt_does_not_support_is_rejected(
    twin: Any, exchange: Any, standin: Standin, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SOCKS without the packages for it is ccxt's NotSupported: nothing was sent."""
    standin.script(OK)
    exchange.socksProxy = "socks5://127.0.0.1:1"
    monkeypatch.setitem(sys.modules, "aiohttp_socks", None)
    # ccxt 4.5.44 looks for it on import.
    monkeypatch.setattr(sys.modules["ccxt.async_support.base.exchange"], "SocksProxyConnector", None, raising=False)

    def without_pysocks(*args: Any, **kwargs: Any) -> None:
        raise __import__("requests").exceptions.InvalidSchema("Missing dependencies for SOCKS support.")

    monkeypatch.setattr("requests.adapters.SOCKSProxyManager", without_pysocks)

    error = failure_of(twin, exchange)

    assert ccxt.NotSupported is type(error)
    assert (None, False) == (error.cancel_failure.code, error.cancel_failure.may_be_canceled)
    assert ([], []) == (standin.requests, clock.waits)


@since_4_5_90
@only_async
def test_an_object_that_was_closed_is_rejected(twin: Any, standin: Standin, clock: Any) -> None:
    """After `await exchange.close()` nothing leaves any more, and the failure says so."""
    exchange = aimed(twin, standin, clock)
    standin.script(OK)
    exchange.timeout_on_exit = 0

    with pytest.raises(ccxt.ExchangeClosedByUser) as caught:
        twin.run(exchange, exchange.close, exchange.cancel_all_rfqs)

    assert (None, False) == (caught.value.cancel_failure.code, caught.value.cancel_failure.may_be_canceled)
    assert ([], []) == (standin.requests, clock.waits)


def test_a_key_that_is_lost_on_the_way_is_told_with_the_doubt_before_it(
    twin: Any, exchange: Any, standin: Standin
) -> None:
    """An error before sending does not undo an attempt that was sent."""
    standin.script(LOST.while_on_the_wire(lambda: lose_the_key(exchange)), OK)

    error = failure_of(twin, exchange)

    assert (ccxt.AuthenticationError, True) == (type(error), error.cancel_failure.may_be_canceled)
    assert 1 == len(standin.requests)


@pytest.mark.parametrize("params", [None, [], [("a", 1)], "", "a=1", 1, True, {"a"}, object()], ids=kind)
def test_params_that_are_no_dict_are_refused(params: Any, twin: Any, exchange: Any, standin: Standin) -> None:
    """`params` that are not a dict are a BadRequest before a byte is sent, and certainly nothing was canceled."""
    standin.script(OK)

    error = failure_of(twin, exchange, params)

    assert ccxt.BadRequest is type(error)
    assert (None, False) == (error.cancel_failure.code, error.cancel_failure.may_be_canceled)
    assert [] == standin.requests


@pytest.mark.parametrize(
    ("params", "body"),
    [
        ({}, b""),
        ({"tag": "x"}, b'{"tag":"x"}'),
        ({"maxRetriesOnFailure": 3}, b""),
        ({"tag": "x", "maxRetriesOnFailure": 3, "maxRetriesOnFailureDelay": 1000}, b'{"tag":"x"}'),
    ],
)
def test_params_go_to_okx_and_ccxt_s_own_do_not(
    params: dict[str, Any], body: bytes, twin: Any, exchange: Any, standin: Standin
) -> None:
    """The body has what OKX must see and not what ccxt must see, and the caller's dict is unchanged."""
    standin.script(OK)
    before = dict(params)

    twin.cancel(exchange, params)

    assert [body] == [request.body for request in standin.requests]
    assert before == params


def retry_by_params(exchange: Any) -> dict[str, Any]:
    return {"maxRetriesOnFailure": 3}


def retry_by_options(exchange: Any) -> dict[str, Any]:
    exchange.options["maxRetriesOnFailure"] = 3
    return {}


def retry_by_options_of_the_path(exchange: Any) -> dict[str, Any]:
    exchange.options["rfq/cancel-all-rfqs"] = {"maxRetriesOnFailure": 3}
    return {}


@pytest.mark.parametrize("asked", [retry_by_params, retry_by_options, retry_by_options_of_the_path])
@pytest.mark.parametrize("step", [LOST, reset(), reply(429, failed("50011"))], ids=["502", "reset", "rate limit"])
def test_ccxt_does_not_retry_below(asked: Any, step: Step, twin: Any, standin: Standin, clock: Any) -> None:
    """`maxRetriesOnFailure`, wherever it is set, makes ccxt send nothing a second time."""
    exchange = aimed(twin, standin, clock, deadline=0)
    standin.script(step, OK)

    error = failure_of(twin, exchange, asked(exchange))

    assert 1 == error.cancel_failure.attempts
    assert [b""] == [request.body for request in standin.requests]


class BrokenSession:
    """A user's HTTP session that raises instead of sending, each time."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.asked = 0
        self.cookies: set[str] = set()
        self.headers: dict[str, str] = {}

    def request(self, *args: Any, **kwargs: Any) -> Any:
        self.asked += 1
        raise self.error

    post = request

    def close(self) -> None:
        pass


def broken(exchange: Any, error: BaseException) -> BrokenSession:
    """Give the exchange a session that raises."""
    if not exchange.synchronous:
        exchange.own_session = False
    exchange.session = BrokenSession(error)
    return exchange.session


class DeskError(Exception):
    """Errors that a desk's own session may raise."""


FOREIGN = [(ValueError, "a cassette holds no such request"), (RuntimeError, "Event loop is closed"), (DeskError, 1, 2)]
STOPS = [(KeyboardInterrupt,), (SystemExit, 3), (asyncio.CancelledError,)]


@pytest.mark.parametrize(("kind", "args"), [(kind, args) for kind, *args in FOREIGN + STOPS])
def test_an_exception_of_others_passes_through(
    kind: type[BaseException], args: list[Any], twin: Any, exchange: Any, clock: Any
) -> None:
    """Errors that are not ccxt's are never swallowed, changed or retried; they get the facts and a note."""
    foreign = kind(*args)
    session = broken(exchange, foreign)
    seen: list[BaseException] = []

    def caught_within() -> Any:
        if twin.synchronous:
            return exchange.cancel_all_rfqs()

        async def on_the_task() -> Any:
            try:
                return await exchange.cancel_all_rfqs()
            except BaseException as error:  # a task may make a new CancelledError from it further out
                seen.append(error)
                raise

        return on_the_task()

    with pytest.raises(kind) as caught:
        twin.run(exchange, caught_within)

    error: Any = seen[0] if seen else caught.value
    failure = error.cancel_failure
    assert foreign is error
    assert args == list(error.args)
    assert (None, 1, True) == (
        failure.code,
        failure.attempts,
        failure.may_be_canceled,
    )
    (note,) = error.__notes__
    assert kind.__name__ in note
    assert (1, []) == (session.asked, clock.waits)


@only_async
def test_a_task_that_is_cancelled_stops_at_once(twin: Any, standin: Standin, clock: Any) -> None:
    """Canceling the task while its request is on the wire sends nothing more, and RFQs may have been canceled."""
    exchange = aimed(twin, standin, clock)
    seen: list[Any] = []

    async def desk() -> None:
        task = asyncio.ensure_future(cancel())
        loop = asyncio.get_running_loop()
        standin.script(hang().while_on_the_wire(lambda: loop.call_soon_threadsafe(task.cancel)), OK)
        await task

    async def cancel() -> None:
        try:
            await exchange.cancel_all_rfqs()
        except asyncio.CancelledError as error:
            seen.append(error)
            raise

    with pytest.raises(asyncio.CancelledError):
        twin.run(exchange, desk)

    assert (1, True) == (seen[0].cancel_failure.attempts, seen[0].cancel_failure.may_be_canceled)
    assert 1 == len(standin.requests)


@only_async
def test_a_task_that_is_cancelled_while_it_waits_stops_at_once(
    twin: Any, standin: Standin, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Canceled between two attempts, it sends no second one; the first was refused, so nothing was canceled."""

    async def interrupted(seconds: float, waker: Any) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(clock, "asleep", interrupted)
    exchange = aimed(twin, standin, clock)
    standin.script(reply(429, failed("50011")), OK)
    seen: list[Any] = []

    async def cancel() -> None:
        try:
            await exchange.cancel_all_rfqs()
        except asyncio.CancelledError as error:
            seen.append(error)
            raise

    with pytest.raises(asyncio.CancelledError):
        twin.run(exchange, cancel)

    assert (1, False) == (seen[0].cancel_failure.attempts, seen[0].cancel_failure.may_be_canceled)
    assert 1 == len(standin.requests)


@only_sync
def test_ctrl_c_while_it_waits_stops_at_once(
    twin: Any, standin: Standin, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl+C between two attempts sends no second one, and remembers that the first was lost."""

    def interrupted(seconds: float, waker: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(clock, "sleep", interrupted)
    standin.script(LOST, OK)

    with pytest.raises(KeyboardInterrupt) as caught:
        twin.cancel(aimed(twin, standin, clock))

    failure = caught.value.cancel_failure  # type: ignore[attr-defined]  # the package puts it there
    assert (1, True) == (failure.attempts, failure.may_be_canceled)
    assert 1 == len(standin.requests)


KEY, SECRET = "7d1c2a52-echo-4c1e-key", "0123456789ABCDEF0123456789ABCDEF"
PLAIN, AWKWARD = "Passphrase-1234!", 'Pa"ss\\word/<1>&'


def all_headers(request: Request) -> str:
    return json.dumps({**request.headers, "SECRET": SECRET})


def signature(request: Request) -> str:
    return request.headers.get("OK-ACCESS-SIGN", "")


def passphrase_of(request: Request) -> str:
    return request.headers.get("OK-ACCESS-PASSPHRASE", "")


# Places where a server may quote something: HTTP status, content type, the body.
ECHOES: dict[str, tuple[int, str, Callable[[str], Any]]] = {
    "a page": (502, "text/html", lambda words: f"<pre>{words}</pre>"),
    "an escaped page": (502, "text/html", lambda words: f"<pre>{html.escape(words)}</pre>"),
    "a page under 200": (200, "text/html", lambda words: f"<pre>{words}</pre>"),
    "JSON of no code": (200, "application/json", lambda words: {"sent": words}),
    "the message of a rejection": (
        401,
        "application/json",
        lambda words: {"code": "50113", "msg": f"Invalid: {words}"},
    ),
    "a field of a rejection": (401, "application/json", lambda words: {"code": "50113", "msg": "", "sent": words}),
    "the message of a rate limit": (429, "application/json", lambda words: {"code": "50011", "msg": words}),
    "the message of a success": (200, "application/json", lambda words: {"code": "2", "msg": words}),
    "the message of a row": (
        200,
        "application/json",
        lambda words: {"code": "1", "data": [{"sCode": "51000", "sMsg": words}]},
    ),
    "a row's code": (200, "application/json", lambda words: {"code": "1", "data": [{"sCode": words}]}),
    "the code": (200, "application/json", lambda words: {"code": words}),
    "a wrong clock": (401, "application/json", lambda words: {"code": "50102", "msg": words}),
}


def secrets(standin: Standin, passphrase: str) -> set[str]:
    """Secrets: key, secret, passphrase, signatures, however they are escaped."""
    bare = {KEY, SECRET, passphrase} | {signature(request) or KEY for request in standin.requests}
    escaped = {json.dumps(secret)[1:-1] for secret in bare} | {html.escape(secret) for secret in bare}
    return bare | escaped | {repr(secret)[1:-1] for secret in bare}


def all_words(error: BaseException, caplog: pytest.LogCaptureFixture) -> str:
    """Everything that a desk could print of an exception, and what the package has logged."""
    told = ["".join(traceback.format_exception(error)), str(error), repr(error), repr(error.args)]
    told += [repr(getattr(error, "cancel_failure", None)), repr(getattr(error, "__notes__", None))]
    own = [record for record in caplog.records if record.name.startswith("okx_rfq_plugin")]
    told += [logging.Formatter().format(record) + repr(record.args) for record in own]
    return "\n".join(told)


@pytest.mark.parametrize(
    ("quoted", "passphrase"),
    [(all_headers, PLAIN), (signature, PLAIN), (passphrase_of, PLAIN), (passphrase_of, AWKWARD)],
)
@pytest.mark.parametrize(("status", "content_type", "body"), ECHOES.values(), ids=ECHOES)
@pytest.mark.thinned
def test_no_secret_is_told_though_the_server_does(
    status: int,
    content_type: str,
    body: Callable[[str], Any],
    quoted: Callable[[Request], str],
    passphrase: str,
    twin: Any,
    standin: Standin,
    clock: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """If a server or proxy quotes the request's headers, no secret gets into a message, a log or a traceback."""
    exchange = aimed(twin, standin, clock, deadline=DEADLINE)
    exchange.apiKey, exchange.secret, exchange.password = KEY, SECRET, passphrase
    standin.script(echo(status, lambda request: body(quoted(request)), content_type))
    standin.script(reply(500), path="/api/v5/public/time")

    with caplog.at_level(logging.DEBUG, logger="okx_rfq_plugin"):
        error = failure_of(twin, exchange)

    told = all_words(error, caplog)
    assert "okx_rfq_plugin" in {record.name for record in caplog.records}
    assert [] == [secret for secret in secrets(standin, passphrase) if secret in told]


def test_no_secret_of_a_foreign_exception_is_logged(twin: Any, exchange: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Other libraries' exceptions may quote the headers; the package's own messages and logs do not repeat them."""
    exchange.apiKey, exchange.secret, exchange.password = KEY, SECRET, PLAIN
    broken(exchange, ValueError(f"no match for {KEY} {SECRET} {PLAIN}"))

    with caplog.at_level(logging.DEBUG, logger="okx_rfq_plugin"), pytest.raises(ValueError, match="no match") as caught:
        twin.cancel(exchange)

    error: Any = caught.value
    own = [logging.Formatter().format(record) for record in caplog.records if record.name.startswith("okx_rfq_plugin")]
    told = "\n".join([*own, *error.__notes__, repr(error.cancel_failure)])
    assert [] == [secret for secret in (KEY, SECRET, PLAIN) if secret in told]


def test_no_secret_is_logged_on_success(
    twin: Any, exchange: Any, standin: Standin, caplog: pytest.LogCaptureFixture
) -> None:
    """The whole cancel, retries included, logs no secret at any level."""
    exchange.apiKey, exchange.secret, exchange.password = KEY, SECRET, PLAIN
    standin.script(LOST, reply(429, failed("50011")), OK)

    with caplog.at_level(logging.DEBUG, logger="okx_rfq_plugin"):
        twin.cancel(exchange)

    own = [logging.Formatter().format(record) for record in caplog.records if record.name.startswith("okx_rfq_plugin")]
    assert own
    assert [] == [secret for secret in secrets(standin, PLAIN) if any(secret in words for words in own)]


def test_the_exchange_is_as_it_was(twin: Any, exchange: Any, standin: Standin) -> None:
    """A cancel with retries toggles no flag and changes no option."""
    kept = ("enableRateLimit", "timeout", "rateLimit", "apiKey", "secret", "password", "verbose", "has", "urls")
    before = {name: repr(getattr(exchange, name)) for name in kept}
    options = repr(exchange.options)
    standin.script(LOST, reply(429, failed("50011")), OK)

    twin.cancel(exchange)

    assert before == {name: repr(getattr(exchange, name)) for name in kept}
    assert options == repr(exchange.options)
