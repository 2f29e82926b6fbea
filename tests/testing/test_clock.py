"""The machine's clock, and its two replacements for tests."""

from __future__ import annotations

import asyncio
import copy
import os
import pickle
import signal
import threading
import time
from typing import Any

import pytest

from okx_rfq_plugin._core import clock as core_clock
from okx_rfq_plugin._core.clock import AsyncWaker, Clock, Waker
from okx_rfq_plugin.testing.clocks import NotedClock, VirtualClock
from okx_rfq_plugin.testing.quiet import Quiet, real_monotonic


def test_the_real_clock_moves_on_and_waits_both_ways() -> None:
    """Its time never goes back; a wait of zero returns at once, on a thread and on a task."""
    clock = Clock()
    before = clock.now()
    clock.sleep(0, Waker())

    async def on_a_loop() -> None:
        await clock.asleep(0, AsyncWaker())

    asyncio.run(on_a_loop())

    with clock.busy():
        assert before <= clock.now()


def test_the_real_clock_does_not_stop_where_a_loop_does() -> None:
    """On a loop whose time stands still, as under freezegun, a wait still ends."""

    async def on_a_loop() -> None:
        asyncio.get_running_loop().time = lambda: 0.0  # type: ignore[method-assign]  # stopped
        await Clock().asleep(0.01, AsyncWaker())

    asyncio.run(on_a_loop())


def test_the_real_clock_does_not_ask_time_monotonic(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not read what freezegun replaces."""
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)

    assert Clock().now() > 0.0
    assert real_monotonic() > 0.0


def test_a_waker_says_whether_it_was_woken() -> None:
    """Before the sleeper has run, on a thread and on a task; waking twice is the same as once."""
    waker = Waker()
    assert not waker.woken
    waker.wake()
    waker.wake()
    assert waker.woken

    async def on_a_loop() -> None:
        waker = AsyncWaker()
        assert not waker.woken
        waker.wake()
        waker.wake()
        await waker.future
        assert waker.woken

    asyncio.run(on_a_loop())


@pytest.mark.parametrize("make", [NotedClock, VirtualClock])
def test_waits_are_noted(make: type[NotedClock] | type[VirtualClock]) -> None:
    """The test clocks record each wait, on a thread and on a task; a wait of zero is not recorded."""
    clock = make()
    clock.sleep(0.001, Waker())
    clock.sleep(0, Waker())

    async def on_a_loop() -> None:
        await clock.asleep(0.002, AsyncWaker())
        await clock.asleep(0, AsyncWaker())

    asyncio.run(on_a_loop())

    assert [0.001, 0.002] == clock.waits


def test_virtual_time_moves_by_the_waits_alone() -> None:
    """An hour passes at once, for the time of day too; a reset is later, at the machine's time of day."""
    clock = VirtualClock()
    began, day = clock.now(), clock.milliseconds()
    clock.sleep(3600, Waker())

    assert (3600.0, 3_600_000) == (clock.now() - began, clock.milliseconds() - day)
    assert clock.seconds() == clock.milliseconds() // 1000 == clock.microseconds() // 1_000_000

    clock.begin()

    assert [] == clock.waits
    assert clock.now() > began + 3600
    assert abs(clock.milliseconds() - day) < 60_000


def test_tasks_are_woken_in_order_and_time_is_shared() -> None:
    """Ten tasks that wait two seconds each take two in total, and one that waits one is first."""
    clock = VirtualClock()
    began, woken = clock.now(), []

    async def wait(seconds: float) -> None:
        await clock.asleep(seconds, AsyncWaker())
        woken.append((seconds, clock.now() - began))

    async def main() -> None:
        await asyncio.gather(*(wait(2.0) for _ in range(10)), wait(1.0))

    asyncio.run(main())

    assert [(1.0, 1.0), *[(2.0, 2.0)] * 10] == woken


def test_a_task_that_can_go_on_is_waited_for() -> None:
    """Time does not move past a task that can still run, nor past one that is about to sleep for less."""
    clock = VirtualClock()
    began, woken = clock.now(), []

    async def long() -> None:
        await clock.asleep(10.0, AsyncWaker())
        woken.append(clock.now() - began)

    async def late() -> None:
        for _ in range(100):
            await asyncio.sleep(0)
        await clock.asleep(1.0, AsyncWaker())
        woken.append(clock.now() - began)

    async def main() -> None:
        await asyncio.gather(long(), late())

    asyncio.run(main())

    assert [1.0, 10.0] == woken


def test_a_task_that_polls_without_end_does_not_stop_the_time() -> None:
    """A task that spins until another has slept is not waited for forever."""
    clock = VirtualClock()

    async def main() -> None:
        sleeper = asyncio.ensure_future(clock.asleep(5.0, AsyncWaker()))
        while not sleeper.done():
            await asyncio.sleep(0)

    asyncio.run(main())

    assert [5.0] == clock.waits


def test_threads_share_the_time() -> None:
    """Forty threads that start together wait two seconds together, whichever comes first."""
    clock = VirtualClock()
    began, start, woken = clock.now(), threading.Barrier(40), []

    def wait(seconds: float) -> None:
        start.wait()
        clock.sleep(seconds, Waker())
        woken.append((seconds, clock.now() - began))

    threads = [threading.Thread(target=wait, args=[1.0 + number % 2]) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [(1.0, 1.0)] * 20 + [(2.0, 2.0)] * 20 == sorted(woken)


def test_threads_and_a_loop_share_the_time() -> None:
    """A task's wait and a thread's end in the order of their ends."""
    clock = VirtualClock()
    began, woken = clock.now(), []

    def on_a_thread() -> None:
        clock.sleep(1.0, Waker())
        woken.append(clock.now() - began)

    async def main() -> None:
        thread = asyncio.get_running_loop().run_in_executor(None, on_a_thread)
        await clock.asleep(2.0, AsyncWaker())
        woken.append(clock.now() - began)
        await thread

    asyncio.run(main())

    assert [1.0, 2.0] == woken


def test_time_stands_still_while_a_request_is_on_the_wire() -> None:
    """It moves when the request is over; nested requests count once."""
    clock = VirtualClock()
    began, woken = clock.now(), []

    async def send() -> None:
        with clock.busy(), clock.busy():
            for _ in range(50):
                await asyncio.sleep(0)
            woken.append(("sent", clock.now() - began))

    async def wait() -> None:
        await clock.asleep(1.0, AsyncWaker())
        woken.append(("woken", clock.now() - began))

    async def main() -> None:
        await asyncio.gather(send(), wait())

    asyncio.run(main())

    assert [("sent", 0.0), ("woken", 1.0)] == woken


def test_a_wait_within_a_request_of_your_own_ends() -> None:
    """A `fetch` that retries after a pause does not block the time that its own pause needs."""
    clock = VirtualClock()
    with clock.busy():
        clock.sleep(1.0, Waker())

    async def main() -> None:
        with clock.busy():
            await clock.asleep(2.0, AsyncWaker())

    asyncio.run(main())

    assert [1.0, 2.0] == clock.waits


def test_a_wait_can_be_ended_early() -> None:
    """A sleeper woken by other code, not by the time, has waited for zero seconds."""
    clock = VirtualClock()
    waker = Waker()
    waker.wake()
    clock.sleep(60, waker)

    async def main() -> None:
        waker = AsyncWaker()
        waker.wake()
        await clock.asleep(60, waker)

    asyncio.run(main())

    assert [] == clock.waits


def test_time_can_be_moved() -> None:
    """`advance` wakes sleepers due by then; it takes no negative and no infinite step."""
    clock = VirtualClock()
    began = clock.now()

    async def main() -> None:
        with clock.busy():  # which keeps the time from moving on its own
            sleepers = [asyncio.ensure_future(clock.asleep(seconds, AsyncWaker())) for seconds in (1.0, 9.0)]
            await asyncio.sleep(0)
            clock.advance(5.0)
            await sleepers[0]
            assert not sleepers[1].done()
        await sleepers[1]

    # A new context for each sleeper, so that none of them holds the request.
    asyncio.run(main())

    assert 9.0 == clock.now() - began
    for seconds in (-1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="time moves on by a finite number of seconds"):
            clock.advance(seconds)


def test_a_loop_on_the_time_of_day_ends() -> None:
    """A loop that reads the time repeatedly without waiting gets ahead; a few reads change nothing."""
    clock = VirtualClock()
    began = clock.milliseconds()

    assert {began} == {clock.milliseconds() for _ in range(10)}

    while clock.milliseconds() < began + 2000:
        pass

    assert began + 2000 <= clock.milliseconds() < began + 3000


def test_the_time_of_day_does_not_lag_behind_for_those_on_the_machines_clock() -> None:
    """`catch_up` advances by the real time that has passed, if less has passed here."""
    clock = VirtualClock()
    clock._began = clock._began[0] - 5.0, clock._began[1]
    began = clock.now()
    clock.catch_up()

    assert 5.0 <= clock.now() - began < 6.0

    moved = clock.now()
    clock.advance(100.0)
    clock.catch_up()

    assert 100.0 == round(clock.now() - moved, 6)


def test_copies_of_an_exchange_live_in_the_same_time() -> None:
    """A deep copy and a pickle use the same clock; another process has none with that number."""
    clock = VirtualClock()

    assert clock is copy.deepcopy(clock)
    assert clock is pickle.loads(pickle.dumps(clock))  # noqa: S301 - our own

    text = pickle.dumps(clock)
    del clock

    assert pickle.loads(text) is None  # noqa: S301 - our own


def test_a_closed_loop_is_no_sleeper() -> None:
    """A task left behind on a closed loop does not keep the others waiting."""
    clock = VirtualClock()
    loop = asyncio.new_event_loop()
    task = loop.create_task(clock.asleep(1.0, _made_on(loop)))
    with clock.busy():
        loop.run_until_complete(_turns())
    loop.close()
    clock.sleep(5.0, Waker())

    assert [5.0] == clock.waits
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # left behind on purpose
    task.get_coro().close()


async def _turns() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def _made_on(loop: asyncio.AbstractEventLoop) -> AsyncWaker:
    async def make() -> AsyncWaker:
        return AsyncWaker()

    return loop.run_until_complete(make())


def test_the_threads_of_before_are_not_the_tests() -> None:
    """An existing thread counts as soon as it uses the clock, and not before."""
    quiet = Quiet()
    go, met, done = threading.Event(), threading.Event(), threading.Event()

    def use() -> None:
        go.wait()
        quiet.met()
        met.set()
        done.wait()

    thread = threading.Thread(target=use)
    thread.start()
    assert quiet.others()
    quiet.begin()
    assert not quiet.others()
    go.set()
    met.wait()
    assert quiet.others()
    done.set()
    thread.join()
    assert not quiet.others()


def test_every_wait_has_its_own_waker() -> None:
    """The virtual clock has the methods of the core's clock, with the same parameter names."""
    names: Any = {name for name in vars(Clock) if not name.startswith("_")}

    assert names == {"now", "sleep", "asleep", "busy"}
    assert names <= set(dir(VirtualClock)) & set(dir(NotedClock))
    assert core_clock.SYSTEM.now() > 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_is_held_up_by_no_thread_of_its_parent() -> None:
    """A request on the wire in the parent is not one in the child, and the thread that moves time is a new one."""
    clock, began, ends = VirtualClock(), threading.Event(), threading.Event()

    def request() -> None:
        with clock.busy():
            began.set()
            ends.wait()

    thread = threading.Thread(target=request)
    thread.start()
    began.wait()
    child = os.fork()
    if not child:
        signal.alarm(30)
        clock.sleep(1.0, Waker())
        os._exit(int(clock.waits != [1.0]))
    _, status = os.waitpid(child, 0)
    ends.set()
    thread.join()

    assert 0 == status
