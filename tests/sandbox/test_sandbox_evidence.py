"""The evidence of the sandbox's tables, and the page that shows it."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from okx_rfq_plugin.sandbox import Sandbox
from okx_rfq_plugin.sandbox.code_rows import ROWS
from okx_rfq_plugin.sandbox.codes import reply
from okx_rfq_plugin.sandbox.endpoints import TABLE
from okx_rfq_plugin.sandbox.evidence import POINTS, Documented, Seen
from okx_rfq_plugin.sandbox.evidence_page import render

PAGE = Path(__file__).parents[2] / "docs" / "sandbox.md"
CODES = sorted({row.code for row in ROWS}, key=int)


def test_the_page_is_up_to_date() -> None:
    """docs/sandbox.md is generated from the tables."""
    assert PAGE.read_text(encoding="utf-8") == render()


def test_the_example_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """Verbatim."""
    (example,) = re.findall(r"```python\n(.*?)```", render(), flags=re.DOTALL)

    exec(example, {})  # noqa: S102 - our own text

    status, unused, paths = capsys.readouterr().out.splitlines()
    assert "maintenance ['mine']" == status
    assert 5 == unused.count("fault for")
    assert "['/api/v5/account/bills', '/api/v5/system/status']" == paths


@pytest.mark.measured
def test_the_page_is_printed_by_its_command() -> None:
    """The command that the page names prints it."""
    printed = subprocess.run(
        [sys.executable, "-m", "okx_rfq_plugin.sandbox.evidence_page"], capture_output=True, check=True, text=True
    )

    assert render() == printed.stdout


def test_every_row_has_its_evidence() -> None:
    """An anchor and a month, or a source and a year."""
    for evidence in [*(row.evidence for row in ROWS), *(endpoint.evidence for endpoint in TABLE)]:
        if isinstance(evidence, Documented):
            assert re.fullmatch(r"[a-z0-9-]+", evidence.anchor), evidence
            assert re.fullmatch(r"2026-0[1-8]", evidence.date), evidence
        else:
            assert isinstance(evidence, Seen)
            assert evidence.source, evidence
            assert re.fullmatch(r"20[12][0-9]|\?", evidence.year), evidence


@pytest.mark.parametrize("code", CODES)
def test_one_way_to_answer_is_chosen(code: str) -> None:
    """For each code, one documented or seen row is followed, which yields a text and a status."""
    rows = [row for row in ROWS if row.code == code]
    answered = reply(code)

    assert 1 == sum(row.followed for row in rows)
    assert answered.status in {row.status for row in rows}
    assert answered.body["msg"] in {row.text for row in rows}


def test_what_was_seen_is_followed_unless_it_is_said() -> None:
    """The records that the sandbox does not follow, one by one."""
    assert ["50001", "50004", "50011", "50013"] == [
        row.code for row in ROWS if isinstance(row.evidence, Seen) and not row.followed
    ]


def test_every_point_says_what_the_sandbox_does() -> None:
    """And the evidence for it, or that nothing is known."""
    for point in POINTS:
        assert point.here
        assert point.documented or point.seen or "sandbox" in point.here, point


def test_every_switch_is_there() -> None:
    """The switches that the page offers exist."""
    text = " ".join(point.switch for point in POINTS)

    for name in re.findall(r"Sandbox\((\w+)=", text):
        assert name in inspect.signature(Sandbox).parameters
    for name in ("reply", "set_state", "announce_maintenance", "create_user"):
        assert name in text
        assert callable(getattr(Sandbox, name))
