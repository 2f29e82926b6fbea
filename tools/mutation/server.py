"""Runs pytest repeatedly in forks of one process, which has imported everything that never changes."""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from typing import Any

_SLOW_TO_IMPORT = ("ccxt", "ccxt.async_support", "ccxt.pro", "aiohttp.web", "vcr", "rich.console", "click", "pytest")
_POLL = 0.02  # seconds


def main() -> None:
    """Answer each line, `{"arguments": [...], "timeout": seconds}`, with `code` and `output`."""
    for name in _SLOW_TO_IMPORT:
        importlib.import_module(name)
    gc.freeze()  # excludes existing objects from the children's garbage collections
    for line in sys.stdin:
        print(json.dumps(_run(**json.loads(line))), flush=True)


def _run(arguments: list[str], timeout: float) -> dict[str, Any]:
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        child = os.fork()
        if child == 0:
            _become_pytest(arguments, output.fileno())
        code = _code(child, timeout)
        with contextlib.suppress(ProcessLookupError):  # also kills what the tests have left running
            os.killpg(child, signal.SIGKILL)
        output.seek(0)
        return {"code": code, "output": output.read()[-3000:]}


def _code(child: int, timeout: float) -> int:
    ends = time.monotonic() + timeout
    while time.monotonic() < ends:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(_POLL)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -signal.SIGALRM


def _become_pytest(arguments: list[str], output: int) -> None:
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    code = 1
    try:
        code = int(importlib.import_module("pytest").main(arguments))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
