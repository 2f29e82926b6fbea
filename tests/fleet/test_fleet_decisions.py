"""The decision logic of the fleet: fence, failure detector, plan, watch."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import pytest

from okx_rfq_plugin.fleet.clocks import Reading, read
from okx_rfq_plugin.fleet.detector import FailureDetector
from okx_rfq_plugin.fleet.fence import Fence
from okx_rfq_plugin.fleet.plan import Plan
from okx_rfq_plugin.fleet.records import (
    Beat,
    Latch,
    Member,
    View,
    Watcher,
    beat_from_text,
    from_text,
    newest,
    to_text,
)
from okx_rfq_plugin.fleet.watching import Watch

HALTED = Latch(7, True, "risk limit", "ops", 1_790_000_000.0)
MEMBER = Member("m1", "alpha", "host1", 42, "demo:1", 3.0, 0.0, 0.0)
OTHER = Member("m2", "beta", "host2", 43, "demo:2", 3.0, 0.0, 0.0)


def at(seconds: float) -> Reading:
    return Reading(seconds, seconds, seconds)


def view(*beats: tuple[Member, Beat | None], epoch: str = "1", latch: Latch | None = None) -> View:
    return View(epoch, latch, {m.id: beat for m, beat in beats}, {m.id: m for m, _ in beats})


# Clocks


@pytest.mark.parametrize(
    ("later", "seconds"),
    [
        (Reading(2.0, 2.0, 2.0), 2.0),
        (Reading(0.0, 60.0, 60.0), 60.0),  # suspended
        (Reading(0.0, 60.0, 0.0), 60.0),  # and the wall clock was not set when it resumed
        (Reading(0.0, 0.0, 60.0), 60.0),  # a virtual machine was paused
        (Reading(2.0, 2.0, -3600.0), math.inf),  # the wall clock was set back, and hides a pause
        (Reading(2.0, 2.0, 1.4), math.inf),
        (Reading(2.0, 2.0, 1.6), 2.0),  # it was slewed
        (Reading(2.0, 2.0, 3600.0), 3600.0),  # and forward
    ],
)
def test_the_clock_that_moved_most_counts(later: Reading, seconds: float) -> None:
    """A lease's age is that of the clock that moved most."""
    assert seconds == later.most_since(at(0.0))


def test_the_time_that_has_passed_for_certain_is_monotonic() -> None:
    """Neither a suspension nor setting a clock makes a cancel earlier."""
    assert 2.0 == Reading(2.0, 60.0, 3600.0).least_since(at(0.0))


def test_each_clock_is_the_one_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """CLOCK_BOOTTIME is not an alias of the monotonic clock."""
    monkeypatch.setattr("time.monotonic", lambda: 1.0)
    monkeypatch.setattr("time.clock_gettime", {time.CLOCK_BOOTTIME: 2.0}.__getitem__)
    monkeypatch.setattr("time.time", lambda: 3.0)

    assert Reading(1.0, 2.0, 3.0) == read()


def test_clocks_of_this_machine_go_on() -> None:
    """Each clock of a later reading is at least that of an earlier one."""
    earlier, later = read(), read()

    assert all(now >= then for now, then in zip(later, earlier, strict=True))
    assert later.least_since(earlier) >= 0.0


# Fence


def test_a_fence_is_up_until_the_first_answer() -> None:
    """Nothing is created before the store has answered once."""
    fence = Fence(3.0)

    assert "has lapsed (it was not renewed yet)" in str(fence.refusal(at(0.0)))
    assert -math.inf == fence.left(at(0.0))


@pytest.mark.parametrize(("seconds", "up"), [(0.0, False), (2.99, False), (3.0, True), (60.0, True)])
def test_a_lease_counts_from_before_the_renewal_was_sent(seconds: float, up: bool) -> None:
    """However late the answer was, the lease ends three seconds after the renewal was sent."""
    fence = Fence(3.0)
    fence.renewed(at(0.0), None)

    assert up == (fence.refusal(at(seconds)) is not None)


def test_a_halted_member_is_told_why() -> None:
    """The refusal quotes the reason, who halted the fleet, and since when."""
    fence = Fence(3.0)
    fence.renewed(at(0.0), HALTED)

    assert "the fleet is halted since 2026-09-21T14:13:20Z by ops: risk limit" == fence.refusal(at(1.0))


@pytest.mark.parametrize(
    ("told", "ahead", "words"),
    [
        (None, None, None),
        (0.0, 0.4, None),
        (-20.0, 0.4, None),
        (0.0, 0.6, "which the fleet is told with the next renewal"),
        (20.0, 20.4, None),
        (45.0, 29.0, None),
        (45.0, 45.0, "45 s ahead of OKX's clock, which takes 30 s"),
        (0.0, -3600.0, None),
    ],
)
def test_a_signature_is_no_further_ahead_than_the_fleet_was_told(
    told: float | None, ahead: float | None, words: str | None
) -> None:
    """The last cancel waits for what the store was told, 30 s at most; what OKX would accept for longer is not sent."""
    fence = Fence(3.0)
    fence.renewed(at(0.0), None, told)

    said = fence.refusal(at(1.0), ahead)

    assert said is None if words is None else words in str(said)


@pytest.mark.parametrize("version", [6, 7, 8])
def test_a_halt_in_the_store_is_obeyed_whatever_was_known(version: int) -> None:
    """A store that has lost its data and whose clock is slow halts with a version below that of an earlier resume."""
    fence = Fence(3.0)
    fence.heard(Latch(7, False, "over", "ops", 0.0))

    fence.renewed(at(0.0), Latch(version, True, "risk limit", "ops", 0.0))

    assert "halted" in str(fence.refusal(at(1.0)))


def test_a_fence_says_what_went_wrong() -> None:
    """The refusal contains the reason of the last failure."""
    fence = Fence(3.0)
    fence.failed("TimeoutError")

    assert "(TimeoutError)" in str(fence.refusal(at(0.0)))


@pytest.mark.parametrize(
    ("known", "stored", "put_back"),
    [
        (None, None, False),
        (HALTED, None, True),
        (HALTED, Latch(6, False, "", "", 0.0), True),
        (HALTED, HALTED, False),
        (HALTED, Latch(8, False, "", "", 0.0), False),
        (Latch(7, False, "", "", 0.0), None, False),
    ],
)
def test_a_halt_that_the_store_lost_is_put_back(known: Latch | None, stored: Latch | None, put_back: bool) -> None:
    """A halt is, a resume is not: in doubt, the fleet stays halted."""
    fence = Fence(3.0)
    fence.heard(known)

    assert (known if put_back else None) == fence.renewed(at(0.0), stored)


@pytest.mark.parametrize("lease", [0.0, -1.0, math.inf, math.nan])
def test_a_lease_is_a_time(lease: float) -> None:
    """Anything that is not a number of seconds is refused."""
    with pytest.raises(ValueError, match="a lease is a number of seconds above 0"):
        Fence(lease)


# Records


@pytest.mark.parametrize("record", [MEMBER, HALTED, Watcher("w", "watcher", "host", 1, ("demo:1",), "alarm")])
def test_a_record_is_read_as_it_was_written(record: Member | Latch | Watcher) -> None:
    """A record comes out of the store as it went in."""
    kind: Any = type(record)
    assert record == from_text(kind, to_text(record))


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", "7", '{"id": 1}', '{"accounts": 1}', "\x00"])
def test_what_is_no_record_is_none(text: str) -> None:
    """Whatever the store contains, nothing breaks."""
    assert None is from_text(Member, text)
    assert None is beat_from_text(text)


def test_the_newest_latch_is_that_of_the_greatest_version() -> None:
    """None never wins."""
    assert None is newest(None, None)
    assert HALTED is newest(None, HALTED, Latch(6, False, "", "", 0.0))


@pytest.mark.parametrize(("ahead", "longer"), [(None, 30.0), (-5.0, 0.0), (0.0, 0.0), (12.0, 12.0), (3600.0, 30.0)])
def test_a_signature_dated_ahead_is_good_for_longer(ahead: float | None, longer: float) -> None:
    """By as much as it is ahead, 30 s at most, and by 30 s if that is unknown."""
    assert longer == replace(MEMBER, ahead=ahead).longer


# FailureDetector


def look(detector: FailureDetector, first: float, last: float, shown: View, step: float = 0.25) -> None:
    seconds = first
    while seconds <= last:
        detector.look(shown, at(seconds))
        seconds += step


def test_a_member_has_lapsed_a_sixth_after_its_lease() -> None:
    """After 3.5 s without a new heartbeat, and not before."""
    detector = FailureDetector()
    look(detector, 0.0, 3.5, view((MEMBER, Beat(1, 0))))
    assert [] == detector.lapsed(at(3.5))

    detector.look(view((MEMBER, None)), at(3.75))

    assert [MEMBER] == [seen.member for seen in detector.lapsed(at(3.75))]


@pytest.mark.parametrize("broken", ["silence", "gap", "suspended", "restarted"])
def test_a_break_gives_everyone_the_whole_lease_again(broken: str) -> None:
    """No answer, a pause of the observer, or another server: it starts anew."""
    detector = FailureDetector()
    shown = view((MEMBER, Beat(1, 0)))
    look(detector, 0.0, 3.25, shown)
    if broken == "silence":
        detector.look(None, at(3.5))
        detector.look(shown, at(3.75))
    elif broken == "gap":
        detector.look(shown, at(4.75))
    elif broken == "suspended":
        detector.look(shown, Reading(3.5, 63.5, 63.5))
    else:
        detector.look(view((MEMBER, Beat(1, 0)), epoch="2"), at(3.75))

    assert [] == detector.lapsed(at(5.0))


def test_what_a_member_tells_later_counts() -> None:
    """For example that its signatures are ahead by now."""
    detector = FailureDetector()
    detector.look(view((MEMBER, Beat(1, 0))), at(0.0))

    detector.look(view((replace(MEMBER, ahead=20.0), Beat(2, 0, 20.0))), at(0.25))

    assert 20.0 == detector.seen["m1"].member.ahead


@pytest.mark.parametrize(("text", "beat"), [("[3, 7]", Beat(3, 7)), ("[3, 7, 1.5]", Beat(3, 7, 1.5))])
def test_heartbeats_of_an_earlier_version_are_read(text: str, beat: Beat) -> None:
    """They do not say how far ahead signatures are: then 30 s are added."""
    assert beat == beat_from_text(text)
    assert beat == beat_from_text(to_text(beat))


def test_nothing_has_lapsed_while_the_store_is_silent() -> None:
    """Not even a member that would have."""
    detector = FailureDetector()
    look(detector, 0.0, 3.25, view((MEMBER, Beat(1, 0))))
    detector.look(None, at(3.5))

    assert [] == detector.lapsed(at(60.0))


def test_who_is_gone_from_the_list_has_signed_off() -> None:
    """And is no longer observed."""
    detector = FailureDetector()
    look(detector, 0.0, 1.0, view((MEMBER, Beat(1, 0))))

    look(detector, 1.25, 10.0, view())

    assert {} == detector.seen


def test_who_is_gone_with_the_whole_list_is_still_looked_for() -> None:
    """An emptied store has lost it; it has its whole lease again to renew, and lapses then."""
    detector = FailureDetector()
    look(detector, 0.0, 3.0, view((MEMBER, Beat(1, 0))))
    look(detector, 3.25, 6.5, view(epoch="2"))
    assert [] == detector.lapsed(at(6.5))

    look(detector, 6.75, 7.0, view(epoch="2"))

    assert [MEMBER] == [seen.member for seen in detector.lapsed(at(7.0))]


def test_blindness_is_measured() -> None:
    """Since the last answer, and since a lapse could have been noticed."""
    detector = FailureDetector()
    look(detector, 0.0, 6.0, view((MEMBER, Beat(1, 0))))
    assert 0.0 == detector.unclear_for(at(6.0))
    detector.look(None, at(7.0))

    assert (1.0, 1.0) == (detector.dark_for(at(7.0)), detector.unclear_for(at(7.0)))


# Plan


def test_a_plan_has_three_steps() -> None:
    """At once, 2 s and 31 s later; each is completed by a clean cancel that began in time."""
    plan = Plan(at(0.0))
    for seconds in (0.0, 2.0, 31.0):
        assert plan.is_due(at(seconds))
        plan.begin(at(seconds))
        assert not plan.is_due(at(seconds))
        plan.end(at(seconds + 0.5), clean=True)
        assert not plan.is_due(at(seconds + 1.0))

    assert plan.is_done


def test_a_late_cancel_does_for_all_that_was_due() -> None:
    """A cancel that begins after 31 s completes all three."""
    plan = Plan(at(0.0))
    plan.begin(at(40.0))
    plan.end(at(41.0), clean=True)

    assert plan.is_done


def test_a_cancel_that_was_not_clean_is_repeated_a_second_later() -> None:
    """And the step stays due until it is."""
    plan = Plan(at(0.0))
    plan.begin(at(0.0))
    plan.end(at(1.0), clean=False)

    assert not plan.is_due(at(1.5))
    assert plan.is_due(at(2.0))


def test_a_cancel_that_began_before_the_lapse_does_not_count() -> None:
    """A new lapse during a cancel has its own steps; the earlier one's last step stays due at its time."""
    earlier = Plan(at(0.0))
    earlier.begin(at(0.0))
    plan = Plan(at(5.0))
    plan.succeed(earlier)

    assert not plan.is_due(at(5.0))
    plan.end(at(6.0), clean=True)
    assert [0.0, 2.0, 26.0, 31.0] == plan.steps


def test_a_plan_without_the_last_step() -> None:
    """It ends after 2 s."""
    assert [0.0, 2.0] == Plan(at(0.0), last=False).steps


# Watch


def run(watch: Watch, first: float, last: float, shown: View | None) -> list[str]:
    kinds, seconds = [], first
    while seconds <= last:
        kinds += [event.kind for event in watch.look(shown, at(seconds))]
        for account in watch.due(at(seconds)):
            kinds += [event.kind for event in watch.canceled(account, at(seconds), clean=True)]
        seconds += 0.25
    return kinds


def test_a_watcher_without_the_key_says_so_once() -> None:
    """It cancels nothing, and does not forget."""
    watch = Watch(frozenset({"demo:1"}))

    assert ["uncovered"] == run(watch, 0.0, 60.0, view((OTHER, None)))
    assert [OTHER] == list(watch.uncovered.values())


def test_who_comes_back_may_lapse_again() -> None:
    """Each lapse leads to cancels."""
    watch = Watch(frozenset({"demo:1"}))
    assert ["lapsed", "canceled", "canceled"] == run(watch, 0.0, 7.0, view((MEMBER, Beat(1, 0))))
    assert ["back"] == run(watch, 7.25, 8.0, view((MEMBER, Beat(2, 0))))

    assert ["lapsed", "canceled", "canceled"] == run(watch, 8.25, 14.0, view((MEMBER, Beat(2, 0))))


def test_a_later_lapse_of_another_member_puts_nothing_off() -> None:
    """It has its own steps, and those of the earlier ones stay due at their times."""
    watch = Watch(frozenset({"demo:1"}))
    twin = Member("m3", "gamma", "host3", 44, "demo:1", 3.0, 0.0, 0.0)
    ahead = replace(MEMBER, ahead=20.0)
    run(watch, 0.0, 5.0, view((ahead, Beat(1, 0)), (twin, Beat(1, 0))))
    run(watch, 5.25, 6.0, view((ahead, Beat(1, 0)), (twin, Beat(2, 0))))

    run(watch, 6.25, 10.0, view((ahead, Beat(1, 0)), (twin, Beat(2, 0))))

    assert [25.75, 31.0, 45.75] == [step for step in watch.plans["demo:1"].steps if step > 2.0]


def test_a_store_that_comes_and_goes_is_blindness_too() -> None:
    """It answers occasionally, but never long enough to notice a lapse."""
    watch = Watch(frozenset({"demo:1"}), blind_after=5.0)
    shown = view((MEMBER, Beat(1, 0)))
    run(watch, 0.0, 0.5, shown)
    kinds: list[str] = []
    for second in range(1, 20):
        kinds += run(watch, second, second + 0.5, shown) + run(watch, second + 0.75, second + 0.75, None)

    assert ["blind"] == kinds
    assert watch.is_blind
