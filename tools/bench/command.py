"""The command: time from a cold start until a cancel is on the wire, and many accounts at once."""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import aiohttp
import ccxt

from okx_rfq_plugin import RetryPolicy
from okx_rfq_plugin.cli import many
from okx_rfq_plugin.cli.accounts import Account
from okx_rfq_plugin.cli.destinations import Destination
from okx_rfq_plugin.credentials import KEYS
from tools.shared.sandbox_process import SandboxProcess

from .records import CCXT, OURS, Cell, Row

Users = list[dict[str, str]]


def rows(repeats: int, accounts: int) -> Iterator[Row]:
    """Measure every row of this file, each run on its own sandbox, whose books grow with its users."""
    yield _cold_start(repeats)
    yield _many(repeats, accounts)


def _cold_start(starts: int) -> Row:
    imports, sends = [], []
    with SandboxProcess() as sandbox:
        for user in sandbox.users(starts + 1):
            imports.append(_seconds(lambda: _run("-c", "import ccxt")))
            began = time.monotonic()
            _run(
                *("-m", "okx_rfq_plugin", "cancel-all", "--env", "sandbox", "--url", sandbox.url, "--json"),
                **{variable: user[name] for name, variable in KEYS.items()},
            )
            sends.append(sandbox.arrivals(user)[0] - began)
    cells = {  # the first of each read cold files
        CCXT: Cell(samples=tuple(imports[1:]), note='python -c "import ccxt"'),
        OURS: Cell(samples=tuple(sends[1:]), note="until the request has arrived"),
    }
    return Row(key="command-start", title="okx-rfq cancel-all, cold start", unit="ms", cells=cells)


def _many(repeats: int, count: int) -> Row:
    bare, ours, setups = [], [], []
    for _ in range(repeats):
        with SandboxProcess() as sandbox:
            bare.append(asyncio.run(_bare(sandbox.url, sandbox.users(count))))
        with SandboxProcess() as sandbox:
            wall, setup = _ours(sandbox, sandbox.users(count))
            ours.append(wall)
            setups.append(setup)
    seconds, size = asyncio.run(_objects(count))
    facts = {"setup_s": statistics.median(setups), "object_s": seconds, "object_bytes": size}
    before = f"{facts['setup_s'] * 1e3:.0f} ms before the first"
    note = f"{before}; the object of an account: {seconds * 1e6:.0f} µs, {size / 1024:.1f} KB"
    cells = {
        CCXT: Cell(samples=tuple(bare), note="a bare aiohttp client, signed beforehand"),
        OURS: Cell(samples=tuple(ours), note=note, facts=facts),
    }
    return Row(
        key=f"accounts-{count}", title=f"{count:,} accounts, first request to last reply", unit="ms", cells=cells
    )


async def _objects(count: int) -> tuple[float, float]:
    """Return the cost of one more account's exchange object, in seconds and in bytes."""
    account = Account("one", Destination("sandbox", url="http://127.0.0.1:9"), dict.fromkeys(KEYS, "dummy"))
    prototype = many._prototype(account.destination, RetryPolicy())
    began = time.perf_counter()
    made = [many._exchange(prototype, account) for _ in range(count)]
    seconds = (time.perf_counter() - began) / count
    tracemalloc.start()
    made = [many._exchange(prototype, account) for _ in range(count)]
    size = tracemalloc.get_traced_memory()[0] / len(made)
    tracemalloc.stop()
    return seconds, size


async def _bare(url: str, users: Users) -> float:
    """Send what the command sends, signed in advance, with aiohttp's defaults; return the seconds."""
    signer = ccxt.okx()
    signed = []
    for user in users:
        for name, value in user.items():
            setattr(signer, name, value)
        headers = signer.sign("rfq/cancel-all-rfqs", ["private"], "POST")["headers"]
        signed.append({**headers, "x-simulated-trading": "1"})
    async with aiohttp.ClientSession() as session:

        async def send(headers: dict[str, str]) -> None:
            async with session.post(f"{url}/api/v5/rfq/cancel-all-rfqs", headers=headers) as response:
                if (await response.json())["code"] != "0":
                    raise RuntimeError("the sandbox has not canceled")

        gc.collect()
        began = time.monotonic()
        await asyncio.gather(*map(send, signed))
        return time.monotonic() - began


def _ours(sandbox: SandboxProcess, users: Users) -> tuple[float, float]:
    """Return the seconds from the first arrival to the last reply, and those before it."""
    destination = Destination("sandbox", url=sandbox.url)
    accounts = [Account(str(number), destination, user) for number, user in enumerate(users)]
    replied: list[float] = []

    def told(account: Account, facts: dict[str, Any]) -> None:
        if facts["status"] != "canceled":
            raise RuntimeError(str(facts))
        replied.append(time.monotonic())

    gc.collect()
    began = time.monotonic()
    many.cancel_accounts(accounts, deadline=30.0, told=told)
    if len(replied) < len(users):
        raise RuntimeError("not every account was canceled")
    first = min(sandbox.arrivals(*users))
    return max(replied) - first, first - began


def _seconds(call: Any) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


def _run(*arguments: str, **variables: str) -> None:
    subprocess.run([sys.executable, *arguments], env={**os.environ, **variables}, capture_output=True, check=True)
