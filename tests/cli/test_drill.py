"""The drill: what it sees where all is as the sandbox believes, and where it is not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.command import in_okxs_place, keys, okx_rfq

from okx_rfq_plugin.cli.drilling import STEPS
from okx_rfq_plugin.sandbox import Fault, Sandbox


@pytest.fixture
def okx() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


_DUMMY = {"apiKey": "dummy-key", "secret": "dummy-secret", "password": "dummy-pass"}


def drilled(okx: Sandbox, folder: Path, *options: str, env: Mapping[str, str] = {}) -> tuple[int, dict[str, Any], str]:
    report = folder / "report.json"
    place = ("--env", "demo") if env else ("--env", "sandbox", "--url", okx.url)
    ended = okx_rfq(
        "drill", *place, "--report", str(report), *options, env={**keys(okx.credentials), **env}, patience=240.0
    )
    return ended.returncode, json.loads(report.read_text()), ended.stdout


def test_a_sandbox_is_what_a_sandbox_believes(okx: Sandbox, tmp_path: Path) -> None:
    """Every reply is as expected, the killed process's RFQs are gone, and the report holds no secret."""
    code, report, shown = drilled(okx, tmp_path)
    text = json.dumps(report)

    assert (0, []) == (code, report["differences"])
    assert [step.name for step in STEPS] == list(report["steps"])
    assert (137, 137, 2) == tuple(report["guard"][name] for name in ("code", "expected", "created"))
    assert [] == okx.rfqs("active")
    assert "the book was empty after" in shown
    assert not [value for value in (*okx.credentials.values(), "100001", okx.rfqs()[0]["rfqId"]) if value in text]


def accounts(folder: Path, *urls: str) -> str:
    """A file of accounts, of which the last is incomplete."""
    names = 'api_key = "OKX_API_KEY"\napi_secret = "OKX_API_SECRET"\npassphrase = "OKX_PASSPHRASE"\n'
    tables = [f'[desk-{number}]\nenv = "sandbox"\nurl = "{url}"\n{names}' for number, url in enumerate(urls)]
    (folder / "accounts.toml").write_text("".join([*tables, '[broken]\nenv = "sandbox"\n']))
    return str(folder / "accounts.toml")


def test_an_account_of_a_file_is_rehearsed(okx: Sandbox, tmp_path: Path) -> None:
    """It is the one that is named; what is incomplete is said, keeps no other back, and is not well."""
    file, report = accounts(tmp_path, okx.url), tmp_path / "report.json"
    alone = ("drill", "--accounts", file, "--only", "desk-0", "--report", str(report))
    ended = okx_rfq(*alone, env=keys(okx.credentials), patience=240.0)
    broken = okx_rfq("drill", "--accounts", file, "--only", "broken", env=keys(okx.credentials))

    assert (0, [], []) == (ended.returncode, json.loads(report.read_text())["differences"], okx.rfqs("active"))
    assert (1, True) == (broken.returncode, "[broken] NOT REHEARSED: [broken] url: " in broken.stderr)


@pytest.mark.exhaustive
def test_each_account_has_a_report_of_its_own(okx: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under its name; one where OKX does not answer is said, and the next is rehearsed all the same."""
    monkeypatch.chdir(tmp_path)
    ended = okx_rfq(
        *("drill", "--accounts", accounts(tmp_path, "http://127.0.0.1:1", okx.url)),
        env=keys(okx.credentials),
        patience=500.0,
    )

    assert 1 == ended.returncode
    assert "[broken] NOT REHEARSED: " in ended.stderr
    (report,) = tmp_path.glob("okx-rfq-drill-desk-1-*.json")
    assert [] == json.loads(report.read_text())["differences"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--skip", "live", "--report", "here"), "--report and --cassettes are for one account"),
        (("--only", "live"), "It runs with --env sandbox or --env demo, and with accounts of these"),
    ],
)
def test_what_cannot_be_rehearsed_is_wrong_usage(options: tuple[str, ...], words: str, tmp_path: Path) -> None:
    """One report for many accounts, and a live account: nothing is sent."""
    file = Path(accounts(tmp_path, "http://127.0.0.1:1"))
    names = 'api_key = "OKX_API_KEY"\napi_secret = "OKX_API_SECRET"\npassphrase = "OKX_PASSPHRASE"\n'
    file.write_text(f'{file.read_text()}[live]\nenv = "live"\n{names}')
    ended = okx_rfq("drill", "--accounts", str(file), *options, env=keys(_DUMMY))

    assert 2 == ended.returncode
    assert words in " ".join(ended.stderr.split())


@pytest.mark.exhaustive
def test_a_reply_that_is_another_is_named(okx: Sandbox, tmp_path: Path) -> None:
    """A field more, a field less, another code: what was seen, and what was believed."""
    okx.fault("rfq/counterparties", Fault(body='{"code":"0","msg":"","data":[{"traderName":"x","more":1}]}'))
    okx.fault("public/time", Fault(), "50001")
    code, report, shown = drilled(okx, tmp_path)

    assert 1 == code
    assert (
        "counterparties: fields: missing traderCode, type; unknown more; of another type none" in report["differences"]
    )
    assert "time: code: '50001', and the sandbox believes '0'" in report["differences"]
    assert "DIFFERENT time: " in shown


@pytest.mark.exhaustive  # OKX's limits make it last a minute
def test_demo_trading_is_rehearsed_with_its_cassettes(okx: Sandbox, tmp_path: Path) -> None:
    """On another region's host too; what OKX cannot be asked to answer is left, and the account is cleared."""
    place = in_okxs_place(tmp_path, okx, "https://my.okx.com")
    code, report, shown = drilled(okx, tmp_path, "--host", "my.okx.com", "--cassettes", str(tmp_path), env=place)

    assert (0, 0, True, []) == (code, report["cassettes"], report["cleared"], okx.rfqs("active"))
    assert "okx-demo" in (tmp_path / "canceled.yaml").read_text()
    assert not (tmp_path / "timeout-then-canceled.yaml").exists()
    assert "recorded from" not in shown
