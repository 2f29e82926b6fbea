"""What the tests share: a clock that never waits, both twins through one fixture, and how hypothesis draws."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import ccxt
import ccxt.async_support
import ccxt.pro
import pytest
from hypothesis import HealthCheck, settings
from support.traced_threads import trace_all_threads
from support.twins import PATIENT, Twin, VirtualClock

import okx_rfq_plugin
from okx_rfq_plugin.sandbox import Sandbox

# The same cases each time, so that no change is red for another's sake; `tox -m matrix` sets HYPOTHESIS_PROFILE=random.
_drawn = settings(deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", _drawn, derandomize=True, max_examples=15, database=None)
settings.register_profile("random", _drawn, max_examples=200)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

trace_all_threads()

# nohup, and shells for background processes, ignore these signals, and children inherit that.
for _signum in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
    if signal.getsignal(_signum) is signal.SIG_IGN:
        signal.signal(_signum, signal.default_int_handler if _signum == signal.SIGINT else signal.SIG_DFL)


def pytest_unconfigure() -> None:
    """Write what was measured: xdist gives a worker ten seconds to end, which may be too few for its last breath."""
    measured = getattr(sys.modules.get("coverage"), "Coverage", None)
    if measured is not None and (current := measured.current()) is not None:
        current.save()


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by -m
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give `matrix` to each second case of a test that is `thinned`: of the twins one, in turn."""
    numbers: dict[str, dict[Any, int]] = {}
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("thinned"):
            params = dict(item.callspec.params)
            twin = params.pop("twin", None) == "async"
            cases = numbers.setdefault(item.nodeid.partition("[")[0], {})
            number = cases.setdefault(tuple(map(id, params.values())), len(cases))
            if (number + twin) % 2:
                item.add_marker("matrix")


@pytest.fixture(params=["sync", "async"])
def twin(request: pytest.FixtureRequest) -> Twin:
    return Twin(ccxt, True) if request.param == "sync" else Twin(ccxt.async_support, False)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> VirtualClock:
    virtual = VirtualClock()
    monkeypatch.setattr(okx_rfq_plugin.get_plugin_manager().get_plugin("okx"), "clock", virtual)
    return virtual


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes without coverage, which start twice as fast: for tests that run no line that others do not run."""
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)


@pytest.fixture
def sandbox(clock: VirtualClock) -> Iterator[Sandbox]:
    with Sandbox(clock=clock.wall) as running:
        yield running


@pytest.fixture
def exchange(twin: Twin, sandbox: Sandbox, clock: VirtualClock) -> Any:
    """A ccxt okx object of the twin under test, on the sandbox and its clock, with the plugin on it."""
    made = sandbox.exchange(twin.module.okx)
    made.milliseconds = lambda: int(clock.wall() * 1000)
    return okx_rfq_plugin.install(made, policy=PATIENT)
