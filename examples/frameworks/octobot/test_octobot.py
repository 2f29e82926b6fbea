"""OctoBot's own exchange object, against the sandbox; nothing of this package is named in the bot."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import Running

from okx_rfq_plugin.sandbox import Sandbox

BOT = [sys.executable, str(Path(__file__).with_name("bot.py"))]
BIN = Path(sys.executable).parent


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


def test_octobots_own_object_has_the_kill_switch(sandbox: Sandbox) -> None:
    """`OKX_RFQ_AUTOINSTALL=1`, and no line of code."""
    with Running(BOT, sandbox, OKX_RFQ_AUTOINSTALL="1") as bot:
        assert 0 == bot.end(), bot.output
        assert "canceled\n" in bot.lines
        assert ["canceled"] == [rfq["state"] for rfq in sandbox.rfqs(credentials=bot.user)]


def test_without_the_variable_it_has_none(sandbox: Sandbox) -> None:
    """Off by default: ccxt's object is as it was."""
    with Running(BOT, sandbox, OKX_RFQ_AUTOINSTALL="") as bot:
        assert 1 == bot.end()
        assert "'okx' object has no attribute 'cancel_all_rfqs'" in bot.output


def test_guard_cancels_whatever_ends_it(sandbox: Sandbox) -> None:
    """OctoBot ends by `os._exit()`, which runs no exit handler: the guard is what cancels."""
    guard = [str(BIN / "okx-rfq"), "guard", "--env", "sandbox", "--url", sandbox.url, "--no-twin", "--"]
    with Running([*guard, *BOT], sandbox, demo=True, OKX_DEMO="1", BOT_WAITS="1") as bot:
        assert re.search("asked [0-9]+", bot.until("asked"))
        bot.signal(signal.SIGTERM)

        assert 143 == bot.end(), bot.output
        assert ["canceled"] == [rfq["state"] for rfq in sandbox.rfqs(credentials=bot.user)]
