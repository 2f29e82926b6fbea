"""lumibot itself, with the strategy beside this file, against the sandbox."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import Running

from okx_rfq_plugin.sandbox import Sandbox

BOT = [sys.executable, str(Path(__file__).with_name("block_desk.py"))]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


def test_sigterm_leaves_no_rfq(sandbox: Sandbox, tmp_path: Path) -> None:
    """While the strategy waits for its next iteration."""
    with Running(BOT, sandbox, cwd=tmp_path, LOG_BACKTEST_PROGRESS_TO_FILE="0") as bot:
        bot.until("asked")
        bot.signal(signal.SIGTERM)
        bot.end()

        assert ["canceled"] == [rfq["state"] for rfq in sandbox.rfqs(credentials=bot.user)], bot.output
