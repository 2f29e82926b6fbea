"""Failure detector: which members are alive, judged by polling the store."""

from __future__ import annotations

from dataclasses import dataclass

from okx_rfq_plugin.fleet.clocks import Reading
from okx_rfq_plugin.fleet.records import Beat, Member, View

LONGEST_GAP = 1.0  # seconds between two looks, beyond which the time in between counts as unobserved


@dataclass
class Observed:
    """A member, its last heartbeat, and since when it has been observed continuously without a newer one."""

    member: Member
    beat: Beat | None
    since: Reading
    lost: bool = False  # the store has forgotten it, through no fault of the member

    def has_lapsed(self, now: Reading) -> bool:
        """Return whether its lease has certainly lapsed."""
        return now.least_since(self.since) > self.member.patience


class FailureDetector:
    """Members as observed from this machine, by its clock alone. The clocks of other hosts and the store do not count.

    A member has lapsed if it was observed continuously for longer than its lease without a renewal. Observation is
    interrupted when the store does not answer, answers late, or was restarted, emptied or failed over, and by a pause
    of this machine. After that, each member again has its whole lease to renew.
    """

    def __init__(self) -> None:
        self.seen: dict[str, Observed] = {}
        self.epoch: str | None = None
        self._looked: Reading | None = None  # last successful look
        self._unbroken: Reading | None = None  # first look since the last interruption
        self._begun: Reading | None = None
        self._clear: Reading | None = None  # last look that could have shown a lapse

    def look(self, view: View | None, now: Reading) -> None:
        """Process a view of the store, or None if the store did not answer in time."""
        self._begun = self._begun or now
        if view is None:
            self._unbroken = None
            return
        broken = self._unbroken is None or view.epoch != self.epoch or self._gap(now) > LONGEST_GAP
        if broken:
            self._unbroken = now
        for member_id, seen in list(self.seen.items()):
            if member_id not in view.beats:
                if view.epoch == self.epoch and not seen.lost:
                    del self.seen[member_id]  # it has signed off, or a watcher has finished with it
                else:
                    seen.lost = True
                    seen.since = now if broken else seen.since
        for member_id, beat in view.beats.items():
            self._see(member_id, beat, view.members.get(member_id), now, broken=broken)
        self.epoch, self._looked = view.epoch, now
        if self.unbroken_for(now) >= self.patience:
            self._clear = now

    def lapsed(self, now: Reading) -> list[Observed]:
        """Return the members whose lease has certainly lapsed."""
        return [seen for seen in self.seen.values() if self._unbroken is not None and seen.has_lapsed(now)]

    def unbroken_for(self, now: Reading) -> float:
        """Return the seconds of uninterrupted observation, 0 while the store does not answer."""
        return 0.0 if self._unbroken is None else now.least_since(self._unbroken)

    def dark_for(self, now: Reading) -> float:
        """Return the seconds since the store last answered."""
        return self._since(self._looked, now)

    def unclear_for(self, now: Reading) -> float:
        """Return the seconds since a look could last have shown a lapse."""
        return self._since(self._clear, now)

    @property
    def patience(self) -> float:
        """The longest time, in seconds, that any member has to renew."""
        return max((seen.member.patience for seen in self.seen.values()), default=0.0)

    def _since(self, moment: Reading | None, now: Reading) -> float:
        moment = moment or self._begun
        return 0.0 if moment is None else now.least_since(moment)

    def _gap(self, now: Reading) -> float:
        return 0.0 if self._looked is None else now.most_since(self._looked)

    def _see(self, member_id: str, beat: Beat | None, member: Member | None, now: Reading, *, broken: bool) -> None:
        seen = self.seen.get(member_id)
        if seen is None:
            if member is not None:
                self.seen[member_id] = Observed(member, beat, now)
            return
        seen.lost = False
        # An expired key is not a newer heartbeat; the last one stays.
        if broken or (beat is not None and beat != seen.beat):
            seen.since = now
        seen.beat = beat or seen.beat
        seen.member = member or seen.member

    def forget(self, member_id: str) -> None:
        """Stop observing a member."""
        self.seen.pop(member_id, None)
