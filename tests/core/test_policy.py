"""The policy on its own: its numbers, what it rejects, and the resulting waits."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from okx_rfq_plugin import RetryPolicy
from okx_rfq_plugin._core.verdict import Meaning

STEADY = RetryPolicy(jitter=0)
OTHERS = [Meaning.UNAVAILABLE, Meaning.UNKNOWN, Meaning.CLOCK]
NAMES = [field.name for field in dataclasses.fields(RetryPolicy)]


def test_the_numbers_are_the_documented_ones() -> None:
    """By default, a cancel takes up to 30 s, an attempt 3 s, and waits are a window, or 0.3 s doubling to 4 s."""
    assert {
        "deadline": 30.0,
        "attempt_timeout": 3.0,
        "rate_limit_wait": 2.0,
        "backoff": 0.3,
        "backoff_max": 4.0,
        "jitter": 0.3,
    } == dataclasses.asdict(RetryPolicy())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [1e-9, 1, 1e300])
def test_any_number_of_seconds_will_do(name: str, value: float) -> None:
    """Any that is finite and not negative."""
    assert value == getattr(RetryPolicy(**{name: value}), name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0, 0.0])
def test_zero_is_refused_only_if_it_would_mean_no_limit(name: str, value: float) -> None:
    """HTTP libraries take a timeout of 0 for no limit; for a deadline or a wait it is a valid number."""
    if name != "attempt_timeout":
        assert value == getattr(RetryPolicy(**{name: value}), name)
        return
    with pytest.raises(ValueError, match=r"RetryPolicy: attempt_timeout must be more than 0"):
        RetryPolicy(**{name: value})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [-1, -1e-9, math.inf, -math.inf, math.nan])
def test_what_is_negative_or_without_end_is_refused(name: str, value: float) -> None:
    """The message names the field and the value."""
    with pytest.raises(ValueError, match=rf"RetryPolicy: {name} must be 0 or more, and finite, not {value!r}"):
        RetryPolicy(**{name: value})


@pytest.mark.parametrize("value", [True, False, "3", None, 3j])
def test_what_is_no_number_is_refused(value: Any) -> None:
    """Booleans too: what Python takes for 1 or 0 was meant as something else."""
    with pytest.raises(TypeError, match=r"RetryPolicy: jitter is a number of seconds, not "):
        RetryPolicy(jitter=value)


@pytest.mark.parametrize("failures", [0, 1, 7])
def test_a_rate_limit_waits_the_window_however_often(failures: int) -> None:
    """Other attempts do not lengthen it, and time spent waiting for a reply does not shorten it."""
    assert 2.0 == STEADY.wait(Meaning.RATE_LIMITED, failures, 9.0)


@pytest.mark.parametrize("meaning", OTHERS)
def test_other_waits_double_to_the_most(meaning: Meaning) -> None:
    """From `backoff` on, doubling each time, and never longer than `backoff_max`, however many there are."""
    waits = [STEADY.wait(meaning, failures, 0.0) for failures in (1, 2, 3, 4, 5, 6, 10_000)]

    assert pytest.approx([0.3, 0.6, 1.2, 2.4, 4.0, 4.0, 4.0]) == waits


@pytest.mark.parametrize(("waited", "wait"), [(0.0, 1.2), (0.5, 0.7), (1.2, 0.0), (3.0, 0.0)])
def test_what_was_waited_for_a_reply_in_vain_counts(waited: float, wait: float) -> None:
    """After a timeout there may be nothing left to wait for."""
    assert pytest.approx(wait) == STEADY.wait(Meaning.UNKNOWN, 3, waited)


@pytest.mark.parametrize("meaning", [Meaning.RATE_LIMITED, *OTHERS])
def test_a_random_part_is_added(meaning: Meaning) -> None:
    """Each wait is longer by up to `jitter`, evenly."""
    policy = RetryPolicy(rate_limit_wait=1, backoff=1, jitter=0.5)
    waits = [policy.wait(meaning, 1, 0.0) for _ in range(2000)]

    assert all(1.0 <= wait <= 1.5 for wait in waits)
    assert min(waits) < 1.05
    assert max(waits) > 1.45
