"""This file is the command `okx-rfq`: click for the command line, rich for what a person looks at."""

from __future__ import annotations

import json
import time
from contextlib import closing
from typing import Any

import ccxt
import click
from rich.console import Console
from rich.table import Table

import okx_rfq_plugin
from okx_rfq_plugin.sandbox import Sandbox

OK, NOT_CANCELED, MAY_BE_CANCELED = 0, 3, 4

_STATUS_WORDS = {"canceled": "All RFQs are canceled", "nothing_active": "No RFQ was active"}
_OPENED = (
    ("BTC-USD-261225-100000-C", "buy"),
    ("BTC-USDT-SWAP", "sell"),
    ("ETH-USDT", "buy"),
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(okx_rfq_plugin.__version__, prog_name="okx-rfq")
def okx_rfq() -> None:
    """Cancel every RFQ of an OKX account, and say truthfully what happened.

    Exit codes: 0 nothing is active any more, 2 usage, 3 certainly not canceled, 4 may or may not be canceled.
    """


@okx_rfq.command("cancel-all")
@click.option("--env", type=click.Choice(["sandbox"]), required=True, help="The world; there is no default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.pass_context
def cancel_all(context: click.Context, env: str, as_json: bool) -> None:
    """Cancel all active RFQs.

    With --env sandbox it starts a local double of OKX, opens three RFQs there, cancels them and shows the book before
    and after; OKX itself is not asked.

    Example: okx-rfq cancel-all --env sandbox
    """
    console = Console(quiet=as_json)
    with Sandbox() as sandbox:
        for instrument, side in _OPENED:
            sandbox.create_rfq(legs=[{"instId": instrument, "sz": "25", "side": side}])
        exchange = context.with_resource(closing(okx_rfq_plugin.install(sandbox.exchange(ccxt.okx))))
        console.print(f"Sandbox on {sandbox.url}, a local double: OKX itself is not asked.", highlight=False)
        console.print(_book("Before", sandbox))
        outcome, code = _outcome(exchange)
        console.print(_book("After", sandbox))
    if as_json:
        click.echo(json.dumps({"account": env, **outcome}))
    else:
        console.print(_sentence(outcome), style="bold green" if code == OK else "bold red", highlight=False)
    context.exit(code)


def _outcome(exchange: Any) -> tuple[dict[str, Any], int]:
    """Cancel; return what `--json` shows, and the exit code."""
    try:
        return exchange.cancel_all_rfqs(), OK
    except ccxt.BaseError as error:
        failure = error.cancel_failure
        facts = {
            "status": "failed",
            "error": type(error).__name__,
            "message": str(error),
            "code": failure.code,
            "attempts": failure.attempts,
            "elapsed": failure.elapsed,
            "may_be_canceled": failure.may_be_canceled,
        }
        return facts, MAY_BE_CANCELED if failure.may_be_canceled else NOT_CANCELED


def _sentence(outcome: dict[str, Any]) -> str:
    if outcome["status"] == "failed":
        return f"{outcome['error']}: {outcome['message']}"
    at = f" as of {outcome['datetime']}" if outcome["datetime"] else ""
    attempts = f"{outcome['attempts']} attempt{'s' * (outcome['attempts'] != 1)}"
    return f"{_STATUS_WORDS[outcome['status']]}{at}: none is active any more ({attempts}, {outcome['elapsed']:.3f} s)."


def _book(title: str, sandbox: Sandbox) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in ("RFQ", "legs", "state", "time left"):
        table.add_column(heading)
    for rfq in sandbox.rfqs():
        legs = ", ".join(f"{leg['side']} {leg['sz']} {leg['instId']}" for leg in rfq["legs"])
        left = max(0.0, int(rfq["validUntil"]) / 1000 - time.time())
        table.add_row(rfq["rfqId"], legs, rfq["state"], f"{left:.0f} s" if rfq["state"] == "active" else "")
    return table
