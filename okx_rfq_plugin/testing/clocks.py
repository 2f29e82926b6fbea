"""Clocks for tests: one that records waits, and one on which waits take no real time."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
import time
import weakref
from contextlib import AbstractContextManager
from contextvars import ContextVar
from types import TracebackType
from typing import Any

from okx_rfq_plugin._core.clock import AsyncWaker, Clock, Waker
from okx_rfq_plugin.testing.quiet import Quiet, real_monotonic

_SPIN = 20  # reads of the time in a row without a wait; then the reader is taken to be polling
_TURNS = 3  # iterations of a loop with nothing to run before its tasks count as waiting
_MOST_TURNS = 5_000  # then time moves anyway, because a task that polls would stop it forever

_clocks: weakref.WeakValueDictionary[int, VirtualClock] = weakref.WeakValueDictionary()
_held: ContextVar[tuple[_Busy, ...]] = ContextVar("okx_rfq_busy", default=())
_arrived: ContextVar[str] = ContextVar("okx_rfq_arrived", default="")  # the request that a sandbox's thread handles
_numbers = itertools.count(1)


async def _one_turn() -> None:
    # Like `asyncio.sleep(0)`, which a test may have patched to use this clock.
    future = asyncio.get_running_loop().create_future()
    future.get_loop().call_soon(future.set_result, None)
    await future


class NotedClock(Clock):
    """The machine's clock. `waits` are the seconds waited, in order."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def sleep(self, seconds: float, waker: Waker) -> None:
        """Wait, and record the seconds."""
        self._note(seconds)
        super().sleep(seconds, waker)

    async def asleep(self, seconds: float, waker: AsyncWaker) -> None:
        """Async version of `sleep`."""
        self._note(seconds)
        await super().asleep(seconds, waker)

    def _note(self, seconds: float) -> None:
        if seconds > 0:
            self.waits.append(round(seconds, 6))  # the difference of two times has rounding errors


class _Sleeper:
    """A thread or task waiting for a point in virtual time."""

    def __init__(self, until: float, waker: Waker | AsyncWaker) -> None:
        self.until = until
        self.waker = waker
        self.released = False

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        return self.waker.loop if isinstance(self.waker, AsyncWaker) else None

    @property
    def awake(self) -> bool:
        """Whether it has been woken, by the time or by other code, but has not run yet."""
        return self.released or self.waker.woken

    def release(self) -> None:
        self.released = True
        self.waker.wake()


class VirtualClock(Clock):
    """Virtual time: once every thread and task waits, it jumps to the earliest wake-up.

    It stands still while a request is on the wire (`busy`) or one of its users can run. `waits` are the seconds waited,
    in the order in which the waits ended.
    """

    def __init__(self) -> None:
        self.waits: list[float] = []
        self._time = real_monotonic()
        self._events = 0
        self._reads = 0
        self._read_at = 0.0
        self._quiet = Quiet()
        self._forget()
        _clocks[id(self)] = self
        self.begin()

    def _forget(self) -> None:
        # After a fork, the parent's threads do not exist here, and locks that they held would be held forever.
        self._lock = threading.RLock()  # reentrant: a signal handler may run on any line
        self._settling = threading.RLock()
        self._sleepers: dict[int, _Sleeper] = {}
        self._busy: dict[str, _Busy] = {}
        self._considered: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()  # idle iterations per loop
        self._mover: threading.Thread | None = None

    def __deepcopy__(self, memo: object) -> VirtualClock:
        return self  # a copied exchange uses the same clock

    def __reduce__(self) -> Any:
        return _clock_of, (id(self),)

    def begin(self) -> None:
        """Reset: no waits, the machine's time of day, and everything earlier at least a minute ago."""
        with self._lock:
            self.waits = []
            self._time = int(self._time) + 61.0  # whole seconds keep sums of waits exact
            self._day = int(time.time()) - self._time
            self._began = real_monotonic(), self._time
            self._quiet.begin()
        self._release_due(everyone=True)

    def end(self) -> None:
        """Wake everything that still waits at the end of a test."""
        self._release_due(everyone=True)

    # The time

    def now(self) -> float:
        """Return seconds since some fixed moment; never goes back."""
        self._count_event()
        return self._time

    def wall(self) -> float:
        """Return Unix seconds, advancing with this clock."""
        return self._time + self._day

    def milliseconds(self) -> int:
        """Return Unix milliseconds, like ccxt's method of this name.

        Code that reads it repeatedly without waiting is polling, so the time advances for it.
        """
        if not self._is_busy():
            self._read()
        return self.microseconds() // 1000

    def microseconds(self) -> int:
        """Return Unix microseconds, like ccxt's method of this name."""
        return round(self.wall() * 1_000_000)

    def seconds(self) -> int:
        """Return whole Unix seconds, like ccxt's method of this name."""
        return self.microseconds() // 1_000_000

    def advance(self, seconds: float) -> None:
        """Advance by the given number of seconds, and wake the sleepers that are due."""
        if not 0 <= seconds < float("inf"):
            raise ValueError(f"time moves on by a finite number of seconds, 0 or more, not by {seconds!r}")
        with self._lock:
            self._time += seconds
        self._count_event()
        self._release_due()

    def catch_up(self) -> None:
        """Advance until at least as much time has passed as on the machine's clock."""
        began_for_real, began = self._began
        behind = (real_monotonic() - began_for_real) - (self._time - began)
        if behind > 0:
            self.advance(behind)

    # Waits

    def sleep(self, seconds: float, waker: Waker) -> None:
        """Wait until the time is up or until woken."""
        if seconds <= 0:
            return
        began = self._time
        sleeper, held = self._begin_wait(seconds, waker)
        try:
            if not self._is_busy() and not self._quiet.others():
                while not sleeper.awake and not self._is_busy():  # nothing else can run
                    self._move()
            if not sleeper.awake:
                self._start_mover()
            waker.lock.acquire()
        finally:
            self._end_wait(sleeper, held, began)
            if sleeper.released:
                waker.lock.acquire(blocking=False)  # both the time and other code woke it

    async def asleep(self, seconds: float, waker: AsyncWaker) -> None:
        """Async version of `sleep`."""
        if seconds <= 0:
            await _one_turn()
            return
        began = self._time
        sleeper, held = self._begin_wait(seconds, waker)
        try:
            self._consider_soon(waker.loop)
            await asyncio.wait((waker.future,))
        finally:
            self._end_wait(sleeper, held, began)

    def busy(self) -> AbstractContextManager[object]:
        """Context manager around a request on the wire, during which the time stands still."""
        return _Busy(self)

    def settle(self) -> None:
        """Wait, in real time, until every other thread that a test has started is waiting.

        This makes many threads send the same requests in every run.
        """
        if not self._quiet.others():
            return
        with self._settling:
            quiet = Quiet()
            while not quiet.wait(self._events, busy=False):
                pass

    # Requests delayed by the sandbox

    async def delay(self, seconds: float) -> None:
        """Delay the request being handled on a sandbox's event loop. Implements `SandboxClock`."""
        request = self._busy.get(_arrived.get())
        if request is not None:
            request.held_back += 1
        waker = AsyncWaker()
        sleeper = self._wait_for(seconds, waker)
        try:
            await asyncio.wait((waker.future,))
        finally:
            if request is not None:
                request.held_back -= 1
            self._sleepers.pop(id(sleeper), None)
            self._count_event()
            self._keep_moving()

    def arrived(self, name: str) -> None:
        """Record which request a sandbox's event loop is about to handle."""
        _arrived.set(name)

    def wire_name(self) -> str:
        """Return the sandbox's name for the request of this thread or task, "" if none is on the wire."""
        return next((request.name for request in _held.get() if request.name in self._busy), "")

    def wait_for_reply(self, seconds: float, waker: Waker) -> bool:
        """Wait until woken, and return True; return False if the time is up first."""
        sleeper = self._wait_for(seconds, waker)
        try:
            waker.lock.acquire()
        finally:
            self._sleepers.pop(id(sleeper), None)
            self._count_event()
        return not sleeper.released

    async def await_reply(self, seconds: float, waker: AsyncWaker) -> bool:
        """Async version of `wait_for_reply`."""
        sleeper = self._wait_for(seconds, waker)
        try:
            await asyncio.wait((waker.future,))
        finally:
            self._sleepers.pop(id(sleeper), None)
            self._count_event()
        return not sleeper.released

    def _wait_for(self, seconds: float, waker: Waker | AsyncWaker) -> _Sleeper:
        sleeper = _Sleeper(self._time + seconds, waker)
        self._sleepers[id(sleeper)] = sleeper
        self._count_event()
        self._start_mover()
        return sleeper

    def pause(self, milliseconds: float) -> None:
        """Wait like ccxt's `exchange.sleep()`, in virtual time."""
        self.sleep(milliseconds / 1000, Waker())

    async def apause(self, milliseconds: float) -> None:
        """Async version of `pause`."""
        await self.asleep(milliseconds / 1000, AsyncWaker())

    # Who is waiting

    def _is_busy(self) -> bool:
        # A request that the sandbox delays until a given time must not stop the time from reaching it.
        return any(not request.held_back for request in list(self._busy.values()))

    def _begin_wait(self, seconds: float, waker: Waker | AsyncWaker) -> tuple[_Sleeper, tuple[_Busy, ...]]:
        # A `fetch` that waits in the middle of its own request.
        held = tuple(request for request in _held.get() if self._busy.pop(request.name, None))
        sleeper = _Sleeper(self._time + seconds, waker)
        self._sleepers[id(sleeper)] = sleeper
        self._count_event()
        return sleeper, held

    def _end_wait(self, sleeper: _Sleeper, held: tuple[_Busy, ...], began: float) -> None:
        for request in held:
            self._busy[request.name] = request
        self._sleepers.pop(id(sleeper), None)
        waited = round(self._time - began, 6)
        if waited > 0:
            self.waits.append(waited)
        self._count_event()
        self._keep_moving()

    def _count_event(self) -> None:
        self._events += 1
        self._reads = 0
        self._quiet.met()

    def _read(self) -> None:
        now = real_monotonic()
        self._reads += 1
        if self._reads > _SPIN:
            passed = min(max(now - self._read_at, 0.001), 1.0)
            reads, self._reads = self._reads, 0
            self.advance(round(passed, 3))
            self._reads = reads
        self._read_at = now

    # Moving the time

    def _move(self) -> None:
        """Move to the earliest wake-up."""
        with self._lock:
            waiting = [sleeper.until for sleeper in list(self._sleepers.values()) if not sleeper.awake]
            if waiting:
                self._time = max(self._time, min(waiting))
        self._release_due()

    def _release_due(self, *, everyone: bool = False) -> None:
        for sleeper in list(self._sleepers.values()):
            if sleeper.loop is not None and sleeper.loop.is_closed():
                self._sleepers.pop(id(sleeper), None)
            elif (everyone or sleeper.until <= self._time) and not sleeper.awake:
                sleeper.release()

    def _keep_moving(self) -> None:
        """Make sure that the time moves on for those waiting."""
        sleepers = list(self._sleepers.values())
        for loop in {sleeper.loop for sleeper in sleepers} - {None}:
            if loop is not None and not loop.is_closed():
                self._consider_soon(loop)
        if any(sleeper.loop is None for sleeper in sleepers):
            self._start_mover()

    def _consider_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._considered.setdefault(loop, 0) == 0:
            self._considered[loop] = 1
            try:
                if asyncio._get_running_loop() is loop:
                    loop.call_soon(self._consider, loop, 0)
                else:
                    loop.call_soon_threadsafe(self._consider, loop, 0)
            except RuntimeError:  # closed
                self._considered.pop(loop, None)

    def _consider(self, loop: Any, turns: int) -> None:
        """Move the time if neither this loop nor any thread has anything to run."""
        rounds = self._considered.get(loop, 0)
        if self._is_busy() or not self._sleepers:
            self._considered.pop(loop, None)  # considered again at the end of the request, or with the next sleeper
            return
        ready = getattr(loop, "_ready", None)
        if ready is None or self._quiet.others():
            self._considered.pop(loop, None)
            self._start_mover()
            return
        idle = not ready and not any(sleeper.awake for sleeper in list(self._sleepers.values()))
        if turns >= _TURNS or rounds >= _MOST_TURNS:
            self._considered.pop(loop, None)
            self._move()
            self._keep_moving()
            return
        self._considered[loop] = rounds + 1
        loop.call_soon(self._consider, loop, turns + 1 if idle else 0)

    def _start_mover(self) -> None:
        with self._lock:
            if self._mover is None:
                self._mover = threading.Thread(target=self._watch, name="okx-rfq-clock", daemon=True)
                self._mover.start()

    def _watch(self) -> None:
        """Move the time whenever no thread could run for some milliseconds of real time."""
        self._quiet.restart()
        while True:
            quiet = self._quiet.wait(self._events, busy=self._is_busy())
            with self._lock:
                if not self._sleepers:
                    self._mover = None
                    return
            awake = any(sleeper.awake for sleeper in list(self._sleepers.values()))
            if quiet and not self._is_busy() and (not awake or self._quiet.stuck):
                self._move()
                self._quiet.restart()


class _Busy:
    """One request on the wire. Nested ones for the same request do nothing."""

    def __init__(self, clock: VirtualClock) -> None:
        self.name = str(next(_numbers))
        self.held_back = 0
        self._clock = clock
        self._counts = False

    def __enter__(self) -> None:
        self._counts = not self._clock.wire_name()
        if self._counts:
            self._clock._count_event()
            self._clock._busy[self.name] = self
            self._token = _held.set((*_held.get(), self))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._counts:
            return
        try:
            _held.reset(self._token)
        except ValueError:  # closed in another context than it was opened in, as generators may be
            _held.set(tuple(request for request in _held.get() if request is not self))
        self._clock._busy.pop(self.name, None)
        self._clock._count_event()
        self._clock._keep_moving()


def _clock_of(number: int) -> VirtualClock | None:
    """Return the clock of a pickled exchange, or None, for the machine's clock, in another process."""
    return _clocks.get(number)


def _after_fork() -> None:
    for clock in list(_clocks.values()):
        clock._forget()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_after_fork)
