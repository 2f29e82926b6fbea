"""Operations on many accounts at once, on one event loop."""

from __future__ import annotations

import asyncio
import copy
import gc
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp
import ccxt.async_support

from okx_rfq_plugin import RetryPolicy, install
from okx_rfq_plugin._core.endpoints import MAINTENANCE
from okx_rfq_plugin.cli.accounts import Account
from okx_rfq_plugin.cli.clock import ahead_of, async_pause
from okx_rfq_plugin.cli.destinations import Destination
from okx_rfq_plugin.cli.identity import (
    canceled_in,
    config_request,
    identity_of,
    list_request,
    needs_list,
    uid_in,
    until_list,
)
from okx_rfq_plugin.cli.maintenance import notice_in, status_request
from okx_rfq_plugin.cli.network import NothingSentError, Route, for_aiohttp, ssl_context
from okx_rfq_plugin.cli.outcomes import facts_of, nothing_sent

if TYPE_CHECKING:
    from okx_rfq_plugin.cli.interrupts import Interrupts

# This many start together; the next batch follows when they are done or after a moment. That way connections are
# reused, replies are read as they arrive, and responsive accounts do not wait for unresponsive ones.
_BATCH = 32
_MOMENT = 0.005  # seconds
_OTHERS = 40  # descriptors for other things: files, pipes, the loop, host name lookups
_ASIDE = 1.0  # seconds for each optional piece of information

Told = Callable[[Account, dict[str, Any]], None]
Visit = Callable[[Account, Any], Awaitable[None]]


def cancel_accounts(
    accounts: Sequence[Account],
    *,
    deadline: float,
    told: Told,
    confirm: bool = False,
    quotes: bool = False,
    quotes_after: int | None = None,
    details: bool = False,
    interrupts: Interrupts | None = None,
) -> None:
    """Cancel for all accounts in parallel, and report each as soon as it is done. An interruption ends the others.

    Args:
        accounts: the accounts. A slow or dead one delays no other, and an incomplete one is reported as failed.
        deadline: of each cancel, in seconds.
        told: called on this thread with each account and its receipt, or the facts of the failure.
        confirm: whether to continue until OKX says that no RFQ is active.
        quotes: whether to cancel all quotes after the RFQs.
        quotes_after: seconds of OKX's countdown for quotes, which is set after the RFQs; None for none.
        details: whether to read afterwards which RFQs were canceled, and the User ID.
        interrupts: handles signals meanwhile.
    """
    if interrupts is not None:
        interrupts.by(lambda: None)  # a signal is recorded, and interrupts nothing here
    known: dict[str, dict[str, Any]] = {}
    done: set[str] = set()
    announced: dict[Destination, asyncio.Task[str | None]] = {}

    def tell(account: Account, facts: dict[str, Any]) -> None:
        done.add(account.name)
        told(account, facts)

    async def cancel(account: Account, exchange: Any) -> None:
        identity = identity_of(account.destination, exchange)
        known[account.name] = {**facts_of(_unknown(interrupts), called=True, reason=_reason(interrupts)), **identity}
        facts: dict[str, Any]
        try:
            facts = {**await exchange.cancel_all_rfqs(confirm=confirm)}
        except (Exception, asyncio.CancelledError) as error:
            facts = facts_of(error, reason=_reason(interrupts))
        known[account.name] = facts = {**identity, **facts}
        interrupted = bool(_reason(interrupts))
        if not interrupted and (quotes or quotes_after is not None):
            await _end_quotes(exchange, facts, quotes, quotes_after, interrupts)
        if facts["status"] == "failed" and facts["code"] in MAINTENANCE and not interrupted:
            with suppress(asyncio.CancelledError):
                if account.destination not in announced:
                    announced[account.destination] = asyncio.create_task(_announced(exchange, account.destination.env))
                if notice := await announced[account.destination]:
                    facts["maintenance"] = notice
        if details and not interrupted:
            with suppress(Exception, asyncio.CancelledError):
                await _read_details(exchange, facts)
        tell(account, facts)

    async def run() -> None:
        if interrupts is not None:
            loop, task = asyncio.get_running_loop(), asyncio.current_task()
            interrupts.by(lambda: loop.call_soon_threadsafe(task.cancel) if task else None)
            if interrupts.reason:
                return
        await _for_each(reachable, RetryPolicy(deadline=deadline), cancel, refused)

    def refused(account: Account, reason: str) -> None:
        tell(account, nothing_sent(reason))

    for account in accounts:
        if account.wrong:
            refused(account, account.wrong)
    reachable = [account for account in accounts if not account.wrong]
    details = details and _connection_limit(len(reachable)) >= len(reachable)  # if connections are scarce, others wait
    gc.freeze()  # keeps the garbage collector from scanning ccxt's hundred thousand objects repeatedly
    try:
        with suppress(asyncio.CancelledError):
            _run(run)
    finally:
        gc.unfreeze()
        if interrupts is not None:
            interrupts.by(lambda: None)
    for account in accounts:
        if account.name not in done:
            never = facts_of(_unknown(interrupts), called=False, reason=_reason(interrupts))
            tell(account, known.get(account.name, never))


class Reading(NamedTuple):
    """An account's open RFQs or the exception, the seconds that this clock is ahead of OKX's, and whose they are."""

    rfqs: Any
    ahead: float = 0.0
    whose: Mapping[str, Any] = MappingProxyType({})


def read_rfqs(accounts: Sequence[Account], *, deadline: float = 0.0, uids: bool = False) -> dict[str, Reading]:
    """Read the open RFQs of all accounts, and OKX's time once per destination. Without a deadline, ask only once.

    Args:
        accounts: the accounts.
        deadline: seconds until OKX is not asked again.
        uids: whether to ask for the User ID of accounts with open RFQs.
    """
    read = {account.name: Reading(NothingSentError(account.wrong)) for account in accounts if account.wrong}
    clocks: dict[Destination, asyncio.Task[float]] = {}

    async def fetch(account: Account, exchange: Any) -> None:
        try:
            rfqs = await exchange.fetch_open_rfqs()
        except Exception as error:
            read[account.name] = Reading(error)
            return
        if rfqs and account.destination not in clocks:
            clocks[account.destination] = asyncio.create_task(_ahead(exchange))
        whose = identity_of(account.destination, exchange)
        if rfqs and uids:
            whose["uid"] = await _read_uid(exchange)
        read[account.name] = Reading(rfqs, await clocks[account.destination] if rfqs else 0.0, whose)

    def refused(account: Account, reason: str) -> None:
        read[account.name] = Reading(NothingSentError(reason))

    reachable = [account for account in accounts if not account.wrong]
    _run(lambda: _for_each(reachable, RetryPolicy(deadline=deadline), fetch, refused))
    return read


def count_rfqs(accounts: Sequence[Account]) -> int:
    """Return the total number of open RFQs, without retries, since a person is waiting for the question.

    Raises:
        Exception: that of the first account that could not be asked.
    """
    read = read_rfqs([account for account in accounts if not account.wrong])
    for each in read.values():
        if isinstance(each.rfqs, Exception):
            raise each.rfqs
    return sum(rfq["status"] == "active" for each in read.values() for rfq in each.rfqs)


async def _ahead(exchange: Any) -> float:
    exchange.timeout = int(_ASIDE * 1000)
    asked = time.time()
    try:
        return ahead_of(asked, await exchange.fetch_time({"maxRetriesOnFailure": 0}))
    except Exception:
        return 0.0


async def _end_quotes(
    exchange: Any, facts: dict[str, Any], quotes: bool, after: int | None, interrupts: Interrupts | None
) -> None:
    calls = {"quotes": exchange.cancel_all_quotes if quotes else None}
    calls["quotes_after"] = None if after is None else lambda: exchange.cancel_all_quotes_after(after)
    for name, call in calls.items():
        if call is not None:
            facts[name] = facts_of(_unknown(interrupts), called=False, reason=_reason(interrupts))
            try:
                facts[name] = {"status": "set", **await call()}
            except (Exception, asyncio.CancelledError) as error:
                facts[name] = facts_of(error, reason=_reason(interrupts))


async def _announced(exchange: Any, env: str) -> str | None:
    """Ask once for all accounts of a destination: OKX accepts one such request in five seconds."""
    exchange.timeout = int(_ASIDE * 1000)
    exchange.enableRateLimit = False
    with suppress(Exception):
        return notice_in(await exchange.public_get_system_status(status_request()), env)
    return None


async def _read_uid(exchange: Any) -> str | None:
    exchange.timeout, exchange.enableRateLimit = int(_ASIDE * 1000), False
    with suppress(Exception):
        return uid_in(await exchange.private_get_account_config(config_request()))
    return None


async def _read_details(exchange: Any, facts: dict[str, Any]) -> None:
    facts["uid"] = await _read_uid(exchange)
    if facts["status"] == "failed":
        return
    facts["canceled"] = None if needs_list(facts) or not facts.get("confirmed") else []
    if needs_list(facts):
        await async_pause(until_list(exchange))
        reply = await exchange.private_get_rfq_rfqs(list_request())
        facts["canceled"] = canceled_in(reply, facts, exchange.nonce())


async def _for_each(
    accounts: Sequence[Account], policy: RetryPolicy, visit: Visit, refused: Callable[[Account, str], None]
) -> None:
    """Visit each account in its own task. Canceling this cancels the tasks, and waits for them to finish."""
    limit = asyncio.Semaphore(_connection_limit(len(accounts)))
    async with AsyncExitStack() as stack:
        prototypes: dict[Destination, Any] = {}
        sessions: dict[Destination, aiohttp.ClientSession] = {}
        reasons: dict[Destination, str] = {}
        for destination in {account.destination for account in accounts}:
            try:
                prototypes[destination] = made = _prototype(destination, policy)
                sessions[destination] = await stack.enter_async_context(_session(made))
            except NothingSentError as error:
                reasons[destination] = str(error)
        for account in accounts:
            if account.destination in reasons:
                refused(account, reasons[account.destination])
        accounts = [account for account in accounts if account.destination not in reasons]
        tasks: list[asyncio.Task[None]] = []
        try:
            exchanges = [_exchange(prototypes[account.destination], account) for account in accounts]
            for number, (account, exchange) in enumerate(zip(accounts, exchanges, strict=True), 1):
                tasks.append(asyncio.create_task(_visit(visit, account, exchange, sessions, limit)))
                if number % _BATCH == 0:
                    await asyncio.wait(tasks[-_BATCH:], timeout=_MOMENT)
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _visit(
    visit: Visit, account: Account, exchange: Any, sessions: dict[Destination, Any], limit: asyncio.Semaphore
) -> None:
    async with limit:
        exchange.session = sessions[account.destination]
        try:
            await visit(account, exchange)
        finally:
            exchange.session = None  # it is shared, and ccxt would complain that it was not closed


def _prototype(destination: Destination, policy: RetryPolicy) -> Any:
    """Create the one fully constructed object of a destination, from which the accounts' objects are copied.

    Raises:
        NothingSentError: if aiohttp cannot get there with the environment's settings.
    """
    exchange = destination.exchange_for({}, ccxt.async_support)
    route = for_aiohttp(destination.route(exchange)) if destination.is_proxied else Route()
    exchange.asyncio_loop = asyncio.get_running_loop()
    exchange.aiohttp_proxy = route.proxy
    exchange.ssl_context = ssl_context(route)
    return install(exchange, policy=policy)


def _session(prototype: Any) -> aiohttp.ClientSession:
    """Open the session shared by all accounts of a destination.

    The number of connections is unlimited. A pool would be a queue, in which dead accounts block live ones.
    """
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=prototype.ssl_context, limit=0))


def _exchange(prototype: Any, account: Account) -> Any:
    """Create an account's object, which shares what is only read and has its own copy of what a cancel writes to."""
    exchange = copy.copy(prototype)
    for name, value in account.credentials.items():
        setattr(exchange, name, value)
    exchange.options = dict(prototype.options)
    exchange.init_throttler()
    return exchange


def _run(main: Callable[[], Any]) -> None:
    """Run to completion, cancel the remaining tasks, and do not wait for host name lookups."""
    loop = asyncio.new_event_loop()
    try:
        asyncio.set_event_loop(loop)
        task = loop.create_task(main())
        loop.run_until_complete(task)
    finally:
        try:
            with suppress(asyncio.CancelledError):
                left = asyncio.all_tasks(loop)
                for each in left:
                    each.cancel()
                loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
                loop.run_until_complete(loop.shutdown_asyncgens())
        finally:  # an interrupt that has struck a task comes out of the loop once more
            asyncio.set_event_loop(None)
            loop.close()


def _unknown(interrupts: Interrupts | None) -> BaseException:
    return KeyboardInterrupt(_reason(interrupts))


def _reason(interrupts: Interrupts | None) -> str:
    return interrupts.reason if interrupts is not None else ""


def _connection_limit(count: int) -> int:
    """Raise this process's limit of open files, and return how many accounts may be connected at once."""
    try:
        import resource
    except ModuleNotFoundError:  # on Windows, which has no such limit
        return max(1, count)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * count + 100  # an attempt after a timeout uses another connection
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return max(1, count)
    return max(1, (soft - _open_now() - _OTHERS) // 2)


def _open_now() -> int:
    with suppress(OSError):
        return len(os.listdir("/dev/fd"))
    return 0  # pragma: no cover - systems without /dev/fd
