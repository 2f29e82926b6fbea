"""One account's RFQs or quotes, and which of them are still active.

Source: okx.com/docs-v5/en/#block-trading-rest-api-cancel-rfq, -cancel-multiple-rfqs, -cancel-all-rfqs, and the same for
quotes. `now` is in Unix milliseconds throughout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from .codes import Refused

CAPACITY = 10_000  # entries in one book; beyond that, the oldest inactive one is dropped


class Kind(NamedTuple):
    """What a book holds: OKX's parameter names and states, and the codes for each refusal."""

    name: str
    id: str
    client_id: str
    states: tuple[str, ...]
    missing: str
    duplicate: str
    not_active: str
    state: str  # the placeholder in the text of `not_active`
    none_active: str
    too_many: str
    limit: str  # the placeholder in the text of `too_many`


@dataclass(kw_only=True)
class Entry:
    """One RFQ or quote; times are in Unix milliseconds."""

    id: str
    client_id: str
    created: int
    valid_until: int
    updated: int
    state: str = "active"

    def settle(self, now: int) -> None:
        """Update the state to what it is at `now`."""
        if self.state == "active" and now >= self.valid_until:
            self.move("expired", self.valid_until)

    def move(self, state: str, now: int) -> None:
        """Change to another state."""
        self.state, self.updated = state, now


Some = TypeVar("Some", bound=Entry)


class Book(Generic[Some]):
    """What one account created, oldest first. If `cancel_at` is set, all active entries are canceled at that time."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.cancel_at: int | None = None
        self._entries: dict[str, Some] = {}
        self._by_client_id: dict[str, Some] = {}
        self._active: dict[str, Some] = {}

    def add(self, entry: Some, now: int) -> None:
        """Add an entry.

        Raises:
            Refused: if the client's id is already in the book. The docs do not say whether the id of an entry that is
                no longer active may be reused; the sandbox refuses it.
            OverflowError: if the book is full of active entries.
        """
        if entry.client_id in self._by_client_id:
            raise Refused(self.kind.duplicate)
        if len(self._entries) >= CAPACITY:
            self._make_room(now)
        self._entries[entry.id] = self._active[entry.id] = entry
        if entry.client_id:
            self._by_client_id[entry.client_id] = entry

    def entries(self, now: int) -> list[Some]:
        """Return all entries, oldest first."""
        self._settle(now)
        return list(self._entries.values())

    def active(self, now: int) -> list[Some]:
        """Return the active entries, oldest first."""
        self._settle(now)
        return list(self._active.values())

    def find(self, id_: str, client_id: str, now: int) -> Some:
        """Return one entry. OKX's own id wins if both are given."""
        self._settle(now)
        entry = self._entries.get(id_) if id_ else self._by_client_id.get(client_id)
        if entry is None:
            raise Refused(self.kind.missing)
        return entry

    def cancel(self, entry: Some, now: int) -> None:
        """Cancel an active entry."""
        if entry.state != "active":
            raise Refused(self.kind.not_active, **{self.kind.state: entry.state})
        self.move(entry, "canceled", now)

    def cancel_all(self, now: int) -> None:
        """Cancel every active entry."""
        active = self.active(now)
        if not active:
            raise Refused(self.kind.none_active)
        for entry in active:
            self.move(entry, "canceled", now)

    def move(self, entry: Some, state: str, now: int) -> None:
        """Change an entry's state."""
        entry.move(state, now)
        self._active.pop(entry.id, None)
        if state == "active":
            self._active[entry.id] = entry

    def _settle(self, now: int) -> None:
        """Apply every change due by `now`, at the time it was due. Nothing here runs in the background."""
        if self.cancel_at is not None and now >= self.cancel_at:
            self._sweep(self.cancel_at)
            for entry in list(self._active.values()):
                self.move(entry, "canceled", self.cancel_at)
            self.cancel_at = None
        self._sweep(now)

    def _sweep(self, now: int) -> None:
        for entry in list(self._active.values()):
            entry.settle(now)
            if entry.state != "active":
                del self._active[entry.id]

    def _make_room(self, now: int) -> None:
        self._settle(now)
        over = next((entry for entry in self._entries.values() if entry.id not in self._active), None)
        if over is None:
            raise OverflowError(f"this User ID has {CAPACITY:,} active {self.kind.name}, more than the sandbox keeps")
        del self._entries[over.id]
        self._by_client_id.pop(over.client_id, None)
