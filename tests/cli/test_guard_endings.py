"""Two hundred endings of guards, in real processes, judged by the sandbox's book."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.command import keys, started
from support.endings import Ending, child_of, endings, run
from support.waiting import eventually

from okx_rfq_plugin.cli import processes
from okx_rfq_plugin.sandbox import Sandbox

pytestmark = pytest.mark.skipif(not processes.is_supported(), reason="elsewhere only the process group is seen")


# Regressions: a twin that reported too late, and output after the final message.
_TELLING = {("starting", "TERM"), ("canceling", "QUIT"), ("canceling again", "kill twin guard")}


def _marked() -> Iterator[Any]:
    for ending in endings():
        rare = (ending.stage, ending.blow) not in _TELLING or ending.inside
        yield pytest.param(ending, id=str(ending), marks=pytest.mark.exhaustive if rare else ())


@pytest.mark.measured
@pytest.mark.parametrize("ending", list(_marked()))
def test_the_book_is_empty_or_it_is_said(ending: Ending, tmp_path: Path) -> None:
    """Whatever happens when: no process and no RFQ is left, or output and code say that one may be."""
    ended = run(ending, tmp_path)

    assert ended.is_true, ended


# Counts the twins of the guard that started it, including standbys.
COUNT = """
import os
from okx_rfq_plugin.cli.processes import TWIN, below, table
print(sum(each.name == TWIN for each in below((os.getppid(),), table())))
"""


@pytest.mark.measured
def test_there_is_a_command_only_where_there_is_a_twin() -> None:
    """A twin killed before the command starts is replaced before the start, including its standby."""
    with (
        Sandbox() as okx,
        started(
            *("guard", "--env", "sandbox", "--url", okx.url, "--", sys.executable, "-c", COUNT),
            env=keys(okx.credentials),
        ) as guard,
    ):
        assert eventually(lambda: child_of(guard.pid, twin=True))
        os.kill(child_of(guard.pid, twin=True) or 0, signal.SIGKILL)
        out, said = guard.communicate(timeout=60.0)

    assert ("2\n", 0) == (out, guard.returncode), said
    assert "did not start" not in said
