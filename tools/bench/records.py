"""Measurements: cells of samples, in rows, with their targets."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

CCXT = "ccxt"
CCXT_TUNED = "ccxt, tuned"  # with options that ccxt documents; see contenders.py
PYTHON_OKX = "python-okx"
OURS = "okx-rfq-plugin"
BARE_PYTEST = "pytest without the plugin"  # the baseline of one row
CONTENDERS = (CCXT, CCXT_TUNED, PYTHON_OKX, OURS)

# The most important rows: shown in the plot, and measured by default.
EIGHT = (
    "idle-sync",
    "far-warm-sync",
    "after-sync",
    "behind-50",
    "crowd-tasks-100",
    "silent-sync",
    "slow-2",
    "processes-free",
)
Wanted = Callable[[str], bool]  # whether to measure the row with this key

UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6}  # units per second


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One contender's result in one row.

    Args:
        samples: seconds, one per measurement; empty if it did not reach the goal.
        note: what the number does not say.
        extrapolated: whether the samples were computed from a smaller run.
        facts: further numbers, for the JSON file and the targets.
    """

    samples: tuple[float, ...] = ()
    note: str = ""
    extrapolated: bool = False
    facts: dict[str, float] = field(default_factory=dict)

    @property
    def median(self) -> float | None:
        """The samples' median in seconds, or None without samples."""
        return statistics.median(self.samples) if self.samples else None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measurement of all contenders: `key` is for the targets, `title` for readers, `unit` is one of UNITS."""

    key: str
    title: str
    unit: str
    cells: dict[str, Cell]

    def ratio(self, peer: str) -> float | None:
        """Return a peer's time divided by this package's, or None if either has no number."""
        theirs, ours = (self.cells.get(name, Cell()).median for name in (peer, OURS))
        return theirs / ours if theirs is not None and ours else None

    def as_dict(self) -> dict[str, Any]:
        """Return it in the JSON file's form."""
        cells = {
            name: {
                "median_s": cell.median,
                "n": len(cell.samples),
                "note": cell.note,
                "extrapolated": cell.extrapolated,
                "facts": cell.facts,
            }
            for name, cell in self.cells.items()
        }
        ratios = {peer: self.ratio(peer) for peer in self.cells if peer != OURS}
        return {"key": self.key, "title": self.title, "unit": self.unit, "cells": cells, "ratios": ratios}


def row_of(data: dict[str, Any]) -> Row:
    """Return the row from the form that `Row.as_dict` returns."""
    cells = {
        name: Cell(
            samples=(cell["median_s"],) * cell["n"],  # the file has medians, and the number of samples
            note=cell["note"],
            extrapolated=cell["extrapolated"],
            facts=cell["facts"],
        )
        for name, cell in data["cells"].items()
    }
    return Row(key=data["key"], title=data["title"], unit=data["unit"], cells=cells)


def shown(seconds: float, unit: str) -> str:
    """Return seconds in a unit, with three significant digits."""
    value = seconds * UNITS[unit]
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit.replace('us', 'µs')}"


def times(ratio: float) -> str:
    """Return a ratio for readers, such as `1,570x` or `0.97x`."""
    digits = 0 if ratio >= 100 else 1 if ratio >= 10 else 2
    return f"{ratio:,.{digits}f}x"


def measured_peers(row: Row) -> Iterator[tuple[str, Cell]]:
    """Yield the other contenders' results, in the order of the columns."""
    return ((name, row.cells[name]) for name in CONTENDERS if name != OURS and name in row.cells)
