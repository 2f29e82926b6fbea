"""Slots, desks and seats alone, on a clock that is moved by hand: who sends, who waits how long, who is served."""

from __future__ import annotations

import math
import sys
from typing import Any

import pytest
from okx_rfq_plugin._core.pacing import Desk, Pace, Seat, Slot, _Ticket
from support.twins import VirtualClock

from okx_rfq_plugin._core.endpoints import CANCEL_ALL_RFQS

START = 1000.0  # where a VirtualClock begins
PATIENCE = 3.5


class Bell:
    """Counts how often it was told to wake."""

    def __init__(self) -> None:
        self.rung = 0

    def wake(self) -> None:
        self.rung += 1


@pytest.fixture
def desk() -> Desk[str]:
    return Desk(Pace(CANCEL_ALL_RFQS))


@pytest.fixture
def sit(desk: Desk[str], clock: VirtualClock) -> Any:
    """Return a function that seats one more caller, now."""
    return lambda *pause: Seat(desk, clock, *pause)


def asks(seat: Any) -> tuple[float, bool]:
    """Return how long a caller is to wait, and whether it is its turn to send."""
    return pytest.approx(seat.wait(PATIENCE)), seat.turn


# Slots


@pytest.mark.parametrize(
    ("slot", "called", "ready"),
    [
        (Slot(-math.inf, -math.inf), 7.0, -math.inf),
        (Slot(sent=100.0, free=math.inf), 99.0, 102.0),  # under way: a window after the last one left,
        (Slot(sent=100.0, free=math.inf), 100.5, 102.5),  # and a window after the call
        (Slot(sent=100.0, free=102.1), 99.0, 102.1),  # over: a window after its reply,
        (Slot(sent=100.0, free=111.0), 99.0, 102.5),  # but for one that came very late
        (Slot(sent=100.0, free=111.0), 108.0, 110.5),
        (Slot(sent=100.0, free=111.0), 108.6, 111.0),
    ],
)
def test_when_a_slot_may_be_had(slot: Slot, called: float, ready: float) -> None:
    """A window after the reply, and after a whole window of waiting no later than that and half a second."""
    assert ready == pytest.approx(slot.ready(called, 2.0))


def test_two_may_leave_at_once_and_a_third_after_a_window() -> None:
    """While nobody knows of a reply, the next may leave a window after its call."""
    pace = Pace(CANCEL_ALL_RFQS)

    assert -math.inf == pace.ready(100.0)
    for _ in range(2):
        taken = pace.take(99.0, 100.0)
        assert taken is not None
        assert (100.0, math.inf) == (taken.sent, taken.free)
    assert pace.take(100.0, 100.0) is None
    assert 102.0 == pace.ready(100.0)
    assert pace.take(100.0, 101.999) is None
    assert pace.take(100.0, 102.0) is not None


def test_a_slot_is_free_a_window_after_its_request_and_at_once_if_there_was_none() -> None:
    """What never left the machine takes no room in OKX's window."""
    pace = Pace(CANCEL_ALL_RFQS)
    first, second = (pace.take(100.0, 100.0) for _ in range(2))
    assert first is not None
    assert second is not None

    pace.give_back(first, 100.5, sent=True, exceeded=False)
    assert 102.5 == pace.ready(100.5) == pace.ready(101.0)

    pace.give_back(second, 100.7, sent=False, exceeded=False)
    assert 100.7 == pace.ready(100.7)
    assert pace.take(100.7, 100.69) is None
    assert pace.take(100.7, 100.7) is not None
    assert pace.take(100.7, 100.7) is None


@pytest.mark.parametrize(
    ("sent", "exceeded", "ready"), [(True, True, 103.0), (True, False, 102.2), (False, True, 101.0)]
)
def test_too_many_requests_close_the_other_slot_too(sent: bool, exceeded: bool, ready: float) -> None:
    """After 50011 both wait for the next window; one that has longer to wait keeps its time."""
    pace = Pace(CANCEL_ALL_RFQS)
    first, second = (pace.take(100.0, 100.0) for _ in range(2))
    assert first is not None
    assert second is not None
    pace.give_back(first, 100.2, sent=True, exceeded=False)

    pace.give_back(second, 101.0, sent=sent, exceeded=exceeded)

    assert ready == pytest.approx(pace.ready(101.5))
    taken = pace.take(101.5, ready)
    assert taken is not None
    assert (103.0 if sent else 102.2) == pytest.approx(pace.ready(101.5))


def test_too_many_requests_free_no_slot_that_is_under_way() -> None:
    """One whose reply is still to come is waited for as before."""
    pace = Pace(CANCEL_ALL_RFQS)
    first, second = (pace.take(100.0, 100.0) for _ in range(2))
    assert first is not None
    assert second is not None

    pace.give_back(second, 101.0, sent=False, exceeded=True)

    assert pace.take(101.0, 101.0) is not None
    assert 103.0 == pace.ready(101.0)


def test_what_comes_late_of_a_slot_that_another_has_by_now_counts_no_more() -> None:
    """A request that left at the same moment as one that is still under way is not taken for it."""
    pace = Pace(CANCEL_ALL_RFQS)
    first, second = (pace.take(100.0, 100.0) for _ in range(2))
    again = pace.take(100.0, 102.0)
    assert first is not None
    assert second is not None
    assert again is not None
    pace.give_back(again, 102.5, sent=True, exceeded=False)

    pace.give_back(first, 103.5, sent=True, exceeded=True)

    assert 104.5 == pace.ready(103.9)


# Seats


def test_the_first_sends_and_whoever_had_called_waits_for_its_outcome(sit: Any, clock: VirtualClock) -> None:
    """The outcome serves all who had called; nobody is in doubt afterwards."""
    sender, sharer = sit(), sit()

    assert (0.0, True) == asks(sender)
    assert (0.0, True) == asks(sender)  # it has its slot, and takes no second one
    assert (PATIENCE, False) == asks(sharer)
    assert (False, True) == (sender.shared, sharer.shared)
    assert (False, True) == (sender.in_doubt, sharer.in_doubt)

    clock.time += 0.5
    assert (PATIENCE - 0.5, False) == asks(sharer)
    sender.over("done", sent=True)

    assert (0.0, False) == asks(sharer)
    assert ("done", None) == (sharer.outcome, sender.outcome)
    assert (False, False, False) == (sender.turn, sender.shared, sharer.shared)
    assert (False, False) == (sender.in_doubt, sharer.in_doubt)
    assert (False, False) == (sender.holding, sharer.holding)


def test_whoever_calls_after_it_was_claimed_has_the_next_one(sit: Any, clock: VirtualClock) -> None:
    """A request on the wire serves nobody who calls now; the second slot does, and the third caller waits a window."""
    first = sit()
    asks(first)
    second = sit()

    assert not second.shared
    assert (0.0, True) == asks(second)
    third, fourth = sit(), sit()
    assert (2.0, False) == asks(third)
    first.over("one", sent=True)
    second.over("two", sent=True)
    assert third.outcome is None
    clock.time += 2.0
    assert (0.0, True) == asks(third)
    assert (PATIENCE, False) == asks(fourth)


def test_a_sender_that_does_not_come_back_is_left_in_doubt(sit: Any, clock: VirtualClock) -> None:
    """When its patience is over the next one sends for itself, and does not know what became of the first."""
    sit().wait(PATIENCE)
    lost, waiting = sit(), sit()
    lost.wait(PATIENCE)
    clock.time += PATIENCE - 0.0004

    assert (0.001, False) == asks(waiting)  # no wait is shorter than a moment
    assert waiting.in_doubt
    clock.time += 0.0004
    assert (0.0, True) == asks(waiting)
    assert waiting.in_doubt
    lost.over("late", sent=True)
    assert waiting.outcome is None
    assert waiting.turn


@pytest.mark.parametrize("in_doubt", [True, False])
def test_a_refusal_counts_for_the_sender_alone(in_doubt: bool, sit: Any, clock: VirtualClock) -> None:
    """The others are told what it was, and send for themselves, in doubt only where the sender leaves one."""
    sender, other = sit(), sit()
    sender.wait(PATIENCE)
    other.wait(PATIENCE)
    sender.over(refused="no", sent=True, in_doubt=in_doubt)

    assert not other.shared
    assert (0.0, True) == asks(other)
    assert (None, "no", in_doubt) == (other.outcome, other.refused, other.in_doubt)
    assert (None, None, False) == (sender.outcome, sender.refused, sender.in_doubt)


def test_a_refusal_is_remembered_until_the_next_one(sit: Any, clock: VirtualClock) -> None:
    """Whoever goes on to a further attempt that says nothing of the kind still knows of the last refusal."""
    first, second, third = sit(), sit(), sit()
    first.wait(PATIENCE)
    first.over(refused="first", sent=False, in_doubt=True)
    second.wait(PATIENCE)
    third.wait(PATIENCE)
    assert "first" == third.refused
    second.over(sent=False)

    third.wait(PATIENCE)
    assert "first" == third.refused
    assert third.in_doubt


def test_a_pause_is_waited_unless_somebody_sends_earlier(sit: Any, clock: VirtualClock) -> None:
    """Whoever comes back after a pause waits for its end, and is served by an attempt before it."""
    alone = sit(5.0)
    assert (5.0, False) == asks(alone)
    clock.time += 4.0
    assert (1.0, False) == asks(alone)
    clock.time += 1.0
    assert (0.0, True) == asks(alone)

    resting, quick = sit(5.0), sit()
    asks(quick)
    quick.over("done", sent=True)
    assert (0.0, False) == asks(resting)
    assert "done" == resting.outcome


def test_one_who_holds_sends_again_for_the_same_callers(sit: Any, clock: VirtualClock) -> None:
    """Between its two requests nobody else sends, and their patience begins again with the second."""
    sender, sharer = sit(), sit()
    asks(sender)
    sender.hold()

    assert (False, True) == (sender.turn, sender.holding)
    clock.time += 1.0
    assert (PATIENCE - 1.0, False) == asks(sharer)
    assert (0.0, True) == asks(sender)
    assert not sender.holding
    assert (PATIENCE, False) == asks(sharer)
    sender.over("done", sent=True)
    sharer.wait(PATIENCE)
    assert "done" == sharer.outcome


def test_one_who_holds_may_rest(sit: Any, clock: VirtualClock) -> None:
    """A rest is waited, and counts as a new call: a window that began before it is no excuse."""
    sender = sit()
    asks(sender)
    sender.hold()
    sender.rest(0.75)
    assert (0.75, False) == asks(sender)
    clock.time += 0.75
    assert (0.0, True) == asks(sender)

    clock.time += 0.25
    sender.hold()
    sender.rest(0.0)
    assert (1.0, False) == asks(sender)  # the first slot is free two seconds after its reply, which was at once
    clock.time += 1.0
    assert (0.0, True) == asks(sender)


def test_a_rest_counts_as_a_new_call(sit: Any, clock: VirtualClock) -> None:
    """Where the other slot is under way, the window of waiting begins with the rest."""
    sit().wait(PATIENCE)
    sender = sit()
    asks(sender)
    clock.time += 1.0
    sender.hold()

    assert (1.0, False) == asks(sender)
    sender.rest(0.0)
    assert (2.0, False) == asks(sender)


def test_only_who_has_claimed_can_end_it_and_only_once(sit: Any) -> None:
    """What others say changes nothing, nor what is said a second time."""
    sender, sharer = sit(), sit()
    sender.wait(PATIENCE)

    sharer.over("not mine to say")
    assert sharer.shared
    assert sharer.in_doubt
    sender.over("one", sent=True)
    sender.over("two", sent=True)

    sharer.wait(PATIENCE)
    assert "one" == sharer.outcome


def test_ending_it_after_holding_frees_nothing_twice(sit: Any, clock: VirtualClock) -> None:
    """The slot of the request before is counted once, by when that was over."""
    sender = sit()
    sender.wait(PATIENCE)
    sender.hold()
    clock.time += 1.0
    sender.over(sent=False)
    sit().wait(PATIENCE)
    third = sit()

    assert (1.0, False) == asks(third)


@pytest.mark.parametrize(("exceeded", "seconds"), [(True, 2.0), (False, 1.0)])
def test_too_many_requests_are_told_to_the_pace(exceeded: bool, seconds: float, sit: Any, clock: VirtualClock) -> None:
    """After 50011 whoever comes next waits a whole window."""
    first, second = sit(), None
    first.wait(PATIENCE)
    second = sit()
    second.wait(PATIENCE)
    first.over("one", sent=True)
    clock.time += 1.0

    second.over("busy", sent=True, exceeded=exceeded)

    assert (seconds, False) == asks(sit())


@pytest.mark.parametrize(("before", "later"), [(0, 0.0), (1, 0.001), (99, 0.099), (101, 0.1), (2000, 0.1)])
def test_crowd_wakes_one_after_the_other(before: int, later: float, sit: Any) -> None:
    """By a millisecond each, so that the first has sent before the rest is awake; a tenth of a second at most."""
    for _ in range(2):
        seat = sit()
        seat.wait(PATIENCE)
        seat.over("done", sent=True)
    crowd = sit()
    for _ in range(before):
        crowd.attend(Bell())

    assert (2.0 + later, False) == asks(sit())


def test_whoever_attends_is_woken_at_the_end(sit: Any) -> None:
    """All who wait are woken once, and whoever comes after the end at once."""
    sender, sharer = sit(), sit()
    sender.wait(PATIENCE)
    bells = [Bell(), Bell(), Bell()]
    sharer.attend(bells[0])
    sharer.attend(bells[1])
    assert [0, 0, 0] == [bell.rung for bell in bells]

    sender.over("done", sent=True)
    sharer.attend(bells[2])

    assert [1, 1, 1] == [bell.rung for bell in bells]


def test_desks_are_kept_by_clock_key_and_what_sharers_agree_in(clock: VirtualClock) -> None:
    """The same three give the same desk; those of one key have one pace."""
    desk = Desk.of(clock, CANCEL_ALL_RFQS, "key", "sharing")
    other = Desk.of(clock, CANCEL_ALL_RFQS, "key", "other")

    assert desk is Desk.of(clock, CANCEL_ALL_RFQS, "key", "sharing")
    assert desk is not other
    assert desk.pace is other.pace
    assert desk.pace is not Desk.of(clock, CANCEL_ALL_RFQS, "another", "sharing").pace
    assert desk.pace is not Desk.of(VirtualClock(), CANCEL_ALL_RFQS, "key", "sharing").pace


def test_ctrl_c_while_it_is_said_leaves_no_doubt(sit: Any) -> None:
    """Who has its outcome is not in doubt of its own attempt, though it was stopped before the others were told."""
    sender = sit()
    sender.wait(PATIENCE)

    def stop(frame: Any, event: str, arg: Any) -> None:
        if frame.f_code is _Ticket.end.__code__:
            raise KeyboardInterrupt

    tracing = sys.gettrace()
    sys.settrace(stop)
    try:
        with pytest.raises(KeyboardInterrupt):
            sender.over("done", sent=True)
    finally:
        sys.settrace(tracing)

    assert not sender.in_doubt


def test_whoever_gives_up_its_turn_takes_no_room(sit: Any) -> None:
    """Where nothing is said about it nothing was sent: the slot is free at once, and nobody is in doubt."""
    sit().wait(PATIENCE)
    sender, other = sit(), sit()
    asks(sender)
    asks(other)

    sender.over()

    assert (0.0, True) == asks(other)
    assert (None, None, False) == (other.outcome, other.refused, other.in_doubt)
