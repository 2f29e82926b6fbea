"""Logging that can fail without anybody's harm."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import Any

logger = logging.getLogger("okx_rfq_plugin")


def log(level: int, message: str, *args: Any, exc_info: bool = False) -> None:
    """Log to `okx_rfq_plugin`; a handler or filter that raises changes nothing."""
    with contextlib.suppress(Exception):
        if logger.isEnabledFor(level):
            logger.log(level, message, *args, exc_info=exc_info)


def harmless(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does the same and raises no Exception."""

    def call(*args: Any, **kwargs: Any) -> Any:
        result = None
        with contextlib.suppress(Exception):
            result = function(*args, **kwargs)
        return result

    return call


class HarmlessLogger:
    """A logger of somebody else's, whose handlers can raise without stopping a request."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        return harmless(value) if callable(value) else value
