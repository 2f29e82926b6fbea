"""A desk on virtual time: hosts with clocks of their own, a store that fails, OKX with its 30 s window."""

from __future__ import annotations

import copy
import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, cycle

from okx_rfq_plugin.fleet.clocks import Reading
from okx_rfq_plugin.fleet.fence import Fence
from okx_rfq_plugin.fleet.halting import Halting
from okx_rfq_plugin.fleet.records import OKX_WINDOW, Beat, Latch, Member, View, newest
from okx_rfq_plugin.fleet.watching import Event, Watch

TICK = 0.25  # seconds
LEASE = 3.0

_Image = tuple[dict[str, Member], dict[str, tuple[Beat, float]], Latch | None]


class ModelStore:
    """What Redis does for the fleet, on virtual time."""

    def __init__(self) -> None:
        self.now = 0.0  # by its own clock
        self.up = True
        self._epochs = count(1)
        self.empty()

    def empty(self) -> None:
        """Lose everything, as FLUSHALL and a restart without a disk do."""
        self.epoch = str(next(self._epochs))
        self.members: dict[str, Member] = {}
        self.beats: dict[str, tuple[Beat, float]] = {}
        self.latch: Latch | None = None

    def image(self) -> _Image:
        """What a replica or a disk holds now."""
        return copy.copy(self.members), copy.copy(self.beats), self.latch

    def fall_back(self, image: _Image) -> None:
        """Go on from an image, as a replica does that takes over, and a restart from a disk."""
        self.epoch = str(next(self._epochs))
        members, beats, self.latch = image
        self.members, self.beats = dict(members), dict(beats)

    def renew(self, member: Member, beat: Beat) -> Latch | None:
        """See `Store.renew`."""
        self.members[member.id] = member
        self.beats[member.id] = beat, self.now + member.patience
        return self.latch

    def look(self) -> View:
        """See `Store.look`."""
        beats = {member_id: self._beat(member_id) for member_id in self.members}
        return View(self.epoch, self.latch, beats, dict(self.members))

    def set_latch(self, *, halted: bool, floor: int) -> Latch:
        """See `Store.set_latch`."""
        before = 0 if self.latch is None else self.latch.version
        version = max(int(self.now * 1_000_000), before + 1, floor + 1)
        self.latch = Latch(version, halted, "reason", "someone", self.now)
        return self.latch

    def put_back(self, latch: Latch) -> None:
        """See `Store.put_back`."""
        self.latch = newest(latch, self.latch)

    def forget(self, member_id: str) -> bool:
        """See `Store.forget`."""
        if self._beat(member_id) is not None:
            return False
        return self.members.pop(member_id, None) is not None

    def _beat(self, member_id: str) -> Beat | None:
        beat, expires = self.beats.get(member_id, (None, 0.0))
        return beat if self.now < expires else None


@dataclass
class Rfq:
    """A create, from its signature on."""

    host: Host
    signed: float  # true time
    dated: float  # as OKX reads the signature
    delay: float
    state: str = "signed"  # then sent, active, canceled, refused
    sent: float = 0.0

    def may_come_alive(self, now: float) -> bool:
        """Whether it is active, or OKX would still take it."""
        return self.state == "active" or (self.state == "sent" and now - self.dated <= OKX_WINDOW)


@dataclass
class Renewal:
    """A renewal on its way."""

    sent: Reading
    sent_at: float  # true time, which the host does not know
    beat: Beat
    reaches: float
    answered: float
    latch: Latch | None = None
    executed: bool = False


@dataclass(eq=False)
class Host:
    """A machine with one member."""

    number: int
    account: str
    ahead: float = 0.0
    state: str = "running"  # stopped, suspended, paused, dead
    connected: bool = True
    latency: float = 0.0
    mono: float = 1000.0
    boot: float = 5000.0
    wall: float = 0.0
    fence: Fence = field(default_factory=lambda: Fence(LEASE))
    renewal: Renewal | None = None
    stray: list[Renewal] = field(default_factory=list)
    signed: list[Rfq] = field(default_factory=list)  # and not sent yet
    due: float = 0.0
    renewed_at: float = -1e9  # true time at which the last renewal that succeeded was sent
    beats: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.member = Member(f"m{self.number}", f"m{self.number}", "host", 1, self.account, LEASE, 0.0, self.ahead)

    def clock(self) -> Reading:
        return Reading(self.mono, self.boot, self.wall)

    def pass_time(self, seconds: float) -> None:
        """Let the clocks go on that go on in this state; the wall clock is right again when a pause is over."""
        if self.state not in ("suspended", "paused"):
            self.mono += seconds
        if self.state != "paused":
            self.boot += seconds
            self.wall += seconds


class World:
    """All of it; `tick` lets a quarter of a second pass, and checks what is promised at every step."""

    def __init__(self, *, on_blind: str = "alarm", watchers: int = 1) -> None:
        self.now = 0.0
        self.store = ModelStore()
        self.hosts: list[Host] = []
        self.rfqs: list[Rfq] = []
        self._on_the_way: list[tuple[float, int, Rfq]] = []  # a heap, by when each arrives
        self.okx_takes_cancels = True
        self.watches = [self._watch(on_blind) for _ in range(watchers)]
        self.watcher_sees = True
        self.halting: Halting | None = None
        self.halted_for_certain = False
        self.events: list[Event] = []
        self.lapsed_at: dict[str, float] = {}
        self.only_the_store_failed = True
        self.busy = False  # every running host creates in each tick
        self.store_ahead = 0.0
        self._delays = cycle((0.0, 29.75, 0.5, 45.0))
        self._numbers = count(1)

    def _watch(self, on_blind: str) -> Watch:
        return Watch(frozenset({"demo:1", "demo:2"}), on_blind=on_blind, blind_after=10.0)

    def clock(self) -> Reading:
        """The clocks of the watchers and of who halts, which are never paused here."""
        return Reading(self.now, self.now, self.now - 3600.0)  # an hour apart from everyone else's

    # What happens

    def start(self, account: str, ahead: float = 0.0) -> Host:
        host = Host(next(self._numbers), account, ahead, wall=self.now)
        host.due = self.now
        self.hosts.append(host)
        return host

    def sign(self, host: Host, delay: float) -> None:
        """Sign a create; it is checked when the host goes on, and then sent."""
        if host.state == "running":
            rfq = Rfq(host, self.now, self.now + host.ahead, delay)
            self.rfqs.append(rfq)
            host.signed.append(rfq)

    def check(self, host: Host) -> None:
        """Go on with what is signed, as the plugin does: refused, or sent."""
        if host.state != "running":
            return
        for rfq in host.signed:
            refused = host.fence.refusal(host.clock()) is not None
            rfq.state, rfq.sent = ("refused" if refused else "sent"), self.now
            assert refused or self.now - host.renewed_at < LEASE, "a member created on a lease that had lapsed"
            if not refused:
                heapq.heappush(self._on_the_way, (rfq.sent + rfq.delay, next(self._numbers), rfq))
        host.signed.clear()

    def halt(self, *, wait: bool) -> None:
        self.halting = Halting(frozenset({"demo:1", "demo:2"}), self.clock(), wait=wait)

    def resume(self) -> None:
        if self.store.up:
            floor = max((beat.seen for beat, _ in self.store.beats.values()), default=0)
            self.store.set_latch(halted=False, floor=floor)
            self.halted_for_certain = False

    # Time

    def tick(self) -> None:
        self.now += TICK
        self.store.now = self.now + self.store_ahead
        for host in self.hosts:
            host.pass_time(TICK)
            self._renew(host)
            if self.busy:
                self.sign(host, next(self._delays))
                self.check(host)
        self._deliver()
        for watch in self.watches:
            self._watch_once(watch)
        if self.halting is not None:
            self._halt_once(self.halting)

    def _renew(self, host: Host) -> None:
        for stray in list(host.stray):
            self._execute(host, stray)
            if stray.executed:
                host.stray.remove(stray)
        if host.renewal is not None:
            self._execute(host, host.renewal)
        if host.state != "running":
            return
        if host.renewal is not None:
            renewal = host.renewal
            if renewal.executed and self.now >= renewal.answered and self._reaches(host):
                lost = host.fence.renewed(renewal.sent, renewal.latch)
                host.renewed_at = renewal.sent_at
                if lost is not None:
                    self.store.put_back(lost)
                host.renewal = None
            elif self.now - renewal.sent_at >= LEASE / 3:
                host.stray.append(renewal)
                host.renewal = None
        if host.renewal is None and self.now >= host.due:
            seen = 0 if host.fence.latch is None else host.fence.latch.version
            beat = Beat(next(host.beats), seen)
            renewal = Renewal(host.clock(), self.now, beat, self.now + host.latency / 2, self.now + host.latency)
            host.renewal, host.due = renewal, self.now + LEASE / 3
            self._execute(host, renewal)

    def _reaches(self, host: Host) -> bool:
        return self.store.up and host.connected

    def _execute(self, host: Host, renewal: Renewal) -> None:
        if not renewal.executed and self.now >= renewal.reaches and self._reaches(host):
            renewal.latch = self.store.renew(host.member, renewal.beat)
            renewal.executed = True

    def _deliver(self) -> None:
        while self._on_the_way and self.now >= self._on_the_way[0][0]:
            _, _, rfq = heapq.heappop(self._on_the_way)
            taken = abs(self.now - rfq.dated) <= OKX_WINDOW
            rfq.state = "active" if taken else "refused"
            assert not (taken and self.halted_for_certain), "an RFQ came alive in a fleet that was halted for certain"

    def _cancel(self, account: str) -> bool:
        if not self.okx_takes_cancels:
            return False
        for rfq in self.rfqs:
            if rfq.state == "active" and rfq.host.account == account:
                rfq.state = "canceled"
        if self.busy:  # what is over is looked at no more
            self.rfqs = [rfq for rfq in self.rfqs if rfq.state not in ("canceled", "refused")]
        return True

    def _look(self) -> View | None:
        return self.store.look() if self.store.up and self.watcher_sees else None

    def _watch_once(self, watch: Watch) -> None:
        for event in watch.look(self._look(), self.clock()):
            self._check(event)
        for account in watch.due(self.clock()):
            clean = self._cancel(account)
            for event in watch.canceled(account, self.clock(), clean=clean):
                self._check(event)
                finished = event.member if event.kind == "finished" and self.store.up else None
                if finished is not None and self.store.forget(finished.id):
                    watch.forgotten(finished)

    def _check(self, event: Event) -> None:
        self.events.append(event)
        if event.kind == "lapsed":
            assert event.member is not None
            host = next(host for host in self.hosts if host.member == event.member)
            assert not self.only_the_store_failed, "a member was canceled for a fault of the store alone"
            if host.state in ("running", "stopped"):
                assert host.fence.refusal(host.clock()), "the watcher cancels, and the fence is not up"
            self.lapsed_at[host.member.id] = self.now
        if event.kind == "finished" and event.member is not None:
            at = self.lapsed_at[event.member.id]
            for rfq in self.rfqs:
                if rfq.host.member == event.member and rfq.signed <= at:
                    assert not rfq.may_come_alive(self.now), "a dead member's RFQ may come alive after the last cancel"

    def _halt_once(self, halting: Halting) -> None:
        view = self._look()
        if halting.look(view, self.clock()) and view is not None:
            halting.placed(self.store.set_latch(halted=True, floor=halting.floor), self.clock())
        for account in halting.due(self.clock()):
            halting.canceled(account, self.clock(), clean=self._cancel(account))
        if halting.is_done:
            if halting.is_clean and halting.waits:
                alive = [rfq for rfq in self.rfqs if rfq.may_come_alive(self.now)]
                assert not alive, "halt says that all was clean, and an RFQ may come alive"
                for host in self.hosts:
                    if host.state == "running":
                        assert host.fence.refusal(host.clock()), "halt says that all was clean, and a member may create"
                self.halted_for_certain = True
            self.halting = None
