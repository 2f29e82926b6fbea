"""What a member may currently do: its lease, the latch, and the reason a create is refused."""

from __future__ import annotations

import math
from datetime import datetime, timezone

from okx_rfq_plugin.fleet.clocks import Reading
from okx_rfq_plugin.fleet.records import OKX_WINDOW, Latch, newest

_TOLD_WITHIN = 0.5  # seconds, within the second that the last cancel has to spare


class Fence:
    """The lease and the latch of one member.

    Any thread may read; one thread writes. The lease counts from before the renewal was sent, by whichever clock moved
    most. So it ends before the store's key expires, and long before a watcher declares it lapsed.

    Args:
        lease: seconds.
    """

    def __init__(self, lease: float) -> None:
        if not 0 < lease < math.inf:
            raise ValueError(f"a lease is a number of seconds above 0, not {lease!r}")
        self.lease = lease
        self.latch: Latch | None = None
        self.trouble = "it was not renewed yet"
        self._sent: Reading | None = None
        self._told = 0.0

    def renewed(self, sent: Reading, latch: Latch | None, ahead: float | None = None) -> Latch | None:
        """Apply the store's answer to a renewal.

        The latch is applied first, so that the new lease never counts without a halt that came with it.

        Args:
            sent: the clocks before the renewal was sent.
            latch: the store's latch, part of every answer.
            ahead: seconds that signatures are ahead of OKX's clock, as reported to the store.

        Returns:
            The latch to put back if the store has lost it. A halt is put back, and obeyed even if this member knows a
            later resume, which the store must then have lost. A resume is not put back: in doubt, the fleet stays
            halted.
        """
        if latch is not None and latch.halted and not (self.latch is not None and self.latch.halted):
            self.latch = latch
        self.heard(latch)
        self._sent, self._told = sent, max(0.0, ahead or 0.0)
        known = self.latch
        if known is not None and known.halted and (latch is None or latch.version < known.version):
            return known
        return None

    def heard(self, latch: Latch | None) -> None:
        """Apply a latch, however it arrived. An older one changes nothing."""
        self.latch = newest(self.latch, latch)

    def failed(self, trouble: str) -> None:
        """Record why a renewal failed."""
        self.trouble = trouble

    def left(self, now: Reading) -> float:
        """Return the seconds until the lease ends, negative if it has ended."""
        sent = self._sent
        return -math.inf if sent is None else self.lease - now.most_since(sent)

    def refusal(self, now: Reading, ahead: float | None = None) -> str | None:
        """Return why nothing may be created now, or None if it may.

        Args:
            now: the clocks.
            ahead: seconds that the signature is ahead of OKX's clock; None if unknown or nothing is signed yet. The
                last cancel for a dead member is delayed by what the store was told, at most 30 s.
        """
        latch = self.latch
        if latch is not None and latch.halted:
            return f"the fleet is halted since {_iso(latch.since)} by {latch.by}: {latch.reason}"
        if self.left(now) <= 0:
            return f"the lease of {self.lease:g} s in the fleet has lapsed ({self.trouble})"
        if ahead is not None and ahead > OKX_WINDOW:
            return f"it is dated {ahead:.0f} s ahead of OKX's clock, which takes {OKX_WINDOW:.0f} s"
        if ahead is not None and ahead > self._told + _TOLD_WITHIN:
            return f"it is dated {ahead:.1f} s ahead of OKX's clock, which the fleet is told with the next renewal"
        return None


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
