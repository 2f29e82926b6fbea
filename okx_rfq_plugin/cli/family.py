"""A guard's command and all processes it has started, as seen by the guard and its twin."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress

from okx_rfq_plugin.cli.processes import TWIN, Process, below, end_all, is_supported, marked, table


class Family:
    """The descendants of a guard; on systems other than Linux, only the command's process group.

    Args:
        guard: the guard's process number.
        mark: the mark in the command's environment.
        others: processes that the guard had before, or started besides the command. Neither they, nor their
            descendants, nor processes in their sessions belong to the family.
    """

    def __init__(self, guard: int, mark: str, others: Iterable[int] = ()) -> None:
        self.group = 0  # the command's group; 0 before it is started
        self.others = set(others)
        self._guard = guard
        self._mark = mark
        self.known: set[tuple[int, int]] = set()  # number and start time of every process ever seen
        self._sees = is_supported()
        self._signaled: set[tuple[int, int]] = set()

    def look(self, *, thoroughly: bool = False) -> set[Process]:
        """Return the living processes, and remember them.

        Args:
            thoroughly: also search by the mark, for the twin, whose guard's orphans have another parent.
        """
        if not self._sees:  # pragma: no cover - systems without /proc
            return set()
        processes = table()
        found = below((self._guard,), processes)
        found |= {each for each in processes.values() if (each.pid, each.started) in self.known}
        if thoroughly:
            found |= marked(self._mark, processes)
        found |= below({each.pid for each in found}, processes)
        found -= below(self.others, processes)
        me = os.getpid()
        found = {each for each in found if not {each.pid, each.session} & self.others}
        found = {each for each in found if each.pid not in (me, self._guard) and each.name != TWIN}
        self.known |= {(each.pid, each.started) for each in found}
        return found

    def is_orphaned(self) -> None:
        """Note that the guard is gone, so its number may belong to another process."""
        self._guard = -1

    def lives(self) -> bool:
        """Return whether any process of the family is alive."""
        return bool(self.look()) if self._sees else self._send_group(0)

    def signal(self, signum: int) -> None:
        """Send a signal once to the command's group, and to each leader of another group of the family.

        Such a leader, for example `timeout`, forwards it to its group.
        """
        found = self.look()
        self._signaled |= {(each.pid, each.started) for each in found if each.group == self.group}
        self._send_group(signum)
        self._signal_leaders(found, signum)

    def signal_orphans(self, signum: int) -> None:
        """Send the signal to processes that have not received it and whose leader has ended."""
        found = self.look()
        self._signal_leaders(found, signum)
        pids = {each.pid for each in found}
        for each in found:
            if each.group not in pids and each.group != self.group and self._is_new(each):
                _send(each.pid, signum)

    def resume(self) -> None:
        """Resume stopped processes, which would not notice a signal."""
        self._send_group(signal.SIGCONT)
        for each in self.look():
            if each.group != self.group:
                _send(each.pid, signal.SIGCONT)

    def end(self, reap: Callable[[], None] = lambda: None, *, thoroughly: bool = False) -> set[Process]:
        """Kill all processes; return those that could not be killed."""
        if self.group:
            self._send_group(signal.SIGKILL)
        return end_all(lambda: self.look(thoroughly=thoroughly), reap)

    def _signal_leaders(self, found: set[Process], signum: int) -> None:
        for each in found:
            if each.pid == each.group != self.group and self._is_new(each):
                _send(each.pid, signum)

    def _is_new(self, process: Process) -> bool:
        key = (process.pid, process.started)
        new = key not in self._signaled
        self._signaled.add(key)
        return new

    def _send_group(self, signum: int) -> bool:
        try:
            os.killpg(self.group, signum)
        except OSError:  # no process is left in the group
            return False
        return True

    def forget_signals(self) -> None:
        """Start a new signal, which each process receives once."""
        self._signaled.clear()


def _send(pid: int, signum: int) -> None:
    with suppress(OSError):
        os.kill(pid, signum)
