"""The drill: what it sees where all is as the sandbox believes, and where it is not.

It runs in this process, on a clock that never waits; the guard that it starts, and the command that it kills, are real.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.command import in_okxs_place, invoke, keys, plain
from support.command import okx_rfq as in_a_process
from support.twins import VirtualClock
from support.waiting import eventually

from okx_rfq_plugin.cli import drilling, okx_rfq
from okx_rfq_plugin.cli.destinations import Destination
from okx_rfq_plugin.sandbox import Fault, Sandbox

_DUMMY = {"apiKey": "dummy-key", "secret": "dummy-secret", "password": "dummy-pass"}
_NOWHERE = "http://127.0.0.1:1"
_NAMES = 'api_key = "OKX_API_KEY"\napi_secret = "OKX_API_SECRET"\npassphrase = "OKX_PASSPHRASE"\n'


@pytest.fixture
def book(okx: Sandbox, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A sandbox whose book is looked at again when the guard has emptied it, and not a second later."""

    def sleep(seconds: float, waker: Any = None, pause: Any = clock.sleep) -> None:
        pause(seconds, waker)
        if seconds == drilling._LOOK:
            assert eventually(lambda: not okx.rfqs("active"))

    monkeypatch.setattr(clock, "sleep", sleep)
    return okx


@pytest.fixture
def disarmed(okx: Sandbox) -> Sandbox:
    """A sandbox from which no guard learns whose its key is: it starts no command."""
    okx.fault("account/config", Fault(), *["50001"] * 100)
    return okx


def drilled(okx: Sandbox, folder: Path, *options: str) -> tuple[int, dict[str, Any], Any]:
    report = folder / "report.json"
    result = invoke("drill", "--env", "sandbox", "--url", okx.url, "--report", str(report), *options)
    return result.exit_code, json.loads(report.read_text()), result


def accounts(folder: Path, *urls: str) -> str:
    """A file of accounts, of which the last is incomplete."""
    tables = [f'[desk-{number}]\nenv = "sandbox"\nurl = "{url}"\n{_NAMES}' for number, url in enumerate(urls)]
    (folder / "accounts.toml").write_text("".join([*tables, '[broken]\nenv = "sandbox"\n']))
    return str(folder / "accounts.toml")


def test_a_sandbox_is_what_a_sandbox_believes(book: Sandbox, tmp_path: Path) -> None:
    """Every reply is as expected, the killed process's RFQs are gone, and the report holds no secret."""
    code, report, result = drilled(book, tmp_path)
    text = json.dumps(report)

    assert (0, []) == (code, report["differences"]), result.output
    assert [step.name for step in drilling.STEPS] == list(report["steps"])
    assert (137, 137, 2) == tuple(report["guard"][name] for name in ("code", "expected", "created"))
    assert [] == book.rfqs("active")
    assert "the book was empty after" in result.stdout
    assert not [value for value in (*book.credentials.values(), "100001", book.rfqs()[0]["rfqId"]) if value in text]


def test_each_account_has_a_report_of_its_own(
    disarmed: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Under its name; where OKX does not answer, or an account is incomplete, the next is rehearsed all the same."""
    monkeypatch.chdir(tmp_path)
    code = okx_rfq.main(["drill", "--accounts", accounts(tmp_path, _NOWHERE, disarmed.url)], standalone_mode=False)
    said = capfd.readouterr().err
    reports = [json.loads(next(tmp_path.glob(f"okx-rfq-drill-desk-{number}-*.json")).read_text()) for number in (0, 1)]

    assert 1 == code
    assert "[broken] NOT REHEARSED: [broken] url: " in plain(said)
    assert [False, True] == [report["cleared"] for report in reports]
    assert "time: status: None, and the sandbox believes 200" in reports[0]["differences"]
    assert "RFQs MAY STILL BE ACTIVE: the last cancel failed. Whatever was created before " in said
    assert [] == reports[1]["differences"]
    assert {"seconds": None, "code": 203, "expected": 137, "created": 0} == reports[1]["guard"]


def test_a_report_that_cannot_be_written_is_said(disarmed: Sandbox, tmp_path: Path) -> None:
    """Of one account that is named, which is cleared all the same."""
    file, report = accounts(tmp_path, disarmed.url), str(tmp_path / "none" / "report.json")
    result = invoke("drill", "--accounts", file, "--only", "desk-0", "--report", report)

    assert (1, []) == (result.exit_code, disarmed.rfqs("active"))
    assert f"[desk-0] NOT REHEARSED TO THE END: The report could not be written to {report}: " in plain(result.stderr)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--skip", "live", "--report", "here"), "--report and --cassettes are for one account"),
        (("--only", "live"), "It runs with --env sandbox or --env demo, and with accounts of these"),
    ],
)
@pytest.mark.usefixtures("bare")
def test_what_cannot_be_rehearsed_is_wrong_usage(
    options: tuple[str, ...], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One report for many accounts, and a live account: nothing is sent."""
    for name, value in keys(_DUMMY).items():
        monkeypatch.setenv(name, value)
    file = Path(accounts(tmp_path, _NOWHERE))
    file.write_text(f'{file.read_text()}[live]\nenv = "live"\n{_NAMES}')
    result = invoke("drill", "--accounts", str(file), *options)

    assert 2 == result.exit_code
    assert words in plain(result.stderr)


def test_a_reply_that_is_another_is_named(disarmed: Sandbox, tmp_path: Path) -> None:
    """A field more, a field less, another code; and that there is no folder in which the cassettes could be made."""
    disarmed.fault("rfq/counterparties", Fault(body='{"code":"0","msg":"","data":[{"traderName":"x","more":1}]}'))
    disarmed.fault("public/time", Fault(), "50001")
    file = tmp_path / "file"
    file.touch()
    code, report, result = drilled(disarmed, tmp_path, "--cassettes", str(file / "cassettes"))

    assert 1 == code
    assert (
        "counterparties: fields: missing traderCode, type; unknown more; of another type none" in report["differences"]
    )
    assert "time: code: '50001', and the sandbox believes '0'" in report["differences"]
    assert "DIFFERENT time: " in result.stdout
    assert "the book was not seen empty. The guard ended with 203." in plain(result.stdout)
    assert "The cassettes could not be made: code 1." in result.stderr


def test_a_book_that_nobody_empties_is_looked_at_for_a_minute(okx: Sandbox, clock: VirtualClock) -> None:
    """And so is one that cannot be read."""
    okx.create_rfq()
    okx.fault("rfq/rfqs", "50001")
    drill = drilling.Drill(Destination("sandbox", "okx", okx.url), okx.credentials, lambda words: None)

    assert drill._until_empty() is None
    assert 60.0 == pytest.approx(sum(clock.waits), abs=drilling._LOOK)


def test_the_guarded_process_creates_two_and_lives_on(
    okx: Sandbox, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says who it is and how many there are, and waits for the blow, which comes here in its second minute."""
    monkeypatch.setenv("OKX_DRILL", json.dumps(dataclasses.astuple(Destination("sandbox", "okx", okx.url))))
    minutes = iter(range(1))

    def sleep(seconds: float, waker: Any = None) -> None:
        if next(minutes, None) is None:
            raise SystemExit

    monkeypatch.setattr(clock, "sleep", sleep)
    with pytest.raises(SystemExit):
        drilling.create()

    assert f"{os.getpid()} 2\n" == capsys.readouterr().out
    assert 2 == len(okx.rfqs("active"))


@pytest.fixture
def demo() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.mark.exhaustive  # OKX's limits make it last a minute
def test_demo_trading_is_rehearsed_with_its_cassettes(demo: Sandbox, tmp_path: Path) -> None:
    """On another region's host too; what OKX cannot be asked to answer is left, and the account is cleared."""
    place, path = in_okxs_place(tmp_path, demo, "https://my.okx.com"), tmp_path / "report.json"
    ended = in_a_process(
        *("drill", "--env", "demo", "--report", str(path), "--host", "my.okx.com", "--cassettes", str(tmp_path)),
        env={**keys(demo.credentials), **place},
        patience=240.0,
    )
    report = json.loads(path.read_text())

    assert (0, 0, True, []) == (ended.returncode, report["cassettes"], report["cleared"], demo.rfqs("active"))
    assert "okx-demo" in (tmp_path / "canceled.yaml").read_text()
    assert not (tmp_path / "timeout-then-canceled.yaml").exists()
    assert "recorded from" not in ended.stdout
