"""This file is the verb `guard`, which runs a strategy, and cancels everything when it ends."""

from __future__ import annotations

import math
import os
from typing import Any

import click

from okx_rfq_plugin.cli.worlds import World, connected, world_options


@click.command("guard", context_settings={"allow_interspersed_args": False})
@world_options
@click.option("--grace", type=float, default=10.0, show_default=True, metavar="S", help="After a signal, before kill.")
@click.option(
    "--deadline", type=float, default=30.0, show_default=True, metavar="S", help="Of each of the two cancels."
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def guard(context: click.Context, world: World, grace: float, deadline: float, command: tuple[str, ...]) -> None:
    """Run COMMAND, and cancel all RFQs when it ends, however it ends.

    By itself, by a crash, kill -9 or out of memory, when the terminal closes, or since this process got SIGINT,
    SIGTERM, SIGHUP or SIGQUIT: that is passed on to COMMAND and whatever it has started, and after the grace those are
    killed. A second cancel follows after 2 s, for what was still on the wire. A kill -9 of this process is not covered.

    It ends with COMMAND's code (128 + N after signal N, 127 or 126 where it could not be started) if nothing is active
    any more, else with 203 (certainly not canceled) or 204 (may or may not be). Key and permission are looked at
    first: if they are no good COMMAND is not started, and the code is 203.

    Example: okx-rfq guard --env live -- python strategy.py
    """
    if not hasattr(os, "posix_spawnp"):
        raise click.UsageError("guard works with signals and process groups, which this system does not have.")
    for name, seconds in (("--grace", grace), ("--deadline", deadline)):
        if not 0 <= seconds < math.inf:
            raise click.BadParameter("a number of seconds, 0 or more.", param_hint=f"'{name}'")
    from okx_rfq_plugin.cli.child import Child
    from okx_rfq_plugin.cli.guarding import NOT_CANCELED, Guard, say

    with connected(world, deadline=deadline) as place:
        ready = _is_ready(world, place.exchange)
        code = Guard(place.exchange, Child(list(command), grace=grace, say=say)).run() if ready else NOT_CANCELED
    context.exit(code)


def _is_ready(world: World, exchange: Any) -> bool:
    """Look whether a cancel would work, and say so; only where it would is there something to start."""
    from okx_rfq_plugin.cli.check import account_findings
    from okx_rfq_plugin.cli.guarding import say

    ready = True
    for finding in account_findings(world, exchange):
        say(f"{finding.check}: {finding.seen}." + ("" if finding.ok else f" {finding.advice}"))
        ready &= finding.ok
    if not ready:
        say("The command was not started, and nothing was canceled.")
    return ready
