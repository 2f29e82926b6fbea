"""The sandbox's clock."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from okx_rfq_plugin.sandbox import Fault, Sandbox, SandboxClock, VirtualClock

LONG = 3600.0  # seconds, which no test waits for


@pytest.fixture
def virtual() -> VirtualClock:
    return VirtualClock()


def test_seconds_of_a_fault_pass_at_once(virtual: VirtualClock, new_wire: Any) -> None:
    """The reply is late by the sandbox's clock, not by the machine's."""
    began, now = time.monotonic(), virtual.wall()
    with Sandbox(clock=virtual) as sandbox:
        sandbox.fault("public/time", LONG, Fault(late=LONG), Fault(delay=LONG, late=LONG))
        wire = new_wire(sandbox)
        told = [wire.send("GET", "public/time")[1]["data"][0]["ts"] for _ in range(3)]

    assert [str(int((now + hours * LONG) * 1000)) for hours in (1, 1, 3)] == told
    assert now + 4 * LONG == virtual.wall()
    assert time.monotonic() - began < 60


def test_a_fault_expires_what_is_in_the_book(virtual: VirtualClock) -> None:
    """Time that passes in a fault also passes for RFQs."""
    with Sandbox(clock=virtual) as sandbox:
        sandbox.create_rfq()
        sandbox.fault("rfq/rfqs", 121.0)
        exchange = sandbox.exchange()
        exchange.milliseconds = lambda: int(virtual.wall() * 1000) + 121_000

        (row,) = exchange.private_get_rfq_rfqs()["data"]

    assert "expired" == row["state"]


def test_waits_at_the_same_moment_end_in_the_order_of_their_ends(virtual: VirtualClock) -> None:
    """However they began; time never goes back."""
    ended: list[tuple[float, float]] = []
    start = virtual.wall()

    async def wait(seconds: float) -> None:
        await virtual.delay(seconds)
        ended.append((seconds, virtual.wall() - start))

    async def crowd() -> None:
        await asyncio.gather(*(wait(seconds) for seconds in (3.0, 1.0, 2.0, 1.0)))

    asyncio.run(crowd())

    assert [(1.0, 1.0), (1.0, 1.0), (2.0, 2.0), (3.0, 3.0)] == ended


def test_a_canceled_wait_delays_no_other(virtual: VirtualClock) -> None:
    """The others continue, and its time does not pass."""
    start = virtual.wall()

    async def crowd() -> None:
        gone = asyncio.ensure_future(virtual.delay(1.0))
        stays = asyncio.ensure_future(virtual.delay(5.0))
        gone.cancel()
        await stays

    asyncio.run(crowd())

    assert 5.0 == virtual.wall() - start


def test_a_crowd_of_delayed_requests(virtual: VirtualClock, new_wire: Any) -> None:
    """Each is answered, over real sockets, without waiting."""
    with Sandbox(clock=virtual) as sandbox, ThreadPoolExecutor(8) as pool:
        sandbox.fault("public/time", *[LONG] * 8)
        statuses = list(pool.map(lambda _: new_wire(sandbox).raw("GET", "/api/v5/public/time")[0], range(8)))

    assert {200} == set(statuses)


def test_virtual_clock_moves_by_hand(virtual: VirtualClock) -> None:
    """Forward only; called like a function, it returns the time of day."""
    before = virtual()
    virtual.advance(1.5)

    assert before + 1.5 == virtual() == virtual.wall()
    assert 7.0 == VirtualClock(7.0).wall()
    with pytest.raises(ValueError, match="does not go back"):
        virtual.advance(-1)


def test_a_custom_clock(new_wire: Any) -> None:
    """Any object with `wall` and `delay` works, and it handles every delay of a fault."""

    class Noted:
        def __init__(self) -> None:
            self.delays: list[float] = []

        def wall(self) -> float:
            return 1_795_600_000.0

        async def delay(self, seconds: float) -> None:
            self.delays.append(seconds)

    clock = Noted()
    with Sandbox(clock=clock) as sandbox:
        sandbox.fault("public/time", 4.0, Fault(delay=1, late=2.5), Fault())
        wire = new_wire(sandbox)
        told = [wire.raw("GET", "/api/v5/public/time") for _ in range(3)]

    assert isinstance(clock, SandboxClock)
    assert [4.0, 1, 2.5] == clock.delays
    assert 1 == len(set(told))


@pytest.mark.parametrize("clock", [None, 0, "now"])
def test_what_is_no_clock_is_refused(clock: Any) -> None:
    """At once, not with the first request."""
    with pytest.raises(TypeError, match="a sandbox's clock is"):
        Sandbox(clock=clock)


def test_closing_ends_a_delay(new_wire: Any) -> None:
    """In real time, too."""
    with Sandbox() as sandbox, ThreadPoolExecutor(1) as pool:
        sandbox.fault("public/time", LONG)
        asked = pool.submit(new_wire(sandbox).raw, "GET", "/api/v5/public/time")
        while not sandbox.requests:
            pass
        sandbox.close()

        with pytest.raises(ConnectionError):
            asked.result()
