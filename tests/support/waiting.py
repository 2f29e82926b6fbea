"""Waiting for other processes: for as long as a loaded machine may take, and no longer than it does."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable
from typing import Any

from support.command import PATIENCE


def eventually(true: Callable[[], Any], seconds: float = PATIENCE) -> bool:
    """Look until something is true that nothing tells of; return whether it is."""
    until = time.monotonic() + seconds
    while not (result := true()) and time.monotonic() < until:
        threading.Event().wait(0.01)
    return bool(result)


def is_gone(pid: int, seconds: float = PATIENCE) -> bool:
    """Wait until a process does nothing any more; return whether it does not. A dead one need not be asked for."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with contextlib.closing(os.fdopen(process)):
        return bool(select.select([process], [], [], seconds)[0])
