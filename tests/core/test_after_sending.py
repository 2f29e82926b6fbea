"""An error raised after a request has left never counts as "nothing was sent", and the user's settings are used."""

from __future__ import annotations

import asyncio
import functools
import signal
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import ccxt
import ccxt.async_support
import pytest
import requests
import urllib3
from support.fault_world import closed_port
from support.replies import CANCEL_ALL, SUCCESS, aimed, failure_of
from support.standin import Standin, hang, raw, reply, silence
from support.twins import Twin, VirtualClock
from yarl import URL

OK = reply(200, SUCCESS)
LENGTH = len(SUCCESS)
# Replies that make requests, urllib3, aiohttp or ccxt raise errors, often the same as before sending.
HEADS = {
    "two lengths": f"Content-Length: 5\r\nContent-Length: {LENGTH}",
    "lengths in a list": f"Content-Length: 5, {LENGTH}",
    "negative length": "Content-Length: -1",
    "length of words": "Content-Length: abc",
    "negative chunk": "Transfer-Encoding: chunked\r\n\r\n-5",
    "transfer unknown": "Transfer-Encoding: sideways",
    "encoding unknown": f"Content-Encoding: sideways\r\nContent-Length: {LENGTH}",
    "gzip that is none": f"Content-Encoding: gzip\r\nContent-Length: {LENGTH}",
    "charset with a zero byte": f"Content-Type: application/json; charset=\0\r\nContent-Length: {LENGTH}",
    "charset idna": f"Content-Type: application/json; charset=idna\r\nContent-Length: {LENGTH}",
    "charset base64": f"Content-Type: application/json; charset=base64\r\nContent-Length: {LENGTH}",
    "charset undefined": f"Content-Type: application/json; charset=undefined\r\nContent-Length: {LENGTH}",
    "header with a zero byte": f"X-Odd: a\0b\r\nContent-Length: {LENGTH}",
    "header without a colon": f"odd\r\nContent-Length: {LENGTH}",
}
LOCATIONS = ["http://[::1", "http://[bad]/", "http://", "ftp://127.0.0.1/", "http://127.0.0.1:99999/", "\x01"]


@pytest.fixture
def standin(clock: VirtualClock) -> Iterator[Standin]:
    with Standin(clock.now) as running:
        yield running


@pytest.fixture
def aim(standin: Standin, clock: VirtualClock) -> Iterator[Callable[..., Any]]:
    """Creates exchanges that talk to the stand-in, and closes the sessions of sync ones."""
    sessions: list[Any] = []

    def make(twin: Twin, **policy: float) -> Any:
        exchange = aimed(twin, standin, clock, **policy)
        sessions.append(exchange)
        return exchange

    yield make
    for exchange in sessions:
        if exchange.synchronous and exchange.session is not None:
            exchange.session.close()


def told(twin: Twin, exchange: Any) -> tuple[bool, int]:
    """Cancel, and return whether it is in doubt, and after how many attempts; a receipt is no doubt."""
    try:
        return False, int(twin.cancel(exchange)["attempts"])
    except ccxt.BaseError as error:
        facts: Any = error
        return facts.cancel_failure.may_be_canceled, facts.cancel_failure.attempts


@pytest.mark.parametrize("head", HEADS)
def test_reply_that_cannot_be_read_is_a_doubt_and_asked_again(
    head: str, twin: Twin, aim: Any, standin: Standin
) -> None:
    """OKX may have canceled: the words say so, and it is retried, as after any reply without a clear answer."""
    wire = f"HTTP/1.1 200 OK\r\n{HEADS[head]}\r\n\r\n{SUCCESS}".encode("latin-1")
    standin.script(raw(wire), path=CANCEL_ALL)

    doubt, attempts = told(twin, aim(twin, deadline=1.0))

    arrived = len(standin.seen(CANCEL_ALL))
    assert attempts == arrived
    assert doubt or arrived == 1  # some of these can be read anyway, and are receipts


@pytest.mark.parametrize("location", LOCATIONS)
def test_redirect_to_no_address_is_a_doubt_and_asked_again(
    location: str, twin: Twin, aim: Any, standin: Standin
) -> None:
    """The target of a redirect is resolved by requests, even if it is not followed."""
    standin.script(reply(302, SUCCESS, headers={"Location": location}), path=CANCEL_ALL)

    error: Any = failure_of(twin, aim(twin, deadline=1.0))

    assert error.cancel_failure.may_be_canceled is True
    assert len(standin.seen(CANCEL_ALL)) == error.cancel_failure.attempts > 1


def test_lost_request_is_in_doubt_whatever_was_handled_when_it_was_sent(twin: Twin, aim: Any, standin: Standin) -> None:
    """An earlier refused connection is chained to the next error, and proves nothing about it."""
    standin.script(silence(), path=CANCEL_ALL)
    exchange = aim(twin, deadline=0.0)
    nobody = f"http://127.0.0.1:{closed_port()}/"

    def sync(url: str, *args: Any) -> Any:
        try:
            return ccxt.okx.fetch(exchange, nobody, *args)
        except ccxt.NetworkError:
            return ccxt.okx.fetch(exchange, url, *args)

    async def not_sync(url: str, *args: Any) -> Any:
        try:
            return await ccxt.async_support.okx.fetch(exchange, nobody, *args)
        except ccxt.NetworkError:
            return await ccxt.async_support.okx.fetch(exchange, url, *args)

    exchange.fetch = sync if twin.synchronous else not_sync

    error: Any = failure_of(twin, exchange)

    assert error.cancel_failure.may_be_canceled is True
    assert 1 == len(standin.seen(CANCEL_ALL))


def test_refused_connection_is_tried_again_whatever_was_handled_before(twin: Twin, aim: Any, standin: Standin) -> None:
    """A chained error from the user's code is not a settings error that retries cannot fix.

    It may come from another client that the user's code has sent with, so it leaves a doubt.
    """
    exchange = aim(twin, deadline=1.0)
    nobody = f"http://127.0.0.1:{closed_port()}/"

    def sync(url: str, *args: Any) -> Any:
        try:
            return int("no number")
        except ValueError:
            return ccxt.okx.fetch(exchange, nobody, *args)

    async def not_sync(url: str, *args: Any) -> Any:
        try:
            return int("no number")
        except ValueError:
            return await ccxt.async_support.okx.fetch(exchange, nobody, *args)

    exchange.fetch = sync if twin.synchronous else not_sync

    error: Any = failure_of(twin, exchange)

    assert error.cancel_failure.may_be_canceled is True
    assert error.cancel_failure.attempts > 1


def test_refused_connection_is_no_doubt_whatever_its_caller_handles(twin: Twin, aim: Any) -> None:
    """A kill switch is used when something has gone wrong."""
    exchange = aim(twin, deadline=0.0)
    exchange.urls["api"]["rest"] = f"http://127.0.0.1:{closed_port()}"
    ccxts = exchange.fetch
    exchange.fetch = lambda *args: ccxts(*args)

    async def in_trouble_async() -> Any:
        try:
            raise ConnectionResetError("of the strategy's")
        except ConnectionResetError:
            return await exchange.cancel_all_rfqs()

    def in_trouble() -> Any:
        try:
            raise ConnectionResetError("of the strategy's")
        except ConnectionResetError:
            return exchange.cancel_all_rfqs()

    with pytest.raises(ccxt.NetworkError) as raised:
        twin.run(exchange, in_trouble if twin.synchronous else in_trouble_async)

    error: Any = raised.value
    assert error.cancel_failure.may_be_canceled is False


def test_interrupt_while_the_reply_is_awaited_is_a_doubt(aim: Any, standin: Standin) -> None:
    """OKX has the request: functions that read a reply are not among those that run before sending."""
    standin.script(OK.while_on_the_wire(lambda: signal.raise_signal(signal.SIGINT)), path=CANCEL_ALL)

    with pytest.raises(KeyboardInterrupt) as raised:
        aim(Twin(ccxt, True)).cancel_all_rfqs()

    facts: Any = raised.value
    assert facts.cancel_failure.may_be_canceled is True
    assert 1 == len(standin.seen(CANCEL_ALL))


def test_canceled_task_that_awaits_its_reply_is_a_doubt(aim: Any, standin: Standin) -> None:
    """Same, for a task."""

    async def main() -> Any:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        cancel = functools.partial(loop.call_soon_threadsafe, task.cancel)
        standin.script(hang().while_on_the_wire(cancel), path=CANCEL_ALL)
        exchange = aim(Twin(ccxt.async_support, False))
        try:
            return await exchange.cancel_all_rfqs()
        except asyncio.CancelledError as error:
            return error
        finally:
            exchange.timeout_on_exit = 0
            await exchange.close()

    facts: Any = asyncio.run(main())
    assert facts.cancel_failure.may_be_canceled is True


class SendsTwice(requests.Session):
    """A user's session that retries on its own, to another host."""

    elsewhere = ""

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().request(method, url, *args, **kwargs)
        except requests.ConnectionError:
            pass
        return super().request(method, self.elsewhere, *args, **kwargs)


def test_session_that_sends_again_by_itself_leaves_a_doubt(aim: Any, standin: Standin) -> None:
    """Its last error says nothing about what it sent before."""
    standin.script(silence(), path=CANCEL_ALL)
    exchange = aim(Twin(ccxt, True), deadline=0.0)
    exchange.session.close()
    exchange.session = SendsTwice()
    exchange.session.elsewhere = f"http://127.0.0.1:{closed_port()}/"

    error: Any = failure_of(Twin(ccxt, True), exchange)

    assert error.cancel_failure.may_be_canceled is True


@pytest.mark.parametrize(
    ("retry", "doubt"),
    [
        (urllib3.Retry(2, allowed_methods=None, backoff_factor=0), True),
        (urllib3.Retry(1, allowed_methods=None, backoff_factor=0), True),
        (urllib3.Retry(0), False),
    ],
    ids=["twice again", "again", "once"],
)
def test_adapter_that_sends_again_leaves_a_doubt(retry: Any, doubt: bool, aim: Any) -> None:
    """urllib3's Retry raises the last result; without it, a refused connection is no doubt."""
    exchange = aim(Twin(ccxt, True), deadline=0.0)
    exchange.session.close()
    exchange.session = requests.Session()
    exchange.session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retry))
    exchange.urls["api"]["rest"] = f"http://127.0.0.1:{closed_port()}"

    error: Any = failure_of(Twin(ccxt, True), exchange)

    assert error.cancel_failure.may_be_canceled is doubt


class Remembers(requests.Session):
    """A session with a cache that marks where a reply comes from, like requests-cache."""

    remembered: Any = None

    def request(self, *args: Any, **kwargs: Any) -> Any:
        if self.remembered is not None:
            self.remembered.from_cache = True
            return self.remembered
        self.remembered = super().request(*args, **kwargs)
        return self.remembered


def test_reply_out_of_a_cache_is_none(aim: Any, standin: Standin, clock: VirtualClock) -> None:
    """It is the reply to an earlier cancel."""
    standin.script(OK, path=CANCEL_ALL)
    exchange = aim(Twin(ccxt, True), deadline=0.0)
    exchange.session.close()
    exchange.session = Remembers()
    assert "canceled" == exchange.cancel_all_rfqs()["status"]
    clock.time += 10

    error: Any = failure_of(Twin(ccxt, True), exchange)

    assert error.cancel_failure.may_be_canceled is True
    assert "from its cache" in str(error)
    assert 1 == len(standin.seen(CANCEL_ALL))


# The user's settings on ccxt's session


def _pool_settings(session: Any) -> None:
    session.get_adapter("http://").poolmanager.connection_pool_kw["source_address"] = ("127.0.0.77", 0)


def _init_poolmanager(session: Any) -> None:
    session.get_adapter("http://").init_poolmanager(10, 10, source_address=("127.0.0.77", 0))


def _poolmanager(session: Any) -> None:
    session.get_adapter("http://").poolmanager = urllib3.PoolManager(source_address=("127.0.0.77", 0))


@pytest.mark.parametrize("put", [_pool_settings, _init_poolmanager, _poolmanager])
def test_source_address_in_an_adapters_pool_is_kept(put: Callable[[Any], None], aim: Any, standin: Standin) -> None:
    """From any other address, a key with an IP list is refused."""
    exchange = aim(Twin(ccxt, True))
    put(exchange.session)
    standin.script(silence(), OK, path=CANCEL_ALL)

    with peers() as seen:
        assert "canceled" == exchange.cancel_all_rfqs()["status"]

    assert {"127.0.0.77"} == set(seen)


class peers:  # lower case, like the context managers in contextlib
    """Records the local addresses of connections made inside it."""

    def __enter__(self) -> list[str]:
        seen: list[str] = []
        connect = urllib3.util.connection.create_connection

        def of_urllib3(*args: Any, **kwargs: Any) -> Any:
            made = connect(*args, **kwargs)
            seen.append(made.getsockname()[0])
            return made

        self._patch = pytest.MonkeyPatch()
        self._patch.setattr(urllib3.util.connection, "create_connection", of_urllib3)
        return seen

    def __exit__(self, *error: object) -> None:
        self._patch.undo()


def test_what_is_put_on_ccxts_own_client_session_is_kept(aim: Any, standin: Standin) -> None:
    """The session's cookies, traces and headers go with every attempt."""
    exchange = aim(Twin(ccxt.async_support, False))
    standin.script(silence(), OK, path=CANCEL_ALL)
    traced: list[str] = []

    async def on_start(session: Any, context: Any, params: Any) -> None:
        traced.append(params.method)

    async def main() -> Any:
        exchange.urls["api"]["rest"] = standin.url.replace("127.0.0.1", "localhost")
        exchange.open()
        exchange.session.cookie_jar.update_cookies({"desk": "7"}, URL(exchange.urls["api"]["rest"]))
        exchange.session.headers["X-Desk"] = "7"
        trace = aiohttp.TraceConfig()
        trace.on_request_start.append(on_start)
        trace.freeze()
        exchange.session.trace_configs.append(trace)
        try:
            return await exchange.cancel_all_rfqs()
        finally:
            exchange.timeout_on_exit = 0
            await exchange.close()

    assert "canceled" == asyncio.run(main())["status"]

    assert ["desk=7"] * 2 == [request.headers["COOKIE"] for request in standin.seen(CANCEL_ALL)]
    assert ["7"] * 2 == [request.headers["X-DESK"] for request in standin.seen(CANCEL_ALL)]
    assert ["POST"] * 2 == traced


# Keys that cannot sign


@pytest.mark.parametrize("name", ["apiKey", "secret", "password"])
@pytest.mark.parametrize(
    "value", [7, b"bytes", ["list"], "dummy-\ud800-key"], ids=["int", "bytes", "list", "surrogate"]
)
def test_key_that_is_no_text_is_refused_and_not_shown(
    name: str, value: Any, twin: Twin, aim: Any, standin: Standin
) -> None:
    """The encoding error for a secret from a non-UTF-8 environment would quote it in full."""
    exchange = aim(twin)
    setattr(exchange, name, value)

    with pytest.raises(ccxt.AuthenticationError) as raised:
        twin.cancel(exchange)

    error: Any = raised.value
    assert error.cancel_failure.may_be_canceled is False
    assert 1 == error.cancel_failure.attempts
    assert [] == standin.seen(CANCEL_ALL)
    assert "ud800" not in ascii(error) + ascii(error.__cause__)
