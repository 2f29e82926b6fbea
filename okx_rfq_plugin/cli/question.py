"""This file asks before a live cancel: of which account, and how many RFQs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import suppress

import click

_PATIENCE = 1.0  # seconds in which the RFQs are to be counted


class DeclinedError(Exception):
    """The answer was not yes."""


def ask(whose: str, count: Callable[[], int]) -> None:
    """Have somebody at the terminal agree; the default is no.

    Args:
        whose: whose RFQs, in words.
        count: reads how many there are; where that takes long, or fails, the question is asked all the same.

    Raises:
        DeclinedError: the answer was anything but yes.
    """
    counted: list[int] = []

    def look() -> None:
        with suppress(Exception):  # then the question says that it is not known
            counted.append(count())

    # On a thread of its own, which nobody waits for: a name that is not resolved holds it for as long as it likes.
    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    known = f"{counted[0]} active" if counted else "how many are active could not be read within a second"
    _forget_what_was_typed()
    click.echo(f"Cancel ALL RFQs of {whose} ({known})? [y/N] ", err=True, nl=False)
    # Not by click's own prompt: readline, which it uses, does not hear of a Ctrl+C that comes while it sets itself up.
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise DeclinedError("the answer was not yes")


def _forget_what_was_typed() -> None:
    # A "y" that was there before the question is no answer to it.
    with suppress(ImportError, OSError, ValueError):  # Windows has no termios; and this may be no terminal after all
        import termios

        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
