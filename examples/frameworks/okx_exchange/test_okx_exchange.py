"""okx-exchange, which has its own copy of ccxt, next to the ccxt that this package requires."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from running import Running

from okx_rfq_plugin.sandbox import Sandbox

HAVE_IT = "import okx; print(*(hasattr(cls, 'cancel_all_rfqs') for cls in (okx.OkxSync, okx.OkxAsync, okx.OkxWs)))"


@pytest.mark.parametrize("first", ["", "import ccxt, ccxt.async_support, ccxt.pro; "], ids=["alone", "after ccxt"])
def test_every_class_cancels(first: str) -> None:
    """Sync, async, WebSocket and a subclass, even if ccxt itself was imported before."""
    bot = str(Path(__file__).with_name("bot.py"))
    command = [sys.executable, "-c", f"{first}import runpy; runpy.run_path({bot!r}, run_name='__main__')"]
    with Sandbox() as sandbox, Running(command, sandbox) as script:
        assert 0 == script.end(), script.output
        assert ["okx canceled", "PerOrder canceled", "okx canceled", "okx canceled"] == script.output.splitlines()
        assert [] == sandbox.rfqs("active", credentials=script.user)


def test_without_a_line_of_code() -> None:
    """`OKX_RFQ_AUTOINSTALL=1` covers this copy of ccxt too."""
    command = [sys.executable, "-c", HAVE_IT]
    with Sandbox() as sandbox, Running(command, sandbox, OKX_RFQ_AUTOINSTALL="1") as script:
        assert 0 == script.end(), script.output
        assert "True True True\n" == script.output
