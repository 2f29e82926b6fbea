"""A sandbox in its own process, which reports when requests arrived."""

from __future__ import annotations

import logging
import threading
import time
from multiprocessing.connection import Connection
from typing import Any

from .server_process import ServerProcess

CANCEL_ALL = "/api/v5/rfq/cancel-all-rfqs"
_OPTION = {"instId": "BTC-USD-261225-100000-C", "side": "buy", "sz": "1", "tdMode": "cross"}  # its RFQ lives 10 minutes


class SandboxProcess(ServerProcess):
    """A sandbox in another process, as a context manager. Times are `time.monotonic()`, which all processes share.

    Add `epoch` to `time.monotonic()` in any process to get the sandbox's Unix time. Both ends share it, because two
    wall clocks read separately may differ by as long as a process waits for the CPU.
    """

    def __init__(self, *, rejections_count: bool = False) -> None:
        self.epoch = time.time() - time.monotonic()
        self._lock = threading.Lock()
        super().__init__(_serve, rejections_count, self.epoch)

    def users(self, count: int) -> list[dict[str, str]]:
        """Create User IDs, each with an active RFQ, and return the credentials of their keys."""
        return self._ask("users", count)

    def keys(self, credentials: dict[str, str], count: int) -> list[dict[str, str]]:
        """Create more keys for one User ID."""
        return self._ask("keys", credentials, count)

    def fault(self, path: str, count: int, **fault: Any) -> None:
        """Queue the same fault `count` times; see `okx_rfq_plugin.sandbox.Fault`."""
        self._ask("fault", path, count, fault)

    def arrivals(self, *keys: dict[str, str], path: str = CANCEL_ALL) -> list[float]:
        """Return when requests to a path arrived, from these keys or, without any, from all."""
        return self._ask("arrivals", {key["apiKey"] for key in keys}, path)

    def bodies(self, path: str) -> list[tuple[float, str]]:
        """Return when requests to a path arrived, and their bodies."""
        return self._ask("bodies", path)

    def rejections(self) -> int:
        """Return how many cancels were refused as too many since the last `clear()`."""
        return self._ask("rejections")

    def clear(self) -> None:
        """Discard requests, faults, limits and RFQs. Users stay."""
        self._ask("clear")

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call any method of the sandbox, from any thread."""
        return self._ask("call", name, args, kwargs)

    @property
    def pid(self) -> int | None:
        """The process id."""
        return self._process.pid

    def _ask(self, name: str, *args: Any) -> Any:
        with self._lock:
            self._line.send((name, args))
            return self._line.recv()


def _serve(line: Connection, rejections_count: bool, epoch: float) -> None:
    from okx_rfq_plugin.sandbox import Fault, Sandbox

    class Remote(logging.Handler):
        """The operations available from the other end."""

        refused = 0

        def emit(self, record: logging.LogRecord) -> None:
            line = record.getMessage()
            self.refused += CANCEL_ALL in line and "HTTP 429" in line

        def users(self, count: int) -> list[dict[str, str]]:
            users = [sandbox.create_user() for _ in range(count)]
            for user in users:
                sandbox.create_rfq(credentials=user, legs=[_OPTION])
            return users

        def keys(self, credentials: dict[str, str], count: int) -> list[dict[str, str]]:
            return [sandbox.create_key(credentials) for _ in range(count)]

        def fault(self, path: str, count: int, fault: dict[str, Any]) -> None:
            sandbox.fault(path, *[Fault(**fault)] * count)

        def arrivals(self, keys: set[str], path: str) -> list[float]:
            at = [each for each in sandbox.requests if each.path == path]
            return [each.received - epoch for each in at if not keys or each.headers.get("OK-ACCESS-KEY") in keys]

        def bodies(self, path: str) -> list[tuple[float, str]]:
            return [(each.received - epoch, each.body) for each in sandbox.requests if each.path == path]

        def rejections(self) -> int:
            return self.refused

        def clear(self) -> None:
            sandbox.clear()
            self.refused = 0

        def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            return getattr(sandbox, name)(*args, **kwargs)

    with Sandbox(clock=lambda: time.monotonic() + epoch, rejections_count=rejections_count) as sandbox:
        remote = Remote()
        log = logging.getLogger("okx_rfq_plugin.sandbox")
        log.setLevel(logging.DEBUG)
        log.addHandler(remote)
        line.send(sandbox.url)
        while (asked := line.recv()) is not None:
            name, args = asked
            line.send(getattr(remote, name)(*args))
