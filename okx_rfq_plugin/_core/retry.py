"""This file decides how long to wait between attempts and when to stop, in the terms of tenacity."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from okx_rfq_plugin._core.verdict import Meaning

if TYPE_CHECKING:
    from tenacity import RetryCallState

POLICY = "_okx_rfq_policy"  # where an exchange object or class keeps the policy that it was installed with


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How long a cancel goes on; every value in seconds, zero or more.

    Args:
        deadline: no further attempt starts after it; the first is always sent, after one window of OKX's at most, and
            one that started is let finish. Where what is left is to be named, OKX's list is read after it too.
        attempt_timeout: how long one attempt may take; on a sync object so long to connect, and so long for each
            silence of the socket (neither DNS nor a server that dribbles is bounded there). It doubles after each
            timeout, up to the exchange's own.
        rate_limit_wait: after "too many requests": somebody else is using OKX's window for this endpoint, which is 2 s.
        backoff: the first wait after an answer that may be better next time; it doubles from there. The time that a
            reply was waited for in vain counts.
        backoff_max: where the doubling ends.
        jitter: a random part of up to so much is added to each wait, so that several processes drift apart.

    Raises:
        ValueError: a value is negative, NaN or infinite.
    """

    deadline: float = 30.0
    attempt_timeout: float = 3.0
    rate_limit_wait: float = 2.0
    backoff: float = 0.3
    backoff_max: float = 4.0
    jitter: float = 0.3

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise TypeError(f"RetryPolicy: {field.name} is a number of seconds, not {value!r}")
            if not 0 <= value < math.inf:
                raise ValueError(f"RetryPolicy: {field.name} must be 0 or more, and finite, not {value!r}")


def wait_seconds(policy: RetryPolicy, meaning: Meaning, failures: int, waited: float) -> float:
    """Return the seconds to wait before the next attempt.

    Args:
        policy: the caller's.
        meaning: what the last attempt came to.
        failures: how many attempts have come to anything but a rate limit so far, this one included.
        waited: seconds that the last attempt has already spent waiting, for a reply that did not come.
    """
    if meaning is Meaning.RATE_LIMITED:
        wait = policy.rate_limit_wait
    else:
        wait = max(min(policy.backoff * 2 ** min(failures - 1, 32), policy.backoff_max) - waited, 0.0)
    return wait + random.uniform(0, policy.jitter)


def tenacity_keywords(
    policy: RetryPolicy,
    *,
    again: Callable[[], bool],
    wait: Callable[[], float],
    elapsed: Callable[[], float],
    before_wait: Callable[[float], None],
) -> dict[str, Any]:
    """Return the keywords that make one `Retrying` or `AsyncRetrying`, for one call.

    Args:
        policy: the caller's.
        again: whether the last attempt calls for another.
        wait: seconds until that one.
        elapsed: seconds since the call began.
        before_wait: told the seconds, before they are waited.
    """

    def answered(state: RetryCallState) -> bool:
        # What ccxt raises is caught and judged in the attempt: an exception here is none of OKX's, or Ctrl+C.
        return state.outcome is not None and not state.outcome.failed and again()

    def past_deadline(state: RetryCallState) -> bool:
        # stop_after_delay of tenacity overshoots by a whole wait, and reads a clock of its own.
        return elapsed() + state.upcoming_sleep >= policy.deadline

    return {
        "retry": answered,
        "wait": lambda state: wait(),
        "stop": past_deadline,
        "before_sleep": lambda state: before_wait(state.upcoming_sleep),
        "retry_error_callback": lambda state: None,
    }
