"""Many processes that cancel at the same time, on one User ID or each on its own."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from tools.shared.sandbox_process import SandboxProcess

from .contenders import outcome_of, served, sync_contender
from .records import CCXT_TUNED, OURS, PYTHON_OKX, Cell, Row, Wanted
from .targets import WINDOW

FEW, MANY = 5, 100
PATIENCE = 120.0  # seconds

Users = list[dict[str, str]]


class Ends(NamedTuple):
    """The result: how many were served, after how many seconds each; requests and rejections of all."""

    served: list[float]
    requests: int
    rejections: int

    @property
    def words(self) -> str:
        """The requests and rejections."""
        return f"{self.requests} requests, {self.rejections} rejected"


def rows(sandbox: SandboxProcess, counting: SandboxProcess, wanted: Wanted) -> Iterator[Row]:
    """Measure every row of this file. `counting` is a sandbox where rejections count against the window."""
    peers = (CCXT_TUNED, PYTHON_OKX, OURS)
    if wanted("processes-free"):
        yield _few("processes-free", "rejections do not count", sandbox, peers)
    if wanted("processes-counted"):
        yield _few("processes-counted", "rejections count", counting, peers)
    if wanted("processes-100"):
        yield _many(sandbox, peers)
    if wanted("processes-100-one"):
        yield _many_on_one(sandbox, peers)


def _few(key: str, reading: str, sandbox: SandboxProcess, peers: tuple[str, ...]) -> Row:
    earliest = (FEW - 1) // 2 * WINDOW
    cells = {}
    for name in peers:
        ends = _run(sandbox, name, sandbox.users(1) * FEW)
        cells[name] = Cell(note=f"only {len(ends.served)} of {FEW} served; {ends.words}")
        if len(ends.served) == FEW:
            facts = {"earliest_s": earliest, "over_earliest": max(ends.served) / earliest}
            note = f"{ends.words}; at least {earliest:g} s"
            cells[name] = Cell(samples=(max(ends.served),), note=note, facts=facts)
    title = f"{FEW} processes on one User ID, {reading}, until the last is served"
    return Row(key=key, title=title, unit="s", cells=cells)


def _many(sandbox: SandboxProcess, peers: tuple[str, ...]) -> Row:
    cells = {}
    for name in peers:
        ends = _run(sandbox, name, sandbox.users(MANY))
        cells[name] = Cell(note=f"only {len(ends.served)} of {MANY} served; {ends.words}")
        if len(ends.served) == MANY:
            cells[name] = Cell(samples=(max(ends.served),), note=ends.words)
    title = f"{MANY} processes, each on its own User ID, until the last is served"
    return Row(key="processes-100", title=title, unit="ms", cells=cells)


def _many_on_one(sandbox: SandboxProcess, peers: tuple[str, ...]) -> Row:
    cells = {}
    for name in peers:
        ends = _run(sandbox, name, sandbox.users(1) * MANY)
        note = f"{len(ends.served)} of {MANY} are told in the end; {ends.words}"
        cells[name] = Cell(samples=tuple(sorted(ends.served)[:1]), note=note)
    title = f"{MANY} processes on one User ID, until its RFQs are canceled"
    return Row(key="processes-100-one", title=title, unit="ms", cells=cells)


def _run(sandbox: SandboxProcess, name: str, users: Users) -> Ends:
    """Start a process for each user, let all of them cancel at the same time, and wait for them."""
    sandbox.clear()
    sandbox.call("create_rfq", credentials=users[0])
    context = _context()
    barrier = context.Barrier(len(users) + 1)
    ended: Any = context.SimpleQueue()
    processes = [context.Process(target=_cancel, args=(sandbox.url, name, user, barrier, ended)) for user in users]
    for process in processes:
        process.start()
    barrier.wait(PATIENCE)
    results = [ended.get() for _ in processes]
    for process in processes:
        process.join()
    happy = [seconds for ok, seconds in results if ok]
    return Ends(happy, len(sandbox.arrivals(*users)), sandbox.rejections())


def _context() -> Any:
    """Return a multiprocessing context whose processes have already imported ccxt, if the system has one."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", __name__])
    return context


def _cancel(url: str, name: str, user: dict[str, str], barrier: Any, ended: Any) -> None:
    contender = sync_contender(name, url)
    contender.become(user)
    barrier.wait(PATIENCE)
    began = time.monotonic()
    outcome = outcome_of(contender.cancel)
    ended.put((served(outcome), time.monotonic() - began))
