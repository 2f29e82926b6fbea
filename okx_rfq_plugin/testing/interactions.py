"""What a cassette holds: requests, and the reply to each or how it was lost."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl


class Failure(enum.Enum):
    """How a reply was lost; the values stand in the file."""

    TIMEOUT = "timeout"  # none came in time
    CONNECT_TIMEOUT = "connect timeout"
    DROPPED = "connection lost"  # or never made
    BROKEN = "body cut short"

    @property
    def waits(self) -> bool:
        """Whether the client has waited as long as it would."""
        return self in (Failure.TIMEOUT, Failure.CONNECT_TIMEOUT)


@dataclass(frozen=True)
class Reply:
    """One HTTP reply; `headers` without those that are not kept."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class CassetteRequest:
    """One request of a replay or a recording, for a test to look at.

    `path` has no query; `query` has no question mark, both as sent.
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
        """The decoded body; None where there is none, or where it is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{self.method} {self.path}" + (f"?{self.query}" if self.query else "")


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """One request, and what came back; `line` is where it begins in the file."""

    request: CassetteRequest
    answer: Reply | Failure
    line: int = 0

    @property
    def outcome(self) -> str:
        """What came back, in words."""
        return self.answer.value if isinstance(self.answer, Failure) else f"HTTP {self.answer.status}"
