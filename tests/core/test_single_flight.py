"""Callers, flights and groups on a manual clock: who sends, who waits, and who is served."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import ccxt
import pytest
from support.moments import at
from support.twins import VirtualClock

from okx_rfq_plugin._core import single_flight
from okx_rfq_plugin._core.clock import AsyncWaker, Waker
from okx_rfq_plugin._core.endpoints import CANCEL_ALL_RFQS
from okx_rfq_plugin._core.outcome import Attempt, Outcome
from okx_rfq_plugin._core.rate_limit import RateLimiter
from okx_rfq_plugin._core.single_flight import Caller, Flight, Group
from okx_rfq_plugin._core.verdict import Reply, classify

PATIENCE = 3.5


def outcome_of(code: str, *, in_doubt: bool = False) -> Outcome:
    """Return the outcome of an attempt that OKX answered with a code."""
    reply = Reply(200, {"code": code, "data": []})
    error = None if code == "0" else ccxt.ExchangeError(code)
    return Outcome(CANCEL_ALL_RFQS, classify(CANCEL_ALL_RFQS, reply, error), reply, error, True, in_doubt)


DONE, BUSY, REFUSED = outcome_of("0"), outcome_of("50011"), outcome_of("50113")
NOT_SENT = Outcome(
    CANCEL_ALL_RFQS,
    classify(CANCEL_ALL_RFQS, None, ccxt.NetworkError("refused"), sent=False),
    None,
    ccxt.NetworkError("refused"),
    False,
    False,
)


class Bell:
    """Counts how often it was told to wake."""

    def __init__(self) -> None:
        self.rung = 0

    def wake(self) -> None:
        self.rung += 1


@pytest.fixture
def group() -> Group:
    return Group(RateLimiter(CANCEL_ALL_RFQS))


@pytest.fixture
def call(group: Group, clock: VirtualClock) -> Callable[..., Caller]:
    """Return a function that creates one more caller, now."""
    return lambda pause=0.0, flights=None: Caller(group, clock, [] if flights is None else flights, pause)


class Told(NamedTuple):
    """A caller's next step: wait `seconds`, and then send or ask again."""

    seconds: Any
    sends: bool


SEND = Told(seconds=0.0, sends=True)


def wait_for(seconds: float) -> Told:
    """A caller's answer if it must not send, or not yet."""
    return Told(seconds, sends=False)


def asks(caller: Caller) -> Told:
    """Return a caller's next step."""
    return Told(pytest.approx(caller.wait(PATIENCE)), caller.leads)


def sends(caller: Caller, *, left: bool = True) -> None:
    """Let a caller send, unless its request does not leave the machine."""
    caller.flight.attempts.append(Attempt())
    caller.flight.attempts[-1].left = left


def lands(caller: Caller, outcome: Outcome, *, exceeded: bool = False) -> None:
    """Tell a caller the outcome of its request."""
    caller.flight.attempts[-1].outcome = outcome
    caller.land(outcome, exceeded=exceeded)


def led(caller: Caller) -> Caller:
    """Let a caller send its request, which stays on the wire."""
    assert SEND == asks(caller)
    sends(caller)
    return caller


# Who sends, who waits, who is served


def test_the_first_sends_and_earlier_callers_wait_for_its_outcome(call: Any, clock: VirtualClock) -> None:
    """The outcome serves everyone who had called; none of them is in doubt afterwards."""
    leader, follower = call(), call()

    assert SEND == asks(leader)
    assert SEND == asks(leader)  # it has its permit, and takes no second one
    sends(leader)
    assert wait_for(PATIENCE) == asks(follower)
    assert not leader.follows
    assert follower.follows
    assert leader.is_leader
    assert not follower.is_leader
    assert follower.flight is leader.flight
    assert follower.flight.in_doubt

    clock.time += 0.5
    assert wait_for(PATIENCE - 0.5) == asks(follower)
    lands(leader, DONE)

    assert wait_for(0.0) == asks(follower)
    assert (DONE, None) == (follower.served, leader.served)
    assert not leader.leads
    assert not leader.follows
    assert not follower.follows
    assert not follower.flight.in_doubt


def test_a_caller_that_comes_after_it_was_sent_has_the_next_one(call: Any, clock: VirtualClock) -> None:
    """A request on the wire serves no later caller; the second permit does, and the third caller waits a window."""
    first = led(call())
    second = call()

    assert not second.follows
    led(second)
    third, fourth = call(), call()
    assert wait_for(2.0) == asks(third)
    lands(first, DONE)
    lands(second, DONE)
    assert third.served is None
    clock.time += 2.0
    assert SEND == asks(third)
    assert wait_for(PATIENCE) == asks(fourth)


def test_a_leader_that_does_not_come_back_is_passed_over_and_leaves_a_doubt(call: Any, clock: VirtualClock) -> None:
    """When its patience is over, the next one sends its own, and does not know the first one's outcome."""
    led(call())
    flights: list[Flight] = []
    lost, waiting = call(), call(flights=flights)
    led(lost)
    assert wait_for(PATIENCE) == asks(waiting)
    clock.time += PATIENCE - 0.0004

    assert wait_for(0.001) == asks(waiting)  # no wait is shorter than this
    clock.time += 0.0004
    assert SEND == asks(waiting)
    assert [flights[0]] == [flight for flight in flights if flight.in_doubt]
    lands(lost, DONE)
    assert waiting.served is None
    assert waiting.leads
    assert [] == [flight for flight in flights if flight.in_doubt]  # late, but known


@pytest.mark.parametrize("refusal", [REFUSED, NOT_SENT, outcome_of("50102")], ids=["rejected", "not sent", "clock"])
def test_what_counts_for_its_leader_alone_is_told_and_serves_no_other(refusal: Outcome, call: Any) -> None:
    """The others learn what it was, and send their own."""
    leader, other = call(), call()
    led(leader)
    asks(other)
    lands(leader, refusal)

    assert not other.follows
    assert SEND == asks(other)
    assert (None, refusal) == (other.served, other.refused)
    assert (None, None) == (leader.served, leader.refused)


@pytest.mark.parametrize("in_doubt", [True, False])
def test_a_doubt_of_a_refusal_is_all_callers(in_doubt: bool, call: Any) -> None:
    """If a framework has sent twice, an earlier request of the leader's may have acted for all."""
    flights: list[Flight] = []
    leader, other = call(), call(flights=flights)
    led(leader)
    lands(leader, outcome_of("50113", in_doubt=in_doubt))
    asks(other)

    assert flights[:in_doubt] == [flight for flight in flights if flight.in_doubt]


def test_a_refusal_is_remembered_until_the_next_one(call: Any) -> None:
    """A caller that continues to a flight that ends without an outcome still knows the last refusal."""
    first, second, third = call(), call(), call()
    led(first)
    lands(first, REFUSED)
    led(second)
    asks(third)
    assert third.refused is REFUSED
    second.land()

    third.wait(PATIENCE)
    assert third.refused is REFUSED


def test_a_pause_is_waited_unless_another_sends_earlier(call: Any, clock: VirtualClock) -> None:
    """A caller that comes back after a pause waits for its end, and is served by an attempt before it."""
    alone = call(5.0)
    assert wait_for(5.0) == asks(alone)
    clock.time += 4.0
    assert wait_for(1.0) == asks(alone)
    clock.time += 1.0
    assert SEND == asks(alone)

    resting, quick = call(5.0), call()
    led(quick)
    lands(quick, DONE)
    assert wait_for(0.0) == asks(resting)
    assert resting.served is DONE


# A leader that sends again


def test_a_leader_sends_again_for_the_same_callers(call: Any, clock: VirtualClock) -> None:
    """Between its two requests no other caller sends, and their patience starts again with the second."""
    leader, follower = call(), call()
    led(leader)
    leader.keep()

    assert not leader.leads
    assert leader.is_leader
    clock.time += 1.0
    assert wait_for(PATIENCE - 1.0) == asks(follower)
    clock.time += 1.0
    assert SEND == asks(leader)
    assert wait_for(PATIENCE) == asks(follower)
    sends(leader)
    lands(leader, DONE)
    follower.wait(PATIENCE)
    assert follower.served is DONE


def test_a_leader_may_rest(call: Any, clock: VirtualClock) -> None:
    """A pause is waited, and counts as a new call: a window that began before it is no excuse."""
    leader = led(call())
    leader.keep()
    assert leader is leader.again(0.75)
    assert wait_for(0.75) == asks(leader)
    clock.time += 0.75
    led(leader)

    clock.time += 0.25
    leader.keep()
    assert leader is leader.again(0.0)
    assert wait_for(1.0) == asks(leader)  # the first permit is free two seconds after its reply, which was immediate
    clock.time += 1.0
    assert SEND == asks(leader)


def test_a_rest_counts_as_a_new_call(call: Any, clock: VirtualClock) -> None:
    """If the other permit is in flight, the window of waiting begins with the pause."""
    led(call())
    leader = led(call())
    clock.time += 1.0
    leader.keep()

    assert wait_for(1.0) == asks(leader)
    assert leader is leader.again(0.0)
    assert wait_for(2.0) == asks(leader)


def test_only_the_leader_can_end_a_flight_and_only_once(call: Any) -> None:
    """Later results, and those of others, change nothing."""
    leader, follower = call(), call()
    led(leader)

    follower.land(BUSY)
    assert follower.follows
    lands(leader, DONE)
    leader.land(BUSY)

    follower.wait(PATIENCE)
    assert follower.served is DONE


def test_landing_after_keeping_frees_nothing_twice(call: Any, clock: VirtualClock) -> None:
    """The permit of the previous request is counted once, by when that request was over."""
    leader = led(call())
    leader.keep()
    clock.time += 1.0
    leader.land()
    led(call())

    assert wait_for(1.0) == asks(call())


def test_a_leader_that_gives_up_takes_no_room(call: Any) -> None:
    """Nothing was sent: the permit is free at once, and no caller is in doubt."""
    led(call())
    flights: list[Flight] = []
    leader, other = call(), call(flights=flights)
    asks(leader)
    asks(other)

    leader.land()

    assert SEND == asks(other)
    assert (None, None) == (other.served, other.refused)
    assert not any(flight.in_doubt for flight in flights)


@pytest.mark.parametrize("left", [True, False])
def test_a_request_that_did_not_leave_takes_no_room(left: bool, call: Any) -> None:
    """A request refused before a byte was sent does not count for OKX."""
    led(call())
    leader = call()
    asks(leader)
    sends(leader, left=left)
    lands(leader, NOT_SENT)

    assert (wait_for(2.0) if left else SEND) == asks(call())


@pytest.mark.parametrize(("exceeded", "seconds"), [(True, 2.0), (False, 1.0)])
def test_too_many_requests_are_told_to_the_limiter(
    exceeded: bool, seconds: float, call: Any, clock: VirtualClock
) -> None:
    """After 50011 the next caller waits a whole window."""
    first, second = led(call()), led(call())
    lands(first, DONE)
    clock.time += 1.0

    lands(second, BUSY, exceeded=exceeded)

    assert wait_for(seconds) == asks(call())


# Sleeping


@pytest.mark.parametrize(("before", "later"), [(0, 0.0), (1, 0.001), (99, 0.099), (101, 0.1), (2000, 0.1)])
def test_a_crowd_wakes_one_after_the_other(before: int, later: float, call: Any) -> None:
    """By a millisecond each, so that the first has sent before the rest wake; a tenth of a second at most."""
    for _ in range(2):
        lands(led(caller := call()), DONE)
        assert caller.flight.landed
    crowd = call()
    for _ in range(before):
        crowd.flight.wake_at_landing(Bell())

    assert before == crowd.flight.waiting
    assert wait_for(2.0 + later) == asks(call())


def test_sleepers_are_woken_when_it_lands(call: Any) -> None:
    """All of them, once; one that goes to sleep afterwards is woken at once."""
    leader, follower = call(), call()
    led(leader)
    bells = [Bell(), Bell(), Bell()]
    follower.flight.wake_at_landing(bells[0])
    follower.flight.wake_at_landing(bells[1])
    assert [0, 0, 0] == [bell.rung for bell in bells]

    lands(leader, DONE)
    follower.flight.wake_at_landing(bells[2])

    assert [1, 1, 1] == [bell.rung for bell in bells]


def test_a_waker_may_be_used_twice() -> None:
    """The second wake changes nothing, on a thread or on a task."""
    waker = Waker()
    waker.wake()
    waker.wake()
    assert waker.lock.acquire(blocking=False)

    async def on_a_loop() -> AsyncWaker:
        waker = AsyncWaker()
        waker.wake()
        waker.wake()
        await asyncio.sleep(0)
        assert waker.future.done()
        return waker

    waker_of_a_closed_loop = asyncio.run(on_a_loop())
    waker_of_a_closed_loop.wake()


# Interrupted by a signal handler or another thread


def test_a_permit_that_another_had_for_a_moment_is_asked_for_again(
    call: Any, group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken and returned between two looks: the caller waits a thousandth of a second instead of not at all."""
    first = call()
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(group.limiter, "acquire", lambda called_at, now: None)
        assert wait_for(0.001) == asks(first)

    assert SEND == asks(first)


def test_a_caller_that_is_overtaken_while_it_begins_to_lead_shares(
    call: Any, group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If another caller leads the flight between a caller's permit and its lead, the permit is free again at once."""
    first, second = call(), call()
    acquire = group.limiter.acquire
    overtaken: list[Any] = []

    def acquire_and_be_overtaken(called_at: float, now: float) -> Any:
        permit = acquire(called_at, now)
        if not overtaken:
            overtaken.append(permit)
            led(second)
        return permit

    monkeypatch.setattr(group.limiter, "acquire", acquire_and_be_overtaken)

    # It asks again after a moment; without a wait it would spin until the reply arrives.
    assert wait_for(0.001) == asks(first)
    assert second.leads
    assert first.follows

    lands(second, DONE)

    assert wait_for(0.0) == asks(first)
    assert first.served is DONE
    assert group.limiter.acquire(1000.0, 1000.0) is not None


def test_a_caller_that_finds_the_permits_gone_asks_again(call: Any, clock: VirtualClock, group: Group) -> None:
    """If both permits are taken between its call and its asking, it waits."""
    caller = call()
    caller._called_at = at(clock.time, lambda: [group.limiter.acquire(clock.time, clock.time) for _ in range(2)])

    assert wait_for(2.0) == asks(caller)


def test_an_outcome_stays_where_its_telling_was_interrupted(call: Any) -> None:
    """A leader interrupted while it wakes the others, and which then lands again, takes nothing back."""
    leader, follower = call(), call()
    led(leader)

    class Interrupted(Bell):
        def wake(self) -> None:
            raise KeyboardInterrupt

    follower.flight.wake_at_landing(Interrupted())
    with pytest.raises(KeyboardInterrupt):
        lands(leader, DONE)
    leader.land()

    assert wait_for(0.0) == asks(follower)
    assert follower.served is DONE


def test_ctrl_c_while_the_outcome_is_told_leaves_no_doubt(call: Any) -> None:
    """A leader that has its outcome is not in doubt about its own attempt, though it was stopped before landing it."""
    flights: list[Flight] = []
    leader = led(call(flights=flights))

    def stop(frame: Any, event: str, arg: Any) -> None:
        if frame.f_code is Flight.land.__code__:
            raise KeyboardInterrupt

    tracing = sys.gettrace()
    sys.settrace(stop)
    try:
        with pytest.raises(KeyboardInterrupt):
            lands(leader, DONE)
    finally:
        sys.settrace(tracing)

    assert [] == [flight for flight in flights if flight.in_doubt]


# Groups


def test_groups_are_kept_by_clock_endpoint_key_and_what_sharers_agree_in(clock: VirtualClock) -> None:
    """The same four values give the same group; those of one key share one limiter."""
    group = Group.of(clock, CANCEL_ALL_RFQS, "key", "sharing")
    other = Group.of(clock, CANCEL_ALL_RFQS, "key", "other")

    assert group is Group.of(clock, CANCEL_ALL_RFQS, "key", "sharing")
    assert group is not other
    assert group.limiter is other.limiter
    assert group.limiter is not Group.of(clock, CANCEL_ALL_RFQS, "another", "sharing").limiter
    assert group.limiter is not Group.of(VirtualClock(), CANCEL_ALL_RFQS, "key", "sharing").limiter


def test_ever_changing_params_do_not_fill_the_memory(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """If there are too many groups, they are dropped; a new one works as well, within the same limit."""
    monkeypatch.setattr(single_flight, "_groups", {})
    groups = [Group.of(clock, CANCEL_ALL_RFQS, "key", number) for number in range(single_flight._MOST_GROUPS + 2)]

    assert 2 == len(single_flight._groups)
    assert 1 == len({id(group.limiter) for group in groups})
