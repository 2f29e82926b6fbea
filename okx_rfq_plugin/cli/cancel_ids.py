"""The verb `cancel`, which ends the RFQs that are named, and no others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from okx_rfq_plugin.cli.accounts import Account, accounts_options
from okx_rfq_plugin.cli.destinations import Destination, connected, destination_options
from okx_rfq_plugin.cli.identity import identity_of, read_uid
from okx_rfq_plugin.cli.interrupts import Interrupts
from okx_rfq_plugin.cli.options import asks, json_option, seconds_option, yes_option
from okx_rfq_plugin.cli.outcomes import OK, bound, exit_code, facts_of, named, plain
from okx_rfq_plugin.cli.question import ask
from okx_rfq_plugin.cli.terminal import attempts_shown, once_done, say, say_json

_TAKEN = "OKX has accepted the cancel, and its list, which shows what came of it, could not be read."


@click.command("cancel")
@destination_options
@accounts_options
@seconds_option("--deadline", 30.0, "What is left is not asked for again after that.")
@yes_option
@json_option("one JSON object")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.pass_context
def cancel(
    context: click.Context,
    destination: Destination | None,
    accounts: list[Account] | None,
    deadline: float,
    yes: bool,
    as_json: bool,
    ids: Sequence[str],
) -> None:
    """Cancel the RFQs with these ids, and leave the others alone.

    IDs are OKX's, as `list` shows them. What fails is repeated as by `cancel-all`. Afterwards the list is read: an RFQ
    that is no longer active was canceled, was filled, or has expired.

    Exit codes: 0 none of them is active any more; 2 wrong usage, nothing was sent; 3 one or more are certainly active,
    or nothing was canceled; 4 not known.

    Example: okx-rfq cancel --env live 1234567890123456789
    """
    credentials, name = None, ""
    if accounts is not None:
        destination, credentials = _place_of(accounts)
        name = accounts[0].name
    assert destination is not None  # noqa: S101 - destination_options sees to it
    if unlike := [each for each in ids if not each.isdigit()]:
        raise click.UsageError(
            f"Nothing was sent: {unlike[0]!r} is not an id of OKX's: those are numbers, as `list` shows them."
        )
    asked = asks([destination], yes=yes)
    ids = list(dict.fromkeys(ids))
    with Interrupts() as interrupts:
        facts = _outcome(destination, credentials, deadline, ids, asks=asked, as_json=as_json, interrupts=interrupts)
        interrupts.over()
        code = exit_code(facts)
        with once_done():
            if as_json:
                say_json({"account": name or destination.env, **facts})
            else:
                say(_words(facts, ids), good=code == OK, err=code != OK)
    context.exit(code)


def _place_of(accounts: list[Account]) -> tuple[Destination, dict[str, str]]:
    if len(accounts) != 1:
        raise click.UsageError("Nothing was sent: the ids are those of one account. Name it with --only NAME.")
    if accounts[0].wrong:
        raise click.UsageError(f"Nothing was sent: {accounts[0].wrong}")
    return accounts[0].destination, accounts[0].credentials


def _outcome(
    destination: Destination,
    credentials: dict[str, str] | None,
    deadline: float,
    ids: list[str],
    *,
    asks: bool,
    as_json: bool,
    interrupts: Interrupts,
) -> dict[str, Any]:
    from okx_rfq_plugin import RetryPolicy, install
    from okx_rfq_plugin.cli.by_name import cancel_named

    whose: dict[str, Any] = {"environment": destination.env, "host": None, "uid": None, "key": None}
    acted, wrong = False, ""
    try:
        with connected(destination, deadline=deadline, credentials=credentials) as place:
            whose |= identity_of(destination, place.exchange)
            if asks:
                ask(f"{_counted(ids)} of the live account behind key {whose['key']} on {whose['host']}")
            interrupts.agreed()
            with attempts_shown():
                acted, wrong, took = cancel_named(place.exchange, ids)
                install(place.exchange, policy=RetryPolicy(deadline=max(0.0, deadline - took)))
                rfqs = place.exchange.fetch_open_rfqs()
            interrupts.over()
            if as_json:
                whose["uid"] = read_uid(place.exchange)
    except click.ClickException:
        raise
    except BaseException as error:
        facts = facts_of(error, called=acted, reason=interrupts.reason)
        if acted:
            facts["message"] = f"RFQs MAY STILL BE ACTIVE: {wrong or _TAKEN}"
        elif wrong:
            facts["message"] = f"NOTHING WAS CANCELED: {wrong}"
        return {**whose, **facts, "may_be_canceled": acted or facts["may_be_canceled"], "left": None}
    left = [rfq["id"] for rfq in rfqs if rfq["id"] in ids and rfq["status"] == "active"]
    filling = [rfq["id"] for rfq in rfqs if rfq["id"] in ids and rfq["status"] != "active"]
    status = "failed" if left else "canceled"
    said = {"may_be_canceled": False, "message": wrong or None}
    return {**whose, "status": status, "left": left, "filling": filling, **said}


def _counted(ids: list[str]) -> str:
    return f"RFQ {ids[0]}" if len(ids) == 1 else f"{len(ids)} RFQs ({named(ids)})"


def _words(facts: dict[str, Any], ids: list[str]) -> str:
    if facts["left"] is None:
        return f"{plain(str(facts['message']))} {bound()}"
    if facts["left"]:
        why = f" {plain(facts['message'])}" if facts["message"] else ""
        return f"STILL ACTIVE: {len(facts['left'])} of {len(ids)}: {named(facts['left'])}.{why} {bound()}"
    words = f"{ids[0]} is not active any more." if len(ids) == 1 else f"None of these is active any more: {named(ids)}."
    if facts["filling"]:
        words += f" Being executed, and no longer possible to cancel: {named(facts['filling'])}."
    return words
