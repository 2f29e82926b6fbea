"""No RFQ is left: confirmed by OKX, canceled by id if necessary; those that remain are named."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import ccxt
import pytest
from support.twins import Twin, VirtualClock, made

from okx_rfq_plugin import ExchangeSnapshot, Receipt, get_plugin_manager, hookimpl
from okx_rfq_plugin.sandbox import Fault, Sandbox
from okx_rfq_plugin.testing.clocks import VirtualClock as SkippingClock

CANCEL_ALL, BATCH, LIST = "rfq/cancel-all-rfqs", "rfq/cancel-batch-rfqs", "rfq/rfqs"
DONE = Fault(body='{"code": "0", "msg": "", "data": [{"ts": "1697026383085"}]}')  # claimed, but not done


def asked(sandbox: Sandbox, path: str) -> int:
    return sum(request.path.endswith(path) for request in sandbox.requests)


def failure_of(twin: Twin, exchange: Any, **kwargs: Any) -> Any:
    with pytest.raises(ccxt.BaseError) as caught:
        twin.cancel(exchange, **kwargs)
    return caught.value


@pytest.fixture
def opened(sandbox: Sandbox) -> list[str]:
    """Three RFQs of the account, oldest first; a client id proves whose they are."""
    return [sandbox.create_rfq(clRfqId=f"mine{number}")["rfqId"] for number in range(3)]


@pytest.fixture
def maker(sandbox: Sandbox) -> dict[str, str]:
    """Credentials of an account that has received an RFQ from `exchange`'s account, and created none."""
    maker = sandbox.create_user(trader_code="MAKER")
    sandbox.create_rfq(counterparties=("MAKER",))
    return maker


# confirm=True


def test_confirmed_is_what_okx_itself_says(
    twin: Twin, sandbox: Sandbox, opened: list[str], exchange: Any, clock: VirtualClock
) -> None:
    """It cancels until OKX says that none is active, and lists those being executed."""
    sandbox.set_state(opened[0], "pending_fill")

    receipt = twin.cancel(exchange, confirm=True)

    assert ("canceled", 2, True) == (receipt["status"], receipt["attempts"], receipt["confirmed"])
    assert ([], [opened[0]]) == (receipt["remaining"], receipt["filling"])
    assert "70207" == receipt["info"]["code"]
    assert receipt["datetime"] == exchange.iso8601(receipt["timestamp"])
    assert [] == sandbox.rfqs("active")
    assert [] == clock.waits


def test_unconfirmed_receipt_is_as_ever(twin: Twin, sandbox: Sandbox, opened: list[str], exchange: Any) -> None:
    """Without confirm, the receipt has no further keys."""
    receipt = twin.cancel(exchange)

    assert set(Receipt.__required_keys__) == set(receipt)
    assert 0 == asked(sandbox, LIST)


def test_nothing_active_is_confirmed_at_once(twin: Twin, sandbox: Sandbox, exchange: Any) -> None:
    """OKX confirms with its first reply."""
    receipt = twin.cancel(exchange, confirm=True)

    assert ("nothing_active", 1, True, [], []) == (
        receipt["status"],
        receipt["attempts"],
        receipt["confirmed"],
        receipt["remaining"],
        receipt["filling"],
    )


def test_what_is_listed_after_all_is_canceled_again(
    twin: Twin, sandbox: Sandbox, opened: list[str], exchange: Any, clock: VirtualClock
) -> None:
    """OKX's answer and list must agree; otherwise it continues at once, since OKX's limit allows a second request."""
    sandbox.fault(CANCEL_ALL, "70207")
    canceled_at: list[float] = []

    class Watched(type(exchange)):  # type: ignore[misc]  # ccxt's
        def private_post_rfq_cancel_all_rfqs(self, params: Any) -> Any:
            canceled_at.append(clock.now())
            return super().private_post_rfq_cancel_all_rfqs(params)

    exchange.__class__ = Watched

    receipt = twin.cancel(exchange, confirm=True)

    assert ("canceled", 3, True) == (receipt["status"], receipt["attempts"], receipt["confirmed"])
    assert [] == sandbox.rfqs("active")
    assert canceled_at[0] == canceled_at[1]


def test_time_of_the_cancellation_is_that_of_okx_s_first_row(
    twin: Twin, sandbox: Sandbox, exchange: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """As ccxt parses such replies; and one log line at level info reports the outcome."""
    sandbox.fault(CANCEL_ALL, Fault(body='{"code": "0", "msg": "", "data": [{"ts": "1697026383085"}, {"ts": "1"}]}'))
    caplog.set_level("INFO", "okx_rfq_plugin")

    assert 1697026383085 == twin.cancel(exchange)["timestamp"]
    assert ["okx cancel_all_rfqs(): canceled after 1 attempt in 0.00 s"] == caplog.messages


def test_time_of_the_cancellation_is_that_of_the_last_cancel(
    twin: Twin, sandbox: Sandbox, opened: list[str], exchange: Any, clock: VirtualClock
) -> None:
    """The first was claimed, but not done."""
    sandbox.fault(CANCEL_ALL, DONE)

    receipt = twin.cancel(exchange, confirm=True)

    assert clock.wall() * 1000 == pytest.approx(receipt["timestamp"], abs=60_000)


def test_list_that_cannot_be_read_leaves_the_filling_unknown(twin: Twin, sandbox: Sandbox, exchange: Any) -> None:
    """It remains true that none is active."""
    sandbox.fault(LIST, 502, 502)

    receipt = twin.cancel(exchange, confirm=True)

    assert (True, [], None) == (receipt["confirmed"], receipt["remaining"], receipt["filling"])


def test_received_rfqs_are_not_mine(twin: Twin, sandbox: Sandbox, maker: dict[str, str], clock: VirtualClock) -> None:
    """They are neither canceled nor named."""
    receipt = twin.cancel(made(twin, sandbox, clock, maker), confirm=True)

    assert ([], []) == (receipt["remaining"], receipt["filling"])
    assert 1 == len(sandbox.rfqs("active"))


def test_what_is_left_at_the_deadline_is_named(
    twin: Twin, sandbox: Sandbox, opened: list[str], exchange: Any, clock: VirtualClock
) -> None:
    """If OKX says "canceled" repeatedly and still lists them, that is not a success."""
    sandbox.set_state(opened[1], "pending_fill")
    sandbox.fault(CANCEL_ALL, *[DONE] * 60)

    error = failure_of(twin, exchange, confirm=True)

    left = (opened[2], opened[0])
    assert ccxt.OperationFailed is type(error)
    assert (left, (opened[1],), True) == (
        error.cancel_failure.remaining,
        error.cancel_failure.filling,
        error.cancel_failure.may_be_canceled,
    )
    assert f"2 RFQs ARE STILL ACTIVE, as OKX lists them: {', '.join(left)}." in str(error)
    assert 30.0 - 2.0 <= error.cancel_failure.elapsed <= 30.0
    assert "WARNING" not in str(error)


@pytest.mark.parametrize(
    ("count", "words"),
    [(1, "1 RFQ IS STILL ACTIVE"), (2, "2 RFQs ARE STILL ACTIVE"), (10, "10 RFQs ARE"), (11, "11 RFQs ARE")],
)
def test_many_that_are_left_are_named_in_part(
    count: int, words: str, twin: Twin, sandbox: Sandbox, exchange: Any
) -> None:
    """The message stays readable, and the facts are complete."""
    ids = [sandbox.create_rfq()["rfqId"] for _ in range(count)]
    sandbox.fault(CANCEL_ALL, *[DONE] * 60)

    error = failure_of(twin, exchange, confirm=True)

    assert set(ids) == set(error.cancel_failure.remaining)
    assert words in str(error)
    named = ", ".join(error.cancel_failure.remaining[:10]) + ", ..." * (count > 10)
    assert f"as OKX lists them: {named}. After" in str(error)


def test_one_attempt_and_an_empty_list_are_enough(
    twin: Twin, sandbox: Sandbox, opened: list[str], clock: VirtualClock
) -> None:
    """Without time for another attempt, OKX's list decides."""
    exchange = made(twin, sandbox, clock, deadline=0)

    receipt = twin.cancel(exchange, confirm=True)

    assert ("canceled", 1, True) == (receipt["status"], receipt["attempts"], receipt["confirmed"])


def test_without_okx_s_word_and_without_a_list_nothing_is_confirmed(
    twin: Twin, sandbox: Sandbox, opened: list[str], clock: VirtualClock
) -> None:
    """That they are canceled is less than was requested."""
    exchange = made(twin, sandbox, clock, deadline=0)
    sandbox.fault(LIST, 502)

    error = failure_of(twin, exchange, confirm=True)

    assert (ccxt.OperationFailed, None, True) == (
        type(error),
        error.cancel_failure.remaining,
        error.cancel_failure.may_be_canceled,
    )
    assert "RFQs MAY STILL BE ACTIVE" in str(error)


def test_deadline_finer_than_the_clock_is_reached(
    twin: Twin, sandbox: Sandbox, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a clock that skips waits in whole microseconds, the last bit of a third of a second also passes."""
    monkeypatch.setattr(get_plugin_manager().get_plugin("okx"), "clock", SkippingClock())
    sandbox.create_rfq()
    sandbox.fault(CANCEL_ALL, DONE, DONE)

    error = failure_of(twin, made(twin, sandbox, clock, deadline=1 / 3), confirm=True)

    assert (2, 1) == (error.cancel_failure.attempts, len(error.cancel_failure.remaining))


def test_rejection_is_not_followed_by_a_look(twin: Twin, sandbox: Sandbox, opened: list[str], exchange: Any) -> None:
    """A key that may not cancel is rejected after one request."""
    sandbox.fault(CANCEL_ALL, "50120")

    error = failure_of(twin, exchange, confirm=True)

    assert (ccxt.PermissionDenied, None) == (type(error), error.cancel_failure.remaining)
    assert 1 == len(sandbox.requests)


def test_unknown_to_the_end_names_what_is_listed(
    twin: Twin, sandbox: Sandbox, opened: list[str], clock: VirtualClock
) -> None:
    """If only the cancel is broken, the list shows its outcome."""
    exchange = made(twin, sandbox, clock, deadline=1.0)
    sandbox.fault(CANCEL_ALL, *[504] * 20)

    error = failure_of(twin, exchange, confirm=True)

    assert set(opened) == set(error.cancel_failure.remaining)
    assert error.cancel_failure.may_be_canceled


def test_list_of_the_wrong_shape_is_not_read(twin: Twin, sandbox: Sandbox, opened: list[str], exchange: Any) -> None:
    """Code 0 without rows, or with rows that name nothing, does not say that none is left."""
    sandbox.fault(LIST, Fault(body='{"code": "0", "data": null}'), Fault(body='{"code": "0", "data": [{"a": "b"}]}'))
    sandbox.fault(CANCEL_ALL, "70207")

    receipt = twin.cancel(exchange, confirm=True)

    assert receipt["filling"] is None


def test_page_of_others_rfqs_says_nothing_of_mine(twin: Twin, sandbox: Sandbox, clock: VirtualClock) -> None:
    """If time runs out after a full page of received RFQs, whether the account's own are gone is unknown."""
    me = sandbox.create_user(trader_code="ME")
    mine = sandbox.create_rfq(credentials=me)["rfqId"]
    for _ in range(100):
        sandbox.create_rfq(counterparties=("ME",))
    sandbox.fault(CANCEL_ALL, "70203", "50011")

    errors = [
        failure_of(twin, made(twin, sandbox, clock, me, deadline=0), confirm=confirm) for confirm in (False, True)
    ]

    assert [(None, None)] * 2 == [(error.cancel_failure.remaining, error.cancel_failure.filling) for error in errors]
    assert [mine] == [rfq["rfqId"] for rfq in sandbox.rfqs("active", credentials=me)]


def test_part_of_the_list_does_not_say_what_is_filling(twin: Twin, sandbox: Sandbox, clock: VirtualClock) -> None:
    """What was not read does not count as empty."""
    me = sandbox.create_user(trader_code="ME")
    sandbox.set_state(sandbox.create_rfq(credentials=me)["rfqId"], "pending_fill")
    for _ in range(100):
        sandbox.create_rfq(counterparties=("ME",))

    receipt = twin.cancel(made(twin, sandbox, clock, me, deadline=0), confirm=True)

    assert (True, None) == (receipt["confirmed"], receipt["filling"])


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError])
def test_stopped_after_okx_has_canceled_is_no_nothing(
    stop: type[BaseException], twin: Twin, sandbox: Sandbox, opened: list[str], exchange: Any
) -> None:
    """Whatever happens between a cancel and its confirmation, it never reports that nothing was canceled."""

    def stopped(*args: Any) -> Any:
        raise stop

    exchange.private_get_rfq_rfqs = stopped
    with pytest.raises(stop) as caught:
        twin.cancel(exchange, confirm=True)

    assert caught.value.cancel_failure.may_be_canceled  # type: ignore[attr-defined]  # the package's
    assert "NOTHING WAS CANCELED" not in caught.value.__notes__[-1]


def test_retry_after_a_cancel_does_not_say_that_nothing_was_canceled(
    twin: Twin, sandbox: Sandbox, opened: list[str], exchange: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Not if the confirmation is refused for the moment, nor if the list is."""
    sandbox.fault(CANCEL_ALL, Fault(), "50011")
    sandbox.fault(LIST, 502)

    twin.cancel(exchange, confirm=True)

    first, second = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "RFQs MAY STILL BE ACTIVE" in first
    assert "what is left could not be read: HTTP 502" in second


@pytest.mark.parametrize("fault", [502, "50011", Fault(drop="before")])
def test_list_alone_confirms_nothing(
    fault: Any, twin: Twin, sandbox: Sandbox, exchange: Any, clock: VirtualClock
) -> None:
    """If OKX has not answered the cancel, an empty list is reported, but is no success."""
    sandbox.fault(CANCEL_ALL, fault)

    error = failure_of(twin, made(twin, sandbox, clock, deadline=0), confirm=True)

    assert () == error.cancel_failure.remaining
    assert "OKX lists no RFQs as active." in str(error)


def test_list_is_forgotten_once_more_is_canceled(
    twin: Twin, sandbox: Sandbox, opened: list[str], exchange: Any
) -> None:
    """RFQs listed before the last cancel are not named as left after it."""
    sandbox.fault(CANCEL_ALL, "70207", Fault(), "50120")

    error = failure_of(twin, exchange, confirm=True)

    assert (ccxt.PermissionDenied, None, True) == (
        type(error),
        error.cancel_failure.remaining,
        error.cancel_failure.may_be_canceled,
    )
    assert "ARE STILL ACTIVE" not in str(error)


# By id


@pytest.mark.parametrize("refusals", [("70203",), ("70208",) * 3])
def test_what_cannot_be_canceled_at_once_is_canceled_by_name(
    refusals: tuple[str, ...], twin: Twin, sandbox: Sandbox, opened: list[str], exchange: Any
) -> None:
    """Too many, or not possible at the moment: OKX lists them, and takes their ids."""
    sandbox.set_state(opened[1], "pending_fill")
    sandbox.fault(CANCEL_ALL, *refusals)

    receipt = twin.cancel(exchange)

    assert ("canceled", len(refusals) + 1) == (receipt["status"], receipt["attempts"])
    assert set(Receipt.__required_keys__) == set(receipt)
    assert [] == sandbox.rfqs("active")
    assert [opened[1]] == [rfq["rfqId"] for rfq in sandbox.rfqs("pending_fill")]
    assert {opened[0], opened[2]} == {row["rfqId"] for row in receipt["info"]["data"]}


def test_okx_may_be_able_to_the_third_time(twin: Twin, sandbox: Sandbox, opened: list[str], exchange: Any) -> None:
    """What was temporarily refused is retried before anything is canceled by id."""
    sandbox.fault(CANCEL_ALL, "70208", "70208")

    receipt = twin.cancel(exchange)

    assert ("canceled", 3) == (receipt["status"], receipt["attempts"])
    assert (0, 0) == (asked(sandbox, LIST), asked(sandbox, BATCH))


def test_hundreds_are_canceled_a_hundred_at_a_time(
    twin: Twin, sandbox: Sandbox, exchange: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Pages and batches keep to OKX's limits: not one is refused."""
    for _ in range(250):
        sandbox.create_rfq()
    sandbox.fault(CANCEL_ALL, "70203")

    receipt = twin.cancel(exchange)

    assert "canceled" == receipt["status"]
    assert [] == sandbox.rfqs("active")
    assert 3 == asked(sandbox, BATCH)
    assert 1 + 3 == receipt["attempts"]
    (told,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told.startswith("okx cancel_all_rfqs(): OKX answered 70203 ")
    assert told.endswith(" Canceling 250 by name.")


def test_none_listed_is_nothing_active(twin: Twin, sandbox: Sandbox, exchange: Any) -> None:
    """If OKX will not cancel all and lists none, none is active."""
    sandbox.fault(CANCEL_ALL, "70203")

    receipt = twin.cancel(exchange)

    assert ("nothing_active", None) == (receipt["status"], receipt["timestamp"])


def test_others_rfqs_are_not_named(twin: Twin, sandbox: Sandbox, maker: dict[str, str], clock: VirtualClock) -> None:
    """An RFQ received as a maker is in the list, but must not be canceled here."""
    sandbox.fault(CANCEL_ALL, "70203")

    receipt = twin.cancel(made(twin, sandbox, clock, maker))

    assert "nothing_active" == receipt["status"]
    assert 1 == len(sandbox.rfqs("active"))
    assert 0 == asked(sandbox, BATCH)


def test_rows_that_are_gone_or_being_filled_are_no_failure(
    twin: Twin, sandbox: Sandbox, opened: list[str], exchange: Any
) -> None:
    """What a row says about its RFQ is checked against the list; here it was premature."""
    rows = '[{"sCode": "0"}, {"sCode": "70000"}, {"sCode": "70200", "sMsg": "pending_fill"}]'
    sandbox.fault(CANCEL_ALL, "70203")
    sandbox.fault(BATCH, Fault(body=f'{{"code": "2", "msg": "", "data": {rows}}}'))

    receipt = twin.cancel(exchange)

    assert "canceled" == receipt["status"]
    assert 2 == asked(sandbox, BATCH)
    assert [] == sandbox.rfqs("active")


def test_row_that_is_refused_for_the_moment_is_tried_again(
    twin: Twin, sandbox: Sandbox, opened: list[str], exchange: Any
) -> None:
    """A code in a row has its usual meaning."""
    sandbox.fault(CANCEL_ALL, "70203")
    sandbox.fault(BATCH, Fault(body='{"code": "1", "msg": "", "data": [{"sCode": "50011"}, {"sCode": "70000"}]}'))

    receipt = twin.cancel(exchange)

    assert ("canceled", 3) == (receipt["status"], receipt["attempts"])


def test_batch_that_went_well_in_part_is_no_nothing(
    twin: Twin, sandbox: Sandbox, opened: list[str], exchange: Any
) -> None:
    """One row was canceled, another refused: it may be canceled, and only the remaining ones are named."""
    rows = '[{"sCode": "0"}, {"sCode": "50120"}]'
    sandbox.set_state(opened[0], "pending_fill")
    sandbox.fault(CANCEL_ALL, "70203")
    sandbox.fault(BATCH, Fault(body=f'{{"code": "2", "msg": "", "data": {rows}}}'))

    error = failure_of(twin, exchange)

    assert (ccxt.PermissionDenied, True) == (type(error), error.cancel_failure.may_be_canceled)
    assert {opened[1], opened[2]} == set(error.cancel_failure.remaining)


def test_all_gone_is_nothing_active(twin: Twin, sandbox: Sandbox, opened: list[str], exchange: Any) -> None:
    """If no row says that it was canceled, nothing was."""
    for rfq in opened[1:]:
        sandbox.set_state(rfq, "expired")
    sandbox.fault(CANCEL_ALL, "70203")
    sandbox.fault(BATCH, Fault(body='{"code": "1", "msg": "", "data": [{"sCode": "70000"}]}'))

    class Expiring(type(exchange)):  # type: ignore[misc]  # ccxt's
        def private_post_rfq_cancel_batch_rfqs(self, params: Any) -> Any:
            sandbox.set_state(opened[0], "expired")
            return super().private_post_rfq_cancel_batch_rfqs(params)

    exchange.__class__ = Expiring

    receipt = twin.cancel(exchange)

    assert ("nothing_active", None) == (receipt["status"], receipt["timestamp"])


def test_rejected_batch_ends_it(twin: Twin, sandbox: Sandbox, opened: list[str], exchange: Any) -> None:
    """It says which RFQs are still there."""
    sandbox.fault(CANCEL_ALL, "70203")
    sandbox.fault(BATCH, "50120")

    error = failure_of(twin, exchange)

    assert (ccxt.PermissionDenied, "50120", 2) == (
        type(error),
        error.cancel_failure.code,
        error.cancel_failure.attempts,
    )
    assert set(opened) == set(error.cancel_failure.remaining)
    assert not error.cancel_failure.may_be_canceled


def test_too_many_and_no_list_is_the_rejection_that_it_was(
    twin: Twin, sandbox: Sandbox, opened: list[str], exchange: Any
) -> None:
    """Nothing was canceled, and it says so."""
    sandbox.fault(CANCEL_ALL, "70203")
    sandbox.fault(LIST, "50120")

    error = failure_of(twin, exchange)

    assert (ccxt.ExchangeError, "70203", 1, False, None) == (
        type(error),
        error.cancel_failure.code,
        error.cancel_failure.attempts,
        error.cancel_failure.may_be_canceled,
        error.cancel_failure.remaining,
    )
    assert "NOTHING WAS CANCELED" in str(error)


def test_list_that_is_needed_is_asked_for_until_it_comes(
    twin: Twin, sandbox: Sandbox, opened: list[str], exchange: Any
) -> None:
    """Without it, nothing can be canceled by id."""
    sandbox.fault(CANCEL_ALL, "70203")
    sandbox.fault(LIST, 502, "50011", 504, 503)

    receipt = twin.cancel(exchange)

    assert "canceled" == receipt["status"]
    assert [] == sandbox.rfqs("active")


def test_not_possible_and_not_listed_is_tried_to_the_deadline(
    twin: Twin, sandbox: Sandbox, opened: list[str], exchange: Any
) -> None:
    """It continues in turns, at growing intervals, and ends in time."""
    sandbox.fault(CANCEL_ALL, *["70208"] * 60)
    sandbox.fault(LIST, *[502] * 60)

    error = failure_of(twin, exchange)

    assert (ccxt.ExchangeNotAvailable, "70208", False) == (
        type(error),
        error.cancel_failure.code,
        error.cancel_failure.may_be_canceled,
    )
    assert error.cancel_failure.elapsed <= 30.0 + 3.0
    assert 4 <= error.cancel_failure.attempts <= 16


def test_not_possible_and_then_possible_again(twin: Twin, sandbox: Sandbox, opened: list[str], exchange: Any) -> None:
    """If the list is out of reach too, the next cancel-all may work."""
    sandbox.fault(CANCEL_ALL, *["70208"] * 3)
    sandbox.fault(LIST, 502, 502)

    receipt = twin.cancel(exchange)

    assert ("canceled", 4) == (receipt["status"], receipt["attempts"])
    assert (2, 0) == (asked(sandbox, LIST), asked(sandbox, BATCH))


def test_policy_says_how_long_to_wait_while_neither_is_possible(
    twin: Twin, sandbox: Sandbox, clock: VirtualClock
) -> None:
    """Before every cancel except the first, with or without the list in between."""
    sandbox.fault(CANCEL_ALL, *["70208"] * 4)
    sandbox.fault(LIST, *["50120"] * 4)
    exchange = made(twin, sandbox, clock, backoff=10.0, backoff_max=10.0, jitter=0.0, deadline=100.0)

    twin.cancel(exchange)

    assert [10.0] * 4 == clock.waits


def test_policy_says_how_long_to_wait_where_none_can_be_named(
    twin: Twin, sandbox: Sandbox, clock: VirtualClock
) -> None:
    """They are listed, but their owner is unknown."""
    sandbox.create_rfq()
    sandbox.fault(CANCEL_ALL, *["70208"] * 4)
    sandbox.fault("rfq/counterparties", *["50120"] * 4)
    exchange = made(twin, sandbox, clock, backoff=10.0, backoff_max=10.0, jitter=0.0, deadline=100.0)

    twin.cancel(exchange)

    assert [10.0] * 4 == clock.waits


@pytest.mark.parametrize(("count", "pages"), [(99, 2 + 2), (100, 3 + 2)])
def test_hundred_are_one_batch(count: int, pages: int, twin: Twin, sandbox: Sandbox, exchange: Any) -> None:
    """Batches are full, and a page that is not full is the last of its state."""
    for _ in range(count):
        sandbox.create_rfq()
    sandbox.fault(CANCEL_ALL, "70203")
    twin.cancel(exchange)

    assert (pages, 1) == (asked(sandbox, LIST), asked(sandbox, BATCH))


def test_no_batch_follows_one_that_was_rejected(twin: Twin, sandbox: Sandbox, exchange: Any) -> None:
    """The next would be too, and the remaining RFQs must be named."""
    for _ in range(101):
        sandbox.create_rfq()
    sandbox.fault(CANCEL_ALL, "70203")
    sandbox.fault(BATCH, "50120")

    error = failure_of(twin, exchange)

    assert (1, 101) == (asked(sandbox, BATCH), len(error.cancel_failure.remaining))


def test_batches_end_at_the_deadline(twin: Twin, sandbox: Sandbox, clock: VirtualClock) -> None:
    """What was not reached is named; what was canceled leaves a doubt."""
    exchange = made(twin, sandbox, clock, deadline=5.0)
    for _ in range(450):
        sandbox.create_rfq()
    sandbox.fault(CANCEL_ALL, "70203")

    error = failure_of(twin, exchange)

    assert error.cancel_failure.may_be_canceled
    assert error.cancel_failure.remaining
    assert set(error.cancel_failure.remaining) <= {rfq["rfqId"] for rfq in sandbox.rfqs("active")}


def test_confirmed_by_name(twin: Twin, sandbox: Sandbox, opened: list[str], exchange: Any) -> None:
    """If OKX can only cancel by id, its list confirms the result."""
    sandbox.fault(CANCEL_ALL, "70203")

    receipt = twin.cancel(exchange, confirm=True)

    assert ("canceled", True, []) == (receipt["status"], receipt["confirmed"], receipt["remaining"])


# Hooks


class Watcher:
    """An observer that records its notifications."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []

    @hookimpl
    def rfq_cancel_retrying(self, exchange: ExchangeSnapshot, attempt: int, error: Exception, wait: float) -> None:
        self.heard.append(("retrying", error))

    @hookimpl
    def rfqs_canceled(self, exchange: ExchangeSnapshot, receipt: Receipt) -> None:
        self.heard.append(("canceled", receipt))

    @hookimpl
    def rfq_cancel_failed(self, exchange: ExchangeSnapshot, error: Any) -> None:
        self.heard.append(("failed", error.cancel_failure))


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    plugin = Watcher()
    get_plugin_manager().register(plugin)
    yield plugin
    get_plugin_manager().unregister(plugin)


def test_observers_see_what_is_filling_and_what_remains(
    twin: Twin, sandbox: Sandbox, opened: list[str], watcher: Watcher, clock: VirtualClock
) -> None:
    """They get what the caller gets; continuing to confirm is not a retry."""
    sandbox.set_state(opened[0], "pending_fill")
    for faults in ((), [DONE] * 60):
        if faults:
            sandbox.fault(CANCEL_ALL, *faults)
            opened.append(sandbox.create_rfq()["rfqId"])
        with contextlib.suppress(ccxt.OperationFailed):
            twin.cancel(made(twin, sandbox, clock), confirm=True)
    assert get_plugin_manager().observers.drain()

    (first, receipt), (second, failure) = watcher.heard
    assert ("canceled", [opened[0]]) == (first, receipt["filling"])
    assert ("failed", (opened[-1],)) == (second, failure.remaining)


def test_observers_hear_of_a_batch_that_is_repeated(
    twin: Twin, sandbox: Sandbox, opened: list[str], exchange: Any, watcher: Watcher
) -> None:
    """By id or all at once: a cancel has failed for the moment, and the next attempt is announced."""
    sandbox.fault(CANCEL_ALL, "70203")
    sandbox.fault(BATCH, "50011")

    twin.cancel(exchange)
    assert get_plugin_manager().observers.drain()

    assert ["retrying", "canceled"] == [event for event, _ in watcher.heard]
    assert isinstance(watcher.heard[0][1], ccxt.RateLimitExceeded)


def test_a_plugin_that_cancels_instead_is_told_to_confirm(twin: Twin, exchange: Any) -> None:
    """The hook gets it as the caller passed it."""
    asked_for = []

    class Dry:
        @hookimpl(tryfirst=True)
        def cancel_all_rfqs(self, exchange: Any, confirm: bool) -> Any:
            asked_for.append(confirm)

    plugin = Dry()
    get_plugin_manager().register(plugin)
    try:
        twin.cancel(exchange, confirm=True)
    finally:
        get_plugin_manager().unregister(plugin)

    assert [True] == asked_for
