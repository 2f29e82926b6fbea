"""The guard of a process that a guarded test has started."""

from __future__ import annotations

from typing import NoReturn

from okx_rfq_plugin.testing import wire
from okx_rfq_plugin.testing.stage import Refused, Stage, tell


def guard(folder: str) -> None:
    """Let no okx object of this process out; what is refused is written into the folder, for the test to fail."""

    def refuse(words: str) -> NoReturn:
        __tracebackhide__ = True
        tell(folder, words)
        raise Refused(words)

    wire.open_stage(Stage(refuse))
