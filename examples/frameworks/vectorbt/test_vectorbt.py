"""The research script, in a separate process, against the sandbox."""

from __future__ import annotations

import sys
from pathlib import Path

from running import Running

from okx_rfq_plugin.sandbox import Sandbox


def test_research_and_kill_switch_on_one_object() -> None:
    """Candles, an RFQ, its cancel, and one more at the end."""
    with (
        Sandbox() as sandbox,
        Running([sys.executable, str(Path(__file__).with_name("research.py"))], sandbox) as script,
    ):
        assert 0 == script.end(), script.output
        assert "candles 48" in script.output or "candles 49" in script.output
        assert "before the end: canceled" in script.output
        assert [] == sandbox.rfqs("active", credentials=script.user)
