"""OctoBot's own exchange object, against the sandbox. The bot does not mention this package."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import Running

from okx_rfq_plugin.sandbox import Sandbox

BOT = [sys.executable, str(Path(__file__).with_name("bot.py"))]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


def test_octobots_own_object_has_the_kill_switch(sandbox: Sandbox) -> None:
    """`OKX_RFQ_AUTOINSTALL=1` suffices, without code changes."""
    with Running(BOT, sandbox, OKX_RFQ_AUTOINSTALL="1") as bot:
        assert 0 == bot.end(), bot.output
        assert "canceled\n" in bot.lines
        assert ["canceled"] == [rfq["state"] for rfq in sandbox.rfqs(credentials=bot.user)]


def test_without_the_variable_it_has_none(sandbox: Sandbox) -> None:
    """Off by default: ccxt's object is unchanged."""
    with Running(BOT, sandbox, OKX_RFQ_AUTOINSTALL="") as bot:
        assert 1 == bot.end()
        assert "'okx' object has no attribute 'cancel_all_rfqs'" in bot.output
