"""Requirements for a signed request, mistake by mistake."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from okx_rfq_plugin.sandbox import Sandbox

# Code, OKX's text, what the request does wrong.
MISTAKES: list[tuple[str, str, dict[str, Any]]] = [
    ("50103", 'Request header "OK-ACCESS-KEY" cannot be empty.', {"without": "OK-ACCESS-KEY"}),
    ("50103", 'Request header "OK-ACCESS-KEY" cannot be empty.', {"OK_ACCESS_KEY": ""}),
    ("50104", 'Request header "OK-ACCESS-PASSPHRASE" cannot be empty.', {"without": "OK-ACCESS-PASSPHRASE"}),
    ("50106", 'Request header "OK-ACCESS-SIGN" cannot be empty.', {"without": "OK-ACCESS-SIGN"}),
    ("50107", 'Request header "OK-ACCESS-TIMESTAMP" cannot be empty.', {"without": "OK-ACCESS-TIMESTAMP"}),
    ("50112", "Invalid OK-ACCESS-TIMESTAMP.", {"stamp": "1700000000.000"}),
    ("50112", "Invalid OK-ACCESS-TIMESTAMP.", {"stamp": "2026-13-01T00:00:00.000Z"}),
    ("50102", "Timestamp request expired.", {"stamp": "2020-12-08T09:08:57.715Z"}),
    ("50102", "Timestamp request expired.", {"stamp": "2099-12-08T09:08:57Z"}),
    ("50111", "Invalid OK-ACCESS-KEY", {"OK_ACCESS_KEY": "nobody"}),
    ("50119", "API key doesn't exist", {"OK_ACCESS_KEY": "00000000-0000-4000-8000-000000000000"}),
    ("50119", "API key doesn't exist", {"OK_ACCESS_KEY": "ABCDEF00-0000-4000-8000-000000000000"}),
    ("50101", "APIKey does not match current environment.", {"without": "x-simulated-trading"}),
    ("50101", "APIKey does not match current environment.", {"x_simulated_trading": "0"}),
    ("50105", 'Request header "OK-ACCESS-PASSPHRASE" incorrect.', {"OK_ACCESS_PASSPHRASE": "wrong"}),
    ("50105", 'Request header "OK-ACCESS-PASSPHRASE" incorrect.', {"OK_ACCESS_PASSPHRASE": "schl\u00fcssel"}),
    ("50113", "Invalid Sign", {"OK_ACCESS_SIGN": "wrong"}),
]


@pytest.mark.parametrize(("code", "text", "mistake"), MISTAKES)
def test_mistake_gets_its_code(wire: Any, code: str, text: str, mistake: dict[str, str]) -> None:
    """Each mistake gets OKX's code and text, with HTTP 401 and without `data`, as seen from OKX's gateway."""
    status, body = wire.send("POST", "rfq/cancel-all-rfqs", **mistake)

    assert (401, {"msg": text, "code": code}) == (status, body)


@pytest.mark.parametrize("seconds", [-31, 31])
def test_clock_off_by_more_than_30_seconds(exchange: Any, clock: Any, seconds: float) -> None:
    """A ccxt object with a wrong clock raises InvalidNonce, in either direction."""
    clock.advance(seconds)

    with pytest.raises(ccxt.InvalidNonce, match="50102"):
        exchange.private_get_rfq_rfqs()


def test_clock_off_by_30_seconds(wire: Any, clock: Any) -> None:
    """Thirty seconds are still valid, with or without a fraction in the timestamp."""
    clock.now = 1_700_000_030.0

    assert "0" == wire.code("GET", "rfq/rfqs", stamp="2023-11-14T22:13:20.000Z")
    assert "0" == wire.code("GET", "rfq/rfqs", stamp="2023-11-14T22:14:20Z")


def test_live_key_in_demo_trading(sandbox: Sandbox, wire: Any) -> None:
    """A live key with the demo header gets 50101, and is valid without it."""
    live = sandbox.create_user(demo=False)

    assert "50101" == wire.code("GET", "rfq/rfqs", credentials=live)
    assert "0" == wire.code("GET", "rfq/rfqs", credentials=live, without="x-simulated-trading")


def test_ip_that_is_not_allowed(sandbox: Sandbox, wire: Any) -> None:
    """A key whose whitelist has other addresses gets 50110, with the caller's address in the text."""
    elsewhere = sandbox.create_user(ip_allowed=False)

    status, body = wire.send("GET", "rfq/rfqs", credentials=elsewhere)

    assert (401, "50110") == (status, body["code"])
    assert "Your IP 127.0.0.1 is not included in your API key's IP whitelist." == body["msg"]


TRADING = [
    *("create-rfq", "cancel-rfq", "cancel-batch-rfqs", "cancel-all-rfqs"),
    *("create-quote", "cancel-quote", "cancel-batch-quotes", "cancel-all-quotes", "cancel-all-after"),
]


@pytest.mark.parametrize("path", TRADING)
def test_read_only_key_cannot_trade(sandbox: Sandbox, wire: Any, path: str) -> None:
    """A key without the permission Trade lists RFQs and quotes, and neither creates nor cancels one."""
    reader = sandbox.create_key(sandbox.credentials, permissions=["read_only"])

    status, body = wire.send("POST", f"rfq/{path}", {}, credentials=reader)

    assert (401, "50120") == (status, body["code"])
    assert {"0"} == {wire.code("GET", f"rfq/{listed}", credentials=reader) for listed in ("rfqs", "quotes")}


def test_signature_covers_the_query_as_sent(sandbox: Sandbox, wire: Any) -> None:
    """The query is signed as sent, including its escapes and their case."""
    sandbox.create_rfq(clRfqId="a")

    assert "0" == wire.code("GET", "rfq/rfqs?clRfqId=%61&state=")
    assert "clRfqId=%61&state=" == sandbox.requests[-1].query


def test_signature_covers_the_body_as_sent(sandbox: Sandbox, wire: Any) -> None:
    """The body is signed as sent, including blanks."""
    rfq_id = sandbox.create_rfq()["rfqId"]

    assert "0" == wire.code("POST", "rfq/cancel-rfq", f'{{ "rfqId" :"{rfq_id}"}}'.encode())


def test_authentication_comes_before_the_limit(wire: Any) -> None:
    """Unsigned requests count against no limit."""
    codes = [wire.code("POST", "rfq/cancel-all-rfqs", OK_ACCESS_SIGN="wrong") for _ in range(5)]

    assert {"50113"} == set(codes)
    assert "70207" == wire.code("POST", "rfq/cancel-all-rfqs")
