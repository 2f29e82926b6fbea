"""What timing alone brings about in a fleet otherwise: threads that come second, answers not read yet, lost sight."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import ccxt
import ccxt.async_support
import pytest
import redis
from support.command import PATIENCE
from support.waiting import eventually

from okx_rfq_plugin import install
from okx_rfq_plugin._core.clock import Clock, Waker
from okx_rfq_plugin.fleet import clocks, join
from okx_rfq_plugin.fleet.accounts import identity_of
from okx_rfq_plugin.fleet.cancels import Outcome
from okx_rfq_plugin.fleet.clocks import Reading
from okx_rfq_plugin.fleet.detector import FailureDetector
from okx_rfq_plugin.fleet.halt import HaltRun
from okx_rfq_plugin.fleet.halting import Halting
from okx_rfq_plugin.fleet.membership import Membership
from okx_rfq_plugin.fleet.okx_clock import OkxClock
from okx_rfq_plugin.fleet.plugin import FleetPlugin, Joined, _note
from okx_rfq_plugin.fleet.records import Beat, Latch, Member, View
from okx_rfq_plugin.fleet.server import EmbeddedServer
from okx_rfq_plugin.fleet.store import Store
from okx_rfq_plugin.fleet.tickets import BUDGET, UNREAD, StoreCall, StoreWorker, run, run_async
from okx_rfq_plugin.fleet.watcher import WatcherRun
from okx_rfq_plugin.fleet.watching import Watch
from okx_rfq_plugin.fleet.yielding import at_limit_async
from okx_rfq_plugin.sandbox import Sandbox

NOWHERE = "redis://127.0.0.1:1/0"
RECEIPT = {"status": "canceled", "timestamp": 1, "datetime": None, "attempts": 1, "elapsed": 0.1, "info": {}}


def reading(at: float) -> Reading:
    return Reading(at, at, at)


# Members


@pytest.fixture
def joined(store: EmbeddedServer, sandbox: Sandbox) -> Iterator[Joined]:
    """A member that has started."""
    member = Membership(store.url, "demo:1", name="alpha", lease=60.0)
    assert member.start(PATIENCE)
    made = Joined(member, sandbox.exchange(ccxt.okx))
    yield made
    made.worker.close()
    member.leave(sign_off=True)


def test_a_latch_is_heard_where_the_first_subscription_fails(
    store: EmbeddedServer, here: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next renewal brings it, and the next subscription is tried then."""
    subscribe, tried = redis.client.PubSub.subscribe, threading.Event()

    def failing(self: Any, *channels: Any) -> Any:
        if not tried.is_set():
            tried.set()
            raise redis.ConnectionError("cut")
        return subscribe(self, *channels)

    monkeypatch.setattr(redis.client.PubSub, "subscribe", failing)
    member = Membership(store.url, "demo:1", name="alpha", lease=1.0)
    try:
        member.start(PATIENCE)
        assert tried.wait(PATIENCE)
        here.set_latch(halted=True, reason="risk", by="me")
        assert eventually(lambda: "halted" in (member.refusal() or ""))
    finally:
        member.leave(sign_off=True)


def test_another_halt_is_no_other_news(caplog: pytest.LogCaptureFixture) -> None:
    """A member logs once that it creates nothing; later halts of the fleet add no second line."""
    caplog.set_level("INFO", logger="okx_rfq_plugin")
    member = Membership(NOWHERE, "demo:1", name="alpha", lease=3.0)
    member.fence.renewed(clocks.read(), None)
    for version, reason in enumerate(("risk", "more risk"), 1):
        member.fence.heard(Latch(version, True, reason, "me", 0.0))
        member._tell()

    assert "more risk" in str(member.refusal())
    assert 1 == caplog.text.count("alpha creates nothing: the fleet is halted")


def test_a_process_short_of_threads_renews_all_the_same(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OKX's clock is asked for by a thread, which cannot be started now."""
    caplog.set_level("DEBUG", logger="okx_rfq_plugin")

    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    okx = OkxClock(1_000_000, Reading(1000.0, 1000.0, 1000.0), lambda: 0, lambda: Reading(1000.0, 1000.0, 2000.0))
    assert okx.has_parted
    member = Membership(NOWHERE, "demo:1", name="alpha", lease=3.0, okx=okx)
    monkeypatch.setattr(threading.Thread, "start", start)
    member._check_clock()

    assert "OKX's clock is not asked for" in caplog.text


def test_a_forked_process_does_not_sign_off_for_its_parent(
    joined: Joined, here: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own end is none of the member's."""
    with pytest.MonkeyPatch.context() as forked:
        forked.setattr(os, "getpid", lambda: 1)
        joined.at_exit()
    assert "alpha" in [member.name for member in here.look().members.values()]

    joined.at_exit()
    assert eventually(lambda: not here.look().members)


def test_of_two_threads_of_a_forked_process_one_joins(joined: Joined, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other finds it done when its turn comes."""
    plugin, member = FleetPlugin(), joined.membership
    exchange, pids, real = ccxt.okx(), iter([1]), os.getpid()
    monkeypatch.setattr(plugin, "_joined", {identity_of(exchange): [joined]})
    monkeypatch.setattr(os, "getpid", lambda: next(pids, real))

    plugin.rfq_creating(exchange, "rfq/create-rfq")

    assert member is joined.membership
    assert member.owes


@pytest.mark.parametrize(("receipt", "owes"), [(None, True), (RECEIPT, False)], ids=["nobody serves it", "clean"])
def test_a_cancel_that_nobody_serves_clears_nothing(receipt: Any, owes: bool, joined: Joined) -> None:
    """What was created before may be active as it was."""
    now = clocks.read()
    joined.membership.fence.renewed(now, None)
    assert None is joined.membership.refusal()

    _note([joined], Reading(*(moment + 60 for moment in now)), receipt)

    assert owes is joined.membership.owes


# Cancels


class Busy(Clock):
    """A machine on which the store has answered in time, and the thread that reads it has its turn too late."""

    def __init__(self, worker: StoreWorker, reads: threading.Event) -> None:
        self.waits: list[float] = []
        self._worker, self._reads = worker, reads

    def sleep(self, seconds: float, waker: Any) -> None:
        self.waits.append(seconds)
        if seconds == BUDGET:
            assert eventually(self._worker._store.has_answered)
        else:
            self._reads.set()
            assert waker.lock.acquire(timeout=PATIENCE)

    async def asleep(self, seconds: float, waker: Any) -> None:
        self.waits.append(seconds)
        if seconds == BUDGET:
            assert eventually(self._worker._store.has_answered)
        else:
            self._reads.set()
            await asyncio.wait_for(waker.future, PATIENCE)


@pytest.fixture
def worker(store: EmbeddedServer) -> Iterator[StoreWorker]:
    """One that is connected."""
    running = StoreWorker(store.url, "demo:1", b"key")
    answered = running.submit(StoreCall(Store.look, Waker()))
    assert eventually(lambda: answered.answer is not None)
    yield running
    running.close()


@pytest.mark.parametrize("abandoned", [True, False], ids=["too late", "in time"])
def test_what_is_answered_too_late_is_undone(abandoned: bool, worker: StoreWorker) -> None:
    """And what has been abandoned before its turn is not asked at all; an answer that is in time stays."""
    asking, answer, undone = threading.Event(), threading.Event(), threading.Event()

    def ask(store: Store) -> str:
        asking.set()
        assert answer.wait(PATIENCE)
        return "answer"

    calls = [worker.submit(StoreCall(ask, Waker(), lambda store: undone.set())) for _ in range(2)]
    last = worker.submit(StoreCall(lambda store: "last", Waker()))
    assert asking.wait(PATIENCE)
    for call in calls:
        call.abandoned = abandoned
    answer.set()

    assert eventually(lambda: last.answer)
    assert abandoned is undone.is_set()
    assert [True, not abandoned] == [call.asked for call in calls]


@pytest.mark.parametrize("synchronous", [True, False], ids=["sync", "async"])
def test_an_answer_that_is_there_is_waited_for_until_it_is_read(
    synchronous: bool, worker: StoreWorker, here: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the cancel counts as one that the store has sent out."""
    read_response, reads = redis.connection.Connection.read_response, threading.Event()

    def read(connection: Any, *arguments: Any, **keywords: Any) -> Any:
        reads.wait(PATIENCE)
        return read_response(connection, *arguments, **keywords)

    monkeypatch.setattr(redis.connection.Connection, "read_response", read)
    clock, asked = Busy(worker, reads), []

    def send(yields: bool) -> Any:
        asked.append(yields)
        return RECEIPT

    async def send_async(yields: bool) -> Any:
        return send(yields)

    receipt = run(worker, send, clock) if synchronous else asyncio.run(run_async(worker, send_async, clock))

    assert ("canceled", [True], [BUDGET, UNREAD]) == (receipt["status"], asked, clock.waits)


def test_an_async_cancel_that_raises_is_taken_back(worker: StoreWorker, here: Store) -> None:
    """Who waits for it sets out instead."""

    async def send(yields: bool) -> Any:
        assert ["wait"] == [here.enter(worker.group, ticket)[0] for ticket in ("b", "c")][1:]
        raise ccxt.NetworkError("broken")

    with pytest.raises(ccxt.NetworkError):
        asyncio.run(run_async(worker, send))
    here._client.delete("{okx-rfq-fleet}:sent:" + worker.group)

    assert eventually(lambda: here.enter(worker.group, "c")[0] == "send")


def test_an_async_cancel_that_confirms_is_its_callers_own(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """No other's is as good."""
    sandbox.create_rfq()
    exchange = sandbox.exchange(ccxt.async_support.okx)
    exchange.timeout_on_exit = 0

    async def canceled() -> Any:
        try:
            async with join(exchange, store.url):
                return await exchange.cancel_all_rfqs(confirm=True)
        finally:
            await exchange.close()

    receipt = asyncio.run(canceled())

    assert (True, []) == (receipt["confirmed"], sandbox.rfqs("active"))


def test_an_async_cancel_that_is_limited_otherwise_raises(sandbox: Sandbox) -> None:
    """Where it was not OKX's limit for this very request, nobody else can serve it."""
    exchange = install(sandbox.exchange(ccxt.async_support.okx))

    async def limited() -> Any:
        raise ccxt.RateLimitExceeded("in doubt")

    with pytest.raises(ccxt.RateLimitExceeded, match="in doubt"):
        asyncio.run(at_limit_async(exchange, limited))


# Those who look


def test_a_heartbeat_whose_member_is_not_known_is_none_yet() -> None:
    """It is looked at again when the store says whose it is."""
    detector, member = FailureDetector(), Member("m", "m", "host", 1, "demo:1", 3.0, 0.0, 0.0)
    detector.look(View("e", None, {"m": Beat(1, 0)}, {}), reading(0.0))
    assert {} == detector.seen

    detector.look(View("e", None, {"m": Beat(2, 0)}, {"m": member}), reading(0.1))
    assert ["m"] == list(detector.seen)


def test_a_halt_whose_latch_no_store_has_taken_yet_waits_for_nobody() -> None:
    """Whom it would have to wait for is not known."""
    said: list[str] = []
    say: Callable[..., None] = lambda kind, words, facts: said.append(words)  # noqa: E731
    halting = Halting(frozenset(), clocks.read(), patience=PATIENCE)
    HaltRun(Store(NOWHERE, timeout=1.0), {}, halting, reason="risk", by="me", say=say)._tell_phase()

    assert [] == said


def test_a_watcher_forgets_whom_it_has_canceled_for(here: Store) -> None:
    """After a clean cancel that is the last; one that has failed leaves the member in the list."""
    told: list[str] = []
    watch = Watch(frozenset({"demo:1"}))
    runs = WatcherRun(here, {}, watch, lambda event: told.append(event.kind))
    member = Member("m", "m", "host", 1, "demo:1", 0.5, 0.0, 0.0)
    here.renew(member, Beat(1, 0))
    here._client.delete(*[key for key in here._client.scan_iter() if str(key).endswith(":m")])  # as it expires
    begun = clocks.read()
    for moment in range(6):
        watch.look(here.look(), Reading(*(each + moment / 2 for each in begun)))
    later = Reading(*(each + 60 for each in begun))
    assert ["demo:1"] == watch.due(later)

    runs._handle(Outcome("demo:1", None, RuntimeError("broken")))
    assert (["failed"], ["m"]) == (told, list(here.look().members))
    watch.plans["demo:1"].begin(later)
    runs._handle(Outcome("demo:1", RECEIPT, None))

    assert (["failed", "canceled", "finished", "forgotten"], {}) == (told, here.look().members)
