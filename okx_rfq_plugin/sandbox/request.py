"""Holds a request as it came over the wire, and what a test may see of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from multidict import CIMultiDict, CIMultiDictProxy

PREFIX = "/api/v5/"

_SECRET_HEADERS = ("OK-ACCESS-SIGN", "OK-ACCESS-PASSPHRASE")


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request that arrived, for a test to look at.

    `path` has no query, `query` no question mark, both as sent; `user_id` is None where the key is not known;
    `received` is in seconds on the sandbox's clock. The headers' names match in any case; signature and passphrase are
    not among them.
    """

    method: str
    path: str
    query: str
    body: str
    headers: Mapping[str, str] = field(repr=False)
    user_id: str | None
    received: float


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """The same with its secrets, for the inside only: `target` and `body` are the very bytes that were signed."""

    method: str
    target: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    ip: str

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The target's query, as sent, without the question mark."""
        return self.target.partition("?")[2]

    def public_headers(self) -> Mapping[str, str]:
        """Return the headers without signature and passphrase."""
        headers = CIMultiDict(self.headers)
        for name in _SECRET_HEADERS:
            headers.popall(name, None)
        return CIMultiDictProxy(headers)


def full_path(path: str) -> str:
    """Complete `rfq/rfqs` to `/api/v5/rfq/rfqs`, and leave a complete path alone."""
    return path if path.startswith("/") else PREFIX + path
