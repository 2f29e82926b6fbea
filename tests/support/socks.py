"""A SOCKS5 proxy on loopback that grants, refuses or never answers, and an HTTP proxy for CONNECT."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType

_NO_AUTHENTICATION = b"\x05\x00"
_GRANTED = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00"
_REFUSED = b"\x05\x05" + _GRANTED[2:]


class Socks:
    """Serves while entered.

    Args:
        port: the loopback port to connect to, whatever the client requests.
        ends: "granted", "refused", "silent" (accepts the connection and never answers), "gone" (closes it), or "http"
            (grants a CONNECT).
    """

    def __init__(self, port: int, ends: str = "granted") -> None:
        self.met = 0  # connections
        self._port = port
        self._ends = ends
        self._held: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, name="socks proxy", daemon=True)

    @property
    def url(self) -> str:
        """The value of ccxt's `socksProxy`."""
        return f"socks5://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Socks:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ends = "over"
        with contextlib.suppress(OSError):
            socket.create_connection(self._listener.getsockname()).close()  # wakes accept()
        self._thread.join()
        for each in (self._listener, *self._held):
            each.close()

    def _serve(self) -> None:
        while self._ends != "over":
            client, _ = self._listener.accept()
            self.met += 1
            self._held.append(client)
            with contextlib.suppress(OSError):
                self._meet(client)

    def _meet(self, client: socket.socket) -> None:
        if self._ends == "gone":
            client.close()
        elif self._ends in ("granted", "refused"):
            client.recv(64)
            client.sendall(_NO_AUTHENTICATION)
            client.recv(512)
            client.sendall(_GRANTED if self._ends == "granted" else _REFUSED)
        elif self._ends == "http":
            client.recv(4096)
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        if self._ends in ("granted", "http"):
            server = socket.create_connection(("127.0.0.1", self._port))
            self._held.append(server)
            for ends in ((client, server), (server, client)):
                threading.Thread(target=_copy, args=ends, daemon=True).start()
        elif self._ends == "refused":
            client.close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
