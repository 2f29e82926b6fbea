"""Soaks the plugin: threads and tasks create and cancel while faults occur."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import ccxt
import ccxt.async_support

from tools.shared.exchanges import make_exchange
from tools.shared.sandbox_process import SandboxProcess

from .faults import LONGEST
from .trader import Account, Trader
from .truth import Truth

ROUND = 30.0  # seconds until everything restarts with new users and new exchange objects
SETTLED = LONGEST + 1  # seconds until nothing sent earlier can still be on its way
TOGETHER = 4  # threads, or tasks, that share an exchange object; and both share a User ID


class Size(NamedTuple):
    """The number of threads and tasks with their own users, and of crowds that share one."""

    threads: int = 6
    tasks: int = 16
    crowds: int = 2


def run(seconds: float, size: Size, seed: int) -> Truth:
    """Soak for a little more than the given number of seconds, starting when all servers are up."""
    # A fault hits the next caller, so crowds have a separate sandbox, where they meet their own faults.
    with SandboxProcess() as sandbox, SandboxProcess() as crowded:
        truth = Truth(sandbox)
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            _round(truth, truth.at(crowded), min(left, ROUND), size, seed)
            sandbox.clear()
            crowded.clear()
            seed += 1
        return truth


def _round(truth: Truth, in_crowds: Truth, seconds: float, size: Size, seed: int) -> None:
    sync, tasks = [*_groups("thread", size.threads, truth, seed)], [*_groups("task", size.tasks, truth, seed)]
    for crowd in range(size.crowds):
        account = Account(in_crowds.sandbox.call("create_user"))
        for kind, groups in (("thread", sync), ("task", tasks)):
            groups.append([Trader(f"crowd {crowd} {kind} {n}", in_crowds, seed, account) for n in range(TOGETHER)])
    exchanges = [_exchange(ccxt, group) for group in sync]
    with ThreadPoolExecutor(len(sync) * TOGETHER + 1) as pool:
        ends = [pool.submit(asyncio.run, _tasks(tasks, seconds))]
        until = time.monotonic() + seconds
        for exchange, group in zip(exchanges, sync, strict=True):
            ends += [pool.submit(_thread, trader, exchange, until) for trader in group]
    for exchange in exchanges:
        exchange.close()
    time.sleep(SETTLED)
    for end in ends:
        end.result()
    for group in [*sync, *tasks]:
        for trader in group:
            trader.end()


def _groups(kind: str, count: int, truth: Truth, seed: int) -> Iterator[list[Trader]]:
    for n in range(count):
        yield [Trader(f"{kind} {n}", truth, seed)]


def _exchange(module: Any, group: list[Trader]) -> Any:
    # A lone caller makes more calls with ccxt's own waits switched off. In a crowd, its queue must be full.
    trader = group[0]
    return make_exchange(module, trader.truth.sandbox.url, installed=True, limiter=not trader.alone, **trader.policy())


def _calls(until: float) -> Iterator[None]:
    """Yield until the time is up, and at least once, however slow the machine is."""
    yield
    while time.monotonic() < until:
        yield


def _thread(trader: Trader, exchange: Any, until: float) -> None:
    for _ in _calls(until):
        trader.begin(exchange)
        if (params := trader.asks()) is not None:
            with trader.creating(params) as created:
                created(exchange.private_post_rfq_create_rfq(params))
        with trader.canceling() as judged:
            judged(exchange.cancel_all_rfqs())


async def _task(trader: Trader, exchange: Any, until: float) -> None:
    for _ in _calls(until):
        trader.begin(exchange)
        if (params := trader.asks()) is not None:
            with trader.creating(params) as created:
                created(await exchange.private_post_rfq_create_rfq(params))
        with trader.canceling(asyncio.CancelledError) as judged:
            judged(await _perhaps_stopped(exchange, trader.stops()))


async def _tasks(groups: list[list[Trader]], seconds: float) -> None:
    exchanges = [_exchange(ccxt.async_support, group) for group in groups]
    until = time.monotonic() + seconds
    pairs = zip(exchanges, groups, strict=True)
    await asyncio.gather(*(_task(trader, exchange, until) for exchange, group in pairs for trader in group))
    for exchange in exchanges:
        exchange.timeout_on_exit = 0  # otherwise ccxt waits a quarter of a second
        await exchange.close()


async def _perhaps_stopped(exchange: Any, after: float | None) -> Any:
    async def call() -> Any:
        try:
            return await exchange.cancel_all_rfqs()
        except asyncio.CancelledError as error:  # awaiting the canceled task may raise a different one
            return error

    task = asyncio.ensure_future(call())
    if after is not None:
        asyncio.get_running_loop().call_later(after, task.cancel)
    result = await task
    if isinstance(result, asyncio.CancelledError):
        raise result
    return result
