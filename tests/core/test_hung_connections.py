"""A connection that is not made in time, or uses a SOCKS proxy: nothing was sent, or it is in doubt."""

from __future__ import annotations

import contextlib
import gc
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import aiohttp
import ccxt
import pytest
from support.replies import CANCEL_ALL, SUCCESS, aimed, failure_of
from support.socks import Socks
from support.standin import Standin, raw, reply, silence
from support.twins import Twin, VirtualClock

OK = reply(200, SUCCESS)
TINY = 0.05  # seconds of real time


@pytest.fixture
def standin(clock: VirtualClock) -> Iterator[Standin]:
    with Standin(clock.now) as running:
        yield running


@contextlib.contextmanager
def listener(*, full: bool = False) -> Iterator[int]:
    """Listen on a port and accept nothing; if the backlog is full, clients cannot even connect."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4 * full):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        yield server.getsockname()[1]


def does_not_connect(exchange: Any, stack: ExitStack) -> None:
    exchange.urls["api"]["rest"] = f"http://127.0.0.1:{stack.enter_context(listener(full=True))}"


def does_not_shake_hands(exchange: Any, stack: ExitStack) -> None:
    exchange.urls["api"]["rest"] = f"https://127.0.0.1:{stack.enter_context(listener())}"


def is_a_proxy_without_a_word(exchange: Any, stack: ExitStack) -> None:
    exchange.urls["api"]["rest"] = "https://127.0.0.1:9"
    exchange.httpsProxy = f"http://127.0.0.1:{stack.enter_context(listener())}"


def is_a_socks_proxy_without_a_word(exchange: Any, stack: ExitStack) -> None:
    exchange.socksProxy = stack.enter_context(Socks(9, "silent")).url


def hangs_up_in_the_handshake(exchange: Any, stack: ExitStack) -> None:
    exchange.urls["api"]["rest"] = stack.enter_context(Socks(9, "gone")).url.replace("socks5", "https")


def is_a_proxy_that_hangs_up(exchange: Any, stack: ExitStack) -> None:
    exchange.urls["api"]["rest"] = "https://127.0.0.1:9"
    exchange.httpsProxy = stack.enter_context(Socks(9, "gone")).url.replace("socks5", "http")


def is_a_proxy_that_talks_nonsense(exchange: Any, stack: ExitStack) -> None:
    exchange.urls["api"]["rest"] = "https://127.0.0.1:9"
    proxy = stack.enter_context(Standin())
    proxy.script(raw(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"))
    exchange.httpsProxy = proxy.url


def is_a_proxy_that_refuses(exchange: Any, stack: ExitStack) -> None:
    exchange.urls["api"]["rest"] = "https://127.0.0.1:9"
    proxy = stack.enter_context(Standin())
    proxy.script(reply(403, SUCCESS))
    exchange.httpsProxy = proxy.url


HUNG = [
    *(is_a_proxy_that_talks_nonsense, is_a_proxy_that_refuses),
    *(hangs_up_in_the_handshake, is_a_proxy_that_hangs_up),
    *(does_not_connect, does_not_shake_hands, is_a_proxy_without_a_word, is_a_socks_proxy_without_a_word),
]


@pytest.mark.parametrize("hangs", HUNG)
def test_connection_that_hangs_has_sent_nothing(
    hangs: Callable[[Any, ExitStack], None], twin: Twin, standin: Standin, clock: VirtualClock
) -> None:
    """It is retried, and "nothing was canceled" is true."""
    with ExitStack() as stack:
        exchange = aimed(twin, standin, clock, deadline=0.5, attempt_timeout=TINY, jitter=0)
        hangs(exchange, stack)

        error: Any = failure_of(twin, exchange)

    assert isinstance(error, ccxt.NetworkError)
    assert error.cancel_failure.attempts > 1
    assert error.cancel_failure.may_be_canceled is False
    assert "nothing was sent: " in str(error)
    assert [] == standin.requests


@pytest.mark.parametrize("ends", ["refused", "gone"])
def test_socks_proxy_that_does_not_connect_has_sent_nothing(
    ends: str, twin: Twin, standin: Standin, clock: VirtualClock
) -> None:
    """Its own exception is not one of ccxt's, and does not get out."""
    exchange = aimed(twin, standin, clock, deadline=1.0, jitter=0)
    with Socks(9, ends) as proxy:
        exchange.socksProxy = proxy.url

        error: Any = failure_of(twin, exchange)

    assert isinstance(error, ccxt.NetworkError)
    assert proxy.met >= error.cancel_failure.attempts > 1
    assert error.cancel_failure.may_be_canceled is False
    assert "nothing was sent: " in str(error)


def test_cancel_goes_through_a_socks_proxy(twin: Twin, standin: Standin, clock: VirtualClock) -> None:
    """Each attempt has its own connection, and no session is left open; a lost reply is a doubt here too."""
    kept: list[Any] = []
    noted = OK.while_on_the_wire(lambda: kept.append(getattr(exchange, "socks_proxy_sessions", None)))
    standin.script(silence(), noted, path=CANCEL_ALL)
    with Socks(int(standin.url.rpartition(":")[2])) as proxy:
        exchange = aimed(twin, standin, clock)
        exchange.socksProxy = proxy.url

        receipt = twin.cancel(exchange)

        assert ("canceled", 2, 2) == (receipt["status"], receipt["attempts"], proxy.met)
        assert [False] == list(map(bool, kept))  # the exchange has no session for it
        standin.script(silence(), path=CANCEL_ALL)
        clock.time += 10
        exchange = aimed(twin, standin, clock, deadline=0.0)
        exchange.socksProxy = proxy.url

        error: Any = failure_of(twin, exchange)

        assert error.cancel_failure.may_be_canceled is True
    left = [each for each in gc.get_objects() if isinstance(each, aiohttp.ClientSession) and not each.closed]
    assert [] == left
