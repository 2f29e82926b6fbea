"""Guards for processes that a test starts. What is refused there fails the test here."""

from __future__ import annotations

import functools
import multiprocessing.process
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from okx_rfq_plugin.testing.patches import Patches
from okx_rfq_plugin.testing.stages import current

if TYPE_CHECKING:
    from okx_rfq_plugin.testing.stage import Stage

FOLDER = "OKX_RFQ_GUARD_FOLDER"  # environment variable: the folder for a guarded process's refusals
_HOOK = Path(__file__).with_name("child_site")  # its `sitecustomize` guards a Python that has the folder on its path


def watch_children(patches: Patches) -> None:
    """Guard every Python process started from now on."""
    popen: Any = subprocess.Popen
    start_popen = popen.__init__

    @functools.wraps(start_popen)
    def started(self: Any, *args: Any, **kwargs: Any) -> None:
        if _stage() is not None and len(args) < 11:  # the eleventh is `env` itself
            kwargs["env"] = _guarded(kwargs.get("env"))
        start_popen(self, *args, **kwargs)

    patches.replace(popen, "__init__", started)
    process: Any = multiprocessing.process.BaseProcess
    start = process.start

    @functools.wraps(start)
    def start_process(self: Any) -> None:
        if _stage() is None:
            start(self)
            return
        before = {name: os.environ.get(name) for name in (FOLDER, "PYTHONPATH")}
        guarded = _guarded(None)
        os.environ.update({name: guarded[name] for name in before})
        try:
            start(self)
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value

    patches.replace(process, "start", start_process)


def _stage() -> Stage | None:
    stage = current()
    return stage if stage is not None and stage.guards_children else None


def _guarded(env: Any) -> Any:
    """Return an environment in which Python starts with the guard."""
    stage = _stage()
    assert stage is not None  # noqa: S101 - for the type checker; the callers check
    if stage.folder is None:
        stage.folder = tempfile.mkdtemp(prefix="okx-rfq-guard-")
    made = dict(os.environ if env is None else env)
    paths = made.get("PYTHONPATH", "").split(os.pathsep)
    if str(_HOOK) not in paths:
        made["PYTHONPATH"] = os.pathsep.join([str(_HOOK), *filter(None, paths)])
    made[FOLDER] = stage.folder
    return made
