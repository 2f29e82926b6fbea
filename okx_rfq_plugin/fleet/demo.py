"""The demo: a real store, a sandbox, three guarded strategies and a watcher; then one host dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from okx_rfq_plugin.credentials import KEYS
from okx_rfq_plugin.fleet import guarded_environment
from okx_rfq_plugin.fleet.server import EmbeddedServer
from okx_rfq_plugin.sandbox import Sandbox

Say = Callable[..., None]

_PATIENCE = 30.0  # seconds to wait for each step
_LOOK = 0.05

# An ordinary strategy: it knows nothing about the fleet, which it joins through its environment.
_STRATEGY = """
import os, sys, time
import ccxt, okx_rfq_plugin

exchange = okx_rfq_plugin.install(ccxt.okx({
    "apiKey": os.environ["OKX_API_KEY"], "secret": os.environ["OKX_API_SECRET"],
    "password": os.environ["OKX_PASSPHRASE"]}))
exchange.set_sandbox_mode(True)
exchange.urls["api"]["rest"] = sys.argv[1]
exchange.private_post_rfq_create_rfq({"counterparties": ["WAGMI"], "legs": [
    {"instId": "BTC-USDT-SWAP", "side": "buy", "sz": "25"}]})
print(os.getpid(), flush=True)
while True:
    time.sleep(1)
"""


class _Strategy(NamedTuple):
    name: str
    credentials: Mapping[str, str]
    guard: subprocess.Popen[str]
    pid: int


def run(say: Say) -> int:
    """Run the demo; return 0 if everything went as expected."""
    with EmbeddedServer() as server, Sandbox() as sandbox:
        say(f"A Valkey server and a sandbox on this machine, {server.url} and {sandbox.url}. OKX itself is not asked.")
        users = {name: sandbox.create_user() for name in ("alpha", "beta", "gamma")}
        # The watcher is started first, and both start up in parallel.
        with _watcher(server, sandbox, users) as watcher, _strategies(server, sandbox, users) as strategies:
            _line(watcher)
            _show(say, sandbox, users, "Three guarded strategies on two hosts, and a watcher on a third:")
            dead, alive = ("alpha", "beta"), "gamma"
            say(f"A power cut on the first host, all of {' and '.join(dead)}: no guard is left to cancel.", good=False)
            begun = time.monotonic()
            _cut_power([strategy.guard.pid for strategy in strategies if strategy.name in dead])
            gone = _until(lambda: not any(sandbox.rfqs("active", credentials=users[name]) for name in dead))
            took = time.monotonic() - begun
            kept = len(sandbox.rfqs("active", credentials=users[alive])) == 1
            _show(say, sandbox, users, f"{took:.1f} s later:")
            finished = _read_until(watcher, say, finishes=len(dead))
            good = gone and kept and finished
            words = "Nothing of the first host is active, nor can come alive; the second host was left alone."
            say(words if good else "THAT WAS NOT AS IT IS TO BE.", good=good)
    return 0 if good else 1


@contextmanager
def _strategies(
    server: EmbeddedServer, sandbox: Sandbox, users: Mapping[str, Mapping[str, str]]
) -> Iterator[list[_Strategy]]:
    guards: list[subprocess.Popen[str]] = []
    strategies: list[_Strategy] = []
    try:
        for name, credentials in users.items():
            environment = {
                **guarded_environment(server.url),
                "OKX_RFQ_FLEET_NAME": name,
                **{KEYS[key]: credentials[key] for key in KEYS},
            }
            # A guard's twin would die with its host anyway, and importing ccxt once more takes two seconds of a core.
            guard = ("guard", "--no-twin", "--env", "sandbox", "--url", sandbox.url, "--")
            command = (*_COMMAND, *guard, sys.executable, "-c", _STRATEGY, sandbox.url)
            guards.append(_start(command, environment, stderr=subprocess.DEVNULL))
        for (name, credentials), each in zip(users.items(), guards, strict=True):
            strategies.append(_Strategy(name, credentials, each, int(_line(each))))
        yield strategies
    finally:
        _cut_power([each.pid for each in guards])  # the sandbox ends next, so there is nothing to cancel
        for each in guards:
            each.communicate()


@contextmanager
def _watcher(
    server: EmbeddedServer, sandbox: Sandbox, users: Mapping[str, Mapping[str, str]]
) -> Iterator[subprocess.Popen[str]]:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "accounts.toml"
        file.write_text("\n".join(_table(name, sandbox.url) for name in users), encoding="utf-8")
        environment = dict(os.environ)
        for name, credentials in users.items():
            environment |= {_variable(name, key): credentials[field] for field, key in KEYS.items()}
        command = (*_COMMAND, "fleet", "watch", "--store", server.url, "--accounts", str(file), "--json")
        watcher = _start(command, environment, stderr=subprocess.DEVNULL)
        try:
            yield watcher
        finally:
            watcher.terminate()
            watcher.communicate()


_COMMAND = (sys.executable, "-m", "okx_rfq_plugin")


def _start(command: tuple[str, ...], environment: Mapping[str, str], *, stderr: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        start_new_session=True,
    )


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{process.args!r} has ended")
    return line


def _read_until(watcher: subprocess.Popen[str], say: Say, *, finishes: int) -> bool:
    while finishes:
        event: dict[str, Any] = json.loads(_line(watcher))
        say(f"  {event['at']} {event['words']}")
        finishes -= event["event"] == "finished"
    return True


def _show(say: Say, sandbox: Sandbox, users: Mapping[str, Mapping[str, str]], words: str) -> None:
    say(words)
    for name, credentials in users.items():
        states = ", ".join(rfq["state"] for rfq in sandbox.rfqs(credentials=credentials))
        say(f"  {name}: RFQ {states}")


def _until(true: Callable[[], bool]) -> bool:
    until = time.monotonic() + _PATIENCE
    while not true() and time.monotonic() < until:
        time.sleep(_LOOK)
    return true()


def _cut_power(guards: list[int]) -> None:
    """Kill processes and their descendants. All are stopped first, so that none sees another die."""
    stopped: set[int] = set()
    while host := _descendants(guards) - stopped:  # the next iteration finds processes started in the meantime
        for pid in sorted(host):
            _send(pid, signal.SIGSTOP)
        stopped |= host
    for pid in stopped:
        _send(pid, signal.SIGKILL)


def _descendants(pids: list[int]) -> set[int]:
    command = ("ps", "-A", "-o", "pid=,ppid=")
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    parents = {int(pid): int(parent) for pid, parent in (line.split() for line in listed.splitlines())}
    found = set(pids)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def _table(name: str, url: str) -> str:
    keys = "\n".join(f'{key.partition("_")[2].lower()} = "{_variable(name, key)}"' for key in KEYS.values())
    return f'[{name}]\nenv = "sandbox"\nurl = "{url}"\n{keys}\n'


def _variable(name: str, key: str) -> str:
    return f"{name.upper()}_{key}"


def _send(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
