"""The pytest plugin: fixtures that create exchanges, and markers that replay cassettes or guard tests."""

from __future__ import annotations

import itertools
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

# Every pytest run of every user imports this file, so heavy imports are inside the fixtures that need them.
if TYPE_CHECKING:
    from okx_rfq_plugin import AsyncRfqExchange, RetryPolicy, RfqExchange
    from okx_rfq_plugin.sandbox import Sandbox
    from okx_rfq_plugin.testing.clocks import NotedClock, VirtualClock
    from okx_rfq_plugin.testing.handles import FixtureClock, Observers
    from okx_rfq_plugin.testing.interactions import CassetteRequest
    from okx_rfq_plugin.testing.making import ExchangeMaker
    from okx_rfq_plugin.testing.sources import Source
    from okx_rfq_plugin.testing.trial import Trial

_MARKER = "okx_rfq_cassette"
_GUARD = "okx_rfq_guard"
_RECORD = "--okx-rfq-record"
_RECORD_MODE = "--okx-rfq-record-mode"
_MAX_AGE = "okx_rfq_cassette_max_age"
_OLD = "okx_rfq_old_cassette"  # properties of a report, which xdist transfers from its workers
_WRITTEN = "okx_rfq_written_cassette"
_TRIAL: pytest.StashKey[Trial] = pytest.StashKey()
_GUARDED: pytest.StashKey[Any] = pytest.StashKey()

_numbers = itertools.count(1)


# Hooks


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options for recording, and the ini values for the guard and for old cassettes."""
    group = parser.getgroup("okx-rfq")
    group.addoption(
        _RECORD,
        choices=("sandbox", "demo"),
        help=f"write the cassettes of {_MARKER} markers, from the local sandbox or from OKX demo trading with the key "
        "in OKX_API_KEY, OKX_API_SECRET and OKX_PASSPHRASE; refused where CI is set",
    )
    group.addoption(
        _RECORD_MODE,
        choices=("missing", "rewrite"),
        help=f"which cassettes {_RECORD} writes: those that do not exist yet (default), or all of this run's tests",
    )
    parser.addini(_MAX_AGE, "name your cassettes that are older than this number of days (default: off)", default="")
    parser.addini(
        _GUARD,
        "let no okx object of any test of this suite out, with fixtures or without (default: false)",
        type="bool",
        default=False,
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and reject invalid settings before any test runs."""
    config.addinivalue_line(
        "markers",
        f'{_MARKER}(name, match="body"): OKX\'s replies come from this cassette, a name or a path; without a name, of '
        'the test\'s own name. match="path" compares no bodies.',
    )
    config.addinivalue_line("markers", f"{_GUARD}(on=True): no request of an okx object leaves the machine.")
    _max_age(config)
    environment = config.getoption(_RECORD)
    if config.getoption(_RECORD_MODE) and not environment:
        raise pytest.UsageError(f"{_RECORD_MODE} says which cassettes {_RECORD} writes: give that, too")
    if environment and os.environ.get("CI"):
        raise pytest.UsageError(f"{_RECORD}: cassettes are not recorded in CI (the environment has CI set)")
    if environment == "demo":
        from okx_rfq_plugin.testing.recording import missing_keys

        if missing_keys():
            raise pytest.UsageError(f"{_RECORD}=demo needs a demo key of yours in {', '.join(missing_keys())}")


def pytest_sessionstart(session: pytest.Session) -> None:
    """If the ini value is set, guard everything from the start, including import and collection."""
    if session.config.getini(_GUARD):
        from okx_rfq_plugin.testing import trial, wire

        session.config.stash[_GUARDED] = stage = trial.guard()
        wire.open_stage(stage)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the session's guard."""
    stage = config.stash.get(_GUARDED, None)
    if stage is not None:
        from okx_rfq_plugin.testing import wire

        wire.close_stage(stage)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Guard a test before its own fixtures, and open a marked test's cassette even if it uses none of our fixtures."""
    names = getattr(item, "fixturenames", None)
    marked = item.get_closest_marker(_MARKER) is not None
    if names is not None and marked:
        item.fixturenames = ["_okx_rfq_tape", *names]  # type: ignore[attr-defined]  # not on every item
    guard = item.get_closest_marker(_GUARD)
    wanted = bool(item.config.getini(_GUARD)) if guard is None else bool((*guard.args, *guard.kwargs.values(), True)[0])
    if wanted or marked or any(name.startswith("okx_rfq_") for name in names or ()):
        _trial_of(item)
    else:
        _let_out(item, True)


def _let_out(item: pytest.Item, out: bool) -> None:
    """Exempt a test from the guard of its suite, or end the exemption."""
    stage = item.config.stash.get(_GUARDED, None)
    if stage is not None:
        from okx_rfq_plugin.testing import wire

        (wire.close_stage if out else wire.open_stage)(stage)


def _trial_of(item: pytest.Item) -> Trial:
    trial = item.stash.get(_TRIAL, None)
    if trial is None:
        from okx_rfq_plugin.testing.trial import Trial

        trial = item.stash[_TRIAL] = Trial()
    return trial


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Record how the test ended, for the final checks of its guard and cassette."""
    report = yield
    trial = item.stash.get(_TRIAL, None)
    if trial is not None:
        trial.reported(call.when, report.passed, call.excinfo and call.excinfo.value)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Fail at the very end for refusals that a strategy swallowed, and for what was never used."""
    try:
        return (yield)
    finally:
        trial = item.stash.get(_TRIAL, None)
        if trial is None:
            _let_out(item, False)
        else:
            del item.stash[_TRIAL]
            written = trial.end()
            if written is not None:
                item.user_properties.append((_WRITTEN, written))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """List the cassettes that were written, and those older than the ini value allows."""
    for title, property_name in (
        ("cassettes written", _WRITTEN),
        (f"cassettes older than {_MAX_AGE}", _OLD),
    ):
        lines = {
            words
            for reports in terminalreporter.stats.values()
            for report in reports
            for name, words in getattr(report, "user_properties", ())
            if name == property_name
        }
        if lines:
            terminalreporter.section(title)
            for words in sorted(lines):
                terminalreporter.line(words)


# Fixtures to override


@pytest.fixture
def okx_rfq_policy() -> RetryPolicy:
    """How long a cancel may take: the default policy without jitter, so that waits can be compared."""
    from okx_rfq_plugin import RetryPolicy

    return RetryPolicy(jitter=0.0)


@pytest.fixture
def okx_rfq_credentials() -> dict[str, str]:
    """Key, secret and passphrase: dummy values, new in each test because OKX's limits are counted per key."""
    number = next(_numbers)
    return {"apiKey": f"dummy-key-{number}", "secret": f"dummy-secret-{number}", "password": f"dummy-pass-{number}"}


@pytest.fixture
def okx_rfq_cassette_dir(request: pytest.FixtureRequest) -> Path:
    """The folder of your own cassettes: `cassettes`, next to the test file."""
    return request.path.parent / "cassettes"


@pytest.fixture
def okx_rfq_scrubbed_names() -> tuple[str, ...]:
    """Additional fields to scrub from a recording, besides those covered by the rule."""
    return ()


# Fixtures to use


@pytest.fixture
def okx_rfq_make_exchange(
    _okx_rfq_trial: Trial,
    _okx_rfq_source: Source,
    _okx_rfq_tape: None,
    okx_rfq_policy: RetryPolicy,
    okx_rfq_credentials: dict[str, str],
    _okx_rfq_time: VirtualClock | NotedClock,
    request: pytest.FixtureRequest,
) -> Iterator[ExchangeMaker]:
    """A factory: `okx_rfq_make_exchange(cls, credentials=..., policy=..., **config)`."""
    from okx_rfq_plugin.testing.making import ExchangeMaker

    keys = _okx_rfq_trial.keys(_okx_rfq_source, okx_rfq_credentials, okx_rfq_policy)
    sandbox = request.getfixturevalue("okx_rfq_sandbox") if _okx_rfq_source.environment == "sandbox" else None
    maker = ExchangeMaker(_okx_rfq_source.environment, keys, okx_rfq_policy, _okx_rfq_time, sandbox)
    yield maker
    maker.close()


@pytest.fixture
def okx_rfq_exchange(okx_rfq_make_exchange: ExchangeMaker) -> RfqExchange:
    """A ccxt.okx object in demo mode with the plugin installed, replaying the marker's cassette or on the sandbox."""
    import ccxt

    exchange: RfqExchange = okx_rfq_make_exchange(ccxt.okx)
    return exchange


@pytest.fixture
def okx_rfq_async_exchange(okx_rfq_make_exchange: ExchangeMaker) -> AsyncRfqExchange:
    """Async version of `okx_rfq_exchange`, from ccxt.async_support. It belongs to the loop that first uses it."""
    import ccxt.async_support

    exchange: AsyncRfqExchange = okx_rfq_make_exchange(ccxt.async_support.okx)
    return exchange


@pytest.fixture
def okx_rfq_sandbox(
    _okx_rfq_trial: Trial,
    _okx_rfq_source: Source,
    okx_rfq_credentials: dict[str, str],
    _okx_rfq_time: VirtualClock | NotedClock,
    request: pytest.FixtureRequest,
) -> Sandbox:
    """The local OKX block-trading server: one per session, emptied for each test, with a new user per test."""
    _okx_rfq_trial.keys(_okx_rfq_source, okx_rfq_credentials, None)
    _okx_rfq_trial.check_sandbox(_okx_rfq_source)
    return _okx_rfq_trial.use(request.getfixturevalue("_okx_rfq_server"), _okx_rfq_source, okx_rfq_credentials)


@pytest.fixture
def okx_rfq_clock(_okx_rfq_time: VirtualClock | NotedClock) -> Iterator[FixtureClock]:
    """The clock of the fixtures' exchanges and sandbox: `advance(seconds)`, `now`, `waits`, `patch_sleep()`."""
    from okx_rfq_plugin.testing.handles import FixtureClock

    clock = FixtureClock(_okx_rfq_time)
    yield clock
    clock.end()


@pytest.fixture
def okx_rfq_waits(_okx_rfq_time: VirtualClock | NotedClock) -> list[float]:
    """The seconds that cancels would have waited, in order. Only recording from OKX waits in real time."""
    return _okx_rfq_time.waits


@pytest.fixture
def okx_rfq_observers(_okx_rfq_trial: Trial) -> Iterator[Observers]:
    """The observers of cancels: `register(plugin)` for this test, `wait()` until all of them were notified."""
    from okx_rfq_plugin.testing.handles import Observers

    observers = Observers()
    yield observers
    observers.end()


@pytest.fixture
def okx_rfq_cassette_requests(_okx_rfq_trial: Trial, _okx_rfq_tape: None) -> list[CassetteRequest]:
    """The requests replayed or recorded so far: `method`, `path`, `query`, `params`, `body`, `json`."""
    return _okx_rfq_trial.requests()


# Internal fixtures


@pytest.fixture(scope="session")
def _okx_rfq_virtual() -> VirtualClock:
    from okx_rfq_plugin.testing.clocks import VirtualClock

    return VirtualClock()


@pytest.fixture(scope="session")
def _okx_rfq_server(_okx_rfq_virtual: VirtualClock) -> Iterator[Sandbox]:
    from okx_rfq_plugin.testing.handles import FixtureSandbox

    with FixtureSandbox(_okx_rfq_virtual) as sandbox:
        yield sandbox


@pytest.fixture
def _okx_rfq_trial(request: pytest.FixtureRequest) -> Trial:
    return _trial_of(request.node)


@pytest.fixture
def _okx_rfq_time(
    _okx_rfq_trial: Trial, _okx_rfq_source: Source, _okx_rfq_virtual: VirtualClock
) -> Iterator[VirtualClock | NotedClock]:
    from okx_rfq_plugin.testing.clocks import NotedClock

    _okx_rfq_virtual.begin()
    _okx_rfq_trial.stage.clock = _okx_rfq_virtual
    yield NotedClock() if _okx_rfq_source.environment == "demo" else _okx_rfq_virtual
    _okx_rfq_virtual.end()


@pytest.fixture
def _okx_rfq_source(request: pytest.FixtureRequest, okx_rfq_cassette_dir: Path) -> Source:
    from okx_rfq_plugin.testing.sources import find_source

    config = request.config
    source = find_source(
        request.node,
        request.node.get_closest_marker(_MARKER),
        okx_rfq_cassette_dir,
        record=config.getoption(_RECORD),
        rewrite=config.getoption(_RECORD_MODE) == "rewrite",
    )
    most = _max_age(config)
    if source.cassette is not None and most is not None and (words := source.too_old(most)):
        request.node.user_properties.append((_OLD, words))
    return source


@pytest.fixture
def _okx_rfq_tape(
    request: pytest.FixtureRequest,
    _okx_rfq_trial: Trial,
    _okx_rfq_source: Source,
    _okx_rfq_time: VirtualClock | NotedClock,
    okx_rfq_scrubbed_names: tuple[str, ...],
) -> None:
    if _okx_rfq_source.records and _okx_rfq_source.environment == "sandbox":
        request.getfixturevalue("okx_rfq_sandbox")
    _okx_rfq_trial.start(_okx_rfq_source, okx_rfq_scrubbed_names)


def _max_age(config: pytest.Config) -> int | None:
    days = config.getini(_MAX_AGE)
    if not days:
        return None
    if not days.isdecimal():
        raise pytest.UsageError(f"{_MAX_AGE} is a number of days, not {days!r}")
    return int(days)
