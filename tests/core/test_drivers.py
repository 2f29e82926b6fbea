"""The two drivers, the effects that they perform, and the record of a call."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Generator
from types import FrameType
from typing import Any

import ccxt
import pytest
from support.twins import VirtualClock

from okx_rfq_plugin import CancelFailure
from okx_rfq_plugin._core import effects, steps, wording
from okx_rfq_plugin._core.call import Call, attach
from okx_rfq_plugin._core.clock import Clock
from okx_rfq_plugin._core.endpoints import CANCEL_ALL_RFQS
from okx_rfq_plugin._core.outcome import Outcome
from okx_rfq_plugin._core.single_flight import Caller, Flight, Group
from okx_rfq_plugin._core.verdict import classify


class Nothing:
    """An effect that does nothing."""

    def perform(self) -> None:
        """Do nothing."""

    async def perform_async(self) -> None:
        """Do nothing, on a loop."""


def drive(steps: Any) -> Any:
    return effects.drive(steps)


def drive_async(steps: Any) -> Any:
    return asyncio.run(effects.drive_async(steps))


both = pytest.mark.parametrize("drives", [drive, drive_async])


@both
def test_error_of_the_steps_passes(drives: Callable[[Any], Any]) -> None:
    """Before the first effect, and after it."""

    def story(at: int) -> Generator[Any, Any, None]:
        for _ in range(at):
            yield Nothing()
        raise RuntimeError("of the steps")

    for at in (0, 1):
        with pytest.raises(RuntimeError, match="of the steps"):
            drives(story(at))


@both
def test_interrupt_between_two_steps_ends_them(drives: Callable[[Any], Any]) -> None:
    """Their `finally` runs at once: others wait for the flight that it lands."""
    ended: list[str] = []

    def story() -> Generator[Any, Any, None]:
        try:
            yield Nothing()
            yield Nothing()
        finally:
            ended.append("ended")

    def interrupt(frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_code in (effects.drive.__code__, effects.drive_async.__code__):
            if event == "line" and frame.f_locals.get("result", 0) is None:
                raise KeyboardInterrupt
            return interrupt
        return None

    before = sys.gettrace()
    sys.settrace(interrupt)
    try:
        drives(story())
    except KeyboardInterrupt as error:
        kept = error  # with its traceback, which references the generator
        assert ["ended"] == ended
        assert kept.__traceback__ is not None
    else:
        raise AssertionError("nothing struck")
    finally:
        sys.settrace(before)


class Recording(Clock):
    """A clock that lands its flight during each sleep, and records whether the sleeper was woken."""

    def __init__(self, flight: Flight) -> None:
        self.flight = flight
        self.seen: list[tuple[bool, bool]] = []

    def sleep(self, seconds: float, waker: Any) -> None:
        self.flight.land(None)
        self.seen.append((waker.busy, waker.woken))

    async def asleep(self, seconds: float, waker: Any) -> None:
        self.flight.land(None)
        await asyncio.sleep(0)
        self.seen.append((waker.busy, waker.woken))


@pytest.mark.parametrize("follows", [True, False])
@both
def test_sleeper_is_woken_by_the_landing(drives: Callable[[Any], Any], follows: bool) -> None:
    """The clock is told whether a request is on its way meanwhile."""
    flight = Flight()
    clock = Recording(flight)

    def story() -> Generator[Any, Any, None]:
        yield effects.Sleep(clock, 60.0, flight, follows)

    drives(story())

    assert [(follows, True)] == clock.seen


def test_call_that_had_not_begun_has_sent_nothing() -> None:
    """All of its facts are zero."""
    error: Any = KeyboardInterrupt()

    attach(None, error)

    assert CancelFailure(code=None, attempts=0, elapsed=0.0, may_be_canceled=False) == error.cancel_failure


def test_elapsed_seconds_are_rounded_to_microseconds(clock: VirtualClock) -> None:
    """Floating-point noise is not shown."""
    call = Call(ccxt.okx(), clock, wording.CANCEL_RFQS, lambda *told: None)
    clock.time += 0.12345678

    assert 0.123457 == call.elapsed


@pytest.mark.parametrize(("secret", "shown"), [("dumm", "***y"), ("dum", "dummy")])
def test_secret_of_four_characters_is_masked(secret: str, shown: str) -> None:
    """A shorter one would mask parts of words."""
    error = ccxt.ExchangeError("dummy")
    outcome = Outcome(CANCEL_ALL_RFQS, classify(CANCEL_ALL_RFQS, None, error), None, error, True, False)

    assert "no reply arrived (ExchangeError: " + shown + ")" == wording.reason(outcome, (secret, None))


@pytest.mark.parametrize(("timeout", "seconds"), [(10_000, 3.5), (1_000, 1.5), (0, 3.5), (None, 3.5)])
def test_leader_is_waited_for_as_long_as_its_request_can_take(
    timeout: Any, seconds: float, clock: VirtualClock
) -> None:
    """The shorter of the attempt's timeout and the exchange's, and half a second."""
    exchange = ccxt.okx()
    exchange.timeout = timeout
    call = Call(exchange, clock, wording.CANCEL_RFQS, lambda *told: None)
    group = Group.of(clock, CANCEL_ALL_RFQS, "key", f"sharing {timeout}")
    caller = Caller(group, clock, [])

    assert [] == list(steps._wait(call, caller, bound=False))

    lease = caller.flight.leader.value
    assert lease is not None
    assert seconds == pytest.approx(lease.ends - clock.now())
