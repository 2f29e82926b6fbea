"""This file is the pytest plugin: fixtures that make exchanges for tests, and the marker that has them replay."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import pytest

# Every pytest run of every user imports this file: what is heavy is imported where a fixture needs it.
if TYPE_CHECKING:
    from okx_rfq_plugin import AsyncRfqExchange, RetryPolicy, RfqExchange
    from okx_rfq_plugin._core.clock import NotedClock, SkippingClock
    from okx_rfq_plugin.sandbox import Sandbox

_MARKER = "okx_rfq_cassette"
_RECORD = "--okx-rfq-record"
_MAX_AGE = "okx_rfq_cassette_max_age"
_OLD = "okx_rfq_old_cassette"  # a property of a report, which xdist carries from its workers
_ENDED = pytest.StashKey["BaseException | None"]()

_numbers = itertools.count(1)


# What pytest is told


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option to record and the ini value for old cassettes."""
    parser.getgroup("okx-rfq").addoption(
        _RECORD,
        choices=("sandbox", "demo"),
        help=f"write each cassette of a {_MARKER} marker that does not exist yet, from the local sandbox or from OKX "
        "demo trading with the key in OKX_API_KEY, OKX_API_SECRET and OKX_PASSPHRASE; refused where CI is set",
    )
    parser.addini(_MAX_AGE, "report the cassettes that are older than so many days (default: off)", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and refuse what cannot be done before any test runs."""
    config.addinivalue_line("markers", f"{_MARKER}(name): OKX's replies come from this cassette, a name or a path.")
    _max_age(config)
    world = config.getoption(_RECORD)
    if world and os.environ.get("CI"):
        raise pytest.UsageError(f"{_RECORD}: cassettes are not recorded in CI (the environment has CI set)")
    if world == "demo":
        from okx_rfq_plugin.testing.recording import missing_keys

        if missing_keys():
            raise pytest.UsageError(f"{_RECORD}=demo needs a demo key of yours in {', '.join(missing_keys())}")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Open a marked test's cassette before its own fixtures, and where it asks for none of ours too."""
    names = getattr(item, "fixturenames", None)
    if names is not None and item.get_closest_marker(_MARKER):
        item.fixturenames = ["_okx_rfq_tape", *names]  # type: ignore[attr-defined]  # of functions, if not of all items


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Keep what the test raised, for the cassette's last word."""
    try:
        result = yield
    except BaseException as error:
        item.stash[_ENDED] = error
        raise
    item.stash[_ENDED] = None
    return result


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Name the cassettes that are older than the ini value allows."""
    old = {
        words
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, words in getattr(report, "user_properties", ())
        if name == _OLD
    }
    if old:
        terminalreporter.section(f"cassettes older than {_MAX_AGE}")
        for words in sorted(old):
            terminalreporter.line(words)


# To be overridden


@pytest.fixture
def okx_rfq_policy() -> RetryPolicy:
    """How long a cancel goes on: the default, but without jitter, so that waits can be compared."""
    from okx_rfq_plugin import RetryPolicy

    return RetryPolicy(jitter=0.0)


@pytest.fixture
def okx_rfq_credentials() -> dict[str, str]:
    """Key, secret and passphrase, dummies; others in each test, since OKX's limits are kept per key."""
    number = next(_numbers)
    return {"apiKey": f"dummy-key-{number}", "secret": f"dummy-secret-{number}", "password": f"dummy-pass-{number}"}


@pytest.fixture
def okx_rfq_cassette_dir(request: pytest.FixtureRequest) -> Path:
    """The folder of one's own cassettes: `cassettes`, beside the test's file."""
    return request.path.parent / "cassettes"


# To be used


@pytest.fixture
def okx_rfq_exchange(okx_rfq_policy: RetryPolicy, _okx_rfq_make: Callable[[Any], Any]) -> Iterator[RfqExchange]:
    """A ccxt.okx object in demo mode with the plugin on it; it replays the marker's cassette, or is on the sandbox."""
    import ccxt

    from okx_rfq_plugin import install

    exchange = install(_okx_rfq_make(ccxt.okx), policy=okx_rfq_policy)
    yield exchange
    exchange.session.close()


@pytest.fixture
def okx_rfq_async_exchange(
    okx_rfq_policy: RetryPolicy, _okx_rfq_make: Callable[[Any], Any]
) -> Iterator[AsyncRfqExchange]:
    """Same as okx_rfq_exchange, for ccxt.async_support; it belongs to the loop that first uses it."""
    import ccxt.async_support

    from okx_rfq_plugin import install

    exchange = install(_okx_rfq_make(ccxt.async_support.okx), policy=okx_rfq_policy)
    exchange.timeout_on_exit = 0  # ccxt's close() waits for connections to end; none is kept here
    exchange.headers = {**exchange.headers, "Connection": "close"}
    yield exchange
    # Its loop may be closed by now, and no connection outlives its request: nothing is left to wait for.
    if exchange.session is not None:
        exchange.session.detach()
    exchange.session = exchange.tcp_connector = None


@pytest.fixture
def okx_rfq_sandbox(
    okx_rfq_credentials: dict[str, str], okx_rfq_waits: list[float], _okx_rfq_server: Sandbox
) -> Sandbox:
    """The local OKX block-trading server: one for the session, empty for each test, with a user of the test's own."""
    _okx_rfq_server.begin(okx_rfq_credentials)
    return _okx_rfq_server


@pytest.fixture
def okx_rfq_waits(_okx_rfq_source: _Source, _okx_rfq_clock: SkippingClock) -> Iterator[list[float]]:
    """The seconds that cancels would have waited, in order; nothing waits for real, but for OKX while recording."""
    from okx_rfq_plugin import get_plugin_manager
    from okx_rfq_plugin._core.clock import NotedClock

    _okx_rfq_clock.begin()
    clock: NotedClock = NotedClock() if _okx_rfq_source.world == "demo" else _okx_rfq_clock
    plugin: Any = get_plugin_manager().get_plugin("okx")
    before, plugin.clock = plugin.clock, clock
    yield clock.waits
    plugin.clock = before


# Behind them


class _Source(NamedTuple):
    """Who answers ("cassette", "sandbox" or "demo"), and the cassette to read or write, where there is one."""

    world: str
    path: Path | None


@pytest.fixture(scope="session")
def _okx_rfq_clock() -> SkippingClock:
    from okx_rfq_plugin._core.clock import SkippingClock

    return SkippingClock()


@pytest.fixture(scope="session")
def _okx_rfq_server(_okx_rfq_clock: SkippingClock) -> Iterator[Sandbox]:
    from okx_rfq_plugin.sandbox import Sandbox

    with Sandbox(clock=_okx_rfq_clock.wall) as sandbox:
        yield sandbox


@pytest.fixture
def _okx_rfq_source(request: pytest.FixtureRequest) -> _Source:
    marker = request.node.get_closest_marker(_MARKER)
    if marker is None:
        return _Source("sandbox", None)
    if marker.kwargs or len(marker.args) != 1 or not isinstance(marker.args[0], (str, Path)):
        pytest.fail(f"@pytest.mark.{_MARKER} takes one name or path, as in {_MARKER}('canceled')", pytrace=False)
    from okx_rfq_plugin.testing.cassettes import NAMES, find

    name = str(marker.args[0])
    own: Path = request.getfixturevalue("okx_rfq_cassette_dir") / name.removesuffix(".yaml")
    path = own.with_name(own.name + ".yaml")
    if path.exists():
        return _Source("cassette", path)
    if name in NAMES:
        return _Source("cassette", find(name))
    world = request.config.getoption(_RECORD)
    if not world:
        pytest.fail(
            f"there is no cassette {path}, and none of that name comes with okx-rfq-plugin, which has "
            f"{', '.join(NAMES)}. To write it: pytest {_RECORD}=sandbox",
            pytrace=False,
        )
    return _Source(world, path)


@pytest.fixture
def _okx_rfq_make(
    request: pytest.FixtureRequest, _okx_rfq_source: _Source, _okx_rfq_clock: SkippingClock, _okx_rfq_tape: None
) -> Callable[[Any], Any]:
    def make(cls: Any) -> Any:
        if _okx_rfq_source.world == "sandbox":
            exchange = request.getfixturevalue("okx_rfq_sandbox").exchange(cls)
            exchange.milliseconds = _okx_rfq_clock.milliseconds  # the sandbox refuses requests of another time
        else:
            exchange = cls(_credentials(request, _okx_rfq_source))
            exchange.set_sandbox_mode(True)
        exchange.enableRateLimit = _okx_rfq_source.world == "demo"  # ccxt's own queue waits for real
        return exchange

    return make


@pytest.fixture
def _okx_rfq_tape(
    request: pytest.FixtureRequest, _okx_rfq_source: _Source, okx_rfq_waits: list[float]
) -> Iterator[None]:
    with _tape(request, _okx_rfq_source):
        yield


def _tape(request: pytest.FixtureRequest, source: _Source) -> AbstractContextManager[None]:
    if source.path is None:
        return nullcontext()
    if source.world == "cassette":
        _report_age(request, source.path)
        return _replayed(request.node, source.path)
    from okx_rfq_plugin.testing.recording import recorded

    sandbox: Sandbox | None = request.getfixturevalue("okx_rfq_sandbox") if source.world == "sandbox" else None
    return recorded(
        source.path,
        "okx-demo" if sandbox is None else "sandbox",
        _credentials(request, source).values(),
        api=None if sandbox is None else sandbox.url,
    )


def _credentials(request: pytest.FixtureRequest, source: _Source) -> dict[str, str]:
    if source.world == "demo":
        from okx_rfq_plugin.testing.recording import demo_credentials

        return demo_credentials()
    credentials: dict[str, str] = request.getfixturevalue("okx_rfq_credentials")
    return credentials


@contextmanager
def _replayed(item: pytest.Item, path: Path) -> Iterator[None]:
    from okx_rfq_plugin.testing.replay import replayed

    with replayed(path, _refuse) as replay:
        yield
    ended = item.stash.get(_ENDED, "it did not run")
    if replay.misses and str(ended) not in replay.misses:
        pytest.fail("\n".join(replay.misses), pytrace=False)
    if replay.left_over and ended is None:
        pytest.fail(replay.left_over, pytrace=False)


def _refuse(words: str) -> NoReturn:
    # What this raises is no Exception, but a BaseException: `except Exception` in a strategy lets it through.
    __tracebackhide__ = True
    pytest.fail(words)


def _max_age(config: pytest.Config) -> int | None:
    days = config.getini(_MAX_AGE)
    if not days:
        return None
    if not days.isdecimal():
        raise pytest.UsageError(f"{_MAX_AGE} is a number of days, not {days!r}")
    return int(days)


def _report_age(request: pytest.FixtureRequest, path: Path) -> None:
    most = _max_age(request.config)
    if most is None:
        return
    from okx_rfq_plugin.testing.cassettes import age, read_head

    days = age(path)
    if days is not None and days > most:
        head = read_head(path)
        words = f"{path}: recorded {head['recorded']} from {head['answered_by']}, {days} days ago"
        request.node.user_properties.append((_OLD, words))
