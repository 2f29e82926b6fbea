"""Creates: those requested before a cancel are refused after it, and plugins may refuse any."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import ccxt
import ccxt.async_support
import ccxt.pro
import pytest
from support.threads import Queue, in_a_thread
from support.twins import Twin

from okx_rfq_plugin import get_plugin_manager, hookimpl, install
from okx_rfq_plugin._core import creates
from okx_rfq_plugin._core.endpoints import CANCEL_ALL_RFQS
from okx_rfq_plugin.sandbox import Sandbox

CREATE = "rfq/create-rfq"
ASKED = {"counterparties": ["WAGMI"], "legs": [{"instId": "BTC-USDT", "side": "buy", "sz": "1"}]}


def created(sandbox: Sandbox) -> int:
    return sum(request.path.endswith(CREATE) for request in sandbox.requests)


def waiting_create(sandbox: Sandbox, exchange: Any, canceling: Any) -> Any:
    """Make a sync create wait in the queue, cancel with another object, and return the create's outcome."""
    exchange.throttle = queue = Queue()
    thread, outcome = in_a_thread(lambda: exchange.private_post_rfq_create_rfq(ASKED))
    assert queue.entered.wait(10)
    Twin(None, canceling.synchronous).cancel(canceling)
    queue.open.set()
    thread.join(10)
    return outcome[0]


@pytest.mark.parametrize("face", [ccxt.okx, ccxt.async_support.okx, ccxt.pro.okx], ids=lambda cls: cls.__module__)
def test_create_that_waits_in_a_queue_is_refused(face: Any, sandbox: Sandbox) -> None:
    """It was requested before the cancel, by this account: whatever object cancels, it is refused."""
    exchange = install(sandbox.exchange())

    error = waiting_create(sandbox, exchange, install(sandbox.exchange(face)))

    assert isinstance(error, ccxt.OperationRejected)
    assert 0 == created(sandbox)


def test_create_is_refused_by_a_cancel_of_its_own_object(sandbox: Sandbox) -> None:
    """The strategy uses one object for both."""
    exchange = install(sandbox.exchange())

    error = waiting_create(sandbox, exchange, exchange)

    assert isinstance(error, ccxt.OperationRejected)
    assert 0 == created(sandbox)


def test_create_of_another_account_goes_through(sandbox: Sandbox) -> None:
    """Creates of other accounts are not touched."""
    exchange = install(sandbox.exchange(credentials=sandbox.create_user()))

    outcome = waiting_create(sandbox, exchange, install(sandbox.exchange()))

    assert "0" == outcome["code"]
    assert 1 == created(sandbox)


def test_async_creates_that_wait_are_refused_and_later_ones_go_through(sandbox: Sandbox) -> None:
    """Of ten creates in ccxt's own queue, none reaches the wire after the cancel; a later one does."""

    async def story() -> Any:
        exchange = install(sandbox.exchange(ccxt.async_support.okx))
        opened = asyncio.Event()

        async def throttle(cost: Any = None) -> None:
            await opened.wait()

        exchange.throttle = throttle
        try:
            waiting = [asyncio.ensure_future(exchange.private_post_rfq_create_rfq(ASKED)) for _ in range(10)]
            await asyncio.sleep(0)
            receipt = await exchange.cancel_all_rfqs()
            opened.set()
            refused = await asyncio.gather(*waiting, return_exceptions=True)
            before = created(sandbox)
            return receipt, refused, before, await exchange.private_post_rfq_create_rfq(ASKED)
        finally:
            exchange.timeout_on_exit = 0
            await exchange.close()

    receipt, refused, before, later = asyncio.run(story())

    assert "nothing_active" == receipt["status"]
    assert [ccxt.OperationRejected] * 10 == [type(error) for error in refused]
    assert (0, "0", 1) == (before, later["code"], created(sandbox))


def test_create_after_a_cancel_goes_through(twin: Twin, exchange: Any, sandbox: Sandbox) -> None:
    """Later ones are up to the strategy, and other calls are not creates."""
    answers = []

    def create() -> Any:
        answers.append(exchange.private_post_rfq_create_rfq(ASKED))
        return answers[-1]

    exchange.enableRateLimit = False
    twin.run(exchange, exchange.cancel_all_rfqs, create, exchange.fetch_time)

    assert 1 == created(sandbox)


# --- plugins that refuse -----------------------------------------------------------------------------------------


class Guard:
    """Records what it is asked about, and refuses it if it has an error to raise."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.asked: list[tuple[Any, str, Any]] = []
        self.threads: list[int] = []
        self._error = error

    @hookimpl
    def rfq_creating(self, exchange: Any, path: str, params: Any) -> None:
        self.asked.append((exchange, path, params))
        self.threads.append(threading.get_ident())
        if self._error is not None:
            raise self._error


@pytest.fixture
def guarded() -> Iterator[Callable[..., Guard]]:
    """Registers guards, and removes them again."""
    manager, guards = get_plugin_manager(), []

    def register(error: BaseException | None = None) -> Guard:
        guards.append(Guard(error))
        manager.register(guards[-1])
        return guards[-1]

    yield register

    for guard in guards:
        manager.unregister(guard)


@pytest.mark.parametrize(("call", "path"), [("rfq", CREATE), ("quote", "rfq/create-quote")])
def test_plugin_is_asked_before_a_create_is_signed(
    call: str, path: str, guarded: Any, twin: Twin, exchange: Any, sandbox: Sandbox
) -> None:
    """With the live exchange, OKX's path and the user's arguments, on the caller's own thread."""
    guard = guarded()
    exchange.enableRateLimit = False
    sandbox.fault(path, "50113")

    with pytest.raises(ccxt.AuthenticationError):
        twin.run(exchange, lambda: getattr(exchange, f"private_post_rfq_create_{call}")(ASKED))

    assert [(exchange, path, ASKED)] == guard.asked
    assert [threading.get_ident()] == guard.threads
    assert 1 == len(sandbox.requests)


@pytest.mark.parametrize(
    "error", [ccxt.OperationRejected("halted"), ValueError("halted"), KeyboardInterrupt()], ids=repr
)
def test_plugin_that_raises_refuses_a_create(
    error: BaseException, guarded: Any, twin: Twin, exchange: Any, sandbox: Sandbox
) -> None:
    """Its error reaches the caller unchanged, and nothing is sent; a cancel is not a create, and continues."""
    guarded(error)
    exchange.enableRateLimit = False

    with pytest.raises(type(error)) as raised:
        twin.run(exchange, exchange.cancel_all_rfqs, lambda: exchange.private_post_rfq_create_rfq(ASKED))

    assert error is raised.value
    assert 0 == created(sandbox)
    assert 1 == len(sandbox.requests)  # the cancel


def test_create_that_was_overtaken_is_not_asked_about(guarded: Any, sandbox: Sandbox) -> None:
    """A cancel has refused it already."""
    guard = guarded()
    exchange = install(sandbox.exchange())

    assert isinstance(waiting_create(sandbox, exchange, exchange), ccxt.OperationRejected)
    assert [] == guard.asked


@pytest.mark.parametrize("call", ["fetch_time", "private_get_rfq_rfqs", "cancel_all_rfqs", "cancel_all_quotes"])
def test_plugin_is_not_asked_about_anything_else(call: str, guarded: Any, twin: Twin, exchange: Any) -> None:
    """Only a create creates."""
    guard = guarded()

    twin.run(exchange, getattr(exchange, call))

    assert [] == guard.asked


def test_sign_that_is_called_by_hand_is_asked_about_too(guarded: Any, exchange: Any) -> None:
    """A framework may sign requests itself, with arguments by position, by name, or left out."""
    guard = guarded()

    exchange.sign(CREATE, "private", "POST", ASKED)
    exchange.sign(CREATE, api="private", method="POST", params=ASKED)
    exchange.sign(CREATE)

    assert [ASKED, ASKED, {}] == [params for _, _, params in guard.asked]


def test_many_canceling_accounts_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those whose cancel is the longest ago are forgotten; creates from before the latest stay refused."""
    monkeypatch.setattr(creates, "_cancels", {})
    monkeypatch.setattr(creates, "_MOST_KEYS", 10)

    for number in range(25):
        creates.note_cancel(bytes([number]), CANCEL_ALL_RFQS)

    assert len(creates._cancels) <= 10
    assert (bytes([24]), CREATE) in creates._cancels
    assert list(creates._cancels.values()) == sorted(creates._cancels.values())


def test_cancel_of_another_account_forgets_no_cancel(sandbox: Sandbox) -> None:
    """A waiting create is refused, although others have canceled since."""
    exchange, other = install(sandbox.exchange()), install(sandbox.exchange(credentials=sandbox.create_user()))
    exchange.throttle = queue = Queue()
    thread, outcome = in_a_thread(lambda: exchange.private_post_rfq_create_rfq(ASKED))
    assert queue.entered.wait(10)
    exchange.cancel_all_rfqs()
    other.cancel_all_rfqs()
    queue.open.set()
    thread.join(10)

    assert isinstance(outcome[0], ccxt.OperationRejected)


def test_half_of_too_many_accounts_is_forgotten_the_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory of a process that cancels for many accounts is bounded."""
    monkeypatch.setattr(creates, "_cancels", {})
    keys = [str(number).encode() for number in range(10_001)]
    for key in keys[:10_000]:
        creates.note_cancel(key, CANCEL_ALL_RFQS)
    assert 10_000 == len(creates._cancels)

    creates.note_cancel(keys[10_000], CANCEL_ALL_RFQS)

    assert {(key, CREATE) for key in keys[5_000:]} == set(creates._cancels)


def test_create_signed_by_a_framework_is_new(exchange: Any, twin: Twin) -> None:
    """The time of an earlier create on this thread or task says nothing about it."""
    signed: list[Any] = []

    def create() -> Any:
        return exchange.private_post_rfq_create_rfq(ASKED)

    def sign() -> Any:
        signed.append(exchange.sign(CREATE, "private", "POST", ASKED))
        return exchange.cancel_all_rfqs()

    twin.run(exchange, create, exchange.cancel_all_rfqs, sign)

    assert signed[0]["url"].endswith(CREATE)
