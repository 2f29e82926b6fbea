"""Many callers that cancel for one account at the same time, as tasks and as threads."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tools.shared.sandbox_process import SandboxProcess

from .contenders import async_contender, outcome_of, outcome_of_async, served, sync_contender
from .records import CCXT, CCXT_TUNED, OURS, PYTHON_OKX, Cell, Row, Wanted

SIZES = (1, 10, 100, 1000)
LARGEST_QUEUE = 10  # callers measured with raw ccxt's async queue, at 1.1 s each; larger crowds are extrapolated
SHORT_QUEUE = 4  # the same, for a short run
PATIENCE = 10.0  # seconds, the deadline of this package's callers here, so that a run ends


class Crowd(NamedTuple):
    """One crowd's result: callers, those served, requests, rejections; seconds until the last, CPU seconds of all."""

    callers: int
    served: int
    requests: int
    rejections: int
    last: float
    cpu: float


def rows(sandbox: SandboxProcess, repeats: int, exact: bool, wanted: Wanted) -> Iterator[Row]:
    """Measure every crowd, two rows each: time until the last is served, and CPU time per caller."""
    for kind, run, names in (
        ("tasks", _run_tasks, (CCXT, CCXT_TUNED, OURS)),
        ("threads", _run_threads, (CCXT, CCXT_TUNED, PYTHON_OKX, OURS)),
    ):
        measured: dict[str, Crowd] = {}
        for size in [size for size in SIZES if wanted(f"crowd-{kind}-{size}")]:
            times: dict[str, Cell] = {}
            costs: dict[str, Cell] = {}
            for name in names:
                if (kind, name) == ("tasks", CCXT) and size > LARGEST_QUEUE and not exact:
                    if name not in measured:
                        measured[name] = run(sandbox, name, LARGEST_QUEUE if repeats > 1 else SHORT_QUEUE)
                    times[name] = _extrapolated(measured[name], size)
                    continue
                crowds = [run(sandbox, name, size) for _ in range(repeats if name == OURS else 1)]
                measured[name] = crowds[-1]
                times[name], costs[name] = _time(crowds), _cost(crowds)
            if kind == "tasks":
                times[PYTHON_OKX] = costs[PYTHON_OKX] = Cell(note="sync only")
            title = f"{size:,} {kind[: None if size > 1 else -1]} at once"
            unit = "s" if size > 1 else "ms"
            yield Row(key=f"crowd-{kind}-{size}", title=f"{title}, until the last is served", unit=unit, cells=times)
            if wanted(f"cpu-{kind}-{size}"):
                yield Row(key=f"cpu-{kind}-{size}", title=f"{title}, CPU time per caller", unit="us", cells=costs)


def _run_tasks(sandbox: SandboxProcess, name: str, size: int) -> Crowd:
    async def everybody() -> Crowd:
        contender = async_contender(name, sandbox.url, deadline=PATIENCE)
        user = _fresh(sandbox, contender)
        contender.exchange.open()  # the session, which costs more than a caller
        began, worked = time.monotonic(), time.process_time()
        ends = await asyncio.gather(*[_ended_async(contender.cancel) for _ in range(size)])
        crowd = _crowd(sandbox, user, ends, began, time.process_time() - worked)
        await contender.close()
        return crowd

    return asyncio.run(everybody())


def _run_threads(sandbox: SandboxProcess, name: str, size: int) -> Crowd:
    contender = sync_contender(name, sandbox.url, deadline=PATIENCE)
    user = _fresh(sandbox, contender)
    ends: list[tuple[bool, float]] = []
    start = threading.Barrier(size + 1)

    def caller() -> None:
        start.wait()
        outcome = outcome_of(contender.cancel)
        ends.append((served(outcome), time.monotonic()))

    threads = [threading.Thread(target=caller, daemon=True) for _ in range(size)]
    for thread in threads:
        thread.start()
    began, worked = time.monotonic(), time.process_time()
    start.wait()
    for thread in threads:
        thread.join(max(0.0, began + 60 - time.monotonic()))
    crowd = _crowd(sandbox, user, ends, began, time.process_time() - worked)
    contender.close()
    return crowd


async def _ended_async(call: Callable[[], Any]) -> tuple[bool, float]:
    outcome = await outcome_of_async(call())
    return served(outcome), time.monotonic()


def _fresh(sandbox: SandboxProcess, contender: Any) -> dict[str, str]:
    sandbox.clear()
    (user,) = sandbox.users(1)
    contender.become(user)
    return user


def _crowd(
    sandbox: SandboxProcess, user: dict[str, str], ends: list[tuple[bool, float]], began: float, cpu: float
) -> Crowd:
    requests, rejections = len(sandbox.arrivals(user)), sandbox.rejections()
    happy = [end for ok, end in ends if ok]
    return Crowd(len(ends), len(happy), requests, rejections, max(end for _, end in ends) - began, cpu)


def _time(crowds: list[Crowd]) -> Cell:
    worst = max(crowds, key=lambda crowd: (crowd.requests, crowd.rejections))
    least = min(crowd.served for crowd in crowds)
    everybody = least == worst.callers
    note = f"{worst.requests:,} request{'s' * (worst.requests > 1)}, {worst.rejections:,} rejected"
    return Cell(
        samples=tuple(crowd.last for crowd in crowds) if everybody else (),
        note=note if everybody else f"only {least:,} of {worst.callers:,} served; {note}",
        facts={"requests": worst.requests, "rejections": worst.rejections, "served": least},
    )


def _cost(crowds: list[Crowd]) -> Cell:
    everybody = all(crowd.served == crowd.callers for crowd in crowds)
    note = "" if everybody else "without serving all"
    return Cell(samples=tuple(crowd.cpu / crowd.callers for crowd in crowds), note=note)


def _extrapolated(measured: Crowd, size: int) -> Cell:
    """Extrapolate from a smaller crowd in ccxt's queue, where each caller waits for the one before it."""
    each = measured.last / (measured.callers - 1)
    return Cell(samples=(each * (size - 1),), extrapolated=True, note=f"{size:,} requests, one after the other")
