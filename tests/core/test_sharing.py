"""OKX's limit and the sharing of attempts, as callers see them, on virtual clocks."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import repeat
from typing import Any

import ccxt
import ccxt.async_support
import ccxt.pro
import pytest
from support.replies import SUCCESS, aimed
from support.sharing import GRACE, LONGEST, TICK, WINDOW, Fate, Loop, Venue, World, on_loop_time, venue
from support.standin import Standin, reply
from support.twins import Twin, VirtualClock

import okx_rfq_plugin
from okx_rfq_plugin import RetryPolicy, install
from okx_rfq_plugin._core import once, rate_limit, single_flight
from okx_rfq_plugin.sandbox import Sandbox
from okx_rfq_plugin.testing.clocks import VirtualClock as SkippingClock

CANCEL = "rfq/cancel-all-rfqs"
OK = reply(200, SUCCESS)
LOCK_FREE = {module.__file__ for module in (once, rate_limit, single_flight)}


class SyncVenue(ccxt.okx):
    """ccxt's sync okx with a network that answers at once."""

    world: list[Any]

    def note(self) -> None:
        self.world.append(threading.current_thread().name)

    def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        self.check_proxy_url_settings(url, method, headers, body)
        assert 0 < self.timeout
        self.note()
        data = {"code": "0", "msg": "", "data": [{"ts": "1700000000000"}]}
        self.handle_errors(200, "So", url, method, {}, "{}", data, headers, None)
        return data


def sync_venue() -> Any:
    made = venue(cls=SyncVenue)
    made.world = []
    return made


def at(world: World) -> list[float]:
    """Return when requests left, in seconds from the start."""
    return [round(sent.at - 1000.0, 3) for sent in world.sent]


def played(story: Callable[[World], Any], *fates: Fate) -> tuple[Any, World]:
    """Run a story on a loop with virtual time; once the fates are used up, every request succeeds."""
    with on_loop_time(iter([*fates, *repeat(Fate(), 200)])) as world:
        loop = Loop(world.time)
        try:
            return loop.until(story(world)), world
        finally:
            loop.close()


def started(exchange: Any, *args: Any) -> Any:
    return asyncio.ensure_future(exchange.cancel_all_rfqs(*args))


async def settled(*tasks: Any) -> list[Any]:
    return await asyncio.gather(*tasks, return_exceptions=True)


async def full_window(exchange: Any) -> None:
    """Use up both slots: they are free again 2.05 s after the start."""
    await settled(started(exchange, {"tag": "a"}), started(exchange, {"tag": "b"}))


# --- the limit ---------------------------------------------------------------------------------------------------


def test_third_cancel_waits_for_the_window_from_the_reply_on(twin: Twin, clock: VirtualClock) -> None:
    """Two sends are not two arrivals: the third leaves 2 s after the reply to the first."""

    def slowly() -> None:
        clock.time += 0.7

    with Standin(clock.now) as standin:
        standin.script(OK.while_on_the_wire(slowly))
        exchange = aimed(twin, standin, clock)
        twin.run(exchange, *[exchange.cancel_all_rfqs] * 3)

    assert [1000.0, 1000.7, 1002.7] == pytest.approx([request.at for request in standin.requests])


def test_different_keys_do_not_wait_for_each_other(twin: Twin, sandbox: Sandbox, clock: VirtualClock) -> None:
    """Each key has its own two requests in 2 s."""
    for _ in range(2):
        other = install(sandbox.exchange(twin.module.okx, credentials=sandbox.create_user()))
        twin.run(other, *[other.cancel_all_rfqs] * 2)

    assert [] == clock.waits


@pytest.mark.parametrize("third", [ccxt.okx, ccxt.async_support.okx, ccxt.pro.okx], ids=lambda cls: cls.__module__)
def test_all_objects_of_a_key_share_its_limit(third: Any, sandbox: Sandbox, clock: VirtualClock) -> None:
    """An object of any ccxt variant waits for the others with its key."""
    for module, synchronous in ((ccxt, True), (ccxt.async_support, False)):
        face = Twin(module, synchronous)
        face.cancel(install(sandbox.exchange(module.okx)))
    assert [] == clock.waits
    last = install(sandbox.exchange(third))
    Twin(None, last.synchronous).cancel(last)

    assert sum(clock.waits) == pytest.approx(WINDOW)


def test_first_attempt_leaves_after_one_window_though_both_slots_hang() -> None:
    """Whatever the deadline, and without any reply, no caller waits longer than a window for the first one."""

    async def story(world: World) -> Any:
        hanging = venue(attempt_timeout=LONGEST, deadline=0)
        tasks = [started(hanging, {"tag": "a"}), started(hanging, {"tag": "b"})]
        await world.passes(0.5)
        receipt = await venue(deadline=0).cancel_all_rfqs()
        return receipt, await settled(*tasks)

    (receipt, _), world = played(story, Fate(latency=60), Fate(latency=60))

    assert "canceled" == receipt["status"]
    assert [0.0, 0.0, 2.5] == at(world)


def test_deadline_of_nothing_is_one_attempt(twin: Twin, sandbox: Sandbox) -> None:
    """The first is sent, and that is it."""
    sandbox.fault(CANCEL, *["50001"] * 5)
    exchange = install(sandbox.exchange(twin.module.okx), policy=RetryPolicy(deadline=0))

    with pytest.raises(ccxt.ExchangeNotAvailable) as caught:
        twin.cancel(exchange)

    assert (1, 1) == (caught.value.cancel_failure.attempts, len(sandbox.requests))


def test_no_attempt_starts_after_the_deadline_that_ends_while_it_waits_for_a_slot() -> None:
    """A caller that would have to wait beyond its deadline fails at its deadline, and sends nothing more."""

    async def story(world: World) -> Any:
        exchange = venue(deadline=1.0)
        first = started(exchange)
        await world.passes(0.06)
        await exchange.cancel_all_rfqs({"tag": "b"})
        return (await settled(first)), world.time.now

    ((error,), now), world = played(story, Fate("50001"))

    assert 1 == error.cancel_failure.attempts
    assert 1001.0 == pytest.approx(now)
    assert [0.0, 0.06] == at(world)


def test_after_a_rejection_by_the_limit_the_other_slot_waits_too() -> None:
    """Another program is using the window: no caller here sends for a whole one."""

    async def story(world: World) -> Any:
        exchange = venue(deadline=0)
        error = await settled(started(exchange))
        await world.passes(0.5)
        return error, await exchange.cancel_all_rfqs()

    _, world = played(story, Fate("50011", status=429))

    assert [0.0, 2.05] == at(world)


@pytest.mark.parametrize("count", [False, True])
def test_cancel_comes_through_however_rejections_count(count: bool, twin: Twin, clock: VirtualClock) -> None:
    """OKX does not say whether a rejection counts against the window: one rejection is one retry in both readings."""
    with Sandbox(clock=clock.wall, rejections_count=count) as sandbox:
        other = sandbox.exchange()  # a program unrelated to this one
        other.enableRateLimit = False
        for _ in range(2):
            with pytest.raises(ccxt.ExchangeError):
                other.private_post_rfq_cancel_all_rfqs()
        exchange = install(sandbox.exchange(twin.module.okx))
        receipt = twin.cancel(exchange)

    assert 2 == receipt["attempts"]
    assert WINDOW <= sum(clock.waits) <= WINDOW + 0.3 + TICK


def test_a_wrong_clock_is_corrected_at_once_for_all_sharers() -> None:
    """The others wait for the sender to sign again, which it does without waiting if OKX's limit allows."""

    async def story(world: World) -> Any:
        exchange = venue()
        await exchange.cancel_all_rfqs({"tag": "a"})
        await exchange.cancel_all_rfqs({"tag": "b"})  # free at 2.05 and 2.1
        await world.passes(0.1)
        return await settled(started(exchange), started(exchange), started(exchange))

    receipts, world = played(story, Fate(), Fate(), Fate("50102"))

    assert ["canceled"] * 3 == [receipt["status"] for receipt in receipts]
    assert [0.0, 0.05, 2.05, 2.1] == at(world)
    assert [1, 1, 2] == sorted(receipt["attempts"] for receipt in receipts)


# --- sharing -----------------------------------------------------------------------------------------------------


def test_waiting_callers_are_served_by_one_request() -> None:
    """Ten callers waiting for the window cost one request, and each has its own receipt."""

    async def story(world: World) -> Any:
        exchange = venue()
        await full_window(exchange)
        return await settled(*[started(exchange) for _ in range(10)])

    receipts, world = played(story)
    receipts[0]["info"]["data"][0]["ts"] = "spoiled"

    assert [0.0, 0.0, 2.05] == at(world)
    assert [1] * 10 == [receipt["attempts"] for receipt in receipts]
    assert [2.05] * 10 == [receipt["elapsed"] for receipt in receipts]  # as soon as the reply arrives
    assert ["1700000000000"] * 9 == [receipt["info"]["data"][0]["ts"] for receipt in receipts[1:]]


def test_skipped_time_stands_still_for_callers_waiting_for_a_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a replay, waits take no time but a reply does; a caller that shares it does not send another."""
    """Its own RFQ may be younger than that request, so it sends another."""
    skipping = SkippingClock()
    monkeypatch.setattr(okx_rfq_plugin.get_plugin_manager().get_plugin("okx"), "clock", skipping)

    async def crowd(exchange: Any) -> tuple[Any, Any]:
        try:
            for _ in range(2):
                await exchange.cancel_all_rfqs()
            return await asyncio.gather(exchange.cancel_all_rfqs(), exchange.cancel_all_rfqs())
        finally:
            exchange.timeout_on_exit = 0
            await exchange.close()

    with Sandbox(clock=skipping.wall) as sandbox:
        exchange = install(sandbox.exchange(ccxt.async_support.okx))
        exchange.milliseconds = skipping.milliseconds
        receipts = asyncio.run(crowd(exchange))

        assert ([1, 1], 3) == ([receipt["attempts"] for receipt in receipts], len(sandbox.requests))


def test_no_caller_is_served_by_a_request_already_on_the_wire() -> None:
    """Its own RFQ may be younger than that request: it sends another."""

    async def story(world: World) -> Any:
        exchange = venue()
        first = started(exchange)
        await world.passes(0.1)
        return await settled(first, started(exchange))

    receipts, world = played(story, Fate(latency=1.0))

    assert [0.0, 0.1] == at(world)
    assert ["canceled"] * 2 == [receipt["status"] for receipt in receipts]


def test_each_sharer_has_its_own_exception() -> None:
    """Changing the exception in one place does not change it in another."""

    async def story(world: World) -> Any:
        exchange = venue(deadline=0)
        await full_window(exchange)
        return await settled(*[started(exchange) for _ in range(3)])

    errors, world = played(story, Fate(), Fate(), Fate("50005"))

    assert 3 == len(world.sent)
    assert 3 == len({id(error) for error in errors})
    assert [("50005", 1, False)] * 3 == [
        (error.cancel_failure.code, error.cancel_failure.attempts, error.cancel_failure.may_be_canceled)
        for error in errors
    ]


def test_a_rejection_counts_for_the_sender_alone() -> None:
    """The others send for themselves."""

    async def story(world: World) -> Any:
        exchange = venue()
        await full_window(exchange)
        return await settled(*[started(exchange) for _ in range(3)])

    outcomes, world = played(story, Fate(), Fate(), Fate("50113"))

    rejected = [outcome for outcome in outcomes if isinstance(outcome, ccxt.AuthenticationError)]
    assert 1 == len(rejected)
    assert [1, 1] == [outcome["attempts"] for outcome in outcomes if isinstance(outcome, dict)]
    assert len(world.sent) <= 2 + 3


def test_a_rejected_senders_doubt_is_shared() -> None:
    """A framework has sent twice for all who waited; only the second was answered: the first may have canceled."""

    class Again(Venue):
        async def fetch(self, *args: Any) -> Any:
            try:
                return await super().fetch(*args)
            except ccxt.ExchangeNotAvailable:
                return await super().fetch(*args)

    async def story(world: World) -> Any:
        exchange = venue(cls=Again)
        await full_window(exchange)
        return await settled(started(exchange), started(exchange))

    errors, world = played(story, Fate(), Fate(), Fate(None), Fate("50120"), Fate("50120"))

    assert 2 + 2 + 1 == len(world.sent)
    assert [("50120", True)] * 2 == [
        (error.cancel_failure.code, error.cancel_failure.may_be_canceled) for error in errors
    ]


def test_a_rejection_of_all_is_told_to_all_by_their_deadline() -> None:
    """A hundred callers with a key that OKX refuses all fail by their deadline, not one after another."""

    async def story(world: World) -> Any:
        exchange = venue(deadline=10.0)
        return await settled(*[started(exchange) for _ in range(100)]), world.time.now - 1000.0

    (errors, took), _ = played(story, *[Fate("50113")] * 100)

    assert took <= 10.0 + LONGEST + GRACE + WINDOW
    assert [(ccxt.AuthenticationError, "50113", False)] * 100 == [
        (type(error), error.cancel_failure.code, error.cancel_failure.may_be_canceled) for error in errors
    ]


DIFFERENT: list[tuple[str, Any, Callable[[Any], Any]]] = [
    ("params", {"tag": "x"}, lambda exchange: None),
    ("secret", {}, lambda exchange: setattr(exchange, "secret", "dummy-secret-0001")),
    ("passphrase", {}, lambda exchange: setattr(exchange, "password", "Dummy-pass-0001")),
    ("proxy", {}, lambda exchange: setattr(exchange, "aiohttp_proxy", "http://127.0.0.1:1")),
    ("proxy url", {}, lambda exchange: setattr(exchange, "proxyUrl", "http://127.0.0.1:1/")),
    ("world", {}, lambda exchange: exchange.set_sandbox_mode(True)),
    ("host", {}, lambda exchange: setattr(exchange, "hostname", "my.okx.com")),
    ("key", {}, lambda exchange: setattr(exchange, "apiKey", "dummy-key-0009")),
]


@pytest.mark.parametrize(("params", "differ"), [row[1:] for row in DIFFERENT], ids=[row[0] for row in DIFFERENT])
def test_callers_that_differ_do_not_share(params: Any, differ: Callable[[Any], Any]) -> None:
    """A request belongs to one account, in one environment, on one route, with one set of params."""

    async def story(world: World) -> Any:
        exchange, other = venue(), venue()
        differ(other)
        await full_window(exchange)
        return await settled(started(exchange), started(other, params))

    receipts, world = played(story)

    assert ["canceled"] * 2 == [receipt["status"] for receipt in receipts]
    assert 4 == len(world.sent)


def own_method(exchange: Any) -> None:
    exchange.sign = exchange.sign


def own_session(exchange: Any) -> None:
    exchange.own_session = False


@pytest.mark.parametrize(("differ", "sent"), [(None, 3), (own_method, 4), (own_session, 4)])
def test_an_object_with_code_of_its_own_shares_with_itself_only(differ: Any, sent: int) -> None:
    """A mocked object, or one with a user's session, never serves another, not even a similar one."""

    async def story(world: World) -> Any:
        exchange, other = venue(), venue()
        for each in (exchange, other) if differ else ():
            differ(each)
        await full_window(exchange)
        return await settled(started(exchange), started(other), started(exchange))

    receipts, world = played(story)

    assert ["canceled"] * 3 == [receipt["status"] for receipt in receipts]
    assert sent == len(world.sent)


@pytest.mark.parametrize("leaver", [0, 1, 2])
def test_a_caller_canceled_while_it_waits_disturbs_no_other(leaver: int) -> None:
    """Whichever caller leaves, one request serves the others, in time."""

    async def story(world: World) -> Any:
        exchange = venue()
        await full_window(exchange)
        tasks = [started(exchange) for _ in range(3)]
        await world.passes(1.0)
        tasks[leaver].cancel()
        return await settled(*tasks)

    outcomes, world = played(story)

    gone = outcomes.pop(leaver)
    assert isinstance(gone, asyncio.CancelledError)
    assert [0.0, 0.0, pytest.approx(2.05, abs=0.01)] == at(world)  # the second one wakes a moment later
    assert ["canceled"] * 2 == [outcome["status"] for outcome in outcomes]


def test_a_caller_whose_deadline_ends_first_disturbs_no_other() -> None:
    """It fails, and the other is served."""

    async def story(world: World) -> Any:
        short, long = venue(deadline=1.0), venue()
        tasks = [started(short), started(long)]
        await world.passes(0.06)
        await full_window(venue())
        return await settled(*tasks)

    outcomes, _ = played(story, Fate("50001"), Fate("50001"))

    assert isinstance(outcomes[0], ccxt.ExchangeNotAvailable)
    assert "canceled" == outcomes[1]["status"]
    assert 1 == outcomes[0].cancel_failure.attempts


def test_a_request_that_was_interrupted_counts() -> None:
    """OKX still has it: the third waits for a window, though no caller waits for the replies to the others."""

    async def story(world: World) -> Any:
        exchange = venue()
        tasks = [started(exchange, {"tag": "a"}), started(exchange, {"tag": "b"})]
        await world.passes(0.02)
        for task in tasks:
            task.cancel()
        await settled(*tasks)
        return await exchange.cancel_all_rfqs()

    _, world = played(story)

    assert [0.0, 0.0, 2.02] == at(world)


def interrupted(*fates: Fate) -> tuple[list[Any], World]:
    """Two share; the one that sends is canceled while its request is on the wire."""

    async def story(world: World) -> Any:
        exchange = venue()
        await full_window(exchange)
        tasks = [started(exchange), started(exchange)]
        await world.passes(2.5)
        tasks[0].cancel()
        return await settled(*tasks)

    return played(story, Fate(), Fate(), Fate(latency=1.0), *fates)


def test_when_the_sender_is_cancelled_in_flight_the_others_go_on() -> None:
    """They send for themselves, as soon as the limit allows."""
    (gone, receipt), world = interrupted()

    assert isinstance(gone, asyncio.CancelledError)
    assert "canceled" == receipt["status"]
    assert 4 == len(world.sent)


def test_what_a_cancelled_sender_left_on_the_wire_is_a_doubt_of_the_others() -> None:
    """OKX may have acted on that request: their own rejection does not mean that nothing was canceled."""
    (_, error), _ = interrupted(Fate("50113"))

    assert isinstance(error, ccxt.AuthenticationError)
    assert error.cancel_failure.may_be_canceled


def test_a_doubt_stays_where_they_are_to_be_canceled_by_name() -> None:
    """Too many for one request, and no list: the outcome of the other's request is still unknown."""
    (_, error), _ = interrupted(Fate("70203"), Fate("50120"))

    assert ("70203", True) == (error.cancel_failure.code, error.cancel_failure.may_be_canceled)


@pytest.mark.parametrize("confirm", [False, True])
def test_a_sender_that_has_no_time_to_correct_its_clock_frees_the_others(confirm: bool) -> None:
    """They do not wait for the second request that it would have sent for them."""

    async def story(world: World) -> Any:
        impatient, patient = venue(deadline=0), venue()
        await full_window(patient)
        given_up = asyncio.ensure_future(impatient.cancel_all_rfqs(confirm=confirm))
        return await settled(given_up, started(patient))

    (error, receipt), _ = played(story, Fate(), Fate(), Fate("50102"))

    assert isinstance(error, ccxt.InvalidNonce)
    assert receipt["elapsed"] <= WINDOW + 4 * 0.05 + TICK


def test_a_sender_that_cannot_read_okx_s_clock_frees_the_others() -> None:
    """It backs off, and they do not."""

    class Timeless(Venue):
        async def fetch(self, url: str, *args: Any) -> Any:
            if url.endswith("/public/time"):
                raise ccxt.ExchangeNotAvailable("there is no time")
            return await super().fetch(url, *args)

    async def story(world: World) -> Any:
        exchange = venue(cls=Timeless)
        await full_window(exchange)
        return await settled(started(exchange), started(exchange))

    (first, second), _ = played(story, Fate(), Fate(), Fate("50102"))

    assert (2, 1) == (first["attempts"], second["attempts"])
    assert second["elapsed"] <= WINDOW + 3 * 0.05 + TICK


def test_a_second_request_with_the_clock_corrected_waits_as_any_other() -> None:
    """If one slot hangs, the other is free a window after the first request's reply, not after the call."""

    async def story(world: World) -> Any:
        exchange = venue()
        hung = started(exchange, {"tag": "a"})
        await world.passes(0.01)
        receipt = await exchange.cancel_all_rfqs()
        hung.cancel()
        await settled(hung)
        return receipt

    receipt, world = played(story, Fate(latency=60), Fate("50102", latency=1.0))

    assert 2 == receipt["attempts"]
    assert [0.0, 0.01, 3.01] == at(world)


def test_time_that_a_reply_was_waited_for_counts_as_waited() -> None:
    """Once: a caller that has hung for 3 s backs off that much less; one that then failed at once does not."""

    async def story(world: World) -> Any:
        return await venue(backoff=5.0, backoff_max=10.0, jitter=0.0, deadline=60.0).cancel_all_rfqs()

    _, world = played(story, Fate(latency=60), Fate("50001"))

    assert [0.0, 5.0, 15.05] == at(world)


def test_a_request_that_was_rejected_counts() -> None:
    """Whatever OKX says, it was one of two requests."""

    async def story(world: World) -> Any:
        exchange = venue()
        await settled(started(exchange, {"tag": "a"}), started(exchange, {"tag": "b"}))
        return await exchange.cancel_all_rfqs()

    _, world = played(story, Fate("50113"), Fate("50113"))

    assert [0.0, 0.0, 2.05] == at(world)


def orphaned(*fates: Fate, **policy: Any) -> tuple[Any, World]:
    """Two on separate loops share; the loop of the sender stops with its request on the wire."""
    with on_loop_time(iter([Fate(), Fate(), Fate(latency=0.5), *fates, *repeat(Fate(), 50)])) as world:
        dying, living = Loop(world.time), Loop(world.time)

        async def first() -> None:
            exchange = venue(**policy)
            await full_window(exchange)
            _keep.append(started(exchange))
            asyncio.get_running_loop().stop()

        async def second() -> Any:
            [outcome] = await settled(started(venue()))
            return outcome

        _keep.append(dying.create_task(first()))
        dying.run_forever()
        other = living.create_task(second())
        for _ in range(3):
            living.call_soon(living.stop)
            living.run_forever()  # it has called, and waits

        async def sent() -> None:
            while len(world.sent) < 3:
                await world.passes(0.001)
            asyncio.get_running_loop().stop()

        _keep.append(dying.create_task(sent()))
        dying.run_forever()
        outcome = living.until(other)
        dying.run_until_complete(_cancel_all(dying))
        dying.close()
        living.close()
        return outcome, world


_keep: list[Any] = []


async def _cancel_all(loop: Any) -> None:
    tasks = [task for task in asyncio.all_tasks(loop) if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize(
    ("attempt_timeout", "timeout", "least"), [(1.0, LONGEST, 1.0), (1.0, 0, 1.0), (LONGEST + 1, LONGEST, LONGEST)]
)
def test_when_the_senders_loop_stops_the_others_go_on_after_its_timeout(
    attempt_timeout: float, timeout: float, least: float
) -> None:
    """No caller depends on another's loop for longer than an attempt and a grace; the exchange may allow less."""
    receipt, world = orphaned(attempt_timeout=attempt_timeout, timeout=timeout)

    assert "canceled" == receipt["status"]
    assert least + GRACE == pytest.approx(world.sent[3].at - world.sent[2].at)


def test_a_failure_after_a_sender_that_never_came_back_says_so() -> None:
    """The outcome of its request is unknown."""
    error, _ = orphaned(Fate("50113"), attempt_timeout=1.0)

    assert isinstance(error, ccxt.AuthenticationError)
    assert error.cancel_failure.may_be_canceled


def test_a_sender_that_never_came_back_is_not_forgotten_by_a_retry() -> None:
    """Once an attempt has ended unknown, the failure says that RFQs may have been canceled."""
    error, _ = orphaned(Fate("50011", status=429), Fate("50113"), attempt_timeout=1.0)

    assert isinstance(error, ccxt.AuthenticationError)
    assert error.cancel_failure.may_be_canceled


# --- who sends ---------------------------------------------------------------------------------------------------


@pytest.fixture
def handler() -> Iterator[Callable[[Callable[[], Any]], None]]:
    """Have something called in a signal handler."""
    before = signal.getsignal(signal.SIGUSR1)

    def handle(call: Callable[[], Any]) -> None:
        signal.signal(signal.SIGUSR1, lambda number, frame: call())

    yield handle
    signal.signal(signal.SIGUSR1, before)


def test_signal_handler_cancels_while_its_own_thread_waits(handler: Any, monkeypatch: Any) -> None:
    """It also sends for the call that it interrupts."""
    receipts = []

    class Interrupted(VirtualClock):
        def sleep(self, seconds: float, waker: Any = None) -> None:
            if not self.waits:
                self.waits.append(0.0)
                signal.raise_signal(signal.SIGUSR1)
            super().sleep(seconds)

    monkeypatch.setattr(okx_rfq_plugin.get_plugin_manager().get_plugin("okx"), "clock", Interrupted())
    exchange = sync_venue()
    handler(lambda: receipts.append(exchange.cancel_all_rfqs()))
    for _ in range(3):
        receipts.append(exchange.cancel_all_rfqs())

    assert ["canceled"] * 4 == [receipt["status"] for receipt in receipts]
    assert 3 == len(exchange.world)


def test_signal_handler_cancels_while_its_own_threads_request_is_on_the_wire(handler: Any, clock: VirtualClock) -> None:
    """It does not wait for that request, which cannot continue before the handler returns."""
    receipts = []
    with Standin(clock.now) as standin:
        kill = OK.while_on_the_wire(lambda: os.kill(os.getpid(), signal.SIGUSR1))
        standin.script(kill, OK)
        exchange = aimed(Twin(ccxt, True), standin, clock)
        handler(lambda: receipts.append(exchange.cancel_all_rfqs()))
        receipts.append(exchange.cancel_all_rfqs())

    assert ["canceled"] * 2 == [receipt["status"] for receipt in receipts]
    assert 2 == len(standin.requests)
    assert [] == clock.waits


def test_signal_handler_goes_after_a_window_where_its_own_thread_holds_both_slots(handler: Any) -> None:
    """A handler inside a handler: both requests of the window are on the wire below it, and cannot end before it."""
    receipts: list[Any] = []
    depth = [0]
    times: list[float] = []
    with on_loop_time(iter(())) as world:

        class Nested(SyncVenue):
            def fetch(self, *args: Any, **kwargs: Any) -> Any:
                if len(receipts) + depth[0] < 2:
                    depth[0] += 1
                    signal.raise_signal(signal.SIGUSR1)
                times.append(world.time.now)
                return super().fetch(*args, **kwargs)

        exchange = venue(cls=Nested)
        exchange.world = []
        handler(lambda: receipts.append(exchange.cancel_all_rfqs()))
        receipts.append(exchange.cancel_all_rfqs())

    assert ["canceled"] * 3 == [receipt["status"] for receipt in receipts]
    assert [1002.0] * 3 == times


@pytest.mark.parametrize("before", [0, 1, 2])
def test_signal_handler_may_come_at_any_line(before: int, handler: Any, monkeypatch: Any) -> None:
    """Between any two lines: both are served, by requests that left later, and the limit is respected."""
    okx = okx_rfq_plugin.get_plugin_manager().get_plugin("okx")
    exchange = sync_venue()
    times: list[float] = []
    came: list[int] = []
    served: list[bool] = []
    hung: list[int] = []
    wrong: list[Any] = []
    reached = True
    line = 0

    def cancel() -> None:
        called = len(times)
        assert "canceled" == exchange.cancel_all_rfqs()["status"]
        served.append(called < len(times))

    def interrupt() -> None:
        came.append(line)
        cancel()

    handler(interrupt)
    monkeypatch.setattr(exchange, "world", times)
    while reached:
        line += 1
        clock = VirtualClock()
        monkeypatch.setattr(okx, "clock", clock)
        times.clear()
        came.clear()
        served.clear()
        exchange.note = lambda now=clock.now: times.append(now())
        for _ in range(before):
            cancel()
        try:
            with at_line(line, lambda: signal.raise_signal(signal.SIGUSR1)), patience():
                cancel()
        except Hung:
            hung.append(line)
        else:
            fair = [True] * (before + 1 + bool(came)) == served
            if not fair or any(b - a < WINDOW for a, b in zip(times, times[2:], strict=False)):
                wrong.append((line, fair, list(times)))
        reached = bool(came)

    assert ([], []) == (hung, wrong)
    assert line > 30


class Hung(BaseException):
    """Raised if a call never ends."""


@contextmanager
def patience() -> Iterator[None]:
    """Interrupt what has not ended after ten seconds; it normally takes a thousandth of one."""

    def give_up(*args: Any) -> None:
        raise Hung

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, 10)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def at_line(line: int, call: Callable[[], Any]) -> Iterator[None]:
    """Call something before the nth line that runs in the lock-free modules."""
    count = 0

    def trace(frame: Any, event: str, arg: Any) -> Any:
        nonlocal count
        if frame.f_code.co_filename not in LOCK_FREE:
            return None
        if event == "line":
            count += 1
            if count == line:
                sys.settrace(None)
                call()
        return trace

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(previous)


def test_sync_call_on_a_running_loops_thread_does_not_wait_for_its_tasks() -> None:
    """While it blocks the loop, no task there can send, so it sends its own."""

    async def story(world: World) -> Any:
        exchange, other = venue(), sync_venue()
        await full_window(exchange)
        task = started(exchange)
        await world.passes(0.1)
        receipt = other.cancel_all_rfqs()
        return receipt, await task, other.world

    (receipt, served, sent), world = played(story)

    assert ["canceled"] * 2 == [receipt["status"], served["status"]]
    assert (1, 3) == (len(sent), len(world.sent))  # a user's classes do not share with each other


def test_child_of_a_fork_sends_for_itself(monkeypatch: Any) -> None:
    """The parent's waiting thread does not exist in the child, nor may the lock that it held block it."""
    waits, goes_on = threading.Event(), threading.Event()

    class Held(VirtualClock):
        def sleep(self, seconds: float, waker: Any = None) -> None:
            if threading.current_thread().name == "waits":
                waits.set()
                goes_on.wait(10)
            super().sleep(seconds)

    monkeypatch.setattr(okx_rfq_plugin.get_plugin_manager().get_plugin("okx"), "clock", Held())
    exchange = sync_venue()
    exchange.cancel_all_rfqs()
    exchange.cancel_all_rfqs()
    thread = threading.Thread(target=exchange.cancel_all_rfqs, name="waits")
    thread.start()
    assert waits.wait(10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns about forking with threads
        child = os.fork()
    if child == 0:
        try:
            status = exchange.cancel_all_rfqs()["status"]
            os._exit(0 if (status, len(exchange.world)) == ("canceled", 3) else 1)
        finally:
            os._exit(2)
    goes_on.set()
    thread.join(10)

    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert 3 == len(exchange.world)


class Jumping(VirtualClock):
    """A clock for threads that jumps to the next wake-up when all of them sleep."""

    def __init__(self, threads: int) -> None:
        super().__init__()
        self.awake = threads
        self._sleepers: dict[int, float] = {}
        self._lock = threading.Lock()

    def sleep(self, seconds: float, waker: Any = None) -> None:
        me = threading.get_ident()
        with self._lock:
            until = self._sleepers[me] = self.time + seconds
            self.awake -= 1
            self._jump()
        while self.time < until and not waker.lock.acquire(timeout=0.001):
            with self._lock:
                self._jump()
        with self._lock:
            del self._sleepers[me]
            self.awake += 1

    def done(self) -> None:
        """One thread less."""
        with self._lock:
            self.awake -= 1
            self._jump()

    def _jump(self) -> None:
        if self.awake == 0 and self._sleepers:
            self.time = max(self.time, min(self._sleepers.values()))


def test_fifty_threads_at_once_cost_three_requests(monkeypatch: Any) -> None:
    """Two leave at once, and the third serves the rest; no caller waits forever."""
    clock = Jumping(50)
    monkeypatch.setattr(okx_rfq_plugin.get_plugin_manager().get_plugin("okx"), "clock", clock)
    exchanges = [sync_venue() for _ in range(3)]
    receipts: list[Any] = []
    together = threading.Barrier(50)

    def cancel(number: int) -> None:
        together.wait(10)
        receipts.append(exchanges[number % 3].cancel_all_rfqs())
        clock.done()

    threads = [threading.Thread(target=cancel, args=(number,), daemon=True) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert ["canceled"] * 50 == [receipt["status"] for receipt in receipts]
    assert sum(len(exchange.world) for exchange in exchanges) <= 3
    assert clock.time <= 1002.1 + TICK  # they wake one after the other
