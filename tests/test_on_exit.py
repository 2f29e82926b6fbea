"""cancel_on_exit: however a block is left, the book is empty afterwards, and what ended the block propagates."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import anyio
import ccxt
import ccxt.async_support
import ccxt.pro
import pytest
from support.ccxts import closes
from support.twins import Twin, VirtualClock, kind

import okx_rfq_plugin
from okx_rfq_plugin import cancel_on_exit
from okx_rfq_plugin.sandbox import Fault, Sandbox

CANCEL_ALL = "rfq/cancel-all-rfqs"
REFUSED = "50113"  # OKX: Invalid Sign


def leave(twin: Twin, exchange: Any, inside: Callable[[], Any] = lambda: None) -> None:
    """Run a block, and close an async exchange after it."""
    if twin.synchronous:
        with cancel_on_exit(exchange):
            inside()
        return

    async def main() -> None:
        exchange.timeout_on_exit = 0
        try:
            async with cancel_on_exit(exchange):
                if inspect.isawaitable(awaitable := inside()):
                    await awaitable
        finally:
            await exchange.close()

    asyncio.run(main())


def raising(error: BaseException) -> Callable[[], None]:
    def inside() -> None:
        raise error

    return inside


def signaled(twin: Twin, signum: int) -> Callable[[], Any]:
    """A block that gets a signal and would otherwise run long."""

    async def on_a_loop() -> None:
        signal.raise_signal(signum)
        await asyncio.sleep(60)

    return (lambda: signal.raise_signal(signum)) if twin.synchronous else on_a_loop


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """The calls of `sys.excepthook`."""
    errors: list[BaseException] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: errors.append(error))
    return errors


@pytest.fixture(params=[signal.SIGTERM, signal.SIGINT])
def signum(request: pytest.FixtureRequest) -> Iterator[int]:
    """A signal without a handler, before and afterwards."""
    default = signal.SIG_DFL if request.param == signal.SIGTERM else signal.default_int_handler
    assert signal.getsignal(request.param) is default
    yield request.param
    assert signal.getsignal(request.param) is default


def is_ending(error: BaseException, signum: int) -> bool:
    """Return whether this ends a process the way the signal should."""
    if signum == signal.SIGINT:
        return isinstance(error, KeyboardInterrupt)
    return isinstance(error, SystemExit) and error.code == 143


# The end of the block, and exceptions


def test_the_end_of_a_block_cancels(twin: Twin, sandbox: Sandbox) -> None:
    """A block that ends leaves no RFQ, even on an exchange without the package, which is installed on it."""
    exchange = sandbox.exchange(twin.module.okx)
    sandbox.create_rfq()

    leave(twin, exchange)

    assert ["canceled"] == [rfq["state"] for rfq in sandbox.rfqs()]
    assert exchange.has["cancelAllRfqs"]


def test_the_block_gets_the_exchange(sandbox: Sandbox) -> None:
    """`with ... as exchange` gives the object itself."""
    exchange = sandbox.exchange(ccxt.okx)

    with cancel_on_exit(exchange) as given:
        assert exchange is given


def test_a_policy_stays(twin: Twin, exchange: Any, sandbox: Sandbox) -> None:
    """An exchange that has the method keeps its policy: here, only one attempt."""
    okx_rfq_plugin.install(exchange, policy=okx_rfq_plugin.RetryPolicy(deadline=0))
    sandbox.fault(CANCEL_ALL, 502)

    with pytest.raises(ccxt.ExchangeNotAvailable) as raised:
        leave(twin, exchange)

    assert 1 == raised.value.cancel_failure.attempts


@pytest.mark.parametrize("error", [ZeroDivisionError(), SystemExit(3), GeneratorExit()], ids=kind)
def test_what_ended_the_block_goes_on(twin: Twin, exchange: Any, sandbox: Sandbox, error: BaseException) -> None:
    """The same exception propagates, with a note that says that the cancel succeeded."""
    sandbox.create_rfq()

    with pytest.raises(type(error)) as raised:
        leave(twin, exchange, raising(error))

    assert error is raised.value
    assert "cancel_on_exit: all RFQs are canceled as of 20" in raised.value.__notes__[-1]
    assert [] == sandbox.rfqs("active")


def test_a_note_says_that_nothing_was_active(twin: Twin, exchange: Any) -> None:
    """If there was nothing to cancel, the note says that."""
    with pytest.raises(ZeroDivisionError) as raised:
        leave(twin, exchange, raising(ZeroDivisionError()))

    assert ["cancel_on_exit: no RFQ was active."] == raised.value.__notes__


def test_a_generator_that_is_closed_cancels(exchange: Any, sandbox: Sandbox) -> None:
    """A block inside a generator is left when the generator is closed."""
    if not exchange.synchronous:
        pytest.skip("an async one is closed by awaiting, as any block is left")

    def strategy() -> Generator[None, None, None]:
        with cancel_on_exit(exchange):
            yield

    running = strategy()
    next(running)
    sandbox.create_rfq()

    running.close()

    assert [] == sandbox.rfqs("active")


def test_a_failed_cancel_is_raised(twin: Twin, exchange: Any, sandbox: Sandbox) -> None:
    """If the block succeeded and the cancel failed, the cancel's error is raised."""
    sandbox.fault(CANCEL_ALL, REFUSED)

    with pytest.raises(ccxt.AuthenticationError, match="NOTHING WAS CANCELED"):
        leave(twin, exchange)


def test_a_failed_cancel_is_raised_from_the_blocks_error(twin: Twin, exchange: Any, sandbox: Sandbox) -> None:
    """Both are visible: the cancel's error, which is more urgent, has the block's as its cause."""
    sandbox.fault(CANCEL_ALL, REFUSED)
    error = ZeroDivisionError()

    with pytest.raises(ccxt.AuthenticationError, match="NOTHING WAS CANCELED") as raised:
        leave(twin, exchange, raising(error))

    assert error is raised.value.__cause__


@pytest.mark.parametrize("error", [KeyboardInterrupt(), GeneratorExit()], ids=kind)
def test_a_failed_cancel_holds_up_nobody_who_ends(
    twin: Twin, exchange: Any, sandbox: Sandbox, shown: list[BaseException], error: BaseException
) -> None:
    """Ctrl+C and the like propagate in any case, and the cancel's error is shown."""
    sandbox.fault(CANCEL_ALL, REFUSED)

    with pytest.raises(type(error)) as raised:
        leave(twin, exchange, raising(error))

    assert "cancel_on_exit: the cancel failed: okx cancel_all_rfqs(): NOTHING" in raised.value.__notes__[-1]
    assert [ccxt.AuthenticationError] == [type(failure) for failure in shown]


@pytest.mark.parametrize(("code", "ends_with"), [(0, 1), (3, 3)])
def test_a_failed_cancel_lets_no_process_end_well(
    twin: Twin, exchange: Any, sandbox: Sandbox, shown: list[BaseException], code: Any, ends_with: Any
) -> None:
    """An exit that would report success reports a failure; any other code stays."""
    sandbox.fault(CANCEL_ALL, REFUSED)

    with pytest.raises(SystemExit) as raised:
        leave(twin, exchange, raising(SystemExit(code)))

    assert ends_with == raised.value.code
    assert [ccxt.AuthenticationError] == [type(failure) for failure in shown]


# Mistakes


def test_with_and_async_with_are_not_mixed_up(sandbox: Sandbox) -> None:
    """The wrong one names the right one, before the block."""
    with (
        pytest.raises(TypeError, match="asynchronous: `async with cancel_on_exit"),
        cancel_on_exit(sandbox.exchange(ccxt.async_support.okx)),
    ):
        pytest.fail("the block was entered")

    async def main() -> None:
        async with cancel_on_exit(sandbox.exchange(ccxt.okx)):
            pytest.fail("the block was entered")

    with pytest.raises(TypeError, match="synchronous: `with cancel_on_exit"):
        asyncio.run(main())


def test_an_exchange_that_nobody_serves_is_refused() -> None:
    """The block is not entered if its end could not cancel."""
    with pytest.raises(ccxt.NotSupported), cancel_on_exit(ccxt.kraken()):
        pytest.fail("the block was entered")


# Signals


def test_a_signal_ends_the_block(twin: Twin, exchange: Any, sandbox: Sandbox, signum: int) -> None:
    """SIGTERM, which would end the process without a cancel, and Ctrl+C end the block, then continue."""
    sandbox.create_rfq()

    with pytest.raises((SystemExit, KeyboardInterrupt)) as raised:
        leave(twin, exchange, signaled(twin, signum))

    assert is_ending(raised.value, signum)
    assert [] == sandbox.rfqs("active")


def test_a_signal_waits_for_the_cancel(
    twin: Twin, exchange: Any, sandbox: Sandbox, clock: VirtualClock, signum: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that arrives during the cancel, here between two attempts, does not stop it, and continues after it."""
    sandbox.create_rfq()
    sandbox.fault(CANCEL_ALL, "50001")
    skip = clock.sleep

    def sleep(seconds: float, waker: Any = None) -> None:
        signal.raise_signal(signum)
        skip(seconds)

    monkeypatch.setattr(clock, "sleep", sleep)

    with pytest.raises((SystemExit, KeyboardInterrupt, asyncio.CancelledError)) as raised:
        leave(twin, exchange)

    assert is_ending(raised.value, signum)
    assert [] == sandbox.rfqs("active")


def test_a_signal_at_the_very_end_of_the_block_waits(exchange: Any, sandbox: Sandbox, signum: int) -> None:
    """One that arrives after the block and before the cancel does not prevent it."""
    if not exchange.synchronous:
        pytest.skip("a task is canceled where it awaits, and nowhere else")
    sandbox.create_rfq()

    tracer = sys.gettrace()  # perhaps coverage's

    def trace(frame: Any, event: str, arg: Any) -> None:
        if frame.f_code is cancel_on_exit.__exit__.__code__:
            sys.settrace(tracer)
            signal.raise_signal(signum)

    with pytest.raises((SystemExit, KeyboardInterrupt)) as raised, cancel_on_exit(exchange):
        sys.settrace(trace)

    assert is_ending(raised.value, signum)
    assert [] == sandbox.rfqs("active")


def test_a_signal_that_the_block_swallows_goes_on(twin: Twin, exchange: Any) -> None:
    """Code that catches everything in a block does not continue after it. (Ctrl+C is up to asyncio from 3.11 on.)"""

    def swallowing() -> None:
        with contextlib.suppress(SystemExit):
            signal.raise_signal(signal.SIGTERM)

    async def swallowing_async() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await signaled(twin, signal.SIGTERM)()

    with pytest.raises(SystemExit) as raised:
        leave(twin, exchange, swallowing if twin.synchronous else swallowing_async)

    assert 143 == raised.value.code


def test_another_handler_stays(twin: Twin, exchange: Any, sandbox: Sandbox, signum: int) -> None:
    """If the program handles the signal itself, the block leaves it to that."""
    heard: list[int] = []
    default = signal.signal(signum, lambda number, frame: heard.append(number))
    try:
        leave(twin, exchange, lambda: signal.raise_signal(signum))

        assert [signum] == heard
    finally:
        signal.signal(signum, default)


def test_blocks_inside_one_another_all_end(twin: Twin, sandbox: Sandbox, signum: int) -> None:
    """Each exchange of nested blocks is cleared, and the signals are handled as before after the last one."""
    users = [sandbox.create_user() for _ in range(2)]
    outer, inner = (sandbox.exchange(twin.module.okx, credentials=user) for user in users)
    for user in users:
        sandbox.create_rfq(credentials=user)

    def inside() -> None:
        with cancel_on_exit(inner):
            signal.raise_signal(signum)

    async def inside_async() -> None:
        inner.timeout_on_exit = 0
        try:
            async with cancel_on_exit(inner):
                await signaled(twin, signum)()
        finally:
            await inner.close()

    with pytest.raises((SystemExit, KeyboardInterrupt)) as raised:
        leave(twin, outer, inside if twin.synchronous else inside_async)

    assert is_ending(raised.value, signum)
    assert [] == [rfq for user in users for rfq in sandbox.rfqs("active", credentials=user)]


def test_the_same_block_may_be_entered_again(twin: Twin, exchange: Any, sandbox: Sandbox) -> None:
    """After a first use, and nested in itself, it cancels each time."""
    block = cancel_on_exit(exchange)

    async def again() -> None:
        async with block, block:
            pass

    def inside() -> Any:
        if not twin.synchronous:
            return again()
        with block, block:
            return None

    leave(twin, exchange, inside)

    assert [CANCEL_ALL] * 3 == [request.path.removeprefix("/api/v5/") for request in sandbox.requests]


@pytest.mark.usefixtures("freed")  # asyncio logs each task whose end nobody asked for, when it is freed
def test_every_task_cancels(sandbox: Sandbox, signum: int) -> None:
    """A signal ends the blocks of all tasks, and those that finish first do not prevent the others' cancels.

    The first finishes at once, which shuts down the loop; the second when it has restarted; the third later still.
    """
    users = [sandbox.create_user() for _ in range(3)]
    for user in users:
        sandbox.create_rfq(credentials=user)
    again, late = Fault(code="50001", delay=0.2), Fault(code="50001", delay=0.4)
    sandbox.fault(CANCEL_ALL, Fault(), again, again, Fault(), late)

    async def strategy(user: dict[str, str]) -> None:
        exchange = sandbox.exchange(ccxt.async_support.okx, credentials=user)
        exchange.timeout_on_exit = 0
        try:
            async with cancel_on_exit(exchange):
                await asyncio.sleep(60)
        finally:
            await exchange.close()

    async def main() -> None:
        asyncio.get_running_loop().call_later(0.05, signal.raise_signal, signum)
        await asyncio.gather(*(strategy(user) for user in users))

    with pytest.raises((SystemExit, KeyboardInterrupt)) as raised:
        asyncio.run(main())

    assert is_ending(raised.value, signum)
    assert [] == [rfq for user in users for rfq in sandbox.rfqs("active", credentials=user)]


def test_a_block_that_is_never_left_keeps_nobody_from_ending(sandbox: Sandbox) -> None:
    """If its task has gone without leaving it, Ctrl+C works as without a block."""
    exchange = sandbox.exchange(ccxt.async_support.okx)
    exchange.timeout_on_exit = 0
    block = cancel_on_exit(exchange)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(block.__aenter__())

    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)

    loop.run_until_complete(block.__aexit__(None, None, None))
    loop.run_until_complete(exchange.close())
    loop.close()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_another_thread_leaves_signals_alone(twin: Twin, exchange: Any, sandbox: Sandbox, signum: int) -> None:
    """A block on another thread, where Python handles no signals, changes no handler, and cancels at its end."""
    sandbox.create_rfq()
    handlers: list[Any] = []
    thread = threading.Thread(target=leave, args=(twin, exchange, lambda: handlers.append(signal.getsignal(signum))))

    thread.start()
    thread.join()

    assert [signal.getsignal(signum)] == handlers
    assert [] == sandbox.rfqs("active")


# Tasks


@pytest.mark.parametrize("cancels", [1, 3])
def test_a_canceled_task_cancels_to_the_end(sandbox: Sandbox, clock: VirtualClock, cancels: int) -> None:
    """Canceling a task, and again while its cancel runs, does not stop the cancel; the task ends canceled."""
    sandbox.create_rfq()
    sandbox.fault(CANCEL_ALL, "50001", "50001")
    exchange = sandbox.exchange(ccxt.async_support.okx)
    exchange.timeout_on_exit = 0

    async def strategy() -> None:
        try:
            async with cancel_on_exit(exchange):
                await asyncio.sleep(60)
        finally:
            await exchange.close()

    async def main() -> bool:
        task = asyncio.ensure_future(strategy())
        for canceled in range(cancels):
            while len(clock.waits) < canceled:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.wait((task,))
        return task.cancelled()

    assert asyncio.run(main())
    assert [] == sandbox.rfqs("active")


def test_a_canceled_scope_of_anyio_does_not_spin(sandbox: Sandbox) -> None:
    """Anyio cancels a task in a canceled scope again at every iteration of the loop."""
    turns = 0

    async def main() -> None:
        nonlocal turns
        exchange = sandbox.exchange(ccxt.async_support.okx)
        sandbox.fault("rfq/cancel-all-rfqs", Fault(delay=0.05))
        loop: Any = asyncio.get_running_loop()
        run_once = loop._run_once

        def counted() -> None:
            nonlocal turns
            turns += 1
            run_once()

        with anyio.CancelScope() as scope:
            async with cancel_on_exit(exchange):
                scope.cancel()
                loop._run_once = counted
                await anyio.sleep_forever()
        exchange.timeout_on_exit = 0
        await exchange.close()

    sandbox.create_rfq()
    asyncio.run(main())

    assert [] == sandbox.rfqs("active")
    assert turns < 1_000  # some dozens; 112,000 in a second without a shield


def test_a_timeout_around_the_block_cancels(sandbox: Sandbox) -> None:
    """Asyncio's own timeout ends the block, and is raised after the cancel."""
    sandbox.create_rfq()
    exchange = sandbox.exchange(ccxt.async_support.okx)
    exchange.timeout_on_exit = 0

    async def strategy() -> None:
        try:
            async with cancel_on_exit(exchange):
                await asyncio.sleep(60)
        finally:
            await exchange.close()

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(asyncio.wait_for(strategy(), 0.05))

    assert [] == sandbox.rfqs("active")


@pytest.mark.parametrize(("shutdowns", "faults"), [(1, 6), (2, 60)])
def test_a_loop_that_is_shut_down_lets_the_cancel_end(
    sandbox: Sandbox, clock: VirtualClock, shutdowns: int, faults: int, shown: list[BaseException]
) -> None:
    """A shutdown cancels every task, even the cancel, which starts again. After a second one it says so and ends."""
    sandbox.create_rfq()
    sandbox.fault(CANCEL_ALL, *["50001"] * faults)
    exchange = sandbox.exchange(ccxt.async_support.okx)
    exchange.timeout_on_exit = 0

    async def strategy() -> None:
        try:
            async with cancel_on_exit(exchange):
                pass
        finally:
            await exchange.close()

    async def main() -> None:
        task = asyncio.ensure_future(strategy())
        for _ in range(shutdowns):
            waits = len(clock.waits)
            while len(clock.waits) < waits + 3:
                await asyncio.sleep(0.001)
            for other in asyncio.all_tasks() - {asyncio.current_task()}:
                other.cancel()
        await asyncio.wait((task,))
        assert task.cancelled()

    asyncio.run(main())

    assert (shutdowns == 1) == ([] == sandbox.rfqs("active"))
    assert [asyncio.CancelledError] * (shutdowns - 1) == [type(error) for error in shown]


# Closed exchanges


@pytest.mark.parametrize("cls", [ccxt.async_support.okx, ccxt.pro.okx, ccxt.async_support.myokx])
def test_a_closed_exchange_cancels_by_a_fresh_one(sandbox: Sandbox, cls: Any) -> None:
    """An exchange closed by the block stays closed; another with its account, environment and policy cancels."""
    sandbox.create_rfq()
    sandbox.fault(CANCEL_ALL, "50001")
    exchange = okx_rfq_plugin.install(sandbox.exchange(cls), policy=okx_rfq_plugin.RetryPolicy(attempt_timeout=9.0))
    exchange.timeout_on_exit = 0

    async def main() -> None:
        async with cancel_on_exit(exchange):
            await exchange.fetch_time()
            await exchange.close()

    asyncio.run(main())

    assert [] == sandbox.rfqs("active")
    assert exchange.session is None
    assert getattr(exchange, "closed_by_user", True)  # an attribute from ccxt 4.5.71 on


def test_a_closed_exchange_with_a_session_of_the_users_own(sandbox: Sandbox) -> None:
    """The user's session is no longer known when the exchange is closed, so the new one creates its own."""
    import aiohttp

    sandbox.create_rfq()

    async def main() -> None:
        async with aiohttp.ClientSession() as session:
            exchange = sandbox.exchange(ccxt.async_support.okx)
            exchange.own_session, exchange.session, exchange.timeout_on_exit = False, session, 0
            async with cancel_on_exit(exchange):
                await exchange.fetch_time()
                await exchange.close()

    asyncio.run(main())

    assert [] == sandbox.rfqs("active")


@closes
def test_a_closed_sync_exchange_cancels_as_ever(sandbox: Sandbox) -> None:
    """Sync objects of ccxt still work after close()."""
    sandbox.create_rfq()
    exchange = sandbox.exchange(ccxt.okx)

    with cancel_on_exit(exchange):
        exchange.close()

    assert [] == sandbox.rfqs("active")


# Processes

SCRIPTS = {
    "sync": """
        with cancel_on_exit(exchange(ccxt)) as okx:
            create(okx)
            ready()
            time.sleep(60)
        """,
    "async": """
        async def main():
            async with exchange(ccxt.async_support) as okx, cancel_on_exit(okx):
                await create(okx)
                ready()
                await asyncio.sleep(60)

        asyncio.run(main())
        """,
    # Signals end a process that the block was forked into as if it had none, and the block's own process as usual.
    "forked": """
        with cancel_on_exit(exchange(ccxt)) as okx:
            create(okx)
            awake, says_so = os.pipe()
            child = os.fork()
            if child == 0:
                os.write(says_so, b"!")
                time.sleep(60)
                os._exit(0)
            os.read(awake, 1)
            os.kill(child, signal.SIGTERM)
            assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGTERM
            ready()
            time.sleep(60)
        """,
}
HEAD = """
import asyncio, json, os, signal, sys, time
import ccxt, ccxt.async_support
from okx_rfq_plugin import cancel_on_exit

url, credentials = json.loads(sys.argv[1])

def exchange(module):
    made = module.okx(credentials)
    made.set_sandbox_mode(True)
    made.urls["api"]["rest"] = url
    return made

def create(okx):
    leg = {"instId": "BTC-USDT", "side": "buy", "sz": "1"}
    return okx.private_post_rfq_create_rfq({"counterparties": ["WAGMI"], "legs": [leg]})

def ready():
    print("ready", flush=True)

"""


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_process_that_is_terminated_leaves_no_rfq(script: str, tmp_path: Path) -> None:
    """SIGTERM to a real process: it ends with 143, and the book is empty."""
    (tmp_path / "strategy.py").write_text(HEAD + textwrap.dedent(SCRIPTS[script]))
    with Sandbox() as sandbox:
        arguments = json.dumps([sandbox.url, sandbox.credentials])
        command = [sys.executable, "-W", "ignore", str(tmp_path / "strategy.py"), arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as strategy:
            assert strategy.stdout is not None
            assert "ready\n" == strategy.stdout.readline()
            assert [1] == [len(sandbox.rfqs("active"))]
            strategy.terminate()
            _, said = strategy.communicate(timeout=60)

        assert (143, "") == (strategy.returncode, said)
        assert ["canceled"] == [rfq["state"] for rfq in sandbox.rfqs()]


def test_a_dropped_loop_does_not_keep_a_process_from_ending(tmp_path: Path) -> None:
    """If a block was never left, because its loop was dropped, SIGTERM ends the process as usual."""
    (tmp_path / "strategy.py").write_text(
        HEAD
        + textwrap.dedent("""
        async def main():
            await cancel_on_exit(exchange(ccxt.async_support)).__aenter__()
            asyncio.get_running_loop().stop()
            await asyncio.sleep(60)

        loop = asyncio.new_event_loop()
        task = loop.create_task(main())
        loop.run_forever()
        ready()
        time.sleep(60)
        """)
    )
    arguments = json.dumps(["http://127.0.0.1:1", {}])
    command = [sys.executable, str(tmp_path / "strategy.py"), arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as strategy:
        assert strategy.stdout is not None
        assert "ready\n" == strategy.stdout.readline()
        strategy.terminate()

        assert -signal.SIGTERM == strategy.wait(timeout=60)
