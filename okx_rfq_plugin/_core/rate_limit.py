"""Rate limiter: when the next request to one endpoint of OKX may leave."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import NamedTuple

from okx_rfq_plugin._core.clock import Clock
from okx_rfq_plugin._core.endpoints import Endpoint
from okx_rfq_plugin._core.once import Once

_LATE_REPLY = 0.5  # seconds that a caller waits for a late reply after it has waited a whole window
_MOST_KEYS = 1_000  # API keys that are remembered; above it, idle ones are forgotten


class Permit(NamedTuple):
    """The right to send one request.

    `sent_at` is when the request left, and `free_at` when the permit can be used again: infinite while the request is
    in flight. Both are seconds on the limiter's clock.
    """

    sent_at: float
    free_at: float

    def available_at(self, called_at: float, window: float) -> float:
        """Return when a caller that called at `called_at` may take it.

        A permit is free one window after its reply, because two requests that leave two seconds apart may arrive closer
        together. A caller that has waited a whole window does not wait for a reply that may never come.
        """
        waited = max(self.sent_at, called_at) + window
        return waited if self.free_at == math.inf else min(self.free_at, waited + _LATE_REPLY)


class _State(NamedTuple):
    """All permits at one moment, and the state that replaced this one."""

    permits: tuple[Permit, ...]
    next: Once[_State]


class RateLimiter:
    """OKX's limit for one endpoint, for one API key, host and environment, in this process.

    OKX counts by User ID, which other keys and other processes may share; `release(exceeded=True)` reports a 50011.
    Lock-free: a change appends a state, and a caller that loses the race looks again.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._window = endpoint.window
        self._latest = _State((Permit(-math.inf, -math.inf),) * endpoint.sends, Once())

    @staticmethod
    def of(clock: Clock, endpoint: Endpoint, key: Hashable) -> RateLimiter:
        """Return the limiter of an endpoint and an account's `identity.key_of`, on this clock."""
        known = (clock, endpoint.path, key)
        limiter = _limiters.get(known)
        if limiter is None:
            if len(_limiters) >= _MOST_KEYS:
                for other, idle in list(_limiters.items()):
                    if idle.available_at(-math.inf) <= other[0].now() - idle._window:
                        _limiters.pop(other, None)
            limiter = _limiters.setdefault(known, RateLimiter(endpoint))
        return limiter

    def available_at(self, called_at: float) -> float:
        """Return the earliest time (seconds) at which a caller that called at `called_at` may send."""
        return min(permit.available_at(called_at, self._window) for permit in self._now().permits)

    def acquire(self, called_at: float, now: float) -> Permit | None:
        """Take a permit; None if none is available yet."""
        taken = Permit(now, math.inf)
        while True:
            state = self._now()
            index = next((i for i, p in enumerate(state.permits) if p.available_at(called_at, self._window) <= now), -1)
            if index < 0:
                return None
            if self._replaced(state, index, taken):
                return taken

    def release(self, permit: Permit, now: float, *, sent: bool, exceeded: bool = False) -> None:
        """Return a permit.

        Args:
            permit: from `acquire`. If it was taken over by a caller that did not wait for the reply, nothing changes.
            now: when the reply arrived, or when the attempt ended.
            sent: whether the request may have left this machine; if it did not, the permit is free at once.
            exceeded: whether OKX refused it by its rate limit. Then another client is using the window, and the other
                permits wait for the next window, too.
        """
        back = Permit(permit.sent_at, now + self._window if sent else now)
        while True:
            state = self._now()
            index = next((i for i, each in enumerate(state.permits) if each is permit), -1)
            if index < 0 or self._replaced(state, index, back, exceeded=exceeded):
                return

    def _now(self) -> _State:
        while (following := self._latest.next.value) is not None:
            self._latest = following
        return self._latest

    def _replaced(self, state: _State, index: int, new: Permit, *, exceeded: bool = False) -> bool:
        permits = [*state.permits[:index], new, *state.permits[index + 1 :]]
        if exceeded:
            permits = [Permit(each.sent_at, max(each.free_at, new.free_at)) for each in permits]
        following = _State(tuple(permits), Once())
        return state.next.set(following) is following


_limiters: dict[tuple[Clock, str, Hashable], RateLimiter] = {}
