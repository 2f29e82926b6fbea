"""Which members are alive, as one who looks at the store again and again can tell."""

from __future__ import annotations

from dataclasses import dataclass

from okx_rfq_plugin.fleet.clocks import Reading
from okx_rfq_plugin.fleet.records import Beat, Member, View

LONGEST_GAP = 1.0  # seconds between two looks, beyond which what happened in between is not known


@dataclass
class Seen:
    """A member, its last heartbeat, and since when it was looked at without a break and there was no newer one."""

    member: Member
    beat: Beat | None
    since: Reading
    lost: bool = False  # the store has forgotten it, which is not its doing

    def has_lapsed(self, now: Reading) -> bool:
        """Whether its lease has lapsed for certain."""
        return now.least_since(self.since) > self.member.patience


class Sight:
    """Members as seen from here, by the clock of here alone: that of no other host, nor the store's, counts.

    A member has lapsed when it was seen without a renewal for longer than its lease, without a break. A store that does
    not answer, answers late, was restarted, emptied or failed over breaks the sight, as a pause of this machine does:
    then each member has its whole lease again to show itself.
    """

    def __init__(self) -> None:
        self.seen: dict[str, Seen] = {}
        self.epoch: str | None = None
        self._looked: Reading | None = None  # last successful look
        self._unbroken: Reading | None = None  # first look since the last break
        self._begun: Reading | None = None
        self._clear: Reading | None = None  # last look that could have shown a lapse

    def look(self, view: View | None, now: Reading) -> None:
        """Take in what a look has shown; None where the store did not answer in time."""
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
                    del self.seen[member_id]  # it has signed off, or a watcher has done all for it
                else:
                    seen.lost = True
                    seen.since = now if broken else seen.since
        for member_id, beat in view.beats.items():
            self._see(member_id, beat, view.members.get(member_id), now, broken=broken)
        self.epoch, self._looked = view.epoch, now
        if self.unbroken_for(now) >= self.patience:
            self._clear = now

    def lapsed(self, now: Reading) -> list[Seen]:
        """Return the members whose lease has lapsed for certain."""
        return [seen for seen in self.seen.values() if self._unbroken is not None and seen.has_lapsed(now)]

    def unbroken_for(self, now: Reading) -> float:
        """Return the seconds of sight without a break, 0 while the store does not answer."""
        return 0.0 if self._unbroken is None else now.least_since(self._unbroken)

    def dark_for(self, now: Reading) -> float:
        """Return the seconds since the store answered."""
        return self._since(self._looked, now)

    def unclear_for(self, now: Reading) -> float:
        """Return the seconds since this saw well enough to notice a lapse."""
        return self._since(self._clear, now)

    @property
    def patience(self) -> float:
        """The longest time, in seconds, that any member has to show itself."""
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
                self.seen[member_id] = Seen(member, beat, now)
            return
        seen.lost = False
        # An expired key is no news; its member's last heartbeat stays what it was.
        if broken or (beat is not None and beat != seen.beat):
            seen.since = now
        seen.beat = beat or seen.beat
        seen.member = member or seen.member

    def forget(self, member_id: str) -> None:
        """Look at a member no longer."""
        self.seen.pop(member_id, None)
