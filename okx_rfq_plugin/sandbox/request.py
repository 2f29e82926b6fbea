"""A request as it came over the wire, and what a test may see of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from multidict import CIMultiDict, CIMultiDictProxy

PREFIX = "/api/v5/"
MOST_REQUESTS = 10_000  # remembered; past that the oldest is forgotten
MOST_BYTES = 64 * 1024**2  # of them, counted without what Python needs for itself

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


class Remembered:
    """The requests of late, oldest first."""

    def __init__(self) -> None:
        self._requests: deque[Request] = deque()
        self._bytes = 0

    def __iter__(self) -> Iterator[Request]:
        return iter(self._requests)

    def add(self, request: Request) -> None:
        """Take one in, and forget the oldest as long as they are too many or too much."""
        self._requests.append(request)
        self._bytes += _size(request)
        while len(self._requests) > MOST_REQUESTS or self._bytes > MOST_BYTES:
            self._bytes -= _size(self._requests.popleft())

    def clear(self) -> None:
        """Forget every request."""
        self._requests.clear()
        self._bytes = 0


def _size(request: Request) -> int:
    headers = sum(len(name) + len(value) for name, value in request.headers.items())
    return len(request.path) + len(request.query) + len(request.body) + headers


def full_path(path: object) -> str:
    """Return `/api/v5/rfq/rfqs` for `rfq/rfqs`, and a complete path as it is.

    Raises:
        TypeError, ValueError: for what is no path of a request.
    """
    if not isinstance(path, str) or not path:
        raise TypeError(f"a path looks like 'rfq/cancel-all-rfqs', not {path!r}")
    if "?" in path or "://" in path or any(letter.isspace() for letter in path):
        raise ValueError(f"a path looks like 'rfq/cancel-all-rfqs', without host, query and blanks, not {path!r}")
    if path.startswith(PREFIX[1:]):
        return f"/{path}"
    return path if path.startswith("/") else PREFIX + path
