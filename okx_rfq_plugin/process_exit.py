"""`at_exit`: cancel when the process ends, for strategies that have callbacks but no block of their own."""

from __future__ import annotations

import asyncio
import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import FrameType
from typing import Any

from okx_rfq_plugin._core.identity import key_of, sharing_of
from okx_rfq_plugin.installer import install
from okx_rfq_plugin.on_exit import cancel_on_exit

_registered: dict[int, Any] = {}  # exchanges, by id


def at_exit(exchange: Any) -> Callable[[], None]:
    """Cancel all RFQs of an exchange when this process ends, as `cancel_on_exit` does at the end of a block.

    For hosts that call a strategy without giving it a block, such as freqtrade or a notebook. It runs as an `atexit`
    callback: after the main module has ended, normally, by an exception, by Ctrl+C or `sys.exit()`, and after the host
    has handled a signal and ended in one of these ways. If SIGTERM has no handler, it ends the process with
    SystemExit(143); this requires the call to be on the main thread. Ctrl+C and SIGTERM do not interrupt a cancel that
    has begun.

    Exchanges are canceled one after another; those of one account share a request if their requests are alike. A
    failure is passed to `sys.excepthook`; the process's exit code does not change.

    Only `okx-rfq guard` covers kill -9, `os._exit()` and a crash of the interpreter. A forked process cancels nothing
    that its parent registered.

    Args:
        exchange: the exchange to cancel for; it is kept alive. Registering it twice is the same as once.

    Returns:
        A function that unregisters the exchange.

    Raises:
        ccxt.NotSupported: if no plugin supports this exchange.
    """
    if not hasattr(exchange, "cancel_all_rfqs"):
        install(exchange)
    _registered[id(exchange)] = exchange
    # Last in, first out: registered again, it runs before anything the host has registered since.
    atexit.unregister(_cancel_registered)
    atexit.register(_cancel_registered)
    _set_handler(signal.SIG_DFL, _on_sigterm)

    def take_off() -> None:
        _registered.pop(id(exchange), None)
        if not _registered:
            _set_handler(_on_sigterm, signal.SIG_DFL)

    return take_off


def _cancel_registered() -> None:
    # The host's handlers, such as one raising KeyboardInterrupt, no longer matter: `cancel_on_exit` handles signals.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
    canceled: set[tuple[bytes, bytes]] = set()
    for exchange in list(_registered.values()):
        try:
            alike = (key_of(exchange), sharing_of(exchange, {}))
            if alike not in canceled:
                _cancel(exchange)
                canceled.add(alike)
        except (KeyboardInterrupt, SystemExit):  # a signal; the cancel has already run to its end
            continue
        except BaseException as error:
            sys.excepthook(type(error), error, error.__traceback__)


def _cancel(exchange: Any) -> None:
    if exchange.synchronous:
        with cancel_on_exit(exchange):
            return
    asyncio.run(_cancel_async(exchange))


async def _cancel_async(exchange: Any) -> None:
    asyncio.get_running_loop().set_default_executor(_Inline())
    async with cancel_on_exit(exchange):
        pass


class _Inline(ThreadPoolExecutor):
    """Runs each function immediately. Python allows no new threads this late, but host names must be looked up."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def _set_handler(old: Any, new: Any) -> None:
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is old:
        signal.signal(signal.SIGTERM, new)


def _on_sigterm(signum: int, frame: FrameType | None) -> None:
    if _registered:
        raise SystemExit(128 + signum)
    # A forked process ends as usual.
    signal.signal(signum, signal.SIG_DFL)  # pragma: no cover - coverage data is lost with the process
    signal.raise_signal(signum)  # pragma: no cover - the same


getattr(os, "register_at_fork", dict)(after_in_child=_registered.clear)  # Windows has no fork
