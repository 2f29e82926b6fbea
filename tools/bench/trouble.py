"""A cancel in trouble: a hung connection, rejections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

from tools.shared.sandbox_process import SandboxProcess

from .contenders import async_contenders, outcome_of, outcome_of_async, served, sync_contenders
from .records import OURS, PYTHON_OKX, Cell, Row, Wanted
from .targets import ATTEMPT_TIMEOUT, WINDOW
from .wire import HANGING

REJECTIONS = (1, 2, 3)
Ended = tuple[Any, float]


def rows(sandbox: SandboxProcess, repeats: int, wanted: Wanted) -> Iterator[Row]:
    """Measure every row of this file."""
    if wanted("hung-sync"):
        yield _hung("hung-sync", "first connection hangs, sync, until canceled", _sync_calls(sandbox, repeats))
    if wanted("hung-async"):
        yield _hung("hung-async", "first connection hangs, async, until canceled", _async_calls(sandbox, repeats))
    for count in REJECTIONS:
        if wanted(f"rejections-{count}"):
            yield _rejected(sandbox, count)


def _sync_calls(sandbox: SandboxProcess, repeats: int) -> dict[str, list[Ended]]:
    contenders = sync_contenders(sandbox.url)
    ends: dict[str, list[Ended]] = {}
    for name, contender in contenders.items():
        for _ in range(repeats if name == OURS else 1):
            _hang(sandbox, contender)
            began = time.monotonic()
            ends.setdefault(name, []).append((outcome_of(contender.cancel), time.monotonic() - began))
        contender.close()
    return ends


def _async_calls(sandbox: SandboxProcess, repeats: int) -> dict[str, list[Ended]]:
    async def call(contender: Any) -> Ended:
        _hang(sandbox, contender)
        began = time.monotonic()
        return await outcome_of_async(contender.cancel()), time.monotonic() - began

    async def everybody() -> dict[str, list[Ended]]:
        contenders = async_contenders(sandbox.url)
        ends = {
            name: [await call(contender) for _ in range(repeats if name == OURS else 1)]
            for name, contender in contenders.items()
        }
        for contender in contenders.values():
            await contender.close()
        return ends

    return asyncio.run(everybody())


def _hang(sandbox: SandboxProcess, contender: Any) -> None:
    sandbox.clear()
    contender.become(sandbox.users(1)[0])
    sandbox.fault("rfq/cancel-all-rfqs", 1, delay=HANGING)


def _hung(key: str, title: str, ends: dict[str, list[Ended]]) -> Row:
    cells = {PYTHON_OKX: Cell(note="sync only")}
    for name, each in ends.items():
        if all(served(outcome) for outcome, _ in each):
            typical = sorted(seconds for _, seconds in each)
            facts = {"earliest_s": ATTEMPT_TIMEOUT, "over_earliest": typical[len(typical) // 2] / ATTEMPT_TIMEOUT}
            cells[name] = Cell(samples=tuple(typical), facts=facts)
        else:
            outcome, seconds = each[-1]
            cells[name] = Cell(note=f"not known to be canceled: {type(outcome).__name__} after {seconds:.1f} s")
    return Row(key=key, title=title, unit="s", cells=cells)


def _rejected(sandbox: SandboxProcess, count: int) -> Row:
    cells = {}
    for name, contender in sync_contenders(sandbox.url).items():
        sandbox.clear()
        contender.become(sandbox.users(1)[0])
        sandbox.fault("rfq/cancel-all-rfqs", count, code="50011")
        began = time.monotonic()
        outcome = outcome_of(contender.cancel)
        seconds = time.monotonic() - began
        contender.close()
        earliest = count * WINDOW
        cells[name] = Cell(note="not canceled, the caller is told at once")
        if served(outcome):
            facts = {"earliest_s": earliest, "over_earliest": seconds / earliest}
            note = f"{seconds / earliest:.2f} of the earliest, {earliest:g} s"
            cells[name] = Cell(samples=(seconds,), note=note, facts=facts)
    plural = "s" * (count > 1)
    title = f"{count} rejection{plural} (50011), each for a full window, until canceled"
    return Row(key=f"rejections-{count}", title=title, unit="s", cells=cells)
