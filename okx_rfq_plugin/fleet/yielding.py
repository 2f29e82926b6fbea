"""Cancels that return at OKX's limit instead of waiting, so that another process's cancel can serve them."""

from __future__ import annotations

import contextvars
import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

from ccxt.base.errors import RateLimitExceeded

from okx_rfq_plugin import RetryPolicy
from okx_rfq_plugin._core.policy import DEFAULT, POLICY
from okx_rfq_plugin._core.verdict import Meaning


class _Limit:
    """What one cancel learns about OKX's limit."""

    reached = False


_limit: contextvars.ContextVar[_Limit | None] = contextvars.ContextVar("okx_rfq_fleet_limit", default=None)


class YieldingPolicy(RetryPolicy):
    """Wraps a policy. Inside `at_limit`, cancels end as soon as OKX refuses them for its limit.

    Only if nothing else has happened to the cancel: that answer alone leaves no doubt that nothing was canceled.
    """

    source: RetryPolicy
    of_class: bool  # whether it came from the exchange's class, where it may be replaced later

    @classmethod
    def of(cls, source: RetryPolicy, *, of_class: bool) -> YieldingPolicy:
        """Return a wrapper around another policy."""
        made = cls(**{field.name: getattr(source, field.name) for field in fields(RetryPolicy)})
        vars(made).update(source=source, of_class=of_class)  # the dataclass is frozen
        return made

    def wait(self, meaning: Meaning, failures: int, waited: float) -> float:
        """Return the source's wait, or infinity at OKX's limit, which exceeds any deadline."""
        limit = _limit.get()
        if limit is not None and meaning is Meaning.RATE_LIMITED and failures == 0:
            limit.reached = True
            return math.inf
        return self.source.wait(meaning, failures, waited)


def at_limit(exchange: Any, send: Callable[[], Any]) -> Any:
    """Cancel. Return the receipt, or None if OKX refused it for its limit."""
    with _yielding(exchange) as limit:
        try:
            return send()
        except RateLimitExceeded:
            if limit.reached:
                return None
            raise


async def at_limit_async(exchange: Any, send: Callable[[], Awaitable[Any]]) -> Any:
    """Async version of `at_limit`."""
    with _yielding(exchange) as limit:
        try:
            return await send()
        except RateLimitExceeded:
            if limit.reached:
                return None
            raise


@contextmanager
def _yielding(exchange: Any) -> Iterator[_Limit]:
    _wrap(exchange)
    limit = _Limit()
    token = _limit.set(limit)
    try:
        yield limit
    finally:
        _limit.reset(token)


def _wrap(exchange: Any) -> None:
    # The wrapper stays, because other threads may be about to read it. Outside `at_limit` it changes nothing.
    policy = vars(exchange).get(POLICY)
    if policy is None or (isinstance(policy, YieldingPolicy) and policy.of_class):
        source = getattr(type(exchange), POLICY, None) or DEFAULT
        if policy is None or policy.source is not source:
            setattr(exchange, POLICY, YieldingPolicy.of(source, of_class=True))
    elif not isinstance(policy, YieldingPolicy):
        setattr(exchange, POLICY, YieldingPolicy.of(policy, of_class=False))
