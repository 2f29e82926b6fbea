"""Effects: what the steps of a call yield, and the two drivers that perform them."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple, Protocol, TypeVar

from okx_rfq_plugin._core import connection
from okx_rfq_plugin._core.clock import AsyncWaker, Clock, Waker
from okx_rfq_plugin._core.outcome import Outcome
from okx_rfq_plugin._core.request import Request
from okx_rfq_plugin._core.single_flight import Flight

T = TypeVar("T")
_SHORTEST = 1e-6  # seconds: a shorter wait may vanish when added to the time as a float, and would never end


class Effect(Protocol):
    """An action for a call, on the caller's thread or task."""

    def perform(self) -> Any:
        """Do it, and return the result for the steps."""

    async def perform_async(self) -> Any:
        """Async version of `perform`."""


Steps = Generator[Effect, Any, T]


class Sleep(NamedTuple):
    """Wait `seconds`, or until the flight lands."""

    clock: Clock
    seconds: float
    flight: Flight
    follows: bool  # whether another caller's attempt is under way

    def perform(self) -> None:
        """Wait, holding this thread."""
        waker = Waker(busy=self.follows)
        self.flight.wake_at_landing(waker)
        self.clock.sleep(max(self.seconds, _SHORTEST), waker)

    async def perform_async(self) -> None:
        """Async version of `perform`."""
        waker = AsyncWaker(busy=self.follows)
        self.flight.wake_at_landing(waker)
        await self.clock.asleep(max(self.seconds, _SHORTEST), waker)


class Send(NamedTuple):
    """Send one request, and return its outcome."""

    clock: Clock
    request: Request

    def perform(self) -> Outcome:
        """Send on this thread."""
        request = self.request
        try:
            with self.clock.busy(), request:
                request.returned = request.call()
        finally:
            while request.sessions:
                connection.close(request.sessions.pop())
        return request.outcome

    async def perform_async(self) -> Outcome:
        """Async version of `perform`."""
        request = self.request
        try:
            with self.clock.busy(), request:
                request.returned = await request.call()
        finally:
            while request.sessions:
                await request.sessions.pop().close()
        return request.outcome


def drive(steps: Steps[T]) -> T:
    """Perform the effects that the steps yield, and return what the steps return."""
    thrown = None
    try:
        effect = next(steps)
        while True:
            try:
                result = effect.perform()
            except BaseException as error:
                thrown = error
                effect = steps.throw(error)
            else:
                effect = steps.send(result)
    except StopIteration as stop:
        returned: T = stop.value
        return returned
    except RuntimeError as error:
        # A generator turns a StopIteration, which an exhausted mock raises, into a RuntimeError.
        if isinstance(thrown, StopIteration) and error.__cause__ is thrown:
            raise thrown from None
        raise
    finally:
        steps.close()


async def drive_async(steps: Steps[T]) -> T:
    """Async version of `drive`."""
    try:
        effect = next(steps)
        while True:
            try:
                result = await effect.perform_async()
            except BaseException as error:
                effect = steps.throw(error)
            else:
                effect = steps.send(result)
    except StopIteration as stop:
        returned: T = stop.value
        return returned
    finally:
        steps.close()
