"""A sandbox on a manual clock, and three kinds of clients."""

from __future__ import annotations

import asyncio
import base64
import hmac
import http.client
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import ccxt
import ccxt.async_support
import pytest

from okx_rfq_plugin.sandbox import Sandbox

Call = Callable[..., Any]


class Clock:
    """Stands still until a test moves it; starts at the real time, since real clients sign with that."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Wire:
    """A plain HTTP client that signs requests itself, so that a test can sign wrongly."""

    sandbox: Sandbox
    clock: Clock
    raw_last: tuple[int, bytes] = (0, b"")

    def raw(
        self, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.sandbox.url.removeprefix("http://"), timeout=5)
        try:
            connection.request(method, target, body, headers or {})
            response = connection.getresponse()
            self.raw_last = response.status, response.read()
            return self.raw_last
        finally:
            connection.close()

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        credentials: dict[str, str] | None = None,
        without: str = "",
        **changed: str,
    ) -> tuple[int, dict[str, Any]]:
        """Send a correctly signed request, except for headers that are changed (`OK_ACCESS_KEY="x"`) or left out."""
        key = credentials or self.sandbox.credentials
        sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        target = "/api/v5/" + path
        stamp = changed.pop(
            "stamp", datetime.fromtimestamp(self.clock(), timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        )
        message = (stamp + method + target).encode() + sent
        headers = {
            "OK-ACCESS-KEY": key["apiKey"],
            "OK-ACCESS-PASSPHRASE": key["password"],
            "OK-ACCESS-SIGN": base64.b64encode(hmac.digest(key["secret"].encode(), message, "sha256")).decode(),
            "OK-ACCESS-TIMESTAMP": stamp,
            "Content-Type": "application/json",
            "x-simulated-trading": "1",
            **{name.replace("_", "-"): value for name, value in changed.items()},
        }
        headers.pop(without, None)
        status, answered = self.raw(method, target, sent, headers)
        return status, json.loads(answered)

    def code(self, method: str, path: str, body: object = None, **changed: Any) -> str:
        """Send, and return only OKX's code."""
        return str(self.send(method, path, body, **changed)[1]["code"])


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[Sandbox]:
    with Sandbox(clock=clock) as running:
        yield running


@pytest.fixture
def wire(sandbox: Sandbox, clock: Clock) -> Wire:
    return Wire(sandbox, clock)


@pytest.fixture
def new_wire(clock: Clock) -> Callable[[Sandbox], Wire]:
    """Return a wire to a sandbox created by the test."""
    return lambda made: Wire(made, clock)


@pytest.fixture
def exchange(sandbox: Sandbox) -> Any:
    """Return a raw sync ccxt object, without ccxt's 1.1 s between calls."""
    made = sandbox.exchange()
    made.enableRateLimit = False
    return made


@pytest.fixture(params=["sync", "async"])
def ccxt_call(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[Call]:
    """Return a function that calls a method of a raw ccxt object, sync and async."""
    made = sandbox.exchange(ccxt.okx if request.param == "sync" else ccxt.async_support.okx)
    made.enableRateLimit = False
    if request.param == "sync":
        yield lambda name, *args: getattr(made, name)(*args)
        return
    loop = asyncio.new_event_loop()
    yield lambda name, *args: loop.run_until_complete(getattr(made, name)(*args))
    made.timeout_on_exit = 0  # otherwise ccxt waits a quarter of a second
    loop.run_until_complete(made.close())
    loop.close()
