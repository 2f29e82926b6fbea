"""Guards a Python started by a guarded test. Python loads it first, so it uses only the standard library."""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.util
import os
import sys
import tempfile
from typing import Any

_FOLDER = os.environ.get("OKX_RFQ_GUARD_FOLDER", "")
_DOMAINS = ("okx.com", "okx.cab", "okex.com")
_LOOKUPS = ("socket.getaddrinfo", "socket.gethostbyname")


class Refused(BaseException):
    """A request was not sent."""


class _AfterCcxt(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    # Guards ccxt's okx classes as soon as they exist.
    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:
        if name != "ccxt":
            return None
        sys.meta_path.remove(self)
        spec: Any = importlib.util.find_spec("ccxt")
        if spec is not None:
            self._loader, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec: Any) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        try:
            from okx_rfq_plugin.testing.child import guard
        except ImportError:  # a Python that has ccxt but not this package
            return
        guard(_FOLDER)


def _look(event: str, arguments: Any) -> None:
    if event in _LOOKUPS and _is_okx(arguments[0]):
        words = f"a process that the test has started was about to reach {arguments[0]}, which was not let out."
        with contextlib.suppress(OSError):  # the test is over
            file, _ = tempfile.mkstemp(dir=_FOLDER, suffix=".txt")
            with os.fdopen(file, "w", encoding="utf-8") as out:
                out.write(words)
        raise Refused(words)


def _is_okx(host: object) -> bool:
    text = host.decode("latin-1") if isinstance(host, (bytes, bytearray)) else str(host)
    name = text.rstrip(".").lower()
    return any(name == domain or name.endswith("." + domain) for domain in _DOMAINS)


def _load_the_next() -> None:
    # Python loads only one `sitecustomize`, so the one that this file hides is loaded from here.
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != here]
    own = sys.modules.pop("sitecustomize", None)
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module("sitecustomize")
    if own is not None:
        sys.modules.setdefault("sitecustomize", own)


if _FOLDER:
    sys.addaudithook(_look)
    sys.meta_path.insert(0, _AfterCcxt())
_load_the_next()
