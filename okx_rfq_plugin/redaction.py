"""Hides OKX's signed headers in ccxt's debug log, which shows key, signature and passphrase otherwise."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

_CCXT = "ccxt.base.exchange"  # the one logger of all of ccxt's faces; an exchange object may be given another
_HIDDEN = "***"
_NAME = r"OK-ACCESS-[A-Z]+"
_HEADER = re.compile(_NAME, re.IGNORECASE)
# A value in quotes ends where they do; any other may hold anything, and ends with the line.
_IN_TEXT = re.compile(
    rf"""({_NAME}\\*["']?\s*[:=]\s*)((["'])(?:\\.|(?!\3)[^\\])*\3|[^\r\n]+)""", re.IGNORECASE | re.DOTALL
)


def redact_ccxt_logs(logger: logging.Logger | None = None) -> None:
    """Hide the values of all OK-ACCESS headers in what ccxt logs at debug level; doing it twice is the same as once.

    It holds for exchanges made later too. What `exchange.verbose = True` prints goes past all logging, and past this.
    To undo it: `logger.removeFilter(okx_rfq_plugin.redaction.hide)`.

    Args:
        logger: the one that an exchange object was given as its `logger`; by default ccxt's own, which all others use.
    """
    (logger or logging.getLogger(_CCXT)).addFilter(hide)


def hide(record: logging.LogRecord) -> bool:
    """Let a record through, with every OK-ACCESS value hidden in copies of what it holds."""
    try:
        record.msg, record.args = _without_values(record.msg), _without_values(record.args)
    except Exception as error:  # would go to ccxt, in the middle of its request
        record.msg, record.args = f"a record that cannot be searched is hidden whole ({type(error).__name__})", ()
    return True


def _without_values(value: Any) -> Any:
    # The headers in the record are those of the request that is about to be sent.
    if isinstance(value, str):
        return _IN_TEXT.sub(rf"\1{_HIDDEN}", value)
    if isinstance(value, Mapping):
        return {
            name: _HIDDEN if isinstance(name, str) and _HEADER.fullmatch(name) else _without_values(item)
            for name, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        items = map(_without_values, value)
        return list(items) if isinstance(value, list) else tuple(items)
    return value
