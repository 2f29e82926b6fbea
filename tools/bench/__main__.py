"""Runs the comparison, and saves the results of a complete run: `tox -e bench`."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from tools.shared.sandbox_process import SandboxProcess

from . import command, cost, crowd, network, plot, processes, report, trouble, wire
from .records import EIGHT, Row

ROOT = Path(__file__).parents[2]
GROUPS = ("wire", "network", "crowd", "cost", "trouble", "processes", "command")


def main() -> None:
    """Measure, print, and save. A missed target is shown, and does not fail the run."""
    asked = _arguments()
    console = Console(width=None if Console().is_terminal else 180)
    if asked.redraw:
        data, rows = report.read(asked.json)
        _publish(asked, {**data, "rows": report.judged(rows)}, rows)
        return
    began = time.monotonic()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0  # of other programs, before this one starts
    rows = {}
    for row in _measured(asked):
        rows[row.key] = row
        console.print(f"{time.monotonic() - began:6.1f} s  {row.title}", style="dim")
    report.show(rows, console)
    seconds = time.monotonic() - began
    if asked.full and not asked.only:  # partial results are shown but not published
        _publish(asked, report.as_dict(rows, seconds, load), rows)
        console.print(f"written: {asked.json}, {asked.page}, {asked.svg}")
    console.print(f"{len(rows)} rows in {seconds:.0f} s, on a machine with a load of {load:.1f} before")


def _publish(asked: argparse.Namespace, data: dict[str, Any], rows: dict[str, Row]) -> None:
    asked.json.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    asked.svg.write_text(plot.svg(rows), encoding="utf-8")
    page = asked.page.read_text(encoding="utf-8")
    asked.page.write_text(report.put_between_marks(page, report.markdown(data, rows)), encoding="utf-8")


def _measured(asked: argparse.Namespace) -> Iterator[Row]:
    repeats = 9 if asked.exact else 4
    groups = asked.only or (GROUPS if asked.full else ("wire", "network", "crowd", "processes"))

    def wanted(key: str) -> bool:
        return asked.full or bool(asked.only) or key in EIGHT

    with SandboxProcess() as sandbox:
        if "wire" in groups:
            yield from wire.rows(sandbox, repeats, wanted)
        if "network" in groups:
            yield from network.rows(sandbox, 20 if asked.full else 10, wanted)
        if "crowd" in groups:
            yield from crowd.rows(sandbox, 3 if asked.full else 1, asked.exact, wanted)
        if "cost" in groups:
            yield from cost.rows(sandbox, calls=400, starts=10)
        if "trouble" in groups:
            yield from trouble.rows(sandbox, 2 if asked.full else 1, wanted)
        if "processes" in groups:
            with SandboxProcess(rejections_count=True) as counting:
                yield from processes.rows(sandbox, counting, wanted)
    if "command" in groups:
        yield from command.rows(repeats=5, accounts=1000)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=main.__doc__)
    parser.add_argument("--full", action="store_true", help="measure all rows (five minutes), and publish them")
    parser.add_argument("--exact", action="store_true", help="measure what is extrapolated otherwise (half an hour)")
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
