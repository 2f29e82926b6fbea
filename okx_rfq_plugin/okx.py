"""The package's own plugin: serves OKX through the core."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ccxt.base.errors import BaseError

from okx_rfq_plugin._core import steps, wording
from okx_rfq_plugin._core.call import Call, Report, attach
from okx_rfq_plugin._core.clock import SYSTEM
from okx_rfq_plugin._core.effects import Steps, drive, drive_async
from okx_rfq_plugin._core.endpoints import CANCEL_ALL_QUOTES, CANCEL_ALL_RFQS
from okx_rfq_plugin.hookspecs import hookimpl

CLOCK = "_okx_rfq_clock"  # the attribute of an exchange object for a clock of its own; tests set a virtual one


def _unheard(method: str, exchange: Any, attempt: int, error: BaseError, wait: float) -> None:
    """Ignore the report: for a plugin manager other than this package's."""


class OkxRfqs:
    """Serves objects of ccxt, ccxt.async_support and ccxt.pro that have OKX's implicit methods."""

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
        todo = partial(steps.cancel_all, endpoint=CANCEL_ALL_RFQS, params=params, confirm=confirm)
        return self._serve(exchange, wording.CANCEL_RFQS, todo)

    @hookimpl(tryfirst=True)
    def fetch_open_rfqs(self, exchange: Any, params: dict[str, Any]) -> Any:
        """Read, on the caller's thread or task."""
        return self._serve(exchange, wording.READ_RFQS, partial(steps.open_rfqs, params=params))

    @hookimpl(tryfirst=True)
    def cancel_all_quotes(self, exchange: Any, params: dict[str, Any]) -> Any:
        """Cancel, on the caller's thread or task."""
        todo = partial(steps.cancel_all, endpoint=CANCEL_ALL_QUOTES, params=params)
        return self._serve(exchange, wording.CANCEL_QUOTES, todo)

    @hookimpl(tryfirst=True)
    def cancel_all_quotes_after(self, exchange: Any, timeout: int, params: dict[str, Any]) -> Any:
        """Set the countdown, on the caller's thread or task."""
        if self.serves_rfqs(type(exchange)):
            steps.check_countdown(exchange, timeout)
        return self._serve(exchange, wording.SET_COUNTDOWN, partial(steps.countdown, timeout=timeout, params=params))

    def _serve(self, exchange: Any, words: wording.Words, steps_of: Callable[[Call], Steps[Any]]) -> Any:
        if not self.serves_rfqs(type(exchange)):
            return None

        def begin() -> Call:
            return Call(exchange, getattr(exchange, CLOCK, None) or self.clock, words, self._report)

        return (_run if exchange.synchronous else _run_async)(begin, steps_of)


okx = OkxRfqs()


# Facts are attached twice: an interrupt may strike while those of an earlier exception are being attached.


def _run(begin: Callable[[], Call], steps_of: Callable[[Call], Steps[Any]]) -> Any:
    call = None
    try:
        try:
            call = begin()
            return drive(steps_of(call))
        except BaseException as error:
            attach(call, error)
            raise
    except BaseException as error:
        attach(call, error)
        raise


async def _run_async(begin: Callable[[], Call], steps_of: Callable[[Call], Steps[Any]]) -> Any:
    call = None
    try:
        try:
            call = begin()
            return await drive_async(steps_of(call))
        except BaseException as error:
            attach(call, error)
            raise
    except BaseException as error:
        attach(call, error)
        raise
