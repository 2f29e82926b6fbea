"""Replies scripted by a test, for paths that the sandbox does not serve or serves differently."""

from __future__ import annotations

import json as json_
from collections.abc import Callable
from dataclasses import dataclass

from .request import Request, full_path

Answer = Callable[[Request], object]


@dataclass
class Script:
    """One reply. `left` requests get it, or all if None."""

    path: str
    status: int
    answer: Answer
    left: int | None
    used: bool = False

    def in_words(self) -> str:
        """Return a description of what has not been used."""
        times = "" if self.left is None else f", {self.left} more times" if self.left > 1 else ", once more"
        return f"reply for {self.path}: HTTP {self.status}{times}"


class ScriptLine:
    """The scripted replies, per path."""

    def __init__(self) -> None:
        self._numbered: dict[str, list[Script]] = {}
        self._endless: dict[str, Script] = {}

    def add(self, path: str, json: object, *, times: int | None, status: int) -> None:
        """Script a reply.

        Raises:
            TypeError, ValueError: if it cannot be sent; then nothing is scripted.
        """
        if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 1):
            raise ValueError(f"a reply is sent 1 or more times, or None for all times, not {times!r}")
        if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
            raise ValueError(f"a reply's status is an HTTP status from 200 to 599, not {status!r}")
        if not callable(json):
            json_.dumps(json)
        answer = json if callable(json) else lambda _: json
        script = Script(full_path(path), status, answer, times)
        if times is None:
            self._endless[script.path] = script
        else:
            self._numbered.setdefault(script.path, []).append(script)

    def take(self, path: str) -> Script | None:
        """Return the reply for a request to this path: the counted ones in order, then the one without a count."""
        numbered = self._numbered.get(path)
        if not numbered:
            script = self._endless.get(path)
            if script is not None:
                script.used = True
            return script
        script = numbered[0]
        script.left = (script.left or 0) - 1
        if not script.left:
            numbered.pop(0)
        return script

    def unused(self) -> list[str]:
        """Return a description of each reply that no request has got yet."""
        left = [script for numbered in self._numbered.values() for script in numbered]
        return [script.in_words() for script in (*left, *self._endless.values()) if not script.used]

    def clear(self) -> None:
        """Remove every reply."""
        self._numbered.clear()
        self._endless.clear()
