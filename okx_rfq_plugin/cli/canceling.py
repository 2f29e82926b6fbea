"""Runs `cancel-all` for one account or for many, and reports the outcome."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import click

from okx_rfq_plugin._core.endpoints import MAINTENANCE
from okx_rfq_plugin.cli.accounts import Account
from okx_rfq_plugin.cli.clock import pause
from okx_rfq_plugin.cli.destinations import Destination, Place, connected
from okx_rfq_plugin.cli.identity import canceled_in, identity_of, list_request, needs_list, read_uid, until_list
from okx_rfq_plugin.cli.interrupts import Interrupts, Say
from okx_rfq_plugin.cli.maintenance import notice_in, status_request
from okx_rfq_plugin.cli.outcomes import OK, exit_code, facts_of, sentence, summary
from okx_rfq_plugin.cli.question import DeclinedError, ask
from okx_rfq_plugin.cli.terminal import (
    Aside,
    attempts_shown,
    last_words,
    now,
    once_done,
    progress,
    say,
    say_if_heard,
    say_json,
    show_book,
    show_outcomes,
    tell,
    unread,
)

# Retries do not help: OKX has refused the key or the account.
_FINAL = ("AuthenticationError", "PermissionDenied", "AccountSuspended", "NotSupported", "BadRequest", None)
_AGAIN = 2.0  # seconds before the cancel starts again (--until-clear)
_ASIDE = 1.0  # seconds for each optional piece of information


@dataclass(frozen=True)
class Options:
    """The options of `cancel-all` except the destination. Times are in seconds, or None."""

    deadline: float
    timeout: float | None
    confirm: bool
    until_clear: bool
    quotes: bool
    quotes_after: int | None
    as_json: bool
    quiet: bool
    verbose: bool


def worst(facts: dict[str, Any]) -> int:
    """Return an account's exit code, for its RFQs and, if they were to be canceled too, its quotes."""
    return max(exit_code(each) for each in (facts, facts.get("quotes"), facts.get("quotes_after")) if each)


class One:
    """A cancel of one account: what is known so far, at whatever point it is interrupted."""

    def __init__(self, destination: Destination, options: Options) -> None:
        self._destination = destination
        self._options = options
        self._called = False
        self._identity: dict[str, Any] = {"environment": destination.env, "host": None, "uid": None, "key": None}
        self.facts: dict[str, Any] = {}

    def run(self, *, asks: bool, interrupts: Interrupts) -> None:
        """Cancel, and store the facts of the receipt or of the failure."""
        options = self._options
        try:
            with connected(self._destination, deadline=options.deadline) as place:
                self._identity |= identity_of(self._destination, place.exchange)
                if asks:
                    ask(self._described(place.exchange), partial(_count, self._destination))
                interrupts.agreed()
                self._show(place, "Before")
                self._cancel(place.exchange, interrupts)
                self._show(place, "After")
        except click.ClickException:
            raise
        except BaseException as error:
            self._fail(error, interrupts)
        finally:
            self.facts = {"account": self._destination.env, **self._identity, **self.facts}

    def unfinished(self, reason: str) -> dict[str, Any]:
        """Return the facts of a cancel that hangs and cannot be waited for."""
        facts = self.facts or facts_of(KeyboardInterrupt(), called=self._called, reason=reason)
        return {"account": self._destination.env, **self._identity, **facts}

    def _cancel(self, exchange: Any, interrupts: Interrupts) -> None:
        options = self._options
        while True:
            with attempts_shown(quiet=options.quiet, verbose=options.verbose):
                self._called = True
                try:
                    self.facts = {**exchange.cancel_all_rfqs(confirm=options.confirm)}
                except BaseException as error:
                    self._fail(error, interrupts)
            if not options.until_clear or self.facts["status"] != "failed" or interrupts.reason:
                break
            if self.facts["error"] in _FINAL and not self.facts["may_be_canceled"]:
                break
            if not options.quiet:
                say_if_heard(f"{now()} {sentence(self.facts)} Starting again (--until-clear).")
            pause(_AGAIN)
        if interrupts.reason:
            return
        if options.quotes:
            self._end("quotes", exchange.cancel_all_quotes, interrupts)
        if options.quotes_after is not None:
            self._end("quotes_after", partial(exchange.cancel_all_quotes_after, options.quotes_after), interrupts)
        with suppress(Exception, KeyboardInterrupt):
            self._read_details(exchange)

    def _end(self, name: str, call: Callable[[], Any], interrupts: Interrupts) -> None:
        self.facts[name] = facts_of(KeyboardInterrupt(), called=False)
        try:
            self.facts[name] = {"status": "set", **call()}
        except BaseException as error:
            self.facts[name] = facts_of(error, reason=interrupts.reason)

    def _read_details(self, exchange: Any) -> None:
        """Read which RFQs were canceled, and whose they were. What cannot be read in a moment stays unknown."""
        facts, exchange.timeout = self.facts, int(_ASIDE * 1000)
        exchange.enableRateLimit = False
        if self._options.as_json:
            self._identity["uid"] = read_uid(exchange)
        if facts["status"] == "failed":
            if facts["code"] in MAINTENANCE:
                reply = exchange.public_get_system_status(status_request())
                if notice := notice_in(reply, self._destination.env):
                    facts["maintenance"] = notice
            return
        facts["canceled"] = None if needs_list(facts) or not facts.get("confirmed") else []
        if needs_list(facts):
            if not self._options.quiet:
                tell(f"{now()} Canceled, as OKX says. Reading which RFQs they were.")
            pause(until_list(exchange))
            facts["canceled"] = canceled_in(exchange.private_get_rfq_rfqs(list_request()), facts, exchange.nonce())

    def _fail(self, error: BaseException, interrupts: Interrupts) -> None:
        if not self.facts or self.facts["status"] == "failed":
            reason = "" if isinstance(error, DeclinedError) else interrupts.reason
            self.facts = facts_of(error, called=self._called, reason=reason)

    def _described(self, exchange: Any) -> str:
        return f"ALL RFQs of the live account behind key {self._identity['key']} on {exchange.hostname} ({exchange.id})"

    def _show(self, place: Place, title: str) -> None:
        if place.sandbox is None or self._options.as_json:
            return
        with unread():
            if title == "Before":
                say(f"Sandbox on {place.sandbox.url}, a local double: OKX itself is not asked.")
            show_book(title, place.sandbox.rfqs())


def cancel_one(destination: Destination, options: Options, *, asks: bool) -> int:
    """Cancel for one account, print the outcome, and return the exit code."""
    one = One(destination, options)

    def force(reason: str) -> tuple[int, Say]:
        facts = one.unfinished(reason)
        return worst(facts), lambda: last_words(sentence(facts), [facts] if options.as_json else [])

    with Interrupts(options.timeout, force) as interrupts:
        one.run(asks=asks, interrupts=interrupts)
        interrupts.over()
        with once_done():
            if options.as_json:
                say_json(one.facts)
            else:
                _say_outcome(one.facts)
        return worst(one.facts)


def _whose(facts: dict[str, Any]) -> str:
    """Return a description of the account, if the cancel got far enough to know it."""
    if not facts["host"]:
        return ""
    return f" Account: {facts['environment']} on {facts['host']}, key {facts['key']}."


def _say_outcome(facts: dict[str, Any]) -> None:
    for name, things in (("quotes", "quote"), ("quotes_after", "quote")):
        if name in facts:
            ok = exit_code(facts[name]) == OK
            words = sentence(facts[name], things) if facts[name]["status"] != "set" else _countdown(facts[name])
            say(f"Quotes: {words}", good=ok, err=not ok)
    ok = exit_code(facts) == OK
    say(f"{sentence(facts)}{_whose(facts)}", good=ok, err=not ok)


def _countdown(facts: dict[str, Any]) -> str:
    at = facts.get("datetime") or facts.get("triggerDatetime")
    return "OKX's countdown is set" + (f" as of {at}." if at else ".")


def cancel_many(accounts: list[Account], options: Options, *, asks: bool) -> int:
    """Cancel for many accounts, print the outcomes, and return the highest exit code."""
    outcomes: dict[str, dict[str, Any]] = {}
    by_name = {each.name: each for each in accounts}
    shown: dict[str, str] = {}  # which thread prints an account's object: the first to ask
    called = False

    def missing(reason: str, error: BaseException) -> dict[str, dict[str, Any]]:
        left = [account for account in accounts if account.name not in outcomes]
        return {each.name: facts_of(error, called=called and not each.wrong, reason=reason) for each in left}

    def force(reason: str) -> tuple[int, Say]:
        never = missing(reason, KeyboardInterrupt())
        facts = {**never, **outcomes}
        return max(map(worst, facts.values())), partial(last, facts)

    def last(facts: dict[str, dict[str, Any]]) -> None:
        say_if_heard(summary(facts))
        for name, each in facts.items():
            show(by_name[name], each, "watcher")
        aside.flush()

    def show(account: Account, facts: dict[str, Any], who: str) -> None:
        if options.as_json and shown.setdefault(account.name, who) == who:
            known = {"environment": account.destination.env, "host": None, "uid": None, "key": None}
            aside.say({"account": account.name, **known, **facts})

    title = "Canceling"
    with (
        Interrupts(options.timeout, force) as interrupts,
        Aside() as aside,
        progress(title, len(accounts), quiet=options.as_json or options.quiet) as step,
    ):

        def told(account: Account, facts: dict[str, Any]) -> None:
            outcomes[account.name] = facts
            show(account, facts, "main")
            step()

        try:
            from okx_rfq_plugin.cli.many import cancel_accounts

            if asks:
                _ask_about(accounts)
            interrupts.agreed()
            called = True
            with attempts_shown(quiet=not options.verbose, verbose=options.verbose):
                left = accounts
                while True:
                    cancel_accounts(
                        left,
                        deadline=options.deadline,
                        confirm=options.confirm,
                        quotes=options.quotes,
                        quotes_after=options.quotes_after,
                        details=True,
                        told=told,
                        interrupts=interrupts,
                    )
                    left = [each for each in accounts if _again(outcomes.get(each.name), options)]
                    if not left or interrupts.reason:
                        break
                    for each in left:
                        shown.pop(each.name, None)
                    pause(_AGAIN)
                    if interrupts.reason:
                        break
        except BaseException as error:
            declined = isinstance(error, DeclinedError)
            for name, facts in missing("" if declined else interrupts.reason, error).items():
                told(by_name[name], facts)
            if declined and not options.as_json:
                with once_done():
                    say(sentence(next(iter(outcomes.values()))), good=False, err=True)
                return max(map(worst, outcomes.values()))
        interrupts.over()
    code = max(map(worst, outcomes.values()))
    if not options.as_json:
        with once_done():
            show_outcomes(outcomes)
            say(summary(outcomes), good=code == OK, err=code != OK)
    return code


def _again(facts: dict[str, Any] | None, options: Options) -> bool:
    if facts is None or not options.until_clear or facts["status"] != "failed":
        return False
    return facts["may_be_canceled"] or facts["error"] not in _FINAL


def _ask_about(accounts: list[Account]) -> None:
    from okx_rfq_plugin.cli.many import count_rfqs

    live = [account for account in accounts if account.destination.env == "live" and not account.wrong]
    names = ", ".join(account.name for account in live)
    ask(f"ALL RFQs of {len(live)} live accounts: {names}", partial(count_rfqs, live))


def _count(destination: Destination) -> int:
    # With a separate object, because ccxt's are not thread-safe.
    with connected(destination, deadline=0.0) as place:  # only once: an answer after the question is no help
        return sum(rfq["status"] == "active" for rfq in place.exchange.fetch_open_rfqs())
