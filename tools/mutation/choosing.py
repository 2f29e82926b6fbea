"""Selects the tests to run for a change: those that execute its line, likely detectors first."""

from __future__ import annotations

import ast
import json
from collections import defaultdict
from pathlib import Path

from cosmic_ray.work_item import MutationSpec

# They install their own trace function, which hides from coverage which lines they run.
_TRACING = ("core/test_every_line.py::", "core/test_drivers.py::test_interrupt_between_two_steps")
_NEAR = 5  # tests that noticed a change in the same function, tried first


class Measured:
    """Which tests run which lines of the package, from a file written by `collected`."""

    def __init__(self, path: Path, package: Path) -> None:
        data = json.loads(path.read_text(encoding="utf-8"))
        self.seconds: dict[str, float] = data["seconds"]
        self.failing: list[str] = data["failing"]
        self._names = list(self.seconds)
        self._lines: dict[str, dict[int, list[int]]] = {
            file: {int(line): tests for line, tests in lines.items()} for file, lines in data["lines"].items()
        }
        self._package = package
        self._noticed: dict[tuple[str, str | None], list[str]] = defaultdict(list)

    def tests_of(self, name: str, spec: MutationSpec) -> dict[str, float]:
        """Return the ids of the tests that run a change's statement, in order, and the seconds that each takes."""
        lines = self._lines.get(name, {})
        tree = ast.parse((self._package / name).read_text(encoding="utf-8"))
        tests = {self._names[n] for line in _statement(tree, spec.start_pos[0]) for n in lines.get(line, ())}
        tests |= {test for test in self._names if any(each in test for each in _TRACING)}
        near = [test for test in self._noticed[name, spec.definition_name] if test in tests][:_NEAR]
        quick = sorted(tests, key=lambda test: (self.seconds[test], test))
        about = [test for test in quick if f"/test_{Path(name).stem}.py::" in f"/{test}"]
        # One case of each test function before any function's other cases.
        first = {test.partition("[")[0]: test for test in reversed(quick)}
        ones = sorted(first.values(), key=self.seconds.__getitem__)
        return {test: self.seconds[test] for test in dict.fromkeys([*near, *about, *ones, *quick])}

    def files_of(self, name: str) -> list[str]:
        """Return the test files that run anything of a file, those that noticed a change first."""
        tests = {self._names[n] for running in self._lines.get(name, {}).values() for n in running}
        seconds: dict[str, float] = defaultdict(float)
        for test, taken in self.seconds.items():
            if test in tests:
                seconds[test.partition("::")[0]] += taken
        near = [test.partition("::")[0] for test in self._noticed[name, None]]
        return list(dict.fromkeys([*(file for file in near if file in seconds), *sorted(seconds, key=seconds.get)]))  # type: ignore[arg-type]  # all are in it

    def noticed(self, name: str, spec: MutationSpec, test: str) -> None:
        """Record which test noticed a change."""
        for place in ((name, spec.definition_name), (name, None)):
            if test in self._noticed[place]:
                self._noticed[place].remove(test)
            self._noticed[place].insert(0, test)


def _statement(tree: ast.Module, line: int) -> range:
    """Return the lines of the smallest statement that contains a line; only the head of one with a body."""
    found = range(line, line + 1)
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or 0):
            body = getattr(node, "body", None)
            end = body[0].lineno if body and body[0].lineno > node.lineno else (node.end_lineno or 0) + 1
            if line < end:
                found = range(node.lineno, end)
    return found
