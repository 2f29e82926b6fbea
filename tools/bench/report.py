"""Output of the rows: on the terminal, as JSON, and as a table in docs/benchmark.md."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from .records import CONTENDERS, OURS, Cell, Row, row_of, shown, times
from .targets import verdict

PACKAGES = ("okx-rfq-plugin", "ccxt", "python-okx", "aiohttp", "requests", "httpx", "pytest")
_BUSY = 0.5  # of a core; with a higher load from other programs, the medians are not those of an idle machine
MARKS = "<!-- the table begins -->\n", "<!-- the table ends -->\n"


def judged(rows: Mapping[str, Row]) -> list[dict[str, Any]]:
    """Return the rows in the JSON file's form, each with its target and whether it was reached."""
    verdicts = ((row, *verdict(row, rows)) for row in rows.values())
    return [{**row.as_dict(), "target": {"text": text, "result": result}} for row, text, result in verdicts]


def as_dict(rows: Mapping[str, Row], seconds: float, load: float = 0.0) -> dict[str, Any]:
    """Return all measurements with a description of the environment. `load` is the machine's before the run."""
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "load": round(load, 1),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.system(),
        "versions": {name: version(name) for name in PACKAGES},
        "rows": judged(rows),
    }


def read(path: Path) -> tuple[dict[str, Any], dict[str, Row]]:
    """Read a run's JSON file, and return its whole content and its rows by key."""
    data = json.loads(path.read_text(encoding="utf-8"))
    rows = [row_of(each) for each in data["rows"]]
    return data, {row.key: row for row in rows}


def cell_text(row: Row, name: str) -> str:
    """Return one cell: the median, a peer's ratio to ours, the number of samples, and the note."""
    cell = row.cells.get(name, Cell())
    if cell.median is None:
        return cell.note or "-"
    parts = [shown(cell.median, row.unit)]
    ratio = None if name == OURS else row.ratio(name)
    if ratio is not None:
        parts.append(f"({times(ratio)})")
    parts.append("extrapolated" if cell.extrapolated else f"n={len(cell.samples)}")
    return " ".join(parts) + (f"; {cell.note}" if cell.note else "")


def lines(rows: Mapping[str, Row]) -> Iterator[tuple[str, ...]]:
    """Yield the table's rows: title, a cell for each contender, the target and whether it was reached."""
    for row in rows.values():
        text, result = verdict(row, rows)
        target = f"{text}: {result}" if text else ""
        yield (row.title, *(cell_text(row, name) for name in CONTENDERS), target)


def table(rows: Mapping[str, Row]) -> Table:
    """Return the table for the terminal."""
    made = Table(title="Medians; in brackets: how many times as long as okx-rfq-plugin", show_lines=True)
    for heading in ("what", *CONTENDERS, "target"):
        made.add_column(heading, overflow="fold")
    for line in lines(rows):
        colour = "red" if line[-1].endswith("not reached") else "green" if line[-1].endswith("reached") else ""
        made.add_row(*line[:-1], f"[{colour}]{line[-1]}[/]" if colour else line[-1])
    return made


def markdown(data: Mapping[str, Any], rows: Mapping[str, Row]) -> str:
    """Return the same table for the documentation, with a description of the environment."""
    used = ", ".join(f"{name} {number}" for name, number in data["versions"].items())
    head = f"Measured on {data['date'][:10]} with Python {data['python']} on {data['system']}; {used}.\n"
    if "load" in data:
        busy = f"a load of {data['load']:g} before the run" if data["load"] >= _BUSY else "idle before the run"
        head += f"It took {data['seconds']:.0f} s, on {data['cores']} cores, {busy}.\n"
    head += "\n"
    table_rows = [("what", *CONTENDERS, "target"), ("---",) * (len(CONTENDERS) + 2), *lines(rows)]
    return head + "".join(f"| {' | '.join(row)} |\n" for row in table_rows)


def put_between_marks(page: str, text: str) -> str:
    """Return a page with the text between its marks replaced."""
    before, _, rest = page.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not end:
        raise ValueError(f"the page has no {MARKS[0]!r} followed by {MARKS[1]!r}")
    return f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}"


def show(rows: Mapping[str, Row], console: Console) -> None:
    """Print the table, and the number of targets reached."""
    console.print(table(rows))
    results = [verdict(row, rows)[1] for row in rows.values()]
    console.print(f"targets: {results.count('reached')} reached, {results.count('not reached')} not reached")
