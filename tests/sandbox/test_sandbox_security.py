"""What clients cannot make the sandbox do: be reached from outside, reveal secrets or internals, or grow forever."""

from __future__ import annotations

import gzip
import hmac
import logging
import socket
from typing import Any

import pytest

from okx_rfq_plugin.sandbox import Fault, Sandbox
from okx_rfq_plugin.sandbox.limits import FORGET_AT, Limit, SlidingLog

TIME = b"/api/v5/public/time"
LEG = {"instId": "BTC-USDT", "side": "buy", "sz": "1"}


def say(sandbox: Sandbox, sent: bytes) -> bytes:
    """Send arbitrary bytes, and return the answer until the sandbox closes the connection."""
    host, _, port = sandbox.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(sent)
        answered = b""
        while part := client.recv(65536):
            answered += part
        return answered


# Access


def test_it_listens_on_loopback_alone(sandbox: Sandbox) -> None:
    """Another address of the same machine, even the next one, has no listener on that port."""
    port = int(sandbox.url.rpartition(":")[2])

    assert sandbox.url.startswith("http://127.0.0.1:")
    with pytest.raises(OSError):  # noqa: PT011 - refused here, unreachable on a system that has the one address only
        socket.create_connection(("127.0.0.2", port), timeout=1)


def test_it_listens_elsewhere_when_told_to(new_wire: Any) -> None:
    """The requested address is the one it has."""
    with Sandbox(host="localhost") as sandbox:
        assert sandbox.url.startswith("http://localhost:")
        assert 200 == new_wire(sandbox).raw("GET", "/api/v5/public/time")[0]


# Disclosure


@pytest.mark.parametrize("wrong", ["OK_ACCESS_SIGN", "OK_ACCESS_PASSPHRASE"])
def test_secrets_are_compared_in_constant_time(wire: Any, monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    """Only `hmac.compare_digest` judges signature and passphrase: if it is patched to accept, any is right."""
    before = wire.code("GET", "rfq/rfqs", **{wrong: "wrong"})
    monkeypatch.setattr(hmac, "compare_digest", lambda expected, given: True)

    assert before in ("50105", "50113")
    assert "0" == wire.code("GET", "rfq/rfqs", **{wrong: "wrong"})


def test_nothing_secret_is_shown(
    sandbox: Sandbox, exchange: Any, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither a repr, the log at DEBUG nor the terminal contains a secret or a passphrase."""
    with caplog.at_level(logging.DEBUG, logger="okx_rfq_plugin.sandbox"):
        exchange.private_get_rfq_rfqs()
    records = [record.getMessage() for record in caplog.records if record.name == "okx_rfq_plugin.sandbox"]
    shown = "".join([repr(sandbox), repr(sandbox.requests), *records, *capfd.readouterr(), *map(repr, vars(sandbox))])

    assert ["GET /api/v5/rfq/rfqs: HTTP 200"] == records
    assert f"<Sandbox {sandbox.url}>" == repr(sandbox)
    assert "headers" not in repr(sandbox.requests)
    for name in ("secret", "password"):
        assert sandbox.credentials[name] not in shown


def test_keys_learn_nothing_of_each_other(
    sandbox: Sandbox, wire: Any, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Two users send valid and invalid requests, and no reply or log contains a key, secret or signature."""
    maker = sandbox.create_user(trader_code="MAKER")
    sent = {"counterparties": ["MAKER"], "legs": [LEG]}
    texts: list[str] = []

    def call(method: str, path: str, body: object = None, **changed: Any) -> Any:
        status, answered = wire.send(method, path, body, **changed)
        texts.append(f"{status} {answered}")
        return (answered.get("data") or [{}])[0]

    with caplog.at_level(logging.DEBUG):
        rfq = call("POST", "rfq/create-rfq", sent)
        quote = {"rfqId": rfq["rfqId"], "quoteSide": "buy", "legs": [{**LEG, "px": "1"}]}
        call("POST", "rfq/create-quote", quote, credentials=maker)
        for key in (sandbox.credentials, maker):
            for path in ("rfq/rfqs", "rfq/quotes", "rfq/counterparties", "account/config"):
                call("GET", path, credentials=key)
            for path in ("rfq/cancel-all-quotes", "rfq/cancel-all-rfqs"):
                call("POST", path, credentials=key)
            for header in ("OK_ACCESS_KEY", "OK_ACCESS_PASSPHRASE", "OK_ACCESS_SIGN"):
                call("GET", "rfq/rfqs", credentials=key, **{header: "wrong"})
        sandbox.fault("rfq/rfqs", "50113", Fault(code="50026", execute=True))
        for _ in range(2):
            call("GET", "rfq/rfqs")
    assert len(texts) == len(caplog.records)
    texts += [caplog.text, *capfd.readouterr(), repr(sandbox.requests)]

    everything = "\n".join(texts)
    assert [] == [value for key in (sandbox.credentials, maker) for value in key.values() if value in everything]


def test_what_is_malformed_is_not_printed(
    sandbox: Sandbox, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Invalid HTTP gets 400, and neither the terminal nor the log shows it."""
    host, _, port = sandbox.url.removeprefix("http://").partition(":")
    with caplog.at_level(logging.DEBUG), socket.create_connection((host, int(port))) as client:
        client.sendall(b"OK-ACCESS-PASSPHRASE: hush\r\n\r\n")
        answered = client.recv(1000)

    assert b"400 Bad Request" in answered
    assert "" == "".join(capfd.readouterr())
    assert "hush" not in caplog.text


def test_inner_failure_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture, new_wire: Any) -> None:
    """Whatever breaks inside, a client gets only 50026, and the log has the rest."""
    with Sandbox(clock=lambda: 1 / 0) as sandbox:
        status, answered = new_wire(sandbox).raw("GET", "/api/v5/public/time")

    assert (500, b'{"code":"50026","data":[],"msg":"System error. Try again later"}') == (status, answered)
    (record,) = caplog.records
    assert ("okx_rfq_plugin.sandbox", "ERROR") == (record.name, record.levelname)
    assert "GET /api/v5/public/time: the sandbox failed" == record.getMessage()
    assert "ZeroDivisionError" in caplog.text


def test_failure_while_answering_is_an_inner_failure_too(
    sandbox: Sandbox, wire: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A full book is not reported to clients, and the next request is served as usual."""
    for _ in range(10_000):
        sandbox.create_rfq()

    assert "50026" == wire.code("POST", "rfq/create-rfq", {"counterparties": ["WAGMI"], "legs": [LEG]})
    assert "10,000 active RFQs" in caplog.text
    assert "0" == wire.code("POST", "rfq/cancel-all-rfqs")


@pytest.mark.parametrize(
    "head",
    [
        b"GET " + TIME + b"?" + b"a" * 8_192 + b" HTTP/1.1\r\nHost: x",
        b"GET " + TIME + b" HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 8_192,
        b"GET " + TIME + b" HTTP/1.1\r\nHost: x" + b"".join(b"\r\nX-%d: a" % n for n in range(200)),
        b"GET " + TIME + b"\xff HTTP/1.1\r\nHost: x",
        b"POST " + TIME + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz",
    ],
    ids=["query", "header", "headers", "bytes", "chunks"],
)
def test_what_is_too_long_or_no_http_is_refused(sandbox: Sandbox, head: bytes) -> None:
    """An oversized query or header, or too many headers, get 400, no traceback, and are not stored."""
    answered = say(sandbox, head + b"\r\n\r\n")

    assert b"400 Bad Request" in answered
    assert b"Traceback" not in answered
    assert [] == sandbox.requests


# Storage


def test_body_is_bounded(sandbox: Sandbox, wire: Any) -> None:
    """A body of more than a mebibyte is refused with HTTP 413, even if it was smaller when compressed."""
    body, packed = b" " * (1024**2 + 1), gzip.compress(b" " * (1024**2 + 1))

    assert 413 == wire.raw("POST", "/api/v5/rfq/create-rfq", body)[0]
    assert 413 == wire.raw("POST", "/api/v5/rfq/create-rfq", packed, {"Content-Encoding": "gzip"})[0]
    assert [] == sandbox.requests


def test_value_is_bounded(sandbox: Sandbox, wire: Any) -> None:
    """No value of more than 128 characters, and no counterparty more than once, gets into a book."""
    long = {"counterparties": ["WAGMI"], "legs": [{**LEG, "sz": "1" * 129}]}
    often = {"counterparties": ["WAGMI"] * 2, "legs": [LEG]}

    codes = [wire.code("POST", "rfq/create-rfq", sent) for sent in (long, often)]

    assert ["51000", "70107"] == codes
    assert [] == sandbox.rfqs()


def test_book_is_bounded(sandbox: Sandbox, clock: Any) -> None:
    """Beyond ten thousand, the oldest finished RFQ is dropped with its name; active ones never are."""
    sandbox.create_rfq(clRfqId="first")
    for _ in range(9_999):
        sandbox.create_rfq()
    with pytest.raises(OverflowError, match="10,000 active RFQs"):
        sandbox.create_rfq()
    clock.advance(120)

    sandbox.create_rfq()
    sandbox.create_rfq(clRfqId="first")

    assert 10_000 == len(sandbox.rfqs())


def test_book_of_quotes_is_bounded(sandbox: Sandbox, clock: Any) -> None:
    """The same applies to quotes."""
    rfq = sandbox.create_rfq(credentials=sandbox.create_user(), counterparties=["SANDBOX1"])
    for _ in range(10_001):
        sandbox.create_quote(rfq["rfqId"])

    assert 10_000 == len(sandbox.quotes())
    assert 1 == len(sandbox.quotes("active"))


def test_requests_are_bounded_in_number(sandbox: Sandbox, exchange: Any) -> None:
    """Beyond ten thousand, the oldest is dropped."""
    url = f"{sandbox.url}/api/v5/public/time"
    for n in range(3):
        exchange.session.get(f"{url}?n={n}", timeout=5)
    for _ in range(2):
        sandbox._front.requests._requests.extendleft(sandbox.requests[:1] * 4_999)  # 9,998 older ones, cheaply

    exchange.session.get(f"{url}?n=3", timeout=5)

    assert 10_000 == len(sandbox.requests)
    assert ["n=0", "n=1", "n=2", "n=3"] == [each.query for each in sandbox.requests[-4:]]


def test_requests_are_bounded_in_bytes(sandbox: Sandbox, exchange: Any) -> None:
    """Large ones are dropped sooner: never more than 64 MiB are kept."""
    body = b"a" * 1024**2
    for n in range(70):
        exchange.session.post(f"{sandbox.url}/api/v5/rfq/create-rfq?n={n}", body, timeout=5)

    assert 63 == len(sandbox.requests)
    assert "n=69" == sandbox.requests[-1].query


def test_limits_forget_whom_they_need_not_remember() -> None:
    """Of very many callers, only those with requests within the window are kept, and they are still limited."""
    log, twice = SlidingLog(rejections_count=False), (Limit(2, 2.0),)
    for caller in ["lately", "lately", *range(FORGET_AT - 1)]:
        log.admit(caller, twice, 1.5 if caller == "lately" else 0.0)

    assert log.admit("now", twice, 3.0)
    assert 2 == len(log._logs)
    assert not log.admit("lately", twice, 3.0)
