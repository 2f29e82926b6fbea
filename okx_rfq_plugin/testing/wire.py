"""The places where requests leave the machine: requests, aiohttp, other clients, and the sockets below them.

While a stage is open, it decides about each request of an okx object. None bypasses it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from okx_rfq_plugin.testing import children, clients, sessions
from okx_rfq_plugin.testing.family import watch_entries
from okx_rfq_plugin.testing.patches import Patches
from okx_rfq_plugin.testing.sent import is_let_through
from okx_rfq_plugin.testing.sockets import watch_sockets
from okx_rfq_plugin.testing.stages import STAGES, current

if TYPE_CHECKING:
    from okx_rfq_plugin.testing.stage import Stage

_lock = threading.Lock()
_patches = Patches()


def open_stage(stage: Stage) -> None:
    """Let this stage decide about every request of an okx object until it is closed."""
    with _lock:
        sessions.forget()
        if not STAGES:
            watch_entries(_patches, _refuse_socket)
            clients.watch_clients(_patches)
            watch_sockets(_patches)
            children.watch_children(_patches)
        STAGES.append(stage)


def close_stage(stage: Stage) -> None:
    """End what `open_stage` began. Closing twice is harmless."""
    with _lock:
        if stage in STAGES:
            STAGES.remove(stage)
            if not STAGES:
                _patches.undo()


@contextmanager
def opened(stage: Stage) -> Iterator[Stage]:
    """Context manager that keeps a stage open."""
    open_stage(stage)
    try:
        yield stage
    finally:
        close_stage(stage)


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()  # a thread of the parent may have held it


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_after_fork)


def _refuse_socket(exchange: Any, url: str) -> None:
    stage = current()
    if stage is not None and not is_let_through():
        stage.refuse_socket(exchange, url)
