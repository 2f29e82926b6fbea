"""lumibot itself, with the strategy next to this file, against the sandbox."""

from __future__ import annotations

import contextlib
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


def test_signals_leave_no_rfq(sandbox: Sandbox, tmp_path: Path) -> None:
    """SIGTERM and Ctrl+C, while the strategy waits for its next minute. Two bots wait for it in parallel."""
    signals = signal.SIGTERM, signal.SIGINT
    with contextlib.ExitStack() as stack:
        bots = [
            stack.enter_context(Running(BOT, sandbox, cwd=tmp_path, LOG_BACKTEST_PROGRESS_TO_FILE="0")) for _ in signals
        ]
        for bot in bots:
            bot.until("asked")
        for bot, signum in zip(bots, signals, strict=True):
            bot.signal(signum)
        codes = [bot.end() for bot in bots]

        assert [143, 0] == codes, bots[1].output
        for bot in bots:
            assert ["canceled"] == [rfq["state"] for rfq in sandbox.rfqs(credentials=bot.user)], bot.output
