"""Records in the store: members, heartbeats, latch. They contain no key, secret or passphrase."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T", "Member", "Watcher", "Latch")

# okx.com/docs-v5/en/#block-trading-rest-api-cancel-all-rfqs
SENDS, WINDOW = 2, 2.0  # requests that OKX accepts in the given number of seconds
OKX_WINDOW = 30.0  # seconds that a signature is valid: okx.com/docs-v5/en/#overview-rest-authentication
ON_THE_WIRE = 2.0  # seconds in which requests on the wire arrive, except for the rare one that is held up
CERTAIN = OKX_WINDOW + 1.0  # seconds until OKX refuses everything signed before, with a second for rounding


@dataclass(frozen=True)
class Member:
    """A process that may create RFQs, as it registers itself."""

    id: str  # random, new at each join
    name: str
    host: str
    pid: int
    account: str  # "demo:UID" or "live:UID", by OKX's own User ID
    lease: float  # seconds
    joined: float  # Unix seconds by the member's clock, for display only
    ahead: float | None = None  # seconds that its signatures are ahead of OKX's clock; None if unknown

    @property
    def longer(self) -> float:
        """Seconds that its signatures may outlive OKX's 30 s, since OKX judges by the time they are dated with."""
        return OKX_WINDOW if self.ahead is None else min(max(0.0, self.ahead), OKX_WINDOW)

    @property
    def patience(self) -> float:
        """Seconds without a renewal until others consider its lease lapsed, a sixth longer than the lease."""
        return self.lease * 7 / 6


@dataclass(frozen=True)
class Watcher:
    """A process that cancels for members whose lease has lapsed."""

    id: str
    name: str
    host: str
    pid: int
    accounts: tuple[str, ...]  # those it has keys for
    on_blind: str


@dataclass(frozen=True)
class Latch:
    """The switch of the whole fleet. A later one has a greater version, even if another process sets it."""

    version: int
    halted: bool
    reason: str
    by: str
    since: float  # Unix seconds, by the store's clock


class Beat(NamedTuple):
    """A renewal, as others see it."""

    number: int
    seen: int  # version of the latch that the member obeys, 0 for none
    ahead: float | None = None  # like the member's, at this time


class View(NamedTuple):
    """One view of the store. `epoch` changes when the store is restarted, emptied or failed over."""

    epoch: str
    latch: Latch | None
    beats: dict[str, Beat | None]  # by id of each registered member; None if its key has expired
    members: dict[str, Member]


def to_text(record: Member | Watcher | Latch | Beat) -> str:
    """Return a record in the store's form."""
    return json.dumps(list(record) if isinstance(record, Beat) else asdict(record))


def from_text(kind: type[T], text: str) -> T | None:
    """Return the record, or None for invalid text, such as a record of a later version of this package."""
    try:
        fields: dict[str, Any] = json.loads(text)
        if isinstance(fields.get("accounts"), list):
            fields["accounts"] = tuple(fields["accounts"])
        return kind(**fields)
    except (ValueError, TypeError, AttributeError):
        return None


def beat_from_text(text: str) -> Beat | None:
    """Return the heartbeat, or None for invalid text."""
    try:
        number, seen, *ahead = json.loads(text)
        return Beat(int(number), int(seen), None if not ahead or ahead[0] is None else float(ahead[0]))
    except (ValueError, TypeError):
        return None


def newest(*latches: Latch | None) -> Latch | None:
    """Return the latch that was set last, or None if there is none."""
    return max((latch for latch in latches if latch is not None), key=lambda latch: latch.version, default=None)
