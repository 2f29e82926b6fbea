"""The verb `drill`: a rehearsal against the sandbox or demo trading, with a report."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import click

from okx_rfq_plugin.cli.accounts import Account, accounts_options
from okx_rfq_plugin.cli.destinations import Destination, destination_options, reachable
from okx_rfq_plugin.cli.outcomes import bound, plain
from okx_rfq_plugin.cli.terminal import now, say, say_if_heard


@click.command("drill")
@destination_options
@accounts_options
@click.option(
    "--report", metavar="FILE", help="Where to write the report; okx-rfq-drill-ENV-DATE.json by default, or -NAME-DATE."
)
@click.option("--cassettes", metavar="DIR", help="Make the cassettes again, too, into this folder.")
@click.pass_context
def drill(
    context: click.Context,
    destination: Destination | None,
    accounts: list[Account] | None,
    report: str | None,
    cassettes: str | None,
) -> None:
    """Rehearse in the sandbox or in demo trading: create RFQs, kill a guarded process, measure when the book is empty.

    Every reply is compared with what the sandbox believes of OKX: fields, codes, HTTP statuses, limits. The report
    holds no key, no id and no User ID, and can be sent to the maintainers: this is how a demo key proves or disproves
    the package. It takes about a minute. All RFQs of the account are canceled. With --accounts each account of the file
    is rehearsed, one after the other, with a report of its own.

    Exit codes: 0 the book was empty in the end, every reply was as expected, and the cassettes are made; 1 one of these
    is not so, and it says which; 2 wrong usage, nothing was sent.

    Example: okx-rfq drill --env sandbox
    """
    at = time.strftime("%Y%m%d-%H%M%S")
    if accounts is None:
        assert destination is not None  # noqa: S101 - destination_options ensures it
        _refuse_live([destination.env])
        with reachable(destination) as (there, credentials):
            path = Path(report or f"okx-rfq-drill-{destination.env}-{at}.json")
            context.exit(0 if _rehearsed(there, credentials, path, cassettes) else 1)
    _refuse_live([account.destination.env for account in accounts if not account.wrong])
    if len(accounts) > 1 and (report is not None or cassettes is not None):
        raise click.UsageError(
            "Nothing was sent: --report and --cassettes are for one account. Name it with --only NAME."
        )
    well = True
    for account in accounts:
        if account.wrong:
            say(f"[{account.name}] NOT REHEARSED: {account.wrong}", good=False, err=True)
            well = False
            continue
        if len(accounts) > 1:
            say(f"[{account.name}]")
        name = re.sub(r"[^\w.-]", "_", account.name)
        path = Path(report or f"okx-rfq-drill-{name}-{at}.json")
        try:
            well &= _rehearsed(account.destination, account.credentials, path, cassettes)
        except Exception as error:  # the other accounts are still rehearsed
            words = error.message if isinstance(error, click.ClickException) else plain(str(error))
            say(f"[{account.name}] NOT REHEARSED TO THE END: {words}", good=False, err=True)
            well = False
    context.exit(0 if well else 1)


def _refuse_live(environments: list[str]) -> None:
    if "live" in environments:
        raise click.UsageError(
            "Nothing was sent: a drill creates and cancels RFQs. It runs with --env sandbox or --env demo, and with"
            " accounts of these: leave out a live one by --skip NAME."
        )


def _rehearsed(there: Destination, credentials: dict[str, str], path: Path, cassettes: str | None) -> bool:
    """Rehearse for one account, write the report, and return whether everything was as expected."""
    from okx_rfq_plugin.cli.drilling import Drill, cleared, made_again

    facts: dict[str, Any] = {}
    try:
        facts = Drill(there, credentials, lambda words: say_if_heard(f"{now()} {words}")).run()
        if cassettes is not None:
            facts["cassettes"] = made_again(there, credentials, cassettes)
    finally:  # even if interrupted
        facts["cleared"] = cleared(there, credentials)
        if not facts["cleared"]:
            say_if_heard(f"{now()} RFQs MAY STILL BE ACTIVE: the last cancel failed. {bound()}")
    try:
        path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"The report could not be written to {path}: {error.strerror}.") from None
    for words in facts["differences"]:
        say(f"DIFFERENT {words}", good=False)
    seconds = facts["guard"]["seconds"]
    emptied = "the book was not seen empty" if seconds is None else f"the book was empty after {seconds:.1f} s"
    guarded = seconds is not None and facts["guard"]["code"] == facts["guard"]["expected"]
    say(f"A guarded process was killed: {emptied}. The guard ended with {facts['guard']['code']}.", good=guarded)
    if facts.get("cassettes"):
        say(f"The cassettes could not be made: code {facts['cassettes']}.", good=False, err=True)
    say(f"{len(facts['steps'])} replies, {len(facts['differences'])} different from the sandbox's. Report: {path}")
    return guarded and not facts["differences"] and bool(facts["cleared"]) and not facts.get("cassettes")
