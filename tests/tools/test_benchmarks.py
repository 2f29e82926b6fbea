"""The benchmark's arithmetic: medians, ratios, targets, table, plot; nothing is measured here."""

from __future__ import annotations

import io
import json
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))  # behind the installed package, which is the one to be tested

from tools.bench import plot, report  # noqa: E402 - needs the line above
from tools.bench.records import CCXT, CCXT_TUNED, EIGHT, OURS, Cell, Row, row_of, shown, times  # noqa: E402
from tools.bench.targets import TARGETS, verdict  # noqa: E402


def row(key: str = "after-sync", unit: str = "ms", **cells: Cell) -> Row:
    names = {"ccxt": CCXT, "off": CCXT_TUNED, "ours": OURS}
    return Row(key=key, title=f"the title of {key}", unit=unit, cells={names[name]: cells[name] for name in cells})


def seconds(*samples: float, **facts: float) -> Cell:
    return Cell(samples=samples, facts=facts)


def facts(each: Row) -> dict[str, Any]:
    cells = {name: (cell.median, len(cell.samples), cell.note, cell.extrapolated) for name, cell in each.cells.items()}
    return {"key": each.key, "title": each.title, "unit": each.unit, "cells": cells}


@pytest.fixture
def rows() -> dict[str, Row]:
    never = Cell(note="only 2 of 100 served; 100 requests, 98 rejected")
    made = [
        row(ccxt=seconds(1.0, 1.1, 1.2), off=seconds(0.0011), ours=seconds(0.001)),
        row("behind-50", ccxt=Cell(samples=(1.0,), extrapolated=True), ours=seconds(0.001)),
        row("crowd-tasks-100", "s", off=never, ours=seconds(2.01, requests=3, rejections=0)),
    ]
    return {each.key: each for each in made}


def test_a_ratio_is_of_medians(rows: dict[str, Row]) -> None:
    """One outlier changes nothing, and without both numbers there is no ratio."""
    assert rows["after-sync"].ratio(CCXT) == pytest.approx(1100)
    assert rows["crowd-tasks-100"].ratio(CCXT_TUNED) is None
    assert rows["crowd-tasks-100"].ratio(CCXT) is None


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [(1.0994, "ms", "1,099 ms"), (0.00057, "ms", "0.57 ms"), (0.0000312, "us", "31.2 µs"), (2.014, "s", "2.01 s")],
)
def test_numbers_have_three_digits_that_count(value: float, unit: str, words: str) -> None:
    """Readers do not have to count zeros."""
    assert words == shown(value, unit)


def test_no_target_is_a_time_of_a_machine() -> None:
    """A target must not depend on the machine's speed: each is a ratio, or a number of requests."""
    rows = {key: row(key, ccxt=seconds(1.0), off=seconds(1.0), ours=seconds(1.0)) for key in TARGETS}

    for key in rows:
        text, _ = verdict(rows[key], rows)
        assert any(word in text for word in ("times", "%", "as many requests", "windows of OKX's limit")), text


def test_ratios_are_said_in_words() -> None:
    """Large ones have no fraction, small ones two digits of it."""
    assert ["1,570x", "16.2x", "0.97x"] == [times(1570.4), times(16.23), times(0.97)]


@pytest.mark.parametrize(
    ("judged", "result"),
    [
        (row(ccxt=seconds(1.1), ours=seconds(0.0011)), "reached"),
        (row(ccxt=seconds(1.0), ours=seconds(0.0011)), "not reached"),
        (row(ccxt=seconds(1.0)), "not measured"),
        (row("hung-sync", ours=seconds(3.4, over_earliest=1.13)), "reached"),
        (row("hung-sync", ours=seconds(3.8, over_earliest=1.27)), "not reached"),
        (row("import", ccxt=seconds(0.4), ours=seconds(0.02)), "reached"),
        (row("import", ccxt=seconds(0.4), ours=seconds(0.021)), "not reached"),
        (row("slow-2", ccxt=seconds(2.0), ours=seconds(2.19)), "reached"),
        (row("slow-2", ccxt=seconds(2.0), ours=seconds(2.21)), "not reached"),
        (row("hung-sync", ours=Cell(note="not canceled")), "not reached"),
        (row("pytest"), "not measured"),
        (row("overhead-sync", off=seconds(0.001), ours=seconds(0.00104)), "reached"),
        (row("overhead-sync", off=seconds(0.001), ours=seconds(0.00106)), "not reached"),
        (row("crowd-tasks-100", ours=seconds(2.1, requests=3, rejections=0)), "reached"),
        (row("crowd-tasks-100", ours=seconds(2.3, requests=3, rejections=0)), "not reached"),
        (row("crowd-tasks-100", ours=seconds(2.1, requests=4, rejections=0)), "not reached"),
        (row("crowd-tasks-100", ours=seconds(2.1, requests=3, rejections=1)), "not reached"),
        (row("crowd-tasks-100", ours=Cell(facts={"requests": 3, "rejections": 0})), "not reached"),
        (row("crowd-tasks-100", ours=Cell()), "not measured"),
        (row("crowd-tasks-1000", ours=seconds(2.1, requests=3, rejections=0)), "reached"),
        (row("cpu-tasks-1000", ours=seconds(0.0001)), "not measured"),
        (row("idle-sync", ours=seconds(0.001)), ""),
    ],
)
def test_a_row_is_judged_by_its_target(judged: Row, result: str) -> None:
    """Reached, not reached, not measured, or without a target."""
    assert result == verdict(judged, {judged.key: judged})[1]


@pytest.mark.parametrize(
    ("key", "ours", "result"),
    [
        ("crowd-tasks-1000", seconds(2.1, requests=2, rejections=0), "reached"),
        ("crowd-tasks-1000", seconds(2.1, requests=3, rejections=0), "not reached"),
        ("cpu-tasks-1000", seconds(0.00012), "reached"),
        ("cpu-tasks-1000", seconds(0.00013), "not reached"),
    ],
)
def test_a_large_crowd_is_judged_by_a_smaller_one(key: str, ours: Cell, result: str) -> None:
    """A thousand callers cost no more requests than a hundred, and each of them no more CPU time."""
    smaller = row("crowd-tasks-100", ours=seconds(2.0, requests=2, rejections=0))
    cheaper = row("cpu-tasks-100", ours=seconds(0.0001))

    assert result == verdict(row(key, ours=ours), {smaller.key: smaller, cheaper.key: cheaper})[1]


def test_a_row_survives_the_json_file(rows: dict[str, Row]) -> None:
    """A result read back equals the one written, so that page and plot need only the file."""
    data = json.loads(json.dumps(report.as_dict(rows, 1.0)))

    back = [row_of(each) for each in data["rows"]]
    assert [facts(each) for each in rows.values()] == [facts(each) for each in back]
    assert {"text": "1,000 times sooner than ccxt", "result": "reached"} == data["rows"][0]["target"]


@pytest.mark.parametrize(("load", "words"), [(0.2, "idle before the run"), (3.5, "a load of 3.5 before the run")])
def test_the_page_says_how_long_it_took_and_how_busy_the_machine_was(
    rows: dict[str, Row], load: float, words: str
) -> None:
    """Results from a busy machine are marked."""
    page = report.markdown(report.as_dict(rows, 401.4, load), rows)

    assert "It took 401 s, on " in page
    assert f" cores, {words}.\n" in page


def test_the_tables_have_every_row_and_say_what_is_no_number(rows: dict[str, Row]) -> None:
    """Terminal and page show the same cells."""
    console = Console(width=250, record=True, file=io.StringIO())
    report.show(rows, console)
    page = report.markdown({"date": "2026-01-01T00", "python": "3.13", "system": "Linux", "versions": {}}, rows)

    for text in (console.export_text(), page):
        assert "1,100 ms (1,100x) n=3" in text
        assert "extrapolated" in text
        assert "only 2 of 100 served" in text
        assert "1,000 times sooner than ccxt: reached" in text
    assert {7} == {line.count("|") for line in page.splitlines() if line.startswith("|")}


def test_the_page_keeps_what_is_around_the_table() -> None:
    """Only the text between the marks is replaced, each time anew."""
    begin, end = report.MARKS
    once = report.put_between_marks(f"before\n{begin}{end}after\n", "one\n")
    twice = report.put_between_marks(once, "two\n")

    assert f"before\n{begin}\ntwo\n\n{end}after\n" == twice
    with pytest.raises(ValueError, match="the page has no"):
        report.put_between_marks("no marks", "text")


def test_the_plot_is_an_image_on_a_logarithmic_scale(rows: dict[str, Row]) -> None:
    """A factor of ten is equally wide everywhere, and a contender that never finished is named, not drawn as fast."""
    drawn = plot.svg(rows)
    ElementTree.fromstring(drawn)  # noqa: S314 - our own text

    for words in ("1,100x", "1,000x, extrapolated", "only 2 of 100 served", "ours: 2.01 s"):
        assert f">{words}<" in drawn
    scale = plot.Scale(-1, 3)
    steps = [scale.position(10.0**decade) for decade in range(-1, 4)]
    assert steps[1] - steps[0] == pytest.approx(steps[4] - steps[3])
    assert scale.position(0.01) == steps[0] == plot.LEFT


def test_the_plot_shows_faster_peers() -> None:
    """A peer that takes half as long has a bar to the left of 1x."""
    rows = {"idle-sync": row("idle-sync", ccxt=seconds(0.0005), ours=seconds(0.001))}

    assert ">0.1x<" in plot.svg(rows)
    assert ">0.50x<" in plot.svg(rows)


def test_the_plot_shows_what_a_short_run_measures() -> None:
    """Eight rows, in one order, each of them published."""
    _, rows = report.read(ROOT / "tools" / "bench" / "results.json")

    assert tuple(plot.PICTURED) == EIGHT
    assert set(EIGHT) <= set(rows)


def test_the_published_files_belong_together() -> None:
    """Page and plot match the JSON file, judged by today's targets."""
    data, rows = report.read(ROOT / "tools" / "bench" / "results.json")

    assert report.markdown(data, rows) in (ROOT / "docs" / "benchmark.md").read_text(encoding="utf-8")
    assert plot.svg(rows) == (ROOT / "docs" / "benchmark.svg").read_text(encoding="utf-8")
    assert set(TARGETS) <= set(rows)
