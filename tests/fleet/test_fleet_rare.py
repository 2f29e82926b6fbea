"""Rare cases of the fleet: stores that lose a latch, unknown keys, servers that do not start."""

from __future__ import annotations

import asyncio
import getpass
import importlib
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import ccxt
import ccxt.async_support
import pytest
from rich.console import Console
from support.command import VARIABLES, invoke, plain
from support.fleet_world import Proxy
from support.waiting import eventually

from okx_rfq_plugin import install
from okx_rfq_plugin.cli import fleet as verbs
from okx_rfq_plugin.fleet import clocks, server
from okx_rfq_plugin.fleet.cancels import Cancels, Outcome
from okx_rfq_plugin.fleet.clocks import Reading
from okx_rfq_plugin.fleet.halt import HaltRun
from okx_rfq_plugin.fleet.halting import Halting
from okx_rfq_plugin.fleet.membership import Membership
from okx_rfq_plugin.fleet.okx_clock import clock_of, clock_of_async
from okx_rfq_plugin.fleet.plugin import FleetPlugin
from okx_rfq_plugin.fleet.records import Beat, Latch, Member, View
from okx_rfq_plugin.fleet.server import EmbeddedServer, ServerMissing
from okx_rfq_plugin.fleet.status import shown, status_of
from okx_rfq_plugin.fleet.store import Store, StoreError
from okx_rfq_plugin.fleet.watcher import WatcherRun
from okx_rfq_plugin.fleet.watching import Watch
from okx_rfq_plugin.sandbox import Sandbox

CREATE = "rfq/create-rfq"


@pytest.fixture
def here(store: EmbeddedServer) -> Any:
    """A client of the store."""
    client = Store(store.url, timeout=5.0)
    yield client
    client.close()


# By the environment


def entry_point() -> Any:
    """Load the entry point in pyproject.toml, as a new process does."""
    sys.modules.pop("okx_rfq_plugin.fleet.environment", None)
    return importlib.import_module("okx_rfq_plugin.fleet.environment").plugin


def test_without_a_fleet_the_entry_point_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no hooks."""
    monkeypatch.delenv("OKX_RFQ_FLEET", raising=False)

    assert not hasattr(entry_point(), "rfq_creating")


def test_with_a_fleet_the_entry_point_is_its_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """The instance that every join uses."""
    monkeypatch.setenv("OKX_RFQ_FLEET", "redis://127.0.0.1:1/0")

    assert isinstance(entry_point(), FleetPlugin)


def test_a_fleet_without_redis_refuses_creates(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install."""
    monkeypatch.setenv("OKX_RFQ_FLEET", "redis://127.0.0.1:1/0")
    monkeypatch.setitem(sys.modules, "okx_rfq_plugin.fleet.plugin", None)
    plugin = entry_point()

    with pytest.raises(ccxt.OperationRejected, match=r"pip install 'okx-rfq-plugin\[fleet\]'"):
        plugin.rfq_creating(ccxt.okx(), CREATE)


def test_the_first_create_joins(store: EmbeddedServer, sandbox: Sandbox, here: Store, monkeypatch: Any) -> None:
    """Once, under the given name; at exit it signs off only if nothing may be active."""
    monkeypatch.setenv("OKX_RFQ_FLEET", store.url)
    monkeypatch.setenv("OKX_RFQ_FLEET_NAME", "gamma")
    left: list[Any] = []
    monkeypatch.setattr("atexit.register", left.append)
    plugin, exchange = FleetPlugin(), sandbox.exchange(ccxt.okx)

    for _ in range(2):
        plugin.rfq_creating(exchange, CREATE)

    assert ["gamma"] == [member.name for member in here.look().members.values()]
    (joined,) = plugin.members_of(exchange)
    assert joined.membership.owes
    (end,) = left
    end()
    assert eventually(lambda: here.look().members), "it has not signed off"
    plugin.remove(joined)


def test_who_cannot_join_creates_nothing(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """OKX does not say whose the key is."""
    monkeypatch.setenv("OKX_RFQ_FLEET", "redis://127.0.0.1:1/0")
    sandbox.fault("account/config", *["50113"] * 9)

    with pytest.raises(ccxt.OperationRejected, match="the fleet could not be joined"):
        FleetPlugin().rfq_creating(sandbox.exchange(ccxt.okx), CREATE)


# Clocks and cancels


def test_a_clock_that_cannot_be_read_is_not_known(sandbox: Sandbox) -> None:
    """Then the longest time is assumed, for both twins."""
    sandbox.fault("public/time", *[502] * 9)

    async def asked() -> Any:
        exchange = sandbox.exchange(ccxt.async_support.okx)
        exchange.timeout_on_exit = 0
        try:
            return await clock_of_async(exchange)
        finally:
            await exchange.close()

    assert None is clock_of(sandbox.exchange(ccxt.okx))
    assert None is asyncio.run(asked())


@pytest.mark.parametrize(
    ("code", "doubt"), [("50113", False), ("51000", False)], ids=["a key that is refused", "a parameter"]
)
def test_a_cancel_that_fails_is_an_outcome(sandbox: Sandbox, code: str, doubt: bool) -> None:
    """With the error's message, and whether it may have canceled anyway."""
    sandbox.fault("rfq/cancel-all-rfqs", *[code] * 9)
    exchange = sandbox.exchange(ccxt.okx)
    cancels = Cancels({"demo:1": install(exchange)})
    cancels.begin("demo:1")
    (outcome,) = cancels.ended(30.0)

    assert code in outcome.words
    assert (False, doubt) == (outcome.clean, outcome.in_doubt)


def test_an_error_without_facts_leaves_it_open() -> None:
    """Nothing is known of it."""
    assert Outcome("demo:1", None, RuntimeError("broken")).in_doubt


# Latches


def reading(at: float) -> Reading:
    return Reading(at, at, at)


def test_a_later_halt_of_someone_else_is_the_latch() -> None:
    """And a latch that the store has lost must be set again."""
    halting = Halting(frozenset(), reading(0.0))
    halting.placed(Latch(1, True, "mine", "me", 0.0), reading(0.0))

    lost = halting.look(View("e", None, {}, {}), reading(0.1))
    replaced = halting.look(View("e", Latch(2, True, "theirs", "they", 0.0), {}, {}), reading(0.2))

    assert lost
    assert not replaced
    assert halting.latch is not None
    assert 2 == halting.latch.version


def test_a_latch_that_the_store_lost_is_put_back(store: EmbeddedServer, here: Store, caplog: Any) -> None:
    """By a member that has seen it; the resume reports that it may create again."""
    caplog.set_level("INFO", logger="okx_rfq_plugin")
    member = Membership(store.url, "demo:1", name="alpha", lease=1.0)
    member.start(10.0)
    try:
        latch = here.set_latch(halted=True, reason="risk", by="me")
        assert eventually(lambda: "halted" in (member.refusal() or ""))
        here._client.flushall()
        assert eventually(lambda: here.look().latch == latch)
        here.set_latch(halted=False, reason="over", by="me", floor=latch.version)
        assert eventually(lambda: member.refusal() is None)
    finally:
        member.leave(sign_off=True)

    assert eventually(lambda: "alpha may create" in caplog.text)
    assert "creates nothing: the fleet is halted" in caplog.text


def test_a_store_that_returns_no_latch_is_in_error(here: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not count as a halt."""
    monkeypatch.setattr("okx_rfq_plugin.fleet.scripts.SET_LATCH", "return 'nonsense'")

    with pytest.raises(StoreError, match="did not return the latch"):
        here.set_latch(halted=True, reason="risk", by="me")


def test_a_cancel_long_after_the_create_makes_it_owe_nothing() -> None:
    """What was signed before may become active for half a minute; after that, a clean cancel is certain."""
    member = Membership("redis://127.0.0.1:1/0", "demo:1", name="alpha", lease=3.0)
    now = clocks.read()
    member.fence.renewed(now, None)
    assert None is member.refusal()
    assert member.owes

    member.canceled(now)
    assert member.owes
    member.canceled(Reading(*(moment + 60 for moment in now)))

    assert not member.owes


def test_a_lease_counts_from_before_the_renewal_was_sent(proxy: Proxy) -> None:
    """The store takes half a second to answer, so at most five and a half of six seconds remain."""
    proxy.delay = 0.5
    member = Membership(proxy.url, "demo:1", name="alpha", lease=6.0)
    member.start(60.0)
    left = member.fence.left(clocks.read())
    proxy.delay = 0.0
    member.leave(sign_off=False)

    assert left <= 5.5


# Halts


def halted(here: Store, halting: Halting, say: Any = lambda *step: None, **options: Any) -> tuple[int, list[str]]:
    said: list[str] = []

    def told(kind: str, words: str, facts: dict[str, Any]) -> None:
        said.append(kind)
        say(kind)

    run = HaltRun(here, options.pop("exchanges", {}), halting, reason="risk", by="me", say=told, **options)
    return run.run(), said


def test_a_halt_of_an_empty_fleet_is_done_at_once(here: Store) -> None:
    """The latch is set, and there are no members to wait for."""
    code, said = halted(here, Halting(frozenset(), clocks.read()))

    assert (0, "done") == (code, said[-1])


def test_a_halt_that_is_resumed_meanwhile_says_so(here: Store) -> None:
    """Members create again, so something may be active."""
    here.renew(Member("m", "m", "host", 1, "demo:1", 60.0, 0.0, 0.0), Beat(1, 0))

    def say(kind: str) -> None:
        if kind == "latch":
            here.set_latch(halted=False, reason="over", by="they")

    code, said = halted(here, Halting(frozenset(), clocks.read()), say)

    assert (4, "resumed") == (code, said[-1])


def test_a_halt_gives_up_what_is_not_clean(here: Store, sandbox: Sandbox) -> None:
    """After the deadline, and certainly nothing was canceled."""
    sandbox.fault("rfq/cancel-all-rfqs", *["50113"] * 99)
    exchanges = {"demo:1": install(sandbox.exchange(ccxt.okx))}
    halting = Halting(frozenset(exchanges), clocks.read(), wait=False)

    code, said = halted(here, halting, exchanges=exchanges, deadline=0.5)

    assert (3, "failed") == (code, said[-1])


# Output


def printed(status: dict[str, Any]) -> str:
    console = Console(width=200, record=True, file=open(os.devnull, "w"))  # noqa: SIM115 - for the test's time
    console.print(shown(status))
    console.file.close()
    return console.export_text()


def test_watchers_are_shown(store: EmbeddedServer, here: Store) -> None:
    """And that the fleet is not halted."""
    ended = threading.Event()
    run = WatcherRun(here, {}, Watch(frozenset()), lambda event: None, name="owl")
    thread = threading.Thread(target=run.run, args=(ended,))
    thread.start()
    looking = Store(store.url, timeout=5.0)
    try:
        assert eventually(looking.watchers)
        text = printed(status_of(looking))
    finally:
        ended.set()
        thread.join()
        looking.close()

    assert "not halted" in text
    assert "owl" in text


def test_a_member_that_is_back_is_not_forgotten(store: EmbeddedServer, here: Store) -> None:
    """A member that has lapsed for good is removed from the list, and the watcher says so."""
    told: list[str] = []
    run = WatcherRun(here, {}, Watch(frozenset({"demo:1"})), lambda event: told.append(event.kind))
    member = Member("m", "m", "host", 1, "demo:1", 60.0, 0.0, 0.0)
    here.renew(member, Beat(1, 0))

    run._forget(member)
    assert [] == told
    here._client.delete(*[key for key in here._client.scan_iter() if str(key).endswith(":m")])
    run._forget(member)

    assert 1 == len(told)


def test_a_live_status_is_drawn_until_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a second."""
    pictures = iter(["one", "two"])
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)

    def picture() -> str:
        try:
            return next(pictures)
        except StopIteration:
            raise KeyboardInterrupt from None

    verbs._live(picture)

    assert [1.0, 1.0] == waited[:2]


@pytest.mark.parametrize("error", [KeyError("LOGNAME"), OSError("none")])
def test_a_user_without_a_name_is_someone(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.13 raises a different exception from earlier versions."""

    def getuser() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", getuser)

    assert verbs._me().startswith("someone@")


def accounts(folder: Path, *urls: str) -> str:
    file = folder / "accounts.toml"
    file.write_text(
        "".join(
            f'[desk-{number}]\nenv = "sandbox"\nurl = "{url}"\napi_key = "OKX_API_KEY"\n'
            f'api_secret = "OKX_API_SECRET"\npassphrase = "OKX_PASSPHRASE"\n'
            for number, url in enumerate(urls)
        )
    )
    return str(file)


def test_a_watcher_of_a_file_watches_in_words(
    store: EmbeddedServer, here: Store, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An incomplete account is skipped and reported; SIGTERM ends it."""
    for name, variable in VARIABLES.items():
        monkeypatch.setenv(variable, sandbox.credentials[name])
    file = accounts(tmp_path, sandbox.url, "no address")

    def end() -> None:
        eventually(here.watchers)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=end)
    thread.start()
    result = invoke("fleet", "watch", "--store", store.url, "--accounts", file)
    thread.join()

    assert 0 == result.exit_code, result.output
    assert "Watching demo:100001." in plain(result.output)
    assert "desk-1 is left out" in plain(result.stderr)


def test_a_blind_watcher_says_so_in_words(
    store: EmbeddedServer, here: Store, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And cancels, if told to; outstanding cancels then determine the code."""
    for name, variable in VARIABLES.items():
        monkeypatch.setenv(variable, sandbox.credentials[name])

    def end() -> None:
        eventually(here.watchers)
        store.kill()
        eventually(lambda: any(each.path.endswith("cancel-all-rfqs") for each in sandbox.requests))
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=end)
    thread.start()
    place = ("--env", "sandbox", "--url", sandbox.url, "--on-blind", "cancel", "--blind-after", "1")
    result = invoke("fleet", "watch", "--store", store.url, *place)
    thread.join()

    assert 4 == result.exit_code, result.output
    assert "blind" in plain(result.output).lower() or "store" in plain(result.output).lower()


def test_a_halt_that_left_an_account_out_is_not_clean(
    store: EmbeddedServer, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are canceled, and the code says that one was not even asked."""
    for name, variable in VARIABLES.items():
        monkeypatch.setenv(variable, sandbox.credentials[name])
    file = accounts(tmp_path, sandbox.url, "no address")

    result = invoke("fleet", "halt", "--store", store.url, "--accounts", file, "--reason", "risk", "--no-wait")

    assert 4 == result.exit_code, result.output


def test_a_demo_needs_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install."""
    monkeypatch.delenv(server.BINARY, raising=False)
    monkeypatch.setattr(server, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))

    result = invoke("fleet", "demo")

    assert 2 == result.exit_code
    assert "fleet-demo" in plain(result.stderr)


def test_a_file_without_a_complete_account_is_wrong_usage(store: EmbeddedServer, tmp_path: Path) -> None:
    """There is no account to cancel for."""
    result = invoke("fleet", "watch", "--store", store.url, "--accounts", accounts(tmp_path, "no address"))

    assert 2 == result.exit_code
    assert "no account of the file is complete" in plain(result.stderr)


def test_a_key_unknown_to_okx_watches_no_account(
    store: EmbeddedServer, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so, and certainly nothing can be canceled with it."""
    for variable in VARIABLES.values():
        monkeypatch.setenv(variable, "unknown")

    result = invoke("fleet", "watch", "--store", store.url, "--env", "sandbox", "--url", sandbox.url)

    assert 3 == result.exit_code
    assert "OKX will not say whose a key is" in plain(result.stderr)


# Servers


def test_a_server_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a variable."""
    monkeypatch.setenv(server.BINARY, "/opt/valkey")

    assert "/opt/valkey" == server.binary()


def test_without_the_wheel_the_path_is_looked_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And where there is none either, it says what to install."""
    monkeypatch.delenv(server.BINARY, raising=False)
    monkeypatch.setattr(server, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerMissing, match="fleet-demo"):
        server.binary()
    found = tmp_path / "redis-server"
    found.write_text("#!/bin/sh\n")
    found.chmod(0o755)

    assert str(found) == server.binary()


def test_a_server_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is started again on another port, in case another program took it first, and given up in the end."""
    monkeypatch.setenv(server.BINARY, "/bin/false")
    monkeypatch.setattr(server, "_PATIENCE", 0.1)
    embedded = EmbeddedServer()

    with pytest.raises(StoreError, match="does not answer"):
        embedded.start()
    embedded.close()
