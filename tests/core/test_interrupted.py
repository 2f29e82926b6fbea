"""What a signal handler or another thread may do in the middle of a step, brought about at one exact moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from okx_rfq_plugin._core.pacing import Desk, Pace, Seat

import okx_rfq_plugin
from okx_rfq_plugin import plugins
from okx_rfq_plugin._core import pacing
from okx_rfq_plugin._core.clock import AsyncWaker, Clock, Waker
from okx_rfq_plugin._core.endpoints import CANCEL_ALL_RFQS


class Moment(float):
    """A time at whose first comparison something happens: what a signal handler does between two steps."""

    happens: Callable[[], Any] | None = None

    def __gt__(self, other: float) -> bool:
        happens, self.happens = self.happens, None
        if happens is not None:
            happens()
        return float(self) > other

    def __add__(self, other: float) -> Moment:
        later = Moment(float(self) + other)
        later.happens, self.happens = self.happens, None
        return later


class Stopped(Clock):
    """A clock that stands still, at a moment that somebody else has set."""

    time = Moment(1000.0)

    def now(self) -> float:
        return self.time


def at(time: float, happens: Callable[[], Any]) -> Moment:
    moment = Moment(time)
    moment.happens = happens
    return moment


def test_a_slot_that_is_taken_in_the_middle_is_taken_once() -> None:
    """Who is interrupted while taking a slot gets the other one."""
    pace = Pace(CANCEL_ALL_RFQS)
    nested: list[Any] = []

    slot = pace.take(at(0.0, lambda: nested.append(pace.take(0.0, 0.0))), 0.0)

    assert slot is not None
    assert slot is not nested[0]
    assert pace.take(0.0, 0.0) is None


def test_a_slot_that_is_given_back_in_the_middle_of_a_taking_loses_nothing() -> None:
    """Giving back notes its window although another slot was taken meanwhile, and that one stays taken."""
    pace = Pace(CANCEL_ALL_RFQS)
    slot = pace.take(0.0, 0.0)
    assert slot is not None

    pace.give_back(slot, at(0.1, lambda: pace.take(0.0, 0.1)), sent=True, exceeded=True)

    assert 2.0 < pace.ready(0.0) <= 2.6
    assert pace.take(0.0, 1.9) is None


def test_who_is_overtaken_while_claiming_an_attempt_shares_it() -> None:
    """Where somebody claims the attempt between a caller's slot and its claim, the slot is free again at once."""
    clock = Stopped()
    desk: Desk[str] = Desk(Pace(CANCEL_ALL_RFQS))
    first, second = Seat(desk, clock), Seat(desk, clock)
    first._called = at(1000.0, lambda: None)
    overtaken: list[float] = []

    class Overtaking(Pace):
        """Lets the second caller pass when the first has just taken a slot."""

        def take(self, called: float, now: float) -> Any:
            slot = super().take(called, now)
            if not overtaken:
                overtaken.append(1.0)
                overtaken.append(second.wait(3.5))
            return slot

    desk.pace = Overtaking(CANCEL_ALL_RFQS)

    assert 0.001 == pytest.approx(first.wait(3.5))
    assert (False, True, True) == (first.turn, second.turn, first.shared)

    second.over("outcome", sent=True)

    assert (0.0, "outcome") == (first.wait(3.5), first.outcome)
    assert desk.pace.take(1000.0, 1000.0) is not None


def test_who_finds_the_slots_gone_asks_again() -> None:
    """Where both slots are taken between the look and the taking, the caller has no turn."""
    clock = Stopped()
    desk: Desk[str] = Desk(Pace(CANCEL_ALL_RFQS))
    seat = Seat(desk, clock)

    class Late(Pace):
        """Loses both slots to others whenever one is asked for."""

        def take(self, called: float, now: float) -> Any:
            while super().take(1000.0, 1000.0) is not None:
                pass
            return super().take(called, now)

    desk.pace = Late(CANCEL_ALL_RFQS)

    assert 2.0 == seat.wait(3.5)
    assert not seat.turn


def test_who_attends_what_is_over_is_woken_at_once() -> None:
    """Nobody sleeps for an attempt that ended before the sleep began."""
    clock = Stopped()
    desk: Desk[str] = Desk(Pace(CANCEL_ALL_RFQS))
    sender, sharer = Seat(desk, clock), Seat(desk, clock)
    assert 0.0 == sender.wait(3.5)
    sender.over("outcome", sent=True)
    waker = Waker()

    sharer.attend(waker)

    assert waker.lock.acquire(blocking=False)


def test_a_waker_may_be_used_twice() -> None:
    """The second wake changes nothing, on a thread or on a task."""
    waker = Waker()
    waker.wake()
    waker.wake()
    assert waker.lock.acquire(blocking=False)

    async def on_a_loop() -> None:
        waker = AsyncWaker()
        waker.wake()
        waker.wake()
        await asyncio.sleep(0)
        assert waker.future.done()

    asyncio.run(on_a_loop())


def test_params_that_change_for_ever_do_not_fill_the_memory() -> None:
    """Desks are forgotten when there are too many; a new one serves as well."""
    clock = Stopped()
    for number in range(pacing._MANY + 2):
        Desk.of(clock, CANCEL_ALL_RFQS, "key", number)

    assert len(pacing._desks) <= pacing._MANY + 1


def test_the_manager_that_is_being_loaded_is_the_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for it while third parties are being loaded gets the one that will be there."""
    manager = okx_rfq_plugin.get_plugin_manager()
    monkeypatch.setattr(plugins, "_loaded", False)

    assert manager is okx_rfq_plugin.get_plugin_manager()


def test_ctrl_c_while_third_parties_are_loaded_loses_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl+C goes through, and whoever asks next has them loaded, each of them."""
    loaded: list[str] = []

    class Declared:
        """What a distribution declares: its first loading is interrupted."""

        value, name, dist = "third:party", "party", None

        def load(self) -> Any:
            loaded.append(self.name)
            if len(loaded) == 1:
                raise KeyboardInterrupt
            return object()

    monkeypatch.setattr(plugins, "_manager", None)
    monkeypatch.setattr(plugins, "_loaded", False)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [Declared()])

    with pytest.raises(KeyboardInterrupt):
        okx_rfq_plugin.get_plugin_manager()
    manager = okx_rfq_plugin.get_plugin_manager()

    assert ["party", "party"] == loaded
    assert manager.has_plugin("?:party")


def test_outcome_stays_where_its_telling_was_interrupted() -> None:
    """Who is stopped while waking the others, and then says that all is over, takes nothing back."""
    clock = Stopped()
    desk: Desk[str] = Desk(Pace(CANCEL_ALL_RFQS))
    sender, sharer = Seat(desk, clock), Seat(desk, clock)
    assert 0.0 == sender.wait(3.5)

    class Interrupted(Waker):
        def wake(self) -> None:
            raise KeyboardInterrupt

    sharer.attend(Interrupted())
    with pytest.raises(KeyboardInterrupt):
        sender.over("outcome", sent=True)
    sender.over()

    assert (0.0, "outcome") == (sharer.wait(3.5), sharer.outcome)
