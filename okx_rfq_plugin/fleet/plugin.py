"""The fleet as a plugin of this package: checks the fence before each create, and shares cancels."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from ccxt.base.errors import OperationRejected

from okx_rfq_plugin.fleet import clocks, tickets
from okx_rfq_plugin.fleet.accounts import Identity, account_of, identity_of, sync_twin
from okx_rfq_plugin.fleet.membership import Membership
from okx_rfq_plugin.fleet.okx_clock import clock_of
from okx_rfq_plugin.fleet.yielding import at_limit, at_limit_async
from okx_rfq_plugin.hookspecs import hookimpl
from okx_rfq_plugin.plugins import get_plugin_manager

VARIABLE, NAME = "OKX_RFQ_FLEET", "OKX_RFQ_FLEET_NAME"
LEASE = 3.0  # seconds
PATIENCE = 2.0  # seconds that the first create of a process may wait to become a member

logger = logging.getLogger("okx_rfq_plugin")

_Send = Callable[[], Any]


class Joined:
    """A membership, and the worker that shares its cancels."""

    def __init__(self, membership: Membership, exchange: Any) -> None:
        self.membership = membership
        self._identity = [str(getattr(exchange, name)) for name in ("apiKey", "secret", "password")]
        self.worker = self._worker()

    def _worker(self) -> tickets.StoreWorker:
        key = "\n".join(self._identity).encode()
        return tickets.StoreWorker(self.membership.url, self.membership.account, key)

    def again(self) -> None:
        """Join again in a forked process."""
        self.membership = self.membership.again()
        self.worker = self._worker()
        self.membership.start(PATIENCE)

    def at_exit(self) -> None:
        """Sign off when the process ends, unless something may still be active; then a watcher cancels."""
        if self.membership.is_here:
            self.membership.leave(sign_off=not self.membership.owes)


class FleetPlugin:
    """Refuses the creates of a fenced or halted member, and shares cancels with other processes."""

    def __init__(self) -> None:
        self._joined: dict[Identity, list[Joined]] = {}
        self._forked()
        if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
            os.register_at_fork(after_in_child=self._forked)

    def _forked(self) -> None:
        self._joining = threading.Lock()  # a thread that does not exist after the fork may hold the old one

    def register(self) -> None:
        """Register with the package, once."""
        manager = get_plugin_manager()
        if not manager.is_registered(self):
            with contextlib.suppress(ValueError):  # another thread was first
                manager.register(self, name="okx-rfq-fleet")

    def add(self, exchange: Any, membership: Membership) -> Joined:
        """Add a member that has started."""
        joined = Joined(membership, exchange)
        atexit.register(joined.at_exit)
        self._joined.setdefault(identity_of(exchange), []).append(joined)
        return joined

    def remove(self, joined: Joined) -> None:
        """Remove a member that leaves."""
        for all_of_them in self._joined.values():
            if joined in all_of_them:
                all_of_them.remove(joined)
        atexit.unregister(joined.at_exit)
        joined.worker.close()

    def members_of(self, exchange: Any) -> list[Joined]:
        """Return the memberships of an exchange object's account."""
        return list(self._joined.get(identity_of(exchange), ()))

    @hookimpl
    def rfq_creating(self, exchange: Any, path: str) -> None:
        """Refuse the creates of a fenced or halted member."""
        for joined in self._members_now(exchange, path):
            if not joined.membership.is_here:
                with self._one_joins(exchange, path):
                    if not joined.membership.is_here:
                        joined.again()
            reason = joined.membership.refusal(exchange)
            if reason is not None:
                raise _refused(exchange, path, reason)

    @hookimpl(tryfirst=True)
    def cancel_all_rfqs(self, exchange: Any, params: dict[str, Any], confirm: bool) -> Any:
        """Cancel as usual, sharing the cancel with other processes if possible."""
        members = [joined for joined in self.members_of(exchange) if joined.membership.is_here]
        if not members:
            return None
        rest = _without(self)
        arguments = {"exchange": exchange, "params": params, "confirm": confirm}
        worker = None if params or confirm else members[0].worker

        def send() -> Any:
            return rest(**arguments)

        if exchange.synchronous:
            return _cancel(members, worker, send, lambda: at_limit(exchange, send))
        return _cancel_async(members, worker, send, lambda: at_limit_async(exchange, send))

    def _members_now(self, exchange: Any, path: str) -> list[Joined]:
        members = self.members_of(exchange)
        url = os.environ.get(VARIABLE)
        if members or not url:
            return members
        with self._one_joins(exchange, path):
            members = self.members_of(exchange)
            return members or [self._join_by_environment(exchange, path, url)]

    @contextlib.contextmanager
    def _one_joins(self, exchange: Any, path: str) -> Iterator[None]:
        # In a signal handler, this thread itself may be joining. It must not wait for itself.
        lock = self._joining
        if not lock.acquire(timeout=PATIENCE):
            raise _refused(exchange, path, "the fleet is being joined")
        try:
            yield
        finally:
            lock.release()

    def _join_by_environment(self, exchange: Any, path: str, url: str) -> Joined:
        try:
            twin = sync_twin(exchange)
            account, okx = account_of(twin), clock_of(twin)
            ahead = None if okx is None else okx.ahead(exchange)
            membership = Membership(url, account, name=_name(), lease=LEASE, okx=okx, ahead=ahead)
            membership.start(PATIENCE)
        except Exception as error:
            reason = f"{VARIABLE} is set, and the fleet could not be joined ({type(error).__name__})"
            raise _refused(exchange, path, reason) from error
        joined = self.add(exchange, membership)
        return joined


def _name() -> str:
    return os.environ.get(NAME) or os.path.basename(sys.argv[0]).lstrip("-") or "python"


def _refused(exchange: Any, path: str, reason: str) -> OperationRejected:
    return OperationRejected(f"{exchange.id} {path}: nothing was sent, for {reason}")


def _without(plugin: FleetPlugin) -> Any:
    # Other plugins' wrappers are already around this call, and must not run twice.
    manager = get_plugin_manager()
    implementations = manager.hook.cancel_all_rfqs.get_hookimpls()
    wrappers = [each.plugin for each in implementations if each.wrapper or each.hookwrapper]
    return manager.subset_hook_caller("cancel_all_rfqs", remove_plugins=[plugin, *wrappers])


def _cancel(members: list[Joined], worker: tickets.StoreWorker | None, send: _Send, at_limit: _Send) -> Any:
    begun = clocks.read()
    receipt = send() if worker is None else tickets.run(worker, lambda yields: at_limit() if yields else send())
    _note(members, begun, receipt)
    return receipt


async def _cancel_async(members: list[Joined], worker: tickets.StoreWorker | None, send: _Send, at_limit: _Send) -> Any:
    begun = clocks.read()
    if worker is None:
        receipt = await send()
    else:
        receipt = await tickets.run_async(worker, lambda yields: at_limit() if yields else send())
    _note(members, begun, receipt)
    return receipt


def _note(members: list[Joined], begun: clocks.Reading, receipt: Any) -> None:
    if receipt is not None:
        for joined in members:
            joined.membership.canceled(begun)


plugin = FleetPlugin()
