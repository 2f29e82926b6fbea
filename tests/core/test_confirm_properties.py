"""Whatever fails and happens meanwhile, what "none is left" must mean; the cases are hypothesis's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import ccxt
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.twins import Twin, VirtualClock

from okx_rfq_plugin import RetryPolicy, install
from okx_rfq_plugin.sandbox import DROP, Fault, Sandbox

pytestmark = pytest.mark.exhaustive

CANCEL_ALL, BATCH, LIST = "rfq/cancel-all-rfqs", "rfq/cancel-batch-rfqs", "rfq/rfqs"
ME, OTHER = "ME", "OTHER"  # trader codes
FEW = st.integers(0, 4)

# What OKX, or a proxy before it, may answer; a success is never faked, and where a request was executed all the same,
# nothing in the reply denies it.
PASSES = Fault()
LATER = [Fault(code="50011"), Fault(code="50001"), Fault(status=502), Fault(code="50026"), DROP]
LOST = [
    Fault(drop="after"),
    Fault(status=502, execute=True),
    Fault(code="50004", execute=True),
    Fault(body="<html>", execute=True),
]
REFUSED = [Fault(code="50120")]
BY_NAME = [Fault(code="70203"), Fault(code="70208")]


def faults(*kinds: list[Fault]) -> st.SearchStrategy[list[Fault]]:
    """Draw a kind first, so that one that ends it all is no more likely than one that goes on."""
    one = st.sampled_from([[PASSES], *kinds]).flatmap(st.sampled_from)
    return st.lists(one, max_size=4) | st.tuples(one, st.integers(5, 30)).map(lambda drawn: [drawn[0]] * drawn[1])


@dataclass(frozen=True)
class Story:
    """What is drawn: the book, oldest first, what goes wrong, and what happens besides at each look of the server's.

    In `book` a number is so many RFQs: my own in a state, or with no state somebody else's, sent to me.
    """

    book: tuple[tuple[str | None, int], ...]
    cancel_all: tuple[Fault, ...] = ()
    batch: tuple[Fault, ...] = ()
    list_: tuple[Fault, ...] = ()
    meanwhile: tuple[str | None, ...] = ()
    confirm: bool = True
    deadline: float = 8.0


STORIES = st.builds(
    Story,
    book=st.lists(
        st.tuples(st.sampled_from(["active", None, "pending_fill", "canceled"]), FEW)
        | st.sampled_from([("active", 99), ("active", 100), ("active", 230), (None, 100), (None, 120)]),
        max_size=4,
    ).map(tuple),
    cancel_all=faults(LATER, LOST, REFUSED, BY_NAME, BY_NAME).map(tuple),
    batch=faults(LATER, LOST, REFUSED).map(tuple),
    list_=faults(LATER, LOST, REFUSED).map(tuple),
    meanwhile=st.lists(st.sampled_from([None, "created", "received", "filling", "filled"]), max_size=8).map(tuple),
    confirm=st.booleans() | st.just(True),
    deadline=st.sampled_from([0.0, 0.5, 3.0, 8.0, 30.0]),
)


class World:
    """A sandbox that is looked at, and goes on by itself, whenever its clock is read: when a request arrives, too."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._looking = True  # not before the world is there
        self.sandbox = Sandbox(clock=self._wall)

    def begin(self, story: Story) -> None:
        """Open the book of a story."""
        self._looking = True
        self.sandbox.begin()
        self.me = self.sandbox.create_user(trader_code=ME)
        self.other = self.sandbox.create_user(trader_code=OTHER)
        self.others = [self.sandbox.create_rfq(credentials=self.other)["rfqId"]]
        self.mine: list[str] = []
        for state, count in story.book:
            for _ in range(count):
                self._create(state)
        self.older = set(self.mine)
        self._meanwhile = iter(story.meanwhile)
        for path, steps in ((CANCEL_ALL, story.cancel_all), (BATCH, story.batch), (LIST, story.list_)):
            if steps:
                self.sandbox.fault(path, *steps)
        self.seen: list[set[str]] = []
        self._looking = False

    def look(self) -> None:
        """Note which RFQs of mine that are older than the cancel are active at this moment."""
        self.seen.append(self.older & set(self.own("active")))

    def own(self, state: str) -> list[str]:
        return [rfq["rfqId"] for rfq in self.sandbox.rfqs(state, credentials=self.me)]

    def states_of_others(self) -> set[str]:
        rfqs = self.sandbox.rfqs(credentials=self.other)
        assert len(self.others) == len(rfqs)
        return {rfq["state"] for rfq in rfqs}

    def _wall(self) -> float:
        if not self._looking:
            self._looking = True
            self._go_on(next(self._meanwhile, None))
            self.look()
            self._looking = False
        return self._clock.wall()

    def _go_on(self, event: str | None) -> None:
        if event == "created":
            self._create("active")
        elif event == "received":
            self._create(None)
        elif event is not None:
            before, after = ("active", "pending_fill") if event == "filling" else ("pending_fill", "filled")
            for id_ in self.own(before)[:1]:
                self.sandbox.set_state(id_, after)

    def _create(self, state: str | None) -> None:
        whose, to, ids = (self.other, ME, self.others) if state is None else (self.me, OTHER, self.mine)
        ids.append(self.sandbox.create_rfq(credentials=whose, counterparties=(to,))["rfqId"])
        if state not in (None, "active"):
            self.sandbox.set_state(ids[-1], state)


@pytest.fixture
def world(clock: VirtualClock) -> Iterator[World]:
    world = World(clock)
    with world.sandbox:
        yield world


def hold(story: Story, world: World, twin: Twin, clock: VirtualClock) -> None:
    """Let a cancel happen in a story's world, and hold each promise."""
    __tracebackhide__ = True
    world.begin(story)
    canceled_before = world.own("canceled")
    exchange = world.sandbox.exchange(twin.module.okx, credentials=world.me)
    exchange.milliseconds = lambda: int(clock.wall() * 1000)
    install(exchange, policy=RetryPolicy(deadline=story.deadline))
    world.seen.clear()
    try:
        told = twin.cancel(exchange, confirm=story.confirm)
        failed = False
    except ccxt.BaseError as error:
        told, failed = vars(error.cancel_failure), True
    world.look()

    none_left = set() in world.seen
    assert failed or none_left, "a success, and at no moment since the call was none of mine active"
    assert failed or story.confirm == told.get("confirmed", False), "confirmed unasked, or asked and not confirmed"
    assert failed or not told.get("remaining"), "a success that names what is left"
    assert world.states_of_others() == {"active"}, "somebody else's RFQ was touched"
    named = {*(told.get("remaining") or ()), *(told.get("filling") or ())}
    assert named <= set(world.mine), "somebody else's RFQ was named"
    assert not set(told.get("remaining") or ()) & set(world.own("canceled")), "told as active still, and canceled"
    batches = [json.loads(request.body)["rfqIds"] for request in world.sandbox.requests if request.path.endswith(BATCH)]
    assert all(set(ids) <= set(world.mine) for ids in batches), "somebody else's RFQ was to be canceled by name"
    assert all(0 < len(ids) <= 100 for ids in batches), "more ids than OKX takes"
    if failed and not told["may_be_canceled"]:
        assert canceled_before == world.own("canceled"), "canceled, and told that nothing was"


@settings(max_examples=45, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=STORIES)
@example(story=Story((("active", 1), (None, 100)), (Fault(status=502),), deadline=0.0))
@example(story=Story((("active", 1), (None, 100)), (Fault(code="70203"),), confirm=False, deadline=0.0))
@example(story=Story((("active", 230),), (Fault(code="70203"),), (PASSES, Fault(code="50120"))))
@example(story=Story((("active", 2), ("pending_fill", 2)), (Fault(code="70203"),), (Fault(drop="after"),)))
@example(story=Story((("active", 3),), (Fault(drop="after"), Fault(code="50120"))))
@example(story=Story((("active", 3),), meanwhile=("created", "created", "filling", "received")))
def test_none_left_is_said_only_where_none_was_left(
    story: Story, world: World, twin: Twin, clock: VirtualClock
) -> None:
    """Whatever fails: a success had a moment at which none of mine was active, and nobody else's is ever touched."""
    hold(story, world, twin, clock)
