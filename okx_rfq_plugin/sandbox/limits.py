"""Counts requests against OKX's limits.

Source: okx.com/docs-v5/en/#overview-rate-limits
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import NamedTuple

FORGET_AT = 10_000  # logs; then those whose window is over are dropped


class Limit(NamedTuple):
    """At most so many requests in so many seconds."""

    requests: int
    seconds: float


class SlidingLog:
    """The requests of late, per caller and endpoint.

    The docs do not say whether OKX's windows slide or start at fixed times: here they slide, which never admits what a
    fixed window would refuse. Nor do they say whether a refused request counts: that is the switch `rejections_count`.
    """

    def __init__(self, *, rejections_count: bool) -> None:
        self._rejections_count = rejections_count
        self._logs: dict[tuple[Hashable, Limit], deque[float]] = {}
        self._forget_at = FORGET_AT

    def admit(self, caller: Hashable, limits: tuple[Limit, ...], now: float) -> bool:
        """Say whether the caller has room under every limit, and count the request if it has.

        Args:
            caller: who is counted, and at which endpoint.
            limits: all that hold at once.
            now: Unix seconds.
        """
        if len(self._logs) >= self._forget_at:
            self._forget(now)
        # Of each window only the last N requests matter, so a log of length N remembers enough.
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
