"""The plugin manager: loads plugins, and calls their hooks."""

from __future__ import annotations

import importlib.metadata
import logging
import os
import threading
from contextvars import Token
from typing import Any

import pluggy
from ccxt.base.errors import BadRequest, NotSupported

from okx_rfq_plugin import hookspecs
from okx_rfq_plugin._core import wording
from okx_rfq_plugin._core.call import Call, begun
from okx_rfq_plugin._core.logs import log
from okx_rfq_plugin._core.records import CancelFailure, add_facts, refusal
from okx_rfq_plugin.observers import Observers

NO_AUTOLOAD = "OKX_RFQ_DISABLE_PLUGIN_AUTOLOAD"
_BEFORE_CORE = ("okx_rfq_plugin.plugins", "okx_rfq_plugin.okx")
_WORDS = {
    words.method: words
    for words in (wording.CANCEL_RFQS, wording.CANCEL_QUOTES, wording.READ_RFQS, wording.SET_COUNTDOWN)
}
_OWN_ENTRY_POINT = "okx_rfq_plugin.okx:okx"
_FLEET_ENTRY_POINT = "okx_rfq_plugin.fleet.environment:plugin"  # loaded only where a fleet is named


class RfqPluginManager(pluggy.PluginManager):
    """pluggy's manager with the hooks, the package's own implementation for OKX, and the observers.

    `failures` maps each third-party plugin that was left out, named `distribution:entry point`, to the reason.
    """

    def __init__(self) -> None:
        super().__init__(hookspecs.PROJECT)
        self.add_hookspecs(hookspecs)
        self.failures: dict[str, str] = {}
        self.observers = Observers(self.hook)
        # Imported with the first install, as third parties are, and tenacity with it: importing the package stays fast.
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
                    log(logging.ERROR, "plugin %s could not be loaded and is left out", name, exc_info=True)

    def serve(self, method: str, exchange: Any, params: Any, **arguments: Any) -> Any:
        """Call a method's hook, return what the first plugin returns, and tell the observers."""
        served, calls = None, list[Call]()
        token = begun.set(calls)
        try:
            _check(method, exchange, params)
            served = getattr(self.hook, method)(exchange=exchange, params=params, **arguments)
            if served is None:
                raise refusal(NotSupported, exchange, method, "no plugin serves this exchange any more")
            _leave(calls, token)
            self.observers.ended(method, exchange, served)
            return served
        except BaseException as error:
            _complete(error, method, exchange, calls, served=served is not None)
            _leave(calls, token)
            self.observers.failed(method, exchange, error)
            raise

    async def serve_async(self, method: str, exchange: Any, params: Any, **arguments: Any) -> Any:
        """Async version of `serve`."""
        served, calls = None, list[Call]()
        token = begun.set(calls)
        try:
            _check(method, exchange, params)
            serving = getattr(self.hook, method)(exchange=exchange, params=params, **arguments)
            if serving is None:
                raise refusal(NotSupported, exchange, method, "no plugin serves this exchange any more")
            served = await serving
            _leave(calls, token)
            self.observers.ended(method, exchange, served)
            return served
        except BaseException as error:
            _complete(error, method, exchange, calls, served=served is not None)
            _leave(calls, token)
            self.observers.failed(method, exchange, error)
            raise

    def creating(self, exchange: Any, path: str, params: dict[str, Any]) -> None:
        """Ask the plugins whether something may be created; one that raises refuses it."""
        self.hook.rfq_creating(exchange=exchange, path=path, params=params)

    def installed(self, exchange: Any) -> None:
        """Tell the plugins that the methods are on an exchange."""
        try:
            self.hook.exchange_installed(exchange=exchange)
        except Exception:
            log(logging.ERROR, "a plugin failed in exchange_installed", exc_info=True)

    def _admit(self, plugin: object, name: str) -> None:
        try:
            self.register(plugin, name=name)
            self.check_pending()
        except Exception:
            self.unregister(name=name)
            raise


def _check(method: str, exchange: Any, params: Any) -> None:
    if not isinstance(params, dict):
        raise refusal(BadRequest, exchange, method, f"params must be a dict, not {type(params).__name__}")


def _complete(error: BaseException, method: str, exchange: Any, calls: list[Call], *, served: bool) -> None:
    # The core's exceptions have their facts. Others come from a plugin, or strike between the core and the caller: then
    # the cancel is in doubt, unless they struck in the lines before the core.
    for call in calls:
        call.end(error)
    if not hasattr(error, "cancel_failure"):
        before = not calls and _innermost(error) in _BEFORE_CORE
        facts = CancelFailure(code=None, attempts=0, elapsed=0.0, may_be_canceled=served or not before)
        words = _WORDS[method]
        truth = words.in_doubt if facts.may_be_canceled else f"{words.undone} Nothing was sent."
        add_facts(error, facts, f"{exchange.id} {method}(): {truth}")


def _leave(calls: list[Call], token: Token[list[Call]]) -> None:
    if begun.get(None) is calls:
        begun.reset(token)


def _innermost(error: BaseException) -> str:
    """Return the innermost module of this package or pluggy in the traceback, even below a signal handler."""
    found, trace = "", error.__traceback__
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__"))
        found = module if module.partition(".")[0] in ("okx_rfq_plugin", "pluggy") else found
        trace = trace.tb_next
    return found


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
            if not _loaded:  # Ctrl+C: the next call loads them all
                _manager = None
        return manager


def _third_parties() -> list[importlib.metadata.EntryPoint]:
    if os.environ.get(NO_AUTOLOAD):
        return []
    try:
        declared = importlib.metadata.entry_points(group=hookspecs.PROJECT)
    except Exception:
        log(logging.ERROR, "the installed packages could not be scanned for plugins; none is loaded", exc_info=True)
        return []
    own = {_OWN_ENTRY_POINT} if os.environ.get("OKX_RFQ_FLEET") else {_OWN_ENTRY_POINT, _FLEET_ENTRY_POINT}
    return [entry_point for entry_point in declared if entry_point.value not in own]
