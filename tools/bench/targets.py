"""What is to be reached, one row of a table for each target, and which rows reach it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from .records import CCXT, CCXT_OFF, OURS, Cell, Row

ATTEMPT_TIMEOUT = 3.0  # seconds, the policy's default; told to nobody, so that the default is what is measured
WINDOW = 2.0  # seconds, in which OKX takes two requests
NOISE = 1.25  # by so much one CPU measurement may lie above another that is the same

Rows = Mapping[str, Row]


class Target(NamedTuple):
    """What a row is to reach: `reached` gets the row and all rows by key; None where it cannot be told."""

    text: str
    reached: Callable[[Row, Rows], bool | None]


def sooner(peer: str, least: float) -> Target:
    """At least so many times as fast as a peer."""

    def reached(row: Row, rows: Rows) -> bool | None:
        ratio = row.ratio(peer)
        return None if ratio is None else ratio >= least

    return Target(f"{least:,.0f} times sooner than {peer}", reached)


def within(most: float) -> Target:
    """In so many seconds at most."""
    text = f"at most {most:g} s" if most >= 0.1 else f"at most {most * 1e3:g} ms"
    return Target(text, lambda row, rows: _most(_ours(row).median, most) if OURS in row.cells else None)


def overhead(most: float) -> Target:
    """At most so large a part of raw ccxt's own time on top of it."""

    def reached(row: Row, rows: Rows) -> bool | None:
        ratio = row.ratio(CCXT_OFF)
        return None if ratio is None else 1 / ratio <= 1 + most

    return Target(f"at most {most:.0%} over ccxt", reached)


def in_times(peer: str, most: float) -> Target:
    """In at most so many times a peer's time."""

    def reached(row: Row, rows: Rows) -> bool | None:
        ratio = row.ratio(peer)
        return None if ratio is None else 1 / ratio <= most

    return Target(f"at most {most:g} times as long", reached)


def crowd(like: str | None = None) -> Target:
    """Few requests, no rejection, the last one served soon; or as many requests at most as the smaller crowd `like`."""

    def reached(row: Row, rows: Rows) -> bool | None:
        ours = _ours(row)
        if not ours.facts:
            return None
        most = _ours(rows[like]).facts["requests"] if like is not None and like in rows else 3
        in_time = _most(ours.median, math.inf if like else 2.2)
        return in_time and ours.facts["rejections"] == 0 and ours.facts["requests"] <= most

    return Target("3 requests, no rejection, 2.2 s" if like is None else "as many requests as 100 callers", reached)


def no_dearer(like: str) -> Target:
    """A caller costs no more CPU than in the smaller crowd, but for noise."""

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
    "import": within(0.015),
    "pytest": within(0.010),
    "hung-sync": within(ATTEMPT_TIMEOUT + 0.5),
    "hung-async": within(ATTEMPT_TIMEOUT + 0.5),
    "command-start": in_times(CCXT, 1.5),
    "accounts-1000": in_times(CCXT, 2.0),
    "processes-free": within(1.5 * 2 * WINDOW),
    "processes-counted": within(1.5 * 2 * WINDOW),
}


def verdict(row: Row, rows: Rows) -> tuple[str, str]:
    """Return what a row was to reach, and `reached`, `not reached` or `not measured`; both empty without a target."""
    target = TARGETS.get(row.key)
    if target is None:
        return "", ""
    reached = target.reached(row, rows)
    return target.text, "not measured" if reached is None else "reached" if reached else "not reached"


def _ours(row: Row) -> Cell:
    return row.cells.get(OURS, Cell())


def _most(value: float | None, most: float) -> bool:
    return value is not None and value <= most
