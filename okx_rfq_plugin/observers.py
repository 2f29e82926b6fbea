"""Observers: plugins that are told how cancels go, each on a thread of its own."""

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

EXIT_GRACE = 2.0  # seconds that all observers together are given when the process ends

# The methods that observers hear of.
OBSERVED = ("cancel_all_rfqs", "cancel_all_quotes")


class Observers:
    """Tells observers in order: the teller does not wait, and no observer keeps another from hearing."""

    def __init__(self, hooks: pluggy.HookRelay) -> None:
        self._hooks = hooks
        self._mailboxes: dict[str, _Mailbox] = {}
        _all.add(self)

    def tell(self, hook: str, exchange: Any, method: str, **facts: Any) -> None:
        """Tell every implementation of a hook; raises no Exception."""
        try:
            # Not by one call of the hook: an implementation that raises would keep the rest from hearing.
            for implementation in reversed(getattr(self._hooks, hook).get_hookimpls()):
                if not (implementation.wrapper or implementation.hookwrapper) and method in OBSERVED:
                    told = {"exchange": ExchangeSnapshot.of(exchange), "method": method, **_copied(facts)}
                    name = implementation.plugin_name
                    self._mailboxes.setdefault(name, _Mailbox(name)).put(implementation, told)
        except Exception:
            log(logging.ERROR, "the observers could not be told of %s", hook, exc_info=True)

    def retrying(self, method: str, exchange: Any, attempt: int, error: BaseError, wait: float) -> None:
        """Tell of a wait before the next attempt."""
        self.tell("rfq_cancel_retrying", exchange, method, attempt=attempt, error=error, wait=wait)

    def ended(self, method: str, exchange: Any, receipt: Any) -> None:
        """Tell of a receipt."""
        self.tell("rfqs_canceled", exchange, method, receipt=receipt)

    def failed(self, method: str, exchange: Any, error: BaseException) -> None:
        """Tell of a failure."""
        self.tell("rfq_cancel_failed", exchange, method, error=error)

    def drain(self, timeout: float = EXIT_GRACE) -> bool:
        """Wait until everything told has been delivered, `timeout` seconds at most; return whether it was."""
        ends = time.monotonic() + timeout
        delivered = [mailbox.mark() for mailbox in list(self._mailboxes.values())]
        # Every one is waited for: those that are quick hear all, even if another is slow.
        return all(each.wait(max(ends - time.monotonic(), 0)) for each in delivered)

    def forget(self) -> None:
        """Begin afresh, in a forked process, which has no thread of its parent's."""
        self._mailboxes = {}


class _Mailbox:
    """What one observer has still to hear, and the thread that it hears on."""

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
            except RuntimeError as error:  # no thread to be had: limits, or the interpreter ends
                self._started.clear()
                self._queue = queue.SimpleQueue()
                log(logging.ERROR, "observer %s was not told: %s", self._name, error)

    def mark(self) -> threading.Event:
        """Return what is set when all that was told before is delivered."""
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
    # Each observer has its own, and the caller's stay as they are.
    return {name: _plain(fact) if isinstance(fact, BaseException) else _own(fact) for name, fact in facts.items()}


def _own(fact: Any) -> Any:
    # What JSON can hold nests to any depth, and copy.deepcopy does not.
    return copied(fact) if type(fact) is dict else copy.deepcopy(fact)


def _plain(error: BaseException) -> BaseException:
    # Class, words and facts; no traceback, which would hold the live exchange. The words of a ccxt error are this
    # package's own here; others may hold anything, so the note that this package has put on them stands for them.
    words = str(error) if isinstance(error, BaseError) else getattr(error, "__notes__", [""])[-1]
    try:
        clone = type(error).__new__(type(error), words)
    except TypeError:  # a class that wants more than words
        clone = Exception(f"{type(error).__name__}: {words}")
    if hasattr(error, "cancel_failure"):
        clone.cancel_failure = error.cancel_failure  # type: ignore[attr-defined]  # an exception takes any attribute
    return clone
