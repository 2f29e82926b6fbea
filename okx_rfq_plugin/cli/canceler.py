"""What a guard uses to cancel and to check that it could, for one account or for all accounts of a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol

from okx_rfq_plugin._core.endpoints import MAINTENANCE
from okx_rfq_plugin.cli.accounts import Account
from okx_rfq_plugin.cli.destinations import Destination, Place, connected
from okx_rfq_plugin.cli.outcomes import NOT_CANCELED, OK, exit_code, facts_of, sentence, summary
from okx_rfq_plugin.cli.probe import Finding, Probe, announced
from okx_rfq_plugin.credentials import KEYS


class Canceler(Protocol):
    """Cancels, and checks whether a cancel would succeed."""

    def cancel(self, deadline: float) -> dict[str, Any]:
        """Cancel once, with the core's retries. Return the receipt or the facts of the failure, and never raise.

        `sentence` in the result describes what is true.
        """
        ...

    def look(self) -> list[Finding]:
        """Check whether key and network would let a cancel through, and correct the clock."""
        ...


class OneCanceler:
    """Cancels for one account.

    Args:
        destination: the account's destination.
        exchange: an object with the plugin installed; checks use its session, which keeps the connection open.
    """

    def __init__(self, destination: Destination, exchange: Any) -> None:
        self._exchange = exchange
        self._destination = destination
        self._probe: Probe | None = None

    def cancel(self, deadline: float) -> dict[str, Any]:
        """Cancel once."""
        from okx_rfq_plugin import RetryPolicy, install

        facts: dict[str, Any]
        try:
            install(self._exchange, policy=RetryPolicy(deadline=deadline))
            facts = {**self._exchange.cancel_all_rfqs()}
        except Exception as error:
            facts = facts_of(error)
        if facts.get("code") in MAINTENANCE:
            facts["maintenance"] = announced(self._destination)
        return {**facts, "sentence": sentence(facts)}

    def look(self) -> list[Finding]:
        """Check whether a cancel would get through."""
        if self._probe is None:
            credentials = {name: getattr(self._exchange, name) for name in KEYS}
            self._probe = Probe(self._destination, credentials, self._exchange.session)
        findings = [*self._probe.time(), *self._probe.account()]
        (clock,) = [finding for finding in findings if finding.check == "clock"]
        if clock.ok is False:
            self._exchange.options["timeDifference"] = self._probe.exchange.options["timeDifference"]
            corrected = Finding("clock", True, clock.seen, "It is corrected for the cancel.", warning=True)
            findings[findings.index(clock)] = corrected
        return findings


class ManyCanceler:
    """Cancels for the accounts of a file, in parallel."""

    def __init__(self, accounts: Sequence[Account]) -> None:
        self._accounts = accounts

    def cancel(self, deadline: float) -> dict[str, Any]:
        """Cancel once for each account."""
        from okx_rfq_plugin.cli.many import cancel_accounts

        outcomes: dict[str, dict[str, Any]] = {}

        def told(account: Account, facts: dict[str, Any]) -> None:
            outcomes[account.name] = facts

        try:
            cancel_accounts(self._accounts, deadline=deadline, told=told)
        except Exception as error:
            outcomes = {account.name: facts_of(error) for account in self._accounts} | outcomes
        codes = {exit_code(facts) for facts in outcomes.values()}
        together: dict[str, Any] = {
            "sentence": summary(outcomes),
            "code": None,
            "may_be_canceled": codes != {NOT_CANCELED},
        }
        if codes == {OK}:
            found = any(facts["status"] == "canceled" for facts in outcomes.values())
            return {**together, "status": "canceled" if found else "nothing_active"}
        failed = [facts for facts in outcomes.values() if exit_code(facts) != OK]
        if all(facts["code"] is not None or facts["error"] is None for facts in failed):
            together["code"] = failed[0]["code"] or "incomplete"  # an error that retries cannot fix
        return {**together, "status": "failed", "error": failed[0]["error"], "message": together["sentence"]}

    def look(self) -> list[Finding]:
        """Check each account."""
        from okx_rfq_plugin.cli.check import account_findings

        findings = []
        for account in self._accounts:
            if account.wrong:
                findings.append(Finding(account.name, False, account.wrong, "Complete it."))
                continue
            for each in account_findings(account.destination, account.credentials, many=True):
                findings.append(each._replace(check=f"[{account.name}] {each.check}"))
        return findings


@contextmanager
def canceler_for(
    destination: Destination | None, accounts: Sequence[Account] | None, *, deadline: float
) -> Iterator[tuple[Canceler, Place | None]]:
    """Yield what cancels for a destination or for accounts, and the exchange object if there is one.

    Raises:
        click.UsageError: if there are no keys.
        NothingSentError: if nothing can be sent from here.
    """
    if accounts is not None:
        yield ManyCanceler(accounts), None
        return
    assert destination is not None  # noqa: S101 - one of the two is given
    with connected(destination, deadline=deadline) as place:
        where = destination
        if place.sandbox is not None:
            where = replace(destination, url=place.sandbox.url)
        yield OneCanceler(where, place.exchange), place
