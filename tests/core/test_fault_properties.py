"""What must be true of a cancel whatever it meets: series of replies and faults, drawn by hypothesis."""

from __future__ import annotations

import contextlib
import copy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import ccxt
import ccxt.async_support
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.fault_table import BY_NAME, CLOCK, DONE, DOUBT, EMPTY, GROUPS, NO, OTHER_CODES, Row, Unreached
from support.fault_world import Met, Venue, make_exchange, venue
from support.twins import Twin, VirtualClock

import okx_rfq_plugin
from okx_rfq_plugin import RetryPolicy

PATIENT = 10.0  # seconds of the real clock that an attempt may take
SHORT = 1.0  # the same where the first row runs into it
WINDOW = 2.0  # seconds in which OKX takes two requests
DETOURS = ("fetch_time", "private_get_rfq_rfqs", "private_post_rfq_cancel_batch_rfqs")
TICK = 1e-6  # seconds: what sums of floats may be off by
STATUS = {DONE: "canceled", EMPTY: "nothing_active"}
BOOKKEEPING = frozenset(  # ccxt's own account of the last request, and what it opens to send one
    ["session", "tcp_connector", "throttler", "asyncio_loop", "closed_by_user", "lastRestRequestTimestamp"]
)


def stubborn(kind: Any, level: str) -> Any:
    """Make a framework's subclass: what it takes for trouble of the network, it sends again, below the package."""

    def send(self: Any, *args: Any, **kwargs: Any) -> Any:
        for _ in range(2):
            with contextlib.suppress(ccxt.NetworkError):
                return getattr(super(own, self), level)(*args, **kwargs)
        return getattr(super(own, self), level)(*args, **kwargs)

    async def send_async(self: Any, *args: Any, **kwargs: Any) -> Any:
        for _ in range(2):
            with contextlib.suppress(ccxt.NetworkError):
                return await getattr(super(own, self), level)(*args, **kwargs)
        return await getattr(super(own, self), level)(*args, **kwargs)

    own = type("Stubborn", (kind,), {level: send if kind is ccxt.okx else send_async, "enableRateLimit": False})
    return own


FACES = {"sync": ccxt.okx, "async": ccxt.async_support.okx}
KINDS = {
    **FACES,
    **{f"{face}, stubborn in {at}": stubborn(kind, at) for face, kind in FACES.items() for at in ("fetch", "request")},
}


@dataclass(frozen=True)
class Story:
    """What is drawn: ccxt's face and whose class it is, the deadline, how often one cancels, and what is met."""

    rows: tuple[Row, ...]
    kind: str = "sync"
    deadline: float = 5.0
    calls: int = 1
    on_class: bool = False

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # what hypothesis shows an example by
        rows = ", ".join(row.name for row in self.rows)
        where = " on its class" * self.on_class
        printer.text(f"<{self.calls} x {self.kind}{where}, deadline {self.deadline}: {rows}, ...>")


@dataclass(frozen=True)
class Call:
    """One cancel: when it was called and came back, by the virtual clock; its outcome; what it met, by attempts."""

    called: float
    back: float
    outcome: Any
    met: list[list[Met]]
    before: tuple[dict[str, Any], Any]
    after: tuple[dict[str, Any], Any]

    @property
    def ends(self) -> list[Row]:
        """What each attempt met last."""
        return [attempt[-1].row for attempt in self.met]

    @property
    def sent(self) -> list[Row]:
        """All that was met, a framework's own retries included."""
        return [met.row for attempt in self.met for met in attempt]


QUICK = [rows for rows in GROUPS.values() if not rows[0].slow]
QUICK.append(OTHER_CODES)
OPEN = [rows for rows in QUICK if not rows[0].ends]
NEXT = (st.sampled_from(OPEN) | st.sampled_from(QUICK)).flatmap(st.sampled_from)


SEQUENCES = st.lists(NEXT, min_size=1, max_size=7).map(tuple)
STORIES = st.builds(
    Story,
    rows=SEQUENCES,
    kind=st.sampled_from(sorted(KINDS)),
    deadline=st.sampled_from([0.0, 0.5, 3.0, 8.0, 30.0]),
    calls=st.integers(1, 2),
    on_class=st.booleans(),
)


def played(story: Story) -> list[Call]:
    """Let the story happen, and tell it by what the venue met."""
    clock = VirtualClock()
    with venue(clock) as okx:
        return _play(story, okx, clock)


def _play(story: Story, okx: Venue, clock: VirtualClock) -> list[Call]:
    timeout = SHORT if story.rows[0].slow else PATIENT
    policy = RetryPolicy(deadline=story.deadline, attempt_timeout=timeout)
    kind = KINDS[story.kind]
    if story.on_class:
        kind = okx_rfq_plugin.install(type("Own", (kind,), {}), policy=policy)
    exchange = make_exchange(kind, None if story.on_class else policy, clock)
    okx.play(story.rows)
    calls: list[Call] = []
    attempts = _attempts_of(exchange, okx)

    def begin() -> tuple[float, Any]:
        okx.met.clear()
        attempts.clear()
        return clock.now(), state_of(exchange)

    def end(called: float, before: Any, outcome: Any) -> None:
        bounds = [*attempts, len(okx.met)]
        met = [okx.met[i:j] for i, j in pairwise(bounds)]
        calls.append(Call(called, clock.now(), outcome, met, before, state_of(exchange)))

    def call() -> None:
        begun = begin()
        try:
            outcome = exchange.cancel_all_rfqs()
        except ccxt.BaseError as error:
            outcome = error
        end(*begun, outcome)

    async def call_async() -> None:
        begun = begin()
        try:
            outcome = await exchange.cancel_all_rfqs()
        except ccxt.BaseError as error:
            outcome = error
        end(*begun, outcome)

    synchronous = exchange.synchronous
    Twin(ccxt, synchronous).run(exchange, *[call if synchronous else call_async] * story.calls)
    return calls


def _attempts_of(exchange: Any, okx: Venue) -> list[int]:
    """Return where attempts begin in what the venue met, as they come: a call of ccxt's implicit method is one.

    The other methods that a cancel may call are detours: to OKX's clock, to the list of RFQs, to cancel by name.
    """
    begun: list[int] = []
    send = exchange.private_post_rfq_cancel_all_rfqs
    for name in DETOURS:
        setattr(exchange, name, _on_a_detour(getattr(exchange, name), okx, exchange.synchronous))

    def watched(params: Any) -> Any:
        begun.append(len(okx.met))
        return send(params)

    exchange.private_post_rfq_cancel_all_rfqs = watched
    return begun


def _on_a_detour(send: Any, okx: Venue, synchronous: bool) -> Any:
    def watched(*args: Any) -> Any:
        okx.detour = True
        try:
            return send(*args)
        finally:
            okx.detour = False

    async def watched_async(*args: Any) -> Any:
        okx.detour = True
        try:
            return await send(*args)
        finally:
            okx.detour = False

    return watched if synchronous else watched_async


def state_of(exchange: Any) -> tuple[dict[str, Any], Any]:
    """Return what belongs to the exchange's owner, which is all but ccxt's own bookkeeping, and the clock's offset."""
    state: dict[str, Any] = {
        name: copy.deepcopy(value) if isinstance(value, (dict, list)) else value
        for name, value in vars(exchange).items()
        if not name.startswith("last_") and name not in BOOKKEEPING
    }
    offset = state["options"].pop("timeDifference", None)
    return {**state, "class": type(exchange)}, offset


def hold(story: Story) -> None:
    """Let it happen, and hold each promise."""
    __tracebackhide__ = True
    calls = played(story)
    # What never left the machine does not count, for OKX or for the package.
    left = [attempt[0] for call in calls for attempt in call.met if not isinstance(attempt[0].row.step, Unreached)]
    sends = [met.at for met in left]
    close = [(first, third) for first, third in zip(sends, sends[2:], strict=False) if third - first < WINDOW - TICK]
    assert close == [], "three in 2 s"
    for call in calls:
        outcome, failed = call.outcome, isinstance(call.outcome, ccxt.BaseError)
        last = call.ends[-1]
        told = vars(outcome.cancel_failure) if failed else outcome
        assert failed == (last.means not in STATUS), "success if and only if OKX's last word was one"
        assert failed or STATUS[last.means] == outcome["status"]
        assert all(row.means not in (DONE, EMPTY, NO) for row in call.ends[:-1]), "asked again after the last word"
        assert len(call.met) == told["attempts"], "attempts"
        if failed:
            doubt = any(row.means == DOUBT for row in call.sent)
            assert doubt == told["may_be_canceled"], "the doubt is there exactly when a request's fate is unknown"
        begun = [attempt[0].at - call.called for attempt in call.met]
        assert begun[0] <= WINDOW + TICK, "the first attempt waits for one window at most"
        assert all(seconds <= story.deadline + TICK for seconds in begun[1:]), "past the deadline"
        gave_up = failed and last.means != NO and [row.means for row in call.ends].count(CLOCK) < 3
        longest_wait = RetryPolicy().backoff_max + RetryPolicy().jitter
        assert not gave_up or call.back - call.called + longest_wait >= story.deadline, "given up too early"
        (before, offset_before), (after, offset_after) = call.before, call.after
        assert before == after, "the exchange is another"
        complaints = [row.means for row in call.ends].count(CLOCK)
        assert complaints <= 3, "two corrections are all"
        assert offset_before == offset_after or 0 < complaints < 3, "an offset that nobody asked for, or was no help"


@given(STORIES)
@example(Story((BY_NAME["reset"], BY_NAME["50113 (401)"]), "sync, stubborn in fetch"))
@example(Story((BY_NAME["reset"], BY_NAME["50113 (401)"]), "async, stubborn in request"))
@example(Story((BY_NAME["50011 (429)"], BY_NAME["50113 (401)"]), "sync, stubborn in request"))
@example(Story((BY_NAME["50102 (401)"], BY_NAME["name unknown"]), "async, stubborn in fetch", deadline=0.0))
@example(Story((BY_NAME["70208 (200)"], BY_NAME["refused"])))
@example(Story((BY_NAME["70208 (200)"], BY_NAME["name unknown"]), "async"))
@example(Story((BY_NAME["70203 (200)"], BY_NAME["name unknown"])))
@example(Story((BY_NAME["70203 (200)"], BY_NAME["refused"]), "async"))
@example(Story((BY_NAME["50102 (401)"], BY_NAME["refused"]), "async"))
@example(Story((BY_NAME["50102 (401)"], BY_NAME["canceled"]), calls=2))
@example(Story((BY_NAME["50102 (401)"],), deadline=30.0))
@example(Story((BY_NAME["slow body"], BY_NAME["50001 (503)"], BY_NAME["50120 (200)"])))
@example(Story((BY_NAME["silent"], BY_NAME["50001 (503)"], BY_NAME["none active, in rows"]), "async"))
def test_whatever_is_met_the_promises_hold(story: Story) -> None:
    """Success, doubt, rejection, deadline, OKX's limit and the exchange object: true of any replies and faults."""
    hold(story)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in FACES])
@pytest.mark.parametrize("then", ["name unknown", "refused"])
@pytest.mark.parametrize(
    ("first", "in_doubt"), [("50102 (401)", False), ("50011 (429)", False), ("50001 (503)", True), ("reset", True)]
)
def test_a_repetition_that_meets_nobody_leaves_the_doubt_as_it_was(
    first: str, in_doubt: bool, then: str, kind: str
) -> None:
    """What a framework repeats within an attempt, and does not get out, adds no doubt to the reply that came before."""
    (call,) = played(Story((BY_NAME[first], BY_NAME[then]), kind, deadline=0.0))

    assert [first, then, then] == [row.name for row in call.sent]
    assert in_doubt == call.outcome.cancel_failure.may_be_canceled
