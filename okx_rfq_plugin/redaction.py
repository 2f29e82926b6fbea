"""Redacts OKX's signed headers in ccxt's debug log, which would show key, signature and passphrase."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

_CCXT = "ccxt.base.exchange"  # the only logger in all of ccxt's variants; an exchange object may be given another
_HIDDEN = "***"
_NAME = r"OK-ACCESS-[A-Z]+"
_HEADER = re.compile(_NAME, re.IGNORECASE)
# A quoted value ends at its closing quote. An unquoted one may contain anything, and ends with the line.
_IN_TEXT = re.compile(
    rf"""({_NAME}\\*["']?\s*[:=]\s*)((["'])(?:\\.|(?!\3)[^\\])*\3|[^\r\n]+)""", re.IGNORECASE | re.DOTALL
)


def redact_ccxt_logs(logger: logging.Logger | None = None) -> None:
    """Redact the values of all OK-ACCESS headers in ccxt's debug log. Calling it twice is the same as once.

    It also applies to exchanges created later. Output from `exchange.verbose = True` bypasses logging, and therefore
    this. To undo it: `logger.removeFilter(okx_rfq_plugin.redaction.hide)`.

    Args:
        logger: the logger passed to an exchange object as `logger`; by default ccxt's own, which all others use.
    """
    (logger or logging.getLogger(_CCXT)).addFilter(hide)


def hide(record: logging.LogRecord) -> bool:
    """Accept a record, with every OK-ACCESS value redacted in copies of its contents."""
    try:
        record.msg, record.args = _without_values(record.msg), _without_values(record.args)
    except Exception as error:  # an exception would reach ccxt in the middle of its request
        record.msg, record.args = f"a record that cannot be searched is hidden whole ({type(error).__name__})", ()
    return True


def _without_values(value: Any) -> Any:
    # The record holds the headers of the request that is about to be sent, so they must not change.
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
