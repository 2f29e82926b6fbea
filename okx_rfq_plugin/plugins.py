"""This file loads the plugins, asks them to cancel, and tells the observers among them from a thread of their own."""

from __future__ import annotations

import atexit
import copy
import importlib.metadata
import logging
import os
import queue
import threading
from typing import Any

import pluggy
from ccxt.base.errors import BadRequest, BaseError, NotSupported

from okx_rfq_plugin import hookspecs
from okx_rfq_plugin._core.records import ExchangeSnapshot, refusal

EXIT_GRACE = 2.0  # seconds that observers are given when the process ends
NO_AUTOLOAD = "OKX_RFQ_DISABLE_PLUGIN_AUTOLOAD"
_OWN_ENTRY_POINT = "okx_rfq_plugin.okx:okx"
_FLEET_ENTRY_POINT = "okx_rfq_plugin.fleet.environment:plugin"  # loaded only where a fleet is named

# What observers hear of a method: before each wait, at a good end, at a bad one.
_OBSERVED = {
    "cancel_all_rfqs": ("rfq_cancel_retrying", "rfqs_canceled", "rfq_cancel_failed"),
    "cancel_all_quotes": ("quote_cancel_retrying", "quotes_canceled", "quote_cancel_failed"),
}

logger = logging.getLogger("okx_rfq_plugin")


class Observers:
    """Tells observers, in order, on one daemon thread: whoever tells does not wait, and no observer stops another."""

    _queue: queue.SimpleQueue[Any]
    _thread: threading.Thread | None

    def __init__(self, hooks: pluggy.HookRelay) -> None:
        self._hooks = hooks
        self._forget()
        atexit.register(self.drain)
        # Windows has no fork.
        getattr(os, "register_at_fork", dict)(after_in_child=self._forget)

    def tell(self, hook: str, exchange: Any, **facts: Any) -> None:
        """Put one event in line for the implementations of a hook; never raises."""
        try:
            if getattr(self._hooks, hook).get_hookimpls():
                facts["exchange"] = ExchangeSnapshot.of(exchange)
                self._queue.put((hook, _copied(facts)))
                self.start()
        except Exception:
            logger.exception("the observers could not be told of %s", hook)

    def retrying(self, method: str, exchange: Any, attempt: int, error: BaseError, wait: float) -> None:
        """Tell of a wait before the next attempt."""
        if method in _OBSERVED:
            self.tell(_OBSERVED[method][0], exchange, attempt=attempt, error=_plain(error), wait=wait)

    def ended(self, method: str, exchange: Any, receipt: Any) -> None:
        """Tell of a receipt."""
        if method in _OBSERVED:
            self.tell(_OBSERVED[method][1], exchange, receipt=receipt)

    def failed(self, method: str, exchange: Any, error: BaseException) -> None:
        """Tell of a failure."""
        if method in _OBSERVED:
            self.tell(_OBSERVED[method][2], exchange, error=_plain(error))

    def start(self) -> None:
        """Start the thread, if it does not run yet: once a process, and once more in a forked one."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="okx-rfq-observers", daemon=True)
            self._thread.start()

    def drain(self, timeout: float = EXIT_GRACE) -> bool:
        """Wait until all that was told has been delivered, `timeout` seconds at most; say whether it was."""
        if self._thread is None:
            return True
        delivered = threading.Event()
        self._queue.put(delivered)
        return delivered.wait(timeout)

    def _forget(self) -> None:
        self._queue = queue.SimpleQueue()
        self._thread = None

    def _run(self) -> None:
        while True:
            event = self._queue.get()
            if isinstance(event, threading.Event):
                event.set()
            else:
                self._deliver(*event)

    def _deliver(self, hook: str, facts: dict[str, Any]) -> None:
        # Not by one call of the hook: there an implementation that raises would keep the rest from hearing.
        for implementation in reversed(getattr(self._hooks, hook).get_hookimpls()):
            if implementation.wrapper or implementation.hookwrapper:
                continue
            try:
                own = _copied(facts)
                implementation.function(*(own[name] for name in implementation.argnames))
            except BaseException:
                logger.exception("observer %s failed in %s", implementation.plugin_name, hook)


class RfqPluginManager(pluggy.PluginManager):
    """pluggy's manager with the hooks, the package's own implementation for OKX, and the observers' thread.

    `failures` says why a third party's plugin was left out, under its name `distribution:entry point`.
    """

    def __init__(self) -> None:
        super().__init__(hookspecs.PROJECT)
        self.add_hookspecs(hookspecs)
        self.failures: dict[str, str] = {}
        self.observers = Observers(self.hook)
        # Loaded when the first exchange is installed, as third parties are, and tenacity with it: `import` stays short.
        from okx_rfq_plugin.okx import OkxRfqs

        self.register(OkxRfqs(self.observers.retrying), name="okx")

    def load_entry_points(self) -> None:
        """Load what third parties declare in the entry-point group `okx_rfq_plugin`; report and skip what is broken."""
        for entry_point in _third_parties():
            name = f"{entry_point.dist.name if entry_point.dist else '?'}:{entry_point.name}"
            if not self.has_plugin(name):
                try:
                    self._admit(entry_point.load(), name)
                except (Exception, SystemExit) as error:
                    self.failures[name] = f"{type(error).__name__}: {error}"
                    logger.exception("plugin %s could not be loaded and is left out", name)
        self.observers.start()  # not first inside a cancel, which may run in a signal handler

    def serve(self, method: str, exchange: Any, params: Any, **arguments: Any) -> Any:
        """Have a method of the package served by whoever serves this exchange, and tell the observers how it ended."""
        try:
            served = self._served(method, exchange, params, arguments)
        except BaseException as error:
            self.observers.failed(method, exchange, error)
            raise
        self.observers.ended(method, exchange, served)
        return served

    async def serve_async(self, method: str, exchange: Any, params: Any, **arguments: Any) -> Any:
        """Same as serve, for ccxt.async_support."""
        try:
            served = await self._served(method, exchange, params, arguments)
        except BaseException as error:
            self.observers.failed(method, exchange, error)
            raise
        self.observers.ended(method, exchange, served)
        return served

    def _admit(self, plugin: object, name: str) -> None:
        try:
            self.register(plugin, name=name)
            self.check_pending()
        except Exception:
            self.unregister(name=name)
            raise

    def _served(self, method: str, exchange: Any, params: Any, arguments: dict[str, Any]) -> Any:
        if not isinstance(params, dict):
            reason = f"params must be a dict, not {type(params).__name__}"
            raise refusal(BadRequest, exchange, method, reason)
        served = getattr(self.hook, method)(exchange=exchange, params=params, **arguments)
        if served is None:
            raise refusal(NotSupported, exchange, method, "no plugin serves this exchange any more")
        return served


_manager: RfqPluginManager | None = None
_loaded = False
_loading = threading.RLock()  # a plugin may ask for the manager while it is being loaded; other threads wait


def get_plugin_manager() -> RfqPluginManager:
    """Return the manager that installed exchanges ask; third parties are loaded on the first call."""
    global _manager, _loaded
    if _loaded and _manager is not None:
        return _manager
    with _loading:
        if _manager is not None:
            return _manager
        manager = _manager = RfqPluginManager()
        try:
            manager.load_entry_points()
            _loaded = True
        finally:
            if not _loaded:  # Ctrl+C: whoever asks next loads them all
                _manager = None
        return manager


def _third_parties() -> list[importlib.metadata.EntryPoint]:
    if os.environ.get(NO_AUTOLOAD):
        return []
    try:
        declared = importlib.metadata.entry_points(group=hookspecs.PROJECT)
    except Exception:
        logger.exception("the installed packages could not be scanned for plugins; none is loaded")
        return []
    own = {_OWN_ENTRY_POINT} if os.environ.get("OKX_RFQ_FLEET") else {_OWN_ENTRY_POINT, _FLEET_ENTRY_POINT}
    return [entry_point for entry_point in declared if entry_point.value not in own]


def _copied(facts: dict[str, Any]) -> dict[str, Any]:
    # Each observer has its own, and the caller's stay as they are.
    return {
        name: _clone(fact, str(fact)) if isinstance(fact, BaseException) else copy.deepcopy(fact)
        for name, fact in facts.items()
    }


def _plain(error: BaseException) -> BaseException:
    # The words of a ccxt error are this package's own here; what others say may hold anything, so that the note that
    # this package has put on it stands for it.
    return _clone(error, str(error) if isinstance(error, BaseError) else getattr(error, "__notes__", [""])[-1])


def _clone(error: BaseException, words: str) -> BaseException:
    # Class, words and facts; no traceback, which would hold the live exchange.
    try:
        clone = type(error).__new__(type(error), words)
    except TypeError:  # a class that wants more than words
        clone = Exception(f"{type(error).__name__}: {words}")
    if hasattr(error, "cancel_failure"):
        clone.cancel_failure = error.cancel_failure  # type: ignore[attr-defined]  # an exception takes any attribute
    return clone
