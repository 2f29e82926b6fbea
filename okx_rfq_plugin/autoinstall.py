"""`OKX_RFQ_AUTOINSTALL=1`: ccxt's okx classes get the methods as ccxt is imported, without a line of code.

The wheel's `okx_rfq_autoinstall.pth` imports this where the variable is set; Python executes it at each start.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

VARIABLE = "OKX_RFQ_AUTOINSTALL"
# Modules that hold an okx class as `okx`; `myokx`, `okxus` and a framework's own are subclasses. ccxt's authors
# also publish OKX alone, as `okx-exchange`, with its own copy of ccxt.
MODULES = (
    *("ccxt", "ccxt.async_support", "ccxt.pro"),
    *("okx.ccxt", "okx.ccxt.async_support.okx", "okx.ccxt.pro.okx"),
)
_OFF = ("", "0", "false", "no", "off")


def activate() -> None:
    """Install on the okx class of each of MODULES: at once where that was imported, else when it will be."""
    if os.environ.get(VARIABLE, "").strip().lower() in _OFF or any(isinstance(each, _Finder) for each in sys.meta_path):
        return
    sys.meta_path.insert(0, _Finder())
    for name in MODULES:
        if name in sys.modules:
            _install(sys.modules[name])


class _Finder(MetaPathFinder):
    """Finds nothing by itself: it has the loader that was found for a module call `_install` at the end."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in MODULES:
            return None
        for finder in sys.meta_path:
            find = None if isinstance(finder, _Finder) else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find(fullname, path, target) if find else None
            if spec is not None:
                _follow(spec.loader, fullname)
                return spec
        return None


def _follow(loader: Any, fullname: str) -> None:
    # On the instance, and not by a loader of another class: `inspect`, `importlib.resources` and others ask the loader.
    execute = getattr(loader, "exec_module", None)
    if execute is None:
        _warn(fullname, "its loader has no exec_module")
        return

    def exec_module(module: ModuleType) -> None:
        execute(module)
        if module.__name__ == fullname:  # a loader may be that of all that is in one zip file
            _install(module)

    try:
        loader.exec_module = exec_module
    except Exception as error:  # a loader whose instances take no attribute
        _warn(fullname, error)


def _install(module: ModuleType) -> None:
    # ccxt is complete by now: a third party's plugin that is loaded here may import ccxt.
    try:
        from okx_rfq_plugin.installer import install

        install(module.okx)
    except Exception as error:
        _warn(module.__name__, error)


def _warn(module: str, error: object) -> None:
    # ccxt goes on to be imported. Silence would have an operator rely on what is not there.
    kind = f"{type(error).__name__}: " if isinstance(error, Exception) else ""
    words = f"okx_rfq_plugin: {VARIABLE} is set, and the okx class of {module} has no cancel_all_rfqs(): {kind}{error}"
    with contextlib.suppress(Exception):  # stderr may be None, closed, or full
        sys.stderr.write(words + "\n")


activate()
