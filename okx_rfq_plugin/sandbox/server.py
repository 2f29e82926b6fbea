"""An aiohttp server with its own thread and event loop.

It knows HTTP and nothing about OKX: a callback decides about each request. aiohttp's bounds apply. It answers 413 to a
body of more than a mebibyte, unpacked, and 400 to a request line or a header of more than 8,190 bytes and to more than
128 headers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from typing import NamedTuple

from aiohttp import web

from .request import Arrival

# aiohttp logs what it cannot parse as an error, with a traceback and possibly a header. This logger drops that.
_SILENT = logging.Logger("okx_rfq_plugin.sandbox.http", logging.CRITICAL + 1)


class HttpReply(NamedTuple):
    """An HTTP reply to send."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Outcome(NamedTuple):
    """What to do with a request: wait `delay` seconds, call `reply`, wait `late` seconds, and send the reply.

    If the reply is None, the connection is dropped.
    """

    delay: float
    reply: Callable[[], HttpReply | None]
    late: float


class Server:
    """A server that starts listening when it is created."""

    def __init__(
        self,
        host: str,
        port: int,
        handle: Callable[[Arrival], Outcome],
        fail: Callable[[Arrival], HttpReply],
        delay: Callable[[float], Awaitable[None]],
    ) -> None:
        """Start listening.

        Args:
            host: the address to listen on.
            port: 0 lets the system choose.
            handle: called on the server's thread with each complete request; must not block.
            fail: called if `handle` or the `reply` of its outcome raises; returns the reply to send.
            delay: waits for the seconds of an outcome, on the server's event loop.

        Raises:
            OSError: if the port is not available.
        """
        self._handle, self._fail, self._delay = handle, fail, delay
        started: Future[int] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(host, port, started), name="okx-rfq-sandbox", daemon=True
        )
        self._thread.start()
        try:
            self.port = started.result()
        except Exception:
            self._thread.join()
            raise

    def close(self) -> None:
        """Stop immediately: every connection is dropped, every delay ends."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self, host: str, port: int, started: Future[int]) -> None:
        try:
            asyncio.run(self._serve(host, port, started))
        except Exception as error:  # re-raised by the thread that waits for the start
            started.set_exception(error)

    async def _serve(self, host: str, port: int, started: Future[int]) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        connections = web.Server(self._respond, access_log=None, logger=_SILENT)
        listener = await self._loop.create_server(connections, host, port)
        started.set_result(listener.sockets[0].getsockname()[1])
        await self._stop.wait()
        # No graceful shutdown, which would wait for hung clients: asyncio.run cancels the remaining handlers. First
        # stop accepting clients. One accepted just now becomes visible only two iterations of the loop later, and
        # asyncio would lose its socket if the listener were closed earlier.
        for listening in listener.sockets:
            with contextlib.suppress(NotImplementedError):  # by Windows' loop, which accepts differently
                self._loop.remove_reader(listening)
        for _ in range(3):
            await asyncio.sleep(0)
            for connection in connections.connections:
                _drop(connection.transport)
        listener.close()

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        arrival = Arrival(
            method=request.method,
            target=request.raw_path,
            body=await request.read(),
            headers=request.headers,
            ip=request.remote or "",
        )
        try:
            outcome = self._handle(arrival)
            # aiohttp lets a handler finish after its client has gone: a client's timeout does not undo its request.
            await self._pass(outcome.delay)
            reply = outcome.reply()
            await self._pass(outcome.late)
        except Exception:  # no client ever sees a traceback
            reply = self._fail(arrival)
        if reply is None:
            _drop(request.transport)
            return web.Response()
        response = web.Response(status=reply.status, headers=reply.headers, body=reply.body)
        if reply.headers.get("Connection") == "close":  # aiohttp ignores the header on its own
            response.force_close()
        return response

    async def _pass(self, seconds: float) -> None:
        if seconds:
            await self._delay(seconds)


def _drop(transport: asyncio.BaseTransport | None) -> None:
    if isinstance(transport, asyncio.Transport):  # None if the client has gone already
        transport.abort()
