"""Scripted replies, and which of them and of the faults were never used."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from okx_rfq_plugin.sandbox import DROP, Fault, Request, Sandbox

BILLS = "account/bills"


def body(*rows: dict[str, str]) -> dict[str, Any]:
    return {"code": "0", "msg": "", "data": [*rows]}


def test_reply_without_end(sandbox: Sandbox, wire: Any) -> None:
    """It answers every request to the path, whatever its query and method."""
    sandbox.reply(BILLS, body({"billId": "1"}))

    answers = [
        wire.send(method, path) for method, path in [("GET", BILLS), ("GET", f"{BILLS}?limit=1"), ("POST", BILLS)]
    ]

    assert [(200, body({"billId": "1"}))] * 3 == answers
    assert [BILLS] * 3 == [request.path.removeprefix("/api/v5/") for request in sandbox.requests]


def test_reply_to_a_ccxt_call(exchange: Any, sandbox: Sandbox) -> None:
    """It makes a ccxt call work that the sandbox does not serve."""
    sandbox.reply("market/ticker", body({"instId": "BTC-USDT", "last": "100000", "ts": "1795600000000"}))

    assert 100_000 == exchange.fetch_ticker("BTC/USDT")["last"]


def test_replies_with_a_number_come_first_and_in_order(sandbox: Sandbox, wire: Any) -> None:
    """Then the latest one without a number."""
    sandbox.reply(BILLS, body({"n": "old"}))
    sandbox.reply(BILLS, body({"n": "1"}), times=2)
    sandbox.reply(BILLS, body({"n": "2"}), 1)
    sandbox.reply(BILLS, body({"n": "3"}))

    assert ["1", "1", "2", "3", "3"] == [wire.send("GET", BILLS)[1]["data"][0]["n"] for _ in range(5)]


def test_reply_that_is_used_up_leaves_the_sandbox_to_answer(sandbox: Sandbox, wire: Any) -> None:
    """A scripted request is not executed, and later ones are."""
    sandbox.create_rfq()
    sandbox.reply("rfq/cancel-all-rfqs", body({"ts": "1"}), times=1)

    scripted = wire.send("POST", "rfq/cancel-all-rfqs")
    states = [rfq["state"] for rfq in sandbox.rfqs()]
    real = wire.code("POST", "rfq/cancel-all-rfqs")

    assert ((200, body({"ts": "1"})), ["active"]) == (scripted, states)
    assert ("0", ["canceled"]) == (real, [rfq["state"] for rfq in sandbox.rfqs()])


def test_reply_checks_and_counts_nothing(sandbox: Sandbox, wire: Any) -> None:
    """Neither key nor limit is checked first."""
    sandbox.reply("rfq/rfqs", body())

    assert {200} == {wire.raw("GET", "/api/v5/rfq/rfqs")[0] for _ in range(5)}


def test_reply_of_a_function(sandbox: Sandbox, wire: Any) -> None:
    """It is called with the request."""

    def answer(request: Request) -> Any:
        return body({"asked": request.query})

    sandbox.reply(BILLS, answer)

    assert [{"asked": "ccy=BTC"}] == wire.send("GET", f"{BILLS}?ccy=BTC")[1]["data"]


def test_reply_of_a_function_that_fails(sandbox: Sandbox, wire: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The log says so, and the client gets 50026."""
    sandbox.reply(BILLS, lambda request: 1 / 0)

    assert "50026" == wire.code("GET", BILLS)
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("json", [None, [], "x", 1.5, {"code": 0, "data": None}])
def test_reply_of_anything_that_json_has(sandbox: Sandbox, wire: Any, json: Any) -> None:
    """Including values that OKX would never send."""
    sandbox.reply(BILLS, json, status=503)

    assert (503, json) == wire.send("GET", BILLS)


def test_faults_come_before_replies(sandbox: Sandbox, wire: Any) -> None:
    """A fault that replaces a reply leaves it to the next request; one that only delays does not."""
    sandbox.reply(BILLS, body({"n": "1"}), times=1)
    sandbox.fault(BILLS, "50011", Fault(headers={"X-Late": "1"}))

    assert ["50011", "0", "404"] == [wire.code("GET", BILLS) for _ in range(3)]


@pytest.mark.parametrize(
    ("arguments", "keywords", "error"),
    [
        (("", {}), {}, TypeError),
        ((None, {}), {}, TypeError),
        (("rfq/rfqs?state=active", {}), {}, ValueError),
        (("http://127.0.0.1/api/v5/rfq/rfqs", {}), {}, ValueError),
        (("rfq/rfqs ", {}), {}, ValueError),
        (("rfq/rfqs", {}), {"times": 0}, ValueError),
        (("rfq/rfqs", {}), {"times": True}, ValueError),
        (("rfq/rfqs", {}), {"times": 1.5}, ValueError),
        (("rfq/rfqs", {}), {"status": 100}, ValueError),
        (("rfq/rfqs", {}), {"status": "200"}, ValueError),
        (("rfq/rfqs", {"a": object()}), {}, TypeError),
    ],
)
def test_what_cannot_be_scripted_is_refused(sandbox: Sandbox, arguments: Any, keywords: Any, error: Any) -> None:
    """And none of it is stored."""
    with pytest.raises(error):
        sandbox.reply(*arguments, **keywords)

    assert [] == sandbox.unused


@pytest.mark.parametrize("path", [BILLS, f"/api/v5/{BILLS}", f"api/v5/{BILLS}"])
def test_path_in_each_of_its_forms(sandbox: Sandbox, wire: Any, path: str) -> None:
    """With and without the prefix, and with half of it."""
    sandbox.reply(path, body())
    sandbox.fault(path, "50011")

    assert ["50011", "0"] == [wire.code("GET", BILLS) for _ in range(2)]


def test_what_was_never_used(sandbox: Sandbox, wire: Any) -> None:
    """Each fault still queued, and each reply still expected by a request."""
    sandbox.fault("rfq/rfqs", "50011", DROP)
    sandbox.fault("rfq/cancel-all-rfq", 502)
    sandbox.reply(BILLS, body(), times=3)
    sandbox.reply("account/bill", body(), status=503)
    sandbox.reply("market/ticker", body())

    for path in ("rfq/rfqs", BILLS, "market/ticker"):
        wire.send("GET", path)

    assert [
        "fault for /api/v5/rfq/rfqs: Fault(drop='before')",
        "fault for /api/v5/rfq/cancel-all-rfq: Fault(status=502)",
        "reply for /api/v5/account/bills: HTTP 200, 2 more times",
        "reply for /api/v5/account/bill: HTTP 503",
    ] == sandbox.unused


def test_a_reply_that_is_left_once(sandbox: Sandbox) -> None:
    """The message says so."""
    sandbox.reply(BILLS, body(), times=1)

    assert ["reply for /api/v5/account/bills: HTTP 200, once more"] == sandbox.unused


@pytest.mark.parametrize("clear", [Sandbox.clear, Sandbox.begin])
def test_nothing_is_left_of_what_was_cleared(sandbox: Sandbox, wire: Any, clear: Any) -> None:
    """Scripts and faults are cleared with the books."""
    sandbox.reply(BILLS, body())
    sandbox.reply(BILLS, body(), times=1)
    sandbox.fault(BILLS, "50011")

    clear(sandbox)

    assert [] == sandbox.unused
    assert "404" == wire.code("GET", BILLS)


def test_the_text_of_ccxt_says_what_the_sandbox_is(exchange: Any) -> None:
    """The exception from ccxt says what to do when a path is not served."""
    with pytest.raises(ccxt.ExchangeError, match=r"sandbox of okx-rfq-plugin.*sandbox\.reply\(") as raised:
        exchange.fetch_order_book("BTC/USDT")

    assert "market/books" in str(raised.value)
