"""Changes the core's files in one place at a time, and checks that some test fails for each change.

A change that no test notices has survived. `equivalent.toml` lists how many may survive per file and function, and why.
The run fails if any other change survives, if less than 95 % of all are noticed, or if there is nothing to change.
Results are kept: an interrupted run resumes where it stopped, and a file is not tested again while its code and tests
are the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path

from cosmic_ray.commands import init
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import WorkerOutcome, WorkResult

from .copies import PACKAGE, ROOT
from .judging import MODULE, Survivor, judge
from .operators import calculations, register, tells
from .workers import Workers

# What is changed: the files in these folders of the package, and these top-level files.
FOLDERS = ("_core",)
FACE = ("installer.py", "methods.py", "okx.py", "plugins.py")
LEFT_OUT = ("__init__.py", "clock.py", "records.py")  # nothing to decide in them


def changeable() -> list[str]:
    """Return the files that may be changed, as paths inside the package."""
    package = ROOT / PACKAGE
    inside = [path for folder in FOLDERS for path in sorted((package / folder).rglob("*.py"))]
    files = [path for path in (*inside, *map(package.joinpath, FACE)) if path.exists() and path.name not in LEFT_OUT]
    return [path.relative_to(package).as_posix() for path in files]


def main(arguments: list[str] | None = None) -> int:
    """Make the changes, list the survivors, and return the exit code."""
    asked = _arguments(arguments)
    register()
    asked.work.mkdir(parents=True, exist_ok=True)
    total = noticed = 0
    survivors: list[Survivor] = []
    with ExitStack() as stack:
        workers = Workers(asked.work, asked.processes, asked.seconds, _everything(), stack)
        for name in asked.files:
            with use_db(str(asked.work / f"{_flat(name)}.sqlite"), WorkDB.Mode.create) as results:
                _list_changes(results, name, asked)
                _test_changes(results, name, workers)
                done = [
                    (item.mutations[0], result) for item, result in results.completed_work_items if result.test_outcome
                ]
            survived = sorted(
                Survivor(name, spec.definition_name or MODULE, spec.start_pos[0], result.diff)
                for spec, result in done
                if not result.is_killed
            )
            print(f"{name}: {len(done) - len(survived)} of {len(done)} changes noticed", flush=True)
            total, noticed, survivors = total + len(done), noticed + len(done) - len(survived), survivors + survived
    (asked.work / "survivors.txt").write_text("\n".join(map(str, survivors)), encoding="utf-8")
    return judge(total, noticed, survivors, asked.files)


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.mutation", description=main.__doc__)
    parser.add_argument("files", nargs="*", help=f"out of {', '.join(changeable())}; by default all")
    parser.add_argument("--work", type=Path, default=ROOT / ".tox" / "mutation-work", help="where results are kept")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="how many at a time")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long the tests of one change may take")
    parser.add_argument("--survivors", action="store_true", help="test only those anew that survived the last run")
    asked = parser.parse_args(arguments)
    asked.files = asked.files or changeable()
    if unknown := set(asked.files) - set(changeable()):
        parser.error(f"not among the files that may be changed: {', '.join(sorted(unknown))}")
    return asked


def _list_changes(results: WorkDB, name: str, asked: argparse.Namespace) -> None:
    """Start a file's list of changes, or resume it if its results are for the same code."""
    path = ROOT / PACKAGE / name
    own = (Path(__file__).with_name("operators.py"),)  # determines the list of changes
    marks = {"source": _digest(path, *own), "all": _everything()}
    kept = asked.work / f"{_flat(name)}.json"
    known = json.loads(kept.read_text()) if kept.exists() else {}
    if asked.survivors and known.get("source") == marks["source"]:
        survived = [item.job_id for item, result in results.completed_work_items if result.test_outcome == "survived"]
        results.set_multiple_results(survived, WorkResult(WorkerOutcome.NO_TEST))
    elif known != marks:
        init([path], results, {})
        places = calculations(path)
        left_out = [item.job_id for item in results.work_items if not tells(item.mutations[0], places)]
        results.set_multiple_results(left_out, WorkResult(WorkerOutcome.SKIPPED))
        kept.write_text(json.dumps(marks))


def _everything() -> str:
    folders = (PACKAGE, "tests", "tools/mutation")
    return _digest(*(path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))))


def _digest(*paths: Path) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def _test_changes(results: WorkDB, name: str, workers: Workers) -> None:
    """Test the changes that have no result yet."""
    done = {job for job, result in results.results if result.worker_outcome != WorkerOutcome.NO_TEST}
    pending = [item for item in results.work_items if item.job_id not in done]
    for number, (item, result) in enumerate(workers.test(pending), 1):
        results.set_result(item.job_id, result)
        print(f"\r{name}: {number} of {len(pending)} tested", end="", file=sys.stderr, flush=True)
    if pending:
        print(file=sys.stderr)


def _flat(name: str) -> str:
    return name.replace("/", ".")


if __name__ == "__main__":
    raise SystemExit(main())
