"""This file checks who else is touched when a cancel leaves first: creates that wait, sessions, timeouts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import aiohttp
import ccxt
import ccxt.async_support
import ccxt.pro
import pytest
import requests
from support.replies import CANCEL_ALL, SUCCESS, aimed
from support.standin import Standin, hang, reply, silence
from support.threads import Queue, in_a_thread
from support.twins import Twin, VirtualClock

from okx_rfq_plugin import install
from okx_rfq_plugin.sandbox import Sandbox

OK = reply(200, SUCCESS)
CREATE = "rfq/create-rfq"
ASKED = {"counterparties": ["WAGMI"], "legs": [{"instId": "BTC-USDT", "side": "buy", "sz": "1"}]}
TINY = 0.02  # seconds of real time


@pytest.fixture
def standin(clock: VirtualClock) -> Iterator[Standin]:
    with Standin(clock.now) as running:
        yield running


def created(sandbox: Sandbox) -> int:
    return sum(request.path.endswith(CREATE) for request in sandbox.requests)


def waiting_create(sandbox: Sandbox, exchange: Any, canceling: Any) -> Any:
    """Have a sync create wait in the queue, cancel by another object, and return what the create came to."""
    exchange.throttle = queue = Queue()
    thread, outcome = in_a_thread(lambda: exchange.private_post_rfq_create_rfq(ASKED))
    assert queue.entered.wait(10)
    Twin(None, canceling.synchronous).cancel(canceling)
    queue.open.set()
    thread.join(10)
    return outcome[0]


@pytest.mark.parametrize("face", [ccxt.okx, ccxt.async_support.okx, ccxt.pro.okx], ids=lambda cls: cls.__module__)
def test_create_that_waits_in_a_queue_is_refused(face: Any, sandbox: Sandbox) -> None:
    """It was asked for before the switch, by this account: whatever object cancels, it is gone."""
    exchange = install(sandbox.exchange())

    error = waiting_create(sandbox, exchange, install(sandbox.exchange(face)))

    assert isinstance(error, ccxt.OperationRejected)
    assert 0 == created(sandbox)


def test_create_is_refused_by_a_cancel_of_its_own_object(sandbox: Sandbox) -> None:
    """The strategy's one object has both."""
    exchange = install(sandbox.exchange())

    error = waiting_create(sandbox, exchange, exchange)

    assert isinstance(error, ccxt.OperationRejected)
    assert 0 == created(sandbox)


def test_create_of_another_account_goes_through(sandbox: Sandbox) -> None:
    """Nobody touches what is not of this account."""
    exchange = install(sandbox.exchange(credentials=sandbox.create_user()))

    outcome = waiting_create(sandbox, exchange, install(sandbox.exchange()))

    assert "0" == outcome["code"]
    assert 1 == created(sandbox)


def test_async_creates_that_wait_are_refused_and_later_ones_go_through(sandbox: Sandbox) -> None:
    """Of ten creates in ccxt's own queue none reaches the wire after the cancel; the one that is asked later does."""

    async def story() -> Any:
        exchange = install(sandbox.exchange(ccxt.async_support.okx))
        opened = asyncio.Event()

        async def throttle(cost: Any = None) -> None:
            await opened.wait()

        exchange.throttle = throttle
        try:
            waiting = [asyncio.ensure_future(exchange.private_post_rfq_create_rfq(ASKED)) for _ in range(10)]
            await asyncio.sleep(0)
            receipt = await exchange.cancel_all_rfqs()
            opened.set()
            refused = await asyncio.gather(*waiting, return_exceptions=True)
            before = created(sandbox)
            return receipt, refused, before, await exchange.private_post_rfq_create_rfq(ASKED)
        finally:
            exchange.timeout_on_exit = 0
            await exchange.close()

    receipt, refused, before, later = asyncio.run(story())

    assert "nothing_active" == receipt["status"]
    assert [ccxt.OperationRejected] * 10 == [type(error) for error in refused]
    assert (0, "0", 1) == (before, later["code"], created(sandbox))


def test_create_after_a_cancel_goes_through(twin: Twin, exchange: Any, sandbox: Sandbox) -> None:
    """Later ones are the strategy's own business, and other calls are no creates."""
    answers = []

    def create() -> Any:
        answers.append(exchange.private_post_rfq_create_rfq(ASKED))
        return answers[-1]

    exchange.enableRateLimit = False
    twin.run(exchange, exchange.cancel_all_rfqs, create, exchange.fetch_time)

    assert 1 == created(sandbox)


# --- timeouts ----------------------------------------------------------------------------------------------------


class Watching:
    """Notes which session and which timeout ccxt reads when it sends."""

    def watch(self) -> None:
        self.sessions: list[Any] = []
        self.timeouts: list[float] = []

    def check_conflicting_proxies(self, *args: Any, **kwargs: Any) -> Any:
        session: Any = self.session  # type: ignore[attr-defined]  # ccxt's
        self.sessions.append(getattr(session, "_session", session))  # an attempt wraps it
        self.timeouts.append(self.timeout)  # type: ignore[attr-defined]  # ccxt's
        return super().check_conflicting_proxies(*args, **kwargs)  # type: ignore[misc]  # ccxt's


class SyncWatching(Watching, ccxt.okx):
    """It on ccxt.okx."""


class AsyncWatching(Watching, ccxt.async_support.okx):
    """Same as SyncWatching, for ccxt.async_support."""


def watched(twin: Twin, standin: Standin, clock: VirtualClock, **policy: float) -> Any:
    class Faces:
        okx = SyncWatching if twin.synchronous else AsyncWatching

    made = aimed(Twin(Faces, twin.synchronous), standin, clock, **policy)
    made.watch()
    return made


def test_hung_connection_costs_the_attempts_timeout_which_doubles(
    twin: Twin, standin: Standin, clock: VirtualClock
) -> None:
    """It grows to the exchange's own and no further; that one stays as it is for everybody else."""
    standin.script(hang(), hang(), hang(), OK)
    exchange = watched(twin, standin, clock, attempt_timeout=TINY)
    exchange.timeout = 50

    receipt = twin.cancel(exchange)

    assert ("canceled", 4) == (receipt["status"], receipt["attempts"])
    assert [20, 40, 50, 50] == exchange.timeouts
    assert 50 == exchange.timeout


def is_closed(session: Any) -> bool:
    """Say whether nothing is left open; requests does not say so itself, and lets go of its connections."""
    if isinstance(session, aiohttp.ClientSession):
        return session.closed
    return not any(adapter.poolmanager.pools.keys() for adapter in session.adapters.values())


def test_attempt_after_a_failure_has_a_session_of_its_own(twin: Twin, standin: Standin, clock: VirtualClock) -> None:
    """It is fresh, and closed with the attempt; the exchange keeps its own."""
    standin.script(silence(), OK)
    exchange = watched(twin, standin, clock)
    kept = []

    def first() -> Any:
        if not twin.synchronous:
            exchange.open()
        kept.append(exchange.session)
        return exchange.cancel_all_rfqs()

    def then() -> Any:
        kept.append(exchange.session)
        return exchange.cancel_all_rfqs()

    twin.run(exchange, first, then)
    one, two, three = exchange.sessions

    assert one is three is kept[0] is kept[1]
    assert two is not one
    assert type(two) is (requests.Session if twin.synchronous else aiohttp.ClientSession)
    assert is_closed(two)


def test_session_of_its_own_is_closed_where_the_attempt_fails(
    twin: Twin, standin: Standin, clock: VirtualClock
) -> None:
    """No session is left behind by any end of an attempt."""
    standin.script(silence())
    exchange = watched(twin, standin, clock, deadline=3.0)

    with pytest.raises(ccxt.NetworkError):
        twin.cancel(exchange)

    assert len(exchange.sessions) == len({id(session) for session in exchange.sessions}) > 1
    assert all(is_closed(session) for session in exchange.sessions[1:])


def test_own_session_is_as_the_exchanges_was(standin: Standin, clock: VirtualClock) -> None:
    """What a user has set on ccxt's session holds for it too, adapters of his own included."""

    class Adapter(requests.adapters.HTTPAdapter):
        pass

    standin.script(silence(), OK)
    exchange = watched(Twin(ccxt, True), standin, clock)
    exchange.session.headers["X-Desk"] = "7"
    exchange.session.mount("http://127.0.0.1", Adapter())
    exchange.cancel_all_rfqs()

    assert ["7", "7"] == [request.headers.get("X-DESK") for request in standin.requests]
    assert isinstance(exchange.sessions[1].get_adapter(standin.url), Adapter)


def test_session_that_the_user_brought_is_not_replaced(twin: Twin, standin: Standin, clock: VirtualClock) -> None:
    """It may know the only way out: every attempt goes by it."""
    standin.script(silence(), silence(), OK)
    exchange = watched(twin, standin, clock)

    class Brought(requests.Session):
        pass

    async def on_a_loop() -> Any:
        async with aiohttp.ClientSession() as session:
            exchange.session, exchange.own_session = session, False
            try:
                return session, await exchange.cancel_all_rfqs()
            finally:
                exchange.timeout_on_exit = 0
                await exchange.close()

    if twin.synchronous:
        brought = exchange.session = Brought()
        receipt = exchange.cancel_all_rfqs()
    else:
        brought, receipt = asyncio.run(on_a_loop())

    assert "canceled" == receipt["status"]
    assert [brought] * 3 == exchange.sessions


@pytest.mark.parametrize("limits", [{"limit": 1}, {"limit": 0, "limit_per_host": 1}, {"limit": 9}])
def test_pool_without_a_free_slot_does_not_hold_a_cancel(limits: Any, standin: Standin, clock: VirtualClock) -> None:
    """One hung request fills the pool: the cancel goes by a connection of its own; else by the exchange's."""
    standin.script(hang(), path="/api/v5/public/time")
    standin.script(OK, path=CANCEL_ALL)
    exchange = watched(Twin(ccxt.async_support, False), standin, clock, deadline=0)
    exchange.enableRateLimit = False

    async def story() -> Any:
        exchange.open()
        await exchange.session.close()
        own = exchange.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(**limits))
        hung = asyncio.ensure_future(exchange.fetch_time())
        while not standin.seen("/api/v5/public/time"):
            assert not hung.done()
            await asyncio.sleep(0.001)
        try:
            receipt = await exchange.cancel_all_rfqs()
            assert exchange.session is own
            return receipt, own
        finally:
            hung.cancel()
            await asyncio.gather(hung, return_exceptions=True)
            exchange.timeout_on_exit = 0
            await exchange.close()

    receipt, own = asyncio.run(story())

    assert ("canceled", 1) == (receipt["status"], receipt["attempts"])
    assert (exchange.sessions[-1] is own) == (limits == {"limit": 9})


def test_timeout_of_others_is_their_own_while_a_cancel_runs(standin: Standin, clock: VirtualClock) -> None:
    """Who reads it from another thread in the middle of an attempt sees what was set, and can set it."""
    seen = []

    def look() -> None:
        seen.append((exchange.timeout, exchange.session is own, exchange.enableRateLimit))

    standin.script(OK.while_on_the_wire(look))
    exchange = aimed(Twin(ccxt, True), standin, clock, attempt_timeout=1.0)
    own = exchange.session
    exchange.cancel_all_rfqs()

    assert [(10000, True, True)] == seen
