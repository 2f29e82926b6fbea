"""Counts requests against OKX's limits.

Source: okx.com/docs-v5/en/#overview-rate-limits
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import NamedTuple


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
        self._logs: dict[Hashable, deque[float]] = {}

    def admit(self, caller: Hashable, limits: tuple[Limit, ...], now: float) -> bool:
        """Say whether the caller has room under every limit, and count the request if it has.

        Args:
            caller: who is counted, and at which endpoint.
            limits: all that hold at once.
            now: Unix seconds.
        """
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
