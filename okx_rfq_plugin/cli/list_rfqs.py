"""The verb `list`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from okx_rfq_plugin._core.endpoints import MAINTENANCE
from okx_rfq_plugin.cli.accounts import Account, accounts_options
from okx_rfq_plugin.cli.clock import ahead_of, pause
from okx_rfq_plugin.cli.destinations import Destination, connected, destination_options
from okx_rfq_plugin.cli.identity import identity_of, read_uid
from okx_rfq_plugin.cli.interrupts import Interrupts
from okx_rfq_plugin.cli.options import json_option, seconds_option
from okx_rfq_plugin.cli.outcomes import plain, reason_of
from okx_rfq_plugin.cli.probe import announced
from okx_rfq_plugin.cli.terminal import attempts_shown, say, say_json, show_table, waiting_shown

_EVERY = 2.0  # seconds between two requests: OKX's limit
_FAR_OFF = 2.0  # seconds that this clock may be off before a warning


@click.command("list")
@destination_options
@accounts_options
@seconds_option("--deadline", 30.0, "OKX is not asked again after that.")
@click.option("--watch", is_flag=True, help="Look again every two seconds, until Ctrl+C.")
@json_option("one JSON object per RFQ")
@click.pass_context
def list_rfqs(
    context: click.Context,
    destination: Destination | None,
    accounts: list[Account] | None,
    deadline: float,
    watch: bool,
    as_json: bool,
) -> None:
    """List the active RFQs of this account.

    Those that any program of this account created, and not those that it received as a maker. Ages and the time left
    are by OKX's clock.

    Exit codes: 0 listed; 1 they could not be read, in part or at all; 2 wrong usage.

    Example: okx-rfq list --env live
    """
    ok = False
    with Interrupts(None, lambda reason: (0 if ok else 1, lambda: None)) as interrupts:
        try:
            ok = show_rfqs(destination, accounts, as_json=as_json, deadline=deadline)
            # The exception alone is not enough: a finalizer that is running, such as a connection's, swallows it.
            while watch and not interrupts.reason:
                pause(_EVERY)
                if interrupts.reason:
                    break
                if not as_json:
                    say(time.strftime("\n%H:%M:%S"))
                ok = show_rfqs(destination, accounts, as_json=as_json, deadline=deadline)
        except KeyboardInterrupt:
            if not watch:
                raise
    context.exit(0 if ok else 1)


def show_rfqs(
    destination: Destination | None, accounts: Sequence[Account] | None, *, as_json: bool, deadline: float
) -> bool:
    """Print the open RFQs of an account or of many; return whether all could be read."""
    ok, off = True, 0.0
    for name, where, rfqs, ahead, whose in _read(destination, accounts, deadline, as_json=as_json):
        if isinstance(rfqs, Exception):
            ok = False
            owner = f" of {name}" if name else ""
            words = f"The RFQs{owner} could not be read: {_why(rfqs)}"
            code = getattr(getattr(rfqs, "cancel_failure", None), "code", None)
            notice = announced(where) if code in MAINTENANCE else None
            say(f"{words} {notice}" if notice else words, good=False, err=True)
            continue
        now = time.time() - ahead
        if as_json:
            for rfq in rfqs:
                account = {"account": name or where.env, **whose}
                say_json({**account, **rfq, "age": _age(rfq, now), "left": _left(rfq, now)})
            continue
        if rfqs:
            headings = ("RFQ", "legs", "status", "age", "time left")
            title = f"{name or 'Mine'}, oldest first"
            show_table(title, headings, [_row(rfq, now) for rfq in rfqs])
        say(f"{f'[{name}] ' if name else ''}{_counted(rfqs)} ({where.shown}).")
        off = ahead if abs(ahead) > abs(off) else off
    if abs(off) > _FAR_OFF and not as_json:
        way = "ahead of" if off > 0 else "behind"
        say(f"The clock of this machine is {abs(off):.1f} s {way} OKX's; ages and time left are by OKX's.", err=True)
    return ok


def _read(
    destination: Destination | None, accounts: Sequence[Account] | None, deadline: float, *, as_json: bool
) -> Iterator[tuple[str, Destination, Any, float, Mapping[str, Any]]]:
    """Yield per account: name, destination, RFQs or an exception, this clock's lead, and whose they are."""
    if accounts is not None:
        from okx_rfq_plugin.cli.many import read_rfqs

        with waiting_shown("Asking OKX", quiet=as_json):
            read = read_rfqs(accounts, deadline=deadline, uids=as_json)
        for account in accounts:
            yield account.name, account.destination, *read[account.name]
        return
    assert destination is not None  # noqa: S101 - destination_options ensures it
    with connected(destination, deadline=deadline) as place:
        try:
            with waiting_shown("Asking OKX", quiet=as_json), attempts_shown(quiet=as_json):
                rfqs: Any = place.exchange.fetch_open_rfqs()
        except Exception as error:
            rfqs = error
        ahead, whose = 0.0, identity_of(destination, place.exchange)
        if not isinstance(rfqs, Exception) and rfqs:
            with waiting_shown("Asking OKX for the time", quiet=as_json):
                ahead = _ahead(place.exchange)
            if as_json:
                whose["uid"] = read_uid(place.exchange)
    yield "", destination, rfqs, ahead, whose


def _why(error: Exception) -> str:
    words = plain(str(error)).removeprefix("THE RFQs COULD NOT BE READ. ")
    words, reason = f"{words[:1].lower()}{words[1:]}", reason_of(error)
    return words if not reason or reason.lower().split()[-1] in words else f"{words} The reason: {reason}."


def _ahead(exchange: Any) -> float:
    """Return the seconds that this clock is ahead of OKX's, 0 if OKX does not say."""
    exchange.timeout = 1000
    asked = time.time()
    try:
        return ahead_of(asked, exchange.fetch_time({"maxRetriesOnFailure": 0}))
    except Exception:
        return 0.0


def _counted(rfqs: Sequence[Mapping[str, Any]]) -> str:
    filling = sum(rfq["status"] != "active" for rfq in rfqs)
    words = f"{len(rfqs) - filling} active RFQ{'s' * (len(rfqs) - filling != 1)}"
    return f"{words}, and {filling} being executed, which cannot be canceled" if filling else words


def _row(rfq: Mapping[str, Any], now: float) -> tuple[str, ...]:
    legs = ", ".join(f"{leg['side']} {leg['amount']:g} {leg['symbol']}" for leg in rfq["legs"])
    return (rfq["id"], legs, rfq["status"], _seconds(_age(rfq, now)), _seconds(_left(rfq, now)))


def _age(rfq: Mapping[str, Any], now: float) -> float | None:
    """Return the seconds since it was created."""
    return None if rfq["timestamp"] is None else float(round(max(0.0, now - rfq["timestamp"] / 1000), 3))


def _left(rfq: Mapping[str, Any], now: float) -> float | None:
    """Return the seconds until it expires."""
    return None if rfq["expiryTimestamp"] is None else float(round(max(0.0, rfq["expiryTimestamp"] / 1000 - now), 3))


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.0f} s"
