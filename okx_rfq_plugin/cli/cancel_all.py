"""This file is the verb `cancel-all`."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import click

from okx_rfq_plugin.cli.outcomes import OK, exit_code, facts_of, sentence
from okx_rfq_plugin.cli.terminal import attempts_shown, is_watched, say, say_json, show_book, terminable
from okx_rfq_plugin.cli.worlds import World, connected, world_options


@click.command("cancel-all")
@world_options
@click.option("--deadline", type=float, default=30.0, show_default=True, metavar="S", help="No attempt starts later.")
@click.option("--yes", is_flag=True, help="Do not ask before a live cancel; needed where there is no terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.pass_context
def cancel_all(context: click.Context, world: World, deadline: float, yes: bool, as_json: bool) -> None:
    """Cancel all active RFQs.

    With --env sandbox and no --url it starts a local double of OKX, opens three RFQs there, cancels them and shows the
    book before and after; OKX itself is not asked.

    Example: okx-rfq cancel-all --env sandbox
    """
    if not 0 <= deadline < math.inf:
        raise click.BadParameter("a number of seconds, 0 or more.", param_hint="'--deadline'")
    ask = world.env == "live" and not yes
    if ask and not is_watched():
        raise click.UsageError("Nothing was sent: without a terminal to ask on, a live cancel wants --yes.")
    facts = _cancel(world, deadline, ask=ask, quiet=as_json)
    with suppress(KeyboardInterrupt):  # what was done is done
        if as_json:
            say_json({"account": world.env, **facts})
        else:
            say(sentence(facts), good=exit_code(facts) == OK)
    context.exit(exit_code(facts))


def _cancel(world: World, deadline: float, *, ask: bool, quiet: bool) -> dict[str, Any]:
    """Return the receipt, or the facts of the failure; Ctrl+C may come at any line."""
    facts: dict[str, Any] = {}
    called = False
    try:
        with terminable(), connected(world, deadline=deadline) as place:
            if place.sandbox is not None and not quiet:
                say(f"Sandbox on {place.sandbox.url}, a local double: OKX itself is not asked.")
                show_book("Before", place.sandbox.rfqs())
            with attempts_shown():
                called = True
                facts = place.exchange.cancel_all_rfqs()
            if place.sandbox is not None and not quiet:
                show_book("After", place.sandbox.rfqs())
    except click.ClickException:
        raise
    except (Exception, KeyboardInterrupt) as error:
        return facts or facts_of(error, called=called)
    return facts
