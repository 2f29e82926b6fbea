"""Options shared by several verbs, and the confirmation of a live cancel."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import click

from okx_rfq_plugin.cli.destinations import Destination
from okx_rfq_plugin.cli.terminal import is_watched

Option = Callable[[Callable[..., Any]], Callable[..., Any]]  # a decorator of a verb


def seconds(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """Parse a finite number of seconds, zero or more.

    Raises:
        click.BadParameter: if it is anything else.
    """
    if value is not None and not 0 <= value < math.inf:
        raise click.BadParameter("a number of seconds, 0 or more.")
    return value


def seconds_option(name: str, default: float | None, help_text: str) -> Option:
    """Return an option for a number of seconds."""
    shown = default is not None
    return click.option(
        name, type=float, default=default, show_default=shown, metavar="S", callback=seconds, help=help_text
    )


def json_option(what: str) -> Option:
    """Return the option `--json`, passed as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help=f"Print {what}, and nothing else.")


def log_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `-q`, `-v` and `--log-file`, passed as `quiet`, `verbose` and `log_file`."""
    for option in (
        click.option("--log-file", metavar="FILE", help="Append everything that happens to FILE."),
        click.option("-v", "--verbose", is_flag=True, help="Show everything that happens, on stderr."),
        click.option("-q", "--quiet", is_flag=True, help="Show the outcome only, and no attempts."),
    ):
        function = option(function)
    return function


yes_option = click.option(
    "--yes", is_flag=True, help="Do not ask before a live cancel; required where there is no terminal."
)


def asks(destinations: Iterable[Destination], *, yes: bool) -> bool:
    """Return whether a person must agree before anything is canceled.

    Raises:
        click.UsageError: if there is no terminal to ask on.
    """
    if yes or all(destination.env != "live" for destination in destinations):
        return False
    if not is_watched():
        raise click.UsageError(
            "Nothing was sent: a live cancel is confirmed at a terminal, and there is none. Add --yes to cancel."
        )
    return True
