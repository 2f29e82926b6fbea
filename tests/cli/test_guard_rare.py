"""Rare cases of a guard: accounts of a file, its reserved codes, survivors, a missing key."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import ccxt
import pytest
from support.command import invoke, plain
from support.twins import VirtualClock

from okx_rfq_plugin.cli import canceling, list_rfqs, many, twin
from okx_rfq_plugin.cli.accounts import Account, read_accounts
from okx_rfq_plugin.cli.canceler import ManyCanceler, OneCanceler, canceler_for
from okx_rfq_plugin.cli.destinations import Destination
from okx_rfq_plugin.cli.ending import Ending
from okx_rfq_plugin.cli.processes import Process
from okx_rfq_plugin.cli.terminal import attempts_shown
from okx_rfq_plugin.credentials import value_of
from okx_rfq_plugin.sandbox import Sandbox

pytestmark = pytest.mark.usefixtures("bare")

SURVIVOR = Process(7, started=100, parent=1, group=7, session=7, name="sleep")


def written(folder: Path, *urls: str, env: str = "sandbox") -> Path:
    file = folder / "accounts.toml"
    place = 'env = "sandbox"\nurl = "{}"' if env == "sandbox" else f'env = "{env}"'
    rows = 'api_key = "OKX_API_KEY"\napi_secret = "OKX_API_SECRET"\npassphrase = "OKX_PASSPHRASE"\n'
    file.write_text("".join(f"[desk-{number}]\n{place.format(url)}\n{rows}" for number, url in enumerate(urls)))
    return file


# Many accounts


def test_many_accounts_are_canceled_for_as_one(okx: Sandbox, tmp_path: Path) -> None:
    """One receipt for all of them, and findings are reported."""
    okx.create_rfq()
    canceler = ManyCanceler(read_accounts(written(tmp_path, okx.url)))

    first, second = canceler.cancel(5.0), canceler.cancel(5.0)

    assert ("canceled", "nothing_active") == (first["status"], second["status"])
    assert all(finding.ok for finding in canceler.look())


def test_one_account_that_fails_is_the_outcome_of_all(okx: Sandbox, tmp_path: Path) -> None:
    """An error that retries cannot fix has a code, so that the guard gives up in the end; a check names the account."""
    accounts = read_accounts(written(tmp_path, okx.url, "no address"))
    canceler = ManyCanceler(accounts)

    facts = canceler.cancel(5.0)
    wrong = [finding.check for finding in canceler.look() if not finding.ok]

    assert ("failed", "incomplete", True) == (facts["status"], facts["code"], facts["may_be_canceled"])
    assert ["desk-1"] == wrong


def test_a_cancel_that_cannot_even_begin_is_a_failure_of_all(
    okx: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No event loop, and nothing was sent."""

    def no_loop() -> Any:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("asyncio.new_event_loop", no_loop)
    facts = ManyCanceler(read_accounts(written(tmp_path, okx.url))).cancel(5.0)

    assert "failed" == facts["status"]


def test_a_canceler_is_made_for_either(okx: Sandbox, tmp_path: Path) -> None:
    """For the accounts of a file, or for one destination."""
    accounts = read_accounts(written(tmp_path, okx.url))
    with canceler_for(None, accounts, deadline=5.0) as (of_many, place):
        assert isinstance(of_many, ManyCanceler)
        assert place is None
    with canceler_for(Destination("sandbox", "okx", okx.url), None, deadline=5.0) as (of_one, _):
        assert isinstance(of_one, OneCanceler)


def test_an_account_that_no_request_can_reach_is_told(
    okx: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy in the environment is not supported by aiohttp: nothing is sent for it."""
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    accounts = read_accounts(written(tmp_path, "", env="demo"))

    read = many.read_rfqs(accounts)

    assert "cannot use a proxy of that kind" in str(read["desk-0"])


def test_a_guard_without_a_complete_account_is_wrong_usage(tmp_path: Path) -> None:
    """The command is not started."""
    result = invoke("guard", "--accounts", str(written(tmp_path, "no address")), "--", "true")

    assert 2 == result.exit_code
    assert "no account of the file is complete" in plain(result.stderr)


@pytest.mark.parametrize("answer", ["no\n", ""])
def test_who_declines_cancels_for_no_account(
    answer: str, okx: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is sent, certainly."""
    import io
    import sys

    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    options = canceling.Options(5.0, None, True, False, False, None, False, True, False)

    code = canceling.cancel_many(read_accounts(written(tmp_path, okx.url)), options, asks=True)

    assert 3 == code
    assert "NOTHING WAS CANCELED" in capsys.readouterr().err
    assert [] == okx.requests


# Endings


_LATE = """
import os, signal
from okx_rfq_plugin.cli import interrupts
from okx_rfq_plugin.cli.child import ENDING, handled

interrupts.until_the_end()
with handled({signum: lambda *_: None for signum in ENDING}):
    pass
for signum in ENDING:
    os.kill(os.getpid(), signum)
print("over")
"""


def test_no_signal_changes_the_code_of_a_guard_that_is_over() -> None:
    """During its last instructions, when it could be mistaken for one before the start."""
    ended = subprocess.run([sys.executable, "-c", _LATE], capture_output=True, text=True, timeout=60.0, check=False)

    assert (0, "over\n", "") == (ended.returncode, ended.stdout, ended.stderr)


def test_what_could_not_be_ended_leaves_it_open(okx: Sandbox, clock: VirtualClock) -> None:
    """The book was empty twice, but a process that could not be killed may create more."""
    said: list[str] = []
    exchange = okx.exchange(ccxt.okx)
    ending = Ending(OneCanceler(Destination("sandbox", "okx", okx.url), exchange), said.append, 10.0, clock)

    code = ending.run({SURVIVOR})

    assert 204 == code or 4 == code
    assert "process 7 (sleep) could not be ended, and may create more." in ending.message


def test_nothing_is_said_after_the_last_word(okx: Sandbox, clock: VirtualClock) -> None:
    """A cancel during the grace returns after everything was given up: its success would be read as the outcome."""
    said: list[str] = []
    over = threading.Event()

    class Late(OneCanceler):
        def cancel(self, deadline: float) -> dict[str, Any]:
            """Cancel when everything is over."""
            over.wait()
            return super().cancel(deadline)

    canceler = Late(Destination("sandbox", "okx", okx.url), okx.exchange(ccxt.okx))
    ending = Ending(canceler, said.append, 10.0, clock)
    beside = threading.Thread(target=ending.early, args=(5.0,))
    beside.start()
    ending.given_up("By SIGQUIT.")
    over.set()
    beside.join()

    assert [True] == ["MAY STILL BE ACTIVE" in words for words in said], said


def test_survivors_are_suspected_of_what_comes_to_life(okx: Sandbox, clock: VirtualClock) -> None:
    """They are named if RFQs appear between two cancels."""
    said: list[str] = []
    exchange = okx.exchange(ccxt.okx)
    waits = iter(range(3))

    class Busy(VirtualClock):
        def sleep(self, seconds: float, waker: Any = None) -> None:
            """Wait; RFQs are created meanwhile."""
            super().sleep(seconds, waker)
            if next(waits, None) is not None:
                okx.create_rfq()

    okx.create_rfq()
    ending = Ending(OneCanceler(Destination("sandbox", "okx", okx.url), exchange), said.append, 60.0, Busy())

    ending.run({SURVIVOR})

    assert any("perhaps process 7 (sleep), which could not be ended" in words for words in said), said


def test_what_creates_to_the_end_leaves_it_open(okx: Sandbox, clock: VirtualClock, monkeypatch: Any) -> None:
    """Nothing of the command's is left that could: it is named what else it may be."""

    def sleep(seconds: float, waker: Any = None, pause: Any = clock.sleep) -> None:
        pause(seconds, waker)
        okx.create_rfq()

    monkeypatch.setattr(clock, "sleep", sleep)
    okx.create_rfq()
    ending = Ending(
        OneCanceler(Destination("sandbox", "okx", okx.url), okx.exchange(ccxt.okx)), lambda words: None, 0.0, clock
    )

    assert 204 == ending.run(set())
    assert "It is another program of this account" in ending.message


@pytest.mark.parametrize("accounts", [None, "/nowhere.toml"])
def test_a_twin_that_cannot_cancel_says_so(accounts: str | None) -> None:
    """No key, or no file: certainly it canceled nothing."""
    said: list[str] = []
    config = {"accounts": accounts, "only": [], "destination": ["demo", "okx", None], "deadline": 1.0}

    code, message = twin._cancel(config, set(), said.append, attempts_shown)

    assert 203 == code
    assert "NOTHING WAS CANCELED by the twin" in message


_CONFIG = {"guard": os.getpid(), "mark": "none", "others": [], "accounts": None, "destination": ["demo", "okx", None]}


@pytest.mark.measured
@pytest.mark.parametrize(
    ("config", "said"),
    [(_CONFIG, ""), ({}, "okx-rfq guard (twin): it has ended: 'accounts'.\n")],
    ids=["in time", "with words that it cannot use"],
)
def test_a_twin_whose_guard_has_left_ends(config: dict[str, Any], said: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Before it is ready, and without a traceback, whatever goes wrong in it."""
    started = twin.Twin(config)
    started.start()
    os.kill(started.pid, signal.SIGINT)  # its Python would receive it before it could ignore it
    started._close()

    assert (started.pid, 0) == os.waitpid(started.pid, 0)
    assert ("", said) == capfd.readouterr()


def test_the_file_of_a_credential_may_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder from systemd contains some, in upper or lower case."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "okx_api_key").write_text("dummy\n")

    assert ("dummy", None) == (value_of("OKX_API_KEY"), value_of("OKX_API_SECRET"))


# Lists


def test_a_list_is_shown_without_okxs_clock(okx: Sandbox) -> None:
    """If OKX does not say its time, this machine's is used."""
    okx.create_rfq()
    okx.fault("public/time", *[502] * 9)

    result = invoke("list", "--env", "sandbox", "--url", okx.url)

    assert 0 == result.exit_code, result.output


def test_a_watch_in_words_shows_the_time_of_each_look(
    okx: Sandbox, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until Ctrl+C, which comes here in the third pause."""
    pauses = iter(range(2))

    def sleep(seconds: float, waker: Any = None, pause: Any = clock.sleep) -> None:
        pause(seconds, waker)
        if seconds == list_rfqs._EVERY and next(pauses, None) is None:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(clock, "sleep", sleep)

    result = invoke("list", "--env", "sandbox", "--url", okx.url, "--watch")

    assert 0 == result.exit_code, result.output
    assert 2 == len(re.findall(r"^\d\d:\d\d:\d\d$", result.output, re.MULTILINE)), result.output


def test_accounts_are_compared_by_what_they_say() -> None:
    """An incomplete account shows no secret."""
    assert "secret" not in repr(Account("desk", Destination("demo", "okx", None), {"secret": "hidden"}, "wrong"))
