"""URLs of a ccxt object that stays on the sandbox, whatever is assigned later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class SandboxUrls(dict[str, Any]):
    """`exchange.urls` with every entry that ccxt sends requests to pinned to the sandbox.

    ccxt's `set_sandbox_mode` copies `urls["test"]` over `urls["api"]`, and back. Whatever is assigned to either becomes
    the sandbox's address. An address assigned inside `urls["api"]` is used until the next such assignment.
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
        """Return a copy of the same type, for ccxt's `omit`."""
        return SandboxUrls(self._url, self)

    def _pinned(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: self._pinned(inner) for name, inner in value.items()}
        return self._url.replace("http", "ws", 1) + "/ws/v5" if str(value).startswith("ws") else self._url
