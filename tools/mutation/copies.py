"""A copy of the checkout for trying changes, and the two processes that run its tests."""

from __future__ import annotations

import compileall
import difflib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any

from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkerOutcome, WorkResult

from .choosing import Measured
from .collected import CANNOT, FAILED

ROOT = Path(__file__).parents[2]
PACKAGE = "okx_rfq_plugin"
HANGS = 30  # seconds after which a test counts as hanging, if each imports the package anew
_PYTEST = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not exhaustive")


class Copy:
    """A copy of the whole checkout, with two processes.

    A change inside a function is tried in a process that has collected all tests, any other change in one that imports
    the package anew.
    """

    def __init__(self, path: Path, tests: Sequence[str]) -> None:
        self._path = path
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(ROOT, path, ignore=shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist"))
        # Checked by a file's hash instead of its time, since two changes may fall into the same second.
        compileall.compile_dir(path / PACKAGE, quiet=1, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
        self._collected = self._start("tools.mutation.collected", *_PYTEST, *tests)
        self._importing = self._start("tools.mutation.server")

    def _start(self, *module: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=self._path / "tests",
            env={**os.environ, "PYTHONPATH": str(self._path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        """End the processes."""
        for process in (self._collected, self._importing):
            process.communicate()

    def measure(self, into: Path) -> None:
        """Record which tests run which lines of the unchanged code."""
        self._ask(self._collected, into=str(into), package=str(self._path / PACKAGE))

    def test(self, spec: MutationSpec, measured: Measured, most: float) -> WorkResult:
        """Make one change, and return whether a test fails within `most` seconds of tests."""
        name = spec.module_path.relative_to(ROOT / PACKAGE).as_posix()
        path = self._path / PACKAGE / name
        before = path.read_text(encoding="utf-8")
        operator = get_operator(spec.operator_name)(**spec.operator_args)
        after = mutate_code(before, operator, spec.occurrence)
        if after is None:
            return WorkResult(WorkerOutcome.SKIPPED)
        tests = measured.tests_of(name, spec)
        answer = self._ask(self._collected, path=str(path), after=after, tests=tests, most=most)
        if answer["result"] == CANNOT:
            path.write_text(after, encoding="utf-8")
            try:
                answer = self._imported(measured.files_of(name), most)
            finally:
                path.write_text(before, encoding="utf-8")
        failed = answer["result"] == FAILED
        if failed:
            measured.noticed(name, spec, answer["test"])
        return WorkResult(
            WorkerOutcome.NORMAL,
            answer["output"],
            TestOutcome.KILLED if failed else TestOutcome.SURVIVED,
            _diff(before, after),
        )

    def _imported(self, files: Sequence[str], most: float) -> dict[str, str]:
        until = time.monotonic() + most
        for file in files:
            arguments = [*_PYTEST, "-x", "-o", f"faulthandler_timeout={HANGS}"]
            arguments += ["-o", "faulthandler_exit_on_timeout=true", file]
            answer = self._ask(self._importing, arguments=arguments, timeout=most + HANGS)
            if answer["code"] != 0:
                return {"result": FAILED, "test": f"{file}::", "output": answer["output"]}
            if time.monotonic() > until:
                break
        return {"result": "", "test": "", "output": ""}

    def _ask(self, process: subprocess.Popen[str], **request: Any) -> Any:
        asks: Any = process.stdin
        answers: Any = process.stdout
        asks.write(json.dumps(request) + "\n")
        asks.flush()
        return json.loads(answers.readline())


def _diff(before: str, after: str) -> str:
    diff = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    changed = [line for line in diff if line[1:].strip() and not line.startswith(("---", "+++", "@@"))]
    return "\n".join(f"{line[0]} {line[1:].strip()}" for line in changed)
