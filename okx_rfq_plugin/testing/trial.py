"""One guarded test, from its setup to the final checks of its guard and cassette."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from okx_rfq_plugin.testing import serving, wire
from okx_rfq_plugin.testing.stage import Stage

if TYPE_CHECKING:
    from okx_rfq_plugin.sandbox import Sandbox
    from okx_rfq_plugin.testing.handles import FixtureSandbox
    from okx_rfq_plugin.testing.interactions import CassetteRequest
    from okx_rfq_plugin.testing.player import Player
    from okx_rfq_plugin.testing.recorder import Recorder
    from okx_rfq_plugin.testing.sources import Source

    _Failed = BaseException  # pytest has no public name for the class
else:
    _Failed = pytest.fail.Exception


class NotSent(_Failed):
    """Fails the test for a refused request. Not an Exception: a strategy's `except Exception` does not catch it."""

    okx_rfq_not_sent = True  # for the core: nothing has left the machine
    _noted = False

    # A cancel interrupted by this error adds the note that RFQs may still be active. A test's RFQs are not.
    @property
    def __notes__(self) -> list[str]:
        return ["Nothing was sent."] if self._noted else []

    @__notes__.setter
    def __notes__(self, notes: list[str]) -> None:
        self._noted = True


def _refuse(words: str) -> NoReturn:
    __tracebackhide__ = True
    raise NotSent(words)


def guard() -> Stage:
    """Return the stage for a suite in which every test is guarded."""
    stage = Stage(_refuse)
    stage.guards_children = False  # pytest-xdist's workers do not belong to a test
    return stage


class Trial:
    """A test whose okx objects are guarded."""

    def __init__(self) -> None:
        self.stage = Stage(_refuse)
        self._player: Player | None = None
        self._recorder: Recorder | None = None
        self._source: Source | None = None
        self._sandbox: Sandbox | None = None
        self._passed = False
        self._ran = False
        self._raised: set[str] = set()
        wire.open_stage(self.stage)

    # For the fixtures

    def keys(self, source: Source, credentials: Any, policy: Any) -> Mapping[str, str]:
        """Return the credentials to use, after checking the fixtures that a suite has overridden."""
        from okx_rfq_plugin import RetryPolicy

        if policy is not None and not isinstance(policy, RetryPolicy):
            _fail(f"the fixture okx_rfq_policy returns an okx_rfq_plugin.RetryPolicy, not {policy!r}")
        if source.environment == "demo":
            from okx_rfq_plugin.testing.recording import demo_credentials

            return demo_credentials()
        try:
            return serving.check_credentials(credentials)
        except ValueError as error:
            words = str(error)
        _fail(f"the fixture okx_rfq_credentials: {words}")

    def check_sandbox(self, source: Source) -> None:
        """Refuse a sandbox together with one of the package's cassettes: it would get no requests."""
        from okx_rfq_plugin.testing.cassettes import is_own

        if source.cassette is not None and (
            is_own(source.cassette.path) or source.cassette.head.get("answered_by") != "sandbox"
        ):
            _fail(
                f"this test replays {source.cassette.path.name} and uses okx_rfq_sandbox, which would get no requests. "
                "Leave out the marker okx_rfq_cassette, or the sandbox; the requests that were replayed are in "
                "okx_rfq_cassette_requests."
            )
        if source.environment == "demo":
            _fail("okx_rfq_sandbox: OKX demo trading is being recorded, the sandbox would get no requests")

    def use(self, sandbox: FixtureSandbox, source: Source, credentials: Mapping[str, str]) -> Sandbox:
        """Reset the session's sandbox for this test."""
        sandbox.idle = None
        sandbox.begin(credentials)
        if source.cassette is None:
            self.stage.sandbox = self._sandbox = sandbox
        else:
            name = source.cassette.path.name

            def idle() -> None:
                self.stage.refuse(
                    f"this test replays {name}: the sandbox gets no requests and has nothing to show. Look at "
                    "okx_rfq_cassette_requests, which has the requests of a recording and of a replay."
                )

            sandbox.idle = idle
        return sandbox

    def start(self, source: Source, names: Any) -> None:
        """Open the cassette of a marker."""
        if source.path is None:
            return
        self._source = source
        if source.cassette is not None:
            from okx_rfq_plugin.testing.player import Player

            self.stage.tape = self._player = Player(source.cassette, source.match)
            return
        from okx_rfq_plugin.testing.recorder import Recorder

        if isinstance(names, str):
            _fail("the fixture okx_rfq_scrubbed_names returns several names, as a tuple, not one text")
        self.stage.tape = self._recorder = Recorder("sandbox" if source.environment == "sandbox" else "okx-demo", names)

    def requests(self) -> list[CassetteRequest]:
        """Return the requests made to the cassette."""
        tape = self._player or self._recorder
        if tape is None:
            _fail(
                "okx_rfq_cassette_requests: this test has no marker okx_rfq_cassette. What the sandbox was asked is in "
                "okx_rfq_sandbox.requests."
            )
        return tape.requests

    # For the hooks

    def reported(self, when: str, passed: bool, error: BaseException | None) -> None:
        """Record how a phase of the test ended."""
        self._raised.update(str(each) for each in _chain(error))
        if when == "call":
            self._ran, self._passed = True, passed

    def end(self) -> str | None:
        """End the guard. Fail for what was swallowed or never used, or return the path of a written cassette."""
        __tracebackhide__ = True
        wire.close_stage(self.stage)
        self.stage.hear_children()
        if self.stage.violations and not self._raised.intersection(self.stage.violations):
            _fail("\n".join(self.stage.violations))
        if not self._passed or self.stage.violations:
            return None
        if self._player is not None and (left := self._player.left_over):
            _fail(left)
        if self._sandbox is not None and (unused := ", ".join(self._sandbox.unused)):
            _fail(
                f"no request has used what the sandbox was given: {unused}. Is the path right? "
                "okx_rfq_sandbox.clear() takes back what is not needed any more."
            )
        if self._recorder is None or self._source is None or self._source.path is None:
            return None
        try:
            self._recorder.write(self._source.path)
        except ValueError as error:
            words = str(error)
        else:
            return str(self._source.path)
        _fail(words)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, its causes, and the errors of a group."""
    waiting, seen = [error], set()
    for _ in itertools.repeat(None, 1000):
        if not waiting:
            return
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]


def _fail(words: str) -> NoReturn:
    __tracebackhide__ = True
    pytest.fail(words, pytrace=False)
