"""Sends, answers or refuses a request as the stage decides, for requests and for aiohttp."""

from __future__ import annotations

import asyncio
import contextvars
import io
import threading
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
import requests
from yarl import URL

from okx_rfq_plugin._core.clock import AsyncWaker, Waker
from okx_rfq_plugin.testing import family
from okx_rfq_plugin.testing.clocks import VirtualClock
from okx_rfq_plugin.testing.family import Asking
from okx_rfq_plugin.testing.interactions import Failure, Reply
from okx_rfq_plugin.testing.sent import WIRE, Sent, let_through

if TYPE_CHECKING:
    from okx_rfq_plugin.testing.stage import Plan, Stage

_PATIENCE = 60.0  # seconds of real time; in virtual time, only delayed replies arrive late
_CLOSED = "Remote end closed connection without response"
# Each failure with the error that the library raises for it. The first match counts.
_REQUESTS: tuple[tuple[Failure, type[BaseException]], ...] = (
    (Failure.CONNECT_TIMEOUT, requests.exceptions.ConnectTimeout),
    (Failure.TIMEOUT, requests.exceptions.Timeout),
    (Failure.BROKEN, requests.exceptions.ChunkedEncodingError),
    (Failure.DROPPED, requests.exceptions.ConnectionError),
)
_AIOHTTP: tuple[tuple[Failure, type[BaseException]], ...] = (
    (Failure.CONNECT_TIMEOUT, aiohttp.ConnectionTimeoutError),
    (Failure.TIMEOUT, asyncio.TimeoutError),
    (Failure.BROKEN, aiohttp.ClientPayloadError),
    (Failure.DROPPED, aiohttp.ServerDisconnectedError),
    (Failure.DROPPED, aiohttp.ClientConnectionError),
)


def send_by_requests(
    stage: Stage, asked: Asking, send: Any, adapter: Any, request: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Replace `send` of requests' adapter for a request of an okx object."""
    __tracebackhide__ = True
    timeout = kwargs.get("timeout")
    sent = Sent(
        method=str(request.method),
        url=str(request.url),
        body=_bytes(request.body),
        headers=request.headers,
        timeout=timeout[-1] if isinstance(timeout, tuple) else timeout,
        proxied=bool(_proxies(kwargs.get("proxies"), str(request.url))),
    )
    if stage.tape is not None and stage.clock is not None:
        stage.clock.settle()
    plan = stage.plan(asked, sent)
    if plan.answer is not None:
        clock = getattr(asked.exchange, family.CLOCK, None)
        if isinstance(plan.answer, Failure):
            if plan.answer.waits and clock is not None and sent.timeout:
                clock.pause(sent.timeout * 1000)
            raise _error(_REQUESTS, plan.answer, request=request)
        return _requests_response(adapter, request, plan.answer)
    clock = getattr(asked.exchange, family.CLOCK, None)
    if plan.url is not None:
        request = request.copy()
        request.url = plan.url
        if isinstance(clock, VirtualClock) and (name := clock.wire_name()):
            request.headers[WIRE] = name
        kwargs = {**kwargs, "proxies": {}}
        if isinstance(clock, VirtualClock):
            kwargs["timeout"] = _PATIENCE
    with _sending(asked, plan):
        try:
            if plan.held_back and sent.timeout and isinstance(clock, VirtualClock):
                response = _send_within(clock, sent.timeout, lambda: send(adapter, request, *args, **kwargs), request)
            else:
                response = send(adapter, request, *args, **kwargs)
            if plan.heard is not None:
                body = response.content
        except requests.exceptions.RequestException as error:
            _tell(plan, _REQUESTS, error)
            raise
    if plan.heard is not None:
        plan.heard(
            Reply(
                response.status_code,
                response.reason or "",
                {str(name): str(value) for name, value in response.headers.items()},
                body,
            )
        )
    return response


async def send_by_aiohttp(
    stage: Stage, asked: Asking, ask: Any, session: Any, method: str, str_or_url: Any, kwargs: dict[str, Any]
) -> Any:
    """Async version of `send_by_requests`."""
    __tracebackhide__ = True
    url, timeout = str(str_or_url), _seconds(kwargs.get("timeout"))
    sent = Sent(
        method=method,
        url=url,
        body=_bytes(kwargs.get("data")),
        headers=kwargs.get("headers") or {},
        timeout=timeout,
        proxied=kwargs.get("proxy") is not None,
    )
    plan = stage.plan(asked, sent)
    if plan.answer is not None:
        clock = getattr(asked.exchange, family.CLOCK, None)
        if isinstance(plan.answer, Failure):
            if plan.answer.waits and clock is not None and timeout:
                await clock.apause(timeout * 1000)
            raise _error(_AIOHTTP, plan.answer)
        return _aiohttp_response(method, url, plan.answer)
    clock = getattr(asked.exchange, family.CLOCK, None)
    if plan.url is not None:
        str_or_url = URL(plan.url, encoded=True)
        kwargs = {**kwargs, "proxy": None}
        if isinstance(clock, VirtualClock):
            kwargs["timeout"] = aiohttp.ClientTimeout(total=_PATIENCE)
        if isinstance(clock, VirtualClock) and (name := clock.wire_name()):
            kwargs["headers"] = {**sent.headers, WIRE: name}
    with _sending(asked, plan):
        try:
            sending = ask(session, method, str_or_url, **kwargs)
            if plan.held_back and timeout and isinstance(clock, VirtualClock):
                sending = _ask_within(clock, timeout, sending)
            response = await sending
            if plan.heard is not None:
                body = await response.read()
        except (aiohttp.ClientError, asyncio.TimeoutError) as error:
            _tell(plan, _AIOHTTP, error)
            raise
    if plan.heard is not None:
        plan.heard(
            Reply(
                response.status,
                response.reason or "",
                {str(name): str(value) for name, value in response.headers.items()},
                body,
            )
        )
    return response


def _send_within(clock: VirtualClock, seconds: float, send: Callable[[], Any], request: Any) -> Any:
    """Send on another thread, and abandon it if the virtual time is up first, since a reply may be delayed."""
    waker, context = Waker(), contextvars.copy_context()
    done: list[tuple[Any, BaseException | None]] = []

    def run() -> None:
        try:
            done.append((context.run(send), None))
        except BaseException as error:
            done.append((None, error))
        waker.wake()

    threading.Thread(target=run, name="okx-rfq-wire", daemon=True).start()
    if not clock.wait_for_reply(seconds, waker) and not done:
        raise requests.exceptions.ReadTimeout(f"Read timed out. (read timeout={seconds})", request=request)
    response, error = done[0]
    if error is not None:
        raise error
    return response


async def _ask_within(clock: VirtualClock, seconds: float, sending: Coroutine[Any, Any, Any]) -> Any:
    """Async version of `_send_within`."""
    waker, task = AsyncWaker(), asyncio.ensure_future(sending)
    task.add_done_callback(lambda _: waker.wake())
    try:
        await clock.await_reply(seconds, waker)
        if not task.done():
            raise aiohttp.SocketTimeoutError(f"Timeout on reading data from socket after {seconds} s")
        return task.result()
    finally:
        task.cancel()


def _sending(asked: Asking, plan: Plan) -> AbstractContextManager[None]:
    if plan.free:
        return let_through()
    return nullcontext() if plan.url is None else family.instead_of(asked, plan.url)


def _tell(plan: Plan, table: tuple[tuple[Failure, type[BaseException]], ...], error: BaseException) -> None:
    if plan.heard is not None:
        plan.heard(next((failure for failure, kind in table if isinstance(error, kind)), Failure.BROKEN))


def _error(table: tuple[tuple[Failure, type[BaseException]], ...], failure: Failure, **kwargs: Any) -> BaseException:
    kind = next(kind for other, kind in table if other is failure)
    return kind(_CLOSED if failure is Failure.DROPPED else f"replayed: {failure.value}", **kwargs)


def _requests_response(adapter: Any, request: Any, reply: Reply) -> Any:
    from urllib3.response import HTTPResponse

    raw = HTTPResponse(
        body=io.BytesIO(reply.body),
        headers=reply.headers,
        status=reply.status,
        reason=reply.reason,
        preload_content=False,
        decode_content=False,
    )
    return adapter.build_response(request, raw)


def _aiohttp_response(method: str, url: str, reply: Reply) -> Any:
    from vcr.request import Request
    from vcr.stubs.aiohttp_stubs import build_response

    headers = {name: [value] for name, value in reply.headers.items()}
    response = {
        "status": {"code": reply.status, "message": reply.reason},
        "headers": headers,
        "body": {"string": reply.body},
    }
    return build_response(Request(method, url, None, {}), response, [])


def _seconds(timeout: Any) -> float | None:
    """Return aiohttp's timeout in seconds. The oldest ccxt passes a number, not a ClientTimeout."""
    return float(timeout) if isinstance(timeout, (int, float)) else getattr(timeout, "total", None)


def _bytes(body: Any) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else b"".join(body) if isinstance(body, (list, tuple)) else None


def _proxies(proxies: Any, url: str) -> bool:
    scheme, host = urlsplit(url).scheme, urlsplit(url).hostname
    names = (scheme, "all", f"{scheme}://{host}", f"all://{host}")
    return any((proxies or {}).get(name) for name in names)
