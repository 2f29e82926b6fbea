"""Unusual conditions of a fleet: odd names, URLs and times, and a badly operated store."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import ccxt
import ccxt.async_support
import pytest
from support.command import PATIENCE, environment, invoke, keys, okx_rfq
from support.fleet_world import Proxy, cancels, watcher
from support.waiting import eventually

from okx_rfq_plugin import install
from okx_rfq_plugin.fleet import join
from okx_rfq_plugin.fleet.plugin import FleetPlugin
from okx_rfq_plugin.fleet.server import EmbeddedServer
from okx_rfq_plugin.fleet.store import Store, StoreError
from okx_rfq_plugin.sandbox import Sandbox

RFQ = {"counterparties": ["WAGMI"], "legs": [{"instId": "BTC-USDT-SWAP", "side": "buy", "sz": "25"}]}
WORD = "hidden-word"


@pytest.fixture
def exchange(sandbox: Sandbox) -> Any:
    return sandbox.exchange(ccxt.okx)


@pytest.fixture
def here(store: EmbeddedServer) -> Iterator[Store]:
    client = Store(store.url, timeout=5.0)
    yield client
    client.close()


# Accounts


@pytest.mark.parametrize("data", [[], [{}], [{"uid": ""}], [{"uid": None}], None], ids=str)
def test_an_account_without_a_user_id_is_none(store: EmbeddedServer, exchange: Any, data: Any) -> None:
    """Two accounts without one would count as the same; the block is not entered."""
    exchange.private_get_account_config = lambda: {"code": "0", "data": data}

    with pytest.raises(ccxt.BaseError, match="User ID"), join(exchange, store.url):
        pytest.fail("entered")


def test_two_accounts_of_one_process(store: EmbeddedServer, sandbox: Sandbox, here: Store) -> None:
    """Each is a separate member, and a cancel is for its own account."""
    user = sandbox.create_user()
    other = sandbox.exchange(ccxt.okx, credentials=user)
    mine = sandbox.exchange(ccxt.okx)
    with join(mine, store.url), join(other, store.url):
        accounts = {member.account for member in here.look().members.values()}
        mine.private_post_rfq_create_rfq(RFQ)
        other.private_post_rfq_create_rfq(RFQ)
        mine.cancel_all_rfqs()

    assert {"demo:100001", "demo:100002"} == accounts
    assert (0, 1) == (len(sandbox.rfqs("active")), len(sandbox.rfqs("active", credentials=user)))


def test_who_is_in_no_fleet_cancels_as_ever(store: EmbeddedServer, sandbox: Sandbox, exchange: Any) -> None:
    """Another account beside a member, and a member that has left."""
    user = sandbox.create_user()
    other = install(sandbox.exchange(ccxt.okx, credentials=user))
    with join(exchange, store.url):
        other.private_post_rfq_create_rfq(RFQ)
        assert "canceled" == other.cancel_all_rfqs()["status"]
    exchange.private_post_rfq_create_rfq(RFQ)

    assert "canceled" == exchange.cancel_all_rfqs()["status"]
    assert ([], []) == (sandbox.rfqs("active"), sandbox.rfqs("active", credentials=user))


def test_joined_twice(store: EmbeddedServer, exchange: Any, here: Store) -> None:
    """Two members; when one leaves, the other keeps everything."""
    with join(exchange, store.url, name="one") as one:
        with join(exchange, store.url, name="two"):
            exchange.private_post_rfq_create_rfq(RFQ)
        assert ["one"] == [member.name for member in here.look().members.values()]
        exchange.private_post_rfq_create_rfq(RFQ)
        assert one.refusal() is None


def test_several_loops(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """One membership serves a key's async objects, in one `asyncio.run` after another."""

    async def cancel() -> str:
        exchange = install(sandbox.exchange(ccxt.async_support.okx))
        exchange.timeout_on_exit = 0
        try:
            await exchange.private_post_rfq_create_rfq(RFQ)
            return str((await exchange.cancel_all_rfqs())["status"])
        finally:
            await exchange.close()

    with join(sandbox.exchange(ccxt.okx), store.url):
        assert ["canceled", "canceled"] == [asyncio.run(cancel()) for _ in range(2)]


# Names and URLs


@pytest.mark.parametrize("name", ["", "a\nb\x00", "[bold]é\U0001f4a5[/]", "\udc80", "x" * 10_000])
def test_names_are_any_text(store: EmbeddedServer, exchange: Any, name: str) -> None:
    """They are stored and shown; nothing breaks."""
    with join(exchange, store.url, name=name) as member:
        done = okx_rfq("fleet", "status", "--store", store.url, "--json")
        table = okx_rfq("fleet", "status", "--store", store.url)

    assert name == json.loads(done.stdout)["members"][0]["name"]
    assert (0, 0) == (done.returncode, table.returncode), table
    assert member.refusal() is None


@pytest.mark.parametrize(
    "url",
    [
        f"redis+sentinel://user:{WORD}@host:26379/0",
        f"redis+cluster://user:{WORD}@host:6379",
        f"redis://user:{WORD}@host:port/0",
        f"redis://:{WORD}#more@host:6379/0",
        f"http://user:{WORD}@host",
        f"{WORD}",
        f"redis://user:{WORD}@[::1/0",
        f"redis://user:{WORD}@host:6379/0?socket_timeout=nonsense",
    ],
)
def test_a_url_that_is_none_says_what_one_is_and_no_password(exchange: Any, url: str) -> None:
    """In words, both for joins and for users of the command."""
    with pytest.raises(ValueError, match="a store is named as redis://") as refused, join(exchange, url):
        pytest.fail("entered")
    result = invoke("fleet", "status", "--store", url)

    assert WORD not in f"{refused.value!r} {refused.value.__context__!r}"
    assert 2 == result.exit_code
    assert WORD not in result.output + result.stderr


def test_a_password_is_not_shown_however_it_is_given(store: EmbeddedServer) -> None:
    """As part of the address or after it, escaped or not."""
    for url in (
        store.url.replace("redis://", f"redis://{WORD}%21:{WORD}%21@"),
        f"{store.url}?username={WORD}&password={WORD}%21",
    ):
        with pytest.raises(StoreError) as refused:
            Store(url, timeout=5.0).ping_and_close()
        assert f"{WORD}!" not in str(refused.value)


def test_what_a_url_says_of_times_does_not_count(proxy: Proxy) -> None:
    """Otherwise one answer could outlast a lease."""
    proxy.cut(True)
    here = Store(f"{proxy.url}?socket_timeout=3600&retry_on_timeout=yes", timeout=0.2)

    with pytest.raises(StoreError, match="Timeout"):
        here.ping()


@pytest.mark.skipif(sys.platform == "win32", reason="sockets with a path are POSIX")
def test_a_store_behind_a_path(tmp_path: Path, exchange: Any) -> None:
    """`unix://` works like any other."""
    path = tmp_path / "store"
    with EmbeddedServer("--unixsocket", str(path)), join(exchange, f"unix://{path}?db=0") as member:
        exchange.private_post_rfq_create_rfq(RFQ)

        assert member.refusal() is None
        assert "canceled" == exchange.cancel_all_rfqs()["status"]


# Badly operated stores


def test_a_store_without_memory_fences(store: EmbeddedServer, exchange: Any, here: Store) -> None:
    """Members quote the store's error, and cancels work."""
    here._client.config_set("maxmemory", "1")
    with join(exchange, store.url) as member:
        assert "OutOfMemory" in str(member.refusal())
        with pytest.raises(ccxt.OperationRejected, match="OutOfMemory"):
            exchange.private_post_rfq_create_rfq(RFQ)
        assert "nothing_active" == exchange.cancel_all_rfqs()["status"]

        here._client.config_set("maxmemory", "0")
        assert eventually(lambda: member.refusal() is None)


def test_a_store_without_scripts_fences(exchange: Any) -> None:
    """A service that has disabled them, or is too old: members say so."""
    with EmbeddedServer("--rename-command", "EVALSHA", "") as store, join(exchange, store.url) as member:
        assert "unknown command" in str(member.refusal())
        assert "nothing_active" == exchange.cancel_all_rfqs()["status"]


@pytest.mark.parametrize("key", ["members", "epoch", "latch", "beat:"])
def test_a_key_that_is_evicted_cancels_no_one(
    store: EmbeddedServer, sandbox: Sandbox, exchange: Any, here: Store, key: str
) -> None:
    """It is back with the next renewals, and a halt persists."""
    with join(exchange, store.url) as member, watcher(sandbox, store.url) as watching:
        exchange.private_post_rfq_create_rfq(RFQ)
        if key == "latch":
            here.set_latch(halted=True, reason="test", by="me")
            assert eventually(lambda: "halted" in str(member.refusal()))

        def renewed(since: Any) -> bool:
            return here.look().beats.get(member.record.id) not in (None, since)

        seen = here.look().beats.get(member.record.id)
        for _ in range(3):
            names = [name for name in here._client.scan_iter() if key in name]
            if names:  # or it is not back yet
                here._client.delete(*names)
            assert eventually(partial(renewed, seen))
            seen = here.look().beats.get(member.record.id)
        assert eventually(lambda: (here.look().latch is not None) == (key == "latch"))
        watching.end()

        assert ([], 1) == (watching.heard, len(sandbox.rfqs("active")))


def test_a_text_in_place_of_a_list_fences(store: EmbeddedServer, exchange: Any, here: Store) -> None:
    """Another program has overwritten the members."""
    here._client.set("{okx-rfq-fleet}:members", "nonsense")

    with join(exchange, store.url) as member:
        assert "WRONGTYPE" in str(member.refusal())
        assert 1 == okx_rfq("fleet", "status", "--store", store.url).returncode


# Odd times


def test_a_create_while_another_joins_is_refused(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a signal handler it would otherwise wait for its own thread."""
    monkeypatch.setenv("OKX_RFQ_FLEET", "redis://127.0.0.1:1/0")
    monkeypatch.setattr("okx_rfq_plugin.fleet.plugin.PATIENCE", 0.0)
    plugin, exchange = FleetPlugin(), sandbox.exchange(ccxt.okx)
    refused: list[str] = []

    def handler() -> Any:
        with pytest.raises(ccxt.OperationRejected) as refusal:
            plugin.rfq_creating(exchange, "rfq/create-rfq")
        refused.append(str(refusal.value))
        raise ccxt.ExchangeNotAvailable

    monkeypatch.setattr(ccxt.okx, "private_get_account_config", lambda self: handler(), raising=False)

    with pytest.raises(ccxt.OperationRejected, match="could not be joined"):
        plugin.rfq_creating(exchange, "rfq/create-rfq")

    assert ["the fleet is being joined"] == [words.partition(", for ")[2] for words in refused]


_ENDING = """
import os, sys, threading
import ccxt, okx_rfq_plugin
from okx_rfq_plugin.fleet import join
from okx_rfq_plugin.fleet.plugin import plugin

exchange = ccxt.okx({"apiKey": os.environ["OKX_API_KEY"], "secret": os.environ["OKX_API_SECRET"],
    "password": os.environ["OKX_PASSPHRASE"]})
exchange.set_sandbox_mode(True)
exchange.urls["api"]["rest"] = sys.argv[1]
create = {"counterparties": ["WAGMI"], "legs": [{"instId": "BTC-USDT-SWAP", "side": "buy", "sz": "25"}]}
joined = join(exchange, sys.argv[2])
if sys.argv[3] == "forked":
    os.environ["OKX_RFQ_FLEET"] = sys.argv[2]
    with plugin._joining:  # another thread of the parent joins at this moment
        if child := os.fork():
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    okx_rfq_plugin.install(exchange)
    plugin.register()
    exchange.private_post_rfq_create_rfq(create)
    os._exit(0)
member = joined.__enter__()
if sys.argv[3] == "created":
    exchange.private_post_rfq_create_rfq(create)
"""


@pytest.mark.parametrize(("what", "remains"), [("nothing", False), ("created", True), ("forked", True)])
def test_the_end_of_a_process_inside_the_block(
    store: EmbeddedServer, sandbox: Sandbox, here: Store, what: str, remains: bool
) -> None:
    """It signs off if nothing of it may be active; and its parent's threads do not delay a forked process."""
    done = subprocess.run(
        (sys.executable, "-W", "ignore", "-c", _ENDING, sandbox.url, store.url, what),
        env=environment(**keys(sandbox.credentials)),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert (0, "") == (done.returncode, done.stderr)
    assert remains == bool(here.look().members)
    assert (0, remains) == (cancels(sandbox), bool(sandbox.rfqs("active")))


def test_joined_on_another_thread(store: EmbeddedServer, exchange: Any) -> None:
    """Where the block is entered and where creates are made does not matter."""
    entered, leave = threading.Event(), threading.Event()

    def block() -> None:
        with join(exchange, store.url):
            entered.set()
            leave.wait(PATIENCE)

    thread = threading.Thread(target=block)
    thread.start()
    assert entered.wait(PATIENCE)
    exchange.private_post_rfq_create_rfq(RFQ)
    leave.set()
    thread.join(PATIENCE)
