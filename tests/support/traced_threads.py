"""Makes coverage trace threads started without `threading`, such as the package's observer threads."""

from __future__ import annotations

import _thread
import sys
import threading
from collections.abc import Callable
from typing import Any

_start: Callable[..., int] = _thread.start_new_thread


def _start_traced(function: Callable[..., Any], args: tuple[Any, ...], *kwargs: dict[str, Any]) -> int:
    def run(*args: Any, **kwargs: Any) -> None:
        sys.settrace(threading.gettrace())  # as threading does for its own threads
        function(*args, **kwargs)

    return _start(run, args, *kwargs)


def trace_all_threads() -> None:
    """Trace the threads of `_thread.start_new_thread` too, if coverage traces those of `threading`."""
    if threading.gettrace() is not None:
        _thread.start_new_thread = _start_traced
