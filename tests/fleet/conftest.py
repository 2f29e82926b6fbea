"""A real store for each test that needs one, and a sandbox in real time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.fleet_world import Proxy

from okx_rfq_plugin import get_plugin_manager
from okx_rfq_plugin.fleet.server import EmbeddedServer, ServerMissing
from okx_rfq_plugin.fleet.store import Store
from okx_rfq_plugin.sandbox import Sandbox


@pytest.fixture(autouse=True)
def _without_the_fleet() -> Iterator[None]:
    """Other tests are of a package without a fleet: the first member registers the fleet's plugin for good."""
    yield
    if get_plugin_manager().has_plugin("okx-rfq-fleet"):
        get_plugin_manager().unregister(name="okx-rfq-fleet")


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


@pytest.fixture
def here(store: EmbeddedServer) -> Iterator[Store]:
    """A client of the test's own, of the same store."""
    client = Store(store.url, timeout=5.0)
    yield client
    client.close()
