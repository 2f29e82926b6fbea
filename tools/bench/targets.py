"""The targets, one row of a table each, and which rows reach them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from .records import BARE_PYTEST, CCXT, CCXT_TUNED, OURS, Cell, Row

ATTEMPT_TIMEOUT = 3.0  # seconds, the policy's default; set nowhere, so that the default is measured
WINDOW = 2.0  # seconds in which OKX accepts two requests
NOISE = 1.25  # factor by which two CPU measurements of the same thing may differ

Rows = Mapping[str, Row]


class Target(NamedTuple):
    """A row's target. `reached` takes the row and all rows by key, and returns None if it cannot tell."""

    text: str
    reached: Callable[[Row, Rows], bool | None]


def sooner(peer: str, least: float) -> Target:
    """At least this many times as fast as a peer."""

    def reached(row: Row, rows: Rows) -> bool | None:
        ratio = row.ratio(peer)
        return None if ratio is None else ratio >= least

    return Target(f"{least:,.0f} times sooner than {peer}", reached)


def of_earliest(most: float) -> Target:
    """At most this many times the earliest possible, which the row's facts contain as `over_earliest`."""

    def reached(row: Row, rows: Rows) -> bool | None:
        if OURS not in row.cells:
            return None
        return _most(_ours(row).facts.get("over_earliest"), most)

    return Target(f"at most {most:g} times the earliest possible", reached)


def overhead(most: float) -> Target:
    """At most this fraction of raw ccxt's own time on top of it."""

    def reached(row: Row, rows: Rows) -> bool | None:
        ratio = row.ratio(CCXT_TUNED)
        return None if ratio is None else 1 / ratio <= 1 + most

    return Target(f"at most {most:.0%} over ccxt", reached)


def in_times(peer: str, most: float) -> Target:
    """At most this many times a peer's time."""

    def reached(row: Row, rows: Rows) -> bool | None:
        ratio = row.ratio(peer)
        return None if ratio is None else 1 / ratio <= most

    return Target(f"at most {most:g} times as long", reached)


def part_of(whose: str, peer: str, most: float) -> Target:
    """At most this fraction of a peer's time."""

    def reached(row: Row, rows: Rows) -> bool | None:
        ratio = row.ratio(peer)
        return None if ratio is None else 1 / ratio <= most

    return Target(f"at most {most:.0%} of {whose}", reached)


def crowd(like: str | None = None) -> Target:
    """Few requests, no rejection, the last one served soon; or at most the requests of the smaller crowd `like`."""

    def reached(row: Row, rows: Rows) -> bool | None:
        ours = _ours(row)
        if not ours.facts:
            return None
        most = _ours(rows[like]).facts["requests"] if like is not None and like in rows else 3
        in_time = _most(ours.median, math.inf if like else 1.1 * WINDOW)
        return in_time and ours.facts["rejections"] == 0 and ours.facts["requests"] <= most

    few = "3 requests, no rejection, 1.1 windows of OKX's limit"
    return Target(few if like is None else "as many requests as 100 callers", reached)


def no_dearer(like: str) -> Target:
    """A caller costs no more CPU than in the smaller crowd, except for noise."""

    def reached(row: Row, rows: Rows) -> bool | None:
        smaller = _ours(rows[like]).median if like in rows else None
        return None if smaller is None else _most(_ours(row).median, smaller * NOISE)

    return Target(f"no more than in a crowd a tenth as large, within {NOISE - 1:.0%}", reached)


TARGETS: dict[str, Target] = {
    "after-sync": sooner(CCXT, 1000),
    "after-async": sooner(CCXT, 1000),
    "behind-50": sooner(CCXT, 5000),
    "crowd-tasks-100": crowd(),
    "crowd-tasks-1000": crowd(like="crowd-tasks-100"),
    "crowd-threads-100": crowd(),
    "crowd-threads-1000": crowd(like="crowd-threads-100"),
    "cpu-tasks-1000": no_dearer("cpu-tasks-100"),
    "cpu-threads-1000": no_dearer("cpu-threads-100"),
    "overhead-sync": overhead(0.05),
    "overhead-async": overhead(0.05),
    "import": part_of("ccxt's own", CCXT, 0.05),
    "pytest": part_of("pytest's own", BARE_PYTEST, 0.05),
    "hung-sync": of_earliest(1.2),
    "hung-async": of_earliest(1.2),
    "reset-sync": sooner(CCXT_TUNED, 20),
    "silent-sync": sooner(CCXT_TUNED, 20),
    "silent-async": sooner(CCXT_TUNED, 20),
    "slow-2": in_times(CCXT, 1.1),
    "far-cold-sync": in_times(CCXT_TUNED, 1.1),
    "far-cold-async": in_times(CCXT_TUNED, 1.1),
    "far-warm-sync": in_times(CCXT_TUNED, 1.1),
    "far-warm-async": in_times(CCXT_TUNED, 1.1),
    "command-start": in_times(CCXT, 1.5),
    "accounts-1000": in_times(CCXT, 2.0),
    "processes-free": of_earliest(1.5),
    "processes-counted": of_earliest(1.5),
    "processes-100": in_times(CCXT_TUNED, 2.0),
}


def verdict(row: Row, rows: Rows) -> tuple[str, str]:
    """Return a row's target, and `reached`, `not reached` or `not measured`; both empty without a target."""
    target = TARGETS.get(row.key)
    if target is None:
        return "", ""
    reached = target.reached(row, rows)
    return target.text, "not measured" if reached is None else "reached" if reached else "not reached"


def _ours(row: Row) -> Cell:
    return row.cells.get(OURS, Cell())


def _most(value: float | None, most: float) -> bool:
    return value is not None and value <= most
