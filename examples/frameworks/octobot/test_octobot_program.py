"""The OctoBot program, under a guard, against the sandbox."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import Running

from okx_rfq_plugin.sandbox import Sandbox

FOLDER = str(Path(__file__).with_name("folder.py"))
PROGRAM = [
    str(Path(sys.executable).with_name("OctoBot")),
    "-nw",
    "-nt",
]  # without web page and Telegram
# The folder has its tentacles, so it must not ask OctoBot's servers for others.
ENVIRONMENT = {"OKX_RFQ_AUTOINSTALL": "1", "SHOULD_CHECK_TENTACLES": "false"}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


def guard(sandbox: Sandbox) -> list[str]:
    program = str(Path(sys.executable).with_name("okx-rfq"))
    return [program, "guard", "--env", "sandbox", "--url", sandbox.url, "--no-twin", "--"]


def start(sandbox: Sandbox, folder: Path, *, guarded: bool) -> Running:
    user = sandbox.create_user(demo=True, balances={"BTC": "1", "USDT": "1000"})
    with Running([sys.executable, FOLDER, str(folder)], sandbox, cwd=folder, user=user) as making:
        assert 0 == making.end(), making.output
    command = [*(guard(sandbox) if guarded else []), *PROGRAM]
    bot = Running(command, sandbox, cwd=folder, user=user, **ENVIRONMENT)
    assert bot.until("asked").endswith("with True")
    return bot


def states(sandbox: Sandbox, bot: Running) -> list[str]:
    return [rfq["state"] for rfq in sandbox.rfqs(credentials=bot.user)]


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 0)])
def test_a_signal_to_the_guard_leaves_no_rfq(sandbox: Sandbox, tmp_path: Path, signum: int, code: int) -> None:
    """The guard forwards it, OctoBot shuts down in its own way, and the cancel follows."""
    with start(sandbox, tmp_path, guarded=True) as bot:
        bot.signal(signum)

        assert code == bot.end(), bot.output
        assert ["canceled"] == states(sandbox, bot)


def test_kill_9_leaves_no_rfq(sandbox: Sandbox, tmp_path: Path) -> None:
    """Python does not survive this."""
    with start(sandbox, tmp_path, guarded=True) as bot:
        bot.kill(bot.child())

        assert 137 == bot.end(), bot.output
        assert ["canceled"] == states(sandbox, bot)


def test_without_a_guard_it_leaves_its_rfqs(sandbox: Sandbox, tmp_path: Path) -> None:
    """At Ctrl+C OctoBot ends with `os._exit()`, which nothing in its process survives."""
    with start(sandbox, tmp_path, guarded=False) as bot:
        bot.signal(signal.SIGINT)

        assert 0 == bot.end(), bot.output
        assert ["active"] == states(sandbox, bot)
