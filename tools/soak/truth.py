"""Compares every outcome with the sandbox's own book, and records what was untrue."""

from __future__ import annotations

import copy
import json
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tools.shared.sandbox_process import SandboxProcess

User = dict[str, str]
CREATE = "/api/v5/rfq/create-rfq"
ON_THE_WIRE = 0.5  # seconds between a create's signature and its arrival, on a busy machine


class Truth:
    """Counters of what happened, and a description of every untrue answer. Any thread may add to it."""

    def __init__(self, sandbox: SandboxProcess) -> None:
        self.sandbox = sandbox
        self.outcomes: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.creates: Counter[str] = Counter()
        self.lies: list[str] = []
        self._lock = threading.Lock()

    def at(self, sandbox: SandboxProcess) -> Truth:
        """Return an object with the same counters for events at another sandbox."""
        other = copy.copy(self)
        other.sandbox = sandbox
        return other

    def count(self, counter: Counter[str], name: str) -> None:
        """Increment a counter."""
        with self._lock:
            counter[name] += 1

    def lie(self, words: str) -> None:
        """Record an untrue answer."""
        with self._lock:
            self.lies.append(words)

    def of_receipt(self, who: str, user: User, receipt: dict[str, Any], before: Iterable[str]) -> None:
        """Compare a receipt with the book.

        Args:
            who: the caller, for the message.
            user: the owner of the RFQs.
            receipt: what the call returned.
            before: the RFQs whose creation was acknowledged before the call.
        """
        book = {rfq["rfqId"]: rfq for rfq in self.sandbox.call("rfqs", credentials=user)}
        alive = [rfq_id for rfq_id in before if book[rfq_id]["state"] == "active"]
        if alive:
            self.lie(f"{who}: {receipt['status']!r}, and {alive} of before the call are active: {receipt}")
        if receipt["status"] not in ("canceled", "nothing_active"):
            self.lie(f"{who}: a receipt with the status {receipt['status']!r}")
        stamps = {int(rfq["uTime"]) for rfq in book.values() if rfq["state"] == "canceled"}
        told = any("ts" in row for row in receipt["info"].get("data") or [])  # a cancel by id has no time
        if receipt["status"] == "canceled" and receipt["timestamp"] not in (stamps if told else {*stamps, None}):
            self.lie(f"{who}: no RFQ was canceled at the time of the receipt: {receipt}")

    def of_failure(self, who: str, user: User, active_before: Iterable[str]) -> None:
        """Compare "nothing was canceled" with the book, if no one else cancels for this user."""
        states = {rfq["rfqId"]: rfq["state"] for rfq in self.sandbox.call("rfqs", credentials=user)}
        gone = [rfq_id for rfq_id in active_before if states[rfq_id] == "canceled"]
        if gone:
            self.lie(f"{who}: was said to have canceled nothing, and {gone} are canceled")

    def of_waiting_creates(self, asked: Mapping[str, float], canceled: Sequence[float]) -> None:
        """Check that no create was sent that was waiting when a cancel was called.

        Args:
            asked: when each create was called, by its `clRfqId`.
            canceled: when `cancel_all_rfqs()` was called. Both are `time.monotonic()`.
        """
        for arrived, body in self.sandbox.bodies(CREATE):
            name = json.loads(body)["clRfqId"]
            since = asked.get(name, arrived)
            if any(since < called < arrived - ON_THE_WIRE for called in canceled):
                self.lie(f"{name} was sent {arrived - since:.2f} s after it was asked for, and after a cancel")

    def of_refused_creates(self, user: User, client_ids: set[str]) -> None:
        """Compare "nothing was sent", reported for a create that waited when a cancel was called, with the book."""
        book = {rfq["clRfqId"] for rfq in self.sandbox.call("rfqs", credentials=user)}
        if client_ids & book:
            self.lie(f"{sorted(client_ids & book)} were said not to be created, and are in the book")
