"""The notebook, executed by Jupyter in a separate kernel, against the sandbox."""

from __future__ import annotations

import sys
from pathlib import Path

from running import Running

from okx_rfq_plugin.sandbox import Sandbox

NOTEBOOK = str(Path(__file__).with_name("block_desk.ipynb"))


def test_the_end_of_the_kernel_leaves_no_rfq() -> None:
    """Jupyter asks the kernel to shut down, as at "Restart" and "Shut down"."""
    with Sandbox() as sandbox, Running([sys.executable, "-m", "jupyter", "execute", NOTEBOOK], sandbox) as jupyter:
        assert 0 == jupyter.end(), jupyter.output
        assert ["canceled"] * 2 == [rfq["state"] for rfq in sandbox.rfqs(credentials=jupyter.user)]
