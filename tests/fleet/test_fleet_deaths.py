"""Deaths in real time: after five seconds no RFQ of the account is active, and later none becomes active."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from support.fleet_world import Process, Proxy, cancels, create, fleet, is_stopped, kill, strategy, watcher
from support.waiting import eventually

from okx_rfq_plugin.fleet.server import EmbeddedServer
from okx_rfq_plugin.sandbox import Sandbox

pytestmark = [
    pytest.mark.exhaustive,
    pytest.mark.skipif(sys.platform == "win32", reason="signals, and the server, are POSIX"),
]

WITHIN = 5.0  # seconds


class Machine:
    """Delays of this machine, in seconds, which are not the fleet's fault."""

    def __init__(self) -> None:
        self.late = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._measure, daemon=True)

    def _measure(self) -> None:
        while not self._ended.is_set():
            begun = time.monotonic()
            self._ended.wait(0.02)
            self.late += max(0.0, time.monotonic() - begun - 0.025)

    def __enter__(self) -> Machine:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


@contextmanager
def in_time(sandbox: Sandbox) -> Iterator[None]:
    """Assert that no RFQ is active five seconds after the block, plus this machine's delays."""
    with Machine() as machine:
        yield
        begun = time.monotonic()
        assert eventually(lambda: not sandbox.rfqs("active"))
        assert time.monotonic() - begun <= WITHIN + machine.late


def creates_after_the_last_cancel(sandbox: Sandbox) -> int:
    """Return how many create-rfq arrived after the last cancel-all-rfqs."""
    paths = [request.path for request in sandbox.requests]
    last = max(number for number, path in enumerate(paths) if path.endswith("rfq/cancel-all-rfqs"))
    return sum(path.endswith("rfq/create-rfq") for path in paths[last:])


def is_killed(alpha: Process, proxy: Proxy) -> None:
    kill(alpha)


def is_stopped_for_good(alpha: Process, proxy: Proxy) -> None:
    alpha.signal(signal.SIGSTOP)


def is_cut_off(alpha: Process, proxy: Proxy) -> None:
    proxy.cut(True)


def is_slowed(alpha: Process, proxy: Proxy) -> None:
    proxy.delay = 5.0


def has_failed(alpha: Process, proxy: Proxy) -> None:
    alpha.send("fail")


DEATHS = [is_killed, is_stopped_for_good, is_cut_off, is_slowed, has_failed]


@pytest.mark.parametrize("dies", DEATHS)
@pytest.mark.parametrize("ahead", [0.0, 3600.0, -3600.0])
def test_five_seconds_after_a_death_no_rfq_is_active(
    store: EmbeddedServer, proxy: Proxy, sandbox: Sandbox, dies: Callable[[Process, Proxy], None], ahead: float
) -> None:
    """However a host dies, and even if its clock is an hour fast or slow."""
    env = {"CLOCK_AHEAD": str(ahead)}
    with watcher(sandbox, store.url) as watching, strategy(sandbox, proxy.url, env=env) as alpha:
        create(alpha)
        assert "lapsed" not in watching.heard

        with in_time(sandbox):
            dies(alpha, proxy)

        assert "alpha" == watching.until("lapsed").member.name
        proxy.cut(False)
        proxy.delay = 0.0


def test_two_watchers_cancel_and_one_forgets(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """Both see the death, and both cancel until nothing can become active; then no cancel is outstanding."""
    with (
        watcher(sandbox, store.url) as one,
        watcher(sandbox, store.url) as two,
        strategy(sandbox, store.url) as alpha,
    ):
        create(alpha)
        with in_time(sandbox):
            kill(alpha)
        for watching in (one, two):
            watching.until("finished")

        assert [0, 0] == [one.end(), two.end()]
        assert 1 <= [*one.heard, *two.heard].count("forgotten") <= 2


def test_a_watcher_that_starts_after_the_death_cancels(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """The only watcher had died before: the next one grants the member its lease again, and then cancels."""
    with strategy(sandbox, store.url) as alpha:
        create(alpha)
        kill(alpha)
        with in_time(sandbox), watcher(sandbox, store.url) as watching:
            watching.until("canceled")


def test_nothing_that_was_signed_before_arrives_after_the_last_cancel(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """Stopped with a signed create, and resumed when the watcher is done: that create and the next are refused."""
    with watcher(sandbox, store.url) as watching, strategy(sandbox, store.url) as alpha:
        create(alpha)
        alpha.send("create and stop")
        assert eventually(lambda: is_stopped(alpha))
        watching.until("finished")

        alpha.signal(signal.SIGCONT)

        assert "refused" == alpha.next()[0]
        assert [] == sandbox.rfqs("active")
        assert 0 == creates_after_the_last_cancel(sandbox)


def test_a_halted_member_creates_nothing_after_the_last_cancel(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """It tries repeatedly while the fleet is certainly halted, and OKX receives none of it."""
    with strategy(sandbox, store.url) as alpha, fleet("halt", sandbox, store.url, "--reason", "test") as halt:
        halt.until(lambda said: said["step"] == "obeyed")
        begun = time.monotonic()
        while halt.process.poll() is None and time.monotonic() - begun < 90.0:
            assert alpha.tell("create")[0] in ("refused", "too often")

        assert 0 == halt.end()
        assert 0 == creates_after_the_last_cancel(sandbox)
        assert [] == sandbox.rfqs("active")


@pytest.mark.parametrize("fault", ["killed", "emptied", "slow", "cut"])
def test_a_fault_of_the_store_alone_cancels_nothing(
    store: EmbeddedServer, proxy: Proxy, sandbox: Sandbox, fault: str
) -> None:
    """Longer than any lease: the RFQs stay, and OKX was not asked to cancel."""
    with watcher(sandbox, proxy.url, blind_after=8.0) as watching, strategy(sandbox, proxy.url) as alpha:
        create(alpha)
        if fault == "killed":
            store.kill()
        elif fault == "emptied":
            store.kill()
            store.start()
            proxy.turn_to(store.port)
        elif fault == "slow":
            proxy.delay = 5.0
        else:
            proxy.cut(True)

        if fault != "emptied":
            watching.until("blind")
            assert "refused" == alpha.tell("create")[0]
        proxy.delay = 0.0
        proxy.cut(False)
        if fault == "killed":
            store.start()
            proxy.turn_to(store.port)
        create(alpha)

        assert not {"lapsed", "canceled"} & set(watching.heard)
        assert 2 == len(sandbox.rfqs("active"))


@pytest.mark.parametrize("by", ["halt", "watcher"])
def test_what_was_let_through_before_is_too_old_for_okx(store: EmbeddedServer, sandbox: Sandbox, by: str) -> None:
    """Stopped between the fence and the wire until the last cancel: it is then sent, and OKX refuses it with 50102."""
    with strategy(sandbox, store.url) as alpha:
        create(alpha)
        alpha.send("create and hold")
        assert eventually(lambda: is_stopped(alpha))
        if by == "halt":
            with fleet("halt", sandbox, store.url, "--reason", "test") as halt:
                assert 0 == halt.process.wait(90)
        else:
            with watcher(sandbox, store.url) as watching:
                watching.until("finished")
        canceled = cancels(sandbox)

        alpha.signal(signal.SIGCONT)

        answer = alpha.next()
        assert "too old" == answer[0]
        assert "50102" in answer[1]
        assert ([], canceled) == (sandbox.rfqs("active"), cancels(sandbox))
