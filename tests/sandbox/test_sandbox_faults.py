"""Each kind of fault, as seen by a client."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import ccxt
import pytest

from okx_rfq_plugin.sandbox import DROP, Fault, Sandbox

PATH = "rfq/cancel-all-rfqs"
TARGET = "/api/v5/rfq/cancel-all-rfqs"


def until(happened: Callable[[], bool]) -> None:
    """Wait for what another thread does, and fail after five seconds."""
    give_up = time.monotonic() + 5
    while not happened():
        assert time.monotonic() < give_up
        threading.Event().wait(0.001)


@pytest.mark.parametrize("path", [PATH, TARGET])
def test_steps_are_used_up_in_order(sandbox: Sandbox, wire: Any, path: str) -> None:
    """Codes, statuses and bodies come in the order in which they were queued; then everything is as usual."""
    sandbox.fault(path, "50013", 50011, 502)
    sandbox.fault(path, b"<html>hello</html>", '{"code":"0"', "")
    sandbox.create_rfq()

    got = [wire.raw("POST", TARGET) for _ in range(6)]

    assert [429, 429, 502, 200, 200, 200] == [status for status, _ in got]
    assert {"code": "50013", "data": [], "msg": "Systems are busy. Please try again later."} == json.loads(got[0][1])
    assert b"<h1>502 Bad Gateway</h1>" in got[2][1]
    assert [b"<html>hello</html>", b'{"code":"0"', b""] == [body for _, body in got[3:]]
    assert 1 == len(sandbox.rfqs("active"))
    assert "0" == wire.code("POST", PATH)


def test_fault_comes_before_authentication(sandbox: Sandbox, wire: Any) -> None:
    """A fault applies to an unsigned request, and counts against no limit; other paths work as usual."""
    sandbox.fault(PATH, *["50001"] * 3)

    assert [503] * 3 == [wire.raw("POST", TARGET)[0] for _ in range(3)]
    assert "0" == wire.code("GET", "rfq/rfqs")


def test_fault_on_a_path_that_does_not_exist(sandbox: Sandbox, wire: Any) -> None:
    """A fault can answer for an endpoint that the sandbox does not have."""
    sandbox.fault("account/config", Fault(body='{"code":"0","data":[{"uid":"1"}],"msg":""}'))

    assert [{"uid": "1"}] == wire.send("GET", "account/config")[1]["data"]


@pytest.mark.parametrize("lost", [DROP, Fault(drop="before")])
def test_drop_before(sandbox: Sandbox, exchange: Any, lost: Fault) -> None:
    """The connection breaks without a reply, and nothing was executed."""
    sandbox.create_rfq()
    sandbox.fault(PATH, lost)

    with pytest.raises(ccxt.NetworkError):
        exchange.private_post_rfq_cancel_all_rfqs()

    assert 1 == len(sandbox.rfqs("active"))


@pytest.mark.parametrize(
    "lost", [Fault(drop="after"), Fault(code="50004", execute=True), Fault(status=504, execute=True)]
)
def test_lost_reply(sandbox: Sandbox, exchange: Any, lost: Fault) -> None:
    """The request is executed though its reply is lost or replaced: the next one finds nothing to cancel."""
    sandbox.create_rfq()
    sandbox.fault(PATH, lost)

    with pytest.raises(ccxt.NetworkError):
        exchange.private_post_rfq_cancel_all_rfqs()
    with pytest.raises(ccxt.ExchangeError, match="70207"):
        exchange.private_post_rfq_cancel_all_rfqs()

    assert [] == sandbox.rfqs("active")


def test_executed_request_counts(sandbox: Sandbox, wire: Any) -> None:
    """A request executed behind a fault is authenticated and counted like any other."""
    sandbox.fault(PATH, *[Fault(code="50026", execute=True)] * 2)
    for _ in range(2):
        wire.send("POST", PATH)

    assert "50011" == wire.code("POST", PATH)


def test_replies_in_detail(sandbox: Sandbox, wire: Any) -> None:
    """A Fault sets status, body, headers and content type, also on the real reply."""
    sandbox.fault(
        "public/time",
        Fault(code=50011, status=200),
        Fault(status=299, body=b"x", content_type="text/plain", headers={"Retry-After": "7"}),
        Fault(headers={"Set-Cookie": "a=b"}),
        Fault(),
        Fault(status=204),
    )
    connection = http.client.HTTPConnection(sandbox.url.removeprefix("http://"), timeout=5)
    got = []
    for _ in range(5):
        connection.request("GET", "/api/v5/public/time")
        response = connection.getresponse()
        got.append((response.status, dict(response.getheaders()), response.read()))
    connection.close()
    soft, odd, cookie, usual, empty = got

    assert (200, "Rate limit reached. Please refer to API documentation and throttle requests accordingly.") == (
        soft[0],
        json.loads(soft[2])["msg"],
    )
    assert (299, "text/plain", "7", b"x") == (odd[0], odd[1]["Content-Type"], odd[1]["Retry-After"], odd[2])
    assert (200, "a=b", usual[2]) == (cookie[0], cookie[1]["Set-Cookie"], cookie[2])
    assert "application/json" == usual[1]["Content-Type"]
    assert (204, b"") == (empty[0], empty[2])


@pytest.mark.parametrize(
    ("body", "kind"), [(" <html>", "text/html"), (b"<html>", "text/html"), ("{}", "application/json")]
)
def test_content_type_follows_the_body(sandbox: Sandbox, body: Any, kind: str) -> None:
    """A raw body that begins like HTML is sent as HTML, any other as JSON."""
    sandbox.fault("public/time", body)
    connection = http.client.HTTPConnection(sandbox.url.removeprefix("http://"), timeout=5)
    connection.request("GET", "/api/v5/public/time")

    assert kind == connection.getresponse().getheader("Content-Type")
    connection.close()


def test_body_cut_short(sandbox: Sandbox, wire: Any) -> None:
    """A reply that announces more bytes than it has is cut off, and the client notices."""
    sandbox.fault(PATH, Fault(body='{"code":', headers={"Content-Length": "99", "Connection": "close"}))

    with pytest.raises(http.client.IncompleteRead):
        wire.raw("POST", TARGET)


def test_delay_then_as_usual(sandbox: Sandbox, wire: Any) -> None:
    """A delay passes in real time, then the request is handled as usual."""
    sandbox.create_rfq()
    sandbox.fault(PATH, 0.05)

    before = time.monotonic()
    code = wire.code("POST", PATH)

    assert "0" == code
    assert 0.05 <= time.monotonic() - before


def test_client_that_gave_up_is_served_all_the_same(sandbox: Sandbox, exchange: Any) -> None:
    """A client's timeout does not undo its request: it is executed when the delay is over."""
    sandbox.create_rfq()
    sandbox.fault(PATH, 0.1)
    exchange.timeout = 20

    with pytest.raises(ccxt.RequestTimeout):
        exchange.private_post_rfq_cancel_all_rfqs()
    still_active = len(sandbox.rfqs("active"))
    until(lambda: not sandbox.rfqs("active"))

    assert 1 == still_active


def test_drop_after_the_client_has_gone(sandbox: Sandbox, wire: Any) -> None:
    """Dropping a connection that is already gone is harmless."""
    sandbox.fault(PATH, Fault(delay=0.02, drop="before"), 0.05)
    connection = http.client.HTTPConnection(sandbox.url.removeprefix("http://"), timeout=5)
    connection.request("POST", TARGET)
    connection.close()
    until(lambda: len(sandbox.requests) == 1)

    assert "70207" == wire.code("POST", PATH)


def test_late_reply_is_of_what_was_done_at_once(sandbox: Sandbox, wire: Any, exchange: Any) -> None:
    """The request is executed first and answered later; a client that does not wait has still canceled."""
    sandbox.create_rfq()
    sandbox.fault(PATH, Fault(late=3600.0), Fault(late=0.05))
    exchange.timeout = 200

    with pytest.raises(ccxt.RequestTimeout):
        exchange.private_post_rfq_cancel_all_rfqs()
    until(lambda: not sandbox.rfqs("active"))
    before = time.monotonic()

    assert "70207" == wire.code("POST", PATH)
    assert 0.05 <= time.monotonic() - before


def test_close_does_not_wait_for_a_delay(exchange: Any, sandbox: Sandbox) -> None:
    """A sandbox closes immediately even while a client hangs in an hour's delay; the client's connection breaks."""
    sandbox.fault(PATH, 3600.0)
    errors: list[Exception] = []

    def hang() -> None:
        try:
            exchange.private_post_rfq_cancel_all_rfqs()
        except ccxt.NetworkError as error:
            errors.append(error)

    client = threading.Thread(target=hang)
    client.start()
    until(lambda: len(sandbox.requests) == 1)
    before = time.monotonic()
    sandbox.close()
    took = time.monotonic() - before
    client.join(5)

    assert 1.0 > took
    assert 1 == len(errors)


@pytest.mark.parametrize(
    ("step", "error", "text"),
    [
        (None, TypeError, "a step is an OKX code"),
        (True, TypeError, "a step is an OKX code"),
        (["50011"], TypeError, "a step is an OKX code"),
        (99, ValueError, "HTTP status from 200 to 599, not 99"),
        (600, ValueError, "HTTP status from 200 to 599, not 600"),
        (-1.0, ValueError, "finite number of seconds, 0 or more, not -1.0"),
        (float("inf"), ValueError, "finite number of seconds, 0 or more, not inf"),
        (float("nan"), ValueError, "finite number of seconds, 0 or more, not nan"),
    ],
)
def test_wrong_step(sandbox: Sandbox, wire: Any, step: Any, error: type[Exception], text: str) -> None:
    """An invalid step is refused at once with a clear message, and the other steps are not queued either."""
    with pytest.raises(error, match=text):
        sandbox.fault("public/time", 502, step)

    assert 200 == wire.raw("GET", "/api/v5/public/time")[0]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"code": "busy"}, "string of digits"),
        ({"code": 404}, "int of 1000 or more"),
        ({"code": True}, "string of digits"),
        ({"status": 199}, "200 to 599"),
        ({"status": "502"}, "200 to 599"),
        ({"body": 5}, "body is str or bytes"),
        ({"delay": "1"}, "finite number of seconds"),
        ({"delay": True}, "finite number of seconds"),
        ({"late": -1}, "finite number of seconds"),
        ({"drop": "now"}, "before"),
        ({"code": "50011", "body": "x"}, "not both"),
        ({"drop": "after", "status": 502}, "has no reply"),
        ({"drop": "before", "headers": {"A": "b"}}, "has no reply"),
        ({"drop": "before", "execute": True}, "not executed"),
        ({"headers": {"A": "b\nc"}}, "line breaks"),
        ({"headers": {"A": 1}}, "strings"),
        ({"content_type": "a\rb"}, "line breaks"),
    ],
)
def test_wrong_fault(fields: dict[str, Any], text: str) -> None:
    """A Fault that contradicts itself cannot be created."""
    with pytest.raises((TypeError, ValueError), match=text):
        Fault(**fields)


@pytest.mark.parametrize(("path", "steps"), [("", ["50011"]), (None, ["50011"]), (PATH, [])])
def test_fault_without_a_path_or_a_step(sandbox: Sandbox, path: Any, steps: list[str]) -> None:
    """A fault needs a path and at least one step."""
    with pytest.raises((TypeError, ValueError), match=r"path|step"):
        sandbox.fault(path, *steps)
