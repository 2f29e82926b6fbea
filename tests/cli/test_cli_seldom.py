"""What seldom happens to the command, in the tests' own process: interrupts between two steps, and odd streams."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import os
import selectors
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

import pytest
from support.command import PATIENCE, invoke, plain, unforced
from support.twins import VirtualClock

from okx_rfq_plugin import __main__
from okx_rfq_plugin.cli import interrupts, many, okx_rfq
from okx_rfq_plugin.cli.accounts import Account
from okx_rfq_plugin.cli.canceler import OneCanceler, canceler_for
from okx_rfq_plugin.cli.destinations import Destination
from okx_rfq_plugin.cli.interrupts import Interrupts
from okx_rfq_plugin.cli.probe import announced
from okx_rfq_plugin.sandbox import Sandbox

_CANCEL, _MAINTENANCE = "rfq/cancel-all-rfqs", "50001"


def there(okx: Sandbox) -> tuple[str, ...]:
    return ("--env", "sandbox", "--url", okx.url)


@pytest.fixture
def file(okx: Sandbox, tmp_path: Path) -> str:
    """A file with one account at the sandbox."""
    rows = f'url = "{okx.url}"\napi_key = "OKX_API_KEY"\napi_secret = "OKX_API_SECRET"\npassphrase = "OKX_PASSPHRASE"\n'
    (tmp_path / "accounts.toml").write_text(f'[desk]\nenv = "sandbox"\n{rows}')
    return str(tmp_path / "accounts.toml")


@pytest.fixture
def desk(okx: Sandbox) -> Account:
    return Account("desk", Destination("sandbox", "okx", okx.url), okx.credentials)


# Interrupted between two steps


class Interrupting(io.StringIO):
    """A stdout that somebody answers by Ctrl+C as soon as it shows certain words."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self._words = words

    def write(self, text: str) -> int:
        """Show it."""
        written = super().write(text)
        if self._words in text:
            self._words = "\0"
            signal.raise_signal(signal.SIGINT)
        return written


@pytest.mark.usefixtures("bare")
def test_an_interrupt_after_the_outcome_leaves_it_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the book is shown, which is empty by then."""
    shown = Interrupting("After")
    monkeypatch.setattr(sys, "stdout", shown)

    assert 0 == okx_rfq.main(["cancel-all", "--env", "sandbox"], standalone_mode=False)
    assert "none is active any more" in plain(shown.getvalue())


def test_an_interrupt_before_the_loop_runs_has_sent_nothing(
    okx: Sandbox, desk: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is noted, and each account is told as certainly not canceled."""
    make, told = asyncio.new_event_loop, []

    def interrupted() -> Any:
        signal.raise_signal(signal.SIGINT)
        return make()

    monkeypatch.setattr(asyncio, "new_event_loop", interrupted)
    with Interrupts(None, unforced) as heard:
        many.cancel_accounts([desk], deadline=5.0, told=lambda account, facts: told.append(facts), interrupts=heard)

    (facts,) = told
    assert (False, []) == (facts["may_be_canceled"], okx.requests)
    assert "it was interrupted" in facts["message"]


def test_an_interrupt_in_the_pause_before_many_begin_again_ends_it(
    okx: Sandbox, file: str, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--until-clear begins no further turn."""
    okx.create_rfq()
    okx.fault(_CANCEL, *["50001"] * 9)
    pauses: list[float] = []

    def sleep(seconds: float, waker: Any = None) -> None:
        pauses.append(seconds)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(clock, "sleep", sleep)
    result = invoke("cancel-all", "--accounts", file, "--until-clear", "--deadline", "0", "--json")

    assert (4, "failed") == (result.exit_code, json.loads(result.stdout)["status"])
    assert 1 == len(pauses) == sum(request.path.endswith(_CANCEL) for request in okx.requests)


def test_a_name_that_is_being_resolved_is_not_waited_for(okx: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl+C ends a cancel of many accounts while the system still looks for the host."""
    over, late, told = threading.Event(), [], []

    def getaddrinfo(*arguments: Any, **keywords: Any) -> NoReturn:
        os.kill(os.getpid(), signal.SIGINT)
        late.append(not over.wait(PATIENCE))
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    desk = Account("desk", Destination("sandbox", "okx", "http://localhost:1"), okx.credentials)
    before = set(threading.enumerate())
    with Interrupts(None, unforced) as heard:
        many.cancel_accounts([desk], deadline=5.0, told=lambda account, facts: told.append(facts), interrupts=heard)
    over.set()
    for thread in set(threading.enumerate()) - before:
        thread.join()

    assert [False] == late
    assert ["failed"] == [facts["status"] for facts in told]


def test_an_interrupt_before_many_are_read_asks_for_nothing(
    okx: Sandbox, desk: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left in the loop does not run to its end."""
    select, struck = selectors.DefaultSelector.select, threading.Event()

    def striking(self: Any, timeout: float | None = None) -> Any:
        if not struck.is_set():
            struck.set()
            signal.raise_signal(signal.SIGINT)
        return select(self, timeout)

    monkeypatch.setattr(selectors.DefaultSelector, "select", striking)
    with pytest.raises(KeyboardInterrupt):
        many.read_rfqs([desk])

    assert [] == okx.requests


def test_a_failure_after_the_call_is_in_doubt(
    okx: Sandbox, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Where a cancel ends before its own words, and a request may have left: 4, and when all of it has expired."""
    with Interrupts(None, unforced) as heard:
        heard.agreed()

    assert interrupts.was_called()
    assert 4 == __main__._complain("cancel-all", "out of memory")
    assert capfd.readouterr().err.startswith(
        "RFQs MAY STILL BE ACTIVE: it is not known how far the cancel came (out of memory). Whatever was created before"
    )


# Streams


class Full(io.RawIOBase):
    """A disk that is full."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Plain(io.StringIO):
    """A stream of somebody's own, which cannot be told what to do with what it cannot encode."""

    reconfigure = property()  # so that there is none


def test_what_cannot_be_written_at_the_end_is_left(capfd: pytest.CaptureFixture[str]) -> None:
    """Or the interpreter would find out when it ends, and change the code; other streams are as they were."""
    full = io.TextIOWrapper(io.BufferedWriter(Full()))
    full.write("words")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", full)
        __main__._flush()
    os.write(1, b"nowhere")
    os.write(2, b"there")
    with pytest.raises(OSError, match="No space"):
        full.close()

    assert ("", "there") == capfd.readouterr()


def test_a_stream_of_another_kind_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one of a host is that runs the command in its own process."""
    stdout, stderr = Plain(), Plain()
    for name, stream in (("stdout", stdout), ("stderr", stderr)):
        monkeypatch.setattr(sys, name, stream)
    __main__._open_streams()

    assert (stdout, stderr) == (sys.stdout, sys.stderr)


# What is said


def test_a_dry_run_in_objects_has_no_words(okx: Sandbox) -> None:
    """Nothing stands beside them."""
    okx.create_rfq()
    result = invoke("cancel-all", *there(okx), "--dry-run", "--json")

    assert (0, "", 1) == (result.exit_code, result.stderr, len(okx.rfqs("active")))
    assert "active" == json.loads(result.stdout)["status"]


def test_an_rfq_that_is_being_executed_is_named(okx: Sandbox) -> None:
    """It is not active, and it can be canceled no longer."""
    rfq_id = okx.create_rfq()["rfqId"]
    okx.set_state(rfq_id, "pending_fill")
    result = invoke("cancel", *there(okx), rfq_id)

    assert 0 == result.exit_code, result.output
    assert f"Being executed, and no longer possible to cancel: {rfq_id}." in plain(result.stdout)


@pytest.mark.parametrize(
    ("options", "quotes"),
    [(("--quotes",), ["quotes"]), (("--quotes-after", "60"), ["quotes_after"])],
    ids=["canceled", "by a countdown"],
)
def test_quotes_of_many_accounts_are_ended_as_it_is_asked_for(
    options: tuple[str, ...], quotes: list[str], file: str
) -> None:
    """By the one call or the other."""
    result = invoke("cancel-all", "--accounts", file, *options, "--json")

    assert 0 == result.exit_code, result.output
    assert quotes == [name for name in json.loads(result.stdout) if name.startswith("quotes")]


def test_a_time_that_okx_does_not_say_is_this_machines(okx: Sandbox, file: str) -> None:
    """The RFQs of many accounts are listed all the same."""
    okx.create_rfq()
    okx.fault("public/time", *[502] * 9)
    result = invoke("list", "--accounts", file)

    assert 0 == result.exit_code, result.output
    assert "1 active RFQ" in plain(result.output)


def test_a_maintenance_that_cannot_be_asked_for_is_left_out(okx: Sandbox, file: str) -> None:
    """The failure of many accounts is told without it."""
    okx.fault(_CANCEL, *[_MAINTENANCE] * 9)
    okx.fault("system/status", *[502] * 9)
    result = invoke("cancel-all", "--accounts", file, "--deadline", "0", "--json")

    assert 4 == result.exit_code, result.output
    assert "maintenance" not in json.loads(result.stdout)
    assert any(request.path.endswith("system/status") for request in okx.requests)


def test_a_sandbox_of_the_commands_own_has_announced_nothing() -> None:
    """It has ended by the time at which a failure is explained."""
    assert announced(Destination("sandbox", "okx", None)) is None


@pytest.mark.usefixtures("bare")
def test_a_guard_in_a_sandbox_of_its_own_looks_there() -> None:
    """And cancels there."""
    with canceler_for(Destination("sandbox", "okx", None), None, deadline=5.0) as (canceler, place):
        assert isinstance(canceler, OneCanceler)
        assert all(finding.ok for finding in canceler.look())
        assert "canceled" == canceler.cancel(5.0)["status"]
        assert place is not None
        assert place.sandbox is not None
        assert [] == place.sandbox.rfqs("active")


def test_a_fleet_without_its_client_is_wrong_usage(okx: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard says what to install, and starts nothing."""
    monkeypatch.setattr("okx_rfq_plugin.cli.guard_fleet.find_spec", lambda name: None)
    result = invoke("guard", *there(okx), "--fleet", "redis://127.0.0.1:1/0", "--", "true")

    assert 2 == result.exit_code
    assert "--fleet needs redis: pip install 'okx-rfq-plugin[cli,fleet]'" in plain(result.stderr)
