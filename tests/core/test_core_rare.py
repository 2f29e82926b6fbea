"""Rare cases of a cancel: no certificates, loggers that raise, endless replies, keys that cannot be sent."""

from __future__ import annotations

import _thread
import logging
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import ccxt
import pytest
import requests.utils
from support.replies import CANCEL_ALL, SUCCESS, aimed, failure_of
from support.standin import Standin, reply
from support.twins import Twin, VirtualClock

import okx_rfq_plugin
from okx_rfq_plugin import RetryPolicy, install
from okx_rfq_plugin._core import certificates
from okx_rfq_plugin._core.clock_offset import ClockOffset
from okx_rfq_plugin._core.connection import is_ccxts_own, is_closed
from okx_rfq_plugin.okx import CLOCK
from okx_rfq_plugin.sandbox import Sandbox

OK = reply(200, SUCCESS)


@pytest.fixture
def standin(clock: VirtualClock) -> Iterator[Standin]:
    with Standin(clock.now) as running:
        running.script(OK, path=CANCEL_ALL)
        yield running


# Before the first attempt


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)])
def test_an_interrupt_before_the_first_attempt_has_its_facts(error: BaseException, twin: Any) -> None:
    """Nothing was sent, and the exception says so, although the call had not begun."""

    class Mine(twin.module.okx):
        armed = False

        def __getattribute__(self, name: str) -> Any:
            if name == CLOCK and type(self).armed:
                type(self).armed = False
                raise error
            return super().__getattribute__(name)

    exchange = install(Mine({"apiKey": "dummy-key", "secret": "dummy-secret", "password": "dummy-pass"}))

    def call() -> Any:
        Mine.armed = True
        return exchange.cancel_all_rfqs()

    with pytest.raises(type(error)) as caught:
        twin.run(exchange, call)

    failure: Any = caught.value
    assert (0, False) == (failure.cancel_failure.attempts, failure.cancel_failure.may_be_canceled)
    assert "Nothing was sent: interrupted before the first attempt." in failure.__notes__


@pytest.mark.parametrize("value", ["key\nwith a line break", " key", 5, "k\u20ac"])
def test_a_key_that_no_header_carries_is_refused(value: Any, standin: Standin, clock: VirtualClock) -> None:
    """Before a byte is sent, and without quoting it."""
    twin = Twin(ccxt, True)
    exchange = aimed(twin, standin, clock)
    exchange.apiKey = value

    error = failure_of(twin, exchange)

    assert type(error) is ccxt.AuthenticationError
    assert re.search("OK-ACCESS-KEY cannot be sent in an HTTP header|apiKey is no text", str(error))
    assert [] == standin.requests


def test_key_of_all_that_a_header_of_requests_can_carry_is_sent(standin: Standin, clock: VirtualClock) -> None:
    """Up to the last character of Latin-1."""
    exchange = aimed(Twin(ccxt, True), standin, clock)
    exchange.apiKey = "dummy-k\u00e9y-\u00ff"

    assert "canceled" == exchange.cancel_all_rfqs()["status"]


# Certificates


@pytest.fixture
def read_anew() -> Iterator[None]:
    """The certificates are read again, and then not any more."""
    certificates.trusted.cache_clear()
    yield
    certificates.trusted.cache_clear()


@pytest.mark.usefixtures("read_anew")
def test_certificates_that_cannot_be_read_are_requests_own_business(
    standin: Standin, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain address needs none, and the cancel is sent."""
    monkeypatch.setattr(requests.utils, "DEFAULT_CA_BUNDLE_PATH", "/nowhere.pem")

    assert None is certificates.trusted()
    assert "canceled" == aimed(Twin(ccxt, True), standin, clock).cancel_all_rfqs()["status"]


def test_the_users_own_trust_is_kept(standin: Standin, clock: VirtualClock) -> None:
    """If the session verifies nothing, the attempt's does not either."""
    exchange = aimed(Twin(ccxt, True), standin, clock)
    exchange.session.verify = False

    assert "canceled" == exchange.cancel_all_rfqs()["status"]


def test_a_sync_exchange_without_a_session_is_ccxts_own(standin: Standin, clock: VirtualClock) -> None:
    """Without one, ccxt behaves as usual: the exchange is left unchanged."""
    exchange = aimed(Twin(ccxt, True), standin, clock)

    assert is_ccxts_own(exchange, None)


@pytest.mark.parametrize(
    ("opened", "session", "closed"), [(True, None, True), (True, object(), False), (False, None, False)]
)
def test_older_ccxt_shows_by_its_session_that_it_was_closed(opened: bool, session: Any, closed: bool) -> None:
    """Before 4.5.71 it had no flag for it."""
    there = object() if opened else None
    older = SimpleNamespace(synchronous=False, asyncio_loop=there, ssl_context=there, own_session=True, session=session)

    assert closed is is_closed(older)


# Replies and logs


def test_a_body_nested_without_end_is_no_json(twin: Twin, standin: Standin, clock: VirtualClock) -> None:
    """It does not end a cancel with RecursionError, and is no success."""
    standin.script(reply(200, "[" * 200_000 + "]" * 200_000), path=CANCEL_ALL)
    exchange = aimed(twin, standin, clock, deadline=0)

    error: Any = failure_of(twin, exchange)

    assert error.cancel_failure.may_be_canceled


class Raising(logging.Handler):
    """A handler that fails."""

    def emit(self, record: logging.LogRecord) -> None:
        """Fail."""
        raise RuntimeError("no disk")


def test_what_ccxt_logs_stops_no_cancel(twin: Twin, standin: Standin, clock: VirtualClock) -> None:
    """Neither a handler of its logger nor its verbose output may make a request fail."""
    exchange = aimed(twin, standin, clock)
    handler, before = Raising(), exchange.logger.level
    exchange.logger.addHandler(handler)
    exchange.logger.setLevel(logging.DEBUG)
    exchange.verbose = True

    def log(*args: Any) -> None:
        raise RuntimeError("no terminal")

    exchange.log = log
    try:
        receipt = twin.cancel(exchange)
    finally:
        exchange.logger.removeHandler(handler)
        exchange.logger.setLevel(before)

    assert "canceled" == receipt["status"]


# The clock


def test_an_offset_that_did_not_help_is_put_back(twin: Twin, sandbox: Sandbox, exchange: Any) -> None:
    """The previous one is in force again."""
    exchange.options["timeDifference"] = 7
    sandbox.fault("rfq/cancel-all-rfqs", *["50102"] * 9)
    install(exchange, policy=RetryPolicy(deadline=60))

    error: Any = failure_of(twin, exchange)

    assert "50102" == error.cancel_failure.code
    assert 7 == exchange.options["timeDifference"]


def test_where_there_was_no_offset_there_is_none_again() -> None:
    """Ccxt before 4.5.90 signs without one."""
    exchange = ccxt.okx()
    exchange.options.pop("timeDifference", None)
    offset = ClockOffset(exchange)

    offset.correct(exchange.milliseconds(), exchange.milliseconds() - 60_000)
    corrected = exchange.options["timeDifference"]
    offset.put_back()

    assert corrected == pytest.approx(60_000, abs=5_000)
    assert "timeDifference" not in exchange.options


def test_a_countdown_of_another_venue_is_not_served() -> None:
    """No exception: another plugin may support it."""
    okx: Any = okx_rfq_plugin.get_plugin_manager().get_plugin("okx")

    assert None is okx.cancel_all_quotes_after(ccxt.kraken(), 60, {})


# Flags


def test_a_class_shows_ccxts_own_flags() -> None:
    """A class's `has` contains ccxt's own entries; that of its objects also the plugin's methods."""

    class Mine(ccxt.okx):
        pass

    before = getattr(Mine, "has", None)
    install(Mine)

    assert before == getattr(Mine, "has", None)
    assert Mine().has["cancelAllRfqs"]


# Observers


def test_where_no_thread_can_be_started_the_cancel_is_not_disturbed(
    standin: Standin, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The observer is not notified, and the log says so; the next one is."""
    exchange = aimed(Twin(ccxt, True), standin, clock)
    told: list[Any] = []
    plugin = SimpleNamespace(rfqs_canceled=okx_rfq_plugin.hookimpl(lambda receipt: told.append(receipt)))
    manager: Any = okx_rfq_plugin.get_plugin_manager()
    manager.register(plugin, name="a witness")
    start = _thread.start_new_thread

    def no_thread(*args: Any) -> int:
        raise RuntimeError("can't start new thread")

    try:
        monkeypatch.setattr("_thread.start_new_thread", no_thread)
        assert "canceled" == exchange.cancel_all_rfqs()["status"]
        assert manager.observers.drain(10.0)
        monkeypatch.setattr("_thread.start_new_thread", start)
        assert "canceled" == exchange.cancel_all_rfqs()["status"]
        assert manager.observers.drain(10.0)
    finally:
        manager.unregister(plugin)

    assert "observer a witness was not told: can't start new thread" in caplog.text
    assert 1 == len(told)
