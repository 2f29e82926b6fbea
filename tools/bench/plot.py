"""A plot of the ratios of the eight most important rows, on a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from tools.pictures.drawing import WIDTH, Drawing

from .records import CCXT, CCXT_TUNED, CONTENDERS, OURS, PYTHON_OKX, Row, shown, times

# The rows in the plot, each with a short label.
PICTURED = {
    "idle-sync": "idle exchange, warm connection",
    "far-warm-sync": "the same, 25 ms away",
    "after-sync": "right after another call",
    "behind-50": "behind 50 queued requests",
    "crowd-tasks-100": "100 tasks at once, last served",
    "silent-sync": "connection forgotten by the network",
    "slow-2": "OKX takes 2 s to answer",
    "processes-free": "5 processes, last served",
}
COLOURS = {CCXT: "bad", CCXT_TUNED: "doubt", PYTHON_OKX: "box"}

LEFT, RIGHT, TOP = 16, 150, 104
BAR, GAP, TITLE = 16, 12, 20


class Scale(NamedTuple):
    """A logarithmic scale from one power of ten to another."""

    first: int
    last: int

    def position(self, ratio: float) -> float:
        """Return a ratio's position in pixels. One below the scale is at its start."""
        part = (math.log10(ratio) - self.first) / (self.last - self.first)
        return LEFT + (WIDTH - LEFT - RIGHT) * max(0.0, part)


class Bar(NamedTuple):
    """One bar: its contender, the ratio to this package (None: it never finished), and its label."""

    peer: str
    ratio: float | None
    words: str


def bars(row: Row) -> list[Bar]:
    """Return the bars of a row, one for each peer with something to show."""
    made = []
    for peer in CONTENDERS:
        cell = row.cells.get(peer)
        if peer == OURS or cell is None or cell.note == "sync only":
            continue
        ratio = row.ratio(peer)
        if ratio is not None:
            extra = ", extrapolated" if cell.extrapolated else ""
            made.append(Bar(peer, ratio, f"{times(ratio)}{extra}"))
        elif cell.median is None and "canceled" in cell.note:
            made.append(Bar(peer, None, cell.note.partition(":")[0]))
        elif cell.median is None and cell.note.startswith("only "):
            made.append(Bar(peer, None, cell.note.partition(";")[0]))
    return made


def svg(rows: Mapping[str, Row]) -> str:
    """Return a plot of the other contenders' times relative to this package's."""
    drawn = [(PICTURED[key], rows[key], bars(rows[key])) for key in PICTURED if key in rows]
    drawn = [each for each in drawn if each[2]]
    ratios = [bar.ratio for _, _, each in drawn for bar in each if bar.ratio]
    decades = max(1, math.ceil(math.log10(max(ratios, default=10))))
    scale = Scale(-1 if min(ratios, default=1) < 1 else 0, decades)
    height = TOP + sum(TITLE + len(each) * BAR + GAP for _, _, each in drawn) + 30
    drawing = Drawing(
        "How many times as long as okx-rfq-plugin the others take",
        "; ".join(f"{title}: " + ", ".join(f"{bar.peer} {bar.words}" for bar in each) for title, _, each in drawn),
    )
    drawing.text(LEFT, 30, "How many times as long as okx-rfq-plugin", kind="bold")
    drawing.text(LEFT, 50, "To the left of 1x the other is faster; the scale is logarithmic.", kind="small")
    for place, (peer, kind) in enumerate(COLOURS.items()):
        drawing.box(LEFT + 132 * place, 64, 12, 12, kind=kind)
        drawing.text(LEFT + 132 * place + 18, 74, peer, kind="small")
    for decade in range(scale.first, scale.last + 1):
        x = scale.position(10.0**decade)
        drawing.line(x, TOP - 6, x, height - 26, kind="line faint")
        anchor = "start" if decade == scale.first else "middle"
        drawing.text(x, height - 10, f"{10.0**decade:,g}x", kind="small", anchor=anchor)
    y: float = TOP
    for title, row, each in drawn:
        ours = row.cells[OURS].median if OURS in row.cells else None
        drawing.text(LEFT, y + 14, title)
        here = f"ours: {shown(ours, row.unit)}" if ours is not None else "ours: not measured"
        drawing.text(WIDTH - 16, y + 14, here, kind="small", anchor="end")
        y += TITLE
        for bar in each:
            ends = sorted((scale.position(1), scale.position(bar.ratio or 1)))
            width = max(2.0, ends[1] - ends[0])
            drawing.box(ends[0], y + 1, width, BAR - 3, kind=COLOURS[bar.peer])
            drawing.text(ends[0] + width + 6, y + 12, bar.words, kind="small")
            y += BAR
        y += GAP
    return drawing.svg(height)
