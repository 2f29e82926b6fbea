"""What is checked of an amount on the command line."""

from __future__ import annotations

import math

import click


def seconds(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """Take a number of seconds, zero or more, and finite.

    Raises:
        click.BadParameter: it is none.
    """
    if value is not None and not 0 <= value < math.inf:
        raise click.BadParameter("a number of seconds, 0 or more.")
    return value
