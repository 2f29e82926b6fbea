"""A value that is set once: the lock-free primitive under the rate limiter and the single flight."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """A compare-and-set from nothing: the first `set` wins, and every later one returns the winner's value.

    It is one `dict.setdefault` on the object's own attributes, which is atomic for other threads and for a signal
    handler that interrupts this very thread. There is no lock that could be held: not by an interrupted frame, not by a
    thread that a fork left behind.
    """

    value: T | None = None  # before it is set

    def set(self, value: T) -> T:
        """Set the value unless there is one, and return the one that holds."""
        winner: T = self.__dict__.setdefault("value", value)
        return winner
