"""Observers: plugins that hear how cancels go, each on its own thread."""

from __future__ import annotations

import _thread
import atexit
import copy
import logging
import os
import queue
import threading
import time
import weakref
from typing import Any

import pluggy
from ccxt.base.errors import BaseError

from okx_rfq_plugin._core.logs import log
from okx_rfq_plugin._core.outcome import copied
from okx_rfq_plugin._core.records import ExchangeSnapshot

EXIT_GRACE = 2.0  # seconds that all observers together get when the process ends

# The methods that observers hear about.
OBSERVED = ("cancel_all_rfqs", "cancel_all_quotes")


class Observers:
    """Notifies observers in order, without waiting for them; none can hold up another."""

    def __init__(self, hooks: pluggy.HookRelay) -> None:
        self._hooks = hooks
        self._mailboxes: dict[str, _Mailbox] = {}
        _all.add(self)

    def tell(self, hook: str, exchange: Any, method: str, **facts: Any) -> None:
        """Notify every implementation of a hook; raise no Exception."""
        try:
            # Not by one call of the hook: an implementation that raises would stop the others.
            for implementation in reversed(getattr(self._hooks, hook).get_hookimpls()):
                if not (implementation.wrapper or implementation.hookwrapper) and method in OBSERVED:
                    told = {"exchange": ExchangeSnapshot.of(exchange), "method": method, **_copied(facts)}
                    name = implementation.plugin_name
                    self._mailboxes.setdefault(name, _Mailbox(name)).put(implementation, told)
        except Exception:
            log(logging.ERROR, "the observers could not be told of %s", hook, exc_info=True)

    def retrying(self, method: str, exchange: Any, attempt: int, error: BaseError, wait: float) -> None:
        """Notify of a wait before the next attempt."""
        self.tell("rfq_cancel_retrying", exchange, method, attempt=attempt, error=error, wait=wait)

    def ended(self, method: str, exchange: Any, receipt: Any) -> None:
        """Notify of a receipt."""
        self.tell("rfqs_canceled", exchange, method, receipt=receipt)

    def failed(self, method: str, exchange: Any, error: BaseException) -> None:
        """Notify of a failure."""
        self.tell("rfq_cancel_failed", exchange, method, error=error)

    def drain(self, timeout: float = EXIT_GRACE) -> bool:
        """Wait until all notifications are delivered, at most `timeout` seconds; return whether they are."""
        ends = time.monotonic() + timeout
        delivered = [mailbox.mark() for mailbox in list(self._mailboxes.values())]
        # Wait for each: the quick ones hear everything, even if another is slow.
        return all(each.wait(max(ends - time.monotonic(), 0)) for each in delivered)

    def forget(self) -> None:
        """Start over in a forked process, which has none of its parent's threads."""
        self._mailboxes = {}


class _Mailbox:
    """The queue and the thread of one observer."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._started: dict[None, object] = {}

    def put(self, implementation: Any, facts: dict[str, Any]) -> None:
        self._queue.put((implementation, facts))
        mine = object()
        if self._started.setdefault(None, mine) is mine:
            try:
                # Not threading.Thread, whose start() takes a lock that an interrupted frame may hold.
                _thread.start_new_thread(self._run, ())
            except RuntimeError as error:  # no thread available: limits, or the interpreter is shutting down
                self._started.clear()
                self._queue = queue.SimpleQueue()
                log(logging.ERROR, "observer %s was not told: %s", self._name, error)

    def mark(self) -> threading.Event:
        """Return an event that is set when everything queued so far is delivered."""
        delivered = threading.Event()
        if self._started:
            self._queue.put((None, delivered))
        else:
            delivered.set()
        return delivered

    def _run(self) -> None:
        while True:
            implementation, facts = self._queue.get()
            if implementation is None:
                facts.set()
                continue
            try:
                implementation.function(*(facts[name] for name in implementation.argnames))
            except BaseException:
                log(logging.ERROR, "observer %s failed", self._name, exc_info=True)


_all: weakref.WeakSet[Observers] = weakref.WeakSet()


def _drain_all() -> None:
    for observers in list(_all):
        observers.drain()


def _forget_all() -> None:
    for observers in list(_all):
        observers.forget()


atexit.register(_drain_all)
getattr(os, "register_at_fork", dict)(after_in_child=_forget_all)  # Windows has no fork


def _copied(facts: dict[str, Any]) -> dict[str, Any]:
    # Each observer gets copies, so the caller's objects stay unchanged.
    return {name: _plain(fact) if isinstance(fact, BaseException) else _own(fact) for name, fact in facts.items()}


def _own(fact: Any) -> Any:
    # JSON may be nested too deeply for copy.deepcopy.
    return copied(fact) if type(fact) is dict else copy.deepcopy(fact)


def _plain(error: BaseException) -> BaseException:
    # Class, text and facts, but no traceback: it would hold the live exchange. The text of a ccxt error is this
    # package's own; that of any other may contain anything, so this package's note on it is used instead.
    words = str(error) if isinstance(error, BaseError) else getattr(error, "__notes__", [""])[-1]
    try:
        clone = type(error).__new__(type(error), words)
    except TypeError:  # the class requires other arguments
        clone = Exception(f"{type(error).__name__}: {words}")
    if hasattr(error, "cancel_failure"):
        clone.cancel_failure = error.cancel_failure  # type: ignore[attr-defined]  # an exception allows any attribute
    return clone
