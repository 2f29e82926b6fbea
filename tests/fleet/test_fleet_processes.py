"""The guarantees with real processes and a real server, judged by the sandbox's book."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from support.command import COMMAND, environment, keys, okx_rfq
from support.fleet_world import Process, Proxy, cancels, create, fleet, is_stopped, kill, strategy, watcher
from support.waiting import eventually

from okx_rfq_plugin.fleet.server import EmbeddedServer
from okx_rfq_plugin.fleet.store import Store
from okx_rfq_plugin.sandbox import Sandbox

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals, and the server, are POSIX")


def of_kind(kind: str) -> Any:
    return lambda said: said["event"] == kind


def refused(process: Process, words: str) -> bool:
    """Return whether the next create is refused, and why."""
    answer = process.tell("create")
    return answer[0] == "refused" and words in answer[1]


def test_a_killed_member_is_canceled_for(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """About a lease after SIGKILL its RFQs are gone, though nothing on its host is left to cancel them."""
    with strategy(sandbox, store.url) as alpha, fleet("watch", sandbox, store.url) as running:
        running.until(of_kind("watching"))
        create(alpha)

        kill(alpha)

        lapsed = running.until(of_kind("lapsed"))
        assert ("alpha", "demo:100001") == (lapsed["member"]["name"], lapsed["account"])
        running.until(of_kind("canceled"))
        assert [] == sandbox.rfqs("active")
        # The steps at 2 s and at 31 s are outstanding.
        assert 4 == running.end(signal.SIGTERM)


def test_a_member_that_signs_off_is_not_canceled_for(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """What it deliberately left active stays, and the watcher has no outstanding cancels."""
    with strategy(sandbox, store.url, lease=0.6) as alpha, watcher(sandbox, store.url) as watching:
        create(alpha)
        alpha.send("bye")
        assert 0 == alpha.end()
        # Another that dies later, and would be noticed sooner than the first.
        other = sandbox.create_user()
        with strategy(sandbox, store.url, "beta", lease=0.6, credentials=other) as beta:
            kill(beta)
            assert "beta" == watching.until("uncovered").member.name

        assert 1 == len(sandbox.rfqs("active"))
        assert 3 == watching.end()


def test_a_strategy_that_breaks_has_not_signed_off(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """Left by an exception with something created, the block's lease lapses, and the watcher cancels."""
    with strategy(sandbox, store.url) as alpha, watcher(sandbox, store.url) as watching:
        create(alpha)

        alpha.send("fail")

        assert 1 == alpha.end()
        watching.until("canceled")
        assert [] == sandbox.rfqs("active")


def test_stopped_in_the_middle_of_a_create(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """SIGSTOP between signature and sending, SIGCONT after the watcher has canceled: nothing is sent."""
    with strategy(sandbox, store.url) as alpha, watcher(sandbox, store.url) as watching:
        create(alpha)
        alpha.send("create and stop")
        assert eventually(lambda: is_stopped(alpha))
        watching.until("canceled")
        created = len(sandbox.rfqs())

        alpha.signal(signal.SIGCONT)

        answer = alpha.next()
        assert "refused" == answer[0]
        assert "the lease of 3 s in the fleet has lapsed" in answer[1]
        assert created == len(sandbox.rfqs())
        watching.until("back")


def test_the_store_dies_and_comes_back_empty(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """Creates stop, cancels work, and the watcher cancels nothing; creates resume with the store."""
    with strategy(sandbox, store.url) as alpha, watcher(sandbox, store.url, blind_after=1.0) as watching:
        create(alpha)

        store.kill()
        watching.until("blind")
        assert eventually(lambda: refused(alpha, "has lapsed"))
        created = len(sandbox.rfqs())
        assert refused(alpha, "has lapsed")

        store.start()
        watching.until("sight")
        create(alpha)
        assert created + 1 == len(sandbox.rfqs("active"))
        assert 0 == watching.end()
        assert {"blind", "sight"} == set(watching.heard)
        assert ["canceled", "canceled"] == alpha.tell("cancel")


def test_a_watcher_that_is_told_so_cancels_when_the_store_is_gone(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """`--on-blind cancel`."""
    options = {"blind_after": 1.0, "on_blind": "cancel"}
    with strategy(sandbox, store.url) as alpha, watcher(sandbox, store.url, **options) as watching:
        create(alpha)

        store.kill()

        watching.until("canceled")
        assert [] == sandbox.rfqs("active")
        assert 4 == watching.end()


def test_a_member_that_is_cut_off_is_fenced_and_canceled_for(
    store: EmbeddedServer, proxy: Proxy, sandbox: Sandbox
) -> None:
    """Partitioned from the store it cannot create; its cancel works; the watcher cancels for it."""
    with strategy(sandbox, proxy.url) as alpha, watcher(sandbox, store.url) as watching:
        create(alpha)

        proxy.cut(True)

        watching.until("lapsed")
        assert refused(alpha, "has lapsed")
        watching.until("canceled")
        assert ["canceled", "nothing_active"] == alpha.tell("cancel")
        proxy.cut(False)
        watching.until("back")


def test_a_store_that_takes_five_seconds_an_answer(proxy: Proxy, sandbox: Sandbox) -> None:
    """Creates are refused, and a cancel is as fast as ever."""
    with strategy(sandbox, proxy.url) as alpha:
        create(alpha)
        proxy.delay = 5.0
        assert eventually(lambda: refused(alpha, "has lapsed"))
        begun = time.monotonic()

        assert ["canceled", "canceled"] == alpha.tell("cancel")

        assert time.monotonic() - begun < 4.0  # one answer of the store takes longer


def test_fail_over_to_a_replica(store: EmbeddedServer, proxy: Proxy, sandbox: Sandbox) -> None:
    """The primary dies and a replica takes over at the same address: nothing is canceled, and all members continue."""
    with (
        EmbeddedServer("--replicaof", "127.0.0.1", str(store.port)) as replica,
        strategy(sandbox, proxy.url) as alpha,
        watcher(sandbox, proxy.url) as watching,
    ):
        create(alpha)
        assert eventually(lambda: Store(replica.url, timeout=5.0)._client.hlen("{okx-rfq-fleet}:members"))

        store.kill()
        Store(replica.url, timeout=5.0)._client.replicaof("NO", "ONE")
        proxy.turn_to(replica.port)

        create(alpha)
        here = Store(replica.url, timeout=5.0)
        first = here.look().beats
        assert eventually(lambda: here.look().beats != first)
        assert 0 == watching.end()
        assert not {"lapsed", "canceled"} & set(watching.heard)
        assert 0 == cancels(sandbox)


def test_halt_and_resume(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """Every member refuses and says why, also one that joins later; nothing is active; resume lifts it."""
    halt = ("fleet", "halt", "--store", store.url, "--env", "sandbox", "--url", sandbox.url, "--no-wait")
    with strategy(sandbox, store.url) as alpha, strategy(sandbox, store.url, "beta") as beta:
        create(alpha)
        create(beta)

        done = okx_rfq(*halt, "--reason", "risk limit", "--by", "ops", env=keys(sandbox.credentials))

        assert 0 == done.returncode, done
        assert "IT IS NOT CERTAIN YET" in done.stdout
        assert [] == sandbox.rfqs("active")
        for member in (alpha, beta):
            assert refused(member, "by ops: risk limit")
        with strategy(sandbox, store.url, "late") as late:
            assert refused(late, "by ops: risk limit")
        env = {"OKX_RFQ_FLEET": store.url}
        with strategy(sandbox, "by environment", env=env) as fourth:
            assert refused(fourth, "by ops: risk limit")

        status = okx_rfq("fleet", "status", "--store", store.url)
        assert "HALTED" in status.stdout
        assert 0 == okx_rfq("fleet", "resume", "--store", store.url).returncode
        create(alpha)
        create(beta)


@pytest.mark.measured
def test_a_halt_without_the_store_cancels_all_the_same(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """And says that the latch is not set."""
    sandbox.create_rfq()
    store.kill()

    with fleet("halt", sandbox, store.url, "--reason", "test", "--no-wait", "--patience", "0") as halt:
        assert 4 == halt.end()
        steps = [said["step"] for said in iter(halt.next, None)]

    assert [] == sandbox.rfqs("active")
    assert {"begin", "no-latch", "gave-up", "cancel", "failed"} <= set(steps)


@pytest.mark.measured
def test_a_halt_names_accounts_that_it_has_no_key_for(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """Their RFQs are not canceled, and the code is not 0."""
    other = sandbox.create_user()
    with strategy(sandbox, store.url, credentials=other) as alpha:
        create(alpha)
        with fleet("halt", sandbox, store.url, "--reason", "test", "--no-wait") as halt:
            assert 4 == halt.end()
            uncovered = halt.until(lambda said: said["step"] == "uncovered")
        assert refused(alpha, ": test")

    assert ["demo:100002"] == uncovered["accounts"]


def test_a_process_joins_by_its_environment(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """Setting OKX_RFQ_FLEET is enough; it dies, and the watcher cancels."""
    env = {"OKX_RFQ_FLEET": store.url, "OKX_RFQ_FLEET_NAME": "gamma"}
    with strategy(sandbox, "by environment", env=env) as gamma, watcher(sandbox, store.url) as watching:
        create(gamma)

        kill(gamma)

        assert "gamma" == watching.until("lapsed").member.name


def test_a_fleet_that_cannot_be_joined_refuses_creates(sandbox: Sandbox) -> None:
    """No store behind OKX_RFQ_FLEET, or no redis: nothing is created unguarded, and cancels work."""
    for url in ("redis://127.0.0.1:1/0", "nonsense"):
        with strategy(sandbox, "by environment", env={"OKX_RFQ_FLEET": url}) as alpha:
            assert "refused" == alpha.tell("create")[0]
            assert ["canceled", "nothing_active"] == alpha.tell("cancel")


@pytest.mark.exhaustive
def test_the_demo_shows_it_all() -> None:
    """A host's processes die; within a minute none of its RFQs is active or can become active, and the others live."""
    # Under a minute on an idle machine; with its own timeout, so that a loaded one leaves no process behind.
    done = subprocess.run([*COMMAND, "fleet", "demo"], env=environment(), capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done
    assert "nor can come alive; the second host was left alone." in done.stdout
    assert 2 == done.stdout.count(": all RFQs are canceled"), "no guard was left, and the watcher did it"


@pytest.mark.exhaustive
def test_a_halt_that_waits(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """The whole halt in real time: 0 after the cancel at 31 s."""
    with strategy(sandbox, store.url) as alpha:
        create(alpha)
        begun = time.monotonic()
        with fleet("halt", sandbox, store.url, "--reason", "test") as halt:
            assert 0 == halt.process.wait(90)
            steps = [said["step"] for said in iter(halt.next, None)]

    assert time.monotonic() - begun >= 31.0
    assert "done" == steps[-1]
    assert [] == sandbox.rfqs("active")
