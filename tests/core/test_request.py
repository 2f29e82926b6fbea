"""A request of an attempt: it bypasses ccxt's queue, alone, and its reply is identified reliably."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ccxt
import ccxt.async_support
import pytest
import requests
from support.fault_world import closed_port
from support.twins import Twin

from okx_rfq_plugin import RetryPolicy, install, uninstall
from okx_rfq_plugin.sandbox import DROP, Fault, Sandbox

CANCEL = "rfq/cancel-all-rfqs"
ONCE = RetryPolicy(deadline=0)


class Framework:
    """What a trading framework adds to ccxt: its own throttle, and hooks around a request."""

    def __init__(self, config: Any) -> None:
        self.entered: list[str] = []  # the threads whose requests went through the throttle
        self.before_sending: Callable[[], Any] = nothing
        self.after_reply: Callable[[], Any] = nothing
        super().__init__(config)  # type: ignore[call-arg]  # ccxt's, which stands behind this class

    def on_rest_response(self, code: Any, reason: Any, url: str, *args: Any) -> Any:
        if url.endswith(CANCEL):
            self.after_reply()
        return super().on_rest_response(code, reason, url, *args)  # type: ignore[misc]  # ccxt's


class SyncFramework(Framework, ccxt.okx):
    """`Framework` for ccxt.okx."""

    def throttle(self, cost: Any = None) -> None:
        self.entered.append(threading.current_thread().name)

    def fetch(self, url: str, *args: Any, **kwargs: Any) -> Any:
        if url.endswith(CANCEL):
            self.before_sending()
        return super().fetch(url, *args, **kwargs)


class AsyncFramework(Framework, ccxt.async_support.okx):
    """Async version of `SyncFramework`."""

    async def throttle(self, cost: Any = None) -> None:
        self.entered.append(asyncio.current_task().get_name())

    async def fetch(self, url: str, *args: Any, **kwargs: Any) -> Any:
        if url.endswith(CANCEL):
            await self.before_sending()
        return await super().fetch(url, *args, **kwargs)


async def coroutine() -> None:
    """Do nothing, awaitably."""


def nothing() -> None:
    """Do nothing."""


async def closing(exchange: Any, call: Any) -> Any:
    """Return an awaitable's result, and close the exchange."""
    try:
        return await call
    finally:
        exchange.timeout_on_exit = 0
        await exchange.close()


def on_the_clock(sandbox: Sandbox, clock: Any, cls: Any) -> Any:
    exchange = sandbox.exchange(cls)
    exchange.milliseconds = lambda: int(clock.wall() * 1000)
    if not exchange.synchronous and isinstance(exchange, Framework):
        exchange.before_sending = coroutine
    return exchange


@pytest.fixture(params=["object", "class"])
def level(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def framework(level: str, twin: Any, sandbox: Sandbox, clock: Any) -> Iterator[Any]:
    """A framework's exchange with the plugin on it, or on its class."""
    cls = SyncFramework if twin.synchronous else AsyncFramework
    exchange = on_the_clock(sandbox, clock, cls)
    install(exchange if level == "object" else cls, policy=ONCE)
    yield exchange
    uninstall(cls)


def in_a_thread(call: Callable[[], Any]) -> Any:
    """Run a call to its end in another thread."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(call()), name="other")
    thread.start()
    thread.join()
    return results[0]


@pytest.fixture
def made(sandbox: Sandbox, clock: Any) -> Callable[..., Any]:
    """Creates an installed exchange of any class, and uninstalls from the class afterwards."""
    return lambda cls, **kwargs: install(on_the_clock(sandbox, clock, cls), **kwargs)


# The queue


def test_cancel_never_enters_the_throttle(framework: Any, twin: Any, sandbox: Sandbox) -> None:
    """A cancel leaves without ccxt's throttle or a framework's, even with ccxt's rate limit on."""
    sandbox.create_rfq()

    receipt = twin.cancel(framework)

    assert "canceled" == receipt["status"]
    assert [] == framework.entered


def test_no_attempt_of_a_cancel_enters_the_throttle(made: Any, twin: Any, sandbox: Sandbox) -> None:
    """The second and third attempt bypass it like the first, and so does reading OKX's clock."""
    exchange = made(SyncFramework if twin.synchronous else AsyncFramework)
    sandbox.fault(CANCEL, "50011", "50102")

    receipt = twin.cancel(exchange)

    assert 3 == receipt["attempts"]
    assert "/api/v5/public/time" in [request.path for request in sandbox.requests]
    assert [] == exchange.entered


def test_other_calls_enter_the_throttle_before_and_after(framework: Any, twin: Any) -> None:
    """Earlier and later requests of the same object wait as usual."""
    other = framework.public_get_public_time

    twin.run(framework, other, framework.cancel_all_rfqs, other)

    assert 2 == len(framework.entered)


def test_cancel_passes_a_throttle_put_on_the_object(exchange: Any, twin: Any) -> None:
    """A throttle that a framework has set on the object itself is bypassed too."""
    entered = []

    def throttle(cost: Any = None) -> Any:
        entered.append(cost)
        return None if twin.synchronous else asyncio.sleep(0)

    exchange.throttle = throttle

    twin.cancel(exchange)

    assert [] == entered


def test_cancel_passes_a_flag_that_a_subclass_declares(twin: Any, sandbox: Sandbox, clock: Any) -> None:
    """With the plugin on ccxt's class, a subclass that declares `enableRateLimit` does not delay a cancel."""
    cls = twin.module.okx
    mine = type("Mine", (SyncFramework if twin.synchronous else AsyncFramework,), {"enableRateLimit": True})
    exchange = on_the_clock(sandbox, clock, mine)
    install(cls)
    try:
        twin.cancel(exchange)
    finally:
        uninstall(cls)

    assert [] == exchange.entered


@pytest.mark.parametrize("moment", ["before_sending", "after_reply"])
def test_call_of_another_thread_during_an_attempt_enters_the_throttle(
    moment: str, level: str, sandbox: Sandbox, clock: Any
) -> None:
    """While an attempt runs, another thread's request on the same object waits in the throttle, with its own reply."""
    exchange = on_the_clock(sandbox, clock, SyncFramework)
    target = install(exchange if level == "object" else SyncFramework)
    seen = []
    setattr(exchange, moment, lambda: seen.append(in_a_thread(exchange.public_get_public_time)["code"]))
    sandbox.create_rfq()

    receipt = exchange.cancel_all_rfqs()

    uninstall(target)
    assert ("canceled", 1) == (receipt["status"], receipt["attempts"])
    assert ["0"] == seen
    assert ["other"] == exchange.entered


@pytest.mark.parametrize("carried", [False, True], ids=["bare", "with our context"])
def test_thread_born_in_an_attempt_is_not_of_it(carried: bool, made: Any) -> None:
    """A thread started inside an attempt does not bypass the queue, even with a copy of the attempt's context."""
    exchange = made(SyncFramework)
    flags = []

    def look() -> None:
        flags.append(exchange.enableRateLimit)
        exchange.public_get_public_time()

    def start() -> None:
        in_a_thread(functools.partial(contextvars.copy_context().run, look) if carried else look)

    exchange.before_sending = start
    exchange.cancel_all_rfqs()

    assert [True] == flags
    assert ["other"] == exchange.entered


def test_task_born_in_an_attempt_is_not_of_it(made: Any) -> None:
    """A task started inside an attempt enters the throttle while the attempt still waits to be sent."""
    exchange = made(AsyncFramework)
    flags = []

    async def look() -> None:
        flags.append(exchange.enableRateLimit)
        await exchange.public_get_public_time()

    async def start() -> None:
        await asyncio.create_task(look(), name="other")

    exchange.before_sending = start
    asyncio.run(closing(exchange, exchange.cancel_all_rfqs()))

    assert [True] == flags
    assert ["other"] == exchange.entered


def test_task_that_outlives_an_attempt_is_not_of_it_after_it(made: Any) -> None:
    """A task started in an attempt that outlives the cancel waits as usual, and finds no trace of the attempt."""
    exchange = made(AsyncFramework)
    over = asyncio.Event()
    late = []

    async def wait() -> None:
        await over.wait()
        await exchange.public_get_public_time()

    async def start() -> None:
        late.append(asyncio.create_task(wait(), name="late"))

    async def main() -> None:
        exchange.before_sending = start
        await exchange.cancel_all_rfqs()
        assert [] == exchange.entered
        over.set()
        await late[0]

    asyncio.run(closing(exchange, main()))

    assert ["late"] == exchange.entered


def test_callback_born_in_an_attempt_is_not_of_it_after_it(made: Any) -> None:
    """Code that runs later on the same thread, in the context of a finished attempt, finds no trace of it."""
    exchange = made(SyncFramework)
    contexts: list[contextvars.Context] = []
    exchange.before_sending = lambda: contexts.append(contextvars.copy_context())
    exchange.cancel_all_rfqs()

    assert (10_000, exchange.session) == contexts[0].run(lambda: (exchange.timeout, exchange.session))


def test_request_of_a_framework_within_an_attempt_waits_once_the_cancel_is_sent(made: Any) -> None:
    """A framework's request while the reply is processed is not part of the cancel, and waits in the queue."""
    exchange = made(SyncFramework)
    exchange.after_reply = exchange.public_get_public_time
    exchange.cancel_all_rfqs()

    assert ["MainThread"] == exchange.entered


def test_call_of_another_task_while_the_reply_is_awaited_enters_the_throttle(made: Any, sandbox: Sandbox) -> None:
    """While OKX's reply is outstanding, another task's request on the same object waits in the throttle."""
    exchange = made(AsyncFramework)
    sandbox.create_rfq()
    sandbox.fault(CANCEL, 0.05)

    async def other() -> None:
        while not sandbox.requests:
            await asyncio.sleep(0)
        assert exchange.enableRateLimit is True
        await exchange.public_get_public_time()

    async def main() -> Any:
        return await asyncio.gather(exchange.cancel_all_rfqs(), asyncio.create_task(other(), name="other"))

    receipt, _ = asyncio.run(closing(exchange, main()))

    assert ("canceled", 1) == (receipt["status"], receipt["attempts"])
    assert ["other"] == exchange.entered


def test_other_object_is_not_of_it_during_an_attempt(made: Any) -> None:
    """Another object's request on the attempt's thread waits in that object's throttle."""
    exchange, other = made(SyncFramework), made(SyncFramework)
    exchange.before_sending = other.public_get_public_time

    exchange.cancel_all_rfqs()

    assert ([], 1) == (exchange.entered, len(other.entered))


@pytest.mark.parametrize("flag", [True, False])
def test_others_see_the_flag_unchanged_all_the_time(flag: bool, made: Any, sandbox: Sandbox) -> None:
    """For every other thread, `enableRateLimit` has the object's own value before, during and after an attempt."""
    exchange = made(SyncFramework)
    exchange.enableRateLimit = flag
    seen = []

    def look() -> None:
        seen.append((exchange.enableRateLimit, vars(exchange)["enableRateLimit"]))

    for moment in ("before_sending", "after_reply"):
        setattr(exchange, moment, lambda: in_a_thread(look))
    sandbox.fault(CANCEL, "50011")
    look()
    exchange.cancel_all_rfqs()
    look()

    assert [(flag, flag)] * 6 == seen


def test_flag_set_by_another_during_an_attempt_stays_set(made: Any) -> None:
    """A value set by another thread during an attempt stays on the object."""
    exchange = made(SyncFramework)
    exchange.after_reply = lambda: in_a_thread(lambda: setattr(exchange, "enableRateLimit", False))

    exchange.cancel_all_rfqs()

    assert exchange.enableRateLimit is False


def test_flag_of_the_class_counts_where_the_object_has_none(made: Any, twin: Any) -> None:
    """If the object has no flag of its own, it reads its class's, as without the plugin."""
    cls = type("Mine", (twin.module.okx,), {"enableRateLimit": "the class's"})
    exchange = made(cls)
    del exchange.enableRateLimit

    assert "the class's" == exchange.enableRateLimit


# Frameworks that bypass ccxt's methods


def overriding(twin: Any, **methods: Any) -> Any:
    """Return a user's subclass; each method gets `self`, ccxt's own bound method and the arguments."""

    def make(name: str, method: Any) -> Any:
        def override(self: Any, *args: Any, **kwargs: Any) -> Any:
            return method(self, getattr(super(cls, self), name), *args, **kwargs)

        return override

    cls: Any = type("Mine", (twin.module.okx,), {name: make(name, method) for name, method in methods.items()})
    return cls


def around(self: Any, ccxts: Any, *args: Any, **kwargs: Any) -> Any:
    """Do some bookkeeping and leave the rest to ccxt."""
    self.trail = [*getattr(self, "trail", ()), ccxts.__name__]
    return ccxts(*args, **kwargs)


EVERYTHING = dict.fromkeys(("fetch", "fetch2", "request", "handle_errors", "throttle", "sign"), around)
OUTCOMES = [
    ((), "canceled"),
    (("70207",), "nothing_active"),
    (("50113",), ccxt.AuthenticationError),
    (("50011",), ccxt.RateLimitExceeded),
    ((502,), ccxt.ExchangeNotAvailable),
    ((DROP,), ccxt.NetworkError),
]


@pytest.mark.parametrize("place", ["on the object", "on its class", "on ccxt's class"])
@pytest.mark.parametrize(("steps", "expected"), OUTCOMES, ids=lambda value: str(value))
@pytest.mark.thinned
def test_subclass_that_overrides_everything_gets_the_right_verdict(
    steps: Any, expected: Any, place: str, twin: Any, sandbox: Sandbox, clock: Any
) -> None:
    """A user's subclass around `fetch`, `handle_errors` and the rest that calls super is treated like ccxt itself."""
    cls = overriding(twin, **EVERYTHING)
    exchange = on_the_clock(sandbox, clock, cls)
    target = {"on the object": exchange, "on its class": cls, "on ccxt's class": twin.module.okx}[place]
    install(target, policy=ONCE)
    sandbox.create_rfq()
    if steps:
        sandbox.fault(CANCEL, *steps)

    with cleaned(target):
        if isinstance(expected, str):
            assert expected == twin.cancel(exchange)["status"]
        else:
            with pytest.raises(expected) as raised:
                twin.cancel(exchange)
            assert (steps[0] in (502, DROP)) == raised.value.cancel_failure.may_be_canceled
    assert "throttle" not in exchange.trail
    assert {"fetch", "fetch2", "request", "handle_errors", "sign"} >= set(exchange.trail) >= {"fetch", "sign"}


@contextmanager
def cleaned(target: Any) -> Iterator[None]:
    try:
        yield
    finally:
        uninstall(target)


def fetching_twice(twin: Any, caught: Any) -> Any:
    """Return a subclass whose `fetch` sends once more after an error it catches."""

    def again(self: Any, ccxts: Any, *args: Any) -> Any:
        try:
            return ccxts(*args)
        except caught:
            return ccxts(*args)

    async def again_async(self: Any, ccxts: Any, *args: Any) -> Any:
        try:
            return await ccxts(*args)
        except caught:
            return await ccxts(*args)

    return overriding(twin, fetch=again if twin.synchronous else again_async)


LOST = Fault(drop="after")


@pytest.mark.parametrize(
    ("steps", "raises", "in_doubt"),
    [
        ((DROP, "50113"), ccxt.AuthenticationError, True),
        ((LOST, "50113"), ccxt.AuthenticationError, True),
        ((502, "50113"), ccxt.AuthenticationError, True),
        (("50005", "50113"), ccxt.AuthenticationError, False),
        (("50113", DROP), ccxt.NetworkError, True),
        ((b'{"code":"0","data":[{"ts":"1"}]}', "50113"), None, None),
    ],
    ids=str,
)
def test_retry_inside_a_frameworks_fetch_is_seen(
    steps: Any, raises: Any, in_doubt: Any, made: Any, twin: Any, sandbox: Sandbox
) -> None:
    """If a framework sends twice within one attempt, the last reply decides, and a lost first one leaves a doubt."""
    exchange = made(fetching_twice(twin, ccxt.BaseError), policy=ONCE)
    sandbox.fault(CANCEL, *steps)

    if raises is None:
        assert "canceled" == twin.cancel(exchange)["status"]
        return
    with pytest.raises(raises) as raised:
        twin.cancel(exchange)
    assert (1, in_doubt) == (raised.value.cancel_failure.attempts, raised.value.cancel_failure.may_be_canceled)
    assert 2 == len(sandbox.requests)


def test_retry_inside_a_frameworks_fetch_can_save_the_cancel(made: Any, twin: Any, sandbox: Sandbox) -> None:
    """A first send that got lost and a second that OKX accepted are one attempt, and a success."""
    exchange = made(fetching_twice(twin, ccxt.NetworkError))
    sandbox.create_rfq()
    sandbox.fault(CANCEL, DROP)

    receipt = twin.cancel(exchange)

    assert ("canceled", 1) == (receipt["status"], receipt["attempts"])
    assert [] == sandbox.rfqs("active")


def test_success_that_a_framework_sends_again_is_not_forgotten(made: Any, twin: Any, sandbox: Sandbox) -> None:
    """If a framework repeats a request that OKX had accepted, and is then rejected, RFQs may have been canceled."""

    def twice(self: Any, ccxts: Any, *args: Any) -> Any:
        ccxts(*args)
        return ccxts(*args)

    async def twice_async(self: Any, ccxts: Any, *args: Any) -> Any:
        await ccxts(*args)
        return await ccxts(*args)

    exchange = made(overriding(twin, fetch=twice if twin.synchronous else twice_async), policy=ONCE)
    sandbox.create_rfq()
    sandbox.fault(CANCEL, Fault(), "50113")

    with pytest.raises(ccxt.AuthenticationError) as raised:
        twin.cancel(exchange)

    assert raised.value.cancel_failure.may_be_canceled is True


def by_a_client_of_its_own(self: Any, ccxts: Any, url: str, method: str, headers: Any, body: Any) -> Any:
    """Send with an HTTP client other than ccxt's, and have ccxt judge the reply."""
    response = requests.request(method, url, headers={**self.headers, **headers}, data=body, timeout=5)
    parsed = response.json()
    got = (response.status_code, response.reason, url, method, dict(response.headers), response.text, parsed)
    self.handle_errors(*got, headers, body)
    return parsed


async def by_a_client_of_its_own_async(self: Any, *args: Any) -> Any:
    """Async version of `by_a_client_of_its_own`."""
    return await asyncio.to_thread(by_a_client_of_its_own, self, *args)


def test_fetch_with_a_client_of_its_own_gets_its_receipt(made: Any, twin: Any, sandbox: Sandbox) -> None:
    """A reply is identified by the signature of its request, whatever client sent it."""
    own = by_a_client_of_its_own if twin.synchronous else by_a_client_of_its_own_async
    exchange = made(overriding(twin, fetch=own), policy=ONCE)
    sandbox.create_rfq()

    assert "canceled" == twin.cancel(exchange)["status"]

    assert [] == sandbox.rfqs("active")


def test_fetch_that_keeps_the_reply_to_itself_is_told_so(made: Any, twin: Any, sandbox: Sandbox) -> None:
    """A `fetch` may return anything; the failure says what it must do."""

    def answer(self: Any, ccxts: Any, *args: Any) -> Any:
        return {"code": "0", "data": [{"ts": "1"}], "msg": ""}

    async def answer_async(self: Any, ccxts: Any, *args: Any) -> Any:
        return answer(self, ccxts)

    exchange = made(overriding(twin, fetch=answer if twin.synchronous else answer_async), policy=ONCE)

    with pytest.raises(ccxt.BaseError, match=r"has to pass it to handle_errors\(\)") as raised:
        twin.cancel(exchange)

    assert raised.value.cancel_failure.may_be_canceled is True


class TakesNothing(Exception):
    """An exception that accepts no attributes."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


class Unspeakable(Exception):
    """An exception without a message."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    "error", [StopIteration("used up"), TakesNothing(), Unspeakable(), TimeoutError("slow")], ids=repr
)
@pytest.mark.parametrize("member", ["sign", "handle_errors"])
def test_exception_of_a_users_member_passes_as_itself(
    member: str, error: Exception, made: Any, twin: Any, sandbox: Sandbox
) -> None:
    """An exhausted mock raises StopIteration, which a generator would turn into a RuntimeError."""
    if isinstance(error, StopIteration) and not twin.synchronous:
        pytest.skip("a coroutine makes a RuntimeError of it, in plain Python")

    def fail(self: Any, ccxts: Any, *args: Any, **kwargs: Any) -> Any:
        raise error

    with pytest.raises(type(error)) as raised:
        twin.cancel(made(overriding(twin, **{member: fail}), policy=ONCE))

    assert raised.value is error


def test_error_out_of_a_task_group_is_judged(made: Any, sandbox: Sandbox) -> None:
    """A `fetch` that runs ccxt's in a task group gets its error in a group: a 50011 is still retried."""
    sandbox.create_rfq()
    sandbox.fault(CANCEL, "50011", "50113")
    twin = Twin(ccxt.async_support, False)

    class Group(Exception):
        """An exception with one in it, as task groups raise it."""

    async def fetch(self: Any, ccxts: Any, *args: Any) -> Any:
        try:
            return await ccxts(*args)
        except ccxt.BaseError as error:
            group: Any = Group()
            group.exceptions = (error,)
            raise group from None

    with pytest.raises(ccxt.AuthenticationError) as raised:
        twin.cancel(made(overriding(twin, fetch=fetch)))

    assert (2, False) == (raised.value.cancel_failure.attempts, raised.value.cancel_failure.may_be_canceled)


def test_refusal_that_a_framework_makes_its_own_exception_of_is_no_doubt(
    made: Any, twin: Any, sandbox: Sandbox
) -> None:
    """The exception propagates unchanged, with what OKX's reply said."""
    sandbox.fault(CANCEL, "50113")

    def handle(self: Any, ccxts: Any, *args: Any) -> Any:
        raise KeyError("the framework's own")

    with pytest.raises(KeyError) as raised:
        twin.cancel(made(overriding(twin, handle_errors=handle)))

    facts: Any = raised.value
    assert facts.cancel_failure.may_be_canceled is False


@pytest.mark.parametrize("first", ["50102", "50005", "50113"])
def test_second_send_that_did_not_leave_is_no_doubt(first: str, made: Any, twin: Any, sandbox: Sandbox) -> None:
    """A framework's `fetch` sends again after a refusal, and no server is listening: OKX has done nothing."""

    def elsewhere(self: Any, ccxts: Any, url: str, *args: Any) -> Any:
        try:
            return ccxts(url, *args)
        except ccxt.BaseError:
            return ccxts(nobody + CANCEL, *args)

    async def elsewhere_async(self: Any, ccxts: Any, url: str, *args: Any) -> Any:
        try:
            return await ccxts(url, *args)
        except ccxt.BaseError:
            return await ccxts(nobody + CANCEL, *args)

    nobody = f"http://127.0.0.1:{closed_port()}/"
    exchange = made(overriding(twin, fetch=elsewhere if twin.synchronous else elsewhere_async), policy=ONCE)
    sandbox.fault(CANCEL, first)

    with pytest.raises(ccxt.BaseError) as raised:
        twin.cancel(exchange)

    assert raised.value.cancel_failure.may_be_canceled is False


def test_request_that_ccxt_refuses_to_send_is_no_doubt(made: Any, twin: Any, sandbox: Sandbox) -> None:
    """An error before ccxt's own methods have sent anything is a rejection, without a retry or a doubt."""

    def refuse(self: Any, ccxts: Any, *args: Any, **kwargs: Any) -> Any:
        raise ccxt.ExchangeError("the vault has no key")

    exchange = made(overriding(twin, sign=refuse))

    with pytest.raises(ccxt.ExchangeError) as raised:
        twin.cancel(exchange)

    assert (1, False) == (raised.value.cancel_failure.attempts, raised.value.cancel_failure.may_be_canceled)
    assert [] == sandbox.requests


def test_error_of_a_frameworks_own_fetch_is_a_doubt(made: Any, twin: Any) -> None:
    """An error from `fetch` that is not ccxt's may have been raised after sending in another way."""

    def fail(self: Any, ccxts: Any, *args: Any) -> Any:
        raise ccxt.ExchangeError("the gateway says no")

    async def fail_async(self: Any, ccxts: Any, *args: Any) -> Any:
        raise ccxt.ExchangeError("the gateway says no")

    exchange = made(overriding(twin, fetch=fail if twin.synchronous else fail_async), policy=ONCE)

    with pytest.raises(ccxt.BaseError) as raised:
        twin.cancel(exchange)

    assert raised.value.cancel_failure.may_be_canceled is True


def test_reply_of_a_frameworks_own_fetch_is_no_success(made: Any, twin: Any) -> None:
    """A `fetch` that answers by itself, bypassing ccxt, shows nothing that could prove a cancel."""
    good = {"code": "0", "data": [{"ts": "1700000000000"}]}

    async def answer_async(*args: Any) -> Any:
        return good

    exchange = made(overriding(twin, fetch=(lambda *args: good) if twin.synchronous else answer_async), policy=ONCE)

    with pytest.raises(ccxt.BaseError) as raised:
        twin.cancel(exchange)

    assert raised.value.cancel_failure.may_be_canceled is True


DEAD = "http://127.0.0.1:9"
BOTH, SYNC, ASYNC = (ccxt, ccxt.async_support), (ccxt,), (ccxt.async_support,)
CONTRADICTIONS = [
    (module, settings)
    for modules, settings in (
        (BOTH, {"http_proxy": DEAD, "proxyUrl": DEAD}),
        (BOTH, {"httpProxy": DEAD, "httpsProxy": DEAD}),
        (BOTH, {"proxyUrl": DEAD, "proxy_url": DEAD}),
        (SYNC, {"proxies": {"http": DEAD}, "httpProxy": DEAD}),
        (ASYNC, {"aiohttp_proxy": DEAD, "httpProxy": DEAD}),
    )
    for module in modules
]


@pytest.mark.parametrize(
    ("module", "settings"), CONTRADICTIONS, ids=lambda value: getattr(value, "__name__", None) or "-".join(value)
)
def test_bad_proxy_settings_are_rejected_without_a_doubt(
    module: Any, settings: Any, made: Any, sandbox: Sandbox
) -> None:
    """Proxy settings that contradict each other never leave the machine: one attempt, rejected, nothing in doubt."""
    exchange = made(module.okx)
    vars(exchange).update(settings)

    with pytest.raises(ccxt.BaseError) as raised:
        exchange.cancel_all_rfqs() if exchange.synchronous else asyncio.run(
            closing(exchange, exchange.cancel_all_rfqs())
        )

    assert (1, False) == (raised.value.cancel_failure.attempts, raised.value.cancel_failure.may_be_canceled)
    assert [] == sandbox.requests


# Signal handlers


@contextmanager
def handling(handler: Callable[[], Any]) -> Iterator[Callable[[], None]]:
    """Return a function that makes the main thread run a handler at any point."""
    before = signal.signal(signal.SIGUSR1, lambda number, frame: handler())
    try:
        yield lambda: signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("call", ["public_get_public_time", "private_get_rfq_rfqs"])
@pytest.mark.parametrize("moment", ["before_sending", "after_reply"])
def test_request_of_a_signal_handler_is_not_taken_for_the_reply(
    moment: str, call: str, made: Any, sandbox: Sandbox
) -> None:
    """A handler's request on the same object and thread, answered well, does not turn a rejection into a success."""
    exchange = made(SyncFramework)
    sandbox.fault(CANCEL, "50113")

    with handling(getattr(exchange, call)) as interrupt:
        setattr(exchange, moment, interrupt)
        with pytest.raises(ccxt.AuthenticationError) as raised:
            exchange.cancel_all_rfqs()

    assert (1, False) == (raised.value.cancel_failure.attempts, raised.value.cancel_failure.may_be_canceled)
    assert 2 == len(sandbox.requests)


def test_request_of_a_signal_handler_does_not_stand_in_for_a_lost_reply(made: Any, sandbox: Sandbox) -> None:
    """A handler's good reply does not hide that the cancel's own was lost."""
    exchange = made(SyncFramework, policy=ONCE)
    sandbox.fault(CANCEL, DROP)

    with handling(exchange.private_get_rfq_rfqs) as interrupt:
        exchange.before_sending = interrupt
        with pytest.raises(ccxt.NetworkError) as raised:
            exchange.cancel_all_rfqs()

    assert raised.value.cancel_failure.may_be_canceled is True


def test_rejection_of_a_signal_handlers_request_is_not_the_cancels(made: Any, sandbox: Sandbox) -> None:
    """A handler's bad reply does not turn a cancel that OKX accepted into a failure."""
    exchange = made(SyncFramework)
    sandbox.create_rfq()
    sandbox.fault("rfq/rfqs", "50113")

    def handler() -> None:
        with pytest.raises(ccxt.AuthenticationError):
            exchange.private_get_rfq_rfqs()

    with handling(handler) as interrupt:
        exchange.after_reply = interrupt
        receipt = exchange.cancel_all_rfqs()

    assert ("canceled", 1) == (receipt["status"], receipt["attempts"])


@pytest.mark.parametrize("moment", ["before_sending", "after_reply"])
def test_cancel_from_a_signal_handler_during_a_cancel_is_one_of_its_own(
    moment: str, made: Any, sandbox: Sandbox
) -> None:
    """A handler that cancels on the same object during a cancel gets its own receipt, and so does the first."""
    exchange = made(SyncFramework)
    sandbox.create_rfq()
    receipts = []

    def handler() -> None:
        setattr(exchange, moment, nothing)
        receipts.append(exchange.cancel_all_rfqs())

    with handling(handler) as interrupt:
        setattr(exchange, moment, interrupt)
        receipts.append(exchange.cancel_all_rfqs())

    assert [1, 1] == [receipt["attempts"] for receipt in receipts]
    assert {"canceled", "nothing_active"} == {receipt["status"] for receipt in receipts}
    assert [] == exchange.entered
    assert 2 == len(sandbox.requests)


# Methods bound to the exchange earlier


def wrapped(name: str, exchange: Any) -> list[str]:
    """Wrap a method of one object, as instrumentation does; return the recorded calls."""
    original, passed = getattr(exchange, name), []

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        passed.append(name)
        return original(*args, **kwargs)

    setattr(exchange, name, wrapper)
    return passed


@pytest.mark.parametrize("first", ["wrapped", "installed"])
@pytest.mark.parametrize("name", ["fetch", "fetch2", "request", "sign", "handle_errors", "check_proxy_url_settings"])
@pytest.mark.parametrize(("steps", "expected"), OUTCOMES, ids=lambda value: str(value))
@pytest.mark.thinned
def test_wrapper_around_a_bound_method_changes_no_verdict(
    steps: Any, expected: Any, name: str, first: str, twin: Any, sandbox: Sandbox, clock: Any
) -> None:
    """It leads back to the exchange itself, where the signature identifies the request."""
    exchange = on_the_clock(sandbox, clock, twin.module.okx)
    if first == "installed":
        install(exchange, policy=ONCE)
    passed = wrapped(name, exchange)
    if first == "wrapped":
        install(exchange, policy=ONCE)
    sandbox.create_rfq()
    if steps:
        sandbox.fault(CANCEL, *steps)

    if isinstance(expected, str):
        assert expected == twin.cancel(exchange)["status"]
    else:
        with pytest.raises(expected) as raised:
            twin.cancel(exchange)
        assert (steps[0] in (502, DROP)) == raised.value.cancel_failure.may_be_canceled
    assert name in passed or (name, *steps) == ("handle_errors", DROP)  # there was no reply


def test_attributes_can_be_set_and_deleted_as_ever(made: Any, twin: Any) -> None:
    """A wrapper around `session` and `timeout` on an installed object hides nothing."""
    exchange = made(twin.module.okx)
    exchange.timeout = 7

    assert (7, 7) == (exchange.timeout, vars(exchange)["timeout"])
    del exchange.timeout
    assert "timeout" not in vars(exchange)
    assert twin.module.okx.timeout == exchange.timeout == type(exchange).timeout
    with pytest.raises(AttributeError):
        del exchange.timeout


def test_code_of_a_framework_sets_and_deletes_on_the_exchange(made: Any, twin: Any) -> None:
    """An attribute that a user's method sets during an attempt is set on the exchange, even one that differs there."""

    def change(self: Any, ccxts: Any, *args: Any, **kwargs: Any) -> Any:
        self.timeout = 9000
        self.seen = self.timeout
        del self.verbose
        return ccxts(*args, **kwargs)

    exchange = made(overriding(twin, sign=change), policy=RetryPolicy(attempt_timeout=1.0))
    exchange.verbose = False

    twin.cancel(exchange)

    assert (9000, 1000.0) == (exchange.timeout, exchange.seen)
    assert "verbose" not in vars(exchange)


def test_body_that_is_nested_too_deep_is_no_answer(made: Any, twin: Any, sandbox: Sandbox) -> None:
    """A page that Python cannot parse is not OKX's reply: a doubt, and no RecursionError."""
    exchange = made(twin.module.okx, policy=ONCE)
    sandbox.fault(CANCEL, Fault(body="[" * 200_000))

    with pytest.raises(ccxt.BadResponse) as raised:
        twin.cancel(exchange)

    assert raised.value.cancel_failure.may_be_canceled is True
