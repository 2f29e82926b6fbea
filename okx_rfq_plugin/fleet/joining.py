"""`join`: context manager that makes a block of code a member of the fleet."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

from okx_rfq_plugin.fleet.accounts import account_of, account_of_async
from okx_rfq_plugin.fleet.membership import Membership
from okx_rfq_plugin.fleet.okx_clock import OkxClock, clock_of, clock_of_async
from okx_rfq_plugin.fleet.plugin import LEASE, PATIENCE, Joined, plugin
from okx_rfq_plugin.installer import install


class join:  # lower case, like the context managers in contextlib
    """Make a block a member of the fleet: `with` for a sync exchange of ccxt, `async with` for an async one.

    While the lease is renewed and the fleet is not halted, creates with this account's key in this process are allowed.
    Otherwise they are refused with `ccxt.OperationRejected`. If the store is out of reach, the block is entered anyway,
    with creates refused. Cancels are never refused, and never wait for the store.

    Leaving the block normally is a sign-off. Leaving it by an exception is one only if nothing created in it can be
    active any more; otherwise the lease lapses, and a watcher cancels.

    Args:
        exchange: an object of the account; `cancel_all_rfqs()` is installed on it if it is missing.
        url: the URL of the store, such as `rediss://user:password@host:6379/0`.
        name: the member's name, for people; shown with the host's name and the process.
        lease: seconds. It is renewed every third of that.

    Raises:
        ccxt.BaseError: if OKX does not say which account it is; the block is not entered.
        ValueError: if the URL is not that of a store, or the lease is not a number above 0.
    """

    _joined: Joined  # inside of the block

    def __init__(self, exchange: Any, url: str, *, name: str = "member", lease: float = LEASE) -> None:
        self._exchange, self._url, self._name, self._lease = exchange, url, name, lease

    def __enter__(self) -> Membership:
        if not self._exchange.synchronous:
            raise TypeError(f"this {self._exchange.id} is asynchronous: `async with join(exchange, url):`")
        membership = self._membership(account_of(self._exchange), clock_of(self._exchange))
        membership.start(PATIENCE)
        return self._enter(membership)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(error)

    async def __aenter__(self) -> Membership:
        if self._exchange.synchronous:
            raise TypeError(f"this {self._exchange.id} is synchronous: `with join(exchange, url):`")
        account = await account_of_async(self._exchange)
        membership = self._membership(account, await clock_of_async(self._exchange))
        await asyncio.to_thread(membership.start, PATIENCE)
        return self._enter(membership)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._leave, error)

    def _membership(self, account: str, okx: OkxClock | None) -> Membership:
        ahead = None if okx is None else okx.ahead(self._exchange)
        return Membership(self._url, account, name=self._name, lease=self._lease, okx=okx, ahead=ahead)

    def _enter(self, membership: Membership) -> Membership:
        if not hasattr(self._exchange, "cancel_all_rfqs"):
            install(self._exchange)
        plugin.register()
        self._joined = plugin.add(self._exchange, membership)
        return membership

    def _leave(self, error: BaseException | None) -> None:
        membership = self._joined.membership
        membership.leave(sign_off=error is None or not membership.owes)
        plugin.remove(self._joined)
