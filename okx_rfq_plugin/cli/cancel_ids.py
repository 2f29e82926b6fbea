"""The verb `cancel`, which cancels RFQs by id, and no others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from okx_rfq_plugin.cli.accounts import Account, accounts_options
from okx_rfq_plugin.cli.destinations import Destination, connected, destination_options
from okx_rfq_plugin.cli.identity import identity_of, read_uid
from okx_rfq_plugin.cli.interrupts import Interrupts, Say
from okx_rfq_plugin.cli.options import asks, json_option, log_options, seconds_option, yes_option
from okx_rfq_plugin.cli.outcomes import OK, bound, exit_code, facts_of, named, plain
from okx_rfq_plugin.cli.question import ask
from okx_rfq_plugin.cli.terminal import attempts_shown, last_words, log_file, once_done, say, say_json

_TAKEN = "OKX has accepted the cancel, and its list, which shows what came of it, could not be read."


@click.command("cancel")
@destination_options
@accounts_options
@seconds_option("--deadline", 30.0, "What is left is not asked for again after that.")
@seconds_option("--timeout", None, "The command has ended by then, whatever happens.")
@yes_option
@json_option("one JSON object")
@log_options
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.pass_context
def cancel(
    context: click.Context,
    destination: Destination | None,
    accounts: list[Account] | None,
    deadline: float,
    timeout: float | None,
    yes: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    log_file: str | None,
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
    assert destination is not None  # noqa: S101 - destination_options ensures it
    if unlike := [each for each in ids if not each.isdigit()]:
        raise click.UsageError(
            f"Nothing was sent: {unlike[0]!r} is not an id of OKX's: those are numbers, as `list` shows them."
        )
    asked = asks([destination], yes=yes)
    some = Some(destination, credentials, list(dict.fromkeys(ids)), name)

    def force(reason: str) -> tuple[int, Say]:
        facts = some.unfinished(reason)
        return exit_code(facts), lambda: last_words(some.words(facts), [facts] if as_json else [])

    with _logged(log_file), Interrupts(timeout, force) as interrupts:
        with attempts_shown(quiet=quiet, verbose=verbose):
            some.run(deadline, asks=asked, reads_uid=as_json, interrupts=interrupts)
        interrupts.over()
        code = exit_code(some.facts)
        with once_done():
            if as_json:
                say_json(some.facts)
            else:
                say(some.words(some.facts), good=code == OK, err=code != OK)
    context.exit(code)


_logged = log_file


def _place_of(accounts: list[Account]) -> tuple[Destination, dict[str, str]]:
    if len(accounts) != 1:
        raise click.UsageError("Nothing was sent: the ids are those of one account. Name it with --only NAME.")
    if accounts[0].wrong:
        raise click.UsageError(f"Nothing was sent: {accounts[0].wrong}")
    return accounts[0].destination, accounts[0].credentials


class Some:
    """A cancel of some RFQs: what is known so far, at whatever point it is interrupted.

    Args:
        destination: where they are.
        credentials: under ccxt's names; None for those from the environment.
        ids: OKX's ids.
        name: the account's name, if it comes from a file.
    """

    def __init__(
        self, destination: Destination, credentials: dict[str, str] | None, ids: list[str], name: str = ""
    ) -> None:
        self._destination = destination
        self._credentials = credentials
        self._ids = ids
        self._whose: dict[str, Any] = {
            "account": name or destination.env,
            **{"environment": destination.env, "host": None, "uid": None, "key": None},
        }
        self._called = False
        self._acted = False  # whether OKX may have canceled some of them, as far as known
        self._wrong = ""
        self._unknown: list[str] = []
        self.facts: dict[str, Any] = {}

    def run(self, deadline: float, *, asks: bool, reads_uid: bool, interrupts: Interrupts) -> None:
        """Cancel, and read the outcome from OKX's list."""
        try:
            with connected(self._destination, deadline=deadline, credentials=self._credentials) as place:
                self._whose |= identity_of(self._destination, place.exchange)
                if asks:
                    host, key = self._whose["host"], self._whose["key"]
                    ask(f"{_counted(self._ids)} of the live account behind key {key} on {host}")
                interrupts.agreed()
                self._judge(self._cancel(place.exchange, deadline))
                interrupts.over()
                if reads_uid:
                    self._whose["uid"] = read_uid(place.exchange)
        except click.ClickException:
            raise
        except BaseException as error:
            self.facts = self.facts or self._failed(error, interrupts.reason)
        self.facts = {**self._whose, **self.facts}

    def unfinished(self, reason: str) -> dict[str, Any]:
        """Return the facts of a cancel that hangs and cannot be waited for."""
        return {**self._whose, **(self.facts or self._failed(KeyboardInterrupt(), reason))}

    def words(self, facts: dict[str, Any]) -> str:
        """Return a description of what is true now."""
        if facts["left"] is None:
            return f"{plain(str(facts['message']))} {bound()}"
        if facts["left"]:
            why = f" {plain(facts['message'])}" if facts["message"] else ""
            return f"STILL ACTIVE: {len(facts['left'])} of {len(self._ids)}: {named(facts['left'])}.{why} {bound()}"
        if len(self._ids) == 1:
            words = f"{self._ids[0]} is not active{' any more' * (not facts['unknown'])}."
        else:
            words = f"None of these is active any more: {named(self._ids)}."
        if facts["filling"]:
            words += f" Being executed, and no longer possible to cancel: {named(facts['filling'])}."
        if facts["unknown"]:
            words += f" OKX knows no RFQ of this account by {named(facts['unknown'])}: look at `okx-rfq list`."
        return words

    def _cancel(self, exchange: Any, deadline: float) -> list[Any]:
        from okx_rfq_plugin import RetryPolicy, install
        from okx_rfq_plugin.cli.by_name import cancel_named

        self._called = True
        self._acted, self._wrong, took, self._unknown = cancel_named(exchange, self._ids)
        self._called = False
        install(exchange, policy=RetryPolicy(deadline=max(0.0, deadline - took)))
        rfqs: list[Any] = exchange.fetch_open_rfqs()
        return rfqs

    def _judge(self, rfqs: list[Any]) -> None:
        named_ones = [rfq for rfq in rfqs if rfq["id"] in self._ids]
        left = [rfq["id"] for rfq in named_ones if rfq["status"] == "active"]
        self.facts = {
            "status": "failed" if left else "canceled",
            "left": left,
            "filling": [rfq["id"] for rfq in named_ones if rfq["status"] != "active"],
            "unknown": [each for each in self._ids if each in self._unknown],
            "may_be_canceled": False,
            "message": self._wrong or None,
        }

    def _failed(self, error: BaseException, reason: str) -> dict[str, Any]:
        """Return the facts if OKX's list did not show the outcome."""
        facts = facts_of(error, called=self._called, reason=reason)
        if self._acted:
            facts["message"] = f"RFQs MAY STILL BE ACTIVE: {self._wrong or _TAKEN}"
        elif self._wrong:
            facts["message"] = f"NOTHING WAS CANCELED: {self._wrong}"
        facts["may_be_canceled"] = self._acted or (not self._wrong and facts["may_be_canceled"])
        return {**facts, "left": None}


def _counted(ids: list[str]) -> str:
    return f"RFQ {ids[0]}" if len(ids) == 1 else f"{len(ids)} RFQs ({named(ids)})"
