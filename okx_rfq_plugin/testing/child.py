"""The guard inside a process started by a guarded test."""

from __future__ import annotations

from typing import NoReturn

from okx_rfq_plugin.testing import wire
from okx_rfq_plugin.testing.stage import Refused, Stage, tell


def guard(folder: str) -> None:
    """Block all okx objects in this process. Refusals are written to the folder, so that the test fails."""

    def refuse(words: str) -> NoReturn:
        __tracebackhide__ = True
        tell(folder, words)
        raise Refused(words)

    wire.open_stage(Stage(refuse))
