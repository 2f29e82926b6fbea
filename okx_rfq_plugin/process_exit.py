"""`at_exit`: cancel when the process ends, for strategies that have callbacks and no block of their own."""

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

    For hosts that call a strategy and give it no block: freqtrade, a notebook. It runs as an `atexit` callback: after
    the main module has ended, by itself, by an exception, by Ctrl+C or `sys.exit()`, and after the host has handled a
    signal and ended in this way. SIGTERM, where nobody handles it, ends the process by SystemExit(143); that needs a
    call on the main thread. Ctrl+C and SIGTERM do not stop a cancel that has begun.

    Exchanges are canceled one after another, those of one account by one request where the requests are alike. A
    failure is shown to `sys.excepthook`; the process's exit code stays what it was.

    Not covered, but by `okx-rfq guard`: kill -9, `os._exit()`, a crash of the interpreter. A forked process cancels
    nothing that its parent has registered.

    Args:
        exchange: whose RFQs are canceled; it is kept alive. Twice is the same as once.

    Returns:
        A function that takes the exchange off again.

    Raises:
        ccxt.NotSupported: no plugin serves such an exchange.
    """
    if not hasattr(exchange, "cancel_all_rfqs"):
        install(exchange)
    _registered[id(exchange)] = exchange
    # Last in, first out: registered again, it runs before what the host has registered meanwhile.
    atexit.unregister(_cancel_registered)
    atexit.register(_cancel_registered)
    _set_handler(signal.SIG_DFL, _on_sigterm)

    def take_off() -> None:
        _registered.pop(id(exchange), None)
        if not _registered:
            _set_handler(_on_sigterm, signal.SIG_DFL)

    return take_off


def _cancel_registered() -> None:
    # Whatever the host does at these signals, such as raising KeyboardInterrupt, is over: `cancel_on_exit` hears them.
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
        except (KeyboardInterrupt, SystemExit):  # a signal: the cancel has run to its end before
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
    """Runs each function at once: at this point Python lets no pool start a thread, and a host's name is looked up."""

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
    # A forked process ends as ever.
    signal.signal(signum, signal.SIG_DFL)  # pragma: no cover - what has been measured is lost with the process
    signal.raise_signal(signum)  # pragma: no cover - the same


getattr(os, "register_at_fork", dict)(after_in_child=_registered.clear)  # Windows has no fork
