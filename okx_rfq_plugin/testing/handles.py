"""The objects returned by the fixtures: clock, sandbox, observers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from types import TracebackType
from typing import Any

from multidict import CIMultiDict

from okx_rfq_plugin.plugins import get_plugin_manager
from okx_rfq_plugin.sandbox import Request, Sandbox
from okx_rfq_plugin.testing import serving
from okx_rfq_plugin.testing.clocks import NotedClock, VirtualClock
from okx_rfq_plugin.testing.patches import Patches
from okx_rfq_plugin.testing.sent import WIRE
from okx_rfq_plugin.testing.sleeping import patch_sleep


class FixtureClock:
    """The clock of the fixtures' exchanges and sandbox.

    While recording OKX demo trading, it is the machine's clock and cannot be moved.
    """

    def __init__(self, clock: VirtualClock | NotedClock) -> None:
        self._clock = clock
        self._adopted: list[Any] = []
        self._sleeps: Patches | None = None

    @property
    def now(self) -> float:
        """Unix seconds."""
        return self._virtual().wall()

    @property
    def waits(self) -> list[float]:
        """The seconds waited, in order."""
        return self._clock.waits

    def advance(self, seconds: float) -> None:
        """Advance by the given number of seconds; waits that end by then are over."""
        self._virtual().advance(seconds)

    def adopt(self, exchange: Any) -> Any:
        """Put an exchange created by a strategy on this clock until the end of the test, and return it."""
        serving.check_class(type(exchange))
        serving.adopt(exchange, self._virtual())
        self._adopted.append(exchange)
        return exchange

    def patch_sleep(self) -> AbstractContextManager[None]:
        """Make `time.sleep` and `asyncio.sleep` wait on this clock, until the end of the test or of a `with` block."""
        if self._sleeps is None:
            self._sleeps = patch_sleep(self._virtual())
        return _Until(self._undo)

    def end(self) -> None:
        """Undo everything. Called by the fixture."""
        self._undo()
        while self._adopted:
            serving.give_back(self._adopted.pop())

    def _undo(self) -> None:
        if self._sleeps is not None:
            self._sleeps.undo()
            self._sleeps = None

    def _virtual(self) -> VirtualClock:
        if not isinstance(self._clock, VirtualClock):
            raise RuntimeError("OKX demo trading is being recorded, in the machine's time: it cannot be moved")
        return self._clock


class _Until:
    """Context manager that calls a function on exit."""

    def __init__(self, end: Callable[[], None]) -> None:
        self._end = end

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()


class FixtureSandbox(Sandbox):
    """The sandbox of a test. Exchanges from `exchange()` use its virtual clock."""

    def __init__(self, virtual: VirtualClock) -> None:
        self._virtual = virtual
        self.idle: Callable[[], None] | None = None  # raises if the test replays a cassette
        super().__init__(clock=virtual)
        receive = self._front.receive

        def named(arrival: Any) -> Any:
            virtual.arrived(arrival.headers.get(WIRE, ""))
            if WIRE in arrival.headers:
                headers = CIMultiDict(arrival.headers)
                headers.popall(WIRE)
                arrival = replace(arrival, headers=headers)
            return receive(arrival)

        self._front.receive = named  # type: ignore[method-assign]  # only the clock needs the name

    @property
    def may_hold_back(self) -> bool:
        """Whether a queued fault delays a reply."""
        return any("delay=" in words or "late=" in words for words in self.unused)

    def exchange(self, *args: Any, **kwargs: Any) -> Any:
        """Same as `Sandbox.exchange`. If ccxt requires closing it, the caller must do so."""
        return serving.serve(super().exchange(*args, **kwargs), self._virtual)

    @property
    def requests(self) -> list[Request]:
        """Requests that arrived, oldest first; see `Sandbox.requests`."""
        self._check_asked()
        return super().requests

    def rfqs(self, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """Same as `Sandbox.rfqs`."""
        self._check_asked()
        return super().rfqs(*args, **kwargs)

    def quotes(self, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """Same as `Sandbox.quotes`."""
        self._check_asked()
        return super().quotes(*args, **kwargs)

    def _check_asked(self) -> None:
        if self.idle is not None:
            self.idle()


class Observers:
    """Observers registered by a test: plugins notified about cancels, each on its own thread."""

    def __init__(self) -> None:
        self._manager: Any = get_plugin_manager()
        self._registered: list[Any] = []

    def register(self, plugin: Any) -> Any:
        """Register a plugin until the end of the test, and return it."""
        self._manager.register(plugin)
        self._registered.append(plugin)
        return plugin

    def wait(self, seconds: float = 10.0) -> None:
        """Wait until every observer has been notified of everything so far.

        Raises:
            TimeoutError: if one takes longer than the given number of seconds of real time.
        """
        if not self._manager.observers.drain(seconds):
            raise TimeoutError(f"an observer has not returned within {seconds} s")

    def end(self) -> None:
        """Unregister what was registered. Called by the fixture."""
        self._manager.observers.drain(2.0)
        while self._registered:
            self._manager.unregister(self._registered.pop())
