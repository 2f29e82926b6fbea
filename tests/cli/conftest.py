"""Fixtures for tests of the command in this process: an environment with only the test's own keys."""

from __future__ import annotations

import pytest
from support.command import VARIABLES, keys

from okx_rfq_plugin.sandbox import Sandbox

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment with no key or proxy but the test's."""
    for name in (*VARIABLES.values(), "OKX_EXCHANGE", *PROXIES, *map(str.upper, PROXIES)):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def okx(bare: None, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A sandbox whose keys are in the environment."""
    for name, value in keys(sandbox.credentials).items():
        monkeypatch.setenv(name, value)
    return sandbox
