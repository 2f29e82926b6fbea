"""A cancel over a bad network: far away, with forgotten connections, and with a slow OKX."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tools.shared.proxy import Network, Proxy
from tools.shared.sandbox_process import SandboxProcess

from .contenders import async_contender, outcome_of, outcome_of_async, rotated, served, sync_contender
from .records import CCXT, CCXT_TUNED, OURS, PYTHON_OKX, Cell, Row, Wanted

ONE_WAY = 0.025  # seconds: some 5,000 km of fiber
SLOW = (
    2,
    4,
)  # seconds that OKX takes to answer; python-okx and the tuned ccxt wait 3, ccxt 10, this package 3 at first
DISTANT = {  # whether the connection is warm, and the round trips for a new one
    "far-warm": ("warm connection", True, 1),
    "far-cold": ("first request", False, 1),
    "far-tls": ("warm connection, where a new one costs two round trips, as with TLS", True, 2),
}
FORGOTTEN = {"reset": "the first byte is answered with a reset", "silent": "nothing is answered"}

Ended = tuple[Any, float]  # the result or exception, and the seconds it took


def rows(sandbox: SandboxProcess, repeats: int, wanted: Wanted) -> Iterator[Row]:
    """Measure every row of this file."""
    for key, (words, warm, handshakes) in DISTANT.items():
        network = Network(one_way=ONE_WAY, handshakes=handshakes)
        title = f"25 ms away, {words}, until the reply"
        if wanted(f"{key}-sync"):
            with Proxy(sandbox.url, network) as proxy:
                samples = _far_sync(sandbox, proxy.url, warm, repeats)
            yield _far(f"{key}-sync", f"sync, {title}", samples)
        if wanted(f"{key}-async"):
            with Proxy(sandbox.url, network) as proxy:
                samples = asyncio.run(_far_async(sandbox, proxy.url, warm, repeats))
            yield _far(f"{key}-async", f"async, {title}", samples)
    for how, words in FORGOTTEN.items():
        title = f"warm connection that the network has forgotten ({words}), until canceled"
        if wanted(f"{how}-sync"):
            yield _ended(f"{how}-sync", f"sync, {title}", _in_parallel(sandbox, Network(), how))
        if wanted(f"{how}-async"):
            yield _ended(f"{how}-async", f"async, {title}", _in_parallel(sandbox, Network(), how, sync=False))
    for seconds in SLOW:
        if wanted(f"slow-{seconds}"):
            title = f"OKX takes {seconds} s to answer, always, sync, until canceled"
            yield _ended(f"slow-{seconds}", title, _in_parallel(sandbox, Network(server=seconds), ""))


def _far_sync(sandbox: SandboxProcess, url: str, warm: bool, repeats: int) -> dict[str, list[float]]:
    samples: dict[str, list[float]] = defaultdict(list)
    names = [CCXT_TUNED, PYTHON_OKX, OURS]
    kept = {name: sync_contender(name, url) for name in names}
    for turn in range(repeats):
        sandbox.clear()
        for name, user in zip(rotated(names, turn), sandbox.users(len(names)), strict=True):
            contender = kept[name] if warm else sync_contender(name, url)
            contender.become(user)
            if warm:
                outcome_of(contender.look)
            began = time.monotonic()
            outcome_of(contender.cancel)
            samples[name].append(time.monotonic() - began)
            if not warm:
                contender.close()
    for contender in kept.values():
        contender.close()
    return samples


async def _far_async(sandbox: SandboxProcess, url: str, warm: bool, repeats: int) -> dict[str, list[float]]:
    samples: dict[str, list[float]] = defaultdict(list)
    names = [CCXT_TUNED, OURS]
    kept = {name: async_contender(name, url) for name in names}
    for turn in range(repeats):
        sandbox.clear()
        for name, user in zip(rotated(names, turn), sandbox.users(len(names)), strict=True):
            contender = kept[name] if warm else async_contender(name, url)
            contender.become(user)
            if warm:
                await outcome_of_async(contender.look())
            else:
                contender.exchange.open()  # the session, which is not part of the way to OKX
            began = time.monotonic()
            await outcome_of_async(contender.cancel())
            samples[name].append(time.monotonic() - began)
            if not warm:
                await contender.close()
    for contender in kept.values():
        await contender.close()
    return samples


def _in_parallel(sandbox: SandboxProcess, network: Network, how: str, *, sync: bool = True) -> dict[str, Ended]:
    """Cancel once with each contender, all at the same time, since they wait instead of working."""
    sandbox.clear()
    names = [CCXT, CCXT_TUNED, *([PYTHON_OKX] if sync else []), OURS]
    one: Callable[..., Ended] = _sync_end if sync else lambda *args: asyncio.run(_async_end(*args))
    with ThreadPoolExecutor(len(names)) as pool:
        ends = [
            pool.submit(one, sandbox.url, name, user, network, how)
            for name, user in zip(names, sandbox.users(len(names)), strict=True)
        ]
        return {name: end.result() for name, end in zip(names, ends, strict=True)}


def _sync_end(url: str, name: str, user: dict[str, str], network: Network, how: str) -> Ended:
    with Proxy(url, network) as proxy:
        contender = sync_contender(name, proxy.url)
        contender.become(user)
        if how:
            outcome_of(contender.look)
            proxy.forget(how)
        began = time.monotonic()
        ended = outcome_of(contender.cancel), time.monotonic() - began
        contender.close()
    return ended


async def _async_end(url: str, name: str, user: dict[str, str], network: Network, how: str) -> Ended:
    with Proxy(url, network) as proxy:
        contender = async_contender(name, proxy.url)
        contender.become(user)
        if how:
            await outcome_of_async(contender.look())
            proxy.forget(how)
        began = time.monotonic()
        ended = await outcome_of_async(contender.cancel()), time.monotonic() - began
        await contender.close()
    return ended


def _far(key: str, title: str, samples: dict[str, list[float]]) -> Row:
    cells = {name: Cell(samples=tuple(each)) for name, each in samples.items()}
    cells[CCXT] = Cell(note="as tuned, when its limiter has let it out")
    cells.setdefault(PYTHON_OKX, Cell(note="sync only"))
    return Row(key=key, title=title, unit="ms", cells=cells)


def _ended(key: str, title: str, ends: dict[str, Ended]) -> Row:
    cells = {PYTHON_OKX: Cell(note="sync only")}
    for name, (outcome, seconds) in ends.items():
        if served(outcome):
            cells[name] = Cell(samples=(seconds,))
        else:
            cells[name] = Cell(note=f"not known to be canceled: {type(outcome).__name__} after {seconds:.1f} s")
    return Row(key=key, title=title, unit="s", cells=cells)
