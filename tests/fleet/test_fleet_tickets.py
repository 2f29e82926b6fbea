"""Cancels shared across processes: who is served by whom, and what happens if the store fails."""

from __future__ import annotations

import asyncio
import copy
import json
import math
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ccxt
import ccxt.async_support
import pytest
import redis
from support.command import PATIENCE, environment, keys
from support.fleet_world import Proxy, cancels
from support.waiting import eventually

import okx_rfq_plugin
from okx_rfq_plugin._core.policy import POLICY
from okx_rfq_plugin._core.verdict import Meaning
from okx_rfq_plugin.fleet import join, tickets
from okx_rfq_plugin.fleet.records import WINDOW
from okx_rfq_plugin.fleet.server import EmbeddedServer
from okx_rfq_plugin.fleet.store import Store
from okx_rfq_plugin.fleet.tickets import FAILED, LIMITED, StoreWorker, share
from okx_rfq_plugin.fleet.yielding import at_limit
from okx_rfq_plugin.sandbox import DROP, Sandbox

RECEIPT = {"status": "canceled", "timestamp": 1, "datetime": None, "attempts": 1, "elapsed": 0.1, "info": {}}
GROUP = "demo:1:abc"


@pytest.fixture
def worker(store: EmbeddedServer) -> Iterator[StoreWorker]:
    running = StoreWorker(store.url, "demo:1", b"key")
    yield running
    running.close()


# What the store decides


def enter(here: Store, *tickets: str) -> list[str]:
    """The first answer for each caller: done, send or wait."""
    return [here.enter(GROUP, ticket)[0] for ticket in tickets]


def two_seconds_pass(here: Store) -> None:
    here._client.delete("{okx-rfq-fleet}:sent:" + GROUP)


def test_two_set_out_at_once_and_the_third_waits(here: Store) -> None:
    """OKX accepts two requests in two seconds: the third serves everyone who arrived by then."""
    assert ["send", "a"] == here.enter(GROUP, "a")
    assert ["send", "b"] == here.enter(GROUP, "b")
    assert ["wait", "wait"] == enter(here, "c", "d")


def test_who_waits_is_told_when_to_look_again(here: Store) -> None:
    """Not before OKX's window opens; the sender exactly then, and the others a little later."""
    enter(here, "a", "b")

    _, leader, at_once = here.enter(GROUP, "c")
    _, follower, later = here.enter(GROUP, "d")

    assert 0 < follower <= leader <= 2000
    assert (0, 50) == (at_once, later)


def test_a_crowd_looks_less_often(here: Store) -> None:
    """A hundred waiting callers poll every fifth of a second, and the store stays idle."""
    enter(here, "a", "b", "c", *(f"follower {number}" for number in range(100)))

    assert 200 <= here.enter(GROUP, "d")[2] <= 250


def test_the_outcome_reaches_those_who_came_before_it_set_out(here: Store) -> None:
    """Not a caller that arrived later."""
    enter(here, "a", "b", "c")
    two_seconds_pass(here)
    assert ["send", "c"] == here.enter(GROUP, "c")
    assert ["send", "d"] == here.enter(GROUP, "d")

    here.ended(GROUP, "c", {"c": "outcome"})

    assert ["done", "outcome"] == here.enter(GROUP, "c")
    assert ["wait"] == enter(here, "d")


def test_who_waits_sets_out_with_all_who_wait(here: Store) -> None:
    """And each of them waits for it while it is in progress."""
    enter(here, "a", "b", "c", "d", "e")
    two_seconds_pass(here)

    assert {"c", "d", "e"} == set(here.enter(GROUP, "c")[1:])
    assert ["wait", 0, 50] == here.enter(GROUP, "d")


def test_a_leader_that_failed_is_followed_by_another(here: Store) -> None:
    """The callers that it would have served send their own."""
    enter(here, "a", "b", "c", "d")
    two_seconds_pass(here)
    enter(here, "c")

    here.ended(GROUP, "c", {})

    assert ["send", "d"] == here.enter(GROUP, "d")


def test_a_leader_that_died_while_it_waited_is_followed_by_another(here: Store) -> None:
    """It is waited for until 0.3 s after OKX's window has opened."""
    enter(here, "a", "b", "c")
    here._client.delete("{okx-rfq-fleet}:next:" + GROUP)  # as it expires
    two_seconds_pass(here)

    assert {"c", "d"} == set(here.enter(GROUP, "d")[1:])


def test_a_leader_that_leaves_while_it_waits_is_followed_at_once(here: Store) -> None:
    """An answer that came too late is undone, and delays no caller."""
    enter(here, "a", "b", "c", "d")
    here.ended(GROUP, "c", {})
    two_seconds_pass(here)

    assert ["send", "d"] == here.enter(GROUP, "d")


@pytest.mark.parametrize(("state", "tickets"), [("full", ("a",)), ("back", ("a", "b")), ("back", tuple("abcdefgh"))])
def test_requests_that_the_store_did_not_send_out_count(here: Store, state: str, tickets: tuple[str, ...]) -> None:
    """One refused for OKX's limit closes its window, and so do two or more sent without the store."""
    for ticket in tickets:
        here.ended(GROUP, ticket, {}, state)

    _, opens, _ = here.enter(GROUP, "z")

    assert 0 < opens <= 2000


# What a caller does


class Told:
    """A caller in virtual time, and its actions: `asks` are the store's answers, `sends` the outcomes of requests.

    The last answer is repeated. An unanswered call takes the whole budget.
    """

    def __init__(self, worker: StoreWorker, asks: list[Any], sends: list[Any]) -> None:
        self.seconds = 0.0
        self.sent: list[tuple[bool, float]] = []  # whether it yields at OKX's limit, and when
        self.told = 0
        answers, outcomes, result = iter(asks), iter(sends), None
        sharing = share(worker, lambda: self.seconds)
        answer = None
        while True:
            try:
                what, *how = sharing.send(result)
            except StopIteration as end:
                self.receipt = end.value
                return
            result = None
            if what == "ask":
                result = answer = next(answers, answer)
                self.seconds += 0.0 if answer else tickets.BUDGET
            elif what == "sleep":
                self.seconds += how[0]
            elif what == "send":
                self.sent.append((how[0], round(self.seconds, 3)))
                result = next(outcomes)
            else:
                self.told += 1


WAIT = ["wait", 0, 50]


def test_without_an_answer_it_goes_on_as_without_the_store(worker: StoreWorker) -> None:
    """It sends after 50 ms, and has it counted."""
    told = Told(worker, [None], [RECEIPT])

    assert [(True, 0.05)] == told.sent
    assert 2 == told.told


def test_who_waits_for_the_window_waits_fifty_milliseconds_more(worker: StoreWorker) -> None:
    """The store has gone meanwhile: the request is sent 50 ms after OKX's window has opened."""
    told = Told(worker, [["wait", 2000, 0], None], [RECEIPT])

    assert [(True, 2.05)] == told.sent


def test_an_answer_that_is_not_read_yet_is_seen(
    store: EmbeddedServer, here: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy machine does not count against the store; a silent store does."""
    reads, read_response = threading.Event(), redis.connection.Connection.read_response

    def read(connection: Any, *args: Any, **kwargs: Any) -> Any:
        reads.wait(PATIENCE)
        return read_response(connection, *args, **kwargs)

    here.ping()
    waits = threading.Thread(target=here._client.execute_command, args=("BLPOP", "nothing", "0"), daemon=True)
    waits.start()
    other = Store(store.url, timeout=5.0)
    assert eventually(lambda: other._client.info("clients")["blocked_clients"])
    assert not here.has_answered()
    other._client.rpush("nothing", "something")
    waits.join(PATIENCE)
    other.close()
    monkeypatch.setattr(redis.connection.Connection, "read_response", read)
    asks = threading.Thread(target=here.ping)
    asks.start()

    assert eventually(here.has_answered)

    reads.set()
    asks.join(PATIENCE)
    assert not here.has_answered()


def test_who_sends_says_how_it_ended(worker: StoreWorker) -> None:
    """To everyone it served."""
    told = Told(worker, [["send", "a"]], [RECEIPT])

    assert ([(True, 0.0)], 1) == (told.sent, told.told)


def test_who_waits_too_long_sends(worker: StoreWorker) -> None:
    """After ten seconds, whatever the store says."""
    told = Told(worker, [WAIT], [RECEIPT])

    ((yields, at),) = told.sent
    assert not yields
    assert 10.0 <= at <= 10.1


@pytest.mark.parametrize("first", [None, ["send", "a"]])
def test_who_is_one_too_many_waits_with_the_others(worker: StoreWorker, first: Any) -> None:
    """Whether the store told it to send or not; OKX's window is waited for, and so is a slow store."""
    told = Told(worker, [first, None, None, WAIT, ["send", "a"]], [LIMITED, RECEIPT])

    assert [True, True] == [yields for yields, _ in told.sent]
    assert 2 == told.receipt["attempts"]


def test_who_is_one_too_many_again_and_again_goes_on_by_itself(worker: StoreWorker) -> None:
    """Another program uses up OKX's window: after the fourth time, the cancel continues as without the fleet."""
    told = Told(worker, [["send", "a"]], [*[LIMITED] * 4, RECEIPT])

    assert [True, True, True, True, False] == [yields for yields, _ in told.sent]
    assert 5 == told.receipt["attempts"]


def test_without_the_store_no_one_is_one_too_many_twice(worker: StoreWorker) -> None:
    """Then it continues as without the fleet, when OKX's window has opened."""
    told = Told(worker, [None], [LIMITED, RECEIPT])

    assert [True, False] == [yields for yields, _ in told.sent]
    assert 2.05 <= told.sent[1][1] <= 2.2


def test_a_cancel_that_raises_serves_no_one(worker: StoreWorker) -> None:
    """The callers waiting for it are told."""
    told = Told(worker, [["send", "a", "b"]], [FAILED])

    assert (None, 1) == (told.receipt, told.told)


@pytest.mark.parametrize("forged", ["", "7", "{}", json.dumps({"receipt": json.dumps(RECEIPT), "mac": "00"})])
def test_an_outcome_that_no_holder_of_the_key_has_signed_counts_for_nothing(worker: StoreWorker, forged: str) -> None:
    """Write access to the store is not enough to claim that a cancel was clean."""
    assert [(False, 0.0)] == Told(worker, [["done", forged]], [RECEIPT]).sent


def test_an_outcome_is_for_one_ticket(worker: StoreWorker) -> None:
    """A recorded outcome serves no other caller."""
    signed = worker.signed("a", RECEIPT)

    assert RECEIPT == worker.verified("a", signed)
    assert None is worker.verified("b", signed)


# With OKX's place taken by the sandbox


def test_a_member_that_cancels_is_served(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """One request, and a receipt as usual."""
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
    """An error propagates as without the fleet."""
    exchange = sandbox.exchange(ccxt.okx)
    sandbox.fault("rfq/cancel-all-rfqs", "50113")
    with join(exchange, store.url), pytest.raises(ccxt.AuthenticationError):
        exchange.cancel_all_rfqs()


@pytest.mark.parametrize("twin", ["sync", "async"], indirect=True)
def test_who_is_one_too_many_at_okx_comes_back(twin: Any, store: EmbeddedServer, sandbox: Sandbox) -> None:
    """Another program uses OKX's window: the caller waits with the rest of the fleet, and reports its attempts."""
    sandbox.create_rfq()
    sandbox.fault("rfq/cancel-all-rfqs", "50011")
    exchange = sandbox.exchange(twin.module.okx)

    async def block() -> Any:
        try:
            async with join(exchange, store.url):
                return await exchange.cancel_all_rfqs()
        finally:
            await exchange.close()

    if twin.synchronous:
        with join(exchange, store.url):
            receipt = exchange.cancel_all_rfqs()
    else:
        receipt = asyncio.run(block())

    assert ("canceled", 2) == (receipt["status"], receipt["attempts"])
    assert receipt["elapsed"] >= WINDOW
    assert 2 == cancels(sandbox)


@pytest.mark.parametrize(
    ("meaning", "failures", "comes_back"),
    [(Meaning.RATE_LIMITED, 0, True), (Meaning.RATE_LIMITED, 1, False), (Meaning.UNAVAILABLE, 0, False)],
)
def test_only_what_is_certainly_not_canceled_comes_back(meaning: Meaning, failures: int, comes_back: bool) -> None:
    """A cancel that was in doubt before it reached OKX's limit reports that itself."""
    exchange = ccxt.okx()
    okx_rfq_plugin.install(exchange, policy=okx_rfq_plugin.RetryPolicy(rate_limit_wait=1.0, jitter=0.0))
    waits: list[float] = []

    def send() -> Any:
        waits.append(getattr(exchange, POLICY).wait(meaning, failures, 0.0))
        raise ccxt.RateLimitExceeded

    if comes_back:
        assert None is at_limit(exchange, send)
    else:
        with pytest.raises(ccxt.RateLimitExceeded):
            at_limit(exchange, send)

    assert [comes_back] == [math.isinf(wait) for wait in waits]
    assert 1.0 == getattr(exchange, POLICY).wait(Meaning.RATE_LIMITED, 0, 0.0)


class Desk(ccxt.okx):
    """A class to install on."""


def test_the_policy_of_an_exchange_stays_what_it_is() -> None:
    """The object's or its class's, unchanged or changed later, subclassed or not, and through a copy."""

    class Patient(okx_rfq_plugin.RetryPolicy):
        def wait(self, meaning: Meaning, failures: int, waited: float) -> float:
            return 42.0

    def waited(exchange: Any) -> float:
        at_limit(exchange, lambda: {})
        wait: float = getattr(copy.copy(exchange), POLICY).wait(Meaning.RATE_LIMITED, 0, 0.0)
        return wait

    def policy(seconds: float) -> okx_rfq_plugin.RetryPolicy:
        return okx_rfq_plugin.RetryPolicy(rate_limit_wait=seconds, jitter=0.0)

    okx_rfq_plugin.install(Desk, policy=policy(1.0))
    exchange = Desk()
    assert 1.0 == waited(exchange)
    okx_rfq_plugin.install(Desk, policy=policy(2.0))
    assert 2.0 == waited(exchange)
    okx_rfq_plugin.install(exchange, policy=policy(3.0))
    assert 3.0 == waited(exchange) == waited(exchange)
    okx_rfq_plugin.install(exchange, policy=Patient())
    assert 42.0 == waited(exchange)
    okx_rfq_plugin.uninstall(Desk)


@pytest.mark.parametrize("trouble", ["slow", "cut", "gone"])
def test_a_store_in_trouble_changes_nothing(
    store: EmbeddedServer, proxy: Proxy, sandbox: Sandbox, trouble: str
) -> None:
    """Slow, silent or dead: the cancel is sent, and its receipt is as usual."""
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
    """OKX's error propagates, and the block is not entered."""
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
    """Let processes cancel at once; return what each got, and after how long."""
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


@pytest.mark.measured
def test_a_crowd_of_processes_costs_four_requests(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """Twenty processes cancel at once: four requests at most, and each has its receipt."""
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
    """A leader whose connection is lost retries; no caller is told about a cancel that was not clean."""
    sandbox.create_rfq()
    sandbox.fault("rfq/cancel-all-rfqs", DROP)

    served = crowd(store, sandbox, 3, patient=True)

    assert 3 == len(served)
    assert [] == sandbox.rfqs("active")


def test_the_budget_is_fifty_milliseconds() -> None:
    """As promised on the page."""
    assert 0.05 == tickets.BUDGET
    assert okx_rfq_plugin.fleet.join is join  # a sub-package


def test_the_example_of_the_page_runs(
    store: EmbeddedServer, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the addresses and the key differ."""
    okx = ccxt.okx
    page = (Path(__file__).parents[2] / "docs" / "fleet.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    monkeypatch.setattr(ccxt, "okx", lambda config: sandbox.exchange(okx))

    exec(example.replace("rediss://store:6379/0", store.url), {})  # noqa: S102 - our own text

    assert "demo:100001 None\n" == capsys.readouterr().out
