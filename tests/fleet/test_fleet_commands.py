"""Output and exit codes of the fleet's commands, piped and on a terminal."""

from __future__ import annotations

import json
import signal
import sys

import ccxt
import pytest
from support.command import keys, okx_rfq, on_a_terminal, plain
from support.fleet_world import create, fleet, kill, strategy
from support.waiting import eventually

from okx_rfq_plugin.fleet import join
from okx_rfq_plugin.fleet.server import EmbeddedServer
from okx_rfq_plugin.fleet.store import Store
from okx_rfq_plugin.sandbox import Sandbox

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals, and the server, are POSIX")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_watcher_that_owes_nothing_ends_with_0(store: EmbeddedServer, sandbox: Sandbox, number: int) -> None:
    """And its record is removed from the store."""
    with fleet("watch", sandbox, store.url) as watching:
        assert ["demo:100001"] == watching.next()["accounts"]

        assert 0 == watching.end(number)

    assert [] == json.loads(okx_rfq("fleet", "status", "--store", store.url, "--json").stdout)["watchers"]


@pytest.mark.measured
def test_a_watcher_without_the_key_ends_with_3(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """A member died for whose account it has no key."""
    other = sandbox.create_user()
    with fleet("watch", sandbox, store.url) as watching, strategy(sandbox, store.url, credentials=other) as beta:
        watching.next()
        kill(beta)
        said = watching.until(lambda said: said["event"] == "uncovered")

        assert "NOTHING IS CANCELED" in said["words"]
        assert 3 == watching.end(signal.SIGTERM)


def test_what_a_watcher_says_is_one_object_a_line(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """Each has what happened, when, the account and the member, and a sentence."""
    with fleet("watch", sandbox, store.url) as watching, strategy(sandbox, store.url) as alpha:
        watching.next()
        create(alpha)
        kill(alpha)
        watching.until(lambda said: said["event"] == "canceled")

    for said in watching.heard[1:]:
        assert {"event", "at", "account", "member", "words"} == set(said)


def test_two_halts_at_once_do_no_harm(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """Each cancels, each ends with 0, and one of them halts the fleet."""
    with (
        strategy(sandbox, store.url) as alpha,
        fleet("halt", sandbox, store.url, "--reason", "one", "--no-wait") as one,
        fleet("halt", sandbox, store.url, "--reason", "two", "--no-wait") as two,
    ):
        assert [0, 0] == [one.end(), two.end()]
        answer = alpha.tell("create")
        assert "the fleet is halted" in answer[1]


@pytest.mark.measured
def test_the_status_is_live_on_a_terminal(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """It shows joins and a halt as they happen; Ctrl+C ends it with 0."""
    with on_a_terminal("fleet", "status", "--store", store.url, "--watch", env=keys(sandbox.credentials)) as running:
        running.until("not halted")
        with join(sandbox.exchange(ccxt.okx), store.url, name="alpha"):
            running.until("alpha")
            here = Store(store.url, timeout=5.0)
            here.set_latch(halted=True, reason="risk limit", by="ops")
            here.close()
            running.until("risk limit")

        running.interrupt()

        assert 0 == running.end()
        assert "Traceback" not in plain(running.seen)


def test_a_live_status_whose_store_dies_says_so(store: EmbeddedServer) -> None:
    """And ends with 1."""
    with on_a_terminal("fleet", "status", "--store", store.url, "--watch") as running:
        running.until("not halted")
        store.kill()

        running.until("The store cannot be asked")
        assert 1 == running.end()


def test_the_status_as_json_has_stable_keys(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """Members with their leases, the latch, watchers, and the last cancels."""
    with (
        join(sandbox.exchange(ccxt.okx), store.url, name="alpha"),
        fleet("watch", sandbox, store.url) as watching,
    ):
        watching.next()
        said = json.loads(okx_rfq("fleet", "status", "--store", store.url, "--json").stdout)
        assert eventually(
            lambda: json.loads(okx_rfq("fleet", "status", "--store", store.url, "--json").stdout)["watchers"]
        )

    assert {"halted", "latch", "members", "watchers", "cancels"} == set(said)
    (member,) = said["members"]
    facts = {"id", "name", "host", "pid", "account", "lease", "joined", "ahead", "lease_left", "lapsed", "obeys"}
    assert facts == set(member)
    assert (False, None) == (said["halted"], said["latch"])
