"""The command, run in this process."""

from __future__ import annotations

import inspect
from typing import Any

from click.testing import CliRunner

from okx_rfq_plugin.cli import okx_rfq

# click before 8.2 mixes the two outputs by default.
APART: Any = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}


def run(*arguments: str) -> Any:
    return CliRunner(**APART).invoke(okx_rfq, arguments, catch_exceptions=False)
