"""This file cancels for many accounts at once, on one event loop."""

from __future__ import annotations

import asyncio
import copy
import gc
import signal
import ssl
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from typing import Any

import aiohttp
import ccxt.async_support

from okx_rfq_plugin._core.policy import RetryPolicy
from okx_rfq_plugin.cli.accounts import Account
from okx_rfq_plugin.cli.outcomes import facts_of
from okx_rfq_plugin.cli.worlds import World
from okx_rfq_plugin.installer import install

# So many set out together, the next as soon as those are back or a moment has passed. So connections are used again,
# replies are read as they come, and nobody waits for the dead.
_BATCH = 32
_MOMENT = 0.005  # seconds

Told = Callable[[Account, dict[str, Any]], None]
Visit = Callable[[Account, Any], Awaitable[None]]


def cancel_accounts(accounts: Sequence[Account], *, deadline: float, confirm: bool = False, told: Told) -> None:
    """Cancel for all of them in parallel, and tell of each as soon as it is done; Ctrl+C ends those that are not.

    Args:
        accounts: whose RFQs; one that is slow or dead delays no other.
        deadline: of each cancel, in seconds.
        confirm: whether to go on until OKX says that none is active.
        told: gets the account, and the receipt or the facts of the failure.
    """
    begun: set[str] = set()

    async def cancel(account: Account, exchange: Any) -> None:
        begun.add(account.name)
        try:
            facts = await exchange.cancel_all_rfqs(confirm=confirm)
        except (Exception, asyncio.CancelledError) as error:
            facts = facts_of(error)
        told(account, facts)

    async def run() -> None:
        with _stoppable():
            await _for_each(accounts, RetryPolicy(deadline=deadline), cancel)

    _allow_connections(len(accounts))
    gc.freeze()  # or ccxt's hundred thousand objects are looked through again and again
    try:
        with suppress(asyncio.CancelledError):
            asyncio.run(run())
    finally:
        gc.unfreeze()
    for account in accounts:
        if account.name not in begun:
            told(account, facts_of(KeyboardInterrupt(), called=False))


def count_rfqs(accounts: Sequence[Account]) -> int:
    """Read how many RFQs they have together, without repeating a request: somebody waits for the question.

    Raises:
        Exception: that of the first who could not be asked.
    """
    counts: list[int] = []

    async def count(account: Account, exchange: Any) -> None:
        counts.append(sum(rfq["status"] == "active" for rfq in await exchange.fetch_open_rfqs()))

    asyncio.run(_for_each(accounts, RetryPolicy(deadline=0.0), count))
    return sum(counts)


async def _for_each(accounts: Sequence[Account], policy: RetryPolicy, visit: Visit) -> None:
    """Visit each account in a task of its own; who cancels this cancels them, and they have their say."""
    async with AsyncExitStack() as stack:
        prototypes = {world: _prototype(world, policy) for world in {each.world for each in accounts}}
        sessions = {
            world: await stack.enter_async_context(_session(prototype)) for world, prototype in prototypes.items()
        }
        tasks: list[asyncio.Task[None]] = []
        try:
            exchanges = [_exchange(prototypes[account.world], account) for account in accounts]
            for number, (account, exchange) in enumerate(zip(accounts, exchanges, strict=True), 1):
                tasks.append(asyncio.create_task(_visit(visit, account, exchange, sessions[account.world])))
                if number % _BATCH == 0:
                    await asyncio.wait(tasks[-_BATCH:], timeout=_MOMENT)
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _visit(visit: Visit, account: Account, exchange: Any, session: aiohttp.ClientSession) -> None:
    exchange.session = session
    try:
        await visit(account, exchange)
    finally:
        exchange.session = None  # it is everybody's, and ccxt would complain that nobody has closed it


def _prototype(world: World, policy: RetryPolicy) -> Any:
    """Make the one object of a world that is built in full."""
    exchange = world.exchange_for({}, ccxt.async_support)
    exchange.asyncio_loop = asyncio.get_running_loop()
    exchange.ssl_context = ssl.create_default_context(cafile=exchange.cafile)
    return install(exchange, policy=policy)


def _session(prototype: Any) -> aiohttp.ClientSession:
    """Open the session of all accounts of a world.

    It has as many connections as there are accounts: a pool would be a queue, with the dead before the living.
    """
    connector = aiohttp.TCPConnector(ssl=prototype.ssl_context, limit=0)
    return aiohttp.ClientSession(connector=connector, trust_env=prototype.aiohttp_trust_env)


def _exchange(prototype: Any, account: Account) -> Any:
    """Make an account's object: it shares what is only read, and has of its own what a cancel writes to."""
    exchange = copy.copy(prototype)
    for name, value in account.credentials.items():
        setattr(exchange, name, value)
    exchange.options = dict(prototype.options)
    exchange.init_throttler()
    return exchange


@contextmanager
def _stoppable() -> Iterator[None]:
    """Have Ctrl+C and SIGTERM cancel the task that this is in, and not break off a step of another."""
    loop = asyncio.get_running_loop()
    task: Any = asyncio.current_task()
    with suppress(NotImplementedError):  # by Windows' loop, where asyncio.run does it for Ctrl+C, from Python 3.11 on
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
    yield


def _allow_connections(count: int) -> None:
    """Raise the number of files that this process may open, where a shell allows few: each connection is one."""
    try:
        import resource
    except ModuleNotFoundError:  # on Windows, which has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * count + 100  # an attempt that follows a timeout has a connection of its own
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
