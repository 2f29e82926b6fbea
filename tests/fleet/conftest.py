"""A real store for each test that wants one, and a sandbox on real time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fleet_world import Proxy

from okx_rfq_plugin.sandbox import Sandbox

pytest.importorskip("redis", reason="the extra `fleet` is not installed")


@pytest.fixture
def store() -> Iterator[object]:
    """A server of its own."""
    from okx_rfq_plugin.fleet.server import EmbeddedServer, ServerMissing

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
def proxy(store: object) -> Iterator[Proxy]:
    """Between a member and the store."""
    proxy = Proxy(store.port)  # type: ignore[attr-defined]  # an EmbeddedServer, if there is any
    yield proxy
    proxy.close()
