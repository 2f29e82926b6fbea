"""The guard: however the command ends, the book is empty afterwards, and the exit code says whether it is."""

from __future__ import annotations

import ctypes
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ccxt
import click
import pytest
from support.twins import VirtualClock
from support.waiting import eventually, is_gone

import okx_rfq_plugin
from okx_rfq_plugin._core.clock import SYSTEM, Clock
from okx_rfq_plugin.cli import okx_rfq
from okx_rfq_plugin.cli.canceler import OneCanceler
from okx_rfq_plugin.cli.child import HEARD, Child
from okx_rfq_plugin.cli.destinations import Destination
from okx_rfq_plugin.cli.guarding import Guard, say
from okx_rfq_plugin.credentials import KEYS
from okx_rfq_plugin.sandbox import Fault, Sandbox

CANCEL_ALL = "rfq/cancel-all-rfqs"
REFUSED = "50113"  # OKX: Invalid Sign
UNREADABLE = b"<html>"
BOUND = r"Whatever was created before \d\d:\d\d:\d\d expires by \d\d:\d\d:\d\d at the latest\."
GUARDING = "kill -TERM $PPID; "  # in a shell script: SIGTERM to the guard


def guard(
    sandbox: Sandbox, clock: Any, *command: str, grace: float = 0.0, deadline: float = 0.0, child_clock: Clock = SYSTEM
) -> Guard:
    """Return a guard without a twin, which runs in the tests' process."""
    exchange = okx_rfq_plugin.install(sandbox.exchange(ccxt.okx))
    canceler = OneCanceler(Destination("sandbox", url=sandbox.url), exchange)
    child = Child(list(command), grace=grace, say=say, clock=child_clock)
    return Guard(canceler, child, deadline=deadline, clock=clock)


@pytest.fixture
def run(sandbox: Sandbox, clock: VirtualClock) -> Callable[..., int]:
    """Guard a shell script in the tests' process; time is skipped, except for the grace."""

    def run(*command: str, grace: float = 60.0, deadline: float = 0.0) -> int:
        shell = ["sh", "-c", *command] if len(command) == 1 else list(command)
        before = [signal.getsignal(signum) for signum in (*HEARD, signal.SIGTTOU)]
        code = guard(sandbox, clock, *shell, grace=grace, deadline=deadline).run()
        assert before == [signal.getsignal(signum) for signum in (*HEARD, signal.SIGTTOU)]
        return code

    return run


def when_stopped(then: str) -> str:
    """Begin a script with this to run something from outside its group when it is stopped."""
    helper = f"while ! grep -q 'State:.T' /proc/$COMMAND/status; do sleep .01; done; {then}"
    return f"export GUARD=$PPID COMMAND=$$; setsid sh -c {shlex.quote(helper)} & "


def cancels(sandbox: Sandbox) -> int:
    return sum(request.path.endswith(CANCEL_ALL) for request in sandbox.requests)


# The ends of a command


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 0", 0), ("exit 5", 5), ("kill -9 $$", 137), ("kill -SEGV $$", 139), (GUARDING + "sleep 60", 143)],
)
def test_whatever_the_end_is_all_is_canceled(run: Any, sandbox: Sandbox, script: str, code: int) -> None:
    """After each end, cancels follow until OKX has said twice that nothing is active; the code is the command's."""
    sandbox.create_rfq()

    assert code == run(script)
    assert [] == sandbox.rfqs("active")
    assert cancels(sandbox) >= 3


def test_the_second_cancel_waits_for_the_wire(
    run: Any, sandbox: Sandbox, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An RFQ that becomes active within two seconds after the first cancel does not survive."""
    skip = clock.sleep

    def sleep(seconds: float, waker: Any = None) -> None:
        if not sandbox.rfqs():
            sandbox.create_rfq()
        skip(seconds)

    monkeypatch.setattr(clock, "sleep", sleep)

    assert 0 == run("exit 0", deadline=30.0)
    assert 2.0 in clock.waits
    assert ["canceled"] == list({rfq["state"] for rfq in sandbox.rfqs()})


def test_a_program_that_cannot_be_run_was_not_started(
    run: Any, sandbox: Sandbox, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A script whose interpreter is missing: 203, nothing is canceled, and it says so."""
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    sandbox.create_rfq()

    assert 203 == run(str(script), "argument")
    assert 1 == len(sandbox.rfqs("active"))
    assert ": nothing was started, and nothing was canceled." in capfd.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("faults", "code", "truth"),
    [
        ((), 5, "No RFQ is active any more."),
        ((REFUSED, Fault()), 5, "No RFQ is active any more."),
        ((UNREADABLE, Fault()), 5, "No RFQ is active any more."),
        ((Fault(), REFUSED, Fault()), 5, "No RFQ is active any more."),
        ((REFUSED, REFUSED), 203, "NOTHING WAS CANCELED: RFQs that were active still are."),
        ((Fault(), REFUSED, REFUSED), 204, "RFQs MAY STILL BE ACTIVE: whether all were canceled is not known."),
        ((UNREADABLE, REFUSED, REFUSED), 204, "RFQs MAY STILL BE ACTIVE: whether all were canceled is not known."),
        ((REFUSED, *[UNREADABLE] * 2), 204, "RFQs MAY STILL BE ACTIVE: whether all were canceled is not known."),
    ],
)
def test_the_code_says_whether_all_is_canceled(
    run: Any, sandbox: Sandbox, capfd: pytest.CaptureFixture[str], faults: Any, code: int, truth: str
) -> None:
    """Two cancels that find nothing decide; 203 only if all were refused. The last sentence says what is true."""
    sandbox.create_rfq()
    sandbox.fault(CANCEL_ALL, *faults, *[Fault()] * 3)

    assert code == run("exit 5")
    assert code != 5 or [] == sandbox.rfqs("active")
    last = capfd.readouterr().err.splitlines()[-1]
    assert f"okx-rfq guard: {truth}" in last
    assert (code == 5) == (re.search(BOUND, last) is None)


def test_attempts_are_told(sandbox: Sandbox, clock: VirtualClock, capfd: pytest.CaptureFixture[str]) -> None:
    """A retried cancel says so, once for each attempt."""
    sandbox.fault(CANCEL_ALL, "50001")

    assert 0 == guard(sandbox, clock, "true", deadline=30.0).run()
    assert 1 == capfd.readouterr().err.count("Next attempt in ")


# Signals


@pytest.mark.parametrize("name", ["INT", "TERM", "HUP", "QUIT"])
def test_a_signal_is_passed_on_once(run: Any, capfd: pytest.CaptureFixture[str], name: str) -> None:
    """The command gets each signal once, in order, and determines its own exit code."""
    script = f"""
        count=0
        trap 'count=$((count + 1))' {name}
        trap 'exit $count' USR1
        kill -{name} $PPID
        while [ $count = 0 ]; do sleep .01; done
        kill -USR1 $PPID
        while :; do sleep .01; done
    """

    assert 1 == run(script)
    assert f"SIG{name} was passed on to the command, which has 60 s to end." in capfd.readouterr().err


def test_a_second_signal_is_passed_on_without_another_grace(run: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """An impatient supervisor's: the command has it, and no more time than it had."""
    script = """
        trap 'kill -INT $PPID' TERM
        trap 'exit 6' INT
        kill -TERM $PPID
        while :; do sleep .01; done
    """

    assert 6 == run(script)
    said = capfd.readouterr().err
    assert "SIGTERM was passed on to the command, which has 60 s to end." in said
    assert "SIGINT was passed on to the command.\n" in said


def test_a_signal_goes_to_the_whole_group(run: Any, tmp_path: Path) -> None:
    """What the command has started also gets the signal, and the rest of the grace after the command has ended."""
    done = tmp_path / "done"
    slow = f"trap 'sleep .3; : > {done}; exit' TERM; : > {tmp_path}/ready; while :; do sleep .01; done"
    script = f"""
        sh -c {shlex.quote(slow)} &
        while [ ! -e {tmp_path}/ready ]; do sleep .01; done
        {GUARDING}
        sleep 60
    """

    assert 143 == run(script)
    assert done.exists()


@pytest.mark.parametrize("grace", [0.0, 0.2])
def test_after_the_grace_the_group_is_killed(
    run: Any, sandbox: Sandbox, capfd: pytest.CaptureFixture[str], grace: float
) -> None:
    """A command that ignores signals is killed with its children, and everything is canceled."""
    sandbox.create_rfq()
    script = f"trap '' TERM; sleep 60 & echo $!; {GUARDING} while :; do sleep .01; done"

    assert 137 == run(script, grace=grace)
    said = capfd.readouterr()
    assert f"The command did not end in {grace:g} s: it is killed." in said.err
    assert is_gone(int(said.out))
    assert [] == sandbox.rfqs("active")


def test_what_outlives_its_grace_is_killed(run: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """If the command ends as told but its children do not, they are killed, and the code is the command's.

    A SIGCHLD in between is about no remaining child.
    """
    again = "while kill -0 $COMMAND 2> /dev/null; do sleep .01; done; kill -CHLD $GUARD"
    deaf = f"trap '' TERM; echo $$; : > {tmp_path}/ready; {again}; while :; do sleep .01; done"
    script = f"""
        export GUARD=$PPID COMMAND=$$
        sh -c {shlex.quote(deaf)} &
        while [ ! -e {tmp_path}/ready ]; do sleep .01; done
        trap 'exit 6' TERM
        {GUARDING}
        while :; do sleep .01; done
    """

    assert 6 == run(script, grace=1.0)
    left = int(capfd.readouterr().out)
    assert is_gone(left)


def test_what_a_command_leaves_running_is_killed(run: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """After the command has ended, its group contains no process that could create RFQs."""
    assert 5 == run("sleep 60 & echo $!; exit 5")
    left = int(capfd.readouterr().out)
    assert is_gone(left)


def test_the_dead_whom_process_1_inherits_are_not_waited_for(run: Any, tmp_path: Path) -> None:
    """In a container the guard may be process 1: orphans that die there do not use up the grace."""
    subreaper = 36  # with Linux' PR_SET_CHILD_SUBREAPER any process adopts orphans, as process 1 does
    prctl = ctypes.CDLL(None).prctl
    started = time.monotonic()
    prctl(subreaper, 1, 0, 0, 0)
    try:
        assert 143 == run(f"sh -c 'sleep 60; :' & {GUARDING} sleep 60", grace=600.0)
    finally:
        prctl(subreaper, 0, 0, 0, 0)
    assert time.monotonic() - started < 120.0


def test_a_command_that_is_stopped_is_waited_for(run: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """Without a terminal, a stop is reported; a signal resumes the command, so that it notices it."""
    script = when_stopped("kill -TERM $GUARD") + "kill -STOP $$; sleep 60"

    assert 143 == run(script)
    assert "The command is stopped: what it has created is active" in capfd.readouterr().err


def test_a_signal_to_go_on_is_passed_on(run: Any) -> None:
    """SIGCONT to the guard, as from a shell's fg or bg, resumes the command."""
    assert 4 == run(when_stopped("kill -CONT $GUARD") + "kill -STOP $$; exit 4")


def test_a_signal_of_somebody_elses_stays_here(run: Any) -> None:
    """Signals that a plugin handles in the guard's process are not forwarded."""
    before = signal.signal(signal.SIGALRM, lambda signum, frame: None)
    script = "trap 'exit 9' ALRM; trap 'exit 4' USR1; kill -ALRM $PPID; kill -USR1 $PPID; while :; do sleep .01; done"
    try:
        assert 4 == run(script)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_what_was_ignored_stays_ignored(run: Any) -> None:
    """Under nohup neither the guard nor the command ends when the terminal does."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert 5 == run("kill -HUP $PPID; kill -HUP $$; exit 5")
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_command_ignores_nothing_that_python_ignores(run: Any) -> None:
    """SIGPIPE and SIGTTOU, which Python or the guard ignores, have their usual effect on the command."""
    assert 128 + signal.SIGPIPE == run("kill -PIPE $$; exit 0")


class Interrupted(VirtualClock):
    """A clock on which signals arrive in the middle of the first wait."""

    def __init__(self, *signums: int) -> None:
        super().__init__()
        self._signums = list(signums)

    def sleep(self, seconds: float, waker: Any = None) -> None:
        while self._signums:
            signal.raise_signal(self._signums.pop(0))
        super().sleep(seconds)


def test_signals_do_not_stop_the_cancel(sandbox: Sandbox, clock: VirtualClock, capfd: Any) -> None:
    """Any signal during the cancel is answered, and the cancel continues."""
    signums = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGCONT]

    assert 5 == guard(sandbox, Interrupted(*signums), "sh", "-c", "exit 5").run()
    assert 2 == cancels(sandbox)
    assert 4 == capfd.readouterr().err.count(": the cancel goes on; Ctrl+\\ (SIGQUIT) gives it up.")


def test_sigquit_gives_up(sandbox: Sandbox, clock: VirtualClock, capfd: Any) -> None:
    """Ctrl+backslash ends the cancel, and the code says that the outcome is unknown."""
    assert 204 == guard(sandbox, Interrupted(signal.SIGQUIT), "true").run()
    assert 1 == cancels(sandbox)
    assert "RFQs MAY STILL BE ACTIVE" in capfd.readouterr().err.splitlines()[-1]


def test_a_defect_of_the_guards_own_cancels_too(sandbox: Sandbox, clock: VirtualClock) -> None:
    """If anything fails in the guard while the command runs, the command is killed, and everything is canceled."""
    sandbox.create_rfq()

    class Broken(Clock):
        """A clock that cannot be read."""

        def now(self) -> float:
            raise OSError("no clock")

    with pytest.raises(OSError, match="no clock"):
        guard(sandbox, clock, "sh", "-c", "kill -TERM $PPID; sleep 60", child_clock=Broken()).run()

    assert [] == sandbox.rfqs("active")


# Output


def test_a_reader_who_does_not_read_holds_up_nothing(run: Any, sandbox: Sandbox, monkeypatch: Any) -> None:
    """If stderr is full, closed or missing, the cancel runs and the code is right."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    while True:
        try:
            os.write(writer, b"." * 4096)
        except BlockingIOError:
            break
    os.set_blocking(writer, True)
    full = os.fdopen(writer, "w")
    closed = open(os.devnull, "w")  # noqa: SIM115 - closed at once
    closed.close()
    for stderr in (full, closed, None):
        sandbox.create_rfq()
        monkeypatch.setattr(sys, "stderr", stderr)
        assert 5 == run("exit 5")
        assert [] == sandbox.rfqs("active")
    full.close()
    os.close(reader)


# The verb


def verb(*arguments: str) -> Any:
    """Run the command here; return its exit code."""
    return okx_rfq(["guard", *arguments], standalone_mode=False)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], None]:
    """Put credentials where the command reads them."""

    def put(credentials: dict[str, str]) -> None:
        for name, variable in KEYS.items():
            monkeypatch.setenv(variable, credentials[name])

    return put


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--env", "demo"), "command"),
        (("--", "true"), "--env"),
        (("--env", "demo", "--grace", "-1", "true"), "--grace"),
        (("--env", "demo", "--grace", "nan", "true"), "--grace"),
        (("--env", "demo", "--deadline", "inf", "true"), "--deadline"),
        (("--env", "demo", "true"), "OKX_API_KEY"),
    ],
)
def test_usage(arguments: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing or invalid seconds are named, with exit code 2, and nothing is started."""
    for variable in KEYS.values():
        monkeypatch.delenv(variable, raising=False)

    with pytest.raises(click.UsageError) as raised:
        verb(*arguments)

    assert 2 == raised.value.exit_code
    assert words.lower() in raised.value.format_message().lower()


def test_where_there_are_no_process_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows it says that it does not work there."""
    monkeypatch.delattr(os, "posix_spawnp")

    with pytest.raises(click.UsageError, match="which this system does not have"):
        verb("--env", "sandbox", "true")


def test_without_permission_nothing_is_started(
    sandbox: Sandbox, environment: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """A key that may not cancel is detected before the command starts: 203, since nothing is canceled either."""
    environment(sandbox.create_user(permissions=["read_only"]))

    assert 203 == verb("--env", "sandbox", "--url", sandbox.url, "--", "echo", "started")
    said = capfd.readouterr()
    assert "" == said.out
    assert "read_only" in said.err
    last = said.err.splitlines()[-1]
    assert "Permission is WRONG: nothing was started, and nothing was canceled. Whatever was created" in last


def test_with_a_wrong_key_nothing_is_started(environment: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """The same if OKX rejects the key, or cannot be reached; no secret is shown."""
    environment({name: f"dummy-{name}" for name in KEYS})
    with Sandbox() as sandbox:
        url = sandbox.url
        assert 203 == verb("--env", "sandbox", "--url", url, "--", "echo", "started")
    assert 203 == verb("--env", "sandbox", "--url", url, "--", "echo", "started")

    said = capfd.readouterr()
    assert "" == said.out
    assert 2 == said.err.count(": nothing was started, and nothing was canceled.")
    assert "dummy" not in said.err


# Real strategies

STRATEGY = """
import json, os, sys, threading
import ccxt

okx = ccxt.okx({"apiKey": os.environ["OKX_API_KEY"], "secret": os.environ["OKX_API_SECRET"],
                "password": os.environ["OKX_PASSPHRASE"]})
okx.set_sandbox_mode(True)
okx.urls["api"]["rest"] = sys.argv[1]
legs = [{"instId": "BTC-USDT", "side": "buy", "sz": "1"}]
create = {"counterparties": ["WAGMI"], "legs": legs}
threading.Thread(target=okx.private_post_rfq_create_rfq, args=(create,), daemon=True).start()
print(os.getpid(), flush=True)
sys.stdin.readline()
raise RuntimeError("crash")
"""


def guarded(sandbox: Sandbox, *command: str) -> list[str]:
    """Return the command line of a guard."""
    verb = ["guard", "--env", "sandbox", "--url", sandbox.url, "--grace", "60", "--"]
    return [sys.executable, "-m", "okx_rfq_plugin", *verb, *command]


def test_a_strategy_leaves_no_rfq_however_it_ends(sandbox: Sandbox, environment: Any, tmp_path: Path) -> None:
    """Three real strategies have a create on the wire when one crashes, one is killed, and one's guard is told to end.

    The server takes a second for each create, so that no first cancel finds it.
    """
    (tmp_path / "strategy.py").write_text(STRATEGY)
    sandbox.fault("rfq/create-rfq", *[Fault(delay=1.0)] * 3)
    users = [sandbox.create_user() for _ in range(3)]
    guards = []
    for user in users:
        environment(user)
        command = guarded(sandbox, sys.executable, str(tmp_path / "strategy.py"), sandbox.url)
        guards.append(subprocess.Popen(command, stdin=-1, stdout=-1, stderr=-1, text=True))
    pids = [int(guard.stdout.readline()) for guard in guards if guard.stdout]
    assert eventually(lambda: 3 == sum(request.path.endswith("create-rfq") for request in sandbox.requests))
    killed, crashed, terminated = guards
    os.kill(pids[0], signal.SIGKILL)
    terminated.terminate()
    said = [guard.communicate("end\n" if guard is crashed else None, timeout=60)[1] for guard in guards]

    assert [137, 1, 143] == [killed.returncode, crashed.returncode, terminated.returncode]
    assert [["canceled"]] * 3 == [[rfq["state"] for rfq in sandbox.rfqs(credentials=user)] for user in users]
    assert all(words.endswith("okx-rfq guard: No RFQ is active any more.\n") for words in said)
    assert "RuntimeError: crash" in said[1]


# Terminals

COMMAND = """
import contextlib, os, signal, sys
signal.signal(signal.SIGINT, lambda *_: os.write(1, b"interrupted\\n"))
print("ready", flush=True)
with contextlib.suppress(OSError):
    while line := sys.stdin.readline():
        print("got", line, flush=True)
while True:
    signal.pause()
"""
# A shell's job control: a job has the terminal, and gives it back when it stops or ends.
SHELL = """
import fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
job = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, setpgroup=0, setsigdef=[signal.SIGTTOU])
os.tcsetpgrp(0, job)
print("job", job, flush=True)
while True:
    _, status = os.waitpid(job, os.WUNTRACED)
    os.tcsetpgrp(0, os.getpgrp())
    print("stopped" if os.WIFSTOPPED(status) else "ended", flush=True)
    sys.stdin.readline()
    os.tcsetpgrp(0, job)
    os.killpg(job, signal.SIGCONT)
"""
# A terminal opened for one command, without a shell.
NO_SHELL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """A terminal, with a person who types and reads."""

    def __init__(self, script: str, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        command = [sys.executable, "-c", script, *arguments]
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        os.close(slave)
        self.seen = ""

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def expect(self, words: str) -> str:
        """Wait until something is shown; return the rest of the line."""
        until = time.monotonic() + 60
        while words not in self.seen or "\n" not in self.seen.partition(words)[2]:
            assert select.select([self._master], [], [], max(0, until - time.monotonic()))[0], self.seen
            self.seen += os.read(self._master, 4096).decode()
        line, _, self.seen = self.seen.partition(words)[2].partition("\n")
        return line.strip()

    def close(self) -> None:
        os.close(self._master)


@pytest.mark.measured
def test_a_job_of_a_shell(sandbox: Sandbox, environment: Any) -> None:
    """The command reads from the terminal and has its Ctrl+C once, Ctrl+Z stops the job, and a closed one ends all."""
    sandbox.create_rfq()
    environment(sandbox.credentials)
    terminal = Terminal(SHELL, *guarded(sandbox, sys.executable, "-c", COMMAND))
    job = int(terminal.expect("job"))

    terminal.expect("ready")
    terminal.type(b"hello\n")
    terminal.expect("got hello")
    terminal.type(b"\x03")
    terminal.expect("interrupted")
    terminal.type(b"\x1a")
    terminal.expect("The command is stopped")
    terminal.expect("stopped")
    terminal.type(b"fg\n")
    terminal.type(b"again\n")
    terminal.expect("again")
    assert "interrupted" not in terminal.seen
    terminal.close()
    terminal.process.wait(60)

    assert is_gone(job)
    assert cancels(sandbox) >= 2
    assert [] == sandbox.rfqs("active")


@pytest.mark.parametrize("ends", ["by a key", "with its terminal"])
def test_a_terminal_of_its_own(sandbox: Sandbox, environment: Any, ends: str) -> None:
    """Without a shell to return to, Ctrl+Z has no effect, and closing the terminal ends everything."""
    sandbox.create_rfq()
    environment(sandbox.credentials)
    terminal = Terminal(NO_SHELL, *guarded(sandbox, sys.executable, "-c", COMMAND))

    terminal.expect("ready")
    terminal.type(b"\x1a")
    terminal.expect("The command is stopped")
    terminal.type(b"hello\n")
    terminal.expect("got hello")
    if ends == "by a key":
        terminal.type(b"\x1c")
        terminal.expect("No RFQ is active any more.")
    else:
        terminal.close()

    assert (131 if ends == "by a key" else 129) == terminal.process.wait(60)
    assert cancels(sandbox) >= 2
    assert [] == sandbox.rfqs("active")
