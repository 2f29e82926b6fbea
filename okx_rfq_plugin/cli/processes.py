"""Processes that a command has started, found in /proc on Linux, where this process adopts orphans."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

MARK = "OKX_RFQ_GUARD"  # in the environment of the command, and so of everything it starts

TWIN = "okx-rfq-twin"  # the name of a guard's twin, which belongs to no command
_CHILD_SUBREAPER, _IS_CHILD_SUBREAPER, _NAME = 36, 37, 15  # Linux prctl numbers
_LOOK = 0.01  # seconds between two checks of killed processes
_PATIENCE = 5.0  # seconds for killed processes to be gone


class Process(NamedTuple):
    """A process. `started`, in the system's ticks, distinguishes it from a later one with the same number."""

    pid: int
    started: int
    parent: int
    group: int
    session: int
    name: str

    def __str__(self) -> str:
        return f"{self.pid} ({self.name})"


def is_supported() -> bool:
    """Return whether this system lets processes be listed."""
    return sys.platform == "linux" and os.path.exists("/proc/self/stat")


@contextmanager
def adopting() -> Iterator[bool]:
    """Context manager: this process adopts orphans among its descendants. Yields whether it does."""
    if not is_supported():  # pragma: no cover - systems without /proc
        yield False
        return
    prctl = ctypes.CDLL(None).prctl
    before = ctypes.c_int(0)
    prctl(_IS_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0)
    adopts = prctl(_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    try:
        yield adopts
    finally:
        prctl(_CHILD_SUBREAPER, before.value, 0, 0, 0)


def call_this(name: str) -> None:
    """Set this process's name, for `ps` and `killall`."""
    with suppress(OSError, AttributeError):  # only Linux has prctl
        ctypes.CDLL(None).prctl(_NAME, name.encode()[:15], 0, 0, 0)


def table() -> dict[int, Process]:
    """Return every running process, by its number."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (process := _read(int(entry))) is not None:
            found[process.pid] = process
    return found


def below(roots: Collection[int], processes: dict[int, Process]) -> set[Process]:
    """Return the descendants of processes, without the processes themselves."""
    children: dict[int, list[Process]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process)
    found: set[Process] = set()
    line = list(roots)
    while line:
        next_ones = children.pop(line.pop(), [])  # each only once: a table that is read bit by bit may have a circle
        found.update(next_ones)
        line += [child.pid for child in next_ones]
    return found


def marked(mark: str, processes: dict[int, Process]) -> set[Process]:
    """Return the processes that were started with a mark in their environment."""
    wanted = f"{MARK}={mark}".encode()
    found = set()
    for process in processes.values():
        with suppress(OSError), open(f"/proc/{process.pid}/environ", "rb") as environ:
            if wanted in environ.read().split(b"\0"):
                found.add(process)
    return found


def end_all(find: Callable[[], set[Process]], reap: Callable[[], None] = lambda: None) -> set[Process]:
    """Kill whatever is found until nothing is; return what could not be killed."""
    until = time.monotonic() + _PATIENCE
    while left := find():
        for process in left:
            with suppress(OSError):  # gone, or another user's, by sudo
                os.kill(process.pid, signal.SIGKILL)
        reap()
        if time.monotonic() >= until:
            return left
        time.sleep(_LOOK)
    return set()


def _read(pid: int) -> Process | None:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return None
    name, _, rest = text.partition("(")[2].rpartition(")")
    fields = rest.split()
    if len(fields) < 20 or fields[0] in "ZX":
        return None
    return Process(pid, int(fields[19]), int(fields[1]), int(fields[2]), int(fields[3]), name)
