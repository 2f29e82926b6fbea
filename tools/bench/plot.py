"""This file draws the ratios as an SVG, on a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple
from xml.sax.saxutils import escape

from .records import CCXT, CCXT_OFF, CONTENDERS, OURS, PYTHON_OKX, Row, shown, times

# What is drawn, with the few words that fit beside it.
PICTURED = {
    "idle-sync": "idle exchange",
    "after-sync": "right after another call",
    "behind-50": "behind 50 queued requests",
    "pool-full": "behind 100 hung connections",
    "crowd-tasks-100": "100 tasks at once, last served",
    "crowd-threads-100": "100 threads at once, last served",
    "hung-sync": "first connection hangs",
    "processes-free": "5 processes, last served",
}
COLOURS = {CCXT: "#c2410c", CCXT_OFF: "#d9a066", PYTHON_OKX: "#6b7a99"}

WIDTH, LEFT, RIGHT, TOP = 860, 240, 150, 74
BAR, GAP = 15, 12


class Bar(NamedTuple):
    """One bar: whose, how many times as long as this package (None: it never got there), and its words."""

    peer: str
    ratio: float | None
    words: str


def bars(row: Row) -> list[Bar]:
    """Return the bars of a row, one for each peer that has something to show."""
    made = []
    for peer in CONTENDERS:
        cell = row.cells.get(peer)
        if peer == OURS or cell is None or cell.note == "sync only":
            continue
        ratio = row.ratio(peer)
        if ratio is not None:
            extra = ", extrapolated" if cell.extrapolated else ""
            made.append(Bar(peer, ratio, f"{times(ratio)}{extra}"))
        elif cell.median is None and "not canceled" in cell.note:
            made.append(Bar(peer, None, "not canceled"))
        elif cell.median is None and cell.note.startswith("only "):
            made.append(Bar(peer, None, cell.note.partition(";")[0]))
    return made


def svg(rows: Mapping[str, Row]) -> str:
    """Draw how many times as long as this package the others take."""
    drawn = [(PICTURED[key], rows[key], bars(rows[key])) for key in PICTURED if key in rows]
    drawn = [each for each in drawn if each[2]]
    ratios = [bar.ratio for _, _, each in drawn for bar in each if bar.ratio]
    decades = max(1, math.ceil(math.log10(max(ratios, default=10))))
    height = TOP + sum(len(each) * BAR + GAP for _, _, each in drawn) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(16, 24, "How many times as long as okx-rfq-plugin", size=16),
        *_legend(),
        *_grid(decades, height),
    ]
    y = TOP
    for title, row, each in drawn:
        ours = row.cells[OURS].median if OURS in row.cells else None
        middle = y + len(each) * BAR / 2 + 4
        parts.append(_text(LEFT - 10, middle - 7, title, anchor="end"))
        here = f"ours: {shown(ours, row.unit)}" if ours is not None else "ours: not measured"
        parts.append(_text(LEFT - 10, middle + 7, here, anchor="end", colour="#666666", size=10))
        for bar in each:
            parts.append(_bar(bar, y, decades))
            y += BAR
        y += GAP
    return "\n".join([*parts, "</svg>"]) + "\n"


def position(ratio: float, decades: int) -> float:
    """Return where on the logarithmic scale from 1 a ratio lies, in pixels; below 1 is at its beginning."""
    return LEFT + (WIDTH - LEFT - RIGHT) * max(0.0, math.log10(ratio)) / decades


def _bar(bar: Bar, y: float, decades: int) -> str:
    end = LEFT if bar.ratio is None else position(bar.ratio, decades)
    width = max(2.0, end - LEFT)
    colour = COLOURS[bar.peer]
    words = _text(LEFT + width + 5, y + 11, bar.words, colour=colour if bar.ratio is None else "#222222", size=11)
    return f'<rect x="{LEFT}" y="{y + 1:g}" width="{width:.1f}" height="{BAR - 2}" fill="{colour}"/>{words}'


def _legend() -> list[str]:
    parts = []
    for place, (peer, colour) in enumerate(COLOURS.items()):
        x = LEFT + 150 * place
        parts.append(f'<rect x="{x}" y="38" width="10" height="10" fill="{colour}"/>{_text(x + 15, 47, peer)}')
    return parts


def _grid(decades: int, height: int) -> list[str]:
    parts = []
    for decade in range(decades + 1):
        x = position(10.0**decade, decades)
        line = f'<line x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{height - 24}" stroke="#dddddd"/>'
        parts.append(line + _text(x, height - 10, f"{10**decade:,}x", anchor="middle", colour="#666666", size=10))
    return parts


def _text(x: float, y: float, words: str, *, anchor: str = "start", colour: str = "#222222", size: int = 12) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-size="{size}"'
    return f"<text {place}>{escape(words)}</text>"
