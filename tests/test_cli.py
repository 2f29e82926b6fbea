"""The command: what it prints, its exit codes, and what it says where an extra is missing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import ccxt
import pytest
from click.testing import CliRunner

import okx_rfq_plugin
from okx_rfq_plugin.cli import okx_rfq
from okx_rfq_plugin.receipts import CancelFailure


def run(*arguments: str) -> Any:
    return CliRunner().invoke(okx_rfq, arguments, catch_exceptions=False)


@pytest.fixture(params=[False, True])
def failing(request: pytest.FixtureRequest) -> Iterator[CancelFailure]:
    """Another plugin serves the cancel, and it fails; in doubt, or for certain."""
    failure = CancelFailure(code="50001", attempts=3, elapsed=1.5, may_be_canceled=request.param)

    @okx_rfq_plugin.hookimpl(tryfirst=True)
    def cancel_all_rfqs() -> None:
        error = ccxt.ExchangeNotAvailable("the words of the error")
        error.cancel_failure = failure
        raise error

    plugin = SimpleNamespace(cancel_all_rfqs=cancel_all_rfqs)
    manager = okx_rfq_plugin.get_plugin_manager()
    manager.register(plugin)
    yield failure
    manager.unregister(plugin)


def test_cancel_all_shows_the_book_before_and_after() -> None:
    """Three RFQs are active before, none after, and the last line says what is true now."""
    result = run("cancel-all", "--env", "sandbox")
    before, after = result.output.split("After")

    assert result.exit_code == 0
    assert (before.count("active"), after.split("All RFQs")[0].count(" active")) == (3, 0)
    assert after.count("│ canceled │") == 3
    assert "OKX itself is not asked" in before
    assert "All RFQs are canceled as of 20" in after


def test_cancel_all_json_is_one_object() -> None:
    """Stdout holds one JSON object: the receipt plus `account`."""
    result = run("cancel-all", "--env", "sandbox", "--json")
    receipt = json.loads(result.stdout)

    assert result.exit_code == 0
    assert {"account", "status", "timestamp", "datetime", "attempts", "elapsed", "info"} == set(receipt)
    assert (receipt["account"], receipt["status"], receipt["attempts"]) == ("sandbox", "canceled", 1)


def test_nothing_active_is_success_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no RFQ was active, it says so and ends with 0."""
    monkeypatch.setattr("okx_rfq_plugin.cli.worlds._LEGS", ())
    result = run("cancel-all", "--env", "sandbox")

    assert result.exit_code == 0
    assert "No RFQ was active: none is active any more" in result.output


def test_the_world_has_no_default() -> None:
    """Without --env nothing happens: exit 2, and the message names the worlds."""
    result = run("cancel-all")

    assert result.exit_code == 2
    assert "Missing option '--env'" in result.output


def test_a_failure_has_its_exit_code_and_words(failing: CancelFailure) -> None:
    """3 where nothing was canceled for certain, 4 where it is in doubt."""
    result = run("cancel-all", "--env", "sandbox")

    assert (4 if failing.may_be_canceled else 3) == result.exit_code
    assert "the words of the error" in result.output


def test_a_failure_in_json_has_the_facts(failing: CancelFailure) -> None:
    """The object carries the class, the words, and every fact of the failure."""
    result = run("cancel-all", "--env", "sandbox", "--json")

    assert {
        "account": "sandbox",
        "status": "failed",
        "error": "ExchangeNotAvailable",
        "message": "the words of the error",
        "code": "50001",
        "attempts": 3,
        "elapsed": 1.5,
        "may_be_canceled": failing.may_be_canceled,
    } == json.loads(result.stdout)


def test_the_installed_command_runs() -> None:
    """`python -m okx_rfq_plugin` is the command, and tells its version."""
    shown = subprocess.run(
        [sys.executable, "-m", "okx_rfq_plugin", "--version"], capture_output=True, text=True, check=True
    )

    assert f"okx-rfq, version {okx_rfq_plugin.__version__}\n" == shown.stdout


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_a_missing_extra_is_named(missing: str) -> None:
    """Without click or rich the command says what to install, and ends with 2, without a traceback."""
    script = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from okx_rfq_plugin.__main__ import main\n"
        "try: main()\n"
        "except ModuleNotFoundError as error: print(error.name)\n"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert shown.returncode == 2
    assert f"okx-rfq needs {missing}: pip install 'okx-rfq-plugin[cli]'\n" == shown.stderr
