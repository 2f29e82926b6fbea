"""A bot in a separate process, as its host runs it: its output, signals, and its end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from okx_rfq_plugin.sandbox import Sandbox

PATIENCE = 300.0  # seconds for any step of a process; a framework that hangs is killed, and the test fails
OFFLINE = Path(__file__).with_name("offline")  # some frameworks contact their servers at startup
PARTING = 20.0  # seconds for it to end after a failed test


class Running:
    """Runs a command until it ends. Leaving the block kills its remaining processes.

    Args:
        command: the command to run.
        sandbox: replaces OKX; the process gets its address and a key in the environment.
        demo: whether the key is for demo trading; the command `okx-rfq --env sandbox` accepts only those.
        user: the key to use instead of a new one.
        environment: more variables; `{apiKey}`, `{secret}` and `{password}` are filled in.
    """

    def __init__(
        self,
        command: Sequence[str],
        sandbox: Sandbox,
        *,
        cwd: Any = None,
        demo: bool = False,
        user: dict[str, str] | None = None,
        **environment: str,
    ) -> None:
        self.user = user or sandbox.create_user(demo=demo)
        self.lines: list[str] = []
        keys = {
            "OKX_API_KEY": self.user["apiKey"],
            "OKX_API_SECRET": self.user["secret"],
            "OKX_PASSPHRASE": self.user["password"],
            "OKX_BASE_URL": sandbox.url,
            "PYTHONPATH": str(OFFLINE),
            "PYTHONUNBUFFERED": "1",
        }
        self._process = subprocess.Popen(
            [*command],
            cwd=cwd,
            env={**os.environ, **keys, **{name: value.format(**self.user) for name, value in environment.items()}},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._killer = threading.Timer(PATIENCE, self._process.kill)
        self._killer.start()

    def post(self, path: str, ready: str) -> tuple[int, Any]:
        """Post to the service, once it has printed that it is ready; return the status and the JSON."""
        if not any(ready in line for line in self.lines):
            self.until(ready)
        address = re.search(r"http://127\.0\.0\.1:\d+", self.output)
        assert address is not None
        request = urllib.request.Request(f"{address[0]}{path}", method="POST")  # noqa: S310 - our own
        try:
            with urllib.request.urlopen(request) as reply:  # noqa: S310 - our own
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.terminate()  # so that a guard ends what it has started
            threading.Timer(PARTING, self._process.kill).start()
        self._process.wait()
        self._killer.cancel()
        self._process.stdout.close()

    def until(self, words: str) -> str:
        """Return the next line that contains these words."""
        for line in self._process.stdout:
            self.lines.append(line)
            if words in line:
                return line.rstrip()
        raise AssertionError(f"it has ended without {words!r}:\n{self.output}")

    def signal(self, signum: int) -> None:
        """Send a signal to this process, and not to its children."""
        self._process.send_signal(signum)

    def child(self) -> int:
        """Return this process's child, of which there is at most one. Linux only."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        return int(children.split()[0])

    @staticmethod
    def kill(pid: int) -> None:
        """Kill a child process, as the kernel does for lack of memory."""
        os.kill(pid, signal.SIGKILL)

    def end(self) -> int:
        """Wait for the end, and return the exit code; -N after signal N."""
        self.lines += list(self._process.stdout)
        code = self._process.wait()
        self._killer.cancel()
        return code

    @property
    def output(self) -> str:
        """All output so far that a test has read."""
        return "".join(self.lines)
