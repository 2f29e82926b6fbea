"""Waiting for other processes, as long as a loaded machine may need, and no longer than necessary."""

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
    """Poll until a condition is true; return whether it is."""
    until = time.monotonic() + seconds
    while not (result := true()) and time.monotonic() < until:
        threading.Event().wait(0.01)
    return bool(result)


def is_gone(pid: int, seconds: float = PATIENCE) -> bool:
    """Wait until a process has ended; return whether it has. A zombie counts as ended."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with contextlib.closing(os.fdopen(process)):
        return bool(select.select([process], [], [], seconds)[0])
