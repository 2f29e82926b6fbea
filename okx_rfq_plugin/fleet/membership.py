"""A member of the fleet inside a process: renews its lease on its own thread."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from dataclasses import replace
from typing import Any

from okx_rfq_plugin.fleet import clocks
from okx_rfq_plugin.fleet.fence import Fence
from okx_rfq_plugin.fleet.okx_clock import OkxClock
from okx_rfq_plugin.fleet.records import CERTAIN, OKX_WINDOW, Beat, Member
from okx_rfq_plugin.fleet.store import Latches, Store, StoreError

logger = logging.getLogger("okx_rfq_plugin")

_LOOK = 0.1  # seconds within which a thread notices that it must end
_PAUSE = 0.05  # seconds between two renewals while the store does not work
_LONGEST_LIFE = 600.0 + 2 * OKX_WINDOW  # seconds after signing, after which no RFQ is active
_LEAVE_TIMEOUT = 2.0  # seconds that leaving may take


class Membership:
    """One member: its fence, and the thread that renews its lease.

    Args:
        url: the URL of the store.
        account: as `accounts.account_of` returns it.
        name: the member's name, for people.
        lease: seconds.
        okx: OKX's clock, or None if unknown.
        ahead: seconds that signatures are ahead of it, or None if unknown.
    """

    def __init__(
        self,
        url: str,
        account: str,
        *,
        name: str,
        lease: float,
        okx: OkxClock | None = None,
        ahead: float | None = None,
    ) -> None:
        self.fence = Fence(lease)
        self.record = Member(
            id=secrets.token_hex(8),
            name=name,
            host=socket.gethostname(),
            pid=os.getpid(),
            account=account,
            lease=lease,
            joined=time.time(),
            ahead=None if okx is None else ahead,
        )
        self.url = url
        self._okx = okx
        self._store = Store(url, timeout=lease / 3)
        self._count = 0
        self._created: clocks.Reading | None = None  # when the last create was allowed
        self._ready, self._ending, self._signs_off = threading.Event(), threading.Event(), False
        self._thread = threading.Thread(target=self._run, name=f"okx-rfq-fleet-{name}", daemon=True)
        self._told: str | None = None

    @property
    def account(self) -> str:
        """The account, such as "demo:1001"."""
        return self.record.account

    @property
    def is_here(self) -> bool:
        """Whether this is the process that joined, not one forked from it."""
        return self.record.pid == os.getpid()

    def start(self, patience: float) -> bool:
        """Start renewing; wait up to the given number of seconds for the first answer."""
        self._thread.start()
        return self._ready.wait(patience)

    def again(self) -> Membership:
        """Return a new member of the same account, for a forked process, which must not use its parent's lease."""
        record = self.record
        okx, ahead = self._okx, record.ahead
        return Membership(self.url, record.account, name=record.name, lease=record.lease, okx=okx, ahead=ahead)

    def refusal(self, exchange: Any = None) -> str | None:
        """Return why nothing may be created now. None allows a create and records it.

        Args:
            exchange: the object that signed it, or None if nothing is signed yet.
        """
        now = clocks.read()
        ahead = None if self._okx is None or exchange is None else self._okx.ahead(exchange)
        reason = self.fence.refusal(now, ahead)
        if ahead is not None and (self.record.ahead is None or self.record.ahead < ahead):
            self.record = replace(self.record, ahead=round(ahead, 3))
        if reason is None:
            self._created = now
        return reason

    def canceled(self, begun: clocks.Reading) -> None:
        """Record a clean cancel that began at the given time."""
        created = self._created
        if created is not None and begun.least_since(created) >= CERTAIN:
            self._created = None

    @property
    def owes(self) -> bool:
        """Whether something created here may be active, so that ending is not a sign-off."""
        created = self._created
        return created is not None and clocks.read().least_since(created) < _LONGEST_LIFE

    def leave(self, *, sign_off: bool) -> None:
        """End, either with a sign-off or by letting the lease lapse, so that a watcher cancels."""
        self._signs_off = sign_off
        self._ending.set()
        self._thread.join(_LEAVE_TIMEOUT)  # in a forked process it has ended

    def _run(self) -> None:
        latches: Latches | None = None
        while not self._ending.is_set():
            began = time.monotonic()
            self._renew()
            self._check_clock()
            latches = self._listen(latches, began + self.record.lease / 3)
        if latches is not None:
            latches.close()
        if self._signs_off:
            try:
                self._store.sign_off(self.record.id)
            except StoreError as error:
                logger.warning("fleet: %s could not sign off: a watcher will cancel. %s", self.record.name, error)
        self._store.close()

    def _renew(self) -> None:
        while True:
            known = self._seen
            sent = clocks.read()
            self._count += 1
            try:
                record = self.record
                latch = self._store.renew(record, Beat(self._count, known, record.ahead))
                lost = self.fence.renewed(sent, latch, record.ahead)
                self._ready.set()
                if lost is not None:
                    self._store.put_back(lost)
            except StoreError as error:
                self.fence.failed(str(error))
            self._tell()
            if self._seen == known or self._ending.is_set():
                return

    def _listen(self, latches: Latches | None, until: float) -> Latches | None:
        """Wait for a latch or the next renewal."""
        try:
            if latches is None and self._ready.is_set():
                latches = self._store.subscribe()
            while latches is not None and not self._ending.is_set() and time.monotonic() < until:
                latch = latches.next(min(_LOOK, max(0.0, until - time.monotonic())))
                if latch is not None:
                    self.fence.heard(latch)
                    return latches
                self._tell()
        except StoreError:
            if latches is not None:
                latches.close()
            latches = None
        if latches is None:
            self._ending.wait(max(_PAUSE, until - time.monotonic()))
        return latches

    @property
    def _seen(self) -> int:
        return 0 if self.fence.latch is None else self.fence.latch.version

    def _check_clock(self) -> None:
        try:
            if self._okx is not None:
                self._okx.check()
        except RuntimeError:  # no thread can be started any more
            logger.debug("fleet: OKX's clock is not asked for", exc_info=True)

    def _tell(self) -> None:
        reason = self.fence.refusal(clocks.read())
        if reason == self._told:
            return
        if reason is None:
            logger.info("fleet: %s may create, on a lease of %g s", self.record.name, self.record.lease)
        elif self._told is None or self._halted(reason) != self._halted(self._told):
            logger.warning("fleet: %s creates nothing: %s", self.record.name, reason)
        self._told = reason

    def _halted(self, reason: str) -> bool:
        return reason.startswith("the fleet is halted")
