"""This file keeps OKX's limit for each endpoint, and lets those who wait for it share one attempt.

Nothing in here waits or locks: whoever comes second to a step sees so by `dict.setdefault`, which nobody can divide, no
other thread and no signal handler on the very same one. What a forked process inherits is as good there.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any, Generic, Protocol, TypeVar

from okx_rfq_plugin._core.clock import Clock
from okx_rfq_plugin._core.endpoints import Endpoint

_LATENCY = 0.5  # what a reply may take, in seconds, to be waited for
_MOMENT = 0.001
_QUEUE = 0.1
_MANY = 10_000
_NEXT = "next"

T = TypeVar("T")


class Wakes(Protocol):
    """What ends somebody's sleep: `clock.Waker` or `clock.AsyncWaker`."""

    def wake(self) -> None:
        """End it."""


class Slot:
    """One of the requests that fit into a window: when the last one left, and when the next may (seconds)."""

    __slots__ = ("free", "sent")

    def __init__(self, sent: float, free: float) -> None:
        self.sent = sent
        self.free = free  # infinite while its request is under way

    def ready(self, called: float, window: float) -> float:
        """Return when somebody who called then may have it.

        It is free a window after its reply, since two sends are not two arrivals. But who has waited a whole window
        since its call waits no longer for a reply that does not come, and not for one that came very late.
        """
        waited = max(self.sent, called) + window
        return waited if self.free == math.inf else min(self.free, waited + _LATENCY)


class _State:
    """The slots at one moment; `later` holds the state that has followed, as soon as there is one."""

    __slots__ = ("later", "slots")

    def __init__(self, slots: list[Slot]) -> None:
        self.slots = slots
        self.later: dict[str, _State] = {}


class Pace:
    """When requests of one API key to one endpoint may leave, in this process; a key stands for its user here.

    OKX counts by User ID, who may have other keys in other processes.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._window = endpoint.window
        self._latest = _State([Slot(-math.inf, -math.inf) for _ in range(endpoint.sends)])

    def ready(self, called: float) -> float:
        """Return when somebody who called then may send, at the earliest."""
        return min(slot.ready(called, self._window) for slot in self._now().slots)

    def take(self, called: float, now: float) -> Slot | None:
        """Return a slot, now taken; None where none is ready."""
        taken = Slot(now, math.inf)
        while True:
            state = self._now()
            for slot in state.slots:
                if slot.ready(called, self._window) <= now:
                    break
            else:
                return None
            if self._follows(state, slot, taken):
                return taken

    def give_back(self, slot: Slot, now: float, *, sent: bool, exceeded: bool) -> None:
        """Note that the request of a slot is over, sent or not, and whether OKX said that its limit was exceeded.

        Where it did, somebody else is using the window, so that the other slot waits for the next one too.
        """
        new = Slot(slot.sent, now + self._window if sent else now)
        while True:
            state = self._now()
            # It may be somebody else's by now, who did not wait for its reply.
            if slot not in state.slots or self._follows(state, slot, new, exceeded=exceeded):
                return

    def _now(self) -> _State:
        while _NEXT in self._latest.later:
            self._latest = self._latest.later[_NEXT]
        return self._latest

    def _follows(self, state: _State, old: Slot, new: Slot, *, exceeded: bool = False) -> bool:
        slots = [new if slot is old else slot for slot in state.slots]
        if exceeded:
            slots = [Slot(slot.sent, max(slot.free, new.free)) for slot in slots]
        following = _State(slots)
        return state.later.setdefault(_NEXT, following) is following


class _Claim:
    """Who sends an attempt, and when nobody waits for its outcome any longer."""

    overdue = math.inf


class _Ticket(Generic[T]):
    """One attempt to come, and everybody who called before it is sent: one of them claims it, and sends it for all."""

    def __init__(self) -> None:
        self.outcome: T | None = None
        self.ended = False
        self.in_doubt = False  # whether it ended with a request on the wire whose fate nobody knows
        self.refused: T | None = None
        self._claims: dict[str, _Claim] = {}
        self._later: dict[str, _Ticket[T]] = {}
        self._wakers: list[Wakes] = []

    @property
    def claimed(self) -> _Claim | None:
        return self._claims.get(_NEXT)

    @property
    def later(self) -> _Ticket[T]:
        return self._later.setdefault(_NEXT, _Ticket())

    def claim(self, claim: _Claim) -> bool:
        return self._claims.setdefault(_NEXT, claim) is claim

    @property
    def attendance(self) -> int:
        return len(self._wakers)

    def attend(self, waker: Wakes) -> None:
        # First into the list, then the look at the end; `end` does it the other way round, so that no wake is lost.
        self._wakers.append(waker)
        if self.ended:
            waker.wake()

    def end(self, outcome: T | None, refused: T | None, *, in_doubt: bool) -> None:
        if not self.ended:
            self.outcome = outcome
            self.refused = refused
            self.in_doubt = in_doubt
            self.ended = True
        while self._wakers:
            self._wakers.pop().wake()


class Desk(Generic[T]):
    """Where those meet who may share an attempt; `pace` is theirs with whoever else uses the same API key."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self._latest: _Ticket[T] = _Ticket()

    @staticmethod
    def of(clock: Clock, endpoint: Endpoint, key: Hashable, sharing: Hashable) -> Desk[Any]:
        """Return the one desk, in this process and on this clock, of an API key and what sharers have to agree in."""
        known = (clock, endpoint.path, key, sharing)
        desk = _desks.get(known)
        if desk is None:
            if len(_desks) > _MANY:  # params that change with each call: whoever waits goes on, and shares less
                _desks.clear()
            pace = _paces.setdefault((clock, endpoint.path, key), Pace(endpoint))
            desk = _desks.setdefault(known, Desk(pace))
        return desk

    @property
    def open(self) -> _Ticket[T]:
        """The attempt that nobody has claimed yet."""
        while self._latest.claimed is not None:
            self._latest = self._latest.later
        return self._latest


class Seat(Generic[T]):
    """A caller's part in the attempt to come: it is served by it, or sends it for all.

    Ask `wait()` until it is 0. Then either `outcome` is there, which somebody else has brought, or it is this caller's
    `turn` to send, and to say `over` (or `hold`) afterwards. `refused` is what became of an attempt that was no use to
    this caller, since it counted for its sender alone.
    """

    def __init__(self, desk: Desk[T], clock: Clock, pause: float = 0.0) -> None:
        self.outcome: T | None = None
        self.refused: T | None = None
        self._desk = desk
        self._clock = clock
        self._called = clock.now()
        self._not_before = self._called + pause
        self._ticket = desk.open
        self._claim: _Claim | None = None
        self._slot: Slot | None = None
        self._left_in_doubt = False

    @property
    def turn(self) -> bool:
        """Say whether it is this caller who sends, now."""
        return self._slot is not None

    @property
    def holding(self) -> bool:
        """Say whether the others wait for this caller to send once more."""
        return self._claim is not None and not self.turn

    @property
    def shared(self) -> bool:
        """Say whether an attempt that somebody else sends is under way for this caller."""
        claimed = self._ticket.claimed
        return claimed is not None and claimed is not self._claim and not self._ticket.ended

    @property
    def in_doubt(self) -> bool:
        """Say whether an attempt was sent for this caller whose fate it does not know."""
        return self._left_in_doubt or self.shared

    def wait(self, patience: float) -> float:
        """Return the seconds until this is to be asked again; 0 when the caller is served, or has to send.

        Args:
            patience: how long an attempt of this caller's may take (seconds): no longer do others wait for it.
        """
        now = self._clock.now()
        self._follow(now)
        if self._slot is not None or self.outcome is not None:
            return 0.0
        claimed = self._ticket.claimed
        if claimed is not None and claimed is not self._claim:
            return max(claimed.overdue - now, _MOMENT)
        if now >= self._not_before and self._take(now, patience):
            return 0.0
        # A crowd wakes one after the other: the first sends, and most of the rest sleep until they are served.
        behind = min(self._ticket.attendance * _MOMENT, _QUEUE)
        return max(self._not_before, self._desk.pace.ready(self._called) + behind, now + _MOMENT) - now

    def attend(self, waker: Wakes) -> None:
        """Have somebody woken as soon as the attempt is over."""
        self._ticket.attend(waker)

    def hold(self) -> None:
        """Note that its request is over, and that it is about to send another for the same callers."""
        self._release(sent=True, exceeded=False)

    def rest(self, pause: float) -> None:
        """Let some seconds pass before it sends what it holds."""
        self._called = self._clock.now()
        self._not_before = self._called + pause

    def over(
        self,
        outcome: T | None = None,
        *,
        refused: T | None = None,
        sent: bool = False,
        exceeded: bool = False,
        in_doubt: bool = False,
    ) -> None:
        """Say what its attempt has come to; from somebody who has not claimed one it changes nothing.

        Args:
            outcome: for those who have called before it was sent; None where they are to send for themselves.
            refused: what it came to, in that case.
            sent: whether the request left the machine.
            exceeded: whether OKX said that its limit was exceeded.
            in_doubt: whether the request may have been carried out, though there is no outcome to share.
        """
        if self._claim is not None:
            self._release(sent=sent, exceeded=exceeded)
            self._ticket.end(outcome, refused, in_doubt=in_doubt)
            self._claim = None

    def _take(self, now: float, patience: float) -> bool:
        slot = self._desk.pace.take(self._called, now)
        if slot is None:
            return False
        claim = self._claim or _Claim()
        claim.overdue = now + patience
        if not self._ticket.claim(claim):  # another thread, or a signal handler, was faster
            self._desk.pace.give_back(slot, now, sent=False, exceeded=False)
            return False
        self._claim, self._slot = claim, slot
        return True

    def _release(self, *, sent: bool, exceeded: bool) -> None:
        if self._slot is not None:
            self._desk.pace.give_back(self._slot, self._clock.now(), sent=sent, exceeded=exceeded)
            self._slot = None

    def _follow(self, now: float) -> None:
        # On to the next attempt, where this one was no use, or takes longer than it may.
        while self._claim is None and self._ticket.outcome is None:
            claimed = self._ticket.claimed
            if claimed is None or (not self._ticket.ended and now < claimed.overdue):
                return
            self._left_in_doubt |= self._ticket.in_doubt or not self._ticket.ended
            self.refused = self._ticket.refused or self.refused
            self._ticket = self._desk.open
        if self._claim is None:
            self.outcome = self._ticket.outcome


_paces: dict[Hashable, Pace] = {}
_desks: dict[Hashable, Desk[Any]] = {}
