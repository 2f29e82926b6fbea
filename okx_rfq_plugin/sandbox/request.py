"""A request as received, and the part of it that tests may see."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from multidict import CIMultiDict, CIMultiDictProxy

PREFIX = "/api/v5/"
MOST_REQUESTS = 10_000  # kept; beyond that, the oldest is dropped
MOST_BYTES = 64 * 1024**2  # kept, not counting Python's own overhead

_SECRET_HEADERS = ("OK-ACCESS-SIGN", "OK-ACCESS-PASSPHRASE")


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request that arrived, for a test to inspect.

    `path` excludes the query and `query` the question mark; both are as sent. `user_id` is None if the key is unknown.
    `received` is in seconds on the sandbox's clock. `headers` has case-insensitive names, and lacks the signature and
    the passphrase.
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
    """A request with its secrets, for internal use. `target` and `body` are the exact bytes that were signed."""

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
        """Return the headers without the signature and the passphrase."""
        headers = CIMultiDict(self.headers)
        for name in _SECRET_HEADERS:
            headers.popall(name, None)
        return CIMultiDictProxy(headers)


class Remembered:
    """The latest requests, oldest first."""

    def __init__(self) -> None:
        self._requests: deque[Request] = deque()
        self._bytes = 0

    def __iter__(self) -> Iterator[Request]:
        return iter(self._requests)

    def add(self, request: Request) -> None:
        """Add a request, and drop the oldest ones beyond the bounds."""
        self._requests.append(request)
        self._bytes += _size(request)
        while len(self._requests) > MOST_REQUESTS or self._bytes > MOST_BYTES:
            self._bytes -= _size(self._requests.popleft())

    def clear(self) -> None:
        """Drop every request."""
        self._requests.clear()
        self._bytes = 0


def _size(request: Request) -> int:
    headers = sum(len(name) + len(value) for name, value in request.headers.items())
    return len(request.path) + len(request.query) + len(request.body) + headers


def full_path(path: object) -> str:
    """Return `/api/v5/rfq/rfqs` for `rfq/rfqs`. A complete path is returned unchanged.

    Raises:
        TypeError, ValueError: if it is not the path of a request.
    """
    if not isinstance(path, str) or not path:
        raise TypeError(f"a path looks like 'rfq/cancel-all-rfqs', not {path!r}")
    if "?" in path or "://" in path or any(letter.isspace() for letter in path):
        raise ValueError(f"a path looks like 'rfq/cancel-all-rfqs', without host, query and blanks, not {path!r}")
    if path.startswith(PREFIX[1:]):
        return f"/{path}"
    return path if path.startswith("/") else PREFIX + path
