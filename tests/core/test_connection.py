"""The connection of an attempt: which session sends it, how long it may take, and which failures sent nothing."""

from __future__ import annotations

import asyncio
import signal
import weakref
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import aiohttp
import ccxt
import ccxt.async_support
import pytest
import requests
import urllib3
from support.replies import CANCEL_ALL, SUCCESS, aimed
from support.standin import Standin, hang, redirect, reply, silence
from support.twins import Twin, VirtualClock

import okx_rfq_plugin
from okx_rfq_plugin._core import connection
from okx_rfq_plugin.sandbox import Sandbox

OK = reply(200, SUCCESS)
TINY = 0.05  # seconds of real time, enough for a loaded machine to connect


@pytest.fixture
def standin(clock: VirtualClock) -> Iterator[Standin]:
    with Standin(clock.now) as running:
        yield running


class Watching:
    """Records which session and timeout ccxt reads when it sends."""

    def watch(self) -> None:
        self.sessions: list[Any] = []
        self.timeouts: list[float] = []

    def check_conflicting_proxies(self, *args: Any, **kwargs: Any) -> Any:
        session: Any = self.session  # type: ignore[attr-defined]  # ccxt's
        self.sessions.append(getattr(session, "_session", session))  # an attempt wraps it
        self.timeouts.append(self.timeout)  # type: ignore[attr-defined]  # ccxt's
        return super().check_conflicting_proxies(*args, **kwargs)  # type: ignore[misc]  # ccxt's


class SyncWatching(Watching, ccxt.okx):
    """`Watching` for ccxt.okx."""


class AsyncWatching(Watching, ccxt.async_support.okx):
    """Async version of `SyncWatching`."""


def watched(twin: Twin, standin: Standin, clock: VirtualClock, **policy: float) -> Any:
    class Faces:
        okx = SyncWatching if twin.synchronous else AsyncWatching

    made = aimed(Twin(Faces, twin.synchronous), standin, clock, **policy)
    made.watch()
    return made


def test_hung_connection_costs_the_attempts_timeout_which_doubles(
    twin: Twin, standin: Standin, clock: VirtualClock
) -> None:
    """It grows up to the exchange's own timeout, which stays unchanged for other requests."""
    standin.script(hang(), hang(), hang(), OK)
    exchange = watched(twin, standin, clock, attempt_timeout=TINY)
    exchange.timeout = 125

    receipt = twin.cancel(exchange)

    assert ("canceled", 4) == (receipt["status"], receipt["attempts"])
    assert [50, 100, 125, 125] == exchange.timeouts
    assert 125 == exchange.timeout


def is_closed(session: Any) -> bool:
    """Return whether nothing is left open. requests does not say so itself, and drops its connections."""
    if session is None:  # ccxt before 4.5.71, before it has opened one
        return True
    if isinstance(session, aiohttp.ClientSession):
        return session.closed
    return not any(adapter.poolmanager.pools.keys() for adapter in session.adapters.values())


def test_each_attempt_has_a_session_of_its_own(twin: Twin, standin: Standin, clock: VirtualClock) -> None:
    """Whatever happened to the last one; it is closed with the attempt, and the exchange keeps its own unchanged."""
    standin.script(silence(), reply(503, "busy"), OK)
    exchange = watched(twin, standin, clock)
    kept = []

    async def opened() -> None:
        exchange.open()
        kept.append(exchange.session)

    def first() -> Any:
        kept.append(exchange.session)
        return exchange.cancel_all_rfqs()

    def then() -> Any:
        kept.append(exchange.session)
        return exchange.cancel_all_rfqs()

    twin.run(exchange, first if twin.synchronous else opened, first, then)

    assert 1 == len({id(session) for session in kept})
    assert kept[0] is not None
    assert len(exchange.sessions) == len({id(session) for session in [*exchange.sessions, kept[0]]}) - 1 >= 4
    assert {requests.Session if twin.synchronous else aiohttp.ClientSession} == set(map(type, exchange.sessions))
    assert all(map(is_closed, exchange.sessions))


@pytest.mark.parametrize("steps", [[silence()], [reply(401, {"code": "50113"})], [hang()]], ids=["lost", "no", "hung"])
def test_session_of_an_attempt_is_closed_where_it_fails(
    steps: Any, twin: Twin, standin: Standin, clock: VirtualClock
) -> None:
    """No end of an attempt leaves a session open, and none is opened for the exchange."""
    standin.script(*steps)
    exchange = watched(twin, standin, clock, deadline=3.0, attempt_timeout=TINY)
    before = exchange.session

    with pytest.raises(ccxt.BaseError):
        twin.cancel(exchange)

    assert before is exchange.session
    assert exchange.sessions
    assert all(map(is_closed, exchange.sessions))


def test_exchange_without_a_session_is_given_none(standin: Standin, clock: VirtualClock) -> None:
    """The attempt still has its own."""
    standin.script(silence(), OK)
    exchange = aimed(Twin(ccxt, True), standin, clock)
    exchange.session.close()
    exchange.session = None

    assert "canceled" == exchange.cancel_all_rfqs()["status"]
    assert exchange.session is None


def test_session_of_an_attempt_is_as_the_exchanges_is(standin: Standin, clock: VirtualClock) -> None:
    """The user's settings on ccxt's session apply to it too, except cookies, as in ccxt."""
    standin.script(OK)
    exchange = watched(Twin(ccxt, True), standin, clock)
    exchange.session.headers["X-Desk"] = "7"
    exchange.session.verify = "/a/file"
    exchange.session.cookies.set("kept", "1")
    exchange.cancel_all_rfqs()

    [request], [used] = standin.requests, exchange.sessions
    assert ("7", None) == (request.headers.get("X-DESK"), request.headers.get("COOKIE"))
    assert ("/a/file", exchange.session.trust_env) == (used.verify, used.trust_env)
    assert used is not exchange.session
    assert ["1"] == [cookie.value for cookie in exchange.session.cookies]


class Adapter(requests.adapters.HTTPAdapter):
    """A user's adapter."""


class Connector(aiohttp.TCPConnector):
    """A user's connector."""


def mount(exchange: Any) -> None:
    exchange.session.mount("http://127.0.0.1", Adapter())


def replace_an_adapter(exchange: Any) -> None:
    exchange.session.mount("http://", Adapter())


def bend_an_adapter(exchange: Any) -> None:
    exchange.session.get_adapter("http://").send = exchange.session.get_adapter("http://").send


def bend_the_session(exchange: Any) -> None:
    exchange.session.request = exchange.session.request


def bring_a_session(exchange: Any) -> None:
    exchange.session = type("Brought", (requests.Session,), {})()


@pytest.mark.parametrize("make", [mount, replace_an_adapter, bend_an_adapter, bend_the_session, bring_a_session])
def test_sync_session_of_the_users_making_is_used(
    make: Callable[[Any], None], standin: Standin, clock: VirtualClock
) -> None:
    """It may be the only working route: every attempt uses it, and it is neither replaced nor closed."""
    standin.script(silence(), silence(), OK)
    exchange = watched(Twin(ccxt, True), standin, clock)
    make(exchange)
    own, adapters = exchange.session, dict(exchange.session.adapters)

    receipt = exchange.cancel_all_rfqs()

    assert ("canceled", [own] * 3) == (receipt["status"], exchange.sessions)
    assert own is exchange.session
    assert adapters == dict(own.adapters)
    assert not is_closed(own)


async def brought(exchange: Any) -> Any:
    exchange.session, exchange.own_session = aiohttp.ClientSession(), False
    return exchange.session


async def another_connector(exchange: Any) -> Any:
    exchange.session = aiohttp.ClientSession(connector=Connector())
    return exchange.session


async def ccxts_with_another_connector(exchange: Any) -> Any:
    exchange.tcp_connector = Connector()
    exchange.session = aiohttp.ClientSession(connector=exchange.tcp_connector)
    return exchange.session


async def another_class(exchange: Any) -> Any:
    class Session(aiohttp.ClientSession):  # the user's
        def __init_subclass__(cls) -> None: ...

    exchange.session = Session.__new__(Session)
    aiohttp.ClientSession.__init__(exchange.session)
    return exchange.session


@pytest.mark.filterwarnings("ignore:Inheritance class .* from ClientSession is discouraged:DeprecationWarning")
@pytest.mark.parametrize("make", [brought, another_connector, ccxts_with_another_connector, another_class])
def test_async_session_of_the_users_making_is_used(
    make: Callable[[Any], Any], standin: Standin, clock: VirtualClock
) -> None:
    """It may be the only working route: every attempt uses it, and it is neither replaced nor closed."""
    standin.script(silence(), silence(), OK)
    exchange = watched(Twin(ccxt.async_support, False), standin, clock)

    async def story() -> Any:
        own = await make(exchange)
        try:
            receipt = await exchange.cancel_all_rfqs()
            return receipt["status"], own, exchange.session, own.closed
        finally:
            await own.close()
            exchange.timeout_on_exit = 0
            await exchange.close()

    status, own, after, closed = asyncio.run(story())

    assert ("canceled", [own] * 3, False) == (status, exchange.sessions, closed)
    assert own is after


def test_open_of_the_users_own_makes_the_session(standin: Standin, clock: VirtualClock) -> None:
    """A subclass with its own `open` is respected, and its session stays open."""
    standin.script(OK)
    opened: list[Any] = []
    asked: list[Any] = []

    async def note(session: Any, context: Any, params: Any) -> None:
        asked.append(session)

    class Opening(ccxt.async_support.okx):
        session: Any

        def open(self, *args: Any) -> None:
            if self.session is None:
                trace = aiohttp.TraceConfig()
                trace.on_request_start.append(note)
                opened.append(aiohttp.ClientSession(trace_configs=[trace]))
                self.session, self.own_session = opened[0], False

    exchange = aimed(Twin(type("Faces", (), {"okx": Opening}), False), standin, clock)

    async def story() -> Any:
        try:
            return await exchange.cancel_all_rfqs(), opened[0].closed
        finally:
            await opened[0].close()
            exchange.timeout_on_exit = 0
            await exchange.close()

    receipt, closed = asyncio.run(story())

    assert ("canceled", False, opened) == (receipt["status"], closed, asked)


@pytest.mark.parametrize("full", ["ccxt's", "the user's"])
def test_pool_without_a_free_place_holds_no_cancel_but_of_the_users_own(
    full: str, standin: Standin, clock: VirtualClock
) -> None:
    """One hung request fills ccxt's pool: the cancel has another. In a user's pool it waits, and is not sent."""
    standin.script(OK, path=CANCEL_ALL)
    # TINY passes in real time if no connection is free; otherwise the reply may take as long as it needs.
    timeout = TINY if full == "the user's" else 10.0
    exchange = watched(Twin(ccxt.async_support, False), standin, clock, deadline=0, attempt_timeout=timeout)
    exchange.enableRateLimit = False

    async def story() -> Any:
        exchange.open()
        if full == "the user's":
            await exchange.session.close()
            exchange.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector())
        own = exchange.session
        own.connector._limit = 1
        loop, arrived = asyncio.get_running_loop(), asyncio.Event()
        step = hang().while_on_the_wire(lambda: loop.call_soon_threadsafe(arrived.set))
        standin.script(step, path="/api/v5/public/time")
        hung = asyncio.ensure_future(exchange.fetch_time())
        await arrived.wait()
        exchange.sessions.clear()
        try:
            return await exchange.cancel_all_rfqs()
        except ccxt.RequestTimeout as error:
            return error
        finally:
            assert exchange.session is own
            hung.cancel()
            await asyncio.gather(hung, return_exceptions=True)
            await own.close()
            exchange.timeout_on_exit = 0
            await exchange.close()

    outcome = asyncio.run(story())

    if full == "ccxt's":
        assert ("canceled", 1) == (outcome["status"], outcome["attempts"])
    else:
        assert (1, False) == (outcome.cancel_failure.attempts, outcome.cancel_failure.may_be_canceled)
        assert "nothing was sent: no connection was made in time" in str(outcome)


def test_session_of_another_loop_holds_no_cancel(standin: Standin, clock: VirtualClock) -> None:
    """A session opened on a loop that is closed by now is not used."""
    standin.script(OK)
    exchange = watched(Twin(ccxt.async_support, False), standin, clock)

    async def opens() -> None:
        exchange.open()

    async def cancels() -> Any:
        return await exchange.cancel_all_rfqs()

    async def closes() -> None:
        await exchange.session.close()
        exchange.timeout_on_exit = 0
        await exchange.close()

    asyncio.run(opens())
    receipt = asyncio.run(cancels())
    asyncio.run(closes())

    assert "canceled" == receipt["status"]


def test_redirect_is_not_followed_by_a_session_of_the_users(standin: Standin, clock: VirtualClock) -> None:
    """It would carry key, passphrase and signature to another host."""
    standin.script(redirect("/elsewhere", 307), OK)
    exchange = watched(Twin(ccxt, True), standin, clock, deadline=0)
    bring_a_session(exchange)

    with pytest.raises(ccxt.BadResponse) as raised:
        exchange.cancel_all_rfqs()

    assert raised.value.cancel_failure.may_be_canceled
    assert [CANCEL_ALL] == [request.path for request in standin.requests]


def test_timeout_of_others_is_their_own_while_a_cancel_runs(standin: Standin, clock: VirtualClock) -> None:
    """Another thread that reads it in the middle of an attempt sees the value that was set, and can set it."""
    seen = []

    def look() -> None:
        seen.append((exchange.timeout, exchange.session, exchange.enableRateLimit))

    standin.script(OK.while_on_the_wire(look))
    exchange = aimed(Twin(ccxt, True), standin, clock, attempt_timeout=1.0)
    own = exchange.session
    exchange.cancel_all_rfqs()

    assert [(10000, own, True)] == seen


@pytest.mark.parametrize("method", ["cancel_all_rfqs", "fetch_open_rfqs"])
def test_an_interrupt_while_a_connection_is_closed_is_not_swallowed(
    method: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """urllib3 would close it in a finalizer, which lets no exception through."""
    exchange = okx_rfq_plugin.install(sandbox.exchange(ccxt.okx))
    close = urllib3.connection.HTTPConnection.close
    closed: list[Any] = []

    def interrupted(connection: Any) -> None:
        close(connection)
        if sandbox.url.endswith(f":{connection.port}"):  # not one that another test left to the garbage collector
            closed.append(connection)
            if len(closed) == 1:
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(urllib3.connection.HTTPConnection, "close", interrupted)

    with pytest.raises(KeyboardInterrupt):
        getattr(exchange, method)()


def test_connections_of_a_closed_session_are_closed_and_have_no_finalizer(sandbox: Sandbox) -> None:
    """Freeing them does nothing in which an interrupt could be lost."""
    exchange = sandbox.exchange(ccxt.okx)
    session = connection.new_session(exchange, exchange.session)
    session.get(sandbox.url + "/api/v5/public/time", timeout=5)
    pools = session.get_adapter("http://").poolmanager.pools
    [pool] = [pools.get(key) for key in pools.keys()]  # noqa: SIM118 - urllib3's container cannot be iterated over
    assert [each for each in weakref.getweakrefs(pool) if isinstance(each.__callback__, weakref.finalize)]

    connection.close(session)

    assert [] == [each for each in weakref.getweakrefs(pool) if isinstance(each.__callback__, weakref.finalize)]
    assert pool.pool is None
    assert not pools.keys()


@pytest.mark.parametrize(
    ("opened", "session", "closed"),
    [(True, None, True), (True, object(), False), (False, None, False)],
    ids=["closed", "open", "never opened"],
)
def test_old_ccxt_does_not_say_that_it_was_closed(opened: bool, session: Any, closed: bool) -> None:
    """Before 4.5.71 it drops its session, and keeps its loop and its CA list."""
    for loop, trust in [(True, True)] if opened else [(False, False), (True, False), (False, True)]:
        exchange = SimpleNamespace(
            synchronous=False, session=session, asyncio_loop=loop or None, ssl_context=trust or None
        )
        assert closed is connection.is_closed(exchange)


def test_session_with_code_of_the_users_may_send_more_than_once() -> None:
    """Its final error is only about the last try."""

    async def story() -> list[bool]:
        sessions: list[Any] = [aiohttp.ClientSession() for _ in range(3)]
        sessions[1]._request = sessions[1]._request
        sessions[2]._middlewares = (print,)
        try:
            return [connection._sends_once_async(each) for each in sessions]
        finally:
            for each in sessions:
                await each.close()

    assert [True, False, False] == asyncio.run(story())
