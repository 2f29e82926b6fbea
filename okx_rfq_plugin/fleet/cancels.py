"""Cancels of several accounts, each on a thread of its own: one that is slow or dead delays no other."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from typing import Any, NamedTuple


class Outcome(NamedTuple):
    """How a cancel has ended: with a receipt or an error."""

    account: str
    receipt: Mapping[str, Any] | None
    error: BaseException | None

    @property
    def clean(self) -> bool:
        """Whether nothing was active any more."""
        return self.receipt is not None

    @property
    def words(self) -> str:
        """What is to be told."""
        if self.receipt is None:
            return str(self.error)
        at = f" as of {self.receipt['datetime']}" if self.receipt.get("datetime") else ""
        return ("all RFQs are canceled" if self.receipt["status"] == "canceled" else "no RFQ was active") + at

    @property
    def in_doubt(self) -> bool:
        """Whether a cancel that failed may have canceled all the same."""
        failure = getattr(self.error, "cancel_failure", None)
        return self.receipt is None and (failure is None or bool(failure.may_be_canceled))


class Cancels:
    """Sends cancels, and hands out how they ended.

    Args:
        exchanges: by account, sync objects with the package on them; each is used by one thread at a time.
    """

    def __init__(self, exchanges: Mapping[str, Any]) -> None:
        self._exchanges = exchanges
        self._outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()

    def begin(self, account: str) -> None:
        """Begin one; the last of the account must have ended."""
        # A daemon: the end of the process does not wait for a reply that never comes.
        threading.Thread(target=self._run, args=(account,), name=f"okx-rfq-cancel-{account}", daemon=True).start()

    def ended(self, seconds: float) -> list[Outcome]:
        """Return those that have ended; wait for one, for the given number of seconds at most."""
        outcomes = []
        try:
            outcomes.append(self._outcomes.get(timeout=seconds))
            while True:
                outcomes.append(self._outcomes.get_nowait())
        except queue.Empty:
            return outcomes

    def _run(self, account: str) -> None:
        try:
            self._outcomes.put(Outcome(account, self._exchanges[account].cancel_all_rfqs(), None))
        except BaseException as error:
            self._outcomes.put(Outcome(account, None, error))
