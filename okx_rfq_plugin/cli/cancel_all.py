"""This file is the verb `cancel-all`, for one account or for many."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from okx_rfq_plugin.cli.outcomes import OK, exit_code, facts_of, sentence, summary
from okx_rfq_plugin.cli.question import ask
from okx_rfq_plugin.cli.terminal import (
    attempts_shown,
    is_watched,
    json_aside,
    once_done,
    progress,
    say,
    say_json,
    show_book,
    show_outcomes,
    terminable,
    unread,
)
from okx_rfq_plugin.cli.worlds import World, connected, world_options_or_none

if TYPE_CHECKING:
    from okx_rfq_plugin.cli.accounts import Account

_PLACES = ("env", "exchange", "url")


@click.command("cancel-all")
@world_options_or_none
@click.option("--accounts", type=click.Path(path_type=Path), metavar="FILE", help="Many accounts: a TOML file.")
@click.option("--deadline", type=float, default=30.0, show_default=True, metavar="S", help="No attempt starts later.")
@click.option("--confirm", is_flag=True, help="Go on until OKX says that none is active, and read what is left.")
@click.option("--yes", is_flag=True, help="Do not ask before a live cancel; needed where there is no terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object an account, and nothing else.")
@click.pass_context
def cancel_all(
    context: click.Context,
    world: World | None,
    accounts: Path | None,
    deadline: float,
    confirm: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Cancel all active RFQs.

    With --env sandbox and no --url it starts a local double of OKX, opens three RFQs there, cancels them and shows the
    book before and after; OKX itself is not asked.

    Example: okx-rfq cancel-all --env sandbox
    """
    if not 0 <= deadline < math.inf:
        raise click.BadParameter("a number of seconds, 0 or more.", param_hint="'--deadline'")
    if accounts is not None:
        if any(context.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in _PLACES):
            raise click.UsageError("--accounts names a world for each account: leave out --env, --exchange and --url.")
        context.exit(_cancel_many(accounts, deadline, confirm, yes=yes, as_json=as_json))
    if world is None:
        raise click.UsageError("Missing option '--env': sandbox, demo or live (or --accounts FILE). It has no default.")
    context.exit(_cancel_one(world, deadline, confirm, yes=yes, as_json=as_json))


def _cancel_one(world: World, deadline: float, confirm: bool, *, yes: bool, as_json: bool) -> int:
    facts = _outcome(world, deadline, confirm, asks=_asks([world], yes=yes), quiet=as_json)
    with once_done():
        if as_json:
            say_json({"account": world.env, **facts})
        else:
            say(sentence(facts), good=exit_code(facts) == OK)
    return exit_code(facts)


def _outcome(world: World, deadline: float, confirm: bool, *, asks: bool, quiet: bool) -> dict[str, Any]:
    """Return the receipt, or the facts of the failure; Ctrl+C may come at any line."""
    facts: dict[str, Any] = {}
    called = False
    try:
        with terminable(), connected(world, deadline=deadline) as place:
            if asks:
                ask(_described(place.exchange), partial(_count, world))
            if place.sandbox is not None and not quiet:
                with unread():
                    say(f"Sandbox on {place.sandbox.url}, a local double: OKX itself is not asked.")
                    show_book("Before", place.sandbox.rfqs())
            with attempts_shown():
                called = True
                facts = place.exchange.cancel_all_rfqs(confirm=confirm)
            if place.sandbox is not None and not quiet:
                with unread():
                    show_book("After", place.sandbox.rfqs())
    except click.ClickException:
        raise
    except (Exception, KeyboardInterrupt) as error:
        return facts or facts_of(error, called=called)
    return facts


def _described(exchange: Any) -> str:
    from okx_rfq_plugin._core.records import ExchangeSnapshot

    key = ExchangeSnapshot.of(exchange).key
    return f"the live account behind key {key} on {exchange.hostname} ({exchange.id})"


def _count(world: World) -> int:
    # By another object: ccxt's are not for two threads.
    with connected(world, deadline=0.0) as place:  # once: what comes after the question helps nobody
        return sum(rfq["status"] == "active" for rfq in place.exchange.fetch_open_rfqs())


def _cancel_many(file: Path, deadline: float, confirm: bool, *, yes: bool, as_json: bool) -> int:
    from okx_rfq_plugin.cli.accounts import read_accounts

    accounts = read_accounts(file)
    asks = _asks([account.world for account in accounts], yes=yes)
    outcomes: dict[str, dict[str, Any]] = {}
    with json_aside() as say_aside, progress("Canceling", len(accounts), quiet=as_json) as step:

        def told(account: Account, facts: dict[str, Any]) -> None:
            outcomes[account.name] = facts
            if as_json:
                say_aside({"account": account.name, **facts})
            step()

        called = False
        try:
            with terminable():
                from okx_rfq_plugin.cli.many import cancel_accounts

                if asks:
                    _ask_about(accounts)
                called = True
                cancel_accounts(accounts, deadline=deadline, confirm=confirm, told=told)
        except (Exception, KeyboardInterrupt) as error:
            for account in [each for each in accounts if each.name not in outcomes]:
                told(account, facts_of(error, called=called))
    code = max(exit_code(facts) for facts in outcomes.values())
    if not as_json:
        with once_done():
            show_outcomes(outcomes)
            say(summary(outcomes), good=code == OK)
    return code


def _ask_about(accounts: list[Account]) -> None:
    from okx_rfq_plugin.cli.many import count_rfqs

    live = [account for account in accounts if account.world.env == "live"]
    names = ", ".join(account.name for account in live)
    ask(f"{len(live)} live accounts: {names}", partial(count_rfqs, live))


def _asks(worlds: list[World], *, yes: bool) -> bool:
    """Say whether somebody is to agree first.

    Raises:
        click.UsageError: nobody is there who could.
    """
    if yes or all(world.env != "live" for world in worlds):
        return False
    if not is_watched():
        raise click.UsageError("Nothing was sent: without a terminal to ask on, a live cancel wants --yes.")
    return True
