"""Python loads this first if its folder is in PYTHONPATH. It prevents resolving the names of other machines."""

from __future__ import annotations

import socket
from typing import Any

_resolve = socket.getaddrinfo
LOOPBACK = (None, "", "localhost", "127.0.0.1", "::1")


def _only_loopback(host: Any, *args: Any, **keywords: Any) -> Any:
    if (host.decode() if isinstance(host, bytes) else host) not in LOOPBACK:
        raise socket.gaierror(socket.EAI_AGAIN, "an example asks for no other machine")
    return _resolve(host, *args, **keywords)


socket.getaddrinfo = _only_loopback
