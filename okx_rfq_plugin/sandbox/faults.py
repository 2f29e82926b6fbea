"""Faults: deliberate errors in replies, and their queue per path."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal, TypeGuard

from .request import full_path


def _is_int(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_code(value: object) -> bool:
    if isinstance(value, str):
        return value.isascii() and value.isdecimal()
    return _is_int(value) and value >= 1000


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault for one request. `Fault()` lets one request pass unchanged.

    Args:
        code: answer with this OKX code, its published text and HTTP status (or `status`).
        status: answer with this HTTP status, 200 to 599, and the HTML page that a proxy would send (or `body`).
        body: answer with this raw body.
        headers: add these headers to the reply, including the real one. A `Content-Length` that is too high, with
            `Connection: close`, truncates the body.
        content_type: the type of a raw body; by default `text/html` if it begins with `<`, else `application/json`.
        row: put the refusal of `code` into a row, under code 1, as OKX may do with 70203, 70207 and 70208.
        delay: seconds to wait before anything else happens, on the sandbox's clock if that is a `SandboxClock`,
            else in real time.
        late: seconds to wait between executing the request and answering it, on the same clock as `delay`.
        drop: close the connection without a reply, "before" the request is executed or "after".
        execute: execute the request before `code`, `status` or `body` replaces its reply.

    Raises:
        TypeError, ValueError: if a value is invalid or contradicts another.
    """

    code: str | int | None = None
    row: bool = False
    status: int | None = None
    body: str | bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None
    delay: float = 0.0
    late: float = 0.0
    drop: Literal["before", "after"] | None = None
    execute: bool = False

    def __post_init__(self) -> None:
        if self.code is not None and not _is_code(self.code):
            raise ValueError(f"a fault's code is a string of digits or an int of 1000 or more, not {self.code!r}")
        if self.status is not None and not (_is_int(self.status) and 200 <= self.status <= 599):
            raise ValueError(f"a fault's status is an HTTP status from 200 to 599, not {self.status!r}")
        if not isinstance(self.body, (str, bytes, type(None))):
            raise TypeError(f"a fault's body is str or bytes, not {self.body!r}")
        for seconds in (self.delay, self.late):
            if not (_is_int(seconds) or isinstance(seconds, float)) or not 0 <= seconds < math.inf:
                raise ValueError(f"a fault's delay is a finite number of seconds, 0 or more, not {seconds!r}")
        if self.drop not in (None, "before", "after"):
            raise ValueError(f'a fault\'s drop is "before", "after" or None, not {self.drop!r}')
        if self.code is not None and self.body is not None:
            raise ValueError("a fault has a code or a body, not both: the code brings its own body")
        if self.row and self.code is None:
            raise ValueError("a fault's row says its code: give it one")
        if self.drop is not None and (self.replaces or self.headers):
            raise ValueError("a dropped connection has no reply: leave out code, status, body and headers")
        if self.drop == "before" and self.execute:
            raise ValueError('a request dropped "before" is not executed: say drop="after"')
        for text in (*self.headers, *self.headers.values(), self.content_type or ""):
            if not isinstance(text, str) or "\n" in text or "\r" in text:
                raise ValueError(f"a fault's headers are strings without line breaks, not {text!r}")

    @property
    def replaces(self) -> bool:
        """Whether the fault replaces the real reply."""
        return (self.code, self.status, self.body) != (None, None, None)


DROP = Fault(drop="before")
Step = Fault | str | bytes | int | float


def read_step(step: object) -> Fault:
    """Return the fault that a step describes.

    A string of digits or an int of 1000 or more is an OKX code, a smaller int an HTTP status, a float a delay in
    seconds, `bytes` or any other string a raw body with HTTP 200, and a `Fault` itself.
    """
    if isinstance(step, Fault):
        return step
    if isinstance(step, bytes) or (isinstance(step, str) and not _is_code(step)):
        return Fault(status=200, body=step)
    if isinstance(step, float):
        return Fault(delay=step)
    if isinstance(step, str) or (_is_int(step) and step >= 1000):
        return Fault(code=step)
    if _is_int(step):
        return Fault(status=step)
    raise TypeError(
        "a step is an OKX code ('50011'), an HTTP status (502), a raw body (b'<html>'), "
        f"a delay in seconds (0.5), DROP or a Fault, not {step!r}"
    )


class FaultLine:
    """The queued faults, per path."""

    def __init__(self) -> None:
        self._lines: dict[str, deque[Fault]] = {}

    def add(self, path: str, steps: tuple[object, ...]) -> None:
        """Append steps to a path's queue: all of them, or none if one is invalid."""
        whole = full_path(path)
        if not steps:
            raise ValueError(f"no step for {path!r}: name what is to go wrong")
        self._lines.setdefault(whole, deque()).extend([read_step(step) for step in steps])

    def take(self, path: str) -> Fault:
        """Remove and return the path's next fault, or one that changes nothing if the queue is empty."""
        line = self._lines.get(path)
        return line.popleft() if line else Fault()

    def unused(self) -> list[str]:
        """Return a description of each fault still queued."""
        return [f"fault for {path}: {_in_words(fault)}" for path, line in self._lines.items() for fault in line]

    def clear(self) -> None:
        """Remove every fault."""
        self._lines.clear()


def _in_words(fault: Fault) -> str:
    changed = {field.name: getattr(fault, field.name) for field in fields(fault)}
    said = [f"{name}={value!r}" for name, value in changed.items() if value != getattr(_NOTHING, name)]
    return f"Fault({', '.join(said)})"[:200]


_NOTHING = Fault()
