"""Time from the call of a cancel until the request arrives at the sandbox."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator

import ccxt.async_support

from tools.shared.sandbox_process import SandboxProcess

from .contenders import Ccxt, async_contender, async_contenders, outcome_of, outcome_of_async, rotated, sync_contenders
from .records import CCXT, CCXT_TUNED, OURS, PYTHON_OKX, Cell, Row, Wanted

IDLE = 1.3  # seconds after which ccxt's sync limiter lets a cancel through immediately: it requires 1.1
OFTEN = 3  # contenders that do not wait are measured this many times as often
POOL = 100  # connections that aiohttp opens to one host
HANGING = 60.0  # seconds, longer than any caller waits

Samples = dict[str, list[float]]


def rows(sandbox: SandboxProcess, repeats: int, wanted: Wanted) -> Iterator[Row]:
    """Measure every row of this file, from calm to busy."""
    for key, title, pause in (("idle", "idle exchange", IDLE), ("after", "right after a look at the RFQs", 0.0)):
        if wanted(f"{key}-sync"):
            yield _row(f"{key}-sync", f"call to wire, sync, {title}", _sync(sandbox, repeats, pause))
        if wanted(f"{key}-async"):
            yield _row(f"{key}-async", f"call to wire, async, {title}", asyncio.run(_async(sandbox, repeats, pause)))
    if wanted("behind-50"):
        samples = asyncio.run(_behind_queue(sandbox, repeats))
        yield _row("behind-50", "call to wire, async, behind 50 queued requests", samples)
    if wanted("pool-full"):
        samples = asyncio.run(_behind_hung(sandbox))
        row = _row("pool-full", "call to wire, async, behind 100 hung connections", samples)
        row.cells[CCXT] = Cell(note="its limiter does not let so many out")
        yield row


def _sync(sandbox: SandboxProcess, repeats: int, pause: float) -> Samples:
    contenders = sync_contenders(sandbox.url)
    samples: Samples = defaultdict(list)
    for turn in range(-1, repeats if pause else repeats * OFTEN):
        names = _in_turn(list(contenders), turn, pause)
        users = _users(sandbox, names)
        if pause:
            for name in names:
                contenders[name].become(users[name])
                outcome_of(contenders[name].look)
            time.sleep(pause)
        for name in names:
            if not pause:
                contenders[name].become(users[name])
                outcome_of(contenders[name].look)
            called = time.monotonic()
            outcome_of(contenders[name].cancel)
            if turn >= 0:  # earlier turns are warm-up
                samples[name] += _delay(sandbox, users[name], called)
    for contender in contenders.values():
        contender.close()
    return samples


async def _async(sandbox: SandboxProcess, repeats: int, pause: float) -> Samples:
    contenders = async_contenders(sandbox.url)
    samples: Samples = defaultdict(list)
    for turn in range(-1, repeats if pause else repeats * OFTEN):
        names = _in_turn(list(contenders), turn, pause)
        users = _users(sandbox, names)
        if pause:
            for name in names:
                contenders[name].become(users[name])
            await asyncio.gather(*[outcome_of_async(contenders[name].look()) for name in names])
            await asyncio.sleep(pause)
        for name in names:
            if not pause:
                contenders[name].become(users[name])
                await outcome_of_async(contenders[name].look())
            called = time.monotonic()
            await outcome_of_async(contenders[name].cancel())
            if turn >= 0:
                samples[name] += _delay(sandbox, users[name], called)
    for contender in contenders.values():
        await contender.close()
    return samples


async def _behind_queue(sandbox: SandboxProcess, repeats: int) -> Samples:
    samples: Samples = defaultdict(list)
    for name in (CCXT, CCXT_TUNED, OURS):
        for _ in range(1 if name == CCXT else repeats * OFTEN):  # eleven seconds each
            contender = async_contender(name, sandbox.url)
            await outcome_of_async(contender.ask_time())
            samples[name] += await _behind(sandbox, contender, 50)
    return samples


async def _behind_hung(sandbox: SandboxProcess) -> Samples:
    samples: Samples = defaultdict(list)
    for name, repeats in ((CCXT_TUNED, 1), (OURS, 3)):  # ten seconds for each of ccxt's
        for _ in range(repeats):
            contender = Ccxt(ccxt.async_support, sandbox.url, installed=name == OURS, limiter=False)
            samples[name] += await _behind(sandbox, contender, POOL, hanging=HANGING)
    return samples


async def _behind(sandbox: SandboxProcess, contender: Ccxt, count: int, hanging: float = 0.0) -> list[float]:
    sandbox.clear()
    (user,) = sandbox.users(1)
    contender.become(user)
    if hanging:
        sandbox.fault("public/time", count, delay=hanging)
    waiting = [asyncio.ensure_future(outcome_of_async(contender.ask_time())) for _ in range(count)]
    await asyncio.sleep(0)
    patience = time.monotonic() + 5
    while hanging and len(sandbox.arrivals(path="/api/v5/public/time")) < count and time.monotonic() < patience:
        await asyncio.sleep(0.05)
    called = time.monotonic()
    await outcome_of_async(contender.cancel())
    delay = _delay(sandbox, user, called)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await contender.close()
    return delay


def _in_turn(names: list[str], turn: int, pause: float) -> list[str]:
    # A contender that waits a second each time sits out most of the rounds that have no common pause.
    return rotated([name for name in names if pause or turn % OFTEN == 0 or name != CCXT], turn)


def _users(sandbox: SandboxProcess, names: list[str]) -> dict[str, dict[str, str]]:
    sandbox.clear()
    return dict(zip(names, sandbox.users(len(names)), strict=True))


def _delay(sandbox: SandboxProcess, user: dict[str, str], called: float) -> list[float]:
    return [arrived - called for arrived in sandbox.arrivals(user)[:1]]


def _row(key: str, title: str, samples: Samples) -> Row:
    cells = {name: Cell(samples=tuple(each)) for name, each in samples.items()}
    cells.setdefault(PYTHON_OKX, Cell(note="sync only"))
    return Row(key=key, title=title, unit="ms", cells=cells)
