"""Single flight: callers that wait for OKX's limit share one attempt, which the first that gets a permit sends.

    open ── a caller gets a permit ──> led ── handed to the HTTP library ──> left ── outcome, or interrupted ──> landed

A caller boards the open flight, so it is served only by a request that had not left when it called. Callers depend on
no other thread, task or event loop: each sleeps by itself, and passes over a leader that does not return in time.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import NamedTuple, Protocol

from okx_rfq_plugin._core.clock import Clock
from okx_rfq_plugin._core.endpoints import Endpoint
from okx_rfq_plugin._core.once import Once
from okx_rfq_plugin._core.outcome import Attempt, Outcome
from okx_rfq_plugin._core.rate_limit import Permit, RateLimiter

_SHORTEST = 0.001  # seconds: no wait is shorter
_STAGGER = 0.1  # seconds over which a crowd wakes, one millisecond per caller
_MOST_GROUPS = 1_000  # groups that are remembered; above it all are forgotten, and callers share less for a moment


class Wakes(Protocol):
    """What ends a caller's sleep: `clock.Waker` or `clock.AsyncWaker`."""

    def wake(self) -> None:
        """End the sleep."""


class Lease:
    """The leadership of a flight, held by one caller, and when the others stop waiting for it."""

    __slots__ = ("ends",)

    def __init__(self) -> None:
        self.ends = math.inf


class Landing(NamedTuple):
    """How a flight ended: with the leader's outcome, or None if the leader was interrupted."""

    outcome: Outcome | None


class Flight:
    """One attempt and the callers that share it."""

    def __init__(self) -> None:
        self.leader: Once[Lease] = Once()
        self.landing: Once[Landing] = Once()
        self.next: Once[Flight] = Once()
        self.attempts: list[Attempt] = []  # more than one after a correction of the clock
        self._wakers: list[Wakes] = []

    @property
    def landed(self) -> bool:
        """Whether it is over."""
        return self.landing.value is not None

    @property
    def in_doubt(self) -> bool:
        """Whether OKX may have acted on one of its attempts."""
        return any(attempt.in_doubt for attempt in self.attempts)

    @property
    def waiting(self) -> int:
        """How many callers sleep until it lands."""
        return len(self._wakers)

    def wake_at_landing(self, waker: Wakes) -> None:
        """Wake a sleeper when it lands."""
        # Append, then check; `land` sets, then wakes. So no wake is lost.
        self._wakers.append(waker)
        if self.landed:
            waker.wake()

    def land(self, outcome: Outcome | None) -> None:
        """End it, once, and wake every sleeper."""
        self.landing.set(Landing(outcome))
        while self._wakers:
            self._wakers.pop().wake()


class Group:
    """Callers that may share an attempt: same account, same route, same code."""

    def __init__(self, limiter: RateLimiter) -> None:
        self.limiter = limiter
        self._latest = Flight()

    @staticmethod
    def of(clock: Clock, endpoint: Endpoint, key: Hashable, sharing: Hashable) -> Group:
        """Return the group of an `identity.key_of` and an `identity.sharing_of`, on this clock."""
        known = (clock, endpoint.path, key, sharing)
        group = _groups.get(known)
        if group is None:
            if len(_groups) >= _MOST_GROUPS:
                _groups.clear()
            group = _groups.setdefault(known, Group(RateLimiter.of(clock, endpoint, key)))
        return group

    def open_flight(self) -> Flight:
        """Return the flight that has no leader yet."""
        flight = self._latest
        while flight.leader.value is not None:
            flight = self._latest = flight.next.set(Flight())
        return flight


class Caller:
    """One caller in a group: it is served by a flight, or leads one.

    Call `wait()` until it returns 0. Then either `served` is set, to the outcome of another caller's attempt, or
    `leads` is True: send, then call `land`.

    Args:
        group: who may share with it.
        clock: what it waits by.
        flights: every flight boarded by this call; the caller appends its own, which makes a later doubt visible.
        pause: seconds before it may lead.
    """

    def __init__(self, group: Group, clock: Clock, flights: list[Flight], pause: float = 0.0) -> None:
        self.served: Outcome | None = None
        self.refused: Outcome | None = None  # an outcome that counted for its leader alone
        self._group = group
        self._clock = clock
        self._flights = flights
        self._permit: Permit | None = None
        self._lease = Lease()
        self._rest(pause)
        self._board()

    @property
    def leads(self) -> bool:
        """Whether it holds a permit, and is to send now."""
        return self._permit is not None

    @property
    def is_leader(self) -> bool:
        """Whether it leads a flight that has not landed."""
        return self.flight.leader.value is self._lease and not self.flight.landed

    @property
    def follows(self) -> bool:
        """Whether another caller's attempt is under way for it."""
        return self.flight.leader.value not in (None, self._lease) and not self.flight.landed

    def again(self, pause: float) -> Caller:
        """Return the caller of the next attempt, `pause` seconds later: this one if it is leader still."""
        if not self.is_leader:
            return Caller(self._group, self._clock, self._flights, pause)
        self._rest(pause)
        return self

    def wait(self, patience: float) -> float:
        """Return the seconds until the next call of `wait`; 0 if the caller is served or is to send.

        Args:
            patience: seconds that an attempt of this caller may take before its followers go on without it.
        """
        now = self._clock.now()
        self._move_on(now)
        if self.leads or self.served is not None:
            return 0.0
        leader = self.flight.leader.value
        if leader is not None and leader is not self._lease:
            return max(leader.ends - now, _SHORTEST)
        if now >= self._not_before and self._lead(now, patience):
            return 0.0
        # A crowd wakes one by one: the first sends, and most of the others sleep until they are served.
        behind = min(self.flight.waiting * _SHORTEST, _STAGGER)
        ready = self._group.limiter.available_at(self._called_at) + behind
        return max(self._not_before, ready, now + _SHORTEST) - now

    def keep(self, *, exceeded: bool = False) -> None:
        """Return the permit and stay leader: another attempt for the same callers follows."""
        permit = self._permit
        if permit is not None:
            sent = bool(self.flight.attempts) and self.flight.attempts[-1].left
            self._group.limiter.release(permit, self._clock.now(), sent=sent, exceeded=exceeded)
            self._permit = None

    def land(self, outcome: Outcome | None = None, *, exceeded: bool = False) -> None:
        """End the flight if this caller leads it; without an outcome if the attempt was interrupted."""
        if self.flight.leader.value is self._lease:
            self.keep(exceeded=exceeded)
            self.flight.land(outcome)

    def _rest(self, pause: float) -> None:
        self._called_at = self._clock.now()
        self._not_before = self._called_at + pause

    def _board(self) -> None:
        flight = self._group.open_flight()
        self._flights.append(flight)
        self.flight = flight  # that it waits for, or leads

    def _lead(self, now: float, patience: float) -> bool:
        permit = self._group.limiter.acquire(self._called_at, now)
        if permit is None:
            return False
        self._lease.ends = now + patience
        if self.flight.leader.set(self._lease) is not self._lease:  # another thread, or a signal handler, was faster
            self._group.limiter.release(permit, now, sent=False)
            return False
        self._permit = permit
        return True

    def _move_on(self, now: float) -> None:
        # Board the next flight if this one landed without an outcome for this caller, or has taken too long.
        while not self.is_leader and self.served is None:
            leader = self.flight.leader.value
            if leader is None:
                return
            landing = self.flight.landing.value
            if landing is not None and landing.outcome is not None and landing.outcome.shared:
                self.served = landing.outcome
            elif landing is not None or now >= leader.ends:
                self.refused = (landing and landing.outcome) or self.refused
                self._board()
            else:
                return


_groups: dict[Hashable, Group] = {}
