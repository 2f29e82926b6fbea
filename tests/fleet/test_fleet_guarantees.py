"""The guarantees of docs/fleet.md, under every interleaving that hypothesis thinks of, on virtual time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from support.fleet_model import ACCOUNTS, LEASE, TICK, Host, Looker, World

PICK = st.integers(min_value=0, max_value=7)
AWAY = st.sampled_from(["stopped", "suspended", "paused"])
APART = st.sampled_from([0.0, 3600.0, -3600.0])  # seconds between the wall clocks of two hosts
STEP = st.sampled_from([-3600.0, -40.0, -2.0, 2.0, 20.0, 40.0, 3600.0])  # by which a wall clock is set


def ticks(world: World, seconds: float) -> None:
    for _ in range(int(seconds / TICK)):
        world.tick()


class Desk(RuleBasedStateMachine):
    """Hosts that die, stop, sleep and are cut off; a store that fails in all its ways; halts and resumes."""

    @initialize(
        watchers=st.integers(1, 2),
        ahead=st.sampled_from([0.0, -20.0, 0.5, 25.0]),
        offsets=st.tuples(APART, APART),
        on_blind=st.sampled_from(["alarm", "cancel"]),
    )
    def begin(self, watchers: int, ahead: float, offsets: tuple[float, float], on_blind: str) -> None:
        self.world = World(watchers=watchers, on_blind=on_blind)
        self.world.busy = True
        self.world.start("demo:1", ahead, offsets[0])
        self.world.start("demo:2", offset=offsets[1])
        self.image: Any = self.world.store.image()

    def host(self, pick: int) -> Host:
        return self.world.hosts[pick % len(self.world.hosts)]

    def watcher(self, pick: int) -> Looker | None:
        return self.world.watchers[pick % len(self.world.watchers)] if self.world.watchers else None

    @rule(ticks=st.integers(1, 24))
    def time_passes(self, ticks: int) -> None:
        for _ in range(ticks):
            self.world.tick()

    @rule()
    def a_long_time_passes(self) -> None:
        for _ in range(int(40 / TICK)):
            self.world.tick()

    @rule(pick=PICK, delay=st.sampled_from([3.0, 29.0, 31.0, 55.0]))
    def a_create_is_signed(self, pick: int, delay: float) -> None:
        self.world.sign(self.host(pick), delay)

    @precondition(lambda self: len(self.world.hosts) < 6)
    @rule(account=st.sampled_from(ACCOUNTS), offset=APART)
    def a_member_joins(self, account: str, offset: float) -> None:
        self.world.start(account, offset=offset)

    @rule(pick=PICK, state=AWAY | st.just("dead"))
    def a_host_stops(self, pick: int, state: str) -> None:
        host = self.host(pick)
        if host.state == "running":
            host.state = state
            self.world.only_the_store_failed = False

    @rule(pick=PICK, by=STEP)
    def the_clock_of_a_host_is_set(self, pick: int, by: float) -> None:
        self.world.check(self.host(pick))  # what is signed is dated by the clock as it was
        self.host(pick).clocks.set(by)

    @rule(pick=PICK, by=STEP)
    def the_clock_of_a_watcher_is_set(self, pick: int, by: float) -> None:
        if watcher := self.watcher(pick):
            watcher.clocks.set(by)
            watcher.sees_since = self.world.now  # it cannot tell that from a pause

    @rule(pick=PICK, state=AWAY, seconds=st.integers(1, 50))
    def a_watcher_sleeps(self, pick: int, state: str, seconds: int) -> None:
        if watcher := self.watcher(pick):
            watcher.clocks.state = state
            ticks(self.world, seconds)
            watcher.clocks.go_on()

    @rule(by=STEP)
    def the_clock_of_who_halts_is_set(self, by: float) -> None:
        self.world.halter.set(by)

    @rule(pick=PICK, state=AWAY, seconds=st.integers(3, 50))
    def a_host_sleeps(self, pick: int, state: str, seconds: int) -> None:
        self.a_host_stops(pick, state)
        ticks(self.world, seconds)
        self.a_host_goes_on(pick)
        self.world.tick()

    @rule(pick=PICK, seconds=st.integers(0, 3))
    def a_halt_in_a_partition(self, pick: int, seconds: int) -> None:
        self.a_host_is_cut_off(pick, False)
        ticks(self.world, seconds)
        if self.world.halting is None:
            self.world.halt(wait=True)
        ticks(self.world, 45)

    @rule(pick=PICK)
    def a_host_goes_on(self, pick: int) -> None:
        host = self.host(pick)
        if host.state in ("stopped", "suspended", "paused"):
            host.clocks.go_on()

    @rule(pick=PICK, connected=st.booleans())
    def a_host_is_cut_off(self, pick: int, connected: bool) -> None:
        self.host(pick).connected = connected
        self.world.only_the_store_failed &= connected

    @rule(pick=PICK, latency=st.sampled_from([0.0, 0.5, 1.5, 5.0]))
    def a_host_is_slow_to_reach(self, pick: int, latency: float) -> None:
        self.host(pick).latency = latency
        self.world.only_the_store_failed &= latency <= 0.5

    @rule(up=st.booleans())
    def the_store_goes_down(self, up: bool) -> None:
        self.world.store.up = up

    @rule()
    def the_store_is_emptied(self) -> None:
        self.world.store.empty()
        self.world.halted_for_certain = False

    @rule()
    def the_replica_catches_up(self) -> None:
        self.image = self.world.store.image()

    @rule()
    def the_replica_takes_over(self) -> None:
        self.world.store.fall_back(self.image)
        self.world.halted_for_certain = False

    @rule(ahead=st.sampled_from([0.0, -3600.0, 3600.0]))
    def the_clock_of_the_store_is_set(self, ahead: float) -> None:
        self.world.store_ahead = ahead

    @rule(sees=st.booleans())
    def the_watcher_is_cut_off(self, sees: bool) -> None:
        self.world.watcher_sees = sees

    @rule(pick=PICK)
    def a_watcher_dies(self, pick: int) -> None:
        if self.world.watchers:
            self.world.watchers.pop(pick % len(self.world.watchers))

    @precondition(lambda self: len(self.world.watchers) < 3)
    @rule()
    def a_watcher_starts(self) -> None:
        self.world.start_watcher()

    @rule(takes=st.booleans())
    def okx_fails(self, takes: bool) -> None:
        self.world.okx_takes_cancels = takes

    @precondition(lambda self: self.world.halting is None)
    @rule(wait=st.booleans())
    def someone_halts(self, wait: bool) -> None:
        self.world.halt(wait=wait)

    @rule()
    def someone_resumes(self) -> None:
        self.world.resume()


SETTINGS: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@pytest.mark.parametrize("examples", [6, pytest.param(40, marks=pytest.mark.matrix)])
def test_no_interleaving_breaks_a_guarantee(examples: int) -> None:
    """No order of renewals, pauses, faults, halts and resumes breaks what the page promises."""
    run_state_machine_as_test(Desk, settings=settings(max_examples=examples, stateful_step_count=40, **SETTINGS))


@pytest.mark.exhaustive
def test_no_interleaving_of_very_many_breaks_a_guarantee() -> None:
    """The same, longer and more often: half a minute of a core."""
    run_state_machine_as_test(Desk, settings=settings(max_examples=400, stateful_step_count=60, **SETTINGS))


@pytest.mark.parametrize("since_renewal", [0.0, 0.25, 0.5, 0.75])
def test_a_death_is_noticed_in_time(since_renewal: float) -> None:
    """Whenever a host dies, what it has created is canceled within five seconds."""
    world = World()
    host = world.start("demo:1")
    ticks(world, 5.0 + since_renewal)
    world.sign(host, 0.0)
    world.check(host)
    world.tick()
    world.only_the_store_failed = False
    host.state = "dead"
    died = world.now

    while world.rfqs[0].state == "active":
        world.tick()

    assert world.now - died <= 5.0


def test_a_fault_of_the_store_alone_cancels_nothing() -> None:
    """A store that is gone for a minute, comes back empty, and falls back to an old replica: no one is canceled."""
    world = World()
    host = world.start("demo:1")
    ticks(world, 5.0)
    image = world.store.image()
    world.sign(host, 0.0)
    world.check(host)

    faults: list[Callable[[], object]] = [
        lambda: setattr(world.store, "up", False),
        world.store.empty,
        lambda: world.store.fall_back(image),
    ]
    for fault in faults:
        fault()
        ticks(world, 60.0)
        world.store.up = True
        ticks(world, 20.0)

    assert world.rfqs[0].state == "active"
    assert {"blind", "sight"} == {event.kind for event in world.events}


def test_a_store_that_is_gone_cancels_where_told_so() -> None:
    """With --on-blind cancel the watcher cancels for its accounts when it cannot see."""
    world = World(on_blind="cancel")
    host = world.start("demo:1")
    ticks(world, 5.0)
    world.sign(host, 0.0)
    world.check(host)
    ticks(world, 1.0)
    world.store.up = False

    ticks(world, 12.0)

    assert world.rfqs[0].state == "canceled"


def test_a_signature_dated_ahead_is_waited_for() -> None:
    """The last cancel for a host whose clock is 25 s ahead of OKX's comes when its signatures are too old for OKX."""
    world = World()
    host = world.start("demo:1", 25.0)
    ticks(world, 5.0)
    world.sign(host, 50.0)
    world.check(host)
    host.state, world.only_the_store_failed = "dead", False

    ticks(world, 70.0)

    assert ["lapsed", "finished"] == [event.kind for event in world.events if event.kind in ("lapsed", "finished")]
    assert world.rfqs[0].state in ("canceled", "refused")


def test_a_halt_is_certain_in_time() -> None:
    """With members that obey at once a halt is certain after little more than 31 s, and holds until resumed."""
    world = World()
    hosts = [world.start(account) for account in ("demo:1", "demo:2")]
    ticks(world, 5.0)
    for host in hosts:
        world.sign(host, 20.0)
        world.check(host)
    world.halt(wait=True)
    begun = world.now

    while world.halting is not None:
        world.tick()

    assert world.halted_for_certain
    assert world.now - begun <= 31.0 + LEASE * 7 / 6 + 3.0
    world.resume()
    ticks(world, 3.0)
    assert all(host.fence.refusal(host.clock()) is None for host in hosts)


@pytest.mark.parametrize("state", ["stopped", "suspended", "paused"])
@pytest.mark.parametrize("seconds", [3, 10, 60, 3600])
def test_who_was_away_longer_than_its_lease_is_fenced(state: str, seconds: int) -> None:
    """Stopped, suspended or paused as a virtual machine: the first create afterwards is refused, the fence is up."""
    world = World()
    host = world.start("demo:1")
    ticks(world, 5.0)
    host.state, world.only_the_store_failed = state, False
    ticks(world, seconds)

    host.clocks.go_on()
    world.sign(host, 0.0)
    world.check(host)
    assert world.rfqs[-1].state == "refused"

    ticks(world, 2.0)
    world.sign(host, 0.0)
    world.check(host)
    assert world.rfqs[-1].state == "sent"


def test_a_process_stopped_in_the_middle_of_a_create_sends_nothing() -> None:
    """Signed before SIGSTOP, looked at after SIGCONT: refused, however fresh the signature may be."""
    world = World()
    host = world.start("demo:1")
    ticks(world, 5.0)
    world.sign(host, 0.0)
    host.state, world.only_the_store_failed = "stopped", False
    ticks(world, 4.0)
    host.state = "running"

    world.check(host)

    assert world.rfqs[-1].state == "refused"


@pytest.mark.parametrize("away", [0.0, 0.5, 1.0, 2.0, 2.75])
def test_a_halt_waits_for_who_cannot_hear_it(away: float) -> None:
    """A member that is cut off creates until its lease has lapsed; the halt is certain 31 s after that."""
    world = World()
    world.busy = True
    host = world.start("demo:1")
    world.start("demo:2")
    ticks(world, 5.0)
    host.connected, world.only_the_store_failed = False, False
    ticks(world, away)

    world.halt(wait=True)
    ticks(world, 45.0)

    assert world.halted_for_certain


@pytest.mark.parametrize("away", [0.0, 1.0, 2.0])
def test_a_halt_counts_with_members_that_the_store_has_lost(away: float) -> None:
    """A member that is in no list, because the store was emptied, has its lease all the same."""
    world = World()
    world.busy = True
    host = world.start("demo:1")
    ticks(world, 5.0)
    host.connected, world.only_the_store_failed = False, False
    world.store.empty()
    ticks(world, away)

    world.halt(wait=True)
    ticks(world, 45.0)

    assert world.halted_for_certain


def test_a_halt_outlives_the_store() -> None:
    """Members put a latch back that the store has lost, and one that joins then is halted."""
    world = World()
    world.start("demo:1")
    ticks(world, 5.0)
    world.halt(wait=False)
    ticks(world, 10.0)

    world.store.empty()
    ticks(world, 2.0)
    late = world.start("demo:2")
    ticks(world, 2.0)

    assert "halted" in str(late.fence.refusal(late.clock()))


@pytest.mark.parametrize("fault", ["emptied", "replica"])
def test_a_halt_is_obeyed_by_who_has_seen_a_later_resume(fault: str) -> None:
    """The store has lost its data, and its clock is an hour behind: the new latch counts nevertheless."""
    world = World()
    host = world.start("demo:1")
    ticks(world, 5.0)
    image = world.store.image()
    world.store_ahead = 3600.0
    ticks(world, 1.0)
    world.resume()
    ticks(world, 3.0)
    world.store_ahead = 0.0
    world.store.empty() if fault == "emptied" else world.store.fall_back(image)

    world.halt(wait=True)
    ticks(world, 45.0)

    assert "halted" in str(host.fence.refusal(host.clock()))
    assert world.halted_for_certain


def test_a_resume_reaches_who_was_cut_off() -> None:
    """With its next renewal."""
    world = World()
    host = world.start("demo:1")
    ticks(world, 5.0)
    world.halt(wait=False)
    ticks(world, 10.0)
    host.connected, world.only_the_store_failed = False, False
    world.resume()
    ticks(world, 5.0)

    host.connected = True
    ticks(world, 2.0)

    assert host.refusal() is None


def test_a_halt_that_someone_lifts_is_not_clean() -> None:
    """Who halts is told that it was resumed meanwhile."""
    world = World()
    host = world.start("demo:1")
    ticks(world, 5.0)
    world.halt(wait=True)
    halting = world.halting
    ticks(world, 10.0)

    world.resume()
    ticks(world, 40.0)

    assert halting is not None
    assert halting.is_done
    assert not halting.is_clean
    assert host.fence.refusal(host.clock()) is None


def test_two_watchers_do_each_other_no_harm() -> None:
    """Both cancel, one forgets, neither misses anything."""
    world = World(watchers=2)
    world.busy = True
    host = world.start("demo:1")
    ticks(world, 5.0)
    host.state, world.only_the_store_failed = "dead", False

    ticks(world, 45.0)

    assert 2 == sum(event.kind == "lapsed" for event in world.events)
    assert 2 == sum(event.kind == "finished" for event in world.events)
    assert {} == world.store.members


def test_a_watcher_that_starts_sees_who_died_before() -> None:
    """The last watcher is gone when a host dies; the next one gives it its lease, and cancels then."""
    world = World()
    host = world.start("demo:1")
    ticks(world, 5.0)
    world.sign(host, 0.0)
    world.check(host)
    world.tick()
    world.watchers.clear()
    host.state, world.only_the_store_failed = "dead", False
    ticks(world, 60.0)
    assert world.rfqs[0].state == "active"

    world.start_watcher()
    ticks(world, 5.0)

    assert world.rfqs[0].state == "canceled"


def test_a_cancel_that_fails_is_repeated_until_it_is_true() -> None:
    """OKX is out of order for two minutes: the member is not forgotten before a clean cancel."""
    world = World()
    world.busy = True
    host = world.start("demo:1")
    ticks(world, 5.0)
    world.okx_takes_cancels, world.only_the_store_failed = False, False
    host.state = "dead"
    ticks(world, 120.0)
    assert host.member.id in world.store.members

    world.okx_takes_cancels = True
    ticks(world, 3.0)

    assert {} == world.store.members
    assert not any(rfq.may_come_alive(world.now) for rfq in world.rfqs)


def test_a_halt_is_clean_only_if_the_store_says_so_at_its_end() -> None:
    """Someone may have resumed while it did not answer."""
    world = World()
    world.start("demo:1")
    ticks(world, 5.0)
    world.halt(wait=True)
    halting = world.halting
    ticks(world, 5.0)

    world.store.up = False
    ticks(world, 60.0)

    assert halting is not None
    assert (True, False) == (halting.is_done, halting.is_clean)


def test_a_halt_waits_for_signatures_that_are_ahead() -> None:
    """What was signed 25 s ahead of OKX's clock may come alive for as much longer."""
    world = World()
    host = world.start("demo:1", 25.0)
    ticks(world, 5.0)
    world.sign(host, 50.0)
    world.check(host)

    world.halt(wait=True)
    ticks(world, 75.0)

    assert world.halted_for_certain
