"""This file is the verb `list`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import click

from okx_rfq_plugin.cli.outcomes import reason_of
from okx_rfq_plugin.cli.terminal import say, say_json, show_table
from okx_rfq_plugin.cli.worlds import World, connected, world_options


@click.command("list")
@world_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object an RFQ, and nothing else.")
@click.pass_context
def list_rfqs(context: click.Context, world: World, as_json: bool) -> None:
    """List my active RFQs.

    Those that this account created, by whatever program, and not those that it received as a maker. It ends with 0, or
    with 1 where they could not be read.

    Example: okx-rfq list --env live
    """
    with connected(world) as place:
        try:
            rfqs = place.exchange.fetch_open_rfqs()
        except Exception as error:
            reason = reason_of(error)
            say(f"The RFQs could not be read: {error}" + (f" ({reason})" if reason else ""), good=False, err=True)
            context.exit(1)
    now = time.time()
    if as_json:
        for rfq in rfqs:
            say_json({**rfq, "age": _age(rfq, now), "left": _left(rfq, now)})
        return
    if rfqs:
        headings = ("RFQ", "legs", "status", "age", "time left")
        show_table("Mine, oldest first", headings, [_row(rfq, now) for rfq in rfqs])
    say(f"{_counted(rfqs)} ({world.env}, {world.exchange}).")


def _counted(rfqs: Sequence[Mapping[str, Any]]) -> str:
    filling = sum(rfq["status"] != "active" for rfq in rfqs)
    words = f"{len(rfqs) - filling} active RFQ{'s' * (len(rfqs) - filling != 1)}"
    return f"{words}, and {filling} being executed, which cannot be canceled" if filling else words


def _row(rfq: Mapping[str, Any], now: float) -> tuple[str, ...]:
    legs = ", ".join(f"{leg['side']} {leg['amount']:g} {leg['symbol']}" for leg in rfq["legs"])
    return (rfq["id"], legs, rfq["status"], _seconds(_age(rfq, now)), _seconds(_left(rfq, now)))


def _age(rfq: Mapping[str, Any], now: float) -> float | None:
    """Return the seconds since it was created, by this machine's clock."""
    return None if rfq["timestamp"] is None else float(round(now - rfq["timestamp"] / 1000, 3))


def _left(rfq: Mapping[str, Any], now: float) -> float | None:
    """Return the seconds until it expires, by this machine's clock."""
    return None if rfq["expiryTimestamp"] is None else float(round(max(0.0, rfq["expiryTimestamp"] / 1000 - now), 3))


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.0f} s"
