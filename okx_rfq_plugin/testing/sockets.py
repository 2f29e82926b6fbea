"""Hooks into sockets, below every library: host lookups and connections."""

from __future__ import annotations

import asyncio
import functools
import socket
from typing import Any

from okx_rfq_plugin.testing.patches import Patches
from okx_rfq_plugin.testing.stages import check_host


def watch_sockets(patches: Patches) -> None:
    """Check each host before it is looked up or connected to."""
    for name in ("connect", "connect_ex", "sendto"):
        patches.replace(socket.socket, name, _of_socket(getattr(socket.socket, name)))
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        patches.replace(socket, name, _of_lookup(getattr(socket, name)))
    loop: Any = asyncio.base_events.BaseEventLoop
    lookup = vars(loop)["getaddrinfo"]

    @functools.wraps(lookup)
    async def watched(self: Any, host: Any, *args: Any, **kwargs: Any) -> Any:
        check_host(host)  # here, because the thread that looks it up does not know who asked
        return await lookup(self, host, *args, **kwargs)

    patches.replace(loop, "getaddrinfo", watched)


def _of_socket(call: Any) -> Any:
    @functools.wraps(call)
    def watched(self: Any, *args: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and args and isinstance(args[-1], tuple):
            check_host(args[-1][0])
        return call(self, *args)

    return watched


def _of_lookup(call: Any) -> Any:
    @functools.wraps(call)
    def watched(host: Any, *args: Any, **kwargs: Any) -> Any:
        check_host(host)
        return call(host, *args, **kwargs)

    return watched
