"""Shared by the tests of the test kit: an OKX to record from, and pytest runs without CI."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import urllib3.connection
from support.twins import VirtualClock

from okx_rfq_plugin.sandbox import Sandbox
from okx_rfq_plugin.testing import recording


@pytest.fixture(autouse=True)
def no_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)


@pytest.fixture
def okx_itself(monkeypatch: pytest.MonkeyPatch, clock: VirtualClock) -> Iterator[Sandbox]:
    """A sandbox at OKX's own address."""
    with Sandbox(clock=clock.wall) as sandbox:

        def connect(connection: urllib3.connection.HTTPSConnection) -> None:
            connection.sock = socket.create_connection(("127.0.0.1", int(sandbox.url.rpartition(":")[2])))
            connection.is_verified = True

        monkeypatch.setattr(urllib3.connection.HTTPSConnection, "connect", connect)
        yield sandbox


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch, clock: VirtualClock) -> None:
    """Skip the pauses between situations that OKX itself needs."""
    monkeypatch.setattr(recording, "SYSTEM", clock)
