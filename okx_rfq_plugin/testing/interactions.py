"""Contents of a cassette: requests, and for each the reply or how it was lost."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl


class Failure(enum.Enum):
    """How a reply was lost. The values appear in the file."""

    TIMEOUT = "timeout"  # no reply came in time
    CONNECT_TIMEOUT = "connect timeout"
    DROPPED = "connection lost"  # or never made
    BROKEN = "body cut short"

    @property
    def waits(self) -> bool:
        """Whether the client waited for its full timeout."""
        return self in (Failure.TIMEOUT, Failure.CONNECT_TIMEOUT)


@dataclass(frozen=True)
class Reply:
    """One HTTP reply. `headers` lacks those that are not recorded."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class CassetteRequest:
    """One replayed or recorded request, for a test to inspect.

    `path` excludes the query and `query` the question mark; both are as sent.
    """

    method: str
    path: str
    query: str = ""
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def params(self) -> dict[str, str]:
        """The query's parameters."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def json(self) -> Any:
        """The decoded body, or None if there is none or it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{self.method} {self.path}" + (f"?{self.query}" if self.query else "")


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """One request and its outcome. `line` is where it begins in the file."""

    request: CassetteRequest
    answer: Reply | Failure
    line: int = 0

    @property
    def outcome(self) -> str:
        """The outcome, in words."""
        return self.answer.value if isinstance(self.answer, Failure) else f"HTTP {self.answer.status}"
