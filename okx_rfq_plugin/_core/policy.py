"""The retry policy: how long a cancel goes on, and how long it waits between attempts."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, fields

from okx_rfq_plugin._core.verdict import Meaning

POLICY = "_okx_rfq_policy"  # the attribute of an exchange object or class with the policy it was installed with
_ZERO_MEANS_FOREVER = ("attempt_timeout",)


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How long a cancel goes on; every value in seconds.

    Args:
        deadline: no further attempt starts after it. The first is always sent, after one window of OKX's at most, and
            one that has started is left to finish. If RFQs that are left have to be named, OKX's list is read after
            the deadline too.
        attempt_timeout: how long one attempt may take. On a sync object it bounds connecting to each address of the
            host, and each silence of the socket: neither name resolution nor a server that sends byte by byte. On an
            async object it bounds all of it; but names are resolved in the event loop's default executor, so while
            other work keeps that busy no attempt can leave. It doubles after each timeout, up to the exchange's own.
        rate_limit_wait: after "too many requests": somebody else is using OKX's window for this endpoint, which is 2 s.
        backoff: the first wait after an answer that may be better next time; it doubles from there. Time that was
            spent waiting for a reply counts. The first retry after a broken connection does not wait.
        backoff_max: where the doubling ends.
        jitter: a random part of up to this is added to each wait, so that several processes drift apart.

    Raises:
        ValueError: a value is negative, NaN or infinite, or `attempt_timeout` is zero.
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
            if value == 0 and field.name in _ZERO_MEANS_FOREVER:
                raise ValueError(f"RetryPolicy: {field.name} must be more than 0: HTTP libraries take 0 for no limit")

    def wait(self, meaning: Meaning, failures: int, waited: float) -> float:
        """Return the seconds to wait before the next attempt.

        Args:
            meaning: what the last attempt came to.
            failures: attempts so far that came to anything but a rate limit, this one included.
            waited: seconds that the last attempt spent waiting for a reply that did not come.
        """
        if meaning is Meaning.RATE_LIMITED:
            wait = self.rate_limit_wait
        else:
            wait = max(min(self.backoff * 2 ** min(failures - 1, 32), self.backoff_max) - waited, 0.0)
        return wait + random.uniform(0, self.jitter)


DEFAULT = RetryPolicy()
