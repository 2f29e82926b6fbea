"""The asyncio bot, ended in every way that Python survives."""

from __future__ import annotations

import signal
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


@pytest.mark.parametrize(("signum", "codes"), [(signal.SIGTERM, {143}), (signal.SIGINT, {130, -signal.SIGINT})])
def test_a_signal_leaves_no_rfq(sandbox: Sandbox, signum: int, codes: set[int]) -> None:
    """After `kill`, systemd's or Docker's stop, or Ctrl+C, the RFQ is canceled, and the exit code is the signal's."""
    with Running(BOT, sandbox) as bot:
        bot.until("asked")
        bot.signal(signum)

        assert bot.end() in codes
        assert ["canceled"] == [rfq["state"] for rfq in sandbox.rfqs(credentials=bot.user)]


def test_a_mistake_in_the_strategy_leaves_no_rfq(sandbox: Sandbox) -> None:
    """The exception propagates, with a note that says how the cancel ended."""
    with Running(BOT, sandbox, BOT_FAILS="1") as bot:
        assert 1 == bot.end()
        assert "a mistake in the strategy" in bot.output
        assert [] == sandbox.rfqs("active", credentials=bot.user)
