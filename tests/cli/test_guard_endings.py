"""Two hundred endings of guards, in real processes, with the sandbox's book as the judge."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.endings import Ending, endings, run

from okx_rfq_plugin.cli import processes

pytestmark = pytest.mark.skipif(not processes.is_supported(), reason="elsewhere only the process group is seen")


@pytest.mark.exhaustive
@pytest.mark.parametrize("ending", list(endings()), ids=str)
def test_the_book_is_empty_or_it_is_said(ending: Ending, tmp_path: Path) -> None:
    """Whatever strikes whenever: no process is left, and no RFQ, or words and code say that one may be."""
    ended = run(ending, tmp_path)

    assert ended.is_true, ended
