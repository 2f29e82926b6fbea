"""This file keeps OKX's limit for cancel-all-rfqs, and lets those who wait for it share one attempt."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from okx_rfq_plugin.clock import Clock

# Two requests in two seconds, for each User ID; a key stands for its user here, who may have others in other processes.
# Source: okx.com/docs-v5/en/#block-trading-rest-api-cancel-all-rfqs
SENDS = 2
WINDOW = 2.0

_LATENCY = 0.5  # what a reply may take, in seconds, to be waited for

T = TypeVar("T")


class Wakes(Protocol):
    """What ends somebody's sleep: `clock.Waker` or `clock.AsyncWaker`."""

    def wake(self) -> None:
        """End it."""


@dataclass(frozen=True)
class _Slot:
    """One of the requests that fit into a window: when the last one left, and when the next may (seconds)."""

    sent: float = -math.inf
    free: float = -math.inf

    def ready(self, called: float) -> float:
        # A slot is free a window after its reply, since two sends are not two arrivals. But who has waited a whole
        # window since its call waits no longer for a reply that does not come, and not for one that came very late.
        waited = max(self.sent, called) + WINDOW
        return waited if self.free == math.inf else min(self.free, waited + _LATENCY)


class Pace:
    """When requests of one API key may leave, in this process; nobody waits in here, or holds a lock for longer."""

    def __init__(self) -> None:
        self._slots = (_Slot(),) * SENDS

    def ready(self, called: float) -> float:
        """Return when somebody who called then may send, at the earliest."""
        return min(slot.ready(called) for slot in self._slots)

    def take(self, called: float, now: float) -> int | None:
        """Return the number of a slot, now taken; None where none is ready."""
        with _lock:
            for number, slot in enumerate(self._slots):
                # Looked at twice, for a signal handler may have come in between, on this very thread.
                if slot.ready(called) <= now and slot is self._slots[number]:
                    self._set(number, _Slot(sent=now, free=math.inf))
                    return number
        return None

    def give_back(self, number: int, now: float, *, sent: bool, exceeded: bool) -> None:
        """Note that the request of a slot is over, sent or not, and whether OKX said that its limit was exceeded.

        Where it did, somebody else is using the window, so that the other slot waits for the next one too.
        """
        with _lock:
            free = now + WINDOW if sent else now
            self._set(number, _Slot(self._slots[number].sent, free))
            if exceeded:
                self._slots = tuple(_Slot(slot.sent, max(slot.free, free)) for slot in self._slots)

    def _set(self, number: int, slot: _Slot) -> None:
        self._slots = (*self._slots[:number], slot, *self._slots[number + 1 :])


class _Ticket(Generic[T]):
    """One attempt to come, and everybody who called before it is sent: one of them sends it, for all."""

    def __init__(self) -> None:
        self.overdue = math.inf  # finite once it is being sent: when nobody waits for its outcome any longer
        self.outcome: T | None = None
        self.dropped = False
        self._wakers: list[Wakes] = []

    @property
    def taken(self) -> bool:
        return self.overdue < math.inf

    def attend(self, waker: Wakes) -> None:
        # First into the list, then the look at the outcome; `end` does it the other way round, so that no wake is lost.
        self._wakers.append(waker)
        if self.dropped or self.outcome is not None:
            waker.wake()

    def end(self, outcome: T | None) -> None:
        self.outcome = outcome
        self.dropped = outcome is None
        while self._wakers:
            self._wakers.pop().wake()


class Desk(Generic[T]):
    """Where those meet who may share an attempt; `pace` is theirs with whoever else uses the same API key."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.open: _Ticket[T] = _Ticket()

    @staticmethod
    def of(clock: Clock, key: Hashable, sharing: Hashable) -> Desk[Any]:
        """Return the one desk, in this process and on this clock, of an API key and what sharers have to agree in."""
        with _lock:
            pace = _paces.setdefault((clock, key), Pace())
            return _desks.setdefault((clock, key, sharing), Desk(pace))


class Seat(Generic[T]):
    """A caller's part in the attempt to come: it is served by it, or sends it for all.

    Ask `wait()` until it is 0. Then either `outcome` is there, which somebody else has brought, or it is this caller's
    `turn` to send, and to say `over` (or `hold`) afterwards.
    """

    def __init__(self, desk: Desk[T], clock: Clock, pause: float = 0.0) -> None:
        self.outcome: T | None = None
        self._desk = desk
        self._clock = clock
        self._called = clock.now()
        self._not_before = self._called + pause
        self._ticket = desk.open
        self._slot: int | None = None
        self._mine = False  # whether it was this caller who took the ticket
        self._holding = False
        self._gave_up = False

    @property
    def turn(self) -> bool:
        """Say whether it is this caller who sends."""
        return self._slot is not None

    @property
    def holding(self) -> bool:
        """Say whether the others still wait for this caller to send once more."""
        return self._holding

    @property
    def shared(self) -> bool:
        """Say whether an attempt that somebody else sent is under way for this caller."""
        return self._ticket.taken and not self._mine and self.outcome is None

    @property
    def in_doubt(self) -> bool:
        """Say whether an attempt was sent for this caller whose outcome it does not know."""
        return self._gave_up or self.shared

    def wait(self, patience: float) -> float:
        """Return the seconds until this is to be asked again; 0 when the caller is served, or has to send.

        Args:
            patience: how long an attempt of this caller's may take (seconds): no longer do others wait for it.
        """
        now = self._clock.now()
        self._follow(now)
        if self.turn or self.outcome is not None:
            return 0.0
        if self.shared:
            return self._ticket.overdue - now
        ready = max(self._not_before, self._desk.pace.ready(self._called))
        if ready > now:
            return round(ready - now, 6) or _MOMENT  # 0.3, not 0.2999999999992724
        with _lock:
            # A thread, or a signal handler, may have been faster.
            if not self.shared:
                self._slot = self._desk.pace.take(self._called, now)
            if self._slot is None:
                return _MOMENT
            self._mine = True
            self._ticket.overdue = now + patience
            if self._desk.open is self._ticket:
                self._desk.open = _Ticket()
        return 0.0

    def attend(self, waker: Wakes) -> None:
        """Have somebody woken as soon as the attempt is over."""
        self._ticket.attend(waker)

    def hold(self, *, sent: bool) -> None:
        """Note that its request is over, and that it is about to send another for the same callers."""
        self._release(sent=sent, exceeded=False)
        self._holding = True

    def rest(self, pause: float) -> None:
        """Let some seconds pass before it sends what it holds."""
        self._called = self._clock.now()
        self._not_before = self._called + pause

    def over(self, outcome: T | None, *, sent: bool = False, exceeded: bool = False) -> None:
        """Say what its attempt has come to, or None where that is no use to the others; without a turn, do nothing.

        Args:
            outcome: for those who have called before it was sent.
            sent: whether the request left the machine.
            exceeded: whether OKX said that its limit was exceeded.
        """
        if self.turn or self._holding:
            self._release(sent=sent, exceeded=exceeded)
            self._holding = False
            self._ticket.end(outcome)

    def _release(self, *, sent: bool, exceeded: bool) -> None:
        if self._slot is not None:
            self._desk.pace.give_back(self._slot, self._clock.now(), sent=sent, exceeded=exceeded)
            self._slot = None

    def _follow(self, now: float) -> None:
        # On to the next attempt, where this one was no use, or takes longer than it may.
        while not self._mine and (self._ticket.dropped or (self.shared and self._ticket.overdue <= now)):
            self._gave_up |= not self._ticket.dropped
            self._ticket = self._desk.open
        if not self._mine:
            self.outcome = self._ticket.outcome


_MOMENT = 0.001
_lock = threading.RLock()
_paces: dict[Hashable, Pace] = {}
_desks: dict[Hashable, Desk[Any]] = {}


def _forget_other_threads() -> None:
    """In a forked process nobody is left who would send what was waiting, or let go of the lock."""
    global _lock
    _lock = threading.RLock()
    for desk in _desks.values():
        desk.open = _Ticket()


os.register_at_fork(after_in_child=_forget_other_threads)
