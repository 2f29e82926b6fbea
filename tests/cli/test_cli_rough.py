"""Difficult conditions in real processes: no memory, an interrupt before the verb, wrong usage, a watchdog."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.command import COMMAND, PATIENCE, environment, keys, okx_rfq, plain
from support.waiting import eventually

from okx_rfq_plugin.sandbox import DROP, Sandbox

CANCEL = "rfq/cancel-all-rfqs"
# Python runs this first: an event while a module is being imported, as may happen by chance.
_STRIKES = """
import os, signal, sys

class Striking:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            {strike}

sys.meta_path.insert(0, Striking())
"""
INTERRUPT, NO_MEMORY = "signal.raise_signal(signal.SIGINT)", "raise MemoryError"


def striking(folder: Path, module: str, strike: str) -> dict[str, str]:
    """Return variables that make an event hit a process of the command while it imports a module."""
    (folder / "sitecustomize.py").write_text(_STRIKES.format(module=module, strike=strike))
    return {"PYTHONPATH": os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])}


@pytest.fixture
def okx() -> Iterator[Sandbox]:
    with Sandbox() as running:
        running.create_rfq()
        yield running


def there(okx: Sandbox) -> tuple[str, ...]:
    return ("--env", "sandbox", "--url", okx.url)


# Before the verb


@pytest.mark.parametrize("module", ["click", pytest.param("okx_rfq_plugin.cli", marks=pytest.mark.matrix)])
@pytest.mark.parametrize(("strike", "reason"), [(INTERRUPT, "it was interrupted"), (NO_MEMORY, "out of memory")])
def test_a_cancel_that_is_struck_before_it_begins_has_sent_nothing(
    strike: str, reason: str, module: str, okx: Sandbox, tmp_path: Path
) -> None:
    """3, in words and as an object, and no traceback."""
    env = {**keys(okx.credentials), **striking(tmp_path, module, strike)}
    ended = okx_rfq("cancel-all", *there(okx), "--json", env=env)
    facts = json.loads(ended.stdout)

    assert 3 == ended.returncode, ended.stderr
    assert ended.stderr.startswith(f"NOTHING WAS CANCELED, nothing was sent: {reason}. Whatever was created before ")
    assert 1 == len(ended.stderr.splitlines())
    assert f"NOTHING WAS CANCELED, nothing was sent: {reason}." == facts["message"]
    assert (False, 0) == (facts["may_be_canceled"], facts["attempts"])
    assert [] == okx.requests


@pytest.mark.parametrize(("strike", "reason"), [(INTERRUPT, "it was interrupted"), (NO_MEMORY, "out of memory")])
def test_a_guard_that_is_struck_before_it_begins_has_started_nothing(
    strike: str, reason: str, okx: Sandbox, tmp_path: Path
) -> None:
    """203, and the command has not run."""
    env = {**keys(okx.credentials), **striking(tmp_path, "okx_rfq_plugin.cli", strike)}
    ended = okx_rfq("guard", *there(okx), "--", "touch", str(tmp_path / "started"), env=env)

    assert 203 == ended.returncode, ended.stderr
    assert ended.stderr.startswith(f"okx-rfq guard: {reason}: nothing was started, and nothing was canceled. Whatever")
    assert 1 == len(ended.stderr.splitlines())
    assert not (tmp_path / "started").exists()


def test_a_list_that_is_struck_before_it_begins_says_why(okx: Sandbox, tmp_path: Path) -> None:
    """1, in one line, which says nothing about a cancel."""
    env = {**keys(okx.credentials), **striking(tmp_path, "okx_rfq_plugin.cli", NO_MEMORY)}
    ended = okx_rfq("list", *there(okx), env=env)

    assert (1, "okx-rfq: out of memory\n") == (ended.returncode, ended.stderr)


# In doubt


def test_a_cancel_in_doubt_says_so_in_words(okx: Sandbox) -> None:
    """A lost reply: 4, what may be active, and until when at the latest."""
    okx.fault(CANCEL, *[DROP] * 3)
    ended = okx_rfq("cancel-all", *there(okx), "--no-confirm", "--deadline", "0", env=keys(okx.credentials))

    assert 4 == ended.returncode
    assert "RFQs MAY STILL BE ACTIVE: whether they were canceled is not known." in plain(ended.stderr)
    assert re.search(r"Whatever was created before [\d:]{8} expires by [\d:]{8} at the latest\.", plain(ended.stderr))
    assert "Traceback" not in ended.stderr


# Wrong usage


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--env", "sandbox", "--nonsense"), "--nonsense"),
        (("--env", "nowhere"), "nowhere"),
        ((), "--env"),
    ],
    ids=["unknown option", "unknown environment", "no environment"],
)
def test_a_guard_that_is_called_wrongly_starts_nothing(options: tuple[str, ...], words: str, tmp_path: Path) -> None:
    """203, so that a supervisor does not mistake click's 2 for the strategy's; the message says what is wrong."""
    ended = okx_rfq("guard", *options, "--", "touch", str(tmp_path / "started"))

    assert 203 == ended.returncode
    assert words in ended.stderr
    assert "okx-rfq guard: nothing was started, and nothing was canceled." in ended.stderr.splitlines()[-1]
    assert not (tmp_path / "started").exists()


# Memory


def limited(megabytes: int, *arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the command with a limited address space."""
    line = shlex.join([*COMMAND, *arguments])
    return subprocess.run(
        ["/bin/sh", "-c", f"ulimit -v {megabytes * 1024}; exec {line}"],
        env=environment(**env),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def sizes(telling: int) -> list[Any]:
    """Return sizes at which memory runs out at one line after another; a change tries one."""
    others = [size for size in range(72, 148, 4) if size != telling]
    return [telling, *(pytest.param(size, marks=pytest.mark.exhaustive) for size in others)]


only_linux = pytest.mark.skipif(sys.platform != "linux", reason="ulimit -v")


# Coverage needs memory of its own, and may hang where it has none.
@only_linux
@pytest.mark.usefixtures("unmeasured")
def test_a_cancel_short_of_memory_ends_with_a_documented_code(okx: Sandbox) -> None:
    """Wherever it runs out, 0 says that the book is empty; test_cli_interrupts.py has all sizes."""
    ended = limited(80, "cancel-all", *there(okx), "--no-confirm", env=keys(okx.credentials))

    assert ended.returncode in (0, 3, 4), (ended.returncode, ended.stderr)
    assert ended.returncode != 0 or okx.rfqs("active") == []
    assert ended.returncode != 3 or "NOTHING WAS CANCELED" in ended.stderr
    assert "Traceback" not in ended.stderr


@only_linux
@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("megabytes", sizes(96))
def test_a_guard_short_of_memory_ends_with_a_documented_code(megabytes: int, okx: Sandbox, tmp_path: Path) -> None:
    """Not started is 203; otherwise 0 means that the book is empty, and there is never a traceback."""
    started = tmp_path / "started"
    ended = limited(
        megabytes, "guard", *there(okx), "--deadline", "3", "--", "touch", str(started), env=keys(okx.credentials)
    )

    assert ended.returncode in (0, 203, 204), (ended.returncode, ended.stderr)
    assert ended.returncode != 0 or (started.exists() and okx.rfqs("active") == []), ended.stderr
    assert started.exists() or ended.returncode == 203, ended.stderr
    assert "Traceback" not in ended.stderr


# systemd


def test_a_guard_keeps_systemds_watchdog_content(okx: Sandbox, tmp_path: Path) -> None:
    """READY when armed, pings while the command runs, more time for the cancels, and none for the command."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(PATIENCE)

        def until(words: str) -> list[str]:
            heard: list[str] = []
            while not heard or words not in heard[-1]:
                heard.append(systemd.recv(4096).decode())
            return heard

        command = "echo ${WATCHDOG_USEC-none} ${NOTIFY_SOCKET-none}; read word"
        watched = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "100000"}
        with subprocess.Popen(
            [*COMMAND, "guard", *there(okx), "--no-twin", "--", "/bin/sh", "-c", command],
            env=environment(**keys(okx.credentials), **watched),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as guard:
            try:
                armed = until("READY=1")
                alive = until("WATCHDOG=1") + until("WATCHDOG=1")
                guard.stdin.write("end\n")
                guard.stdin.flush()
                ending, extended, ended = until("STOPPING=1"), until("EXTEND_TIMEOUT_USEC="), until("No RFQ is active")
                out, err = guard.communicate(timeout=PATIENCE)
            finally:
                guard.kill()

    assert "STATUS=Armed: a cancel would get through.\nREADY=1" == armed[-1]
    assert {"WATCHDOG=1"} == set(alive)
    assert "STATUS=The command has ended with code 0: canceling all RFQs.\nSTOPPING=1" == ending[-1]
    assert int(extended[-1].rpartition("=")[2]) >= 30_000_000
    assert ended[-1].startswith("STATUS=")
    assert (0, "none none\n") == (guard.returncode, out), err
    assert [] == okx.rfqs("active")


def test_a_watchdog_of_another_process_is_none(okx: Sandbox, tmp_path: Path) -> None:
    """WATCHDOG_PID names the watched process: a guard under a wrapper does not ping in its place."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        watched = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}
        ended = okx_rfq("guard", *there(okx), "--no-twin", "--", "true", env={**keys(okx.credentials), **watched})
        systemd.setblocking(False)
        heard: list[str] = []
        while not heard or "No RFQ is active" not in heard[-1]:
            heard.append(systemd.recv(4096).decode())

    assert 0 == ended.returncode, ended.stderr
    assert [] == [each for each in heard if each == "WATCHDOG=1"]


def test_a_guard_that_is_interrupted_before_it_is_armed_starts_nothing(okx: Sandbox, tmp_path: Path) -> None:
    """SIGTERM while it checks whether a cancel would get through: 203, and the command has not run."""
    okx.fault("account/config", PATIENCE)
    with subprocess.Popen(
        [*COMMAND, "guard", *there(okx), "--", "touch", str(tmp_path / "started")],
        env=environment(**keys(okx.credentials)),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as guard:
        try:
            assert eventually(lambda: any(request.path.endswith("account/config") for request in okx.requests))
            guard.send_signal(signal.SIGTERM)
            _, said = guard.communicate(timeout=PATIENCE)
        finally:
            guard.kill()

    assert 203 == guard.returncode, said
    assert "Interrupted: nothing was started, and nothing was canceled." in said
    assert not (tmp_path / "started").exists()
