"""Compares every outcome with the sandbox's own book, and keeps what was not true."""

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
ON_THE_WIRE = 0.5  # seconds that a create may take from its signature to the sandbox, on a machine with much to do


class Truth:
    """What happened, counted, and every lie in words; any thread may add to it."""

    def __init__(self, sandbox: SandboxProcess) -> None:
        self.sandbox = sandbox
        self.outcomes: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.creates: Counter[str] = Counter()
        self.lies: list[str] = []
        self._lock = threading.Lock()

    def at(self, sandbox: SandboxProcess) -> Truth:
        """Return the same, with the same counters, for what happens at another sandbox."""
        other = copy.copy(self)
        other.sandbox = sandbox
        return other

    def count(self, counter: Counter[str], name: str) -> None:
        """Count one more of something."""
        with self._lock:
            counter[name] += 1

    def lie(self, words: str) -> None:
        """Keep an answer that was not true."""
        with self._lock:
            self.lies.append(words)

    def of_receipt(self, who: str, user: User, receipt: dict[str, Any], before: Iterable[str]) -> None:
        """Hold a receipt against the book.

        Args:
            who: called, for the words.
            user: whose RFQs it is about.
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
        told = any("ts" in row for row in receipt["info"].get("data") or [])  # what is canceled by name has no time
        if receipt["status"] == "canceled" and receipt["timestamp"] not in (stamps if told else {*stamps, None}):
            self.lie(f"{who}: no RFQ was canceled at the time of the receipt: {receipt}")

    def of_failure(self, who: str, user: User, active_before: Iterable[str]) -> None:
        """Hold "nothing was canceled" against the book, where nobody else cancels for this user."""
        states = {rfq["rfqId"]: rfq["state"] for rfq in self.sandbox.call("rfqs", credentials=user)}
        gone = [rfq_id for rfq_id in active_before if states[rfq_id] == "canceled"]
        if gone:
            self.lie(f"{who}: was said to have canceled nothing, and {gone} are canceled")

    def of_waiting_creates(self, asked: Mapping[str, float], canceled: Sequence[float]) -> None:
        """Hold the promise that a create which waits when a cancel comes is not sent, against what arrived.

        Args:
            asked: when each create was called, by its `clRfqId`.
            canceled: when `cancel_all_rfqs()` was called; both are `time.monotonic()`.
        """
        for arrived, body in self.sandbox.bodies(CREATE):
            name = json.loads(body)["clRfqId"]
            since = asked.get(name, arrived)
            if any(since < called < arrived - ON_THE_WIRE for called in canceled):
                self.lie(f"{name} was sent {arrived - since:.2f} s after it was asked for, and after a cancel")

    def of_refused_creates(self, user: User, client_ids: set[str]) -> None:
        """Hold "nothing was sent", said of a create that waited when a cancel came, against the book."""
        book = {rfq["clRfqId"] for rfq in self.sandbox.call("rfqs", credentials=user)}
        if client_ids & book:
            self.lie(f"{sorted(client_ids & book)} were said not to be created, and are in the book")
