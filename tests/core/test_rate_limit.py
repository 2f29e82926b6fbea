"""The rate limiter on its own: when a permit is available, what returns it, and interrupts in between."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from support.moments import at
from support.twins import VirtualClock

from okx_rfq_plugin._core import rate_limit
from okx_rfq_plugin._core.endpoints import CANCEL_ALL_AFTER, CANCEL_ALL_RFQS
from okx_rfq_plugin._core.rate_limit import Permit, RateLimiter


def limiter_with(taken: int, at: float = 100.0) -> tuple[RateLimiter, list[Permit]]:
    """Return a limiter with this many of its permits taken at one time."""
    limiter = RateLimiter(CANCEL_ALL_RFQS)
    permits = [permit for _ in range(taken) if (permit := limiter.acquire(at, at)) is not None]
    assert taken == len(permits)
    return limiter, permits


@pytest.mark.parametrize(
    ("permit", "called_at", "available_at"),
    [
        (Permit(-math.inf, -math.inf), 7.0, -math.inf),
        (Permit(sent_at=100.0, free_at=math.inf), 99.0, 102.0),  # in flight: a window after the last one left,
        (Permit(sent_at=100.0, free_at=math.inf), 100.5, 102.5),  # and a window after the call
        (Permit(sent_at=100.0, free_at=102.1), 99.0, 102.1),  # over: a window after its reply,
        (Permit(sent_at=100.0, free_at=111.0), 99.0, 102.5),  # except for one that came very late
        (Permit(sent_at=100.0, free_at=111.0), 108.0, 110.5),
        (Permit(sent_at=100.0, free_at=111.0), 108.6, 111.0),
    ],
)
def test_when_a_permit_is_available(permit: Permit, called_at: float, available_at: float) -> None:
    """A window after the reply, and after a whole window of waiting at most half a second later than that."""
    assert available_at == pytest.approx(permit.available_at(called_at, 2.0))


def test_two_may_leave_at_once_and_a_third_after_a_window() -> None:
    """While no reply is known, the next may leave a window after the call."""
    limiter = RateLimiter(CANCEL_ALL_RFQS)

    assert -math.inf == limiter.available_at(100.0)
    assert [Permit(100.0, math.inf)] * 2 == [limiter.acquire(99.0, 100.0) for _ in range(2)]
    assert limiter.acquire(100.0, 100.0) is None
    assert 102.0 == limiter.available_at(100.0)
    assert limiter.acquire(100.0, 101.999) is None
    assert limiter.acquire(100.0, 102.0) is not None


def test_each_endpoint_has_its_own_number_and_window() -> None:
    """The countdown for quotes takes one request a second."""
    limiter = RateLimiter(CANCEL_ALL_AFTER)

    assert limiter.acquire(100.0, 100.0) is not None
    assert limiter.acquire(100.0, 100.9) is None
    assert 101.0 == limiter.available_at(100.0)


def test_permit_is_free_a_window_after_its_request_and_at_once_if_there_was_none() -> None:
    """What never left the machine does not count in OKX's window."""
    limiter, (first, second) = limiter_with(2)

    limiter.release(first, 100.5, sent=True)
    assert 102.5 == limiter.available_at(100.5) == limiter.available_at(101.0)

    limiter.release(second, 100.7, sent=False)
    assert 100.7 == limiter.available_at(100.7)
    assert limiter.acquire(100.7, 100.69) is None
    assert limiter.acquire(100.7, 100.7) is not None
    assert limiter.acquire(100.7, 100.7) is None


@pytest.mark.parametrize(
    ("sent", "exceeded", "available_at"), [(True, True, 103.0), (True, False, 102.2), (False, True, 101.0)]
)
def test_too_many_requests_close_the_other_permit_too(sent: bool, exceeded: bool, available_at: float) -> None:
    """After 50011 both wait for the next window; one that must wait longer keeps its time."""
    limiter, (first, second) = limiter_with(2)
    limiter.release(first, 100.2, sent=True)

    limiter.release(second, 101.0, sent=sent, exceeded=exceeded)

    assert available_at == pytest.approx(limiter.available_at(101.5))
    assert limiter.acquire(101.5, available_at) is not None
    assert (103.0 if sent else 102.2) == pytest.approx(limiter.available_at(101.5))


def test_too_many_requests_free_no_permit_that_is_in_flight() -> None:
    """A request whose reply is outstanding is waited for as before."""
    limiter, (_, second) = limiter_with(2)

    limiter.release(second, 101.0, sent=False, exceeded=True)

    assert limiter.acquire(101.0, 101.0) is not None
    assert 103.0 == limiter.available_at(101.0)


def test_permit_that_was_taken_over_is_not_freed_by_the_request_before() -> None:
    """A request that left at the same time as one still in flight is not confused with it."""
    limiter, (first, _) = limiter_with(2)
    again = limiter.acquire(100.0, 102.0)
    assert again is not None
    limiter.release(again, 102.5, sent=True)

    limiter.release(first, 103.5, sent=True, exceeded=True)

    assert 104.5 == limiter.available_at(103.9)


def test_permit_is_released_once() -> None:
    """A second release, or one by a request that did not leave, frees nothing more."""
    limiter, (first, _) = limiter_with(2, at=0.0)
    again = limiter.acquire(0.0, 2.0)
    limiter.release(first, 2.05, sent=False)

    assert again is not None
    assert None in [limiter.acquire(0.0, 2.05) for _ in range(2)]  # three sends within 0.05 s otherwise


# Interrupted by a signal handler or another thread


def test_permit_that_is_acquired_in_the_middle_is_acquired_once() -> None:
    """A caller that is interrupted while acquiring a permit gets the other one."""
    limiter = RateLimiter(CANCEL_ALL_RFQS)
    nested: list[Any] = []

    permit = limiter.acquire(at(0.0, lambda: nested.append(limiter.acquire(0.0, 0.0))), 0.0)

    assert permit is not None
    assert permit is not nested[0]
    assert limiter.acquire(0.0, 0.0) is None


def test_release_in_the_middle_of_which_another_acquires_loses_nothing() -> None:
    """The window is recorded although another permit was taken meanwhile, and that one stays taken."""
    limiter, (permit,) = limiter_with(1, at=0.0)

    limiter.release(permit, at(0.1, lambda: limiter.acquire(0.0, 0.1)), sent=True, exceeded=True)

    assert 2.0 < limiter.available_at(0.0) <= 2.6
    assert limiter.acquire(0.0, 1.9) is None


# One for each account


def test_limiters_are_kept_by_clock_endpoint_and_key(clock: VirtualClock) -> None:
    """The same three give the same limiter, and any other its own."""
    limiter = RateLimiter.of(clock, CANCEL_ALL_RFQS, "key")

    assert limiter is RateLimiter.of(clock, CANCEL_ALL_RFQS, "key")
    assert limiter is not RateLimiter.of(clock, CANCEL_ALL_RFQS, "another")
    assert limiter is not RateLimiter.of(clock, CANCEL_ALL_AFTER, "key")
    assert limiter is not RateLimiter.of(VirtualClock(), CANCEL_ALL_RFQS, "key")


@pytest.mark.parametrize(
    ("passed", "forgets"), [(lambda clock: None, False), (lambda clock: clock.sleep(5.0), True)], ids=["busy", "idle"]
)
def test_unused_keys_are_forgotten(
    passed: Callable[[VirtualClock], None], forgets: bool, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above a number of keys, those whose window is over are dropped; a key in use keeps its limit."""
    monkeypatch.setattr(rate_limit, "_limiters", {})
    monkeypatch.setattr(rate_limit, "_MOST_KEYS", 3)
    used = [RateLimiter.of(clock, CANCEL_ALL_RFQS, number) for number in range(3)]
    for limiter in used:
        for _ in range(2):
            limiter.acquire(clock.now(), clock.now())
    passed(clock)

    RateLimiter.of(clock, CANCEL_ALL_RFQS, "new")

    assert (1 if forgets else 4) == len(rate_limit._limiters)
    assert forgets == (used[0] is not RateLimiter.of(clock, CANCEL_ALL_RFQS, 0))
