"""Guards in real processes: wrappers that leave the process group, and kill -9 of guard, twin and command."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.command import COMMAND, PATIENCE, environment, keys
from support.endings import STRATEGY, WRAPPERS
from support.waiting import eventually, is_gone

from okx_rfq_plugin.cli import processes
from okx_rfq_plugin.cli.reports import Reports
from okx_rfq_plugin.sandbox import Sandbox


@pytest.fixture
def okx() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


class Guarded:
    """A guard in a separate process, whose strategy has created its first RFQ."""

    def __init__(self, okx: Sandbox, folder: Path, wrapper: str, *options: str, deaf: bool = False) -> None:
        self.okx, self.folder = okx, folder
        strategy = folder / "strategy.py"
        strategy.write_text(STRATEGY)
        line = shlex.join([sys.executable, str(strategy), okx.url, *["deaf"] * deaf])
        place = ["--env", "sandbox", "--url", okx.url, "--status-file", str(folder / "status")]
        with (folder / "said").open("w") as said:
            self.process = subprocess.Popen(
                [*COMMAND, "guard", *place, *options, "--", "/bin/sh", "-c", WRAPPERS[wrapper].format(line)],
                env=environment(**keys(okx.credentials)),
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            self.strategy = int(lines.readline())
        self.twin = int(self.status()["twin"])

    def status(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "status").read_text()))

    def said(self) -> str:
        return (self.folder / "said").read_text()

    def end(self) -> int:
        return self.process.wait(PATIENCE)

    def judge(self) -> None:
        """The twin, or its replacement, has ended everything; the strategy is gone, and the book is empty."""
        assert eventually(lambda: self.status()["state"] == "ended"), self.said()
        assert is_gone(self.strategy), self.said()
        assert [] == self.okx.rfqs("active"), self.said()
        assert self.okx.rfqs()
        assert "No RFQ is active any more." in self.said().splitlines()[-1]


pytestmark = pytest.mark.skipif(not processes.is_supported(), reason="elsewhere only the process group is seen")


# By a group, by a session, by an orphan; the guard's cases cover the rest.
_SIX = list(WRAPPERS)[:6]  # the others are in test_guard_endings
_TELLING = ("in a shell", "in a session of its own", "as a daemon")
_FIRST = "as a daemon"


def _moved(name: str) -> Any:
    """Return the further wrappers that the exhaustive tests try."""
    if name == _FIRST:
        return ()
    return pytest.mark.matrix if name in _TELLING else pytest.mark.exhaustive


@pytest.mark.measured
@pytest.mark.parametrize("wrapper", [pytest.param(name, marks=_moved(name)) for name in _SIX])
def test_whatever_the_command_has_started_is_ended(wrapper: str, okx: Sandbox, tmp_path: Path) -> None:
    """After SIGTERM, no process that could create RFQs is left, wherever it has gone."""
    guarded = Guarded(okx, tmp_path, wrapper, "--grace", "1", deaf=wrapper == "as a daemon")
    guarded.process.terminate()
    code = guarded.end()

    guarded.judge()
    assert code in (143, 137, 7)
    assert "At the signal: " in guarded.said()
    assert is_gone(guarded.twin)


@pytest.mark.parametrize("wrapper", ["alone", "as a daemon"])
def test_a_guard_that_is_killed_has_a_twin(wrapper: str, okx: Sandbox, tmp_path: Path) -> None:
    """After a kill -9 of the guard its twin ends the command and cancels."""
    guarded = Guarded(okx, tmp_path, wrapper, deaf=True)
    assert os.getsid(guarded.twin) == guarded.twin != os.getsid(guarded.process.pid)
    guarded.process.kill()

    assert -signal.SIGKILL == guarded.end()
    guarded.judge()
    assert "disappeared" == guarded.status()["guard"]
    assert "The guard has disappeared. Its twin ends the command and cancels." in guarded.said()


@pytest.mark.measured
@pytest.mark.parametrize("order", ["guard, twin", pytest.param("twin, guard", marks=pytest.mark.exhaustive)])
def test_guard_and_twin_killed_at_once_have_a_standby(order: str, okx: Sandbox, tmp_path: Path) -> None:
    """Whichever of the two is killed first."""
    guarded = Guarded(okx, tmp_path, "in a session of its own")
    pids = {"guard": guarded.process.pid, "twin": guarded.twin}
    assert eventually(lambda: processes.below((guarded.twin,), processes.table()))
    for each in order.split(", "):
        os.kill(pids[each], signal.SIGKILL)
    guarded.end()

    guarded.judge()


@pytest.mark.measured
def test_a_twin_that_is_killed_is_replaced(okx: Sandbox, tmp_path: Path) -> None:
    """The guard says so, and its command continues; in the end the code is the command's."""
    guarded = Guarded(okx, tmp_path, "alone")
    os.kill(guarded.twin, signal.SIGKILL)

    assert eventually(lambda: "The twin has ended: a new one is started." in guarded.said())
    assert guarded.process.poll() is None
    os.kill(guarded.strategy, signal.SIGKILL)
    assert 137 == guarded.end()
    guarded.judge()


@pytest.mark.measured
def test_a_supervisor_without_patience_finds_the_rfqs_gone(okx: Sandbox, tmp_path: Path) -> None:
    """At the first signal, what is active is canceled during the grace, while the command still runs."""
    guarded = Guarded(okx, tmp_path, "alone", "--grace", "600", deaf=True)
    guarded.process.terminate()

    assert eventually(lambda: "At the signal: " in guarded.said())
    assert guarded.process.poll() is None
    assert any(rfq["state"] == "canceled" for rfq in okx.rfqs())
    guarded.process.kill()
    guarded.end()
    guarded.judge()


def test_a_process_1_reaps_and_ends_all(okx: Sandbox, tmp_path: Path) -> None:
    """As in a container: process 1 of a PID namespace, its SIGTERM, and a daemon."""
    tried = subprocess.run(["/usr/bin/env", "unshare", "--pid", "--fork", "true"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("a PID namespace is not permitted here")
    strategy = tmp_path / "strategy.py"
    strategy.write_text(STRATEGY)
    line = WRAPPERS["as a daemon"].format(shlex.join([sys.executable, str(strategy), okx.url]))
    guard = [*COMMAND, "guard", "--env", "sandbox", "--url", okx.url, "--", "/bin/sh", "-c", line]
    with subprocess.Popen(
        ["/usr/bin/env", "unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *guard],
        env=environment(**keys(okx.credentials)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (inner,) = (each.pid for each in processes.table().values() if each.parent == process.pid)
        os.kill(inner, signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE)

    assert (143, []) == (process.returncode, okx.rfqs("active"))
    assert "No RFQ is active any more." in said.splitlines()[-1]


@pytest.mark.measured
def test_what_still_creates_is_said(okx: Sandbox, tmp_path: Path) -> None:
    """Another program of the account keeps creating: 204, and not the command's code."""
    (tmp_path / "strategy.py").write_text(STRATEGY)
    other = subprocess.Popen(
        [sys.executable, str(tmp_path / "strategy.py"), okx.url],
        env=environment(**keys(okx.credentials)),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert other.stdout is not None
        other.stdout.readline()
        guard = [*COMMAND, "guard", "--env", "sandbox", "--url", okx.url, "--deadline", "0", "--", "true"]
        ended = subprocess.run(
            guard,
            env=environment(**keys(okx.credentials)),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    finally:
        other.kill()
        other.communicate()

    assert 204 == ended.returncode
    assert "Something still creates RFQs: " in ended.stderr
    assert "RFQs MAY STILL BE ACTIVE: something still creates them." in ended.stderr.splitlines()[-1]


@pytest.mark.measured
@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("no-such-command-anywhere",), "there is no command no-such-command-anywhere"),
        (("/etc/passwd",), "/etc/passwd may not be executed"),
        (("/",), "/ is not a program: it is a folder"),
        (("",), "the command's name is empty"),
    ],
)
def test_a_command_that_cannot_be_run_is_known_before(command: tuple[str, ...], words: str, okx: Sandbox) -> None:
    """203, nothing was started, and nothing was sent: active RFQs stay active."""
    okx.create_rfq()
    ended = subprocess.run(
        [*COMMAND, "guard", "--env", "sandbox", "--url", okx.url, "--", *command],
        env=environment(**keys(okx.credentials)),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert (203, 1, []) == (ended.returncode, len(okx.rfqs("active")), okx.requests)
    assert words in ended.stderr
    last = ended.stderr.splitlines()[-1]
    assert "nothing was started, and nothing was canceled. Whatever was created before " in last


@pytest.mark.measured
def test_a_key_that_is_revoked_disarms(okx: Sandbox, tmp_path: Path) -> None:
    """While the command runs, the guard checks repeatedly, and reports when a cancel would fail, and when not."""
    guarded = Guarded(okx, tmp_path, "alone", "--look-every", "1.1")
    okx.fault("account/config", *["50120"] * 2)

    assert eventually(lambda: "DISARMED: a cancel would fail now. key: OKX answered 50120" in guarded.said())
    assert eventually(lambda: "Armed again: a cancel would get through." in guarded.said())
    guarded.process.terminate()
    guarded.end()
    guarded.judge()


# systemd


def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """READY once, when armed; STATUS at every change; WATCHDOG at half of its interval."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "30000000")
        reports = Reports(str(tmp_path / "status"), command="true")
        reports.state("armed", "Armed.")
        reports.state("disarmed", "Disarmed.")
        reports.beat(patience=60.0)
        reports.state("ended", "Over.", code=0)
        heard = [systemd.recv(4096).decode() for _ in range(4)]

    assert 15.0 == reports.beat_every
    assert ["STATUS=Armed.\nREADY=1", "STATUS=Disarmed.", "WATCHDOG=1\nEXTEND_TIMEOUT_USEC=60000000"] == heard[:3]
    status = json.loads((tmp_path / "status").read_text())
    assert ("ended", "Over.", 0, "true") == tuple(status[name] for name in ("state", "message", "code", "command"))


def test_a_system_without_systemd_is_told_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A socket or file that cannot be written stops nothing; the file is reported once."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "none"))
    for path, reason in ((tmp_path / "no" / "folder", "No such file or directory"), (tmp_path, "Is a directory")):
        reports = Reports(str(path))
        reports.state("armed", "Armed.")
        reports.state("ended", "Over.")

        assert float("inf") == reports.beat_every
        assert f"The status file {path} cannot be written: {reason}." == capfd.readouterr().err.strip()[9:]
    assert [tmp_path.name] == [each.name for each in tmp_path.parent.iterdir() if each.name.startswith(tmp_path.name)]
