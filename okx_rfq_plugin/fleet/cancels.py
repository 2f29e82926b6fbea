"""Cancels for several accounts, each on its own thread: one that is slow or dead delays no other."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from typing import Any, NamedTuple


class Outcome(NamedTuple):
    """The outcome of a cancel: a receipt or an error."""

    account: str
    receipt: Mapping[str, Any] | None
    error: BaseException | None

    @property
    def clean(self) -> bool:
        """Whether nothing is active any more."""
        return self.receipt is not None

    @property
    def words(self) -> str:
        """A description for users."""
        if self.receipt is None:
            return str(self.error)
        at = f" as of {self.receipt['datetime']}" if self.receipt.get("datetime") else ""
        return ("all RFQs are canceled" if self.receipt["status"] == "canceled" else "no RFQ was active") + at

    @property
    def in_doubt(self) -> bool:
        """Whether a failed cancel may have taken effect."""
        failure = getattr(self.error, "cancel_failure", None)
        return self.receipt is None and (failure is None or bool(failure.may_be_canceled))


class Cancels:
    """Sends cancels, and collects their outcomes.

    Args:
        exchanges: sync objects with the package installed, by account; each is used by one thread at a time.
    """

    def __init__(self, exchanges: Mapping[str, Any]) -> None:
        self._exchanges = exchanges
        self._outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()

    def begin(self, account: str) -> None:
        """Start one. The account's previous cancel must have ended."""
        # A daemon thread, so that the process can end without waiting for a reply that never comes.
        threading.Thread(target=self._run, args=(account,), name=f"okx-rfq-cancel-{account}", daemon=True).start()

    def ended(self, seconds: float) -> list[Outcome]:
        """Return the cancels that have ended; wait up to the given number of seconds for the first."""
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
