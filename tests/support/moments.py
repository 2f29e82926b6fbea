"""Times at which something happens in the middle of a step, as in a signal handler or another thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Moment(float):
    """A time that triggers something when it, or a sum with it, is first compared."""

    happens: Callable[[], Any] | None = None

    def __gt__(self, other: float) -> bool:
        self._happen()
        return float(self) > other

    def __ge__(self, other: float) -> bool:
        self._happen()
        return float(self) >= other

    def __lt__(self, other: float) -> bool:
        self._happen()
        return float(self) < other

    def __le__(self, other: float) -> bool:
        self._happen()
        return float(self) <= other

    def __add__(self, other: float) -> Moment:
        later = Moment(float(self) + other)
        later.happens, self.happens = self.happens, None
        return later

    def _happen(self) -> None:
        happens, self.happens = self.happens, None
        if happens is not None:
            happens()


def at(time: float, happens: Callable[[], Any]) -> Moment:
    """Return a time that triggers something once."""
    moment = Moment(time)
    moment.happens = happens
    return moment
