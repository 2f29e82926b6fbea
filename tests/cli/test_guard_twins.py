"""A guard and its twin where one of them fails, with the guard in the tests' own process."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ccxt
import pytest
from support.twins import VirtualClock
from support.waiting import eventually

from okx_rfq_plugin import install
from okx_rfq_plugin.cli import processes, twin
from okx_rfq_plugin.cli.accounts import Account
from okx_rfq_plugin.cli.canceler import ManyCanceler, OneCanceler
from okx_rfq_plugin.cli.child import Child
from okx_rfq_plugin.cli.destinations import Destination
from okx_rfq_plugin.cli.family import Family
from okx_rfq_plugin.cli.guarding import Guard, say
from okx_rfq_plugin.cli.processes import MARK, TWIN, Process, below, table
from okx_rfq_plugin.cli.reports import Reports
from okx_rfq_plugin.cli.twin import Twin
from okx_rfq_plugin.sandbox import Sandbox

pytestmark = pytest.mark.skipif(not processes.is_supported(), reason="elsewhere only the process group is seen")

# A program in Python's place, which says what a twin says, and does nothing when the guard disappears.
_TWIN = """#!/bin/sh
echo $$ > {folder}/twin
printf 'ready\\ncovered\\n'
while read -r words; do [ "$words" != done ] || exit; done
"""
_NO_TWIN = "There is no twin (Resource temporarily unavailable): a kill -9 of this process would leave the RFQs active."


@pytest.fixture
def guard(sandbox: Sandbox, clock: VirtualClock, tmp_path: Path) -> Callable[..., Guard]:
    """Make a guard of a shell script, with a twin unless it is told otherwise."""

    def made(script: str, *, waits_by: Any = clock, has_twin: bool = True) -> Guard:
        canceler = OneCanceler(Destination("sandbox", "okx", sandbox.url), install(sandbox.exchange(ccxt.okx)))
        return Guard(
            canceler,
            Child(["/bin/sh", "-c", script], grace=60.0, say=say),
            deadline=0.0,
            clock=waits_by,
            reports=Reports(str(tmp_path / "status")),
            twin=Twin(_config(tmp_path)) if has_twin else None,
        )

    return made


def _config(folder: Path) -> dict[str, Any]:
    config = {"guard": os.getpid(), "mark": folder.name, "others": [], "accounts": None, "deadline": 5.0}
    return {**config, "destination": ["sandbox", "okx", "http://127.0.0.1:1"], "status_file": None, "facts": {}}


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The programs that a twin was to be; those after the first that is "none" cannot be started."""
    programs: list[str] = []
    spawn = os.posix_spawn

    def starting(program: str, *arguments: Any, **keywords: Any) -> int:
        programs.append(program)
        if "none" in programs:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return spawn(program, *arguments, **keywords)

    monkeypatch.setattr(os, "posix_spawn", starting)
    return programs


def test_a_command_is_guarded_without_a_twin_where_none_can_be_started(
    guard: Any, sandbox: Sandbox, spawned: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is said what that means, and the status file names none."""
    sandbox.create_rfq()
    spawned.append("none")

    assert 5 == guard("exit 5").run()
    assert _NO_TWIN in capfd.readouterr().err
    assert (None, []) == (json.loads((tmp_path / "status").read_text())["twin"], sandbox.rfqs("active"))


def test_a_twin_that_ends_at_once_is_replaced_so_often_and_no_more(
    guard: Any, sandbox: Sandbox, spawned: list[str], monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    """Before the command is started, and after it; the command runs all the same."""
    monkeypatch.setattr(sys, "executable", "/bin/false")

    # The command ends when the guard has seen the last twin end: it reads what the guard has said.
    said_so = "grep -q 'again and again' /proc/self/fd/2"
    assert 5 == guard(f"for turn in $(seq 6000); do {said_so} && break; sleep .01; done; exit 5").run()
    said = capfd.readouterr().err
    assert 6 == len(spawned)
    assert "The twin did not start: a kill -9 of this process would leave the RFQs active." in said
    assert "The twin was ended again and again: a kill -9 of this process would leave the RFQs active." in said


def test_a_twin_that_ends_at_once_may_have_no_successor(
    guard: Any, sandbox: Sandbox, spawned: list[str], monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    """Where the system starts one, and no second one."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    spawn = os.posix_spawn

    def once(*arguments: Any, **keywords: Any) -> int:
        pid = spawn(*arguments, **keywords)
        spawned.append("none")
        return pid

    monkeypatch.setattr(os, "posix_spawn", once)

    assert 5 == guard("exit 5").run()
    said = capfd.readouterr().err
    assert _NO_TWIN in said
    assert "The twin did not start" not in said


_STOPPED_AND_KILLED = """
    heard=0
    trap 'heard=$((heard + 1))' USR1
    twin=$(cat {folder}/twin)
    kill -STOP $twin
    while ! grep -q 'State:.T' /proc/$twin/status; do sleep .01; done
    for turn in 1 2; do  # in the second, at the latest, the guard has seen that it is stopped
        kill -USR1 $PPID
        while [ $heard != $turn ]; do sleep .01; done
    done
    : > {folder}/stopped
    kill -KILL $twin
    while [ ! -e {folder}/replaced ]; do sleep .01; done
    exit 5
"""


def test_a_twin_is_replaced_when_it_has_ended_and_not_when_it_is_stopped(
    guard: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """And the command goes on where the new one cannot be started; a SIGCONT before it was started ended nothing."""
    program = tmp_path / "python"
    program.write_text(_TWIN.format(folder=tmp_path))
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    spawn, starts = os.posix_spawn, []

    def starting(*arguments: Any, **keywords: Any) -> int:
        starts.append((tmp_path / "stopped").exists())
        if len(starts) > 1:
            (tmp_path / "replaced").touch()
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        signal.raise_signal(signal.SIGCONT)
        return spawn(*arguments, **keywords)

    monkeypatch.setattr(os, "posix_spawn", starting)

    assert 5 == guard(_STOPPED_AND_KILLED.format(folder=tmp_path)).run()
    said = capfd.readouterr().err
    assert [False, True] == starts
    assert "The twin has ended: a new one is started." in said
    assert _NO_TWIN in said


# Its standby reads on when it is killed, and writes down what it is told.
_TWIN_WITH_STANDBY = """#!/bin/sh
exec 3<&0
echo $$ > {folder}/twin
printf 'ready\\n'
read -r config
read -r started
(read -r word <&3; echo "$word" > {folder}/told.$$) &
while [ -e {folder}/second ] && [ ! -e {folder}/go ]; do sleep .01; done
printf 'covered\\n'
wait
"""
_KILLED_ONCE = """
    heard=0
    trap 'heard=$((heard + 1))' USR1
    twin=$(cat {folder}/twin)
    : > {folder}/second
    kill -KILL $twin
    while [ $(cat {folder}/twin) = $twin ]; do sleep .01; done
    for turn in 1 2; do  # in the second, at the latest, the guard has seen that the new one has no standby yet
        kill -USR1 $PPID
        while [ $heard != $turn ]; do sleep .01; done
    done
    [ -e {folder}/told.$twin ] && exit 6
    : > {folder}/go
    while [ ! -e {folder}/told.$twin ]; do sleep .01; done
    exit 5
"""


def test_the_standby_of_a_twin_that_was_killed_is_dismissed_when_there_is_another(
    guard: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not before: at each moment somebody would act if the guard were killed."""
    program = tmp_path / "python"
    program.write_text(_TWIN_WITH_STANDBY.format(folder=tmp_path))
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))

    assert 5 == guard(_KILLED_ONCE.format(folder=tmp_path)).run()
    assert eventually(lambda: ["done\n"] * 2 == [each.read_text() for each in tmp_path.glob("told.*")])


def test_a_guard_that_is_interrupted_before_it_has_a_twin_starts_nothing(
    guard: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """203, and it says so."""
    listed = os.listdir

    def interrupting(path: str) -> list[str]:
        signal.raise_signal(signal.SIGINT)
        return listed(path)

    monkeypatch.setattr(os, "listdir", interrupting)

    assert 203 == guard("echo started").run()
    said = capfd.readouterr()
    assert "" == said.out
    assert "Interrupted: nothing was started, and nothing was canceled." in said.err


def test_a_defect_while_the_command_is_started_cancels_too(
    guard: Any, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory that is short, for one: nobody knows what was started."""
    sandbox.create_rfq()

    def spawn(*arguments: Any, **keywords: Any) -> int:
        raise MemoryError

    monkeypatch.setattr(os, "posix_spawnp", spawn)

    with pytest.raises(MemoryError):
        guard("exit 5", has_twin=False).run()
    assert [] == sandbox.rfqs("active")


class Doing(VirtualClock):
    """A clock on which something happens in the middle of the first wait."""

    def __init__(self, what: Callable[[], object]) -> None:
        super().__init__()
        self._what = [what]

    def sleep(self, seconds: float, waker: Any = None) -> None:
        while self._what:
            self._what.pop()()
        super().sleep(seconds)


def test_what_ends_while_it_cancels_is_reaped(guard: Any) -> None:
    """An orphan of the command's that ends only then would stay a zombie for as long as the guard lives."""
    reaped: list[bool] = []

    def end() -> None:
        pid = os.posix_spawn("/bin/true", ["true"], {})
        reaped.append(eventually(lambda: not os.path.exists(f"/proc/{pid}")))

    assert 5 == guard("exit 5", waits_by=Doing(end), has_twin=False).run()
    assert [True] == reaped


# While the command runs, and while it cancels


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Systemd's end of its socket; it waits a fiftieth of a second for a sign of life."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "20000")
        yield listening


@pytest.fixture
def threads() -> Callable[[], bool]:
    """Wait until the threads that were started meanwhile have ended."""
    before = set(threading.enumerate())
    return lambda: eventually(lambda: not set(threading.enumerate()) - before)


def test_there_are_signs_of_life_while_it_cancels(guard: Any, systemd: socket.socket, threads: Any) -> None:
    """However long an attempt lasts, systemd is asked for more time; and not when all is over."""
    heard: list[bytes] = []

    def until_two_signs() -> None:
        while heard.count(b"WATCHDOG=1\nEXTEND_TIMEOUT_USEC=30000000") < 2:
            heard.append(systemd.recv(4096))

    assert 5 == guard("exit 5", waits_by=Doing(until_two_signs), has_twin=False).run()
    assert threads()


def test_a_look_that_fails_stops_nothing(
    sandbox: Sandbox, clock: VirtualClock, tmp_path: Path, threads: Any, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    """That it fails is said, once, and then that it does no more; with the command the looks end."""
    account = Account("desk", Destination("sandbox", "okx", sandbox.url), sandbox.credentials)
    script = f"until grep -q 'Armed again' {tmp_path}/status; do sleep .01; done; exit 5"
    child = Child(["/bin/sh", "-c", script], grace=60.0, say=say)
    make, made = ccxt.okx.__init__, []

    def making(self: Any, *arguments: Any, **keywords: Any) -> None:  # an object for each look
        made.append(threading.current_thread() is threading.main_thread())
        if len(made) in (2, 3):
            raise MemoryError("out of memory")
        make(self, *arguments, **keywords)

    monkeypatch.setattr(ccxt.okx, "__init__", making)

    reports = Reports(str(tmp_path / "status"))
    watched = Guard(ManyCanceler([account]), child, deadline=0.0, clock=clock, reports=reports, look_every=0.01)

    assert 5 == watched.run()
    said = capfd.readouterr().err
    assert [True, False, False, False] == made[:4]
    assert 1 == said.count("DISARMED: a cancel would fail now. look: out of memory")
    assert 1 == said.count("Armed again: a cancel would get through.")
    assert threads()


# The twin itself


@pytest.mark.measured
def test_a_standby_that_is_killed_is_replaced(tmp_path: Path) -> None:
    """By the twin, while the guard lives; and all of them end at the guard's word."""
    started = Twin(_config(tmp_path))
    started.start()

    def standbys() -> list[int]:
        return [each.pid for each in below((started.pid,), table()) if each.name == TWIN]

    assert started.wait()
    assert started.command_starts()
    assert started.command_starts()  # it is asked again where one is replaced before there was a command
    (first,) = standbys()
    os.kill(first, signal.SIGKILL)
    assert eventually(lambda: set(standbys()) - {first})
    (second,) = set(standbys()) - {first}
    started.dismiss()

    assert eventually(lambda: not {started.pid, second} & set(table()))


def test_a_circle_of_processes_is_gone_through_once() -> None:
    """As a table may show that was read while numbers were given away anew."""
    one, two = Process(8, 100, 9, 7, 7, "sh"), Process(9, 100, 8, 7, 7, "sh")

    assert {one, two} == below((8, 9), {8: one, 9: two})


def test_what_the_twin_cannot_end_is_named(tmp_path: Path) -> None:
    """As where a strategy was started by sudo: the cancel cannot know what comes after it."""

    def refused(pid: int, signum: int) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    said: list[str] = []
    pid = os.posix_spawn("/bin/sleep", ["sleep", "60"], {MARK: tmp_path.name})
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "kill", refused)
            patch.setattr(processes, "_PATIENCE", 0.0)
            survivors = twin._end(Family(-1, tmp_path.name), said.append)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    assert {pid} == {each.pid for each in survivors}
    assert [f"Could not be ended: process {pid} (sleep)."] == said
