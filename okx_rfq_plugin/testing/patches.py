"""Puts functions in the place of others, and takes them back."""

from __future__ import annotations

import contextlib
from typing import Any

_MISSING = object()


class Patches:
    """What was replaced; undone in reverse order, except what other code has replaced since."""

    def __init__(self) -> None:
        self._done: list[tuple[Any, str, object, object]] = []

    def replace(self, holder: Any, name: str, new: object) -> None:
        """Put `new` on a class or module."""
        before = vars(holder).get(name, _MISSING)
        setattr(holder, name, new)
        self._done.append((holder, name, before, new))

    def undo(self) -> None:
        """Take everything back."""
        while self._done:
            holder, name, before, new = self._done.pop()
            if vars(holder).get(name) is not new:
                continue
            with contextlib.suppress(AttributeError):
                if before is _MISSING:
                    delattr(holder, name)
                else:
                    setattr(holder, name, before)
