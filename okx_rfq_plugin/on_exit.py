"""`cancel_on_exit`: cancel when a block of code is left, whatever ends it."""

from __future__ import annotations

import asyncio
import copy
import os
import signal
import sys
import threading
from contextlib import AbstractContextManager, nullcontext
from types import FrameType, TracebackType
from typing import Any

from okx_rfq_plugin._core.connection import is_closed
from okx_rfq_plugin._core.records import Receipt, add_note
from okx_rfq_plugin.installer import install

# The signals that end a block, and their default handlers.
_DEFAULTS: dict[int, Any] = {signal.SIGTERM: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
_TRIES = 2  # a loop that is shutting down cancels every task once, this cancel's included
# The attributes that a copy of an async exchange does not share with it, as ccxt initializes them.
_UNOPENED: dict[str, Any] = {
    "closed_by_user": False,
    "own_session": True,
    "session": None,
    "tcp_connector": None,
    "aiohttp_socks_connector": None,
    "socks_proxy_sessions": None,
    "asyncio_loop": None,
}


class cancel_on_exit:  # in lower case, as contextlib names its own
    """Cancel all RFQs when the block is left: at its end, by an exception, by SIGTERM or Ctrl+C, as a canceled task.

    `with` takes an exchange of ccxt, `async with` one of ccxt.async_support or ccxt.pro; the block gets it, with
    `cancel_all_rfqs()` on it. An async exchange that the block has closed stays closed: a fresh one of the same account
    cancels in its place.

    The exception that ended the block propagates, with a note that says how the cancel ended. If the cancel fails, its
    error is raised from the block's. KeyboardInterrupt, SystemExit, CancelledError and GeneratorExit propagate even
    then, so that code which handles ccxt's errors does not swallow the request to exit: `sys.excepthook` gets the
    cancel's error, and an exit code of 0 becomes 1.

    SIGTERM and Ctrl+C, unless other code handles them, end the block with SystemExit(143) and KeyboardInterrupt: sync
    at once, async by canceling the task. They do not interrupt the cancel itself, and take effect after it. This is for
    blocks entered on the main thread; elsewhere signals do what they do without the block.

    Not covered here, but by `okx-rfq guard`: kill -9, a crash of the interpreter, a loop that is dropped with its tasks
    still in it (`asyncio.run` does not). An RFQ whose create is on the wire may come to life after the cancel.

    Args:
        exchange: whose RFQs are canceled.

    Raises:
        ccxt.NotSupported: no plugin serves such an exchange; the block is not entered.
        TypeError: `with` and `async with` are mixed up; the block is not entered.
    """

    def __init__(self, exchange: Any) -> None:
        self._exchange = exchange
        self._task: asyncio.Task[Any] | None = None
        self._signum: int | None = None

    def __enter__(self) -> Any:
        if not self._exchange.synchronous:
            raise TypeError(f"this {self._exchange.id} is asynchronous: `async with cancel_on_exit(exchange):`")
        return self._enter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            outcome: Receipt | BaseException = self._exchange.cancel_all_rfqs()
        except BaseException as failure:
            outcome = failure
        self._leave(error, error, outcome)

    async def __aenter__(self) -> Any:
        if self._exchange.synchronous:
            raise TypeError(f"this {self._exchange.id} is synchronous: `with cancel_on_exit(exchange):`")
        self._task = asyncio.current_task()
        return self._enter()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ending = error
        for _ in range(_TRIES):
            cancel = asyncio.get_running_loop().create_task(_cancel(self._exchange))
            with _shielded():
                while not cancel.done():
                    try:
                        await asyncio.wait((cancel,))
                    except asyncio.CancelledError as canceled:  # propagates when the cancel has ended
                        ending = canceled
            if not cancel.cancelled():
                break
        try:
            outcome: Receipt | BaseException = cancel.result()
        except BaseException as failure:
            outcome = failure
        self._leave(error, ending, outcome)

    @property
    def is_task(self) -> bool:
        """Whether the block belongs to a task."""
        return self._task is not None

    @property
    def can_end(self) -> bool:
        """Whether a signal can end the block: not if its task is done or its loop was dropped."""
        return self._task is None or (not self._task.done() and self._task.get_loop().is_running())

    def end(self, signum: int) -> None:
        """Note the signal, and end a task's block."""
        self._signum = signum
        if self._task is not None:
            self._task.get_loop().call_soon_threadsafe(self._task.cancel)

    def _enter(self) -> Any:
        if not hasattr(self._exchange, "cancel_all_rfqs"):
            install(self._exchange)
        self._signum = None
        _hear_signals(self)
        return self._exchange

    def _leave(
        self, error: BaseException | None, ending: BaseException | None, outcome: Receipt | BaseException
    ) -> None:
        """Raise the exception that is to propagate, unless it is the block's own."""
        _unhear_signals(self)
        # The last of the tasks raises it: SystemExit stops the loop, and would stop the cancels of the others.
        last = not (self.is_task and any(block.is_task and block.can_end for block in _blocks))
        if self._signum is not None and last and not isinstance(ending, (KeyboardInterrupt, SystemExit)):
            ending = _ending(self._signum)
        if isinstance(outcome, BaseException):
            if ending is None or isinstance(ending, Exception):
                raise outcome from ending
            sys.excepthook(type(outcome), outcome, outcome.__traceback__)
            if isinstance(ending, SystemExit) and not ending.code:
                ending.code = 1
        if ending is None:
            return
        add_note(ending, _words(outcome))
        if ending is not error:
            raise ending


def _shielded() -> AbstractContextManager[Any]:
    # A canceled anyio scope cancels its task again at every turn of the loop, unless shielded.
    anyio = sys.modules.get("anyio")
    return nullcontext() if anyio is None else anyio.CancelScope(shield=True)


async def _cancel(exchange: Any) -> Receipt:
    if not is_closed(exchange):
        receipt: Receipt = await exchange.cancel_all_rfqs()
        return receipt
    fresh = copy.copy(exchange)  # shallow: key, environment, addresses, proxies, options and policy are the same
    for name, value in _UNOPENED.items():
        setattr(fresh, name, value)
    try:
        return await _cancel(fresh)
    finally:
        await fresh.close()


def _words(outcome: Receipt | BaseException) -> str:
    if isinstance(outcome, BaseException):
        return f"cancel_on_exit: the cancel failed: {outcome}"
    if outcome["status"] == "nothing_active":
        return "cancel_on_exit: no RFQ was active."
    at = f" as of {outcome['datetime']}" if outcome["datetime"] else ""
    return f"cancel_on_exit: all RFQs are canceled{at}."


# Signals

_blocks: list[cancel_on_exit] = []  # the blocks that a signal ends


def _hear_signals(block: cancel_on_exit) -> None:
    if _may_handle_signals():
        _blocks.append(block)
        for signum, default in _DEFAULTS.items():
            if signal.getsignal(signum) is default:
                signal.signal(signum, _on_signal)


def _unhear_signals(block: cancel_on_exit) -> None:
    if block in _blocks:
        _blocks.remove(block)
    if not _blocks and _may_handle_signals():
        for signum, default in _DEFAULTS.items():
            if signal.getsignal(signum) is _on_signal:
                signal.signal(signum, default)


def _may_handle_signals() -> bool:
    # By trying: under eventlet, `threading` reports another thread as the main one.
    handler = signal.getsignal(signal.SIGTERM)
    if handler is None:  # installed by non-Python code
        return threading.current_thread() is threading.main_thread()
    try:
        signal.signal(signal.SIGTERM, handler)
    except ValueError:
        return False
    return True


def _on_signal(signum: int, frame: FrameType | None) -> None:
    blocks = [block for block in _blocks if block.can_end]
    if not blocks:
        signal.signal(signum, _DEFAULTS[signum])
        signal.raise_signal(signum)
    for block in blocks:
        block.end(signum)
    if not (all(block.is_task for block in blocks) or _is_leaving(frame)):
        raise _ending(signum)


def _ending(signum: int) -> BaseException:
    return KeyboardInterrupt() if signum == signal.SIGINT else SystemExit(128 + signum)


def _is_leaving(frame: FrameType | None) -> bool:
    # Not by a flag: the signal may strike before the first line of __exit__ could set it.
    while frame is not None and frame.f_code is not cancel_on_exit.__exit__.__code__:
        frame = frame.f_back
    return frame is not None


# The blocks belong to the parent: signals end a forked process as usual. Windows has no fork.
getattr(os, "register_at_fork", dict)(after_in_child=_blocks.clear)
