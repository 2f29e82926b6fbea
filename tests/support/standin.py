"""A venue-independent stand-in over real sockets: plays scripted answers, and records requests."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

_PATIENCE = 10.0  # seconds until a silent client is given up; no test comes close
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST instead of FIN


@dataclass(frozen=True)
class Request:
    """One request that arrived. `method` is empty if the request was cut off or invalid.

    Names of headers are in capitals.
    """

    method: str = ""
    path: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    at: float = 0.0


@dataclass(frozen=True)
class Step:
    """What happens to one request: bytes to answer, or a function that makes them, and how the connection ends."""

    wire: bytes | Callable[[Request], bytes] = b""
    reads: bool = True
    end: str = "close"
    meanwhile: Callable[[], Any] | None = None

    def while_on_the_wire(self, meanwhile: Callable[[], Any]) -> Step:
        """Return the same step, which also calls a function after reading the request and before answering."""
        return replace(self, meanwhile=meanwhile)


def reply(
    status: int = 200,
    body: Any = "",
    content_type: str = "application/json",
    headers: dict[str, str] | None = None,
) -> Step:
    """Answer with valid HTTP: text or bytes unchanged, anything else as JSON."""
    return Step(_http(status, body, content_type, headers))


def echo(status: int, body: Callable[[Request], Any], content_type: str = "application/json") -> Step:
    """Answer with a body made from the request."""
    return Step(lambda request: _http(status, body(request), content_type, None))


def redirect(location: str, status: int = 302) -> Step:
    """Redirect the client."""
    return reply(status, headers={"Location": location})


def raw(data: bytes) -> Step:
    """Answer with these bytes, whatever they are, and close."""
    return Step(data)


def cut(status: int, body: str) -> Step:
    """Announce a body, send half of it, and close."""
    whole = _http(status, body, "application/json", None)
    return Step(whole[: len(whole) - len(body.encode()) // 2])


def cut_by_reset(status: int, body: str) -> Step:
    """Announce a body, send half of it, and reset the connection."""
    return replace(cut(status, body), end="reset")


def cut_chunk(status: int, body: str) -> Step:
    """Send a chunked body, and close in the middle of a chunk."""
    data = body.encode()
    head = _head(status, {"Content-Type": "application/json", "Transfer-Encoding": "chunked"})
    return Step(head + b"%x\r\n%b" % (len(data), data[: len(data) // 2]))


def reset_unread() -> Step:
    """Reset the connection before reading a byte of the request."""
    return Step(reads=False, end="reset")


def reset() -> Step:
    """Read the request and reset the connection."""
    return Step(end="reset")


def silence() -> Step:
    """Read the request and close without a byte."""
    return Step()


def hang() -> Step:
    """Read the request and never answer."""
    return Step(end="hang")


class Standin:
    """A server on loopback, on one thread, running while entered.

    Args:
        now: the clock for `Request.at`.
    """

    def __init__(self, now: Callable[[], float] = lambda: 0.0) -> None:
        self.requests: list[Request] = []
        self.surprises: list[str] = []
        self._now = now
        self._scripts: dict[str, list[Step]] = {}
        self._held: list[socket.socket] = []
        self._stopping = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, name="stand-in", daemon=True)

    @property
    def url(self) -> str:
        """The URL it listens on."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def script(self, *steps: Step, path: str = "") -> None:
        """Set the steps for requests to a path; the last repeats forever. Without a path, for all others."""
        self._scripts[path] = list(steps)

    def seen(self, path: str) -> list[Request]:
        """Return the requests to a path."""
        return [request for request in self.requests if request.path == path]

    def __enter__(self) -> Standin:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopping = True
        socket.create_connection(self._listener.getsockname()).close()  # wakes accept()
        self._thread.join()
        self._listener.close()
        for held in self._held:
            held.close()
        if kind is None:
            assert [] == self.surprises

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._stopping:
                connection.close()
                return
            connection.settimeout(_PATIENCE)
            try:
                self._converse(connection)
            except OSError:  # the client went away first
                connection.close()
            except Exception as error:
                self.surprises.append(repr(error))
                connection.close()

    def _converse(self, connection: socket.socket) -> None:
        step = self._next(_peek_path(connection))
        request = _read(connection, self._now()) if step.reads else Request(at=self._now())
        self.requests.append(request)
        if step.meanwhile is not None:
            step.meanwhile()
        connection.sendall(step.wire if isinstance(step.wire, bytes) else step.wire(request))
        if step.end == "hang":
            self._held.append(connection)
            return
        if step.end == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        else:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
        connection.close()

    def _next(self, path: str) -> Step:
        steps = self._scripts.get(path) or self._scripts.get("")
        if not steps:
            self.surprises.append(f"nothing is scripted for {path!r}")
            return silence()
        return steps.pop(0) if len(steps) > 1 else steps[0]


def _peek_path(connection: socket.socket) -> str:
    data = b""
    while b"\r\n" not in data:
        data = connection.recv(65536, socket.MSG_PEEK)
        if not data[:1].isalpha():
            return ""  # a TLS hello, or the client is gone
    return data.split(b" ", 2)[1].decode("latin-1")


def _read(connection: socket.socket, at: float) -> Request:
    data = b""
    while b"\r\n\r\n" not in data:
        received = connection.recv(65536)
        data += received
        if not received or not data[:1].isalpha():
            return Request(body=data, at=at)  # a TLS hello, or the client is gone
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.strip().upper(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("CONTENT-LENGTH", 0)) and (received := connection.recv(65536)):
        body += received
    return Request(method, path, headers, body, at)


def _http(status: int, body: Any, content_type: str, headers: dict[str, str] | None) -> bytes:
    text = body if isinstance(body, (str, bytes)) else json.dumps(body)
    data = text.encode() if isinstance(text, str) else text
    return _head(status, {"Content-Type": content_type, "Content-Length": str(len(data)), **(headers or {})}) + data


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} So", *(f"{name}: {value}" for name, value in headers.items()), "Connection: close"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
