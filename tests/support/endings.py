"""Endings of guards, in real processes: how a strategy is started, what kills it, and when."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from okx_rfq_plugin.cli import processes
from okx_rfq_plugin.sandbox import Sandbox
from support.command import COMMAND, PATIENCE, environment, keys
from support.waiting import eventually

# Creates RFQs until it is killed, ignoring all other signals if told to.
STRATEGY = """
import contextlib, os, signal, sys
import ccxt

sys.excepthook = lambda *_: None  # a traceback is the guard's, or its twin's
if "deaf" in sys.argv:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
okx = ccxt.okx({"apiKey": os.environ["OKX_API_KEY"], "secret": os.environ["OKX_API_SECRET"],
                "password": os.environ["OKX_PASSPHRASE"], "rateLimit": 450})
okx.set_sandbox_mode(True)
okx.urls["api"]["rest"] = sys.argv[1]
legs = [{"instId": "BTC-USDT", "side": "buy", "sz": "1"}]
while True:
    okx.private_post_rfq_create_rfq({"counterparties": ["WAGMI"], "legs": legs})
    with contextlib.suppress(OSError):  # read once, and no more
        print(os.getpid(), flush=True)
"""
_KEPT = ["PATH", "OKX_API_KEY", "OKX_API_SECRET", "OKX_PASSPHRASE", "PYTHONPATH"]

# How a desk starts its strategy, and which of these leave the process group.
WRAPPERS = {
    "alone": "exec {}",
    "in a shell": "{}; exit 7",
    "by timeout": "timeout 8h {}",
    "in a session of its own": "setsid {}; exit 7",
    "as a daemon": "(setsid sh -c '({} &)' &); sleep 1000",
    "behind": "nohup {} & wait",
    "forked twice": "( ( {} & ) & ); sleep 1000",
    "with an environment of its own": f"env -i {' '.join(f'{name}=${name}' for name in _KEPT)} setsid {{}}; exit 3",
    "in two places": "{} & setsid {} & wait",
    "by xargs": "echo x | xargs -I% {}",
    "left behind": "(setsid {} &); sleep 3; exit 5",
    "in the shell of a shell": "sh -c \"setsid sh -c 'timeout 8h {}; exit 4'; exit 5\"; exit 6",
}

_TERM, _INT, _HUP, _QUIT, _KILL = signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGKILL
_STOP, _CONT, _USR1 = signal.SIGSTOP, signal.SIGCONT, signal.SIGUSR1


class Blow(NamedTuple):
    """A signal to the guard, its twin or its command, and the seconds until the next."""

    at: str
    signum: signal.Signals
    pause: float = 0.0


def _kills(*order: str, pause: float = 0.0) -> tuple[Blow, ...]:
    return tuple(Blow(each, _KILL, pause) for each in order)


# The blows. A guard that survives them gets a SIGTERM.
BLOWS = {
    "TERM": (Blow("guard", _TERM),),
    "INT": (Blow("guard", _INT),),
    "HUP": (Blow("guard", _HUP),),
    "QUIT": (Blow("guard", _QUIT),),
    "TERM INT TERM": (Blow("guard", _TERM, 0.2), Blow("guard", _INT, 0.2), Blow("guard", _TERM)),
    "stopped": (Blow("guard", _STOP, 0.3), Blow("guard", _TERM), Blow("guard", _CONT)),
    "USR1": (Blow("guard", _USR1, 0.2),),
    "docker stop": (Blow("guard", _TERM, 10.0), Blow("guard", _KILL)),
    "impatient": (Blow("guard", _TERM, 0.5), Blow("guard", _KILL)),
    **{
        f"kill {' '.join(order)}": _kills(*order)
        for count in (1, 2, 3)
        for order in itertools.permutations(("guard", "twin", "command"), count)
    },
    "kill twin, later guard": _kills("twin", "guard", pause=0.4),
}

# When the blow comes: the output to wait for, after a SIGTERM if the guard must be ending by then.
STAGES = {
    "at once": "",
    "looking": "Checking whether",
    "starting": "clock: ",
    "running": "",
    "in the grace": "was passed on to the command",
    "canceling": "The command has ended",
    "canceling again": "Canceling again in",
    "over": "No RFQ is active any more.",
}
_BEFORE = ("at once", "looking", "starting")
_AFTER = ("in the grace", "canceling", "canceling again", "over")


class Ending(NamedTuple):
    """One ending."""

    stage: str
    blow: str
    wrapper: str
    deaf: bool = False
    inside: bool = False  # as process 1 of a PID namespace

    def __str__(self) -> str:
        words = f"{self.stage}, {self.blow}, {self.wrapper}"
        return words + ", deaf" * self.deaf + ", process 1" * self.inside


def endings() -> Iterator[Ending]:
    """Yield two hundred endings: every blow at every stage, and each wrapper with most of them."""
    wrappers = itertools.cycle(WRAPPERS)
    for number, (blow, stage) in enumerate(itertools.product(BLOWS, STAGES)):
        yield Ending(stage, blow, next(wrappers), deaf=number % 3 == 0)
        if number % len(STAGES) == len(STAGES) - 1:
            next(wrappers)  # otherwise each stage would have the same few
    for stage in ("running", "in the grace", "canceling", "over"):
        for blow in ("TERM", "kill twin"):
            yield Ending(stage, blow, next(wrappers), inside=True)


class Ended(NamedTuple):
    """The state after an ending: the guard's code, that in its status file, its output, and the book."""

    code: int
    status: dict[str, Any]
    said: str
    active_at_the_end: int  # when the guard's process ended
    active: int
    created: int
    left: list[str]  # processes

    @property
    def is_true(self) -> bool:
        """Whether the book is empty and no process is left, or else output and code say that it may not be so."""
        if self.code < 0 and not self.status:  # Python itself was still starting, so there was no guard yet
            return self.created == 0 and not self.left
        if "Traceback" in self.said or self.left:
            return False
        code = self.code if self.code >= 0 else self.status.get("code")
        last = (self.said.splitlines() or [""])[-1]
        if code == 203 and "nothing was started" in last:
            return self.created == 0
        if code in (203, 204):
            return "MAY STILL BE ACTIVE" in last or "NOTHING WAS CANCELED" in last
        if self.code >= 0 and self.active_at_the_end:
            return False
        return self.active == 0


def run(ending: Ending, folder: Path) -> Ended:
    """Run an ending, wait until none of its processes is alive, and return the state."""
    with Sandbox() as okx:
        return _Run(ending, folder, okx).run()


class _Run:
    def __init__(self, ending: Ending, folder: Path, okx: Sandbox) -> None:
        self._ending = ending
        self._okx = okx
        self._status, self._said = folder / "status", folder / "said"
        self._mark = f"ENDING={folder}"
        self._created = threading.Event()
        (folder / "strategy.py").write_text(STRATEGY)
        line = shlex.join([sys.executable, str(folder / "strategy.py"), okx.url, *["deaf"] * ending.deaf])
        place = ["--env", "sandbox", "--url", okx.url, "--status-file", str(self._status)]
        shell = WRAPPERS[ending.wrapper].replace("{}", line)
        command = [*COMMAND, "guard", *place, "--grace", "1", "--deadline", "30", "--", "/bin/sh", "-c", shell]
        if ending.inside:
            command = ["/usr/bin/env", "unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *command]
        with self._said.open("w") as said:
            self._process = subprocess.Popen(
                command,
                env=environment(**keys(okx.credentials), ENDING=str(folder)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                start_new_session=True,
            )
        threading.Thread(target=self._read, daemon=True).start()

    def run(self) -> Ended:
        self._reach(self._ending.stage)
        for at, signum, pause in BLOWS[self._ending.blow]:
            _send(self._pid_of(at), signum)
            _wait(pause, self._process)
        if not eventually(lambda: self._process.poll() is not None, 3.0):
            _send(self._pid_of("guard"), signal.SIGTERM)
        code = self._process.wait(2 * PATIENCE)
        at_the_end = len(self._okx.rfqs("active"))
        eventually(lambda: not self._living())
        left = [f"{pid} {_read(pid, 'cmdline')[:200]!r}" for pid in self._living()]
        for pid in self._living():
            _send(pid, signal.SIGKILL)
        status = json.loads(self._status.read_text()) if self._status.exists() else {}
        active, created = len(self._okx.rfqs("active")), len(self._okx.rfqs())
        return Ended(code, status, self._said.read_text(), at_the_end, active, created, left)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for _ in lines:
                self._created.set()

    def _reach(self, stage: str) -> None:
        if stage not in _BEFORE:
            assert self._created.wait(PATIENCE), self._said.read_text()
        if stage in _AFTER:
            _send(self._pid_of("guard"), signal.SIGTERM)
        words = STAGES[stage]
        assert eventually(lambda: words in self._said.read_text() or self._process.poll() is not None)

    def _pid_of(self, what: str) -> int | None:
        guard = self._process.pid
        if self._ending.inside:
            guard = next((each.pid for each in processes.table().values() if each.parent == guard), 0)
        return guard if what == "guard" else child_of(guard, twin=what == "twin")

    def _living(self) -> list[int]:
        url = self._okx.url.encode()
        return [
            each.pid
            for each in processes.table().values()
            if each.pid != os.getpid()
            and (self._mark.encode() in _read(each.pid, "environ").split(b"\0") or url in _read(each.pid, "cmdline"))
        ]


def child_of(guard: int, *, twin: bool) -> int | None:
    """Return the process number of a guard's twin, or of its command, or None if there is none."""
    children = [each.pid for each in processes.table().values() if each.parent == guard]
    found = [pid for pid in children if twin is (b"cli.twin" in _read(pid, "cmdline"))]
    return found[0] if found else None


def _read(pid: int, name: str) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/{name}").read_bytes()
    return b""


def _send(pid: int | None, signum: int) -> None:
    with contextlib.suppress(OSError):
        if pid:
            os.kill(pid, signum)


def _wait(seconds: float, process: subprocess.Popen[bytes]) -> None:
    """Wait for a number of seconds, or until a process has ended."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        if seconds:
            process.wait(seconds)
