"""OKX's limits, on a manual clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ccxt
import pytest

from okx_rfq_plugin.sandbox import Sandbox

BUSY = (429, {"msg": "Too Many Requests", "code": "50011"})

# Method, path, requests, seconds, from OKX's page of each endpoint.
PUBLISHED = [
    ("POST", "rfq/create-rfq", 5, 2),
    ("POST", "rfq/cancel-rfq", 5, 2),
    ("POST", "rfq/cancel-batch-rfqs", 2, 2),
    ("POST", "rfq/cancel-all-rfqs", 2, 2),
    ("GET", "rfq/rfqs", 2, 2),
    ("POST", "rfq/create-quote", 50, 2),
    ("POST", "rfq/cancel-quote", 50, 2),
    ("POST", "rfq/cancel-batch-quotes", 2, 2),
    ("POST", "rfq/cancel-all-quotes", 2, 2),
    ("POST", "rfq/cancel-all-after", 1, 1),
    ("GET", "rfq/quotes", 2, 2),
    ("GET", "rfq/counterparties", 5, 2),
    ("GET", "account/config", 5, 2),
    ("GET", "account/balance", 10, 2),
    ("GET", "asset/balances", 6, 1),
    ("GET", "asset/currencies", 6, 1),
    ("GET", "rfq/trades", 5, 2),
    ("GET", "rfq/public-trades", 5, 2),
    ("POST", "rfq/execute-quote", 2, 3),
    ("GET", "rfq/maker-instrument-settings", 5, 2),
    ("POST", "rfq/maker-instrument-settings", 5, 2),
    ("GET", "rfq/mmp-config", 5, 2),
    ("POST", "rfq/mmp-config", 1, 10),
    ("POST", "rfq/mmp-reset", 5, 2),
    ("GET", "system/status", 1, 5),
    ("GET", "public/instruments?instType=SPOT", 20, 2),
    ("GET", "public/time", 10, 2),
]


@pytest.mark.parametrize(("method", "path", "requests", "seconds"), PUBLISHED)
def test_published_limit(wire: Any, clock: Any, method: str, path: str, requests: int, seconds: int) -> None:
    """As many requests as published are admitted, one more is not, and one more is once the window is over."""
    admitted = [wire.send(method, path)[0] for _ in range(requests)]
    refused = wire.send(method, path)
    clock.advance(seconds - 0.001)
    still = wire.send(method, path)
    clock.advance(0.001)

    assert 429 not in admitted
    assert [BUSY, BUSY] == [refused, still]
    assert 429 != wire.send(method, path)[0]


def test_create_rfq_80_in_12_hours(wire: Any, clock: Any) -> None:
    """The eighty-first RFQ within twelve hours is refused, however slowly they came."""
    codes = []
    for _ in range(81):
        codes.append(wire.code("POST", "rfq/create-rfq", {}))
        clock.advance(60)
    clock.advance(12 * 3600 - 81 * 60)

    assert (["50014"] * 80 + ["50011"]) == codes
    assert "50014" == wire.code("POST", "rfq/create-rfq", {})


def test_limit_is_per_user_id_and_world(sandbox: Sandbox, wire: Any) -> None:
    """Two keys of one User ID share a limit; another User ID, and the same one in live trading, have their own."""
    same = sandbox.create_key(sandbox.credentials)
    live = sandbox.create_key(sandbox.credentials, demo=False)
    other = sandbox.create_user()
    for key in (sandbox.credentials, same):
        wire.send("GET", "rfq/rfqs", credentials=key)

    assert "50011" == wire.code("GET", "rfq/rfqs", credentials=same)
    assert "0" == wire.code("GET", "rfq/rfqs", credentials=other)
    assert "0" == wire.code("GET", "rfq/rfqs", credentials=live, without="x-simulated-trading")


@pytest.mark.parametrize(("rejections_count", "code"), [(False, "70207"), (True, "50011")])
def test_both_readings_of_rejections(
    clock: Any, new_wire: Callable[[Sandbox], Any], rejections_count: bool, code: str
) -> None:
    """A request refused in the middle of the window keeps it closed only if rejections count."""
    with Sandbox(clock=clock, rejections_count=rejections_count) as sandbox:
        wire = new_wire(sandbox)
        for _ in range(2):
            wire.send("POST", "rfq/cancel-all-rfqs")
        clock.advance(1)
        for _ in range(2):
            wire.send("POST", "rfq/cancel-all-rfqs")
        clock.advance(1)

        assert code == wire.code("POST", "rfq/cancel-all-rfqs")


def test_ccxt_sees_rate_limit_exceeded(exchange: Any) -> None:
    """With ccxt it is RateLimitExceeded for the third cancel in two seconds."""
    for _ in range(2):
        with pytest.raises(ccxt.ExchangeError, match="70207"):
            exchange.private_post_rfq_cancel_all_rfqs()

    with pytest.raises(ccxt.RateLimitExceeded):
        exchange.private_post_rfq_cancel_all_rfqs()


def test_wrong_parameters_count(wire: Any) -> None:
    """A request refused for its parameters has counted against the limit."""
    codes = [wire.code("POST", "rfq/cancel-batch-rfqs", {}) for _ in range(3)]

    assert ["50015", "50015", "50011"] == codes
