"""A desk in virtual time: hosts with separate clocks, a store that fails, OKX with its 30 s window."""

from __future__ import annotations

import copy
import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count, cycle

from okx_rfq_plugin.fleet.clocks import Reading
from okx_rfq_plugin.fleet.fence import Fence
from okx_rfq_plugin.fleet.halting import Halting
from okx_rfq_plugin.fleet.okx_clock import OkxClock
from okx_rfq_plugin.fleet.records import OKX_WINDOW, Beat, Latch, Member, View, newest
from okx_rfq_plugin.fleet.watching import Event, Watch

TICK = 0.25  # seconds
LEASE = 3.0
ACCOUNTS = ("demo:1", "demo:2")

_Image = tuple[dict[str, Member], dict[str, tuple[Beat, float]], Latch | None]


class ModelStore:
    """Redis as the fleet uses it, in virtual time."""

    def __init__(self) -> None:
        self.now = 0.0  # by the store's clock
        self.up = True
        self._epochs = count(1)
        self.empty()

    def empty(self) -> None:
        """Lose everything, as with FLUSHALL or a restart without a disk."""
        self.epoch = str(next(self._epochs))
        self.members: dict[str, Member] = {}
        self.beats: dict[str, tuple[Beat, float]] = {}
        self.latch: Latch | None = None

    def image(self) -> _Image:
        """Return what a replica or a disk holds now."""
        return copy.copy(self.members), copy.copy(self.beats), self.latch

    def fall_back(self, image: _Image) -> None:
        """Continue from an image, like a replica that takes over, or a restart from a disk."""
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
    alive_at: float = 0.0

    def may_come_alive(self, now: float) -> bool:
        """Return whether it is active, or OKX would still accept it."""
        return self.state == "active" or (self.state == "sent" and now - self.dated <= OKX_WINDOW)


@dataclass
class Renewal:
    """A renewal in transit."""

    sent: Reading
    member: Member
    sent_at: float  # true time, which the host does not know
    beat: Beat
    reaches: float
    answered: float
    latch: Latch | None = None
    executed: bool = False


@dataclass
class Clocks:
    """The three clocks of one machine, and which of them are stopped."""

    wall: float
    mono: float = 1000.0
    boot: float = 5000.0
    away: float = 0.0  # seconds that the wall clock has missed
    state: str = "running"  # stopped, suspended, paused, dead

    def read(self) -> Reading:
        return Reading(self.mono, self.boot, self.wall)

    def pass_time(self, seconds: float) -> None:
        """Advance the clocks that run in this state."""
        if self.state not in ("suspended", "paused"):
            self.mono += seconds
        if self.state != "paused":
            self.boot += seconds
            self.wall += seconds
        else:
            self.away += seconds

    def go_on(self) -> None:
        """End a pause: the hypervisor sets the wall clock and no other."""
        self.state = "running"
        self.wall, self.away = self.wall + self.away, 0.0

    def set(self, seconds: float) -> None:
        """Set the wall clock."""
        self.wall += seconds


@dataclass(eq=False)
class Host:
    """A machine with one member.

    Args:
        offset: seconds that its wall clock is ahead of the true time at the start.
        ahead: seconds that its signatures are ahead, because of a time difference as ccxt measures it.
    """

    number: int
    account: str
    now: float
    offset: float = 0.0
    ahead: float = 0.0
    connected: bool = True
    latency: float = 0.0
    fence: Fence = field(default_factory=lambda: Fence(LEASE))
    renewal: Renewal | None = None
    stray: list[Renewal] = field(default_factory=list)
    signed: list[Rfq] = field(default_factory=list)  # not sent yet
    due: float = 0.0
    died: float | None = None
    executed_at: float = 0.0  # true time when a renewal last reached the store
    renewed_at: float = -1e9  # true time when the last successful renewal was sent
    heard: Latch | None = None  # the latest latch that has reached it
    beats: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.due = self.now
        self.clocks = Clocks(self.now + self.offset)
        self._difference = self.offset - self.ahead
        self.member = Member(f"m{self.number}", f"m{self.number}", "host", 1, self.account, LEASE, 0.0, self.ahead)
        self.okx = OkxClock(int(self.now * 1000), self.clocks.read(), read=self.clocks.read)

    @property
    def state(self) -> str:
        return self.clocks.state

    @state.setter
    def state(self, state: str) -> None:
        self.clocks.state = state

    def clock(self) -> Reading:
        return self.clocks.read()

    def nonce(self) -> float:
        """Return the time in a signature, in ms, like ccxt's exchange objects."""
        return (self.clocks.wall - self._difference) * 1000

    def refusal(self) -> str | None:
        """See `Membership.refusal`."""
        ahead = self.okx.ahead(self)
        if self.member.ahead is None or self.member.ahead < ahead:
            self.member = replace(self.member, ahead=ahead)
        return self.fence.refusal(self.clock(), ahead)

    def hear(self, latch: Latch | None) -> None:
        """Record a latch that has reached it, independently of the fence."""
        self.heard = newest(self.heard, latch)


@dataclass(eq=False)
class Looker:
    """A machine with a watcher."""

    watch: Watch
    clocks: Clocks
    on_blind: str
    sees_since: float  # true time since when nothing has prevented it from noticing a death and canceling
    knows: set[str] = field(default_factory=set)  # members that it has seen and not finished with
    lapsed_at: dict[str, float] = field(default_factory=dict)  # true time, by member
    clean_at: dict[str, float] = field(default_factory=dict)  # true time of the last clean cancel, by account


class World:
    """The whole desk. `tick` advances a quarter of a second, and checks every promise at every step."""

    def __init__(self, *, on_blind: str = "alarm", watchers: int = 1) -> None:
        self.now = 0.0
        self.store = ModelStore()
        self.hosts: list[Host] = []
        self.rfqs: list[Rfq] = []
        self._on_the_way: list[tuple[float, int, Rfq]] = []  # a heap, by arrival time
        self.okx_takes_cancels = True
        self.watchers: list[Looker] = []
        self.watcher_sees = True
        self.halting: Halting | None = None
        self.halter = Clocks(-7200.0)
        self.halted_for_certain = False
        self.unknown: set[int] = set()
        self.events: list[Event] = []
        self.only_the_store_failed = True
        self.busy = False  # every running host creates in each tick
        self.store_ahead = 0.0
        self._on_blind, self._epoch = on_blind, self.store.epoch
        self._delays = cycle((0.0, 29.75, 0.5, 45.0))
        self._numbers = count(1)
        for _ in range(watchers):
            self.start_watcher()

    # Events

    def start_watcher(self) -> None:
        """Start another watcher, which has seen nothing yet, and whose clock is an hour off from the others'."""
        watch = Watch(frozenset(ACCOUNTS), on_blind=self._on_blind, blind_after=10.0)
        offset = (-3600.0, 3600.0)[len(self.watchers) % 2]
        self.watchers.append(Looker(watch, Clocks(self.now + offset), self._on_blind, self.now))

    def start(self, account: str, ahead: float = 0.0, offset: float = 0.0) -> Host:
        host = Host(next(self._numbers), account, self.now, offset, ahead)
        self.hosts.append(host)
        return host

    def sign(self, host: Host, delay: float) -> None:
        """Sign a create. It is checked when the host continues, and then sent."""
        if host.state == "running":
            rfq = Rfq(host, self.now, host.nonce() / 1000, delay)
            self.rfqs.append(rfq)
            host.signed.append(rfq)

    def check(self, host: Host) -> None:
        """Continue with what is signed, like the plugin: refuse it, or send it."""
        if host.state != "running":
            return
        for rfq in host.signed:
            refused = host.refusal() is not None
            rfq.state, rfq.sent = ("refused" if refused else "sent"), self.now
            assert refused or self.now - host.renewed_at < LEASE, "a member created on a lease that had lapsed"
            assert refused or host.heard is None or not host.heard.halted, "a member created that knew of a halt"
            if not refused:
                heapq.heappush(self._on_the_way, (rfq.sent + rfq.delay, next(self._numbers), rfq))
        host.signed.clear()

    def halt(self, *, wait: bool) -> None:
        self.halting = Halting(frozenset(ACCOUNTS), self.halter.read(), wait=wait)

    def resume(self) -> None:
        if self.store.up:
            floor = max((beat.seen for beat, _ in self.store.beats.values()), default=0)
            self._publish(self.store.set_latch(halted=False, floor=floor))
            self.halted_for_certain = False

    def _publish(self, latch: Latch) -> None:
        """Deliver a latch immediately to subscribers, unless they are slow to reach."""
        for host in self.hosts:
            if host.state == "running" and host.latency == 0.0 and self._reaches(host):
                host.hear(latch)
                host.fence.heard(latch)
                host.due = self.now

    # Time

    def tick(self) -> None:
        self.now += TICK
        self.store.now = self.now + self.store_ahead
        self.halter.pass_time(TICK)
        for host in self.hosts:
            host.clocks.pass_time(TICK)
            self._renew(host)
            if self.busy:
                self.sign(host, next(self._delays))
                self.check(host)
        self._deliver()
        for watcher in self.watchers:
            watcher.clocks.pass_time(TICK)
            if watcher.clocks.state == "running":
                self._watch_once(watcher)
        if self.halting is not None:
            self._halt_once(self.halting)
        self._check_deaths()

    def _check_deaths(self) -> None:
        """Check that nothing of a dead host is active after five seconds, or becomes active after the last cancel."""
        sees = self.store.up and self.watcher_sees and self.okx_takes_cancels and self.store.epoch == self._epoch
        self._epoch = self.store.epoch
        for watcher in self.watchers:
            if not sees or watcher.clocks.state != "running":
                watcher.sees_since = self.now
        dead = [host for host in self.hosts if host.state == "dead"]
        for host in dead:
            host.died = self.now if host.died is None else host.died
        for rfq in self.rfqs if dead else ():
            died = rfq.host.died
            if rfq.state != "active" or died is None:
                continue
            # A watcher started since the store lost the member cannot know of it.
            knowing = [watcher for watcher in self.watchers if rfq.host.member.id in watcher.knows]
            since = max(died, min((watcher.sees_since for watcher in knowing), default=self.now), rfq.host.executed_at)
            if rfq.alive_at <= died:
                assert self.now - since <= 5.0, "an RFQ was active five seconds after a death"
            lapses = [watcher.lapsed_at.get(rfq.host.member.id, 0.0) for watcher in self.watchers]
            last = max(since + LEASE * 7 / 6 + 2 * TICK, *lapses, 0.0) + 31.0 + rfq.host.member.longer
            assert self.now <= last + 2.0, "an RFQ is active after the last cancel"

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
                self._renewed(host, renewal)
                host.renewal = None
            elif self.now - renewal.sent_at >= LEASE / 3:
                host.stray = [*host.stray, renewal][:3]  # a few lost messages may still arrive
                host.renewal = None
        if host.renewal is None and self.now >= host.due:
            seen = 0 if host.fence.latch is None else host.fence.latch.version
            beat = Beat(next(host.beats), seen)
            sent = host.clock()
            reaches, answered = self.now + host.latency / 2, self.now + host.latency
            renewal = Renewal(sent, host.member, self.now, beat, reaches, answered)
            host.renewal, host.due = renewal, self.now + LEASE / 3
            self._execute(host, renewal)

    def _renewed(self, host: Host, renewal: Renewal) -> None:
        lost = host.fence.renewed(renewal.sent, renewal.latch, renewal.member.ahead)
        host.renewed_at = renewal.sent_at
        host.hear(renewal.latch)
        if host.okx.has_parted:
            host.okx.learn(int(self.now * 1000), host.clock())
        if host.fence.latch is not None and host.fence.latch.version != renewal.beat.seen:
            host.due = self.now  # it must be reported immediately
        if lost is not None:
            self.store.put_back(lost)
            self._publish(lost)

    def _reaches(self, host: Host) -> bool:
        return self.store.up and host.connected

    def _execute(self, host: Host, renewal: Renewal) -> None:
        if not renewal.executed and self.now >= renewal.reaches and self._reaches(host):
            renewal.latch = self.store.renew(renewal.member, renewal.beat)
            renewal.executed = True
            host.executed_at = self.now

    def _deliver(self) -> None:
        while self._on_the_way and self.now >= self._on_the_way[0][0]:
            _, _, rfq = heapq.heappop(self._on_the_way)
            taken = abs(self.now - rfq.dated) <= OKX_WINDOW
            rfq.state, rfq.alive_at = ("active" if taken else "refused"), self.now
            halted = self.halted_for_certain and rfq.host.number not in self.unknown
            assert not (taken and halted), "an RFQ came alive in a fleet that was halted for certain"

    def _cancel(self, account: str) -> bool:
        if not self.okx_takes_cancels:
            return False
        for rfq in self.rfqs:
            if rfq.state == "active" and rfq.host.account == account:
                rfq.state = "canceled"
        if self.busy:  # finished ones are no longer checked
            self.rfqs = [rfq for rfq in self.rfqs if rfq.state not in ("canceled", "refused")]
        return True

    def _look(self) -> View | None:
        return self.store.look() if self.store.up and self.watcher_sees else None

    def _watch_once(self, watcher: Looker) -> None:
        watch, clock = watcher.watch, watcher.clocks.read()
        view = self._look()
        watcher.knows |= set(view.members if view else ())
        for event in watch.look(view, clock):
            self._check(watcher, event)
        for account in watch.due(clock):
            blind = watcher.on_blind == "cancel"
            assert blind or not self.only_the_store_failed, "a cancel for a fault of the store alone"
            clean = self._cancel(account)
            if clean:
                watcher.clean_at[account] = self.now
            for event in watch.canceled(account, clock, clean=clean):
                self._check(watcher, event)
                if event.kind == "finished" and event.member is not None:
                    self._forget(watcher, event.member)

    def _forget(self, watcher: Looker, member: Member) -> None:
        if self.store.up and self.store.forget(member.id):
            since = watcher.clean_at[member.account] - watcher.lapsed_at[member.id]
            assert since >= 31.0, "a member was forgotten before the last cancel was clean"
            watcher.watch.forgotten(member)

    def _check(self, watcher: Looker, event: Event) -> None:
        self.events.append(event)
        if event.member is None:
            return
        host = next(host for host in self.hosts if host.member.id == event.member.id)
        if event.kind == "lapsed":
            if host.state in ("running", "stopped"):
                assert host.fence.refusal(host.clock()), "the watcher cancels, and the fence is not up"
            watcher.lapsed_at[host.member.id] = self.now
        if event.kind == "finished":
            watcher.knows.discard(host.member.id)
            at = watcher.lapsed_at[event.member.id]
            for rfq in self.rfqs:
                if rfq.host is host and rfq.signed <= at:
                    assert not rfq.may_come_alive(self.now), "a dead member's RFQ may come alive after the last cancel"

    def _halt_once(self, halting: Halting) -> None:
        view, clock = self._look(), self.halter.read()
        if halting.look(view, clock) and view is not None:
            latch = self.store.set_latch(halted=True, floor=halting.floor)
            halting.placed(latch, clock)
            self._publish(latch)
        for account in halting.due(clock):
            halting.canceled(account, clock, clean=self._cancel(account))
        if halting.is_done:
            if halting.is_clean and halting.waits:
                # A halt cannot know of a member that the store has lost and whose signatures are ahead.
                lost = {host.number for host in self.hosts if host.member.id not in halting.detector.seen}
                self.unknown = {host.number for host in self.hosts if host.number in lost and host.member.longer}
                alive = [r for r in self.rfqs if r.may_come_alive(self.now) and r.host.number not in self.unknown]
                assert not alive, "halt says that all was clean, and an RFQ may come alive"
                for host in self.hosts:
                    if host.state == "running":
                        assert host.fence.refusal(host.clock()), "halt says that all was clean, and a member may create"
                self.halted_for_certain = True
            self.halting = None
