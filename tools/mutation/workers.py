"""Tries changes in several copies of the checkout in parallel."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, closing
from pathlib import Path
from queue import SimpleQueue

from cosmic_ray.work_item import WorkItem, WorkResult

from .choosing import Measured
from .copies import PACKAGE, ROOT, Copy

# The tests that must notice changes. For each change, only those that run its line are used.
TESTS = ("core", "test_install.py", "test_plugins.py", "test_on_exit.py")


class Workers:
    """The copies, created on demand, and the measurements from the first of them."""

    def __init__(self, work: Path, processes: int, seconds: float, mark: str, stack: ExitStack) -> None:
        self._work = work
        self._processes = processes
        self._seconds = seconds
        self._mark = mark
        self._stack = stack
        self._free: SimpleQueue[Copy] = SimpleQueue()
        self._measured: Measured | None = None

    def test(self, items: list[WorkItem]) -> Iterator[tuple[WorkItem, WorkResult]]:
        """Test changes, each process in its own copy."""
        if not items:
            return
        measured = self._measured or self._start()
        with ThreadPoolExecutor(self._processes) as pool:
            try:
                for future in as_completed([pool.submit(self._test, item, measured) for item in items]):
                    yield future.result()
            finally:
                pool.shutdown(cancel_futures=True)  # if the run is interrupted, it ends after the running tests

    def _test(self, item: WorkItem, measured: Measured) -> tuple[WorkItem, WorkResult]:
        copy = self._free.get()
        try:
            return item, copy.test(item.mutations[0], measured, self._seconds)
        finally:
            self._free.put(copy)

    def _start(self) -> Measured:
        copies = [
            self._stack.enter_context(closing(Copy(self._work / f"copy{number}", TESTS)))
            for number in range(self._processes)
        ]
        written = self._work / f"measured-{self._mark[:16]}.json"
        if not written.exists():
            print("measuring which tests run which lines", file=sys.stderr, flush=True)
            copies[0].measure(written)
        self._measured = Measured(written, ROOT / PACKAGE)
        if self._measured.failing:
            raise SystemExit("these fail while nothing is changed:\n" + "\n".join(self._measured.failing))
        for copy in copies:
            self._free.put(copy)
        return self._measured
