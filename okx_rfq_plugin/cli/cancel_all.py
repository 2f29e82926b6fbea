"""The verb `cancel-all`, for one account or for many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from okx_rfq_plugin.cli.accounts import Account, accounts_options
from okx_rfq_plugin.cli.destinations import Destination, destination_options
from okx_rfq_plugin.cli.options import asks, json_option, log_options, seconds_option, yes_option
from okx_rfq_plugin.cli.terminal import log_file

if TYPE_CHECKING:
    from okx_rfq_plugin.cli.canceling import Options


@click.command("cancel-all")
@destination_options
@accounts_options
@seconds_option("--deadline", 30.0, "No attempt starts after that; one that has started may finish.")
@seconds_option("--timeout", None, "The command has ended by then, whatever happens.")
@click.option(
    "--confirm/--no-confirm",
    default=True,
    show_default=True,
    help="Repeat until OKX says that none is active, and show which were canceled and which are left.",
)
@click.option("--until-clear", is_flag=True, help="Start again after a failure, until all is canceled or you end it.")
@click.option("--quotes", is_flag=True, help="Cancel all quotes too, after the RFQs.")
@click.option(
    "--quotes-after",
    type=int,
    metavar="S",
    help="Have OKX cancel all quotes in S seconds, 10 to 120; 0 takes that back.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be canceled, and cancel nothing.")
@yes_option
@json_option("one JSON object per account")
@log_options
@click.pass_context
def cancel_all(
    context: click.Context,
    /,
    destination: Destination | None,
    accounts: list[Account] | None,
    yes: bool,
    dry_run: bool,
    log_file: str | None,
    **options: Any,
) -> None:
    """Cancel all active RFQs.

    With --env sandbox and no --url it starts a local double of OKX, opens three RFQs there, cancels them and shows the
    book before and after; OKX itself is not asked.

    Exit codes: 0 no RFQ is active any more; 2 wrong usage, nothing was sent; 3 certainly not canceled; 4 may or may not
    be canceled. With --accounts the highest code of all counts.

    Example: okx-rfq cancel-all --env sandbox
    """
    from okx_rfq_plugin.cli.canceling import Options, cancel_many, cancel_one

    if options["quotes_after"] is not None and options["quotes_after"] not in (0, *range(10, 121)):
        raise click.BadParameter("10 to 120 seconds, or 0.", param_hint="'--quotes-after'")
    chosen = Options(**options)
    if dry_run:
        context.exit(_rehearse(destination, accounts, chosen))
    reached = [account.destination for account in accounts or () if not account.wrong]
    asked = asks(reached if destination is None else [destination], yes=yes)
    with _logged(log_file):
        if accounts is not None:
            code = cancel_many(accounts, chosen, asks=asked)
        else:
            assert destination is not None  # noqa: S101 - destination_options ensures it
            code = cancel_one(destination, chosen, asks=asked)
    context.exit(code)


_logged = log_file


def _rehearse(destination: Destination | None, accounts: list[Account] | None, options: Options) -> int:
    """Show what would be canceled; return 0, or 3 if that cannot be read."""
    from okx_rfq_plugin.cli.list_rfqs import show_rfqs

    ok = show_rfqs(destination, accounts, as_json=options.as_json, deadline=options.deadline)
    if not options.as_json:
        click.echo("This was a dry run: nothing was canceled.", err=True)
    return 0 if ok else 3
