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
