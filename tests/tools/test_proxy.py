"""The benchmark's proxy, over real sockets; durations are only checked from below."""

from __future__ import annotations

import http.client
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from okx_rfq_plugin.sandbox import Sandbox

sys.path.append(str(Path(__file__).parents[2]))  # behind the installed package, which is the one to be tested

from tools.shared.proxy import Network, Proxy

TIME = "/api/v5/public/time"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


class Client:
    """One kept connection."""

    def __init__(self, url: str, timeout: float = 20.0) -> None:
        self.connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=timeout)

    def ask(self) -> float:
        """Return the seconds until the reply."""
        began = time.monotonic()
        self.connection.request("GET", TIME)
        assert self.connection.getresponse().read().startswith(b'{"code":"0"')
        return time.monotonic() - began


def test_each_way_and_each_handshake_takes_its_time(sandbox: Sandbox) -> None:
    """A first request also costs its handshakes; the next one only its round trip."""
    with Proxy(sandbox.url, Network(one_way=0.05, handshakes=2)) as proxy:
        client = Client(proxy.url)
        first, second = client.ask(), client.ask()
        client.connection.close()

    assert first >= 0.3
    assert second >= 0.1
    assert 2 == len(sandbox.requests)


def test_a_slow_server_is_late_with_each_reply(sandbox: Sandbox) -> None:
    """Also on a warm connection."""
    with Proxy(sandbox.url, Network(server=0.1)) as proxy:
        client = Client(proxy.url)

        assert min(client.ask(), client.ask()) >= 0.1
        client.connection.close()


@pytest.mark.parametrize(("how", "error"), [("reset", ConnectionResetError), ("silent", TimeoutError)])
def test_a_forgotten_connection_is_dead_and_a_new_one_works(
    sandbox: Sandbox, how: str, error: type[BaseException]
) -> None:
    """The server never receives what was sent over it."""
    with Proxy(sandbox.url) as proxy:
        client = Client(proxy.url, timeout=0.5)
        client.ask()

        assert 1 == proxy.forget(how)
        with pytest.raises(error):
            client.ask()
        client.connection.close()
        fresh = Client(proxy.url)
        fresh.ask()
        fresh.connection.close()

    assert 2 == len(sandbox.requests)
