"""Monkeypatching with undo."""

from __future__ import annotations

import contextlib
from typing import Any

_MISSING = object()


class Patches:
    """Replaced attributes. Undone in reverse order, except those that other code has replaced since."""

    def __init__(self) -> None:
        self._done: list[tuple[Any, str, object, object]] = []

    def replace(self, holder: Any, name: str, new: object) -> None:
        """Set `new` as an attribute of a class or module."""
        before = vars(holder).get(name, _MISSING)
        setattr(holder, name, new)
        self._done.append((holder, name, before, new))

    def undo(self) -> None:
        """Restore everything."""
        while self._done:
            holder, name, before, new = self._done.pop()
            if vars(holder).get(name) is not new:
                continue
            with contextlib.suppress(AttributeError):
                if before is _MISSING:
                    delattr(holder, name)
                else:
                    setattr(holder, name, before)
