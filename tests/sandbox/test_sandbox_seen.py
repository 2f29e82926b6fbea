"""OKX's seen answers, byte for byte, and what real bots look for in them.

Source: public records of real answers, named in docs/sandbox.md.
"""

from __future__ import annotations

import json
from typing import Any

import ccxt
import pytest

from okx_rfq_plugin.sandbox import Fault, Sandbox

UNKNOWN_KEY = "00000000-0000-4000-8000-000000000000"  # in the form of OKX's keys

# The mistake in the request, the HTTP status, and the whole body.
SEEN: list[tuple[dict[str, str], int, bytes]] = [
    ({"OK_ACCESS_KEY": UNKNOWN_KEY}, 401, b'{"msg":"API key doesn\'t exist","code":"50119"}'),
    ({"OK_ACCESS_KEY": "mine"}, 401, b'{"msg":"Invalid OK-ACCESS-KEY","code":"50111"}'),
    ({"OK_ACCESS_SIGN": "wrong"}, 401, b'{"msg":"Invalid Sign","code":"50113"}'),
    ({"x_simulated_trading": "0"}, 401, b'{"msg":"APIKey does not match current environment.","code":"50101"}'),
    ({"stamp": "2020-12-08T09:08:57.715Z"}, 401, b'{"msg":"Timestamp request expired.","code":"50102"}'),
]


@pytest.mark.parametrize(("mistake", "status", "body"), SEEN)
def test_refusal_of_the_gateway(wire: Any, mistake: dict[str, str], status: int, body: bytes) -> None:
    """The text first, then the code, without blanks and without `data`."""
    assert (status, json.loads(body)) == wire.send("GET", "rfq/rfqs", **mistake)
    assert (status, body) == wire.raw_last


def test_unknown_key_is_46_bytes(wire: Any) -> None:
    """As many as were recorded."""
    wire.send("GET", "rfq/rfqs", OK_ACCESS_KEY=UNKNOWN_KEY)

    assert 46 == len(wire.raw_last[1])


def test_limit(wire: Any) -> None:
    """The third cancel-all gets the answer seen in 2024."""
    for _ in range(3):
        wire.send("POST", "rfq/cancel-all-rfqs")

    assert (429, b'{"msg":"Too Many Requests","code":"50011"}') == wire.raw_last


def test_read_only_key(sandbox: Sandbox, wire: Any) -> None:
    """The status was seen with one word of the text; the text is OKX's published one."""
    reader = sandbox.create_user(permissions=["read_only"])

    wire.send("POST", "rfq/cancel-all-rfqs", credentials=reader)

    body = b'{"msg":"This API key doesn\'t have permission to use this function","code":"50120"}'
    assert (401, body) == wire.raw_last


def test_business_error_has_data(wire: Any) -> None:
    """Block trading's refusals come with HTTP 200 and an empty `data`."""
    status, body = wire.send("POST", "rfq/cancel-all-rfqs")

    assert (200, "70207", []) == (status, body["code"], body["data"])


def test_a_key_is_looked_up_before_its_ip_list(sandbox: Sandbox, wire: Any) -> None:
    """The same key is unknown to another host, and refused by its IP list on its own."""
    key = {"apiKey": UNKNOWN_KEY, "secret": "sandbox-secret", "password": "sandbox-passphrase"}
    elsewhere = wire.code("GET", "rfq/rfqs", credentials=key)
    sandbox.create_user(credentials=key, ip_allowed=False)

    assert ("50119", "50110") == (elsewhere, wire.code("GET", "rfq/rfqs", credentials=key))


# How real bots distinguish errors by ccxt's message, and what an object needs for that.
HANDLERS = [
    ('"code":"50113"', {"secret": "wrong"}),
    ("Invalid Sign", {"secret": "wrong"}),
    ("doesn't exist", {"apiKey": UNKNOWN_KEY}),
    ('"code":"50119"', {"apiKey": UNKNOWN_KEY}),
    ('"code":"50111"', {"apiKey": "mine"}),
]


@pytest.mark.parametrize(("wanted", "changed"), HANDLERS)
def test_handlers_that_search_the_message_of_ccxt(exchange: Any, wanted: str, changed: dict[str, str]) -> None:
    """They find what they look for."""
    for name, value in changed.items():
        setattr(exchange, name, value)

    with pytest.raises(ccxt.BaseError) as raised:
        exchange.private_get_rfq_rfqs()

    assert wanted in str(raised.value)


def test_handlers_that_search_for_the_limit(exchange: Any, sandbox: Sandbox) -> None:
    """They find it under either status, and the other's text with a fault."""
    sandbox.fault("rfq/rfqs", "50011", Fault(code=50011, status=200))
    texts = []
    for _ in range(2):
        with pytest.raises(ccxt.RateLimitExceeded) as raised:
            exchange.private_get_rfq_rfqs()
        texts.append(str(raised.value))

    too_many, another = texts
    assert '"code":"50011"' in too_many
    assert '"code":"50011"' in another
    assert "Too Many Requests" in too_many
    assert "Too Many Requests" not in another
