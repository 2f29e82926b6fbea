"""Members in this process and in forked ones: identity, sign-off, and how others see them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import ccxt
import pytest
from support.command import PATIENCE, environment, invoke, keys, okx_rfq
from support.waiting import eventually

from okx_rfq_plugin.fleet import guarded_environment, join
from okx_rfq_plugin.fleet.clocks import Reading
from okx_rfq_plugin.fleet.okx_clock import OkxClock, clock_of
from okx_rfq_plugin.fleet.server import EmbeddedServer
from okx_rfq_plugin.fleet.store import Store, StoreError
from okx_rfq_plugin.sandbox import Sandbox

RFQ = {"counterparties": ["WAGMI"], "legs": [{"instId": "BTC-USDT-SWAP", "side": "buy", "sz": "25"}]}


@pytest.fixture
def exchange(sandbox: Sandbox) -> Any:
    return sandbox.exchange(ccxt.okx)


def registered(store: EmbeddedServer) -> list[str]:
    here = Store(store.url, timeout=5.0)
    try:
        return sorted(here.look().members)
    finally:
        here.close()


def test_leaving_the_block_signs_off(store: EmbeddedServer, exchange: Any) -> None:
    """Inside the block it is in the list; afterwards it is not, and creates are unguarded as before."""
    with join(exchange, store.url, name="alpha") as member:
        assert [member.record.id] == registered(store)
        exchange.private_post_rfq_create_rfq(RFQ)

    assert [] == registered(store)
    exchange.private_post_rfq_create_rfq(RFQ)


@pytest.mark.parametrize("creates", [False, True])
def test_leaving_by_an_exception_signs_off_only_where_nothing_is_left(
    store: EmbeddedServer, exchange: Any, creates: bool
) -> None:
    """What was created may be active, so the lease lapses."""

    def block() -> None:
        with join(exchange, store.url):
            if creates:
                exchange.private_post_rfq_create_rfq(RFQ)
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        block()

    assert creates == (registered(store) != [])


def test_a_member_without_a_store_is_fenced(exchange: Any, sandbox: Sandbox) -> None:
    """The block is entered, creates are refused, cancels are not, and no secret in the URL is shown."""
    sandbox.create_rfq()
    with join(exchange, "redis://user:hidden-word@127.0.0.1:1/0") as member:
        with pytest.raises(ccxt.OperationRejected, match="the lease of 3 s in the fleet has lapsed") as refused:
            exchange.private_post_rfq_create_rfq(RFQ)
        assert "hidden-word" not in str(refused.value)
        assert "canceled" == exchange.cancel_all_rfqs()["status"]
        assert "hidden-word" not in repr(member.record)


def test_quotes_are_fenced_too(exchange: Any) -> None:
    """A fenced member's create-quote is refused."""
    with join(exchange, "redis://127.0.0.1:1/0"), pytest.raises(ccxt.OperationRejected, match=r"rfq/create-quote"):
        exchange.private_post_rfq_create_quote({})


@pytest.mark.parametrize("url", ["nonsense", "http://127.0.0.1", ""])
def test_a_url_that_is_none_is_refused(exchange: Any, url: str) -> None:
    """Before anything happens."""
    with pytest.raises(ValueError, match=r"."), join(exchange, url):
        pytest.fail("entered")


def test_two_keys_of_one_user_are_one_account(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """OKX's User ID names the account."""
    second = sandbox.create_key(sandbox.credentials)
    with (
        join(sandbox.exchange(ccxt.okx), store.url) as one,
        join(sandbox.exchange(ccxt.okx, credentials=second), store.url) as two,
    ):
        assert one.account == two.account == "demo:100001"


_FORKING = """
import json, os, sys
import ccxt, okx_rfq_plugin
from okx_rfq_plugin.fleet import join
from okx_rfq_plugin.fleet.plugin import plugin

exchange = ccxt.okx({"apiKey": os.environ["OKX_API_KEY"], "secret": os.environ["OKX_API_SECRET"],
    "password": os.environ["OKX_PASSPHRASE"]})
exchange.set_sandbox_mode(True)
exchange.urls["api"]["rest"] = sys.argv[1]
create = {"counterparties": ["WAGMI"], "legs": [{"instId": "BTC-USDT-SWAP", "side": "buy", "sz": "25"}]}
with join(exchange, sys.argv[2]) as member:
    if os.fork() == 0:
        exchange.private_post_rfq_create_rfq(create)
        (joined,) = plugin.members_of(exchange)
        print(json.dumps([member.record.id, joined.membership.record.id]), flush=True)
        os._exit(0)
    os.wait()
    assert member.refusal() is None
"""


@pytest.mark.measured
def test_a_forked_process_joins_anew(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """It does not use its parent's lease, and is a separate member."""
    done = subprocess.run(
        (sys.executable, "-W", "ignore", "-c", _FORKING, sandbox.url, store.url),
        env=environment(**keys(sandbox.credentials)),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert 0 == done.returncode, done.stderr
    parent, child = json.loads(done.stdout)
    assert parent != child
    assert [child] == registered(store)


@pytest.mark.measured
def test_the_status_shows_members_latch_and_cancels(store: EmbeddedServer, exchange: Any) -> None:
    """As a table, and as one JSON object."""
    here = Store(store.url, timeout=5.0)
    status = ("fleet", "status", "--store", store.url)
    with join(exchange, store.url, name="alpha") as member:
        here.set_latch(halted=True, reason="risk limit", by="ops")
        here.note_cancel("demo:100001", {"status": "canceled", "by": "ops"})
        assert eventually(lambda: "risk limit" in str(member.refusal()))
        assert eventually(lambda: json.loads(okx_rfq(*status, "--json").stdout)["members"][0]["obeys"])
        shown = okx_rfq(*status).stdout

    for words in ("HALTED", "risk limit", "alpha", "demo:100001", "obeys", "canceled"):
        assert words in shown
    here.close()


@pytest.mark.measured
def test_the_status_of_no_store_is_a_failure(store: EmbeddedServer) -> None:
    """It says so, and ends with 1; so does resume."""
    store.kill()

    for verb in ("status", "resume"):
        done = okx_rfq("fleet", verb, "--store", store.url)
        assert 1 == done.returncode
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("watch", "--store", "redis://127.0.0.1:1/0"), "Missing option '--env'"),
        (("watch",), "Missing option '--store'"),
        (("halt", "--store", "redis://127.0.0.1:1/0", "--env", "sandbox"), "Missing option '--reason'"),
        (("status", "--store", "nonsense"), "no URL of a store"),
        (("watch", "--store", "redis://127.0.0.1:1/0", "--env", "sandbox"), "--env sandbox needs --url"),
    ],
)
def test_usage(arguments: tuple[str, ...], words: str) -> None:
    """What is missing is named, with code 2."""
    result = invoke("fleet", *arguments)

    assert 2 == result.exit_code
    assert words in result.stderr


def test_the_environment_of_a_guarded_command() -> None:
    """It names the fleet, and is otherwise unchanged."""
    assert {"A": "1", "OKX_RFQ_FLEET": "redis://x"} == guarded_environment("redis://x", {"A": "1"})


def test_signatures_ahead_of_okxs_clock_are_noticed(exchange: Any) -> None:
    """Also those put ahead after joining, by setting a clock or by ccxt's time difference."""
    exchange.milliseconds = lambda: 1_000_020_000
    reading = Reading(10.0, 10.0, 0.0)
    okx = OkxClock(1_000_000_000, reading, read=lambda: reading)
    assert pytest.approx(20.0) == okx.ahead(exchange)

    exchange.options["timeDifference"] = 20_000

    assert pytest.approx(0.0) == okx.ahead(exchange)


@pytest.mark.parametrize("answers", [True, False])
def test_okx_is_asked_again_when_the_clocks_part(answers: bool) -> None:
    """After a pause of a virtual machine, OKX's time is not the estimated one; once in five seconds at most."""
    readings = [Reading(10.0, 10.0, 1000.0)]
    asked: list[int] = []

    def ask() -> int:
        asked.append(1)
        return 1_100_000 if answers else int("nothing")

    okx = OkxClock(1_000_000, readings[0], ask, lambda: readings[-1])
    okx.check()
    assert [] == asked
    readings.append(Reading(11.0, 11.0, 1100.0))
    assert okx.has_parted

    okx.check()
    assert eventually(lambda: asked and okx.has_parted != answers)
    okx.check()
    readings.append(Reading(17.0, 17.0, 1106.0))
    okx.check()

    assert eventually(lambda: len(asked) == (1 if answers else 2))


def test_okx_is_asked_again_by_an_object_of_its_own(exchange: Any, sandbox: Sandbox) -> None:
    """Another thread or a loop may be using the strategy's."""
    okx = clock_of(exchange)
    assert okx is not None and okx._ask is not None  # noqa: PT018 - for mypy
    exchange.session.close()
    exchange.session = None

    assert abs(okx._ask() / 1000 - time.time()) < PATIENCE


@pytest.mark.parametrize("seconds", [20, 3600])
def test_who_signs_ahead_of_okx_tells_so_first(store: EmbeddedServer, exchange: Any, seconds: int) -> None:
    """The first such create is refused; one that OKX accepts within 30 s is sent once the store knows."""
    with join(exchange, store.url) as member:
        exchange.private_post_rfq_create_rfq(RFQ)
        exchange.options["timeDifference"] = -1000 * seconds

        with pytest.raises(ccxt.OperationRejected, match="ahead of OKX's clock"):
            exchange.private_post_rfq_create_rfq(RFQ)

        (told,) = (Store(store.url, timeout=5.0),)
        assert eventually(lambda: (told.look().members[member.record.id].ahead or 0.0) > seconds - 1)
        told.close()
        if seconds < 30:
            assert eventually(lambda: member.refusal(exchange) is None)
        else:
            assert "which takes 30 s" in str(member.refusal(exchange))


def test_a_store_that_refuses_is_a_store_error(store: EmbeddedServer) -> None:
    """A read-only replica, for example: the connection is dropped, and the next call opens another."""
    with EmbeddedServer("--replicaof", "127.0.0.1", str(store.port)) as replica:
        here = Store(replica.url, timeout=5.0)
        with pytest.raises(StoreError, match=r"ReadOnlyError|read only"):
            here.set_latch(halted=True, reason="", by="")
        here.close()
