"""The maker's side: all quotes canceled by the same code as RFQs, and OKX's countdown."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest
from support.threads import Queue, in_a_thread
from support.twins import Twin, VirtualClock, made

from okx_rfq_plugin import ExchangeSnapshot, get_plugin_manager, hookimpl, install
from okx_rfq_plugin.sandbox import Fault, Sandbox

CANCEL_ALL, COUNTDOWN = "rfq/cancel-all-quotes", "rfq/cancel-all-after"


@pytest.fixture
def maker(sandbox: Sandbox) -> dict[str, str]:
    """Credentials of an account with two active quotes."""
    maker = sandbox.create_user(trader_code="MAKER")
    for _ in range(2):
        sandbox.create_quote(sandbox.create_rfq(counterparties=("MAKER",))["rfqId"], credentials=maker)
    return maker


def canceled(twin: Twin, exchange: Any, *args: Any) -> Any:
    return twin.run(exchange, lambda: exchange.cancel_all_quotes(*args))


def failure_of(twin: Twin, call: Any, exchange: Any) -> Any:
    with pytest.raises(ccxt.BaseError) as caught:
        twin.run(exchange, call)
    return caught.value


def test_all_quotes_are_canceled(twin: Twin, sandbox: Sandbox, maker: Any, clock: VirtualClock) -> None:
    """The same receipt as for RFQs, which stay unchanged."""
    receipt = canceled(twin, made(twin, sandbox, clock, maker))

    assert ("canceled", 1) == (receipt["status"], receipt["attempts"])
    assert isinstance(receipt["timestamp"], int)
    assert [] == sandbox.quotes("active", credentials=maker)
    assert 2 == len(sandbox.rfqs("active"))


def test_no_quote_active_is_a_receipt(twin: Twin, exchange: Any) -> None:
    """The goal is reached."""
    receipt = canceled(twin, exchange)

    assert ("nothing_active", None) == (receipt["status"], receipt["timestamp"])
    assert "70409" == receipt["info"]["code"]


def test_each_endpoint_has_its_own_word_for_none(twin: Twin, sandbox: Sandbox, clock: VirtualClock) -> None:
    """That no RFQ is active does not answer a cancel of quotes, and vice versa."""
    sandbox.fault(CANCEL_ALL, "70207")
    sandbox.fault("rfq/cancel-all-rfqs", "70409")
    quotes, rfqs = made(twin, sandbox, clock), made(twin, sandbox, clock)

    errors = [
        failure_of(twin, quotes.cancel_all_quotes, quotes),
        failure_of(twin, rfqs.cancel_all_rfqs, rfqs),
    ]

    assert ["70207", "70409"] == [error.cancel_failure.code for error in errors]
    assert [1, 1] == [error.cancel_failure.attempts for error in errors]


def test_quotes_have_a_limit_of_their_own(
    twin: Twin, sandbox: Sandbox, exchange: Any, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """RFQs and quotes do not wait for each other's window, as OKX does not require it."""
    calls = [exchange.cancel_all_rfqs] * 2 + [exchange.cancel_all_quotes] * 2
    twin.run(exchange, *calls)

    assert [] == clock.waits
    assert [] == [record for record in caplog.records if record.levelname == "WARNING"]


def test_failure_speaks_of_quotes(twin: Twin, sandbox: Sandbox, clock: VirtualClock) -> None:
    """The message does not tell the reader to look at RFQs."""
    exchange = made(twin, sandbox, clock, deadline=0)
    sandbox.fault(CANCEL_ALL, 504)

    error = failure_of(twin, exchange.cancel_all_quotes, exchange)

    assert "okx cancel_all_quotes(): QUOTES MAY STILL BE ACTIVE" in str(error)
    assert "check the quotes on OKX's own pages" in str(error)
    assert "RFQ" not in str(error)


def test_quotes_are_never_canceled_by_name(twin: Twin, sandbox: Sandbox, exchange: Any) -> None:
    """Too many is a rejection there."""
    sandbox.fault(CANCEL_ALL, "70408")

    error = failure_of(twin, exchange.cancel_all_quotes, exchange)

    assert ("70408", 1, False) == (
        error.cancel_failure.code,
        error.cancel_failure.attempts,
        error.cancel_failure.may_be_canceled,
    )
    assert 1 == len(sandbox.requests)


def test_create_quote_that_waits_in_a_queue_is_refused(sandbox: Sandbox, maker: Any, clock: VirtualClock) -> None:
    """It was requested before the cancel; a create-rfq is not affected."""
    rfq = sandbox.create_rfq(counterparties=("MAKER",))["rfqId"]
    quote = {"rfqId": rfq, "quoteSide": "buy", "legs": [{"instId": "BTC-USDT", "side": "buy", "sz": "1", "px": "1"}]}
    asked = {"counterparties": ["WAGMI"], "legs": [{"instId": "BTC-USDT", "side": "buy", "sz": "1"}]}
    outcomes = []
    for call, params in (("quote", quote), ("rfq", asked)):
        exchange = install(sandbox.exchange(credentials=maker))
        exchange.throttle = queue = Queue()
        create = getattr(exchange, f"private_post_rfq_create_{call}")
        thread, outcome = in_a_thread(lambda create=create, params=params: create(params))
        assert queue.entered.wait(10)
        install(sandbox.exchange(credentials=maker)).cancel_all_quotes()
        queue.open.set()
        thread.join(10)
        outcomes += outcome

    assert isinstance(outcomes[0], ccxt.OperationRejected)
    assert "cancel_all_quotes() was called" in str(outcomes[0])
    assert "0" == outcomes[1]["code"]


def test_observers_are_told_that_it_is_about_quotes(
    twin: Twin, sandbox: Sandbox, maker: Any, clock: VirtualClock
) -> None:
    """The same hooks as for RFQs, with the method's name among their facts."""
    heard: list[Any] = []

    class Watcher:
        @hookimpl
        def rfqs_canceled(self, exchange: ExchangeSnapshot, method: str, receipt: Any) -> None:
            heard.append((method, receipt["status"]))

        @hookimpl
        def rfq_cancel_retrying(self, method: str, attempt: int) -> None:
            heard.append((method, attempt))

        @hookimpl
        def rfq_cancel_failed(self, method: str, error: Any) -> None:
            heard.append((method, error.cancel_failure.code))

    plugin = Watcher()
    get_plugin_manager().register(plugin)
    try:
        sandbox.fault(CANCEL_ALL, "50001")
        canceled(twin, made(twin, sandbox, clock, maker))
        sandbox.fault(CANCEL_ALL, "50120")
        exchange = made(twin, sandbox, clock, maker)
        failure_of(twin, exchange.cancel_all_quotes, exchange)
        assert get_plugin_manager().observers.drain()
    finally:
        get_plugin_manager().unregister(plugin)

    assert [1, "canceled", "50120"] == [fact for _, fact in heard]
    assert {"cancel_all_quotes"} == {method for method, _ in heard}


@pytest.mark.parametrize("method", ["fetch_open_rfqs", "cancel_all_quotes_after"])
def test_observers_hear_of_cancels_only(method: str, twin: Twin, sandbox: Sandbox, exchange: Any) -> None:
    """Reading, and setting a countdown, cancels nothing: neither retries nor failures are reported."""
    heard: list[Any] = []

    class Watcher:
        @hookimpl
        def rfq_cancel_retrying(self, method: str) -> None:
            heard.append(method)

        @hookimpl
        def rfq_cancel_failed(self, method: str) -> None:
            heard.append(method)

    sandbox.fault({"fetch_open_rfqs": "rfq/rfqs"}.get(method, COUNTDOWN), "50001", "50120")
    arguments = (10,) if method == "cancel_all_quotes_after" else ()
    plugin = Watcher()
    get_plugin_manager().register(plugin)
    try:
        failure_of(twin, lambda: getattr(exchange, method)(*arguments), exchange)
        assert get_plugin_manager().observers.drain()
    finally:
        get_plugin_manager().unregister(plugin)

    assert [] == heard


# OKX's countdown


def test_countdown_cancels_quotes_by_itself(twin: Twin, sandbox: Sandbox, maker: Any, clock: VirtualClock) -> None:
    """The receipt has the time; no further call is needed."""
    exchange = made(twin, sandbox, clock, maker)

    countdown = twin.run(exchange, lambda: exchange.cancel_all_quotes_after(10))

    assert 10_000 == countdown["triggerTimestamp"] - countdown["timestamp"]
    assert countdown["triggerDatetime"] == exchange.iso8601(countdown["triggerTimestamp"])
    assert countdown["datetime"] == exchange.iso8601(countdown["timestamp"])
    assert abs(countdown["timestamp"] - exchange.milliseconds()) < 5000
    assert "0" == countdown["info"]["code"]
    assert 2 == len(sandbox.quotes("active", credentials=maker))
    clock.sleep(10.1)
    assert [] == sandbox.quotes("active", credentials=maker)
    assert 2 == len(sandbox.rfqs("active"))


def test_countdown_of_zero_ends_it(
    twin: Twin, sandbox: Sandbox, maker: Any, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is triggered any more; OKX's limit of one a second is respected."""
    exchange = made(twin, sandbox, clock, maker)

    countdown = twin.run(
        exchange, lambda: exchange.cancel_all_quotes_after(10), lambda: exchange.cancel_all_quotes_after(0)
    )

    assert (None, None) == (countdown["triggerTimestamp"], countdown["triggerDatetime"])
    assert 1.0 <= sum(clock.waits) <= 1.1
    assert [] == [record for record in caplog.records if record.levelname == "WARNING"]
    clock.sleep(15)
    assert 2 == len(sandbox.quotes("active", credentials=maker))


@pytest.mark.parametrize("timeout", [1, 9, 121, -1, 10.5, "10", None, True, False])
def test_countdown_that_okx_does_not_have_is_refused(timeout: Any, twin: Twin, sandbox: Sandbox, exchange: Any) -> None:
    """0, or 10 to 120 whole seconds; nothing is sent."""
    error = failure_of(twin, lambda: exchange.cancel_all_quotes_after(timeout), exchange)

    assert isinstance(error, ccxt.BadRequest)
    assert "0, or 10 to 120 whole seconds" in str(error)
    assert (0, False) == (error.cancel_failure.attempts, error.cancel_failure.may_be_canceled)
    assert [] == sandbox.requests


def test_countdown_that_may_be_set_says_so(twin: Twin, sandbox: Sandbox, clock: VirtualClock) -> None:
    """A lost reply is retried, and reported if it stays lost."""
    exchange = made(twin, sandbox, clock, deadline=0)
    sandbox.fault(COUNTDOWN, 504)

    error = failure_of(twin, lambda: exchange.cancel_all_quotes_after(30), exchange)

    assert "cancel_all_quotes_after(): THE COUNTDOWN MAY OR MAY NOT BE SET." in str(error)
    assert str(error).endswith("Call again, and check the quotes on OKX's own pages.")
    assert error.cancel_failure.may_be_canceled


def test_countdown_that_okx_rejects_was_not_set(twin: Twin, sandbox: Sandbox, exchange: Any) -> None:
    """The right class, and no doubt."""
    sandbox.fault(COUNTDOWN, "50120")

    error = failure_of(twin, lambda: exchange.cancel_all_quotes_after(30), exchange)

    assert "cancel_all_quotes_after(): THE COUNTDOWN WAS NOT SET: one that runs goes on." in str(error)
    assert (ccxt.PermissionDenied, False) == (type(error), error.cancel_failure.may_be_canceled)


def test_lost_countdown_is_set_again(twin: Twin, sandbox: Sandbox, maker: Any, clock: VirtualClock) -> None:
    """Setting it twice is the same as once."""
    exchange = made(twin, sandbox, clock, maker)
    sandbox.fault(COUNTDOWN, 502)

    countdown = twin.run(exchange, lambda: exchange.cancel_all_quotes_after(120))

    assert countdown["triggerTimestamp"] is not None


def test_docstring_says_that_rfqs_have_none(exchange: Any) -> None:
    """And where to turn instead."""
    words = " ".join(type(exchange).cancel_all_quotes_after.__doc__.split())

    assert ("Same as" in words) or ("It has none for RFQs" in words and "okx-rfq guard" in words)


def test_countdown_in_milliseconds_is_read_as_such(twin: Twin, sandbox: Sandbox, exchange: Any) -> None:
    """OKX's page shows seconds here, and milliseconds everywhere else: both are accepted."""
    rows = '{"triggerTime": "1587971460000", "ts": "1587971400000"}, {"triggerTime": "1", "ts": "1"}'
    sandbox.fault(COUNTDOWN, Fault(body=f'{{"code": "0", "msg": "", "data": [{rows}]}}'))

    countdown = twin.run(exchange, lambda: exchange.cancel_all_quotes_after(60))

    assert (1587971460000, 1587971400000) == (countdown["triggerTimestamp"], countdown["timestamp"])


@pytest.mark.parametrize("data", ["[]", '[{"triggerTime": "0", "ts": "1587971400"}]'])
def test_countdown_that_okx_does_not_speak_of_is_no_success(
    data: str, twin: Twin, sandbox: Sandbox, clock: VirtualClock
) -> None:
    """Code 0 without a time does not say that it runs."""
    exchange = made(twin, sandbox, clock, deadline=0)
    sandbox.fault(COUNTDOWN, Fault(body=f'{{"code": "0", "msg": "", "data": {data}}}'))

    error = failure_of(twin, lambda: exchange.cancel_all_quotes_after(60), exchange)

    assert isinstance(error, ccxt.BadResponse)
    assert error.cancel_failure.may_be_canceled


# Every method


def test_every_method_is_there_by_both_names(twin: Twin, exchange: Any) -> None:
    """Like every ccxt method, and `has` says so."""
    for snake, camel in (
        ("cancel_all_rfqs", "cancelAllRfqs"),
        ("fetch_open_rfqs", "fetchOpenRfqs"),
        ("cancel_all_quotes", "cancelAllQuotes"),
        ("cancel_all_quotes_after", "cancelAllQuotesAfter"),
    ):
        assert getattr(type(exchange), snake) is getattr(type(exchange), camel)
        assert exchange.has[camel]


@pytest.mark.parametrize("method", ["fetch_open_rfqs", "cancel_all_quotes"])
def test_params_that_are_no_dict_are_refused(method: str, twin: Twin, sandbox: Sandbox, exchange: Any) -> None:
    """Before a byte is sent, as with `cancel_all_rfqs`."""
    error = failure_of(twin, lambda: getattr(exchange, method)([]), exchange)

    assert isinstance(error, ccxt.BadRequest)
    assert f"okx {method}()" in str(error)
    assert [] == sandbox.requests
