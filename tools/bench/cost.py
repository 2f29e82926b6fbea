"""The package's overhead when nothing waits: per call, at import, and at pytest startup."""

from __future__ import annotations

import asyncio
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from importlib.metadata import entry_points

from tools.shared.sandbox_process import SandboxProcess

from .contenders import async_contenders, outcome_of, outcome_of_async, rotated, sync_contenders
from .records import BARE_PYTEST, CCXT, CCXT_TUNED, OURS, PYTHON_OKX, Cell, Row

Samples = dict[str, list[float]]

_IMPORT = """
import time
began = time.perf_counter()
import ccxt
between = time.perf_counter()
from okx_rfq_plugin import RetryPolicy, install
ended = time.perf_counter()
install(ccxt.okx)
print(between - began, ended - between, time.perf_counter() - ended)
"""


_FIRST = """
import json, sys, time
import ccxt
from okx_rfq_plugin import install
url, user, installed = json.loads(sys.argv[1])
exchange = ccxt.okx(user)
exchange.set_sandbox_mode(True)
exchange.urls["api"]["rest"] = url
if installed:
    install(exchange)
cancel = exchange.cancel_all_rfqs if installed else exchange.private_post_rfq_cancel_all_rfqs
began = time.perf_counter()
cancel()
print(time.perf_counter() - began)
"""


def rows(sandbox: SandboxProcess, calls: int, starts: int) -> Iterator[Row]:
    """Measure every row of this file."""
    how = "uncontended call and reply, warm connection"
    yield _overhead("overhead-sync", f"{how}, sync", _sync(sandbox, calls))
    yield _overhead("overhead-async", f"{how}, async", asyncio.run(_async(sandbox, calls)))
    yield _first(sandbox, starts // 2)
    yield _import(starts)
    yield _pytest(starts)


def _sync(sandbox: SandboxProcess, calls: int) -> Samples:
    contenders = {name: each for name, each in sync_contenders(sandbox.url).items() if name != CCXT}
    samples: Samples = defaultdict(list)
    for order in _turns(sandbox, list(contenders), calls):
        for name, user in order:
            contenders[name].become(user)
            began = time.perf_counter()
            outcome_of(contenders[name].cancel)
            samples[name].append(time.perf_counter() - began)
    for contender in contenders.values():
        contender.close()
    return samples


async def _async(sandbox: SandboxProcess, calls: int) -> Samples:
    contenders = {name: each for name, each in async_contenders(sandbox.url).items() if name != CCXT}
    samples: Samples = defaultdict(list)
    for order in _turns(sandbox, list(contenders), calls):
        for name, user in order:
            contenders[name].become(user)
            began = time.perf_counter()
            await outcome_of_async(contenders[name].cancel())
            samples[name].append(time.perf_counter() - began)
    for contender in contenders.values():
        await contender.close()
    return samples


def _turns(sandbox: SandboxProcess, names: list[str], calls: int) -> Iterator[list[tuple[str, dict[str, str]]]]:
    """Yield rounds, in each of which every contender has one call, in rotating order, with a fresh key."""
    sandbox.clear()
    users = iter(sandbox.users(calls * len(names)))
    for turn in range(calls):
        yield [(name, next(users)) for name in rotated(names, turn)]


def _overhead(key: str, title: str, samples: Samples) -> Row:
    # The first calls open connections and warm caches.
    cells = {name: Cell(samples=tuple(each[5:])) for name, each in samples.items()}
    extra = [ours - raw for ours, raw in zip(cells[OURS].samples, cells[CCXT_TUNED].samples, strict=True)]
    raw = statistics.median(cells[CCXT_TUNED].samples)
    added = statistics.median(cells[OURS].samples) - raw
    facts = {"added_s": added, "added_part": added / raw, "added_paired_s": statistics.median(extra)}
    note = f"{added * 1e6:+.0f} µs, {added / raw:+.1%}"
    cells[OURS] = Cell(samples=cells[OURS].samples, note=note, facts=facts)
    cells.setdefault(PYTHON_OKX, Cell(note="sync only"))
    return Row(key=key, title=title, unit="us", cells=cells)


def _first(sandbox: SandboxProcess, starts: int) -> Row:
    sandbox.clear()
    samples: Samples = defaultdict(list)
    for _ in range(starts):
        for name, user in zip((CCXT, OURS), sandbox.users(2), strict=True):
            asked = json.dumps([sandbox.url, user, name == OURS])
            samples[name].append(float(_python("-c", _FIRST, asked)))
    cells = {name: Cell(samples=tuple(each)) for name, each in samples.items()}
    return Row(key="first", title="first cancel of a process and its reply, sync", unit="ms", cells=cells)


def _import(starts: int) -> Row:
    measured = [[float(each) for each in _python("-c", _IMPORT).split()] for _ in range(starts)]
    raw, ours, scan = zip(*measured, strict=True)
    scanned = statistics.median(scan)
    note = f"then {scanned * 1e3:.1f} ms for the first install, which scans for plugins"
    cells = {
        CCXT: Cell(samples=raw, note="import ccxt itself"),
        OURS: Cell(samples=ours, note=note, facts={"first_install_s": scanned}),
    }
    return Row(key="import", title="import, on top of ccxt", unit="ms", cells=cells)


def _pytest(starts: int) -> Row:
    title = "start of pytest, CPU time on top of pytest without the plugin"
    if not entry_points(group="pytest11", name="okx_rfq"):
        return Row(key="pytest", title=title, unit="ms", cells={})
    bare, added = [], []
    for _ in range(starts):
        without = _cpu_of_pytest("-p", "no:okx_rfq")
        added.append(_cpu_of_pytest() - without)
        bare.append(without)
    note = f"pytest itself {statistics.median(bare) * 1e3:,.0f} ms"
    cells = {OURS: Cell(samples=tuple(added), note=note), BARE_PYTEST: Cell(samples=tuple(bare))}
    return Row(key="pytest", title=title, unit="ms", cells=cells)


def _cpu_of_pytest(*options: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as empty:
        _python("-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *options, cwd=empty)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _python(*arguments: str, cwd: str | None = None) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=cwd, timeout=60)
    return done.stdout
