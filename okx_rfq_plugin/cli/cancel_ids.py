"""The verb `cancel`, which ends the RFQs that are named, and no others."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import click

from okx_rfq_plugin.cli.accounts import Account, accounts_options
from okx_rfq_plugin.cli.destinations import Destination, connected, destination_options
from okx_rfq_plugin.cli.interrupts import Interrupts
from okx_rfq_plugin.cli.options import asks, json_option, seconds_option, yes_option
from okx_rfq_plugin.cli.outcomes import OK, bound, exit_code, facts_of, named, plain, reason_of
from okx_rfq_plugin.cli.question import ask
from okx_rfq_plugin.cli.terminal import attempts_shown, once_done, say, say_json

_AT_ONCE = 100  # ids that OKX takes in one request


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

    IDs are OKX's, as `list` shows them. Afterwards the list is read: an RFQ that is no longer active was canceled, was
    filled, or has expired.

    Exit codes: 0 none of them is active any more; 2 wrong usage, nothing was sent; 3 one or more are certainly active;
    4 not known.

    Example: okx-rfq cancel --env live 1234567890123456789
    """
    credentials = None
    if accounts is not None:
        destination, credentials = _place_of(accounts)
    assert destination is not None  # noqa: S101 - destination_options sees to it
    if unlike := [each for each in ids if not each.isdigit()]:
        raise click.UsageError(
            f"Nothing was sent: {unlike[0]!r} is not an id of OKX's: those are numbers, as `list` shows them."
        )
    asked = asks([destination], yes=yes)
    ids = list(dict.fromkeys(ids))
    with Interrupts() as interrupts:
        facts = _outcome(destination, credentials, deadline, ids, asks=asked, interrupts=interrupts)
        interrupts.over()
        code = exit_code(facts)
        with once_done():
            if as_json:
                say_json({"account": destination.env, "environment": destination.env, **facts})
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
    interrupts: Interrupts,
) -> dict[str, Any]:
    called = False
    try:
        with connected(destination, deadline=deadline, credentials=credentials) as place:
            if asks:
                ask(f"these, {named(ids)}, of {place.exchange.hostname}", partial(len, ids))
            interrupts.agreed()
            wrong = ""
            for start in range(0, len(ids), _AT_ONCE):
                called = True
                try:
                    batch = {"rfqIds": ids[start : start + _AT_ONCE], "maxRetriesOnFailure": 0}
                    place.exchange.private_post_rfq_cancel_batch_rfqs(batch)
                except Exception as error:  # the list below says what has become of them
                    wrong = plain(str(error)) + (f" ({reason_of(error)})" if reason_of(error) else "")
            with attempts_shown():
                rfqs = place.exchange.fetch_open_rfqs()
    except click.ClickException:
        raise
    except BaseException as error:
        facts = facts_of(error, called=called, reason=interrupts.reason)
        return {**facts, "may_be_canceled": called, "left": None}
    left = [rfq["id"] for rfq in rfqs if rfq["id"] in ids and rfq["status"] == "active"]
    filling = [rfq["id"] for rfq in rfqs if rfq["id"] in ids and rfq["status"] != "active"]
    status = "failed" if left else "canceled"
    return {"status": status, "left": left, "filling": filling, "may_be_canceled": False, "message": wrong or None}


def _words(facts: dict[str, Any], ids: list[str]) -> str:
    if facts["left"] is None:
        return f"{plain(str(facts['message']))} {bound()}"
    if facts["left"]:
        why = f" {facts['message']}." if facts["message"] else ""
        return f"STILL ACTIVE: {len(facts['left'])} of {len(ids)}: {named(facts['left'])}.{why} {bound()}"
    words = f"{ids[0]} is not active any more." if len(ids) == 1 else f"None of these is active any more: {named(ids)}."
    if facts["filling"]:
        words += f" Being executed, and no longer possible to cancel: {named(facts['filling'])}."
    return words
