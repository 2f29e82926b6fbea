"""OKX and the route to it: a name to resolve, a port to connect to, and a server that plays a script."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partialmethod
from typing import Any

import aiohttp
import pytest

import okx_rfq_plugin
from okx_rfq_plugin import RetryPolicy
from support.fault_table import CANCEL_ALL, PUBLIC_TIME, SUCCESS, Row, Unreached, said
from support.standin import Request, Standin, Step, echo, redirect, reply
from support.twins import VirtualClock

HOST = "okx.invalid"
TRUSTS_NO_CA = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # created once: ccxt would load its CAs each time
DUMMIES = {"apiKey": "dummy-key", "secret": "dummy-secret", "password": "dummy-passphrase"}


@dataclass(frozen=True)
class Met:
    """What one cancel request met: a row, at a time of the virtual clock, in seconds."""

    row: Row
    at: float


class Venue(Standin):
    """A stand-in that records which request met which row of the table."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock.now)
        self.clock = clock
        self.met: list[Met] = []
        self.doors: dict[str, int] = {}
        self.detour = False  # whether the client is connecting for something other than a cancel
        self._rows: list[Row] = []
        self.script(reply(404, "nobody lives here"))
        self.script(echo(200, self._time), path=PUBLIC_TIME)
        self.script(redirect("/circle"), path="/circle")
        self.script(reply(200, "<html>", "text/html"), path="/page")
        self.script(reply(401, said("50113")), path="/rejection")
        self.script(reply(200, SUCCESS), path="/moved")

    def play(self, rows: Sequence[Row]) -> None:
        """Let cancel requests meet these rows in order; the last repeats forever."""
        self._rows = list(rows)

    def __enter__(self) -> Venue:
        super().__enter__()
        return self

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.url.rpartition(":")[2])

    def resolve(self, resolver: Any, *args: Any, **kwargs: Any) -> Any:
        """Replace the resolver, where a request may fail to find a server.

        `doors` maps to other ports: "" for the usual one, the rest by the name in `Unreached.by`.
        """
        step = self._rows[0].step
        port = self.doors.get("", self.port)
        if isinstance(step, Unreached):
            if not self.detour:  # the host is also unreachable for a detour, which is not an attempt
                self._meet()
            if step.by == "name":
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            port = self.doors.get(step.by) or closed_port()
        return resolver("127.0.0.1", port, *args, **kwargs)

    def _next(self, path: str) -> Step:
        return self._meet().step if path == CANCEL_ALL else super()._next(path)

    def _meet(self) -> Row:
        row = self._rows.pop(0) if len(self._rows) > 1 else self._rows[0]
        self.met.append(Met(row, self.clock.now()))
        return row

    def _time(self, request: Request) -> Any:
        return said("0", [{"ts": str(int(self.clock.wall() * 1000))}])


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def venue(clock: VirtualClock) -> Iterator[Venue]:
    """Run a venue under its own name, which is resolved anew for each connection."""
    resolver, connector = socket.getaddrinfo, aiohttp.TCPConnector.__init__

    with Venue(clock) as running, pytest.MonkeyPatch.context() as patch:

        def resolve(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
            if host not in (HOST, HOST.encode()):
                return resolver(host, port, *args, **kwargs)
            return running.resolve(resolver, *args, **kwargs)

        patch.setattr(socket, "getaddrinfo", resolve)
        # aiohttp caches a name for ten seconds of the real clock, which is forever here.
        patch.setattr(aiohttp.TCPConnector, "__init__", partialmethod(connector, use_dns_cache=False))
        # The oldest ccxt installs aiodns, with which aiohttp would ask a name server instead of the function above.
        patch.setattr(aiohttp.connector, "DefaultResolver", aiohttp.ThreadedResolver)
        patch.setattr(okx_rfq_plugin.get_plugin_manager().get_plugin("okx"), "clock", clock)
        yield running


def make_exchange(
    kind: type, policy: RetryPolicy | None, clock: VirtualClock, trusts: ssl.SSLContext | None = None
) -> Any:
    """Return a ccxt object on the venue with the plugin, which is already on its class if no policy is given."""
    made = aim(kind(dict(DUMMIES)), clock, trusts)
    return made if policy is None else okx_rfq_plugin.install(made, policy=policy)


def aim(exchange: Any, clock: VirtualClock, trusts: ssl.SSLContext | None = None) -> Any:
    """Make a ccxt object talk to the venue on its clock, over TLS if `trusts` is given."""
    exchange.urls["api"] = {"rest": f"https://{HOST}" if trusts else f"http://{HOST}"}
    exchange.ssl_context = trusts or TRUSTS_NO_CA
    if trusts and exchange.synchronous:
        exchange.session.trust_env = True  # requests reads its CA bundle from the environment
    exchange.milliseconds = lambda: int(clock.wall() * 1000)
    return exchange
