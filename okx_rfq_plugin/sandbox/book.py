"""Keeps the RFQs of one account: one User ID in one world.

Source: okx.com/docs-v5/en/#block-trading-rest-api-cancel-rfq, -cancel-multiple-rfqs and -cancel-all-rfqs
"""

from __future__ import annotations

from .codes import Refused
from .rfq import Rfq

CAPACITY = 10_000  # RFQs; past that the oldest that is over leaves


class Book:
    """The RFQs that one account created, oldest first; `now` is in Unix milliseconds throughout."""

    def __init__(self) -> None:
        self._rfqs: dict[str, Rfq] = {}
        self._by_client_id: dict[str, Rfq] = {}
        self._active: dict[str, Rfq] = {}

    def add(self, rfq: Rfq, now: int) -> None:
        """Take a new RFQ in.

        Raises:
            Refused: 70101 for a `clRfqId` that is in the book. The docs do not say whether the name of an RFQ that is
                over is free again: here it is not.
            OverflowError: where the book is full of active RFQs.
        """
        client_id = rfq.params["clRfqId"]
        if client_id in self._by_client_id:
            raise Refused("70101")
        if len(self._rfqs) >= CAPACITY:
            self._make_room(now)
        self._rfqs[rfq.rfq_id] = self._active[rfq.rfq_id] = rfq
        if client_id:
            self._by_client_id[client_id] = rfq

    def rfqs(self, now: int) -> list[Rfq]:
        """Return all of them, oldest first."""
        self._expire(now)
        return list(self._rfqs.values())

    def find(self, rfq_id: str, client_id: str, now: int) -> Rfq:
        """Return one; `rfqId` wins where both are given."""
        self._expire(now)
        rfq = self._rfqs.get(rfq_id) if rfq_id else self._by_client_id.get(client_id)
        if rfq is None:
            raise Refused("70000")
        return rfq

    def cancel(self, rfq: Rfq, now: int) -> None:
        """Cancel one that is active."""
        if rfq.state != "active":
            raise Refused("70200", rfqState=rfq.state)
        self.move(rfq, "canceled", now)

    def cancel_all(self, now: int) -> None:
        """Cancel every one that is active."""
        self._expire(now)
        if not self._active:
            raise Refused("70207")
        for rfq in list(self._active.values()):
            self.move(rfq, "canceled", now)

    def move(self, rfq: Rfq, state: str, now: int) -> None:
        """Give one another state."""
        rfq.move(state, now)
        self._active.pop(rfq.rfq_id, None)
        if state == "active":
            self._active[rfq.rfq_id] = rfq

    def _expire(self, now: int) -> None:
        for rfq in [rfq for rfq in self._active.values() if now >= rfq.valid_until]:
            self.move(rfq, "expired", rfq.valid_until)

    def _make_room(self, now: int) -> None:
        self._expire(now)
        over = next((rfq for rfq in self._rfqs.values() if rfq.rfq_id not in self._active), None)
        if over is None:
            raise OverflowError(f"this User ID has {CAPACITY:,} active RFQs, more than the sandbox keeps")
        del self._rfqs[over.rfq_id]
        self._by_client_id.pop(over.params["clRfqId"], None)
