"""Logging that never raises an Exception."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

logger = logging.getLogger("okx_rfq_plugin")


def log(level: int, message: str, *args: Any, exc_info: bool = False) -> None:
    """Log to `okx_rfq_plugin`; a handler or filter that raises changes nothing."""
    with contextlib.suppress(Exception):
        if logger.isEnabledFor(level):
            logger.log(level, message, *args, exc_info=exc_info)


def harmlessly(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function; return None where it raises an Exception."""
    result = None
    with contextlib.suppress(Exception):
        result = function(*args, **kwargs)
    return result


class HarmlessLogger:
    """Wraps another logger, so that a handler that raises stops no request."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        return partial(harmlessly, value) if callable(value) else value
