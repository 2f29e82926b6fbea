"""What tests of the command in this very process share: an environment with the test's own keys alone."""

from __future__ import annotations

import pytest
from support.command import VARIABLES, keys

from okx_rfq_plugin.sandbox import Sandbox

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key and no proxy but the test's."""
    for name in (*VARIABLES.values(), "OKX_EXCHANGE", *PROXIES, *map(str.upper, PROXIES)):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def okx(bare: None, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A sandbox to which the environment has the keys."""
    for name, value in keys(sandbox.credentials).items():
        monkeypatch.setenv(name, value)
    return sandbox
