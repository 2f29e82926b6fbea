"""Readings of the three clocks of a machine, and how much time lies between two of them."""

from __future__ import annotations

import math
import time
from typing import NamedTuple

_BOOT = getattr(time, "CLOCK_BOOTTIME", None)  # Linux; elsewhere the monotonic clock stands in for it
_SLEWED = 0.5  # seconds that the wall clock may fall behind by without having been set: more than any lease's slewing


class Reading(NamedTuple):
    """One moment, in seconds of each clock.

    CLOCK_MONOTONIC of Linux stands still while the machine is suspended and CLOCK_BOOTTIME does not. After a pause of a
    virtual machine only the wall clock may tell, once it has been set.
    """

    monotonic: float
    boot: float
    wall: float

    def most_since(self, earlier: Reading) -> float:
        """Return the seconds since an earlier reading by the clock that moved most: how old a lease may be.

        Infinite where the wall clock was set back since: of a pause in between it may tell nothing.
        """
        if self.wall - earlier.wall < self.monotonic - earlier.monotonic - _SLEWED:
            return math.inf
        return max(now - then for now, then in zip(self, earlier, strict=True))

    def least_since(self, earlier: Reading) -> float:
        """Return the seconds that have passed for certain, which a clock set anew does not change."""
        return self.monotonic - earlier.monotonic


def read() -> Reading:
    """Read the clocks of this machine."""
    monotonic = time.monotonic()
    boot = monotonic if _BOOT is None else time.clock_gettime(_BOOT)
    return Reading(monotonic, boot, time.time())
