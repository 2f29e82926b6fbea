"""A TCP proxy in its own process that delays and forgets connections, like a distant or failing network."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from typing import NamedTuple
from urllib.parse import urlsplit

from .server_process import ServerProcess


class Network(NamedTuple):
    """The behavior of the network between a client and its server, in seconds.

    Attributes:
        one_way: the latency of each byte, in each direction.
        handshakes: round trips before a new connection accepts the client's first byte; TCP has one, TLS 1.3 one more.
        server: the delay of the server's first byte of each reply.
    """

    one_way: float = 0.0
    handshakes: int = 0
    server: float = 0.0


class Proxy(ServerProcess):
    """A proxy in another process, as a context manager; `url` replaces the server's address.

    Args:
        url: the server's URL, on loopback.
        network: applied to every connection.
    """

    def __init__(self, url: str, network: Network | None = None) -> None:
        super().__init__(_main, urlsplit(url).port, network or Network())

    def forget(self, how: str) -> int:
        """Forget all open connections, and return how many. New ones work.

        Args:
            how: "reset" answers the next byte of each with a reset, "silent" never answers.
        """
        self._line.send(how)
        count: int = self._line.recv()
        return count


def _main(line: Connection, port: int, network: Network) -> None:
    asyncio.run(_serve(line, port, network))


async def _serve(line: Connection, port: int, network: Network) -> None:
    links: set[_Link] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(network, writer)
        links.add(link)
        try:
            await link.run(reader, port)
        except OSError:
            pass  # one of the two ends is gone
        finally:
            links.discard(link)
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    line.send(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    while (how := await asyncio.to_thread(line.recv)) is not None:
        for link in links:
            link.forgotten = how
        line.send(len(links))
    server.close()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


class _Link:
    """One connection through the proxy."""

    def __init__(self, network: Network, client: asyncio.StreamWriter) -> None:
        self._network = network
        self._client = client
        self.forgotten = ""

    async def run(self, reader: asyncio.StreamReader, port: int) -> None:
        loop = asyncio.get_running_loop()
        round_trip = 2 * self._network.one_way
        open_at = loop.time() + round_trip * self._network.handshakes
        upstream, server = await asyncio.open_connection("127.0.0.1", port)
        try:
            await asyncio.gather(
                self._pump(reader, server, lambda: max(loop.time(), open_at) + self._network.one_way, self._lost),
                self._pump(upstream, self._client, lambda: loop.time() + self._network.one_way + self._network.server),
            )
        finally:
            server.close()

    async def _lost(self) -> bool:
        if self.forgotten == "reset":
            sock: socket.socket = self._client.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._client.transport.abort()
        return bool(self.forgotten)

    async def _pump(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        due: Callable[[], float],
        lost: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        """Forward bytes, each when it is due, without reordering within a direction."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                moment, data = await queue.get()
                await asyncio.sleep(moment - loop.time())
                if not data:
                    target.close()
                    return
                target.write(data)

        delivery = asyncio.ensure_future(deliver())
        try:
            while True:
                data = await source.read(65536)
                if lost is not None and data and await lost():
                    continue
                queue.put_nowait((due(), data))
                if not data:
                    break
            await delivery
        finally:
            delivery.cancel()
