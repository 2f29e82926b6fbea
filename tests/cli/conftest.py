"""Fixtures for tests of the command in this process: an environment with only the test's own keys."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator

import pytest
from support.command import VARIABLES, keys

from okx_rfq_plugin.sandbox import Sandbox

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Signals and Python's hook are afterwards as they were: the command, run in this process, changes them."""
    numbers = [number for number in signal.Signals if number not in (signal.SIGKILL, signal.SIGSTOP)]
    before = {number: signal.getsignal(number) for number in numbers}
    hook = sys.unraisablehook
    yield
    sys.unraisablehook = hook
    for number, handler in before.items():
        if handler is not None and signal.getsignal(number) is not handler:
            signal.signal(number, handler)


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
