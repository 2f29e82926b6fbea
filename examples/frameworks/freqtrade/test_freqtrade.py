"""freqtrade itself, with the strategy next to this file, against the sandbox."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import Running

from okx_rfq_plugin.sandbox import Sandbox

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
# freqtrade reads these instead of the exchange section of the configuration.
KEYS = {
    "FREQTRADE__EXCHANGE__KEY": "{apiKey}",
    "FREQTRADE__EXCHANGE__SECRET": "{secret}",
    "FREQTRADE__EXCHANGE__PASSWORD": "{password}",
}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, sandbox: Sandbox) -> Path:
    """A freqtrade user folder: the strategy, and the configuration with the sandbox's address."""
    (tmp_path / "strategies").mkdir()
    shutil.copy(HERE / "block_desk.py", tmp_path / "strategies")
    config = json.loads((HERE / "config.json").read_text())
    # OKX's demo trading, as set by ccxt's `set_sandbox_mode`, at the sandbox's address.
    demo = {"headers": {"x-simulated-trading": "1"}, "urls": {"api": {"rest": sandbox.url}}}
    config["exchange"].update(enable_ws=False, ccxt_config=demo)
    (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path


def freqtrade(folder: Path, command: str, *more: str) -> list[str]:
    program = [str(BIN / "freqtrade"), command, "--userdir", str(folder), "--config", str(folder / "config.json")]
    return [*program, *more]


def trade(folder: Path) -> list[str]:
    return freqtrade(folder, "trade", "--strategy", "BlockDesk", "--db-url", "sqlite://")


def to_futures(folder: Path) -> None:
    """Switch the configuration to perpetual futures."""
    config = json.loads((folder / "config.json").read_text())
    config.update(trading_mode="futures", margin_mode="isolated")
    config["exchange"]["pair_whitelist"] = ["BTC/USDT:USDT"]
    (folder / "config.json").write_text(json.dumps(config))


def states(sandbox: Sandbox, bot: Running) -> list[Any]:
    return [rfq["state"] for rfq in sandbox.rfqs(credentials=bot.user)]


@pytest.mark.parametrize("futures", [False, True], ids=["spot", "futures"])
def test_sigterm_leaves_no_rfq(folder: Path, sandbox: Sandbox, futures: bool) -> None:
    """At the signal of systemd, Docker and `kill`, freqtrade shuts down, and the cancel follows."""
    if futures:
        to_futures(folder)
    with Running(trade(folder), sandbox, cwd=folder, demo=True, **KEYS) as bot:
        bot.until("asked")
        bot.signal(signal.SIGTERM)

        assert 130 == bot.end(), bot.output
        assert ["canceled"] == states(sandbox, bot)


def test_guard_cancels_after_kill_9(folder: Path, sandbox: Sandbox) -> None:
    """After what Python does not survive, the guard around freqtrade cancels."""
    guard = [str(BIN / "okx-rfq"), "guard", "--env", "sandbox", "--url", sandbox.url, "--no-twin", "--"]
    with Running([*guard, *trade(folder)], sandbox, cwd=folder, demo=True, **KEYS) as bot:
        bot.until("asked")
        heartbeat = re.search(r"PID=(\d+)", bot.until("Bot heartbeat"))
        assert heartbeat is not None
        bot.kill(int(heartbeat[1]))

        assert 137 == bot.end(), bot.output
        assert ["canceled"] == states(sandbox, bot)


def test_processes_of_hyperopt_cancel_nothing(folder: Path, sandbox: Sandbox) -> None:
    """They load the strategy, with the methods on the classes, and leave a live bot's RFQs alone."""
    with Running(freqtrade(folder, "download-data", "--timeframes", "5m", "--days", "2"), sandbox) as bot:
        assert 0 == bot.end(), bot.output

    how = ["--epochs", "2", "-j", "2", "--spaces", "buy", "--hyperopt-loss", "SharpeHyperOptLoss", "--min-trades", "0"]
    hyperopt = freqtrade(folder, "hyperopt", "--strategy", "BlockDesk", *how)
    with Running(hyperopt, sandbox, cwd=folder, demo=True, **KEYS) as bot:
        sandbox.create_rfq(credentials=bot.user)

        assert 0 == bot.end(), bot.output
        assert ["active"] == states(sandbox, bot)
        assert [] == [request for request in sandbox.requests if request.path.endswith("cancel-all-rfqs")]
