"""`okx-rfq guard --fleet`: the guarded command is a member, without fleet code in the strategy."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.command import COMMAND, keys, okx_rfq
from support.fleet_world import STRATEGY, Process, create, watcher
from support.waiting import eventually

from okx_rfq_plugin.fleet.server import EmbeddedServer
from okx_rfq_plugin.fleet.store import Store
from okx_rfq_plugin.sandbox import Sandbox


@contextmanager
def guarded(
    sandbox: Sandbox, folder: Path, *options: str, env: Mapping[str, str] = {}, wrapper: tuple[str, ...] = ()
) -> Iterator[Process]:
    """A strategy under a guard; it follows commands, and the guard's output is in a file."""
    place = ("--env", "sandbox", "--url", sandbox.url, "--look-every", "0")
    command = (*wrapper, sys.executable, "-c", STRATEGY, sandbox.url, "by environment", "", "0")
    with (folder / "said").open("w") as said:
        process = Process(
            *(*COMMAND, "guard", *place, *options, "--", *command),
            env={**keys(sandbox.credentials), **env},
            stderr=said,
        )
        try:
            assert ["ready"] == process.next(), (folder / "said").read_text()
            yield process
        finally:
            process.end(signal.SIGTERM)
            process.close()


@pytest.mark.measured
@pytest.mark.parametrize("by", ["option", pytest.param("variable", marks=pytest.mark.exhaustive)])
def test_what_is_guarded_joins_by_itself(by: str, store: EmbeddedServer, sandbox: Sandbox, tmp_path: Path) -> None:
    """Also behind a wrapper; it is halted with the fleet, and when it ends the book is empty."""
    options = ("--fleet", store.url) if by == "option" else ()
    env = {} if by == "option" else {"OKX_RFQ_FLEET": store.url}
    with guarded(sandbox, tmp_path, *options, env=env, wrapper=("timeout", "600")) as strategy:
        create(strategy)
        (member,) = Store(store.url, timeout=5.0).look().members.values()
        Store(store.url, timeout=5.0).set_latch(halted=True, reason="risk limit", by="ops")
        assert eventually(lambda: "by ops: risk limit" in strategy.tell("create")[-1])
        strategy.send("end")
        code = strategy.end()

    assert ("demo:100001", 0, []) == (member.account, code, sandbox.rfqs("active"))
    assert "The command joins the fleet on redis://127.0.0.1:" in (tmp_path / "said").read_text()


def test_a_watcher_covers_what_the_guard_cannot(store: EmbeddedServer, sandbox: Sandbox, tmp_path: Path) -> None:
    """Guard and strategy killed together, without a twin, as when the machine dies: the watcher cancels."""
    with (
        guarded(sandbox, tmp_path, "--fleet", store.url, "--no-twin") as strategy,
        watcher(sandbox, store.url) as watching,
    ):
        create(strategy)
        (member,) = Store(store.url, timeout=5.0).look().members.values()
        strategy.signal(signal.SIGSTOP)  # before it can cancel
        os.kill(member.pid, signal.SIGKILL)
        os.kill(strategy.process.pid, signal.SIGKILL)

        assert member.id == watching.until("lapsed").member.id
        assert eventually(lambda: not sandbox.rfqs("active"))


@pytest.mark.measured
def test_a_halted_fleet_is_named_beforehand(store: EmbeddedServer, sandbox: Sandbox, tmp_path: Path) -> None:
    """The command is started, but cannot create anything."""
    Store(store.url, timeout=5.0).set_latch(halted=True, reason="risk limit", by="ops")
    with guarded(sandbox, tmp_path, "--fleet", store.url) as strategy:
        assert "refused" == strategy.tell("create")[0]

    assert "is HALTED by ops since " in (tmp_path / "said").read_text()


@pytest.mark.measured
def test_a_store_that_does_not_answer_keeps_nothing_from_starting(sandbox: Sandbox, tmp_path: Path) -> None:
    """It says so, without the password; creates are refused until it answers."""
    with guarded(sandbox, tmp_path, "--fleet", "redis://user:hidden-word@127.0.0.1:1/0") as strategy:
        assert "refused" == strategy.tell("create")[0]

    said = (tmp_path / "said").read_text()
    assert "The fleet's store redis://127.0.0.1:1/0 does not answer. The command can create no RFQ" in said
    assert "hidden-word" not in said


@pytest.mark.measured
def test_a_url_of_no_store_starts_nothing(sandbox: Sandbox) -> None:
    """203, and it says that nothing was started."""
    place = ("--env", "sandbox", "--url", sandbox.url)
    ended = okx_rfq("guard", *place, "--fleet", "nonsense", "--", "echo", "started", env=keys(sandbox.credentials))

    assert (203, "") == (ended.returncode, ended.stdout)
    assert "--fleet is the URL of a store, such as rediss://host:6379/0" in ended.stderr
    assert "nothing was started, and nothing was canceled" in ended.stderr
