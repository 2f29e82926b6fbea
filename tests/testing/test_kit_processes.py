"""Edge cases of the test kit: sleeps of its own threads, odd recordings, closed loops, plain calls."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import json
import multiprocessing
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import ccxt
import ccxt.async_support
import ccxt.pro
import httpx
import pytest
from ccxt.base.errors import ExchangeClosedByUser
from support.inner import run

from okx_rfq_plugin._core.clock import Waker
from okx_rfq_plugin.testing import quiet
from okx_rfq_plugin.testing.children import FOLDER
from okx_rfq_plugin.testing.clocks import VirtualClock
from okx_rfq_plugin.testing.interactions import Reply
from okx_rfq_plugin.testing.reading import read
from okx_rfq_plugin.testing.scrub import Scrubber
from okx_rfq_plugin.testing.serving import release
from okx_rfq_plugin.testing.sleeping import patch_sleep
from okx_rfq_plugin.testing.stage import Refused, Stage
from okx_rfq_plugin.testing.wire import opened

pytest_plugins = ["pytester"]


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A stage that guards this process and its children."""
    with opened(Stage()) as stage:
        yield stage


# Time


def test_the_machinerys_own_threads_sleep_for_real() -> None:
    """A thread of the kit's that waited in virtual time might wait for itself."""
    clock = VirtualClock()
    before = clock.now()

    def sleep() -> None:
        import time

        time.sleep(0)
        slept.append(asyncio.run(asyncio.sleep(0, "done")))

    slept: list[str] = []
    patches = patch_sleep(clock)
    try:
        thread = threading.Thread(target=sleep, name=f"{quiet.OWN_THREADS} of a test")
        thread.start()
        thread.join()
    finally:
        patches.undo()

    assert (["done"], before) == (slept, clock.now())


def test_a_request_that_ends_in_another_context_is_over() -> None:
    """As with a generator closed by other code: no request is left that would stop the time."""
    clock = VirtualClock()
    began = clock.now()
    request = clock.busy()
    contextvars.copy_context().run(request.__enter__)
    request.__exit__(None, None, None)

    clock.sleep(5.0, Waker())

    assert 5.0 == pytest.approx(clock.now() - began)


# What is guarded


@pytest.mark.usefixtures("stage")
def test_a_process_of_multiprocessing_is_guarded_and_leaves_the_environment_alone() -> None:
    """It starts with the guard on its path, and this process's own variables are unchanged."""
    before = dict(os.environ)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        guarded = pool.apply(os.getenv, (FOLDER,))

    assert guarded
    assert before == dict(os.environ)


def test_a_process_that_no_stage_guards_is_as_ever(stage: Stage) -> None:
    """Where the stage is none of a test's, as around pytest-xdist's workers, either kind starts as without the kit."""
    stage.guards_children = False
    script = f"import os; print(os.getenv({FOLDER!r}))"
    started = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert ("None\n", None) == (started.stdout, pool.apply(os.getenv, (FOLDER,)))


def test_a_second_process_is_guarded_by_the_same_folder(stage: Stage) -> None:
    """Their refusals are collected in one place, and the guard is on the path once."""
    script = f"import os, sys; print(os.environ[{FOLDER!r}], os.environ['PYTHONPATH'].count('child_site'))"
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {script!r}], check=True)"
    seen = [
        subprocess.run([sys.executable, "-c", each], capture_output=True, text=True, check=True).stdout.strip()
        for each in (script, nested)
    ]

    assert [f"{stage.folder} 1"] * 2 == seen


def test_an_environment_that_is_guarded_already_stays_as_it_is(stage: Stage) -> None:
    """As that which a guarded process passes on to one of its own."""
    script = "import json, os; print(json.dumps(dict(os.environ)))"
    start = functools.partial(subprocess.check_output, [sys.executable, "-c", script], text=True)
    guarded = json.loads(start())

    assert guarded["PYTHONPATH"] == json.loads(start(env=guarded))["PYTHONPATH"]
    assert stage.folder == guarded[FOLDER]


@pytest.mark.usefixtures("stage")
def test_a_unix_socket_is_none_of_the_networks(tmp_path: Path) -> None:
    """The guard asks for no host where there is none."""
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(str(tmp_path / "socket"))
        server.listen()
        client.connect(str(tmp_path / "socket"))


@pytest.mark.usefixtures("stage")
def test_a_loops_lookup_of_this_machine_is_answered() -> None:
    """Only hosts beyond it are refused."""

    async def look_up() -> Any:
        return await asyncio.get_running_loop().getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)

    assert asyncio.run(look_up())


@pytest.mark.usefixtures("stage")
def test_a_strategys_own_proxy_on_this_machine_is_reached() -> None:
    """The proxy's host is checked like the request's own: a closed port is reported as such, not by the guard."""

    async def ask() -> None:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientProxyConnectionError):
                await session.get("http://127.0.0.1:1/", proxy="http://127.0.0.1:1")

    asyncio.run(ask())


@pytest.mark.usefixtures("stage")
def test_another_client_reaches_this_machine() -> None:
    """httpx, below which the guard checks each host: a closed port is reported as such, not by the guard."""
    with pytest.raises(httpx.ConnectError):
        httpx.get("http://127.0.0.1:1/")


def test_a_websocket_of_this_machine_is_a_strategys_own_matter(stage: Stage) -> None:
    """It may use its own server; one beyond the machine is refused, and another exchange's is not affected."""
    stage.refuse_socket(ccxt.pro.okx(), "ws://127.0.0.1:1/ws")
    with pytest.raises(Refused, match=re.escape("WebSocket wss://ws.okx.com:8443/ws")):
        stage.refuse_socket(ccxt.pro.okx(), "wss://ws.okx.com:8443/ws")

    async def other() -> Any:
        kraken = ccxt.pro.kraken()
        try:
            return kraken.client("ws://127.0.0.1:1/ws").url
        finally:
            await kraken.close()

    assert "ws://127.0.0.1:1/ws" == asyncio.run(other())


def test_sleeps_are_patched_once_and_quotes_can_be_looked_at(pytester: pytest.Pytester) -> None:
    """Twice is the same as once."""
    run(
        pytester,
        """
        import time

        def test_it(okx_rfq_clock, okx_rfq_sandbox):
            okx_rfq_clock.patch_sleep()
            okx_rfq_clock.patch_sleep()
            before = okx_rfq_clock.now
            time.sleep(1000)
            assert 1000 <= okx_rfq_clock.now - before
            assert [] == okx_rfq_sandbox.quotes()
        """,
        passed=1,
    )


# Recordings


def test_a_number_in_a_reply_stays_a_number() -> None:
    """If its name resolves to no one."""
    answer = Scrubber(()).answer(Reply(200, "OK", {}, b'{"code":"0","data":[{"sz":2.5}]}'))

    assert isinstance(answer, Reply)
    assert b'{"code":"0","data":[{"sz":2.5}]}' == answer.body


def test_headers_of_a_packed_body_are_left_out(tmp_path: Path) -> None:
    """A body is stored unpacked and complete, so headers that say otherwise are dropped."""
    path = tmp_path / "packed.yaml"
    path.write_text(
        "interactions:\n"
        "- request: {method: GET, uri: 'https://www.okx.com/api/v5/public/time', body: null, headers: {}}\n"
        "  response:\n    status: {code: 200, message: OK}\n"
        "    headers: {Content-Encoding: [gzip], Content-Type: [application/json]}\n    body: {string: '{}'}\n"
    )

    (interaction,) = read(path).interactions

    assert isinstance(interaction.answer, Reply)
    assert {"Content-Type": "application/json"} == dict(interaction.answer.headers)


def test_an_exchange_without_a_session_can_be_released() -> None:
    """Some strategies remove it."""
    exchange = ccxt.okx()
    exchange.session = None

    release(exchange)

    with pytest.raises(ExchangeClosedByUser):
        exchange.fetch("http://127.0.0.1:1/")
