"""A real store for each test that needs one, and a sandbox in real time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.fleet_world import Proxy

from okx_rfq_plugin.fleet.server import EmbeddedServer, ServerMissing
from okx_rfq_plugin.sandbox import Sandbox


@pytest.fixture
def store() -> Iterator[EmbeddedServer]:
    """A separate server; on Python 3.10, which the wheel does not support, the one named by OKX_RFQ_FLEET_SERVER."""
    try:
        server = EmbeddedServer()
        server.start()
    except ServerMissing as missing:
        pytest.skip(str(missing))
    yield server
    server.close()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def proxy(store: EmbeddedServer) -> Iterator[Proxy]:
    """Between a member and the store."""
    proxy = Proxy(store.port)
    yield proxy
    proxy.close()
