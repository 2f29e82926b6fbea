"""`OKX_RFQ_AUTOINSTALL=1`: installs the methods on ccxt's okx classes when ccxt is imported, without code changes.

The wheel's `okx_rfq_autoinstall.pth`, which Python executes at each start, imports this module if the variable is set.
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
# Modules with an okx class named `okx`; `myokx`, `okxus` and frameworks' own classes are subclasses. ccxt's authors
# also publish OKX alone, as `okx-exchange`, with its own copy of ccxt.
MODULES = (
    *("ccxt", "ccxt.async_support", "ccxt.pro"),
    *("okx.ccxt", "okx.ccxt.async_support.okx", "okx.ccxt.pro.okx"),
)
_OFF = ("", "0", "false", "no", "off")


def activate() -> None:
    """Install on the okx class of each of MODULES: immediately if it is already imported, else on import."""
    if os.environ.get(VARIABLE, "").strip().lower() in _OFF or any(isinstance(each, _Finder) for each in sys.meta_path):
        return
    sys.meta_path.insert(0, _Finder())
    for name in MODULES:
        if name in sys.modules:
            _install(sys.modules[name])


class _Finder(MetaPathFinder):
    """Finds no modules itself. It makes the loader found for a module call `_install` at the end."""

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
    # Patched on the instance, not wrapped in another class: `inspect`, `importlib.resources` and others use the loader.
    execute = getattr(loader, "exec_module", None)
    if execute is None:
        _warn(fullname, "its loader has no exec_module")
        return

    def exec_module(module: ModuleType) -> None:
        execute(module)
        if module.__name__ == fullname:  # one loader may serve all modules in a zip file
            _install(module)

    try:
        loader.exec_module = exec_module
    except Exception as error:  # a loader whose instances accept no attributes
        _warn(fullname, error)


def _install(module: ModuleType) -> None:
    # ccxt is complete by now, so a third-party plugin loaded here may import it.
    try:
        from okx_rfq_plugin.installer import install

        install(module.okx)
    except Exception as error:
        _warn(module.__name__, error)


def _warn(module: str, error: object) -> None:
    # ccxt's import continues. Without a warning, an operator would rely on something that is missing.
    kind = f"{type(error).__name__}: " if isinstance(error, Exception) else ""
    words = f"okx_rfq_plugin: {VARIABLE} is set, and the okx class of {module} has no cancel_all_rfqs(): {kind}{error}"
    with contextlib.suppress(Exception):  # stderr may be None, closed, or full
        sys.stderr.write(words + "\n")


activate()
