"""Readings of a machine's three clocks, and the time between two readings."""

from __future__ import annotations

import math
import time
from typing import NamedTuple

_BOOT = getattr(time, "CLOCK_BOOTTIME", None)  # Linux; elsewhere the monotonic clock replaces it
_SLEWED = 0.5  # seconds that the wall clock may fall behind without being set: more than the slewing during any lease


class Reading(NamedTuple):
    """One point in time, in seconds of each clock.

    On Linux, CLOCK_MONOTONIC stops while the machine is suspended and CLOCK_BOOTTIME does not. After a pause of a
    virtual machine, only the wall clock may show it, once it has been set.
    """

    monotonic: float
    boot: float
    wall: float

    def most_since(self, earlier: Reading) -> float:
        """Return the seconds since an earlier reading by the clock that moved most: the greatest age a lease may have.

        Infinite if the wall clock has been set back since, because it may then hide a pause.
        """
        if self.wall - earlier.wall < self.monotonic - earlier.monotonic - _SLEWED:
            return math.inf
        return max(now - then for now, then in zip(self, earlier, strict=True))

    def least_since(self, earlier: Reading) -> float:
        """Return the seconds that have certainly passed, unaffected by setting a clock."""
        return self.monotonic - earlier.monotonic


def read() -> Reading:
    """Read the clocks of this machine."""
    monotonic = time.monotonic()
    boot = monotonic if _BOOT is None else time.clock_gettime(_BOOT)
    return Reading(monotonic, boot, time.time())
