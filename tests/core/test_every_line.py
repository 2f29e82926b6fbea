"""After an interrupt before any line of a cancel, what it says is true, judged by the sandbox."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from support.twins import Twin, VirtualClock

import okx_rfq_plugin
from okx_rfq_plugin.sandbox import Sandbox

PACKAGE = Path(okx_rfq_plugin.__file__).parent
CORE = frozenset(map(str, (PACKAGE / "_core").glob("*.py")))
FACE = frozenset(str(PACKAGE / name) for name in ("methods.py", "okx.py", "plugins.py"))
CANCEL = "/api/v5/rfq/cancel-all-rfqs"

# An interrupt may leave a session open or a coroutine unawaited, and one that hits ccxt's own `__del__` is lost
# there.
pytestmark = [
    pytest.mark.filterwarnings(
        *("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
        "ignore:coroutine .* never awaited",
    ),
    pytest.mark.usefixtures("freed"),
    pytest.mark.skipif(
        sys.version_info[:2] == (3, 11), reason="CPython 3.11.7 once crashed here, when a trace function raised"
    ),
]


class Struck(BaseException):
    """An interrupt raised by this test."""


def struck_at(line: int, files: frozenset[str], call: Callable[[], Any]) -> tuple[BaseException | None, str]:
    """Call something, and raise before the nth line of some files; return the result, and the place."""
    count, place = 0, ""

    def trace_lines(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count, place
        if event == "line":
            count += 1
            if count == line:
                sys.settrace(None)
                place = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
                raise Struck
        return trace_lines

    before = sys.gettrace()
    sys.settrace(lambda frame, event, argument: trace_lines if frame.f_code.co_filename in files else None)
    try:
        call()
    except BaseException as error:
        return error, place
    finally:
        sys.settrace(before)
    return None, place


def untruths(twin: Twin, sandbox: Sandbox, files: frozenset[str], first: int, step: int) -> tuple[int, list[str]]:
    """Interrupt a cancel before every nth line; return how many lines, and what was untrue."""
    clock = VirtualClock()
    lines, found = 0, []
    for line in range(first, 100_000, step):
        credentials = sandbox.create_user()
        exchange = okx_rfq_plugin.install(sandbox.exchange(twin.module.okx, credentials=credentials))
        exchange._okx_rfq_clock = clock
        sandbox.create_rfq(credentials=credentials)
        arrived_before = sum(request.path == CANCEL for request in sandbox.requests)

        async def on_a_loop(exchange: Any = exchange) -> Any:
            try:
                return await exchange.cancel_all_rfqs()
            finally:
                tracing = sys.gettrace()
                sys.settrace(None)
                exchange.timeout_on_exit = 0
                await exchange.close()
                sys.settrace(tracing)

        call = exchange.cancel_all_rfqs if twin.synchronous else lambda: asyncio.run(on_a_loop())
        error, place = struck_at(line, files, call)
        if not place:  # it runs fewer lines
            break
        lines += 1
        arrived = sum(request.path == CANCEL for request in sandbox.requests) > arrived_before
        facts = getattr(error, "cancel_failure", None)
        if error is not None and (arrived if facts is None else facts.may_be_canceled is not arrived):
            found.append(f"{place}: {'it arrived' if arrived else 'nothing arrived'}, and it says {facts}")
        words = " ".join(getattr(error, "__notes__", ()))
        if facts is not None and ("MAY STILL BE ACTIVE" in words) is not arrived:
            found.append(f"{place}: {'it arrived' if arrived else 'nothing arrived'}, and the words are: {words}")
    return lines, found


def test_interrupt_in_the_face_of_the_package_is_told_truly(twin: Twin, sandbox: Sandbox) -> None:
    """From the method to the core, and back."""
    lines, found = untruths(twin, sandbox, FACE, 1, 1)

    assert [] == found
    assert lines > 25


@pytest.mark.parametrize("first", [1, *(pytest.param(first, marks=pytest.mark.exhaustive) for first in range(2, 18))])
def test_interrupt_in_the_core_is_told_truly(first: int, twin: Twin, sandbox: Sandbox) -> None:
    """Before every seventeenth line; the exhaustive cases cover every line."""
    lines, found = untruths(twin, sandbox, CORE, first, 17)

    assert [] == found
    assert lines > 25
