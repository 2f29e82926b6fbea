"""Cancels shared across processes: who is served by whom, and what happens where the store fails."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ccxt
import ccxt.async_support
import pytest
from support.command import PATIENCE, environment, keys
from support.fleet_world import Proxy, cancels

import okx_rfq_plugin
from okx_rfq_plugin.fleet import join, tickets
from okx_rfq_plugin.fleet.server import EmbeddedServer
from okx_rfq_plugin.fleet.store import Store
from okx_rfq_plugin.fleet.tickets import Office, share
from okx_rfq_plugin.sandbox import DROP, Sandbox

RECEIPT = {"status": "canceled", "timestamp": 1, "datetime": None, "attempts": 1, "elapsed": 0.1, "info": {}}
GROUP = "demo:1:abc"


@pytest.fixture
def here(store: EmbeddedServer) -> Iterator[Store]:
    running = Store(store.url, timeout=5.0)
    yield running
    running.close()


@pytest.fixture
def office(store: EmbeddedServer) -> Iterator[Office]:
    running = Office(store.url, "demo:1", b"key")
    yield running
    running.close()


# What the store decides


def test_two_set_out_at_once_and_the_third_waits(here: Store) -> None:
    """OKX takes two requests in two seconds: the third serves all who came by then."""
    assert ["send", "a"] == here.enter(GROUP, "a")
    assert ["send", "b"] == here.enter(GROUP, "b")
    assert ["wait"] == here.enter(GROUP, "c")
    assert ["wait"] == here.enter(GROUP, "d")


def test_the_outcome_reaches_those_who_came_before_it_set_out(here: Store) -> None:
    """Not one who came after."""
    here.enter(GROUP, "a")
    here.enter(GROUP, "b")
    here.enter(GROUP, "c")
    here._client.hdel("{okx-rfq-fleet}:sent:" + GROUP, "a", "b")  # as two seconds later
    assert ["send", "c"] == here.enter(GROUP, "c")
    assert ["send", "d"] == here.enter(GROUP, "d")

    here.ended(GROUP, "c", {"c": "outcome"})

    assert ["done", "outcome"] == here.enter(GROUP, "c")
    assert ["wait"] == here.enter(GROUP, "d")


def test_who_waits_sets_out_with_all_who_wait(here: Store) -> None:
    """And each of them waits for it while it is on its way."""
    for ticket in ("a", "b", "c", "d", "e"):
        here.enter(GROUP, ticket)
    here._client.hdel("{okx-rfq-fleet}:sent:" + GROUP, "a", "b")

    assert {"c", "d", "e"} == set(here.enter(GROUP, "c")[1:])
    assert ["wait"] == here.enter(GROUP, "d")


def test_a_leader_that_failed_is_followed_by_another(here: Store) -> None:
    """Those whom it would have served set out themselves."""
    for ticket in ("a", "b", "c", "d"):
        here.enter(GROUP, ticket)
    here._client.hdel("{okx-rfq-fleet}:sent:" + GROUP, "a", "b")
    here.enter(GROUP, "c")

    here.ended(GROUP, "c", {})

    assert ["send", "d"] == here.enter(GROUP, "d")


def test_a_leader_that_died_while_it_waited_is_followed_by_another(here: Store) -> None:
    """It has shown itself for 0.4 s at most."""
    for ticket in ("a", "b", "c"):
        here.enter(GROUP, ticket)
    here._client.delete("{okx-rfq-fleet}:next:" + GROUP)  # as it expires
    here._client.hdel("{okx-rfq-fleet}:sent:" + GROUP, "a", "b")

    assert {"c", "d"} == set(here.enter(GROUP, "d")[1:])


# What a caller does


def steps(office: Office, *answers: Any) -> list[str]:
    """What it does, given what it gets for each step."""
    sharing, result = share(office, iter(range(100)).__next__), None
    done: list[str] = []
    answered = iter(answers)
    while True:
        try:
            step = sharing.send(result)
        except StopIteration as end:
            return [*done, "served"] if end.value else done
        done.append(step[0])
        result = next(answered, None) if step[0] in ("ask", "send") else None


def test_without_an_answer_it_goes_on_as_without_the_store(office: Office) -> None:
    """It sends."""
    assert ["ask", "send"] == steps(office, None)


def test_who_waits_for_the_window_gives_the_store_three_chances(office: Office) -> None:
    """A look that is answered late is no reason to send; four in a row are."""
    assert ["ask", "sleep", "ask", "ask", "ask", "ask", "send"] == steps(office, ["wait"], None, None, None, None)


def test_who_sends_says_how_it_ended(office: Office) -> None:
    """To all whom it served."""
    assert ["ask", "send", "tell"] == steps(office, ["send", "a"], RECEIPT)


def test_who_waits_too_long_sends(office: Office) -> None:
    """After 2.5 s; here each look at the clock is a second."""
    assert ["ask", "sleep", "ask", "sleep", "ask", "tell", "send"] == steps(office, ["wait"], ["wait"], ["wait"])


@pytest.mark.parametrize("forged", ["", "7", "{}", json.dumps({"receipt": json.dumps(RECEIPT), "mac": "00"})])
def test_an_outcome_that_no_holder_of_the_key_has_signed_counts_for_nothing(office: Office, forged: str) -> None:
    """Who can write to the store cannot claim that a cancel was clean."""
    assert ["ask", "send"] == steps(office, ["done", forged])


def test_an_outcome_is_for_one_ticket(office: Office) -> None:
    """One that was recorded serves no other caller."""
    sealed = office.sealed("a", RECEIPT)

    assert RECEIPT == office.unsealed("a", sealed)
    assert None is office.unsealed("b", sealed)


# With OKX's place taken by the sandbox


def test_a_member_that_cancels_is_served(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """One request, and a receipt as ever."""
    sandbox.create_rfq()
    exchange = sandbox.exchange(ccxt.okx)
    with join(exchange, store.url):
        assert "canceled" == exchange.cancel_all_rfqs()["status"]

    assert 1 == cancels(sandbox)


def test_async_members_are_served_too(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """The same for ccxt.async_support."""
    sandbox.create_rfq()

    async def main() -> str:
        exchange = sandbox.exchange(ccxt.async_support.okx)
        exchange.timeout_on_exit = 0
        try:
            async with join(exchange, store.url) as member:
                assert member.refusal() is None
                receipt = await exchange.cancel_all_rfqs()
                return str(receipt["status"])
        finally:
            await exchange.close()

    assert "canceled" == asyncio.run(main())
    assert 1 == cancels(sandbox)


def test_a_rejection_is_the_callers_own(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """An error comes through as without the fleet."""
    exchange = sandbox.exchange(ccxt.okx)
    sandbox.fault("rfq/cancel-all-rfqs", "50113")
    with join(exchange, store.url), pytest.raises(ccxt.AuthenticationError):
        exchange.cancel_all_rfqs()


@pytest.mark.parametrize("trouble", ["slow", "cut", "gone"])
def test_a_store_in_trouble_changes_nothing(
    store: EmbeddedServer, proxy: Proxy, sandbox: Sandbox, trouble: str
) -> None:
    """Slow, silent or dead: the cancel is sent, and its receipt is as ever."""
    exchange = sandbox.exchange(ccxt.okx)
    sandbox.create_rfq()
    with join(exchange, proxy.url):
        if trouble == "slow":
            proxy.delay = 5.0
        elif trouble == "cut":
            proxy.cut(True)
        else:
            store.kill()

        assert "canceled" == exchange.cancel_all_rfqs()["status"]
        proxy.cut(False)
        proxy.delay = 0.0


@pytest.mark.parametrize("twin", ["sync", "async"], indirect=True)
def test_join_is_for_the_twin_it_says(twin: Any, store: EmbeddedServer, sandbox: Sandbox) -> None:
    """`with` an async exchange, or `async with` a sync one, is a TypeError."""
    exchange = sandbox.exchange(twin.module.okx)

    async def mixed() -> None:
        async with join(exchange, store.url):
            pytest.fail("entered")

    def enter() -> None:
        if twin.synchronous:
            asyncio.run(mixed())
        with join(exchange, store.url):
            pytest.fail("entered")

    with pytest.raises(TypeError, match="synchronous"):
        enter()


def test_a_key_that_okx_does_not_know_cannot_join(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """OKX's error comes through, and the block is not entered."""
    exchange = sandbox.exchange(ccxt.okx)
    sandbox.fault("account/config", "50113")
    with pytest.raises(ccxt.AuthenticationError), join(exchange, store.url):
        pytest.fail("entered")


_CROWD = """
import json, os, sys, time
import ccxt, okx_rfq_plugin
from okx_rfq_plugin.fleet import join, tickets

sandbox, store, size, patient = sys.argv[1:]
if patient == "patient":  # a loaded machine does not count against it
    tickets.BUDGET, tickets.LONGEST = 20.0, 50.0
begins, begin = os.pipe()
children = []
for _ in range(int(size)):
    results, result = os.pipe()
    if os.fork() == 0:
        os.close(begin)
        exchange = ccxt.okx({"apiKey": os.environ["OKX_API_KEY"], "secret": os.environ["OKX_API_SECRET"],
            "password": os.environ["OKX_PASSPHRASE"]})
        exchange.set_sandbox_mode(True)
        exchange.urls["api"]["rest"] = sandbox
        exchange.has["x"] = True
        exchange.private_get_account_config = lambda: {"data": [{"uid": "100001"}]}  # five in two seconds, OKX says
        exchange.public_get_public_time = lambda: {"data": [{"ts": str(int(time.time() * 1000))}]}
        with join(exchange, store):
            os.write(result, b"ready\\n")
            os.read(begins, 1)
            called = time.monotonic()
            status = exchange.cancel_all_rfqs()["status"]
            os.write(result, json.dumps([status, time.monotonic() - called]).encode())
        os._exit(0)
    os.close(result)
    children.append(results)
for results in children:
    assert os.read(results, 6) == b"ready\\n"
os.close(begin)
print(json.dumps([json.loads(os.read(results, 1000)) for results in children]))
"""


def crowd(store: EmbeddedServer, sandbox: Sandbox, size: int, *, patient: bool) -> list[tuple[str, float]]:
    """Have processes pull the switch at once; return what each got, and after how long."""
    command = (sys.executable, "-W", "ignore", "-c", _CROWD, sandbox.url, store.url, str(size))
    done = subprocess.run(
        (*command, "patient" if patient else "as it is"),
        env=environment(**keys(sandbox.credentials)),
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    return [(status, seconds) for status, seconds in json.loads(done.stdout)]


def test_a_crowd_of_processes_costs_four_requests(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """Twenty processes pull at once: four requests at most, and each has its receipt."""
    sandbox.create_rfq()

    served = crowd(store, sandbox, 20, patient=True)

    assert 20 == len(served)
    assert cancels(sandbox) <= 4
    assert [] == sandbox.rfqs("active")


@pytest.mark.exhaustive
def test_a_hundred_processes_cost_four_requests(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """The same with a hundred."""
    sandbox.create_rfq()

    served = crowd(store, sandbox, 100, patient=True)

    assert 100 == len(served)
    assert cancels(sandbox) <= 4


def test_a_lost_reply_is_the_leaders_own_trouble(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """A leader whose connection is lost repeats; nobody is told of a cancel that was not clean."""
    sandbox.create_rfq()
    sandbox.fault("rfq/cancel-all-rfqs", DROP)

    served = crowd(store, sandbox, 3, patient=True)

    assert 3 == len(served)
    assert [] == sandbox.rfqs("active")


def test_the_budget_is_fifty_milliseconds() -> None:
    """As the page promises."""
    assert 0.05 == tickets.BUDGET
    assert okx_rfq_plugin.fleet.join is join  # a sub-package


def test_the_example_of_the_page_runs(
    store: EmbeddedServer, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the addresses and the key are others."""
    okx = ccxt.okx
    page = (Path(__file__).parents[2] / "docs" / "fleet.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    monkeypatch.setattr(ccxt, "okx", lambda config: sandbox.exchange(okx))

    exec(example.replace("rediss://store:6379/0", store.url), {})  # noqa: S102 - our own text

    assert "demo:100001 None\n" == capsys.readouterr().out
