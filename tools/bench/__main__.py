"""This file runs the whole comparison and writes down what came out: `tox -e bench`."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from tools.shared.sandbox_process import SandboxProcess

from . import command, cost, crowd, plot, report, trouble, wire
from .records import Row

ROOT = Path(__file__).parents[2]
GROUPS = ("wire", "crowd", "cost", "trouble", "command")


def main() -> None:
    """Measure, print, and write; what is not reached is shown, and does not fail the run."""
    asked = _arguments()
    console = Console(width=None if Console().is_terminal else 180)
    if asked.redraw:
        data, rows = report.read(asked.json)
        _publish(asked, {**data, "rows": report.judged(rows)}, rows)
        return
    began = time.monotonic()
    rows = {}
    for row in _measured(asked):
        rows[row.key] = row
        console.print(f"{time.monotonic() - began:6.1f} s  {row.title}", style="dim")
    report.show(rows, console)
    if not asked.only:  # a part is looked at, and not published
        _publish(asked, report.as_dict(rows, time.monotonic() - began), rows)


def _publish(asked: argparse.Namespace, data: dict[str, Any], rows: dict[str, Row]) -> None:
    asked.json.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    asked.svg.write_text(plot.svg(rows), encoding="utf-8")
    page = asked.page.read_text(encoding="utf-8")
    asked.page.write_text(report.put_between_marks(page, report.markdown(data, rows)), encoding="utf-8")


def _measured(asked: argparse.Namespace) -> Iterator[Row]:
    repeats = 9 if asked.full else 4
    wanted = asked.only or GROUPS
    with SandboxProcess() as sandbox:
        if "wire" in wanted:
            yield from wire.rows(sandbox, repeats)
        if "crowd" in wanted:
            yield from crowd.rows(sandbox, repeats=3, full=asked.full)
        if "cost" in wanted:
            yield from cost.rows(sandbox, calls=400, starts=10)
        if "trouble" in wanted:
            with SandboxProcess(rejections_count=True) as counting:
                yield from trouble.rows(sandbox, counting, repeats=2)
    if "command" in wanted:
        yield from command.rows(repeats=5, accounts=1000)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=main.__doc__)
    parser.add_argument("--full", action="store_true", help="measure what is extrapolated otherwise (half an hour)")
    parser.add_argument("--only", action="append", choices=GROUPS, help="measure a part, and write nothing")
    parser.add_argument(
        "--redraw", action="store_true", help="measure nothing: judge the JSON file, make page and plot anew"
    )
    parser.add_argument("--json", type=Path, default=ROOT / "tools" / "bench" / "results.json")
    parser.add_argument("--svg", type=Path, default=ROOT / "docs" / "benchmark.svg")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "benchmark.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
