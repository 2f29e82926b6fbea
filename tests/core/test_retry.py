"""The policy alone: its numbers, the waits that it comes to, and when tenacity is told to go on or to stop."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest
from okx_rfq_plugin._core.retry import RetryPolicy, tenacity_keywords, wait_seconds
from tenacity import Retrying

from okx_rfq_plugin._core.verdict import Meaning

STEADY = RetryPolicy(jitter=0)
OTHERS = [Meaning.UNAVAILABLE, Meaning.UNKNOWN, Meaning.CLOCK]


def keywords(
    policy: RetryPolicy = STEADY, *, again: bool = True, wait: float = 1.0, elapsed: float = 0.0, told: Any = None
) -> dict[str, Any]:
    return tenacity_keywords(
        policy, again=lambda: again, wait=lambda: wait, elapsed=lambda: elapsed, before_wait=told or (lambda wait: None)
    )


def test_the_numbers_are_the_documented_ones() -> None:
    """Without a word, a cancel goes on for 30 s, gives an attempt 3 s, and waits a window, or 0.3 s doubling to 4 s."""
    assert {
        "deadline": 30.0,
        "attempt_timeout": 3.0,
        "rate_limit_wait": 2.0,
        "backoff": 0.3,
        "backoff_max": 4.0,
        "jitter": 0.3,
    } == dataclasses.asdict(RetryPolicy())


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(RetryPolicy)])
@pytest.mark.parametrize("value", [0, 0.0, 1, 1e300])
def test_any_number_of_seconds_will_do(name: str, value: float) -> None:
    """Zero is a number of seconds too, and any other that is finite."""
    assert value == getattr(RetryPolicy(**{name: value}), name)


@pytest.mark.parametrize("value", [True, False])
def test_a_truth_is_no_number(value: bool) -> None:
    """What Python takes for 1 or 0 was meant for something else."""
    with pytest.raises(TypeError, match=r"RetryPolicy: jitter is a number of seconds, not (True|False)"):
        RetryPolicy(jitter=value)


@pytest.mark.parametrize("failures", [0, 1, 7])
def test_a_rate_limit_waits_the_window_however_often(failures: int) -> None:
    """What other attempts came to does not lengthen it, and no time that was waited for a reply shortens it."""
    assert 2.0 == wait_seconds(STEADY, Meaning.RATE_LIMITED, failures, 9.0)


@pytest.mark.parametrize("meaning", OTHERS)
def test_other_waits_double_to_the_most(meaning: Meaning) -> None:
    """From `backoff` on, twice as long each time, and never longer than `backoff_max`, however many there were."""
    waits = [wait_seconds(STEADY, meaning, failures, 0.0) for failures in (1, 2, 3, 4, 5, 6, 10_000)]

    assert pytest.approx([0.3, 0.6, 1.2, 2.4, 4.0, 4.0, 4.0]) == waits


@pytest.mark.parametrize(("waited", "wait"), [(0.0, 1.2), (0.5, 0.7), (1.2, 0.0), (3.0, 0.0)])
def test_what_was_waited_for_a_reply_in_vain_counts(waited: float, wait: float) -> None:
    """After a timeout there may be nothing left to wait for."""
    assert pytest.approx(wait) == wait_seconds(STEADY, Meaning.UNKNOWN, 3, waited)


@pytest.mark.parametrize("meaning", [Meaning.RATE_LIMITED, *OTHERS])
def test_a_random_part_is_added(meaning: Meaning) -> None:
    """Each wait is longer by up to `jitter`, evenly."""
    policy = RetryPolicy(rate_limit_wait=1, backoff=1, jitter=0.5)
    waits = [wait_seconds(policy, meaning, 1, 0.0) for _ in range(2000)]

    assert all(1.0 <= wait <= 1.5 for wait in waits)
    assert min(waits) < 1.05
    assert max(waits) > 1.45


@pytest.mark.parametrize(("elapsed", "stops"), [(0.0, False), (27.9, False), (28.0, True), (31.0, True)])
def test_it_stops_where_the_wait_would_reach_the_deadline(elapsed: float, stops: bool) -> None:
    """An attempt that would start at the deadline, or after it, is not waited for."""
    assert stops == keywords(elapsed=elapsed)["stop"](SimpleNamespace(upcoming_sleep=2.0))


@pytest.mark.parametrize(
    ("outcome", "again", "goes_on"),
    [
        (None, True, False),
        (SimpleNamespace(failed=True), True, False),
        (SimpleNamespace(failed=False), True, True),
        (SimpleNamespace(failed=False), False, False),
    ],
)
def test_only_what_was_judged_is_tried_again(outcome: Any, again: bool, goes_on: bool) -> None:
    """Where the attempt itself raised, which is none of OKX's answers, nothing is repeated."""
    assert goes_on == keywords(again=again)["retry"](SimpleNamespace(outcome=outcome))


def test_an_exception_passes_through_tenacity_as_it_is() -> None:
    """What an attempt raises is raised, once, by its own class."""
    calls: list[int] = []

    def attempt() -> None:
        calls.append(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Retrying(sleep=lambda seconds: None, **keywords())(attempt)

    assert [1] == calls


def test_tenacity_waits_as_it_is_told_and_gives_up_quietly() -> None:
    """It tells of each wait before it, waits it, and in the end returns nothing: what to raise is not its to say."""
    told: list[Any] = []
    numbers: dict[str, Any] = {"elapsed": 0.0}

    def sleep(seconds: float) -> None:
        told.append(("waited", seconds))
        numbers["elapsed"] += seconds

    words = tenacity_keywords(
        RetryPolicy(deadline=4.0),
        again=lambda: True,
        wait=lambda: 1.5,
        elapsed=lambda: numbers["elapsed"],
        before_wait=lambda seconds: told.append(("told", seconds)),
    )

    assert Retrying(sleep=sleep, **words)(lambda: told.append("attempt")) is None

    assert ["attempt", ("told", 1.5), ("waited", 1.5)] * 2 + ["attempt"] == told
