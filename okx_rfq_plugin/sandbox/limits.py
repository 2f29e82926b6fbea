"""OKX's rate limits.

Source: okx.com/docs-v5/en/#overview-rate-limits
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import NamedTuple

SEEN_THROUGH, SEEN_LIMIT = 33, 20  # requests that passed, and the limit: a record of 2026
FORGET_AT = 10_000  # logs; beyond that, those whose window is over are dropped


class Limit(NamedTuple):
    """At most `requests` requests in the given number of seconds."""

    requests: int
    seconds: float


class SlidingLog:
    """The latest requests per caller and endpoint.

    The docs do not say whether OKX's windows slide or start at fixed times. Here they slide, which never admits what a
    fixed window would refuse. Nor do they say whether a refused request counts: see the switch `rejections_count`. A
    real limiter was seen to admit 33 of 60 parallel requests at a limit of 20: see the switch `exact`.
    """

    def __init__(self, *, rejections_count: bool, exact: bool = True) -> None:
        self._rejections_count = rejections_count
        self._exact = exact
        self._logs: dict[tuple[Hashable, Limit], deque[float]] = {}
        self._forget_at = FORGET_AT

    def admit(self, caller: Hashable, limits: tuple[Limit, ...], now: float) -> bool:
        """Return whether every limit admits the request, and count it if so.

        Args:
            caller: the caller and the endpoint, counted together.
            limits: all limits that apply.
        """
        if not self._exact:
            limits = tuple(limit._replace(requests=limit.requests * SEEN_THROUGH // SEEN_LIMIT) for limit in limits)
        if len(self._logs) >= self._forget_at:
            self._forget(now)
        # Only the last N requests of each window matter, so a log of length N is enough.
        logs = [self._logs.setdefault((caller, limit), deque(maxlen=limit.requests)) for limit in limits]
        admitted = all(
            len(log) < limit.requests or now - log[0] >= limit.seconds for log, limit in zip(logs, limits, strict=True)
        )
        if admitted or self._rejections_count:
            for log in logs:
                log.append(now)
        return admitted

    def clear(self) -> None:
        """Forget every request."""
        self._logs.clear()

    def _forget(self, now: float) -> None:
        for key, log in list(self._logs.items()):
            if not log or now - log[-1] >= key[1].seconds:
                del self._logs[key]
        self._forget_at = max(FORGET_AT, 2 * len(self._logs))
