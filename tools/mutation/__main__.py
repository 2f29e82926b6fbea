"""Changes the core's files in one place after another, and sees for each change that some test fails.

A change that no test notices has survived. `equivalent.toml` lists, by file and function, how many may survive and why;
any other survivor, less than 95 % of all noticed, or nothing to change fails the run. Results are kept: a run that was
stopped goes on where it was, and a file whose results were got with the code and the tests as they are is not tested
again.
"""

from __future__ import annotations

import argparse
import compileall
import difflib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, closing
from pathlib import Path
from py_compile import PycInvalidationMode
from queue import SimpleQueue
from typing import Any, NamedTuple

import tomllib
from cosmic_ray.commands import init
from cosmic_ray.mutating import use_mutation
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkerOutcome, WorkItem, WorkResult

from .operators import calculations, register, tells

ROOT = Path(__file__).parents[2]
PACKAGE = "okx_rfq_plugin"
LEAST = 0.95
EQUIVALENT = Path(__file__).with_name("equivalent.toml")
MODULE = "the module"  # the place of what stands in no function and no class
HANGS = 30  # seconds after which a test is taken to wait for ever

# What is changed: the files of these folders of the package, and these files of its face.
FOLDERS = ("_core",)
FACE = ("installer.py", "methods.py", "okx.py", "plugins.py")
LEFT_OUT = ("__init__.py", "clock.py", "records.py")  # nothing to decide in them

# For a file the tests that are about it, by the names in tests/**/test_NAME.py; what notices a change soonest comes
# first. A file that is not named here is tested by EVERY. A test that has gone, or been renamed, ends the run.
EVERY = ("replies", "confirm", "express", "quotes", "open_rfqs", "transport", "request", "sharing")
TESTS = {
    "_core/verdict.py": ("verdict", "published_codes", "replies", "transport"),
    "_core/policy.py": ("policy", "replies", "install"),
    "_core/rate_limit.py": ("rate_limit", *EVERY, "sharing_properties"),
    "_core/single_flight.py": ("single_flight", *EVERY, "sharing_properties"),
    "_core/rfqs.py": ("rfq_owner", "open_rfqs", "confirm"),
    "_core/request.py": ("request", *EVERY),
    "_core/passing.py": ("request", "install", *EVERY),
    "_core/steps.py": (*EVERY, "confirm_properties"),
    "installer.py": ("install", "plugins"),
    "methods.py": ("install", "plugins"),
    "okx.py": ("plugins", "install"),
    "plugins.py": ("plugins", "install"),
}


class Place(NamedTuple):
    """Where a change was made: a file of the package, and the function or class in it, or MODULE."""

    file: str
    function: str


class Survivor(NamedTuple):
    """A change that no test noticed."""

    file: str
    function: str
    line: int
    diff: str

    @property
    def place(self) -> Place:
        """What equivalent.toml knows it by: no line number and no quoted line, which any edit would change."""
        return Place(self.file, self.function)

    def __str__(self) -> str:
        return f"{self.file}, {self.function}, line {self.line}\n{self.diff}\n"


def changeable() -> list[str]:
    """Return the files that may be changed, as paths inside the package."""
    package = ROOT / PACKAGE
    inside = [path for folder in FOLDERS for path in sorted((package / folder).rglob("*.py"))]
    files = [path for path in (*inside, *map(package.joinpath, FACE)) if path.exists() and path.name not in LEFT_OUT]
    return [path.relative_to(package).as_posix() for path in files]


def tests_of(name: str) -> list[str]:
    """Return the test files for a file of the package, as paths inside tests/.

    Raises:
        SystemExit: a test is named that is not there.
    """
    tests = ROOT / "tests"
    found = {test: sorted(tests.rglob(f"test_{test}.py")) for test in dict.fromkeys(TESTS.get(name, EVERY))}
    if missing := [test for test, paths in found.items() if not paths]:
        raise SystemExit(f"TESTS names {', '.join(missing)} for {name}, and there is no such test file")
    return [path.relative_to(tests).as_posix() for paths in found.values() for path in paths]


def main(arguments: list[str] | None = None) -> int:
    """Make the changes, write the survivors down, and return the exit code."""
    asked = _arguments(arguments)
    register()
    asked.work.mkdir(parents=True, exist_ok=True)
    total = noticed = 0
    survivors: list[Survivor] = []
    for name in asked.files:
        with use_db(str(asked.work / f"{_flat(name)}.sqlite"), WorkDB.Mode.create) as results:
            _list_changes(results, name, asked)
            _test_changes(results, name, asked)
            fates = [
                (item.mutations[0], result) for item, result in results.completed_work_items if result.test_outcome
            ]
        survived = sorted(
            Survivor(name, spec.definition_name or MODULE, spec.start_pos[0], result.diff)
            for spec, result in fates
            if not result.is_killed
        )
        print(f"{name}: {len(fates) - len(survived)} of {len(fates)} changes noticed")
        total, noticed, survivors = total + len(fates), noticed + len(fates) - len(survived), survivors + survived
    return _judge(total, noticed, survivors, asked)


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.mutation", description=main.__doc__)
    parser.add_argument("files", nargs="*", help=f"out of {', '.join(changeable())}; by default all")
    parser.add_argument("--work", type=Path, default=ROOT / ".tox" / "mutation-work", help="where results are kept")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="how many at a time")
    parser.add_argument("--survivors", action="store_true", help="test only those anew that survived the last run")
    asked = parser.parse_args(arguments)
    asked.files = asked.files or changeable()
    if unknown := set(asked.files) - set(changeable()):
        parser.error(f"not among the files that may be changed: {', '.join(sorted(unknown))}")
    return asked


def _judge(total: int, noticed: int, survivors: list[Survivor], asked: argparse.Namespace) -> int:
    if not total:
        print("Nothing was changed, so nothing is proven.")
        return 1
    allowed, unexplained = allowances(asked.files), []
    for survivor in survivors:
        if allowed[survivor.place] > 0:
            allowed[survivor.place] -= 1
        else:
            unexplained.append(survivor)
    (asked.work / "survivors.txt").write_text("\n".join(map(str, survivors)), encoding="utf-8")
    print(*(f"Survived without a reason: {survivor}\n" for survivor in unexplained), sep="", end="")
    unused = {place: count for place, count in allowed.items() if count}
    print(
        *(f"Has a reason, but did not survive: {count} in {place}\n" for place, count in unused.items()), sep="", end=""
    )
    print(f"{noticed} of {total} changes noticed ({noticed / total:.1%}, to be {LEAST:.0%} at least), ", end="")
    print(f"{len(survivors)} survivors, {len(unexplained)} of them without a reason in equivalent.toml")
    return int(bool(unexplained) or bool(unused) or noticed < LEAST * total)


def _list_changes(results: WorkDB, name: str, asked: argparse.Namespace) -> None:
    """Begin a file's list, but where its results are those of this very code, and go on with it there."""
    path = ROOT / PACKAGE / name
    own = (Path(__file__).with_name("operators.py"),)  # what the list of changes follows from
    folders = (PACKAGE, "tests", "tools/mutation")
    everything = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    marks = {"source": _digest(path, *own), "all": _digest(*own, *everything)}
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


def _digest(*paths: Path) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def _test_changes(results: WorkDB, name: str, asked: argparse.Namespace) -> None:
    """Test what has no result yet, each process in a copy of its own."""
    done = {job for job, result in results.results if result.worker_outcome != WorkerOutcome.NO_TEST}
    pending = [item for item in results.work_items if item.job_id not in done]
    if not pending:
        return
    free: SimpleQueue[Copy] = SimpleQueue()
    with ExitStack() as stack:
        for number in range(asked.processes):
            free.put(stack.enter_context(closing(Copy(asked.work / f"copy{number}", tests_of(name)))))
        first = free.get()
        timeout = HANGS + 4 * first.time_unchanged()
        free.put(first)

        def test(item: WorkItem) -> tuple[WorkItem, WorkResult]:
            copy = free.get()
            try:
                return item, copy.test(item.mutations[0], timeout)
            finally:
                free.put(copy)

        pool = stack.enter_context(ThreadPoolExecutor(asked.processes))
        stack.callback(pool.shutdown, cancel_futures=True)  # where the run is stopped, it ends after the tests that run
        for number, future in enumerate(as_completed([pool.submit(test, item) for item in pending]), 1):
            item, result = future.result()
            results.set_result(item.job_id, result)
            print(f"\r{name}: {number} of {len(pending)} tested", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


class Copy:
    """A copy of the whole checkout in which a file may be changed, and a process that runs tests there."""

    def __init__(self, path: Path, tests: Collection[str]) -> None:
        self._path = path
        self._tests = list(tests)
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(ROOT, path, ignore=shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist"))
        # By the hash of a file and not its time: two changes may fall into the same second.
        compileall.compile_dir(path / PACKAGE, quiet=1, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tools.mutation.server"],
            cwd=path / "tests",
            env={**os.environ, "PYTHONPATH": str(path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._asks: Any = self._server.stdin
        self._answers: Any = self._server.stdout

    def close(self) -> None:
        """End the process."""
        self._server.communicate()

    def time_unchanged(self) -> float:
        """Return the seconds that the slowest file of tests takes while nothing is changed.

        Raises:
            RuntimeError: one fails then, so that its failing would say nothing.
        """
        slowest = 0.0
        for test in self._tests:
            began = time.monotonic()
            failed, output = self._fails(test, timeout=1200)
            if failed:
                raise RuntimeError(f"{test} fails while nothing is changed:\n{output}")
            slowest = max(slowest, time.monotonic() - began)
        return slowest

    def test(self, spec: MutationSpec, timeout: float) -> WorkResult:
        """Make one change, and say whether a test fails."""
        operator = get_operator(spec.operator_name)(**spec.operator_args)
        with use_mutation(self._path / spec.module_path.relative_to(ROOT), operator, spec.occurrence) as (
            before,
            after,
        ):
            outcome, output = TestOutcome.SURVIVED, ""
            for test in self._tests:
                failed, output = self._fails(test, timeout)
                if failed:
                    outcome = TestOutcome.KILLED
                    break
        diff = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
        changed = [line for line in diff if line[1:].strip() and not line.startswith(("---", "+++", "@@"))]
        return WorkResult(
            WorkerOutcome.NORMAL, output, outcome, "\n".join(f"{line[0]} {line[1:].strip()}" for line in changed)
        )

    def _fails(self, test: str, timeout: float) -> tuple[bool, str]:
        arguments = [
            *("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"),
            *("-o", f"faulthandler_timeout={HANGS}", "-o", "faulthandler_exit_on_timeout=true"),
            test,
        ]
        self._asks.write(json.dumps({"arguments": arguments, "timeout": timeout}) + "\n")
        self._asks.flush()
        answer = json.loads(self._answers.readline())
        return answer["code"] != 0, answer["output"]


def _flat(name: str) -> str:
    return name.replace("/", ".")


def allowances(files: Collection[str], path: Path = EQUIVALENT) -> Counter[Place]:
    """Return how many changes may survive in each place, by equivalent.toml.

    Raises:
        KeyError, ValueError: an entry lacks its file, its function or its reason.
    """
    allowed = Counter[Place]()
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("equivalent", []):
        if not entry["reason"].strip():
            raise ValueError(f"no reason is given for {entry}")
        if entry["file"] in files:
            allowed[Place(entry["file"], entry["in"])] += entry.get("count", 1)
    return allowed


if __name__ == "__main__":
    raise SystemExit(main())
