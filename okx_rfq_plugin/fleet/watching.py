"""Decisions of a watcher: for which accounts to cancel and when, which members to forget, what to report."""

from __future__ import annotations

from dataclasses import dataclass

from okx_rfq_plugin.fleet.clocks import Reading
from okx_rfq_plugin.fleet.detector import FailureDetector, Observed
from okx_rfq_plugin.fleet.plan import Plan
from okx_rfq_plugin.fleet.records import OKX_WINDOW, Beat, Member, View

ALARM, CANCEL = "alarm", "cancel"  # what to do when the store is lost


@dataclass(frozen=True)
class Event:
    """Something to report."""

    kind: str  # lapsed, uncovered, back, blind, sight, canceled, failed, finished or forgotten
    account: str | None = None
    member: Member | None = None
    words: str = ""


class Watch:
    """The decisions of one watcher, without clock, store or network.

    Args:
        accounts: the accounts it has keys for.
        on_blind: ALARM or CANCEL.
        blind_after: seconds.
    """

    def __init__(self, accounts: frozenset[str], *, on_blind: str = ALARM, blind_after: float = 15.0) -> None:
        self.accounts = accounts
        self.detector = FailureDetector()
        self.plans: dict[str, Plan] = {}
        self.owed: dict[str, list[Member]] = {}  # by account, the members that its plan covers
        self.uncovered: dict[str, Member] = {}  # lapsed members of accounts without a key here
        self.is_blind = False
        self._on_blind, self._blind_after = on_blind, blind_after
        self._lapses: dict[str, Beat | None] = {}  # by id, the last heartbeat of each lapsed member

    def look(self, view: View | None, now: Reading) -> list[Event]:
        """Process a view of the store, and return the resulting events."""
        self.detector.look(view, now)
        events = self._returned()
        for seen in self.detector.lapsed(now):
            if seen.member.id not in self._lapses:
                events.append(self._lapse(seen, now))
        return events + self._blindness(now)

    def due(self, now: Reading) -> list[str]:
        """Return the accounts to cancel for now, and mark their cancels as begun."""
        due = [account for account, plan in self.plans.items() if plan.is_due(now)]
        for account in due:
            self.plans[account].begin(now)
        return due

    def canceled(self, account: str, now: Reading, *, clean: bool, words: str = "") -> list[Event]:
        """Record the outcome of a cancel. `finished` events name the members that the store may forget."""
        plan = self.plans[account]
        plan.end(now, clean=clean)
        events = [Event("canceled" if clean else "failed", account, words=words)]
        if plan.is_done:
            del self.plans[account]
            members = self.owed.pop(account, [])
            events += [Event("finished", account, member) for member in members] or [Event("finished", account)]
        return events

    def forgotten(self, member: Member) -> Event:
        """Record that the store has forgotten a member."""
        self.detector.forget(member.id)
        self._lapses.pop(member.id, None)
        return Event("forgotten", member.account, member)

    def _lapse(self, seen: Observed, now: Reading) -> Event:
        member = seen.member
        self._lapses[member.id] = seen.beat
        if member.account not in self.accounts:
            self.uncovered[member.id] = member
            return Event("uncovered", member.account, member)
        self._plan(member.account, now, member.longer)
        self.owed.setdefault(member.account, []).append(member)
        return Event("lapsed", member.account, member)

    def _plan(self, account: str, now: Reading, longer: float) -> None:
        # A lapse has its own steps. It does not postpone those still due for an earlier one.
        earlier = self.plans.get(account)
        plan = self.plans[account] = Plan(now, longer=longer)
        if earlier is not None:
            plan.succeed(earlier)

    def _returned(self) -> list[Event]:
        events = []
        for member_id, beat in list(self._lapses.items()):
            seen = self.detector.seen.get(member_id)
            if seen is None or seen.beat != beat:
                del self._lapses[member_id]
                self.uncovered.pop(member_id, None)
                if seen is not None:
                    events.append(Event("back", seen.member.account, seen.member))
        return events

    def _blindness(self, now: Reading) -> list[Event]:
        dark, unclear = self.detector.dark_for(now), self.detector.unclear_for(now)
        blind = dark > self._blind_after or unclear > self._blind_after + self.detector.patience
        if blind == self.is_blind:
            return []
        self.is_blind = blind
        if not blind:
            return [Event("sight")]
        if self._on_blind == CANCEL:
            for account in sorted(self.accounts):
                self._plan(account, now, OKX_WINDOW)
        return [Event("blind")]
