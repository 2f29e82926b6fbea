"""Hooks into HTTP clients. requests and aiohttp, which ccxt uses, are answered in place; other clients are checked."""

from __future__ import annotations

import functools
import http.client
import importlib
import sys
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import requests
import requests.adapters
import urllib3.connectionpool
from aiohttp.connector import BaseConnector

from okx_rfq_plugin.testing import players
from okx_rfq_plugin.testing.family import SIGNED, Asking, asking, asking_by, is_signed, sending
from okx_rfq_plugin.testing.hosts import is_loopback
from okx_rfq_plugin.testing.patches import Patches
from okx_rfq_plugin.testing.sent import is_let_through
from okx_rfq_plugin.testing.sessions import owner_of
from okx_rfq_plugin.testing.stages import check_host, current


def watch_clients(patches: Patches) -> None:
    """Answer, send or refuse every request of an okx object, as the current stage decides."""
    _watch_requests(patches)
    _watch_aiohttp(patches)
    _watch_http_client(patches)
    _watch_urllib3(patches)
    _watch_httpx(patches)


def _as_owner(session: Any, url: str) -> AbstractContextManager[None]:
    if asking() is not None or is_loopback(urlsplit(url).hostname):
        return nullcontext()
    owner = owner_of(session)
    return nullcontext() if owner is None else sending(Asking(owner, None))


def _watch_requests(patches: Patches) -> None:
    session: Any = requests.Session
    send_by_session = session.send

    @functools.wraps(send_by_session)
    def session_send(self: Any, request: Any, **kwargs: Any) -> Any:
        with _as_owner(self, str(request.url)):
            return send_by_session(self, request, **kwargs)

    patches.replace(session, "send", session_send)
    adapter: Any = requests.adapters.HTTPAdapter
    send = adapter.send

    @functools.wraps(send)
    def adapter_send(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        asked, stage = asking_by(request.headers), current()
        if stage is None or asked is None or is_let_through():
            return send(self, request, *args, **kwargs)
        return players.send_by_requests(stage, asked, send, self, request, args, kwargs)

    patches.replace(adapter, "send", adapter_send)


def _watch_aiohttp(patches: Patches) -> None:
    session: Any = aiohttp.ClientSession
    ask = session._request

    @functools.wraps(ask)
    async def request(self: Any, method: str, str_or_url: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        with _as_owner(self, str(str_or_url)):
            asked, stage = asking_by(kwargs.get("headers")), current()
            if asked is None and is_signed(self.headers):
                asked = SIGNED
            if stage is None or asked is None or is_let_through():
                return await ask(self, method, str_or_url, **kwargs)
            if urlsplit(str(str_or_url)).scheme in ("ws", "wss"):
                stage.refuse_socket(asked.exchange, str(str_or_url))
                return await ask(self, method, str_or_url, **kwargs)
            return await players.send_by_aiohttp(stage, asked, ask, self, method, str_or_url, kwargs)

    patches.replace(session, "_request", request)
    connect = vars(BaseConnector)["connect"]

    @functools.wraps(connect)
    async def watched_connect(self: Any, req: Any, *args: Any, **kwargs: Any) -> Any:
        asked = asking_by(req.headers)
        check_host(req.url.host, asked)
        if req.proxy is not None:
            check_host(req.proxy.host, asked)
        return await connect(self, req, *args, **kwargs)

    patches.replace(BaseConnector, "connect", watched_connect)


def _watch_http_client(patches: Patches) -> None:
    connection: Any = http.client.HTTPConnection
    putrequest, putheader = connection.putrequest, connection.putheader

    def check(self: Any, url: str | None, asked: Asking | None) -> None:
        for host in (self.host, getattr(self, "_tunnel_host", None), url and urlsplit(url).hostname):
            check_host(host, asked)

    @functools.wraps(putrequest)
    def watched_putrequest(self: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        check(self, url, None)
        return putrequest(self, method, url, *args, **kwargs)

    @functools.wraps(putheader)
    def watched_putheader(self: Any, header: Any, *values: Any) -> Any:
        if is_signed([(header, values)]):
            check(self, None, asking() or SIGNED)
        return putheader(self, header, *values)

    patches.replace(connection, "putrequest", watched_putrequest)
    patches.replace(connection, "putheader", watched_putheader)


def _watch_urllib3(patches: Patches) -> None:
    # urllib3 connects before it passes the headers to http.client.
    pool: Any = urllib3.connectionpool.HTTPConnectionPool
    urlopen = pool.urlopen

    @functools.wraps(urlopen)
    def watched(self: Any, method: str, url: str, body: Any = None, headers: Any = None, *args: Any, **kw: Any) -> Any:
        check_host(self.host, asking_by(self.headers if headers is None else headers))
        return urlopen(self, method, url, body, headers, *args, **kw)

    patches.replace(pool, "urlopen", watched)


def _watch_httpx(patches: Patches) -> None:
    # If the suite has loaded it. Patched below httpx, so that mocks of its requests take precedence.
    if "httpx" in sys.modules:  # httpx loads httpcore with its first client
        with suppress(ImportError):
            importlib.import_module("httpcore")
    httpcore = sys.modules.get("httpcore")
    for name, method in (("ConnectionPool", "handle_request"), ("AsyncConnectionPool", "handle_async_request")):
        pool = getattr(httpcore, name, None)
        if pool is None:
            continue
        call = getattr(pool, method)

        def watched(self: Any, request: Any, _call: Any = call) -> Any:
            check_host(request.url.host, asking_by(request.headers))
            return _call(self, request)

        patches.replace(pool, method, functools.wraps(call)(watched))
