"""What seldom happens to the package's own methods: parsers, signals, plugins and classes of an unusual kind."""

from __future__ import annotations

import _thread
import copy
import json
import secrets
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import ccxt
import pytest
import urllib3.connection
import urllib3.connectionpool
import urllib3.util.connection
from support.twins import PATIENT, Twin

from okx_rfq_plugin import RetryPolicy, at_exit, cancel_on_exit, get_plugin_manager, hookimpl, install, process_exit
from okx_rfq_plugin.sandbox import Fault, Sandbox

CANCEL = "rfq/cancel-all-rfqs"
ONCE = RetryPolicy(attempt_timeout=10.0, deadline=0)


@pytest.fixture
def made(sandbox: Sandbox, clock: Any) -> Callable[..., Any]:
    """Make an installed exchange of any class."""

    def make(cls: Any, policy: RetryPolicy = PATIENT) -> Any:
        exchange = sandbox.exchange(cls)
        exchange.milliseconds = lambda: int(clock.wall() * 1000)
        return install(exchange, policy=policy)

    return make


# A request


def test_a_body_nested_too_deep_for_pythons_own_parser_is_no_answer(made: Any, twin: Any, sandbox: Sandbox) -> None:
    """Which ccxt used before it had orjson, and a user may prefer: a doubt, and no RecursionError."""

    class Desk(twin.module.okx):
        def on_json_response(self, text: str) -> Any:
            """Parse it."""
            return json.loads(text)

    sandbox.fault(CANCEL, Fault(body="[" * 200_000 + "]" * 200_000))

    with pytest.raises(ccxt.BadResponse) as raised:
        twin.cancel(made(Desk, ONCE))

    assert raised.value.cancel_failure.may_be_canceled


def test_what_code_of_a_framework_deletes_is_the_exchanges(made: Any, twin: Any) -> None:
    """Also what differs for the attempt under way."""

    class Framework(twin.module.okx):
        def sign(self, *args: Any, **kwargs: Any) -> Any:
            """Set a timeout for once."""
            self.timeout = 9000
            del self.timeout
            return super().sign(*args, **kwargs)

    exchange = made(Framework)
    twin.cancel(exchange)

    assert "timeout" not in vars(exchange)


def test_a_reply_belongs_to_the_send_that_it_answers(made: Any, sandbox: Sandbox) -> None:
    """Where a framework signs and sends again before it has looked at the first one: both refused, nothing is open."""

    class Framework(ccxt.okx):
        again = False

        def on_rest_response(self, *args: Any) -> Any:
            """Send once more, whatever the first reply is."""
            if not self.again:
                self.again = True
                signed = self.sign(CANCEL, "private", "POST", {"again": True})
                with pytest.raises(ccxt.AuthenticationError):
                    self.fetch(signed["url"], signed["method"], signed["headers"], signed["body"])
            return super().on_rest_response(*args)

    sandbox.create_rfq()
    sandbox.fault(CANCEL, "50011", "50113")

    with pytest.raises(ccxt.BaseError) as raised:
        made(Framework, ONCE).cancel_all_rfqs()

    assert (False, 2) == (raised.value.cancel_failure.may_be_canceled, len(sandbox.requests))


class Striking(ConnectionRefusedError):
    """An error with which Ctrl+C comes as soon as the package looks for what has led to it."""

    struck = False

    def __getattribute__(self, name: str) -> Any:
        looking = str(sys._getframe(1).f_globals["__name__"])
        if name == "__cause__" and not Striking.struck and looking.startswith("okx_rfq_plugin"):
            Striking.struck = True
            signal.raise_signal(signal.SIGINT)
        return super().__getattribute__(name)


def test_an_interrupt_where_an_error_is_judged_leaves_the_judgement(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was sent, and the exception says so."""

    def refused(*args: Any, **kwargs: Any) -> Any:
        raise Striking(111, "Connection refused")

    monkeypatch.setattr(Striking, "struck", False)
    monkeypatch.setattr(urllib3.util.connection, "create_connection", refused)

    with pytest.raises(KeyboardInterrupt) as raised:
        made(ccxt.okx, ONCE).cancel_all_rfqs()
    error: Any = raised.value

    assert (True, False) == (Striking.struck, error.cancel_failure.may_be_canceled)


def test_weak_references_of_others_to_a_connection_pool_are_kept(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only urllib3's own finalizer is detached."""
    make, watched = urllib3.connectionpool.HTTPConnectionPool.__init__, []

    def making(self: Any, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        watched.append(weakref.ref(self))

    monkeypatch.setattr(urllib3.connectionpool.HTTPConnectionPool, "__init__", making)

    assert "nothing_active" == made(ccxt.okx).cancel_all_rfqs()["status"]
    assert watched


# Plugins


@pytest.fixture
def registered() -> Iterator[Callable[[object], None]]:
    manager, plugins = get_plugin_manager(), []

    def register(plugin: object) -> None:
        manager.register(plugin, name=secrets.token_hex(8))  # none that has a thread from an earlier test
        plugins.append(plugin)

    yield register
    manager.observers.drain()
    for plugin in plugins:
        manager.unregister(plugin)


def test_an_error_that_takes_no_facts_is_told_without(
    made: Any, twin: Twin, registered: Callable[[object], None]
) -> None:
    """Observers hear of it, whatever its class allows."""
    heard: list[BaseException] = []

    class Stubborn(Exception):
        def __setattr__(self, name: str, value: Any) -> None:
            raise AttributeError(name)

    class Plugin:
        @hookimpl(tryfirst=True)
        def cancel_all_rfqs(self) -> Any:
            """Fail."""
            raise Stubborn

        @hookimpl
        def rfq_cancel_failed(self, error: BaseException) -> None:
            """Note it."""
            heard.append(error)

    registered(Plugin())
    with pytest.raises(Stubborn):
        twin.cancel(made(twin.module.okx))
    get_plugin_manager().observers.drain()

    assert [Stubborn] == [type(error) for error in heard]


def test_an_interrupt_while_observers_are_told_has_its_facts(
    made: Any, sandbox: Sandbox, registered: Callable[[object], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All was canceled by then, and the exception does not claim otherwise; the next cancel is as ever."""
    sandbox.create_rfq()

    class Observer:
        @hookimpl
        def rfqs_canceled(self) -> None:
            """Be told."""

    registered(Observer())
    exchange = made(ccxt.okx)
    start, struck = _thread.start_new_thread, threading.Event()

    def starting(*args: Any) -> Any:
        started = start(*args)
        if not struck.is_set() and str(args[0].__module__).startswith("okx_rfq_plugin"):
            struck.set()
            signal.raise_signal(signal.SIGINT)
        return started

    monkeypatch.setattr(_thread, "start_new_thread", starting)
    with pytest.raises(KeyboardInterrupt) as raised:
        exchange.cancel_all_rfqs()
    error: Any = raised.value

    assert (True, []) == (error.cancel_failure.may_be_canceled, sandbox.rfqs("active"))
    assert "nothing_active" == exchange.cancel_all_rfqs()["status"]


# Copies


def test_an_object_that_reduces_to_what_makes_it_stays_installed(made: Any, twin: Any, sandbox: Sandbox) -> None:
    """A class of the user's may have no state to hand on."""

    class Desk(twin.module.okx):
        def __reduce_ex__(self, protocol: Any) -> Any:
            return Desk, ({"apiKey": self.apiKey},)

    duplicate = copy.copy(made(Desk))

    assert hasattr(duplicate, "cancel_all_rfqs")
    assert sandbox.credentials["apiKey"] == duplicate.apiKey


# Ends


def in_a_thread(call: Callable[[], Any]) -> None:
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()


@pytest.mark.parametrize("runs", [lambda call: call(), in_a_thread], ids=["here", "in another thread"])
def test_a_handler_that_is_not_pythons_is_left_alone(
    runs: Callable[[Any], Any], made: Any, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program that Python is embedded in has set it: the block cancels at its end."""
    known, before = signal.getsignal, signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(signal, "getsignal", lambda number: None if number == signal.SIGTERM else known(number))
    exchange, inside = made(ccxt.okx), []

    def block() -> None:
        with cancel_on_exit(exchange):
            sandbox.create_rfq()
            inside.append(known(signal.SIGTERM))

    runs(block)

    assert ([before], []) == (inside, sandbox.rfqs("active"))


def test_the_end_of_a_process_may_come_on_another_thread(made: Any, sandbox: Sandbox) -> None:
    """It cancels there, and leaves the signals alone, which only the main thread may handle."""
    sandbox.create_rfq()
    exchange = made(ccxt.okx)
    take_off = at_exit(exchange)
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    in_a_thread(process_exit._cancel_registered)

    assert handlers == [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    assert [] == sandbox.rfqs("active")
    take_off()
    assert signal.SIG_DFL is signal.getsignal(signal.SIGTERM)
