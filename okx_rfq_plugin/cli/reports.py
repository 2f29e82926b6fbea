"""A guard's reports for machines: systemd, by `sd_notify`, and a status file."""

from __future__ import annotations

import json
import math
import os
import socket
import time
from contextlib import suppress
from typing import Any

from okx_rfq_plugin.cli.terminal import now, say_if_heard


class Reports:
    """Reports a guard's state to systemd and a file. Neither delays it, and no failure there stops it.

    A file that cannot be written is reported once.

    Args:
        path: the file, replaced as a whole at each change; None for no file.
        facts: further content of the file.
    """

    def __init__(self, path: str | None = None, **facts: Any) -> None:
        self._path = path
        self.facts: dict[str, Any] = {"state": "starting", "message": "", **facts}
        self._socket = os.environ.get("NOTIFY_SOCKET", "")
        self._ready = False
        self._is_told = False  # that the file cannot be written

    @property
    def beat_every(self) -> float:
        """Seconds between two watchdog pings: half of systemd's timeout."""
        mine = os.environ.get("WATCHDOG_PID") in (None, "", str(os.getpid()))
        usec = os.environ.get("WATCHDOG_USEC", "")
        return int(usec) / 2e6 if self._socket and mine and usec.isdigit() and int(usec) else math.inf

    def state(self, state: str, message: str, **facts: Any) -> None:
        """Report a new state: "starting", "armed", "disarmed", "ending" or "ended"."""
        self.facts |= {"state": state, "message": message, **facts}
        lines = [f"STATUS={message}"]
        if state in ("armed", "disarmed") and not self._ready:
            self._ready = True
            lines.append("READY=1")
        if state == "ending":
            lines.append("STOPPING=1")
        self._notify(*lines)
        self._write()

    def beat(self, *, patience: float = 0.0) -> None:
        """Ping the watchdog. `patience` asks systemd to wait that many more seconds for the end."""
        self._notify("WATCHDOG=1", *([f"EXTEND_TIMEOUT_USEC={int(patience * 1e6)}"] if patience else []))

    def _notify(self, *lines: str) -> None:
        if not self._socket or not hasattr(socket, "AF_UNIX"):
            return
        address = "\0" + self._socket[1:] if self._socket.startswith("@") else self._socket
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(lines).encode(), address)

    def _write(self) -> None:
        if self._path is None:
            return
        self.facts["updated"] = round(time.time(), 3)
        beside = f"{self._path}.{os.getpid()}"
        try:
            with open(beside, "w", encoding="utf-8") as file:
                json.dump(self.facts, file)
                file.write("\n")
            os.replace(beside, self._path)
        except OSError as error:
            with suppress(OSError):
                os.unlink(beside)
            if not self._is_told:
                self._is_told = True
                say_if_heard(f"{now()} The status file {self._path} cannot be written: {error.strerror}.")
