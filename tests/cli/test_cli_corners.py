"""Corner cases of the command: a hanging resolver, a guard's reserved codes, wrong accounts, odd announcements."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.command import PATIENCE, invoke, keys, okx_rfq, plain, started
from support.twins import VirtualClock
from support.waiting import eventually

from okx_rfq_plugin.cli.accounts import read_accounts
from okx_rfq_plugin.cli.maintenance import BLOCK_TRADING, notices
from okx_rfq_plugin.sandbox import DROP, Sandbox

pytestmark = pytest.mark.usefixtures("bare")

CANCEL = "rfq/cancel-all-rfqs"
# A name server that does not answer keeps the main thread inside the C library, out of reach of signals.
_RESOLVER_THAT_HANGS = """
import ctypes, os, socket

def getaddrinfo(*args, **kwargs):
    library, lock = ctypes.CDLL(None), (ctypes.c_char * 128)()
    while True:
        try:
            open(os.path.join(os.path.dirname(__file__), "hangs"), "w").close()
            library.pthread_mutex_lock(lock)  # hangs the second time
        except BaseException:
            pass  # a signal between these lines: it must not end the hang either

socket.getaddrinfo = getaddrinfo
"""


def there(okx: Sandbox) -> tuple[str, ...]:
    return ("--env", "sandbox", "--url", okx.url)


def table(name: str, url: str, **rows: str) -> str:
    known = {"env": "sandbox", "url": url, "api_key": "OKX_API_KEY", "api_secret": "OKX_API_SECRET"}
    known |= {"passphrase": "OKX_PASSPHRASE", **rows}
    return f"[{name}]\n" + "".join(f'{key} = "{value}"\n' for key, value in known.items() if value)


@pytest.fixture
def file(okx: Sandbox, tmp_path: Path) -> Path:
    made = tmp_path / "accounts.toml"
    made.write_text(table("desk", okx.url))
    return made


# Hangs that no signal interrupts


@pytest.fixture
def hanging(tmp_path: Path) -> dict[str, str]:
    """Variables that give a process of the command such a resolver."""
    (tmp_path / "sitecustomize.py").write_text(_RESOLVER_THAT_HANGS)
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    dummies = {name: f"dummy-{name.lower()}" for name in ("OKX_API_KEY", "OKX_API_SECRET", "OKX_PASSPHRASE")}
    return {"PYTHONPATH": path, **dummies}


def test_a_cancel_whose_main_thread_hangs_ends_all_the_same(hanging: dict[str, str], tmp_path: Path) -> None:
    """Ctrl+C cannot interrupt it: another thread prints what is true, as far as known, and ends it with 4."""
    place = ("--env", "sandbox", "--url", "http://localhost:1")
    with started("cancel-all", *place, "--json", env=hanging) as process:
        assert eventually((tmp_path / "hangs").exists)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)

    assert 4 == process.returncode, err
    assert err.startswith("RFQs MAY STILL BE ACTIVE")
    assert "Traceback" not in err
    assert json.loads(out)["may_be_canceled"]


def test_time_limit_of_a_cancel_whose_main_thread_hangs_is_named(hanging: dict[str, str]) -> None:
    """It was not interrupted."""
    place = ("--env", "sandbox", "--url", "http://localhost:1")
    ended = okx_rfq("cancel-all", *place, "--timeout", "0.5", env=hanging)

    assert 4 == ended.returncode, ended.stderr
    assert "it did not end in 0.5 s (--timeout)" in ended.stderr
    assert "interrupted" not in ended.stderr


# Guard


@pytest.mark.measured
@pytest.mark.parametrize("code", [203, pytest.param(204, marks=pytest.mark.matrix)])
def test_a_commands_own_203_and_204_are_1(code: int, okx: Sandbox) -> None:
    """They are reserved for the guard, where they mean that RFQs may be active."""
    env = keys(okx.credentials)
    ended = okx_rfq("guard", *there(okx), "--no-twin", "--", "/bin/sh", "-c", f"exit {code}", env=env)

    assert 1 == ended.returncode
    assert f"The command ended with {code}, which is a code of guard's own: it is 1 here." in ended.stderr


def test_a_guard_of_a_file_of_accounts(okx: Sandbox, file: Path) -> None:
    """All of them are canceled for; the twin reads the same file."""
    okx.create_rfq()
    result = invoke("guard", "--accounts", str(file), "--no-twin", "--", "true")

    assert 0 == result.exit_code, result.stderr
    assert [] == okx.rfqs("active")


@pytest.mark.measured
def test_a_guard_says_that_maintenance_may_explain_a_failure(okx: Sandbox) -> None:
    """With the time of its end."""
    okx.announce_maintenance(begins_in=-60, lasts=3600)
    okx.fault(CANCEL, *["50001"] * 40)
    options = ("--no-twin", "--deadline", "0.5")
    ended = okx_rfq("guard", *there(okx), *options, "--", "true", env=keys(okx.credentials))

    assert 204 == ended.returncode, ended.stderr
    assert "OKX has announced maintenance of block trading until" in plain(ended.stderr)


TWIN = (sys.executable, "-c", "from okx_rfq_plugin.cli.twin import main; main()")


@pytest.mark.measured
def test_a_twin_whose_guard_has_gone_before_it_said_a_word_ends() -> None:
    """There is nothing to end or to cancel."""
    ended = subprocess.run(
        TWIN, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, check=False
    )

    assert (0, "", "") == (ended.returncode, ended.stdout, ended.stderr)


@pytest.mark.measured
def test_a_twin_that_is_told_that_all_is_done_ends(tmp_path: Path) -> None:
    """It was ready for the accounts of a file, and reads none of them until it must."""
    config = {"guard": os.getpid(), "mark": "none", "others": [], "accounts": str(tmp_path / "none.toml")}
    words = json.dumps(config) + "\ndone\n"
    ended = subprocess.run(TWIN, input=words, capture_output=True, text=True, timeout=PATIENCE, check=False)

    assert (0, "ready\n", "") == (ended.returncode, ended.stdout, ended.stderr)


# Accounts of a file


def test_a_host_that_is_none_of_okxs_is_named(tmp_path: Path) -> None:
    """So is one with a sandbox that has its own address."""
    (tmp_path / "accounts.toml").write_text(table("desk", "", env="demo", host="okx.example"))
    (desk,) = read_accounts(tmp_path / "accounts.toml")

    assert "[desk] host: one of " in desk.wrong


def test_ids_of_an_account_that_is_incomplete_are_not_sent(tmp_path: Path) -> None:
    """Exit code 2, and what is missing."""
    (tmp_path / "accounts.toml").write_text(table("desk", "http://127.0.0.1:1", api_key="NOT_SET"))
    result = invoke("cancel", "--accounts", str(tmp_path / "accounts.toml"), "1")

    assert 2 == result.exit_code
    assert "Nothing was sent: [desk] api_key: " in plain(result.stderr)


# Output


def test_until_clear_is_quiet_where_it_is_told_to_be(okx: Sandbox, clock: VirtualClock) -> None:
    """It starts again silently, and still reports the outcome."""
    okx.create_rfq()
    okx.fault(CANCEL, "50001")
    result = invoke("cancel-all", *there(okx), "--until-clear", "--quiet", "--deadline", "0")

    assert 0 == result.exit_code, result.stderr
    assert "Starting again" not in result.stderr
    assert [] == okx.rfqs("active")


@pytest.mark.measured
def test_verbose_shows_the_packages_log(okx: Sandbox) -> None:
    """Each line with its level, on stderr."""
    ended = okx_rfq("cancel-all", *there(okx), "--no-confirm", "-v", env=keys(okx.credentials))

    assert 0 == ended.returncode, ended.stderr
    assert re.search(r"^\d\d:\d\d:\d\d DEBUG ", ended.stderr, re.MULTILINE), ended.stderr


def test_ctrl_c_in_the_pause_of_a_watch_ends_it(
    okx: Sandbox, monkeypatch: pytest.MonkeyPatch, clock: VirtualClock
) -> None:
    """Even if the code running in the pause swallows the exception: the reason is checked."""
    wait = clock.sleep

    def sleep(seconds: float, waker: Any = None) -> None:
        wait(seconds, waker)
        if seconds == 2.0:
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                return

    monkeypatch.setattr(clock, "sleep", sleep)

    assert 0 == invoke("list", *there(okx), "--watch", "--json").exit_code


# Maintenance

ROW = {"serviceType": BLOCK_TRADING, "state": "ongoing", "env": "1", "title": "Upgrade"}


@pytest.mark.parametrize("end", [None, "", "soon", "9" * 30], ids=["none", "empty", "words", "beyond all years"])
def test_an_end_that_is_no_time_is_not_named(end: str | None) -> None:
    """The announcement is still shown."""
    (notice,) = notices([{**ROW, "end": end}], "live")

    assert 'until a time that it does not name ("Upgrade").' in notice.words


def test_what_is_announced_for_another_environment_is_left_out() -> None:
    """Demo trading has separate maintenance."""
    assert [] == notices([{**ROW, "end": "1800000000000"}], "demo")


def test_a_cancel_in_doubt_of_many_accounts_is_repeated_until_it_is_told_to_end(
    okx: Sandbox, file: Path, clock: VirtualClock
) -> None:
    """--until-clear with lost replies: in the end the book is empty."""
    okx.create_rfq()
    okx.fault(CANCEL, DROP)
    result = invoke("cancel-all", "--accounts", str(file), "--until-clear", "--deadline", "0")

    assert 0 == result.exit_code, result.output
    assert [] == okx.rfqs("active")
