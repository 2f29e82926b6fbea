"""The sandbox's test handles."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import ccxt
import pytest

import okx_rfq_plugin.sandbox
from okx_rfq_plugin.sandbox import Fault, Request, Sandbox


def test_start_and_close() -> None:
    """It starts and closes repeatedly, and reports clearly what is not possible."""
    sandbox = Sandbox()
    with pytest.raises(RuntimeError, match="not running"):
        _ = sandbox.url
    for _ in range(2):
        sandbox.start()
        with pytest.raises(RuntimeError, match="runs already, at http://127"):
            sandbox.start()
        sandbox.close()
        sandbox.close()

    assert "<Sandbox not running>" == repr(sandbox)


def test_port_is_taken(sandbox: Sandbox) -> None:
    """A port already in use is an OSError, and leaves no thread behind."""
    port = int(sandbox.url.rpartition(":")[2])
    threads = threading.active_count()

    with pytest.raises(OSError, match="address already in use"):
        Sandbox(port=port).start()

    assert threads == threading.active_count()


def test_port_and_host_are_kept() -> None:
    """The requested port is the one in the URL."""
    with Sandbox() as first:
        port = int(first.url.rpartition(":")[2])
    with Sandbox(host="127.0.0.1", port=port) as second:
        assert f"http://127.0.0.1:{port}" == second.url


def test_idle_sandbox_closes_quickly(sandbox: Sandbox, exchange: Any) -> None:
    """With a client's idle connection open, closing takes well under a second."""
    exchange.private_get_rfq_rfqs()

    before = time.monotonic()
    sandbox.close()

    assert 0.5 > time.monotonic() - before


def test_half_a_request_does_not_hold_it(sandbox: Sandbox) -> None:
    """A client that never sends the rest of its request does not prevent the sandbox from closing."""
    host, _, port = sandbox.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"POST /api/v5/rfq/cancel-all-rfqs HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
        before = time.monotonic()
        sandbox.close()

        assert 0.5 > time.monotonic() - before


def test_error_in_the_test_closes_it() -> None:
    """`with` closes the server whatever happens inside."""
    sandbox = Sandbox()
    with pytest.raises(ZeroDivisionError), sandbox:
        _ = 1 / 0

    assert "<Sandbox not running>" == repr(sandbox)


def test_requests_show_what_arrived(sandbox: Sandbox, exchange: Any, wire: Any, clock: Any) -> None:
    """Every request is recorded as sent, without its secrets, even refused or faulty ones."""
    sandbox.fault("public/time", 502)
    exchange.private_get_rfq_rfqs({"state": "active", "limit": 5})
    wire.raw("GET", "/api/v5/public/time?x=%20")
    first, second = sandbox.requests

    assert ("GET", "/api/v5/rfq/rfqs", "state=active&limit=5", "", "100001", clock()) == (
        first.method,
        first.path,
        first.query,
        first.body,
        first.user_id,
        first.received,
    )
    assert ("/api/v5/public/time", "x=%20", None) == (second.path, second.query, second.user_id)
    assert sandbox.credentials["apiKey"] == first.headers["ok-access-key"]
    assert {"ok-access-sign", "ok-access-passphrase"}.isdisjoint(name.lower() for name in first.headers)


def test_credentials_are_dummies_and_a_copy(sandbox: Sandbox) -> None:
    """Credentials are obviously dummies, and changing the returned dict changes nothing."""
    sandbox.credentials["apiKey"] = "changed"

    assert {
        "apiKey": "sandbox-key-1",
        "secret": "sandbox-secret-1",
        "password": "sandbox-passphrase-1",
    } == sandbox.credentials


def test_handles_say_what_okx_would(sandbox: Sandbox) -> None:
    """What create-rfq or create-quote would refuse is a ValueError with OKX's code and text."""
    with pytest.raises(ValueError, match="OKX would answer 70103: Invalid counterparty"):
        sandbox.create_rfq(counterparties=["NOBODY"])
    with pytest.raises(ValueError, match="OKX would answer 51000: Parameter expiresIn error"):
        sandbox.create_quote(expiresIn="9")
    with pytest.raises(ValueError, match="OKX would answer 70306"):
        sandbox.create_quote(legs=[{"instId": "ETH-USDT", "side": "buy", "sz": "1", "px": "1"}])


def test_set_state(sandbox: Sandbox, wire: Any) -> None:
    """A state can be set, even back to active, and cancel-all affects only active RFQs."""
    filling, back = sandbox.create_rfq()["rfqId"], sandbox.create_rfq()["rfqId"]
    sandbox.set_state(filling, "pending_fill")
    sandbox.set_state(back, "filled")
    sandbox.set_state(back, "active")

    wire.send("POST", "rfq/cancel-all-rfqs")

    assert ["canceled", "pending_fill"] == [rfq["state"] for rfq in sandbox.rfqs()]


def test_set_state_of_another_users_rfq(sandbox: Sandbox) -> None:
    """An RFQ is found, no matter which user created it."""
    sandbox.create_rfq()
    other = sandbox.create_user()
    rfq_id = sandbox.create_rfq(credentials=other)["rfqId"]

    sandbox.set_state(rfq_id, "failed")

    assert ["failed"] == [rfq["state"] for rfq in sandbox.rfqs(credentials=other)]


def test_wrong_handles(sandbox: Sandbox) -> None:
    """An invalid state, RFQ, permission, account level, foreign key or taken trader code is refused in words."""
    with pytest.raises(ValueError, match="states of RFQs are active, canceled"):
        sandbox.rfqs("alive")
    with pytest.raises(ValueError, match="not 'gone'"):
        sandbox.set_state(sandbox.create_rfq()["rfqId"], "gone")
    with pytest.raises(ValueError, match="not 'traded_away'"):
        sandbox.set_state(sandbox.create_quote()["quoteId"], "traded_away")
    with pytest.raises(ValueError, match="states of quotes are active, canceled"):
        sandbox.quotes("alive")
    with pytest.raises(LookupError, match="no RFQ '1'"):
        sandbox.set_state("1", "filled")
    with pytest.raises(TypeError, match="permissions are a tuple"):
        sandbox.create_user(permissions="trade")
    with pytest.raises(TypeError, match="permissions are a tuple"):
        sandbox.create_user(permissions=None)  # type: ignore[arg-type]  # the point of the test
    with pytest.raises(ValueError, match=r"not \['everything'\]"):
        sandbox.create_user(permissions=["everything"])
    with pytest.raises(ValueError, match="account levels are '1', '2', '3', '4', not '5'"):
        sandbox.create_user(account_level="5")
    with pytest.raises(ValueError, match="not of this sandbox"):
        sandbox.rfqs(credentials={"apiKey": "x"})
    with pytest.raises(ValueError, match="is taken already"):
        sandbox.create_user(trader_code="WAGMI")


def test_live_exchange(sandbox: Sandbox) -> None:
    """For a live key the exchange is created without demo trading, and works."""
    live = sandbox.create_user(demo=False)
    sandbox.create_rfq(credentials=live)

    made = sandbox.exchange(credentials=live)

    assert "x-simulated-trading" not in made.headers
    assert "0" == made.private_post_rfq_cancel_all_rfqs()["code"]


def test_clear(sandbox: Sandbox, wire: Any) -> None:
    """Clearing empties book, limits, faults and requests, and keeps the users."""
    other = sandbox.create_user()
    sandbox.create_rfq(clRfqId="a")
    for _ in range(3):
        wire.send("GET", "rfq/rfqs")
    sandbox.fault("rfq/rfqs", 502)

    sandbox.clear()

    assert ([], []) == (sandbox.rfqs(), sandbox.requests)
    assert ("0", "0") == (wire.code("GET", "rfq/rfqs"), wire.code("GET", "rfq/rfqs", credentials=other))
    assert "a" == sandbox.create_rfq(clRfqId="a")["clRfqId"]


def test_threads_share_it(sandbox: Sandbox) -> None:
    """Threads that create and list concurrently lose nothing."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: (sandbox.create_rfq(), sandbox.rfqs(), sandbox.requests), range(200)))

    assert 200 == len({rfq["rfqId"] for rfq in sandbox.rfqs()})


def test_two_at_once(sandbox: Sandbox) -> None:
    """Two sandboxes are independent."""
    with Sandbox() as other:
        other.create_rfq()
        made = other.exchange()

        assert "0" == made.private_post_rfq_cancel_all_rfqs()["code"]
    assert [] == sandbox.rfqs()
    assert [] == sandbox.requests


def test_default_clock_is_real() -> None:
    """Without a clock, the sandbox runs in real time, which a real client signs with."""
    with Sandbox() as sandbox:
        with pytest.raises(ccxt.ExchangeError, match="70207"):
            sandbox.exchange().private_post_rfq_cancel_all_rfqs()
        assert abs(time.time() - sandbox.requests[0].received) < 10


def test_names_are_loaded_lazily() -> None:
    """Importing the package imports neither aiohttp nor ccxt; its names are imported on first use."""
    script = "import sys, okx_rfq_plugin.sandbox; print([name for name in ('aiohttp', 'ccxt') if name in sys.modules])"

    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert "[]\n" == loaded.stdout
    assert {"DROP", "Fault", "Request", "Sandbox"} <= set(dir(okx_rfq_plugin.sandbox))
    assert Fault() == Fault()
    assert isinstance(Request, type)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = okx_rfq_plugin.sandbox.Nothing


def test_begin(sandbox: Sandbox) -> None:
    """`begin` removes every user, key, RFQ, fault and request; the new user may have an earlier key."""
    mine = {"apiKey": "mine", "secret": "dummy-secret", "password": "dummy-pass"}
    before = sandbox.credentials
    sandbox.create_user(trader_code="MAKER")
    for _ in range(2):
        sandbox.begin(mine)
        assert mine == sandbox.credentials
        assert ([], []) == (sandbox.rfqs(), sandbox.requests)
        sandbox.create_user(trader_code="MAKER")
        sandbox.create_rfq()
        with sandbox.exchange().session as session:
            session.get(f"{sandbox.url}/api/v5/public/time", timeout=5)

    with pytest.raises(ValueError, match="not of this sandbox"):
        sandbox.rfqs(credentials=before)

    sandbox.begin()
    assert "mine" != sandbox.credentials["apiKey"] != before["apiKey"]
