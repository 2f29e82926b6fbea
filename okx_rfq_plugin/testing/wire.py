"""Where requests leave the machine: requests, aiohttp, and below them http.client and the sockets.

While a stage is open, each request of an okx object is put before it, and nothing of such an object goes past it.
"""

from __future__ import annotations

import asyncio
import functools
import http.client
import ipaddress
import socket
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from okx_rfq_plugin.testing.family import Asking, asking, asking_by, watch_entries
from okx_rfq_plugin.testing.patches import Patches
from okx_rfq_plugin.testing.sent import is_let_through

if TYPE_CHECKING:
    from okx_rfq_plugin.testing.stage import Stage

_lock = threading.Lock()
_stages: list[Stage] = []
_patches = Patches()


def open_stage(stage: Stage) -> None:
    """Put every request of an okx object before this stage, until it is closed."""
    with _lock:
        if not _stages:
            _watch()
        _stages.append(stage)


def close_stage(stage: Stage) -> None:
    """End what `open_stage` began; twice is the same as once."""
    with _lock:
        if stage in _stages:
            _stages.remove(stage)
            if not _stages:
                _patches.undo()


def current() -> Stage | None:
    """Return the stage that is open, the innermost one."""
    return _stages[-1] if _stages else None


def is_loopback(host: str | None) -> bool:
    """Return whether a host is this machine, by its name alone: nothing is looked up."""
    if host is None:
        return False
    host = host.strip("[]").partition("%")[0].lower()
    if host in ("localhost", ""):
        return bool(host)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _watch() -> None:
    import aiohttp
    import requests.adapters
    from aiohttp.connector import BaseConnector

    from okx_rfq_plugin.testing import players

    watch_entries(_patches, _refuse_socket)
    adapter: Any = requests.adapters.HTTPAdapter
    send = adapter.send

    @functools.wraps(send)
    def sync_send(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        asked, stage = asking_by(request.headers), current()
        if stage is None or asked is None or is_let_through():
            return send(self, request, *args, **kwargs)
        return players.send_by_requests(stage, asked, send, self, request, args, kwargs)

    _patches.replace(adapter, "send", sync_send)
    session: Any = aiohttp.ClientSession
    ask = session._request

    @functools.wraps(ask)
    async def async_request(self: Any, method: str, str_or_url: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        asked, stage = asking_by(kwargs.get("headers")), current()
        if stage is None or asked is None or is_let_through():
            return await ask(self, method, str_or_url, **kwargs)
        return await players.send_by_aiohttp(stage, asked, ask, self, method, str_or_url, kwargs)

    _patches.replace(session, "_request", async_request)
    connect = vars(BaseConnector)["connect"]

    @functools.wraps(connect)
    async def watched_connect(self: Any, req: Any, *args: Any, **kwargs: Any) -> Any:
        _check_host(req.url.host, asking_by(req.headers))
        if req.proxy is not None:
            _check_host(req.proxy.host, asking_by(req.headers))
        return await connect(self, req, *args, **kwargs)

    _patches.replace(BaseConnector, "connect", watched_connect)
    putrequest = http.client.HTTPConnection.putrequest

    @functools.wraps(putrequest)
    def watched_putrequest(self: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        for host in (self.host, getattr(self, "_tunnel_host", None), urlsplit(url).hostname):
            if host is not None:
                _check_host(host, asking())
        return putrequest(self, method, url, *args, **kwargs)

    _patches.replace(http.client.HTTPConnection, "putrequest", watched_putrequest)
    _watch_sockets()


def _watch_sockets() -> None:
    for name in ("connect", "connect_ex", "sendto"):
        _patches.replace(socket.socket, name, _of_socket(getattr(socket.socket, name)))
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        _patches.replace(socket, name, _of_lookup(getattr(socket, name)))
    loop: Any = asyncio.base_events.BaseEventLoop
    lookup = vars(loop)["getaddrinfo"]

    @functools.wraps(lookup)
    async def watched(self: Any, host: Any, *args: Any, **kwargs: Any) -> Any:
        _check_host(_text(host), asking())
        return await lookup(self, host, *args, **kwargs)

    _patches.replace(loop, "getaddrinfo", watched)


def _of_socket(call: Any) -> Any:
    @functools.wraps(call)
    def watched(self: Any, *args: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and args and isinstance(args[-1], tuple):
            _check_host(_text(args[-1][0]), asking())
        return call(self, *args)

    return watched


def _of_lookup(call: Any) -> Any:
    @functools.wraps(call)
    def watched(host: Any, *args: Any, **kwargs: Any) -> Any:
        _check_host(_text(host), asking())
        return call(host, *args, **kwargs)

    return watched


def _text(host: Any) -> str | None:
    return host.decode("latin-1") if isinstance(host, (bytes, bytearray)) else host


def _check_host(host: str | None, asked: Asking | None) -> None:
    # The last line: for what an okx object sends by other libraries than ccxt's two, and for redirects.
    if asked is None or is_let_through() or host is None:
        return
    stage = current()
    if stage is None:
        return
    meant = urlsplit(asked.url).hostname if asked.url else None
    if not is_loopback(host) or (meant is not None and not is_loopback(meant)):
        stage.refuse_host(asked, host)


def _refuse_socket(exchange: Any, url: str) -> None:
    stage = current()
    if stage is not None and not is_let_through():
        stage.refuse_socket(exchange, url)
