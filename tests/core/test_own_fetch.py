"""A user's own `fetch`: which session it sees, and what is known about its requests."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Generator
from typing import Any

import aiohttp
import ccxt
import ccxt.async_support
import pytest
import requests
from support.fault_world import closed_port
from support.replies import CANCEL_ALL, SUCCESS, aimed, failed
from support.standin import Standin, reply, silence
from support.twins import Twin, VirtualClock

from okx_rfq_plugin._core import request

OK = reply(200, SUCCESS)
NOBODY = f"http://127.0.0.1:{closed_port()}"
Story = Generator[Callable[[], Any], Any, Any]


@pytest.fixture
def standin(clock: VirtualClock) -> Any:
    with Standin(clock.now) as running:
        yield running


def fetching(twin: Twin, story: Callable[..., Story]) -> Any:
    """Return a subclass whose `fetch` follows a story: it yields calls, and gets what they return or raise."""

    def fetch(self: Any, *args: Any) -> Any:
        steps = story(self, super(Mine, self).fetch, *args)
        try:
            call = next(steps)
            while True:
                result = failed = None
                try:
                    result = call()
                except BaseException as error:
                    failed = error  # thrown below, where it is no longer being handled
                call = steps.send(result) if failed is None else steps.throw(failed)
        except StopIteration as stop:
            return stop.value

    async def fetch_async(self: Any, *args: Any) -> Any:
        steps = story(self, super(Mine, self).fetch, *args)
        try:
            call = next(steps)
            while True:
                result = failed = None
                try:
                    result = call()
                    result = await result if asyncio.iscoroutine(result) else result
                except BaseException as error:
                    failed = error
                call = steps.send(result) if failed is None else steps.throw(failed)
        except StopIteration as stop:
            return stop.value

    Mine: Any = type("Mine", (twin.module.okx,), {"fetch": fetch if twin.synchronous else fetch_async})
    return Mine


@pytest.fixture
def made(twin: Twin, standin: Standin, clock: VirtualClock) -> Callable[..., Any]:
    """Creates exchanges with their own `fetch`, which try once."""

    def make(story: Callable[..., Story], **methods: Any) -> Any:
        cls = type("Mine", (fetching(twin, story),), methods)
        faces = type("Faces", (), {"okx": cls})
        return aimed(Twin(faces, twin.synchronous), standin, clock, deadline=0.0)

    return make


def doubt_of(twin: Twin, exchange: Any, raises: type[BaseException] = ccxt.BaseError) -> bool:
    """Return whether a failed cancel leaves a doubt."""
    with pytest.raises(raises) as raised:
        twin.cancel(exchange)
    error: Any = raised.value
    doubt: bool = error.cancel_failure.may_be_canceled
    return doubt


def test_session_is_the_exchanges_own_but_for_ccxts_sending(twin: Twin, made: Any, standin: Standin) -> None:
    """Settings made before and after take effect and last; a session kept from an attempt is unused."""
    standin.script(OK)
    seen: list[Any] = []
    kept: list[Any] = []

    def story(self: Any, fetch: Any, *args: Any) -> Story:
        kept.append(self)
        seen.append(self.session is vars(self).get("session"))
        reply = yield lambda: fetch(*args)
        seen.append(self.session is vars(self).get("session"))
        return reply

    exchange = made(story)
    assert "canceled" == twin.cancel(exchange)["status"]

    assert [True, True] == seen
    [delegate] = kept
    assert exchange.timeout == delegate.timeout == 10_000
    assert exchange.session is delegate.session


def test_each_send_has_a_session_of_its_own_and_one_alone(twin: Twin, made: Any, standin: Standin) -> None:
    """A late reply to the first cannot be taken for that to the second."""
    standin.script(silence(), OK)
    handed: list[Any] = []

    def story(self: Any, fetch: Any, *args: Any) -> Story:
        try:
            return (yield lambda: fetch(*args))
        except ccxt.NetworkError:
            return (yield lambda: fetch(*args))

    def check_conflicting_proxies(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not twin.synchronous and vars(self).get("session") is None:
            self.open()
        assert self.session is self.session
        handed.append(self.session._session)
        return twin.module.okx.check_conflicting_proxies(self, *args, **kwargs)

    exchange = made(story, check_conflicting_proxies=check_conflicting_proxies)
    before = dict(request._requests), request._current.get()
    assert "canceled" == twin.cancel(exchange)["status"]

    first, second = handed
    assert first is not second
    assert exchange.session not in (first, second)
    assert before == (request._requests, request._current.get())


@pytest.mark.parametrize("seen", [True, False], ids=["seen", "unseen"])
def test_send_by_other_means_before_a_refused_one_is_a_doubt(
    seen: bool, twin: Twin, made: Any, standin: Standin
) -> None:
    """What it sent with its own client is not undone by a connection that is refused later."""
    standin.script(OK)

    def story(self: Any, fetch: Any, url: str, method: str, headers: Any, body: Any) -> Story:
        if seen:
            self.check_proxy_url_settings(url, method, headers, body)
        yield lambda: requests.post(url, headers=headers, timeout=5) and None
        if seen:
            return (yield lambda: fetch(NOBODY + CANCEL_ALL, method, headers, body))
        try:
            return (yield lambda: fetch(NOBODY + CANCEL_ALL, method, headers, body))
        except ccxt.NetworkError:
            pass
        raise ccxt.NetworkError("of the framework's own")

    assert doubt_of(twin, made(story))
    assert [CANCEL_ALL] == [each.path for each in standin.requests]


def test_interrupt_after_a_lost_and_a_refused_send_is_a_doubt(twin: Twin, made: Any, standin: Standin) -> None:
    """The second sent nothing, but the first may have worked."""
    standin.script(silence())

    def story(self: Any, fetch: Any, url: str, *args: Any) -> Story:
        for address in (url, NOBODY + CANCEL_ALL):
            with contextlib.suppress(ccxt.NetworkError):
                yield lambda address=address: fetch(address, *args)  # type: ignore[misc]  # bound at once
        raise KeyboardInterrupt

    assert doubt_of(twin, made(story), KeyboardInterrupt)


def test_interrupt_after_an_unseen_and_a_refused_send_is_a_doubt(twin: Twin, made: Any, standin: Standin) -> None:
    """What its own client has done is unknown."""
    standin.script(OK)

    def story(self: Any, fetch: Any, url: str, method: str, headers: Any, body: Any) -> Story:
        yield lambda: requests.post(url, headers=headers, timeout=5) and None
        with contextlib.suppress(ccxt.NetworkError):
            yield lambda: fetch(NOBODY + CANCEL_ALL, method, headers, body)
        raise KeyboardInterrupt

    assert doubt_of(twin, made(story), KeyboardInterrupt)


def test_two_refused_sends_have_sent_nothing(twin: Twin, made: Any) -> None:
    """And the words say so."""

    def story(self: Any, fetch: Any, url: str, *args: Any) -> Story:
        with contextlib.suppress(ccxt.NetworkError):
            yield lambda: fetch(NOBODY + CANCEL_ALL, *args)
        return (yield lambda: fetch(NOBODY + CANCEL_ALL, *args))

    with pytest.raises(ccxt.NetworkError, match="nothing was sent: the connection was refused"):
        twin.cancel(made(story))


def test_reply_may_be_handed_on_by_keywords(twin: Twin, made: Any, standin: Standin) -> None:
    """By their names in ccxt's okx."""
    standin.script(OK)

    def story(self: Any, fetch: Any, url: str, method: str, headers: Any, body: Any) -> Story:
        def send() -> Any:
            response = requests.post(url, headers={**self.headers, **headers}, timeout=5)
            parsed = response.json()
            named = {"httpCode": response.status_code, "reason": "OK", "url": url, "method": method}
            named |= {"headers": {}, "body": response.text, "response": parsed}
            self.handle_errors(**named, requestHeaders=headers, requestBody=body)
            return parsed

        return (yield send)

    assert "canceled" == twin.cancel(made(story))["status"]


def test_interrupt_after_refusals_alone_is_no_doubt(twin: Twin, made: Any, standin: Standin) -> None:
    """OKX has said that it did nothing."""
    standin.script(reply(401, failed("50113")))

    def story(self: Any, fetch: Any, *args: Any) -> Story:
        with contextlib.suppress(ccxt.AuthenticationError):
            yield lambda: fetch(*args)
        raise KeyboardInterrupt

    assert not doubt_of(twin, made(story), KeyboardInterrupt)


def test_reply_to_another_signed_request_is_not_the_cancels(twin: Twin, made: Any, standin: Standin) -> None:
    """A framework's `fetch` that makes another request on the way: its success is not that of the cancel."""
    standin.script(reply(401, failed("50113")), path=CANCEL_ALL)

    def story(self: Any, fetch: Any, url: str, method: str, headers: Any, body: Any) -> Story:
        others = {**headers, "OK-ACCESS-SIGN": "of another"}
        yield lambda: self.handle_errors(200, "OK", url, method, {}, json.dumps(SUCCESS), SUCCESS, others, None)
        return (yield lambda: fetch(url, method, headers, body))

    assert not doubt_of(twin, made(story), ccxt.AuthenticationError)


@pytest.mark.parametrize(("body", "doubt"), [(failed("50011"), False), ("busy", True)], ids=["refused", "unknown"])
def test_reply_to_an_unseen_send_counts(body: Any, doubt: bool, twin: Twin, made: Any, standin: Standin) -> None:
    """A later error that looks like one from before a request does not change that."""
    standin.script(reply(200, body))

    def story(self: Any, fetch: Any, url: str, method: str, headers: Any, content: Any) -> Story:
        def send() -> None:
            response = requests.post(url, headers={**self.headers, **headers}, timeout=5)
            self.handle_errors(200, "OK", url, method, {}, response.text, self.parse_json(response.text), headers, None)

        yield send
        raise ccxt.NetworkError("of the framework's own")

    assert doubt is doubt_of(twin, made(story))


def test_reply_counts_whatever_is_raised_after_it(standin: Standin, clock: VirtualClock) -> None:
    """Although aiohttp raises this class before it sends."""
    standin.script(reply(502, "busy"))

    class Mine(ccxt.async_support.okx):
        def handle_errors(self, *args: Any) -> Any:
            raise aiohttp.InvalidURL("of the user's")

    exchange = aimed(Twin(type("Faces", (), {"okx": Mine}), False), standin, clock, deadline=0.0)

    assert doubt_of(Twin(ccxt.async_support, False), exchange, BaseException)


@pytest.mark.parametrize("timeout", [0, None])
def test_exchange_without_a_timeout_has_the_attempts(
    timeout: Any, twin: Twin, standin: Standin, clock: VirtualClock
) -> None:
    """Zero means no timeout to ccxt, but a cancel never waits without a limit."""
    standin.script(OK)
    exchange = aimed(twin, standin, clock)
    exchange.timeout = timeout

    assert "canceled" == twin.cancel(exchange)["status"]
    assert timeout is exchange.timeout


def test_verbose_exchange_logs_its_cancel(twin: Twin, standin: Standin, clock: VirtualClock) -> None:
    """Including the user's own `log`."""
    standin.script(OK)
    lines: list[Any] = []
    exchange = aimed(twin, standin, clock)
    exchange.verbose = True
    exchange.log = lambda *args: lines.append(args)

    twin.cancel(exchange)

    assert lines


def test_argument_that_is_not_given_is_none() -> None:
    """By position or by name."""
    assert request.argument("headers", 1, ("url", "headers"), {}) == "headers"
    assert request.argument("headers", 1, ("url",), {"headers": "named"}) == "named"
    assert request.argument("headers", 1, ("url",), {}) is None


def test_fetch_of_ccxts_class_called_on_the_exchange_is_the_cancels(
    twin: Twin, standin: Standin, clock: VirtualClock
) -> None:
    """It knows nothing about the delegate; a later request of another kind has the exchange's own timeout again."""
    standin.script(OK, path=CANCEL_ALL)
    standin.script(reply(200, {"code": "0", "data": [{"ts": "1"}], "msg": ""}))
    timeouts: list[Any] = []
    ccxts = twin.module.okx.fetch

    class Mine(twin.module.okx):  # type: ignore[name-defined]  # the twin's
        def check_conflicting_proxies(self, *args: Any, **kwargs: Any) -> Any:
            timeouts.append(self.timeout)
            return super().check_conflicting_proxies(*args, **kwargs)

    exchange = aimed(Twin(type("Faces", (), {"okx": Mine}), twin.synchronous), standin, clock, attempt_timeout=3.0)

    def wrapper(url: str, *args: Any) -> Any:
        answer = ccxts(exchange, url, *args)
        ccxts(exchange, standin.url + "/api/v5/public/time")
        return answer

    async def wrapper_async(url: str, *args: Any) -> Any:
        answer = await ccxts(exchange, url, *args)
        await ccxts(exchange, standin.url + "/api/v5/public/time")
        return answer

    exchange.fetch = wrapper if twin.synchronous else wrapper_async

    receipt = twin.cancel(exchange)

    assert ("canceled", 1) == (receipt["status"], receipt["attempts"])
    assert [3_000, 10_000] == timeouts


@pytest.mark.parametrize("name", ["apiKey", "secret", "password"])
@pytest.mark.parametrize("at", range(1, 9))
def test_interrupt_while_a_key_is_read_is_a_doubt_once_it_has_left(
    at: int, name: str, twin: Twin, standin: Standin, clock: VirtualClock
) -> None:
    """A user's property, at any of its reads."""
    standin.script(OK)
    reads = iter(range(1, 1000))
    armed: list[bool] = []

    class Mine(twin.module.okx):  # type: ignore[name-defined]  # the twin's
        def __getattribute__(self, asked: str) -> Any:
            if asked == name and armed and next(reads) == at:
                raise KeyboardInterrupt
            return super().__getattribute__(asked)

    exchange = aimed(Twin(type("Faces", (), {"okx": Mine}), twin.synchronous), standin, clock)
    armed.append(True)
    try:
        assert "canceled" == twin.cancel(exchange)["status"]  # it is read fewer times than that
    except KeyboardInterrupt as error:
        facts: Any = error
        assert bool(standin.requests) is facts.cancel_failure.may_be_canceled
