"""The command, in this process or in a separate one, piped or on a terminal, with a sandbox in OKX's place."""

from __future__ import annotations

import inspect
import json
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from okx_rfq_plugin import cli
from okx_rfq_plugin.sandbox import Sandbox

PATIENCE = 60.0  # seconds that a loaded machine may take for any step
COMMAND = (sys.executable, "-m", "okx_rfq_plugin")
VARIABLES = {"apiKey": "OKX_API_KEY", "secret": "OKX_API_SECRET", "password": "OKX_PASSPHRASE"}

# Python runs this first: ccxt uses the sandbox in place of OKX's host, and reaches no other host.
_STANDS_IN = """
import builtins, json, os, sys

_import = builtins.__import__

def _watching(name, *args, **kwargs):
    module = _import(name, *args, **kwargs)
    base = sys.modules.get("ccxt.base.exchange")
    kind = getattr(base, "BaseExchange", getattr(base, "Exchange", None))  # the oldest ccxt has no BaseExchange
    if kind is not None:
        builtins.__import__ = _import
        imploded = kind.implode_hostname

        def implode_hostname(self, url):
            there = imploded(self, url)
            if there.startswith("http://127.0.0.1:"):
                return there
            places = json.loads(os.environ["STAND_IN"])
            assert there in places, there
            return places[there]

        kind.implode_hostname = implode_hostname
    return module

builtins.__import__ = _watching
"""


def keys(credentials: Mapping[str, str]) -> dict[str, str]:
    """Return a key as environment variables."""
    return {variable: credentials[name] for name, variable in VARIABLES.items()}


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment without any key or test settings, plus these variables."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("OKX_") and name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM")
    }
    return {**kept, "TERM": "xterm-256color", **variables}


def in_okxs_place(
    folder: Path, sandbox: Sandbox, host: str = "https://www.okx.com", others: Mapping[str, Sandbox] = {}
) -> dict[str, str]:
    """Return variables that make a process use a sandbox in place of one of OKX's hosts."""
    (folder / "sitecustomize.py").write_text(_STANDS_IN)
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    places = {place: running.url for place, running in {host: sandbox, **others}.items()}
    return {"PYTHONPATH": path, "STAND_IN": json.dumps(places)}


def unforced(reason: str) -> tuple[int, Callable[[], None]]:
    """Fail: for an `Interrupts` whose main thread must not hang."""
    raise AssertionError(reason)


def okx_rfq(
    *arguments: str, env: Mapping[str, str] = {}, patience: float = PATIENCE
) -> subprocess.CompletedProcess[str]:
    """Run the command, piped, to its end."""
    return _run([*COMMAND, *arguments], env, patience)


def _run(command: Sequence[str], env: Mapping[str, str], patience: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=environment(**env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=patience,
        check=False,
    )


# click before 8.2 mixes the two outputs by default.
_APART: Any = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}


def invoke(*arguments: str) -> Any:
    """Run the command in this process, and return click's result."""
    return CliRunner(**_APART).invoke(cli.okx_rfq, arguments, catch_exceptions=False)


def limited(megabytes: int, *arguments: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the command with limited address space, raised a little if CPython itself spins or crashes.

    If CPython before 3.14 cannot allocate an int while it propagates an exception, it retries in C forever, and no
    thread runs any more (python/cpython#132508, #134163): `ulimit -t` ends it. At a slightly larger size its garbage
    collector crashes. Both were seen while ccxt was being imported, before anything is sent or code of ours can act.
    """
    line = shlex.join([*COMMAND, *arguments])
    for size in range(megabytes * 1024, megabytes * 1024 + 2048, 512):
        ended = _run(["/bin/sh", "-c", f"ulimit -t 10; ulimit -v {size}; exec {line}"], env, PATIENCE)
        if ended.returncode not in (-signal.SIGKILL, -signal.SIGSEGV):
            return ended
    raise AssertionError(f"it does not end by itself at any size from {megabytes} MB on")


@contextmanager
def started(*arguments: str, env: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Start the command, piped, and kill it at the end if it is still running."""
    with subprocess.Popen(
        [*COMMAND, *arguments],
        env=environment(**env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


class Running:
    """The command on a terminal: its screen, keys and signals to it, and its exit code."""

    def __init__(self, arguments: tuple[str, ...], env: Mapping[str, str]) -> None:
        self._near, far = pty.openpty()
        self.seen = ""
        try:
            self.process = subprocess.Popen(
                [*COMMAND, *arguments],
                env=environment(**env),
                stdin=far,
                stdout=far,
                stderr=far,
                start_new_session=True,
            )
        finally:
            os.close(far)

    def until(self, words: str) -> str:
        """Wait until the words appear; return the whole screen."""
        deadline = time.monotonic() + PATIENCE
        while words not in plain(self.seen):
            if time.monotonic() > deadline or not self._read(deadline):
                raise AssertionError(f"{words!r} was not to be seen, but {self.seen!r}")
        return self.seen

    def type(self, keys: str) -> None:
        """Type keys."""
        os.write(self._near, keys.encode())

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        """Send a signal, as Ctrl+C does."""
        self.process.send_signal(number)

    def end(self) -> int:
        """Wait until it has ended; return its exit code."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        """Kill it if it is still running."""
        self.process.kill()
        self.process.wait()
        os.close(self._near)

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._near], [], [], max(0.0, deadline - time.monotonic()))
        try:
            read = os.read(self._near, 65536) if ready else b""
        except OSError:  # on Linux, when the far end is closed
            read = b""
        self.seen += read.decode(errors="replace")
        return bool(read)


@contextmanager
def on_a_terminal(*arguments: str, env: Mapping[str, str] = {}) -> Iterator[Running]:
    """Start the command on a terminal."""
    running = Running(arguments, env)
    try:
        yield running
    finally:
        running.close()


def plain(seen: str) -> str:
    """Return the screen's text without colors, on one line."""
    return " ".join(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen).split())
