"""What the tests share: a clock that never waits, both twins through one fixture, how hypothesis draws, their order."""

from __future__ import annotations

import gc
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ccxt
import ccxt.async_support
import ccxt.pro
import certifi
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


# Tests that wait for other processes, or long for something else. They are spread over nearly the whole run, so that
# some workers compute while others wait; none comes last, where it would keep a single worker waiting.
WAITING = ("/cli/", "/fleet/", "/docs/", "/test_process_exit.py", "/test_fault_properties.py")
WAITING_SHARE = 0.98


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by -m
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every second case of a `thinned` test as `matrix`, sync and async in turn; spread the tests that wait."""
    numbers: dict[str, dict[Any, int]] = {}
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("thinned"):
            params = dict(item.callspec.params)
            twin = params.pop("twin", None) == "async"
            cases = numbers.setdefault(item.nodeid.partition("[")[0], {})
            number = cases.setdefault(tuple(map(id, params.values())), len(cases))
            if (number + twin) % 2:
                item.add_marker("matrix")
    if "PYTEST_XDIST_WORKER" in os.environ:
        _spread(items)


def _spread(items: list[pytest.Item]) -> None:
    waiting = {path: any(part in path.as_posix() for part in WAITING) for path in {item.path for item in items}}
    places: dict[str, float] = {}
    for kind, share in ((True, WAITING_SHARE), (False, 1.0)):
        chosen = [item for item in items if waiting[item.path] is kind]
        places.update({item.nodeid: share * number / len(chosen) for number, item in enumerate(chosen)})
    items.sort(key=lambda item: places[item.nodeid])


def pytest_collection_finish() -> None:
    """Hide everything so far from the garbage collector: one full collection would take 0.3 s, and there are many."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return the number for `-n auto`: six even on two cores, as many tests wait; few, as each collects all tests."""
    return min(8, max(6, os.cpu_count() or 1))


def pytest_configure(config: pytest.Config) -> None:
    """Trust a single authority by default: each async object of ccxt reads all of certifi's, which takes 15 ms."""
    folder = tempfile.TemporaryDirectory()
    config.add_cleanup(folder.cleanup)
    first, end, _ = Path(certifi.where()).read_text(encoding="utf-8").partition("-----END CERTIFICATE-----\n")
    (one := Path(folder.name, "one.pem")).write_text(first + end, encoding="utf-8")
    certifi.where = lambda: str(one)


@pytest.fixture(params=["sync", "async"])
def twin(request: pytest.FixtureRequest) -> Twin:
    return Twin(ccxt, True) if request.param == "sync" else Twin(ccxt.async_support, False)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> VirtualClock:
    virtual = VirtualClock()
    monkeypatch.setattr(okx_rfq_plugin.get_plugin_manager().get_plugin("okx"), "clock", virtual)
    return virtual


@pytest.fixture(autouse=True)
def _measured(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure the coverage of processes only where a test is marked so: it doubles what a process costs."""
    if not request.node.get_closest_marker("measured"):
        monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)


@pytest.fixture
def freed() -> Iterator[None]:
    """What a test leaves behind is freed after it: it warns and logs in no other test."""
    yield
    gc.collect()


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
