"""Decisions of a halt: when to cancel, what is certain, which members are still waited for."""

from __future__ import annotations

from okx_rfq_plugin.fleet.clocks import Reading
from okx_rfq_plugin.fleet.detector import FailureDetector
from okx_rfq_plugin.fleet.plan import Plan
from okx_rfq_plugin.fleet.records import CERTAIN, Latch, Member, View

LEAST_LEASE = 3.0  # seconds: the lease assumed for members that the store has lost and that were never seen


class Halting:
    """The decisions of one halt, without clock, store or network.

    Cancels immediately, again when every member obeys the latch or has lapsed, and then 2 s and 31 s later. A lease is
    renewed only by an answer that carries the latch. So a member that was never seen, because the store has lost it,
    obeys one lease after the latch was set at the latest, and the last cancel comes at least 31 s after that.

    Args:
        accounts: the accounts to cancel for.
        wait: whether to make the cancel after 31 s.
        patience: seconds to wait for members and the store before continuing without certainty.
    """

    def __init__(self, accounts: frozenset[str], now: Reading, *, wait: bool = True, patience: float = 15.0) -> None:
        self.accounts = accounts
        self.latch: Latch | None = None
        self.resumed: Latch | None = None  # set by someone else since; the fleet is no longer halted
        self.certain = False  # every member obeys or has lapsed
        self.gave_up = False
        self._confirmed = False  # the latch was seen after the last cancel
        self._finished: Reading | None = None  # when this was first checked
        self.detector = FailureDetector()
        self.plans = {account: Plan(now, last=False) for account in accounts}
        self.waits = wait
        self._patience, self._settled = patience, now
        self._begun = self._placed = now

    def placed(self, latch: Latch, now: Reading) -> None:
        """Record that the store holds the latch."""
        self.latch, self._placed = latch, now

    def look(self, view: View | None, now: Reading) -> bool:
        """Process a view of the store. Return whether the latch must be set, or set again."""
        self.detector.look(view, now)
        missing = self.latch is None or (view is not None and self._is_missing(view.latch, self.latch))
        self.certain = self.certain and not missing
        if self.resumed is not None:
            return False
        if not missing and view is not None and not self.certain and not self.waiting(now):
            self._settle(now, certain=True)
        elif not self.certain and not self.gave_up and now.least_since(self._begun) > self._patience:
            self._settle(now, certain=False)
        elif self.certain and self._has_canceled:
            self._confirm(view, now)
        return missing

    def waiting(self, now: Reading) -> list[Member]:
        """Return the members that may still create, as far as the store knows."""
        if self.latch is None:
            return [seen.member for seen in self.detector.seen.values()]
        lapsed = {seen.member.id for seen in self.detector.lapsed(now)}
        return [
            seen.member
            for seen in self.detector.seen.values()
            if seen.member.id not in lapsed and (seen.beat is None or seen.lost or seen.beat.seen != self.latch.version)
        ]

    def due(self, now: Reading) -> list[str]:
        """Return the accounts to cancel for now, and mark their cancels as begun."""
        due = [account for account, plan in self.plans.items() if plan.is_due(now)]
        for account in due:
            self.plans[account].begin(now)
        return due

    def canceled(self, account: str, now: Reading, *, clean: bool) -> None:
        """Record the outcome of a cancel."""
        self.plans[account].end(now, clean=clean)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do, successfully or not."""
        settled = self._confirmed if self.certain else self.gave_up
        return self.resumed is not None or (settled and self._has_canceled)

    @property
    def is_clean(self) -> bool:
        """Whether everything was clean: nothing is active, and no member can create."""
        return self.certain and self.is_done and self.resumed is None

    @property
    def uncovered(self) -> list[Member]:
        """Members whose accounts are not among those to cancel for."""
        return [seen.member for seen in self.detector.seen.values() if seen.member.account not in self.accounts]

    def certain_in(self, now: Reading) -> float:
        """Return the seconds until nothing signed before every member obeyed can become active any more."""
        longer = max((plan.longer for plan in self.plans.values()), default=0.0)
        return max(0.0, CERTAIN + longer + self.detector.patience - now.least_since(self._settled))

    def left(self, now: Reading) -> float:
        """Return the seconds until the last planned cancel, 0 if there is none."""
        ends = [plan.steps[-1] - now.least_since(plan.since) for plan in self.plans.values() if plan.steps]
        return max(0.0, *ends) if ends else 0.0

    def _is_missing(self, stored: Latch | None, own: Latch) -> bool:
        if stored is None or stored.version < own.version:
            return True
        if stored.version > own.version:
            if not stored.halted:
                self.resumed = stored
                return False
            self.latch = stored
        # If the store has lost its data and its clock went back, members may obey an older latch with a later version.
        return self.floor > stored.version

    @property
    def floor(self) -> int:
        """The greatest latch version that any member has seen. A latch set again must exceed it."""
        return max((seen.beat.seen for seen in self.detector.seen.values() if seen.beat), default=0)

    @property
    def _has_canceled(self) -> bool:
        return all(plan.is_done for plan in self.plans.values())

    def _confirm(self, view: View | None, now: Reading) -> None:
        # The fleet may have been resumed while the store did not answer.
        self._finished = self._finished or now
        self._confirmed = view is not None
        if view is None and now.least_since(self._finished) > self._patience:
            self.certain, self.gave_up = False, True

    def _settle(self, now: Reading, *, certain: bool) -> None:
        self.certain, self.gave_up, self._settled = certain, not certain, now
        self._finished = None
        unseen = max(self.detector.patience, LEAST_LEASE * 7 / 6) - now.least_since(self._placed)
        for account, earlier in list(self.plans.items()):
            longer = _longer(self.detector, account)
            plan = Plan(now, longer=longer, last=self.waits, delay=max(0.0, unseen))
            plan.succeed(earlier)
            self.plans[account] = plan


def _longer(detector: FailureDetector, account: str) -> float:
    members = [seen.member for seen in detector.seen.values() if seen.member.account == account]
    return max((member.longer for member in members), default=0.0)
