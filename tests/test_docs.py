"""The documentation: its examples run, its lists are complete."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ccxt
import pytest
from support.inner import run

import okx_rfq_plugin
from okx_rfq_plugin import hookspecs
from okx_rfq_plugin.sandbox import Sandbox
from okx_rfq_plugin.testing import pytest_plugin
from okx_rfq_plugin.testing.names import NAMES

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTEST = (ROOT / "docs" / "pytest.md").read_text(encoding="utf-8")
HOOKS = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")
GUARD = (ROOT / "docs" / "guard.md").read_text(encoding="utf-8")


def python_in(text: str) -> str:
    return str(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)[0])


def test_the_readme_example_runs(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The example cancels what is active; only OKX's address and the keys are replaced by the sandbox's."""
    okx = ccxt.okx
    monkeypatch.setattr(ccxt, "okx", lambda config: sandbox.exchange(okx))
    sandbox.create_rfq()

    exec(python_in(README), {})  # noqa: S102 - our own text

    assert capsys.readouterr().out.startswith("canceled 20")
    assert sandbox.rfqs("active") == []


def test_the_readme_example_says_when_rfqs_may_be_active(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its except branch prints sentences, and refers the reader to OKX's pages."""
    okx = ccxt.okx
    monkeypatch.setattr(ccxt, "okx", lambda config: sandbox.exchange(okx))
    sandbox.fault("rfq/cancel-all-rfqs", *[502] * 20)

    exec(python_in(README), {})  # noqa: S102 - our own text

    first, last = capsys.readouterr().out.splitlines()
    assert "RFQs MAY STILL BE ACTIVE" in first
    assert last == "look at the RFQs on OKX's own pages"


def test_the_readme_is_short_and_begins_with_two_commands() -> None:
    """A newcomer reads it in one sitting, and finds exactly two commands to start with."""
    assert len(README.splitlines()) < 120
    assert re.findall(r"\n\n    (\S.*)\n\n", README) == [
        "pip install '.[cli]' && okx-rfq cancel-all --env sandbox",
        "pip install tox && tox",
    ]


def test_every_hook_is_documented_with_its_arguments() -> None:
    """The table has each specification verbatim."""
    specified = {
        f"{name}({', '.join(inspect.signature(spec).parameters)})"
        for name, spec in inspect.getmembers(hookspecs, inspect.isfunction)
        if hasattr(spec, "okx_rfq_plugin_spec")
    }

    assert specified == set(re.findall(r"^\| `(.+?\))` \|", HOOKS, flags=re.MULTILINE))


def test_the_hooks_example_runs(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """The example's observer prints the snapshot and the facts."""
    manager = okx_rfq_plugin.get_plugin_manager()
    namespace: dict[str, Any] = {}
    exec(python_in(HOOKS), namespace)  # noqa: S102 - our own text
    plugin = SimpleNamespace(rfq_cancel_failed=namespace["rfq_cancel_failed"])
    exchange = okx_rfq_plugin.install(sandbox.exchange(ccxt.okx))
    exchange.secret = "not-the-secret"

    manager.register(plugin)
    try:
        with pytest.raises(ccxt.AuthenticationError):
            exchange.cancel_all_rfqs()
        assert manager.observers.drain(30)
    finally:
        manager.unregister(plugin)

    key = sandbox.credentials["apiKey"]
    assert capsys.readouterr().out.startswith(f"okx demo ...{key[-4:]} CancelFailure(code='50113', attempts=1,")


def test_the_example_of_a_block_cancels(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was active on entering the block is canceled on leaving it."""
    okx = ccxt.okx
    monkeypatch.setattr(ccxt, "okx", lambda config: sandbox.exchange(okx))
    sandbox.create_rfq()

    exec(python_in(GUARD), {})  # noqa: S102 - our own text

    assert [] == sandbox.rfqs("active")


FIXTURES = re.findall(r"^\| `(okx_rfq_\w+)` \|", PYTEST, flags=re.MULTILINE)


def test_every_fixture_is_documented() -> None:
    """The table has each public fixture of the plugin, and each has a section."""
    there_are = [name for name in vars(pytest_plugin) if name.startswith("okx_rfq_")]

    assert sorted(there_are) == sorted(FIXTURES)
    assert sorted(FIXTURES) == sorted(re.findall(r"^## (okx_rfq_\w+)$", PYTEST, flags=re.MULTILINE))


@pytest.mark.parametrize("fixture", FIXTURES)
def test_the_example_of_a_fixture_runs(fixture: str, pytester: pytest.Pytester) -> None:
    """Each section has a complete test, which passes unchanged."""
    section = PYTEST.split(f"## {fixture}\n")[1].split("\n## ")[0]

    run(pytester, python_in(section), passed=1)


def test_every_cassette_is_documented() -> None:
    """The page lists each cassette that comes with the package."""
    assert [] == [name for name in NAMES if f"`{name}`" not in PYTEST]
