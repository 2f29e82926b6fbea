"""The question before a live cancel: whose RFQs, how many, and how many of them are being executed."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import click

from okx_rfq_plugin.cli.outcomes import reason_of

_PATIENCE = 1.0  # seconds for counting the RFQs


class DeclinedError(Exception):
    """The answer was not yes."""


def ask(what: str, count: Callable[[], int] | None = None) -> None:
    """Ask a person at the terminal to agree; the default is no.

    Args:
        what: which RFQs are to be canceled, and whose, in words.
        count: counts them; if that is slow or fails, the question is asked anyway.

    Raises:
        DeclinedError: if the answer was anything but yes.
    """
    known = "" if count is None else f" ({_counted(count)})"
    _forget_what_was_typed()
    click.echo(f"Cancel {what}{known}? [y/N] ", err=True, nl=False)
    # Not click's own prompt: readline, which it uses, misses a Ctrl+C that arrives while it is being set up.
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise DeclinedError("the answer was not yes")


def _counted(count: Callable[[], int]) -> str:
    counted: list[int] = []
    wrong: list[str] = []

    def look() -> None:
        try:
            counted.append(count())
        except Exception as error:  # mentioned in the question
            wrong.append(_cause(error))

    # On a separate thread that is not waited for, since a host name lookup may block it for any time.
    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    if counted:
        return f"{counted[0]} active"
    return f"how many are active could not be read: {wrong[0] if wrong else 'no answer within a second'}"


def _cause(error: Exception) -> str:
    failure: Any = getattr(error, "cancel_failure", None)
    code = getattr(failure, "code", None)
    return f"OKX answered {code}" if code else reason_of(error) or "no answer that could be read"


def _forget_what_was_typed() -> None:
    # A "y" typed before the question is not an answer to it.
    with suppress(ImportError, OSError, ValueError):  # Windows has no termios, and this may not be a terminal
        import termios

        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
