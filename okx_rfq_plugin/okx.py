"""This file is the package's own plugin for OKX, and holds the two loops that send, which differ by `await` alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ccxt.base.errors import BaseError
from tenacity import AsyncRetrying, Retrying

from okx_rfq_plugin._core.call import Call, Report
from okx_rfq_plugin._core.clock import SYSTEM, AsyncWaker, Waker
from okx_rfq_plugin._core.endpoints import CANCEL_ALL_QUOTES, CANCEL_ALL_RFQS
from okx_rfq_plugin._core.tasks import CancelAll, Countdown, OpenRfqs
from okx_rfq_plugin.hookspecs import hookimpl


def _unheard(method: str, exchange: Any, attempt: int, error: BaseError, wait: float) -> None:
    """Tell nobody: the report of a plugin that another host than this package's own has loaded."""


class OkxRfqs:
    """The package's own plugin: serves OKX, for objects of ccxt, ccxt.async_support and ccxt.pro."""

    def __init__(self, report: Report = _unheard) -> None:
        self.clock = SYSTEM
        self._report = report

    @hookimpl(tryfirst=True)
    def serves_rfqs(self, exchange_class: type) -> bool | None:
        """Serve every class that has ccxt's implicit method, by whatever name it goes."""
        return hasattr(exchange_class, CANCEL_ALL_RFQS.call) or None

    @hookimpl(tryfirst=True)
    def cancel_all_rfqs(self, exchange: Any, params: dict[str, Any], confirm: bool) -> Any:
        """Cancel, on the caller's thread or task; return what the hook promises."""
        return self._serve(CancelAll, exchange, CANCEL_ALL_RFQS, params, confirm=confirm)

    @hookimpl(tryfirst=True)
    def fetch_open_rfqs(self, exchange: Any, params: dict[str, Any]) -> Any:
        """Read, on the caller's thread or task."""
        return self._serve(OpenRfqs, exchange, params)

    @hookimpl(tryfirst=True)
    def cancel_all_quotes(self, exchange: Any, params: dict[str, Any]) -> Any:
        """Cancel, on the caller's thread or task."""
        return self._serve(CancelAll, exchange, CANCEL_ALL_QUOTES, params)

    @hookimpl(tryfirst=True)
    def cancel_all_quotes_after(self, exchange: Any, timeout: int, params: dict[str, Any]) -> Any:
        """Set the countdown, on the caller's thread or task."""
        return self._serve(Countdown, exchange, timeout, params)

    def _serve(self, task: Callable[..., Call], exchange: Any, *args: Any, **kwargs: Any) -> Any:
        if not self.serves_rfqs(type(exchange)):
            return None
        clock = getattr(exchange, "_okx_rfq_clock", None) or self.clock
        call = task(exchange, clock, self._report, *args, **kwargs)
        return _run(call) if exchange.synchronous else _run_async(call)


okx = OkxRfqs()


def _run(call: Call) -> Any:
    with call:
        for _ in call.steps():
            _attempt(call)
            if call.goes_on:
                Retrying(sleep=call.pause, **call.retrying)(_attempt, call)
        return call.conclude()


def _attempt(call: Call) -> None:
    while (sleep := call.wait(Waker)) is not None:
        call.clock.sleep(*sleep)
    if not call.sends:
        return
    try:
        with call.clock.busy(), call.attempt():
            call.send()
    finally:
        if (session := call.take_session()) is not None:
            session.close()
    if call.asks_time:
        with call.clock.busy(), call.reading_time() as correct:
            correct(call.read_time())


async def _run_async(call: Call) -> Any:
    with call:
        for _ in call.steps():
            await _attempt_async(call)
            if call.goes_on:
                await AsyncRetrying(sleep=call.pause_async, **call.retrying)(_attempt_async, call)
        return call.conclude()


async def _attempt_async(call: Call) -> None:
    while (sleep := call.wait(AsyncWaker)) is not None:
        await call.clock.asleep(*sleep)
    if not call.sends:
        return
    try:
        with call.clock.busy(), call.attempt():
            await call.send()
    finally:
        if (session := call.take_session()) is not None:
            await session.close()
    if call.asks_time:
        with call.clock.busy(), call.reading_time() as correct:
            correct(await call.read_time())
