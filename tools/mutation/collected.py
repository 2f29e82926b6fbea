"""A process that collects the tests once, and runs some of them in a fork for each change.

`python -m tools.mutation.collected PYTEST_ARGUMENTS` reads one request per line and writes one answer per line, both
JSON. A request without a change measures which tests run which lines, and how long each takes.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import NoReturn, TextIO

import coverage
import pytest

from .swapping import CannotSwap, swap

SLOW = 8.0  # seconds that a test may take beyond ten times its time on unchanged code
CANNOT, PASSED, FAILED = "cannot swap", "passed", "failed"


class Server:
    """Replaces pytest's loop over the tests."""

    def __init__(self, asks: TextIO, answers: TextIO) -> None:
        self._asks = asks
        self._answers = answers
        self._failed = ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Answer each request."""
        items = {item.nodeid: item for item in session.items}
        gc.freeze()  # excludes existing objects from the children's garbage collections
        for line in self._asks:
            asked = json.loads(line)
            answer = self._change(items, **asked) if "tests" in asked else self._measure(items, **asked)
            self._answers.write(json.dumps(answer) + "\n")
            self._answers.flush()
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record the first failure."""
        if report.failed and not self._failed:
            self._failed = f"{report.nodeid} ({report.when})\n{report.longreprtext}"

    def _change(
        self, items: dict[str, pytest.Item], path: str, after: str, tests: dict[str, float], most: float
    ) -> dict[str, str]:
        """Run tests with a file changed, until one fails or hangs, or they have taken `most` seconds.

        Args:
            items: all tests, by id.
            path: the file.
            after: its changed content.
            tests: the ids of the tests, and the seconds each takes on unchanged code.
            most: seconds.
        """
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            self._become(writer, [items[test] for test in tests], path, after)
        os.close(writer)
        try:
            return self._follow(reader, tests, time.monotonic() + most)
        finally:
            os.close(reader)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child, signal.SIGKILL)  # the child, and what its tests have left running
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

    def _follow(self, reader: int, tests: dict[str, float], until: float) -> dict[str, str]:
        heard, test, patience = b"", "", 60.0
        while True:
            ready, _, _ = select.select([reader], [], [], patience)
            read = os.read(reader, 65536) if ready else b""
            if not read:  # the child hangs, or died without an answer
                return {"result": FAILED, "test": test, "output": "it hung" if not ready else "it died"}
            *lines, heard = (heard + read).split(b"\n")
            for line in lines:
                said: dict[str, str] = json.loads(line)
                if "result" in said:
                    return said
                test = said["test"]
            patience = SLOW + 10 * tests.get(test, 0.0)
            if time.monotonic() > until:
                return {"result": PASSED, "test": "", "output": "after the time that it is given"}

    def _become(self, writer: int, items: list[pytest.Item], path: str, after: str) -> NoReturn:
        def say(**words: str) -> None:
            os.write(writer, json.dumps(words).encode() + b"\n")

        os.setsid()
        try:
            gc.unfreeze()  # frozen objects cannot be found
            swap(Path(path).read_text(encoding="utf-8"), after)
            gc.freeze()
            for item, following in zip(items, [*items[1:], None], strict=True):
                say(test=item.nodeid)
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if self._failed:
                    say(result=FAILED, test=item.nodeid, output=self._failed[-3000:])
                    break
            else:
                say(result=PASSED, test="", output="")
        except CannotSwap as error:
            say(result=CANNOT, test="", output=str(error))
        except BaseException:
            say(result=FAILED, test="", output=traceback.format_exc()[-3000:])
        finally:
            os._exit(0)

    def _measure(self, items: dict[str, pytest.Item], into: str, package: str) -> dict[str, str]:
        """Run every test, and record its seconds and the lines of the package that it runs."""
        child = os.fork()
        if child == 0:
            try:
                self._write_down(list(items.values()), Path(into), package)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        return {}

    def _write_down(self, items: list[pytest.Item], into: Path, package: str) -> None:
        measured = coverage.Coverage(data_file=None, config_file=False, include=[f"{package}/*"])
        measured.set_option("run:disable_warnings", ["trace-changed", "dynamic-conflict"])
        measured.start()
        seconds, failing = {}, []
        for item, following in zip(items, [*items[1:], None], strict=True):
            measured.switch_context(item.nodeid)
            began = time.monotonic()
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            seconds[item.nodeid] = time.monotonic() - began
            if self._failed:
                failing.append(self._failed)
                self._failed = ""
        measured.stop()
        data = measured.get_data()
        numbers = {test: number for number, test in enumerate(seconds)}
        lines = {
            str(Path(file).relative_to(package)): {
                line: sorted(numbers[test] for test in tests if test in numbers)
                for line, tests in data.contexts_by_lineno(file).items()
            }
            for file in data.measured_files()
        }
        into.write_text(json.dumps({"seconds": seconds, "lines": lines, "failing": failing}), encoding="utf-8")


def main() -> None:
    """Collect the tests, and answer requests."""
    asks, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    silent = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(silent, number)
    raise SystemExit(pytest.main(sys.argv[1:], [Server(asks, answers)]))


if __name__ == "__main__":
    main()
