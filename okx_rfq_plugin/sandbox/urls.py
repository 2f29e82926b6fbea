"""The addresses of a ccxt object that stays on the sandbox, whatever is set on it afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class SandboxUrls(dict[str, Any]):
    """`exchange.urls`, where what ccxt sends requests to is the sandbox and nothing else.

    ccxt's `set_sandbox_mode` copies `urls["test"]` over `urls["api"]`, and back: whatever is assigned to one of them is
    the sandbox's address here. An address assigned inside of `urls["api"]` itself is taken, until then.
    """

    def __init__(self, url: str, urls: Mapping[str, Any]) -> None:
        super().__init__()
        self._url = url
        for name, value in urls.items():
            self[name] = value

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, self._pinned(value) if name in ("api", "test", "apiBackup") else value)

    def __reduce__(self) -> tuple[type[SandboxUrls], tuple[str, dict[str, Any]]]:
        return SandboxUrls, (self._url, dict(self))

    def copy(self) -> SandboxUrls:
        """Return a copy of the same kind: ccxt's `omit` makes one."""
        return SandboxUrls(self._url, self)

    def _pinned(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: self._pinned(inner) for name, inner in value.items()}
        if isinstance(value, str):
            ws = value.startswith(("ws:", "wss:"))
            return self._url.replace("http", "ws", 1) + "/ws/v5" if ws else self._url
        return value
