"""What one who halts the fleet has to do: when to cancel, what is certain, what is still waited for."""

from __future__ import annotations

from okx_rfq_plugin.fleet.clocks import Reading
from okx_rfq_plugin.fleet.plan import Plan
from okx_rfq_plugin.fleet.records import CERTAIN, Latch, Member, View
from okx_rfq_plugin.fleet.sight import Sight

LEAST_LEASE = 3.0  # seconds: the lease assumed of members that the store has lost and nobody has seen


class Halting:
    """The decisions of one halt, without clock, store or network.

    Cancels at once, and again when every member obeys the latch or has lapsed, 2 s after that and 31 s after that. A
    lease is renewed only by an answer that carries the latch: so a member that was never seen, because the store has
    lost it, obeys one lease after the latch was set, and the last cancel comes 31 s after that at the earliest.

    Args:
        accounts: those to cancel for.
        wait: whether the cancel after 31 s is wanted.
        patience: seconds to wait for members and the store, before going on in uncertainty.
    """

    def __init__(self, accounts: frozenset[str], now: Reading, *, wait: bool = True, patience: float = 15.0) -> None:
        self.accounts = accounts
        self.latch: Latch | None = None
        self.resumed: Latch | None = None  # set by someone else since: the fleet is not halted any more
        self.certain = False  # every member obeys or has lapsed
        self.gave_up = False
        self._confirmed = False  # the latch was seen after the last cancel
        self._finished: Reading | None = None  # when it was looked for first
        self.sight = Sight()
        self.plans = {account: Plan(now, last=False) for account in accounts}
        self.waits = wait
        self._patience, self._settled = patience, now
        self._begun = self._placed = now

    def placed(self, latch: Latch, now: Reading) -> None:
        """Take in that the store holds the latch."""
        self.latch, self._placed = latch, now

    def look(self, view: View | None, now: Reading) -> bool:
        """Take in a look at the store; return whether the latch is to be set, or set again."""
        self.sight.look(view, now)
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
            return [seen.member for seen in self.sight.seen.values()]
        lapsed = {seen.member.id for seen in self.sight.lapsed(now)}
        return [
            seen.member
            for seen in self.sight.seen.values()
            if seen.member.id not in lapsed and (seen.beat is None or seen.lost or seen.beat.seen != self.latch.version)
        ]

    def due(self, now: Reading) -> list[str]:
        """Return the accounts to cancel for now, and count their cancels as begun."""
        due = [account for account, plan in self.plans.items() if plan.is_due(now)]
        for account in due:
            self.plans[account].begin(now)
        return due

    def canceled(self, account: str, now: Reading, *, clean: bool) -> None:
        """Take in how a cancel has ended."""
        self.plans[account].end(now, clean=clean)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to be done, well or not."""
        settled = self._confirmed if self.certain else self.gave_up
        return self.resumed is not None or (settled and self._has_canceled)

    @property
    def is_clean(self) -> bool:
        """Whether all of it was clean: nothing is active, and no member can create."""
        return self.certain and self.is_done and self.resumed is None

    @property
    def uncovered(self) -> list[Member]:
        """Members of accounts that are not among those to cancel for."""
        return [seen.member for seen in self.sight.seen.values() if seen.member.account not in self.accounts]

    def certain_in(self, now: Reading) -> float:
        """Return the seconds after which what was signed before every member obeyed cannot come alive any more."""
        longer = max((plan.longer for plan in self.plans.values()), default=0.0)
        return max(0.0, CERTAIN + longer + self.sight.patience - now.least_since(self._settled))

    def left(self, now: Reading) -> float:
        """Return the seconds until the last cancel that is planned; 0 where none is."""
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
        # Where the store has lost its data and its clock went back, members may obey an older latch of a later version.
        return self.floor > stored.version

    @property
    def floor(self) -> int:
        """The greatest version that any member has seen: a latch that is set again must be later."""
        return max((seen.beat.seen for seen in self.sight.seen.values() if seen.beat), default=0)

    @property
    def _has_canceled(self) -> bool:
        return all(plan.is_done for plan in self.plans.values())

    def _confirm(self, view: View | None, now: Reading) -> None:
        # Someone may have resumed while the store did not answer.
        self._finished = self._finished or now
        self._confirmed = view is not None
        if view is None and now.least_since(self._finished) > self._patience:
            self.certain, self.gave_up = False, True

    def _settle(self, now: Reading, *, certain: bool) -> None:
        self.certain, self.gave_up, self._settled = certain, not certain, now
        self._finished = None
        unseen = max(self.sight.patience, LEAST_LEASE * 7 / 6) - now.least_since(self._placed)
        for account, earlier in list(self.plans.items()):
            longer = _longer(self.sight, account)
            plan = Plan(now, longer=longer, last=self.waits, delay=max(0.0, unseen))
            plan.succeed(earlier)
            self.plans[account] = plan


def _longer(sight: Sight, account: str) -> float:
    members = [seen.member for seen in sight.seen.values() if seen.member.account == account]
    return max((member.longer for member in members), default=0.0)
