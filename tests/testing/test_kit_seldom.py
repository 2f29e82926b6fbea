"""What seldom comes through the test kit: a strategy's own servers, other exchanges, closed loops, threads that end."""

from __future__ import annotations

import asyncio
import gc
import itertools
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import ccxt
import ccxt.async_support
import ccxt.pro
import pytest
from ccxt.async_support.base.ws.client import Client

from okx_rfq_plugin._core.clock import AsyncWaker
from okx_rfq_plugin.sandbox import Sandbox
from okx_rfq_plugin.testing import cassettes, quiet, replay, sessions
from okx_rfq_plugin.testing.clocks import VirtualClock
from okx_rfq_plugin.testing.family import KEY
from okx_rfq_plugin.testing.handles import FixtureSandbox
from okx_rfq_plugin.testing.interactions import CassetteRequest, Interaction, Reply
from okx_rfq_plugin.testing.recorder import Recorder
from okx_rfq_plugin.testing.sent import let_through
from okx_rfq_plugin.testing.stage import Refused, Stage
from okx_rfq_plugin.testing.trial import _chain
from okx_rfq_plugin.testing.wire import close_stage, opened

TIME = "/api/v5/public/time"
CREATE = "/api/v5/rfq/create-rfq"


@pytest.fixture
def stage() -> Iterator[Stage]:
    with opened(Stage()) as stage:
        yield stage


@pytest.fixture
def own() -> Iterator[Sandbox]:
    """A strategy's own server on this machine."""
    with Sandbox() as running:
        yield running


@pytest.fixture
def served(stage: Stage) -> Iterator[FixtureSandbox]:
    """The sandbox of the stage."""
    stage.sandbox = FixtureSandbox(VirtualClock())
    with stage.sandbox:
        yield stage.sandbox


def aimed(cls: Any, server: Sandbox) -> Any:
    """Make an okx object that no fixture has made, for such a server."""
    exchange = cls()
    exchange.urls["api"]["rest"] = server.url
    return exchange


# A strategy's own servers, and other exchanges


def test_a_replay_leaves_a_strategys_own_server_to_an_async_object(own: Sandbox) -> None:
    """It asks for nothing of the cassette's."""

    async def asked() -> Any:
        exchange = aimed(ccxt.async_support.okx, own)
        exchange.timeout_on_exit = 0
        try:
            return await exchange.fetch_time()
        finally:
            await exchange.close()

    with pytest.raises(Refused, match="what was never asked for"), replay("canceled"):
        assert asyncio.run(asked())

    assert [TIME] == [request.path for request in own.requests]


@pytest.mark.parametrize("answered_by", ["sandbox", "okx-demo"])
@pytest.mark.usefixtures("served")
def test_a_recording_leaves_out_a_strategys_own_server(answered_by: str, own: Sandbox, stage: Stage) -> None:
    """What it answers is none of OKX's."""
    stage.tape = recorder = Recorder(answered_by)
    aimed(ccxt.okx, own).fetch_time()

    assert ([TIME], []) == ([request.path for request in own.requests], recorder.requests)


def test_an_object_without_a_key_is_recorded_too(served: FixtureSandbox, stage: Stage) -> None:
    """It asks for what is public, and the sandbox need not admit it for that."""
    stage.tape = recorder = Recorder("sandbox")
    ccxt.okx().fetch_time()

    assert [[TIME]] * 2 == [[request.path for request in each.requests] for each in (served, recorder)]
    with pytest.raises(ValueError, match="not of this sandbox"):
        served.rfqs(credentials={"apiKey": ""})


def test_another_exchange_on_this_machine_is_reached_by_either_twin(own: Sandbox, stage: Stage) -> None:
    """Only OKX's objects are guarded."""

    async def asked() -> Any:
        exchange = ccxt.async_support.kraken()
        exchange.timeout_on_exit = 0
        try:
            return await exchange.fetch(own.url + TIME)
        finally:
            await exchange.close()

    replies = [ccxt.kraken().fetch(own.url + TIME), asyncio.run(asked())]

    assert ["0", "0"] == [reply["code"] for reply in replies]
    assert [] == stage.violations


def test_another_exchanges_websocket_is_its_own_matter(stage: Stage) -> None:
    """What goes out on it is not looked at."""
    sent: list[Any] = []

    async def send_str(text: str) -> None:
        sent.append(text)

    client: Any = object.__new__(Client)
    client.verbose, client.url = False, "wss://stream.invalid/"
    client.connection = SimpleNamespace(send_str=send_str, closed=False)
    client.on_message_callback = ccxt.pro.kraken().handle_message
    asyncio.run(client.send({"id": 1}))

    assert (1, []) == (len(sent), stage.violations)


def test_a_websocket_of_this_machine_is_opened(own: Sandbox, stage: Stage) -> None:
    """A strategy's own server answers, though what asks signs for OKX; here it knows no WebSockets."""

    async def opening() -> None:
        async with aiohttp.ClientSession() as session:
            await session.ws_connect(own.url.replace("http", "ws"), headers={KEY: "dummy"})

    with pytest.raises(aiohttp.WSServerHandshakeError):
        asyncio.run(opening())
    assert [] == stage.violations


def test_a_websocket_that_is_let_through_is_opened(stage: Stage) -> None:
    """As every request is; without that it is refused."""

    async def opening() -> Any:
        exchange = ccxt.pro.okx()
        exchange.timeout_on_exit = 0
        try:
            with let_through():
                return exchange.client("wss://ws.invalid/")
        finally:
            await exchange.close()

    assert "wss://ws.invalid/" == asyncio.run(opening()).url
    with pytest.raises(Refused, match="was not opened"):
        ccxt.pro.okx().client("wss://ws.invalid/")


def test_a_stage_that_is_closed_twice_is_closed(stage: Stage) -> None:
    """The one around it stays open."""
    inner = Stage()
    with opened(inner):
        pass
    close_stage(inner)

    with pytest.raises(Refused):
        ccxt.okx().fetch_time()


# Cassettes


def created(body: str, query: str = "") -> Interaction:
    request = CassetteRequest(method="POST", path=CREATE, query=query, body=body)
    return Interaction(request=request, answer=Reply(200, "OK", {}, b'{"code":"0","msg":"","data":[]}'))


@pytest.mark.parametrize(
    ("again", "words"),
    [("clRfqId-1", ""), ("mine", ""), ("another", "the body differs")],
    ids=["called as in the file", "called otherwise", "called now so and now so"],
)
def test_what_a_strategy_names_keeps_its_name(again: str, words: str, tmp_path: Path) -> None:
    """Also before any reply has named it."""
    cassettes.write(tmp_path / "a.yaml", {}, [created('{"clRfqId":"clRfqId-1"}')] * 2)
    first = "mine" if words else again

    def replayed() -> None:
        with replay(tmp_path / "a.yaml") as tape:
            exchange = tape.make_exchange()
            exchange.private_post_rfq_create_rfq({"clRfqId": first})
            exchange.private_post_rfq_create_rfq({"clRfqId": again})

    if words:
        with pytest.raises(Refused, match=words):
            replayed()
    else:
        replayed()


def test_a_query_that_differs_is_a_miss(tmp_path: Path) -> None:
    """Of a request that changes something, as its body is."""
    cassettes.write(tmp_path / "a.yaml", {}, [created("{}", "dry=1")])

    with pytest.raises(Refused, match="the query differs"), replay(tmp_path / "a.yaml") as tape:
        tape.make_exchange().private_post_rfq_create_rfq()


def test_a_session_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes tenths of a second to find out whose it is."""
    sessions.forget()
    exchange = ccxt.okx()
    assert exchange is sessions.owner_of(exchange.session)
    monkeypatch.setattr(gc, "get_referrers", lambda *objects: pytest.fail("looked again"))

    assert exchange is sessions.owner_of(exchange.session)
    sessions.forget()


def test_a_chain_of_errors_has_an_end() -> None:
    """After a thousand the rest is left alone."""
    errors = [RuntimeError(number) for number in range(1500)]
    for error, cause in itertools.pairwise(errors):
        error.__cause__ = cause

    assert errors[:500] == list(_chain(errors[0]))[:500]
    assert 1000 >= len(list(_chain(errors[0])))


# Time


def test_a_request_that_nobody_has_announced_is_held_back_too() -> None:
    """As one of a client that the kit does not know: the time moves on to its end."""
    clock = VirtualClock()
    began = clock.now()
    asyncio.run(clock.delay(5.0))

    assert 5.0 == pytest.approx(clock.now() - began)


def test_time_stands_still_where_nobody_waits() -> None:
    """There is no moment to move to."""
    clock = VirtualClock()
    began = clock.now()
    clock._move()

    assert began == clock.now()


def test_a_loop_that_is_closed_is_waited_for_no_more() -> None:
    """What slept on it never wakes, and holds up nobody else."""
    clock, loop = VirtualClock(), asyncio.new_event_loop()

    async def waker() -> AsyncWaker:
        return AsyncWaker()

    clock._begin_wait(5.0, loop.run_until_complete(waker()))
    loop.close()
    clock._keep_moving()
    clock._consider_soon(loop)

    assert loop not in clock._considered
    clock.advance(1.0)
    assert {} == clock._sleepers


@pytest.mark.parametrize(("task", "runs"), [(None, False), ("1", True)], ids=["no tasks to see", "one that has ended"])
def test_threads_that_cannot_be_looked_at(
    task: str | None, runs: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other systems than Linux show none; one that has just ended has been running."""
    if task is not None:
        (tmp_path / "task" / task).mkdir(parents=True)
    monkeypatch.setattr(quiet, "_TASKS", tmp_path / "task")

    assert runs is quiet._other_thread_runs()
