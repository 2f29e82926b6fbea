"""at_exit: however a process ends that Python survives, the book is empty afterwards. In real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import ccxt
import pytest

import okx_rfq_plugin
from okx_rfq_plugin.sandbox import Sandbox

PACKAGE = Path(okx_rfq_plugin.__file__).parent
KINDS = ("ccxt", "ccxt.async_support", "ccxt.pro")
# `localhost` needs a lookup; this late in a process's life, Python starts no pool thread for that.
HEAD = """
    import asyncio, importlib, json, os, signal, sys, threading
    kind, told = sys.argv[1], json.loads(sys.argv[2])
    from okx_rfq_plugin import RetryPolicy, at_exit, install

    def make(cls, keys=told["keys"]):
        exchange = cls(keys)
        exchange.set_sandbox_mode(True)
        exchange.urls["api"]["rest"] = told["url"].replace("127.0.0.1", "localhost")
        return exchange

    exchange = make(importlib.import_module(kind).okx)
    install(exchange, policy=RetryPolicy(deadline=5))

    def once():
        return exchange.fetch_time() if exchange.synchronous else asyncio.run(used_and_closed())

    async def used_and_closed():
        await exchange.fetch_time()
        await exchange.close()
"""


@pytest.fixture
def real() -> Any:
    """A sandbox on the machine's clock, which other processes share."""
    with Sandbox() as running:
        running.create_rfq()
        yield running


def run(sandbox: Sandbox, kind: str, script: str) -> subprocess.CompletedProcess[str]:
    told = json.dumps({"url": sandbox.url, "keys": sandbox.credentials, "other": sandbox.create_user()})
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(HEAD) + textwrap.dedent(script), kind, told],
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def cancels(sandbox: Sandbox) -> int:
    return sum(request.path.endswith("cancel-all-rfqs") for request in sandbox.requests)


ENDS = {
    "end": ("", 0),
    "exit": ("sys.exit(7)", 7),
    "error": ("raise ValueError('a mistake')", 1),
    "sigterm": ("os.kill(os.getpid(), signal.SIGTERM); signal.pause()", 143),
    "handled": ("signal.signal(signal.SIGTERM, signal.default_int_handler)\nos.kill(os.getpid(), 15)", -signal.SIGINT),
}


@pytest.mark.measured
@pytest.mark.skipif(sys.platform == "win32", reason="the signals are POSIX's")
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.thinned
def test_whatever_ends_the_process(real: Sandbox, kind: str, end: str) -> None:
    """Each end, on each kind of exchange, after the loop has ended and the exchange is closed; the exit code stays."""
    script, code = ENDS[end]
    done = run(real, kind, f"at_exit(exchange)\nonce()\n{script}")

    assert code == done.returncode, done.stderr
    assert [] == real.rfqs("active"), done.stderr
    assert 1 == cancels(real)


def test_a_failure_is_shown(real: Sandbox) -> None:
    """`sys.excepthook` gets what is true now."""
    done = run(real, "ccxt", "at_exit(exchange)\nexchange.secret = 'wrong'")

    assert 0 == done.returncode
    assert "NOTHING WAS CANCELED" in done.stderr
    assert ["active"] == [rfq["state"] for rfq in real.rfqs()]


@pytest.mark.measured
def test_objects_of_one_account_share_the_request(real: Sandbox) -> None:
    """A framework's classes per client or order: fifty objects, two accounts, two requests."""
    script = """
        import ccxt
        for _ in range(50):
            at_exit(make(ccxt.okx))
        at_exit(make(ccxt.okxus, told["other"]))
    """
    done = run(real, "ccxt", script)

    assert (0, "") == (done.returncode, done.stderr)
    assert 2 == cancels(real)
    assert [] == real.rfqs("active")


def test_one_failure_keeps_no_other_from_its_cancel(real: Sandbox) -> None:
    """An account whose key is refused comes first."""
    script = """
        refused = make(type(exchange), told["other"])
        refused.secret = "wrong"
        at_exit(refused)
        at_exit(exchange)
    """
    done = run(real, "ccxt", script)

    assert "50113" in done.stderr
    assert [] == real.rfqs("active")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_forked_process_cancels_nothing(real: Sandbox) -> None:
    """What its parent registered belongs to the parent; SIGTERM ends the child as usual."""
    script = """
        at_exit(exchange)
        child = os.fork()
        if not child:
            sys.exit(3)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        child = os.fork()
        if not child:
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        os._exit(0)
    """
    done = run(real, "ccxt", script)

    assert ("3\n-15\n", 0) == (done.stdout, cancels(real)), done.stderr


@pytest.mark.measured
def test_a_signal_does_not_stop_the_cancel(real: Sandbox) -> None:
    """Another Ctrl+C or SIGTERM, while OKX is slow."""
    real.fault("rfq/cancel-all-rfqs", 0.5)
    script = """
        at_exit(exchange)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        send = exchange.fetch
        def fetch(*args, **kwargs):
            for signum in (signal.SIGINT, signal.SIGTERM) if "cancel" in args[0] else ():
                threading.Timer(0.1, os.kill, (os.getpid(), signum)).start()
            return send(*args, **kwargs)
        exchange.fetch = fetch
    """
    done = run(real, "ccxt", script)

    assert [] == real.rfqs("active"), done.stderr
    assert 1 == cancels(real)


@pytest.mark.measured
def test_taken_off_again(real: Sandbox) -> None:
    """The function returned by `at_exit` unregisters the exchange; the last one also removes the signal's handler."""
    script = """
        take_off = at_exit(exchange)
        at_exit(exchange)
        take_off()
        take_off()
        print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
    """
    done = run(real, "ccxt", script)

    assert ("True\n", "") == (done.stdout, done.stderr)
    assert 0 == cancels(real)


@pytest.mark.measured
def test_one_taken_off_leaves_the_others(real: Sandbox) -> None:
    """Their cancels still run, and SIGTERM still ends the process through them."""
    script = """
        take_off = at_exit(exchange)
        at_exit(make(type(exchange), told["other"]))
        take_off()
        print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
    """
    done = run(real, "ccxt", script)

    assert ("False\n", "") == (done.stdout, done.stderr)
    assert 1 == cancels(real)
    assert ["active"] == [rfq["state"] for rfq in real.rfqs()]


@pytest.mark.measured
def test_a_host_that_cannot_be_looked_up_is_said(real: Sandbox) -> None:
    """At this point a lookup runs on the calling thread, and its error is shown like any other."""
    script = """
        exchange.urls["api"]["rest"] = f"http://{'a' * 64}.localhost"  # longer than a label of a name may be
        at_exit(exchange)
    """
    done = run(real, "ccxt.async_support", script)

    assert 0 == done.returncode
    assert "NOTHING WAS CANCELED" in done.stderr
    assert 0 == cancels(real)


def test_on_another_thread(real: Sandbox) -> None:
    """A host may call a strategy there: the end of the process cancels, and no handler is set."""
    script = """
        thread = threading.Thread(target=at_exit, args=(exchange,))
        thread.start()
        thread.join()
        print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
    """
    done = run(real, "ccxt", script)

    assert ("True\n", "") == (done.stdout, done.stderr)
    assert [] == real.rfqs("active")


def test_what_is_not_served_is_refused_at_once() -> None:
    """Not at the end, when it is too late to react."""
    with pytest.raises(ccxt.NotSupported):
        okx_rfq_plugin.at_exit(ccxt.kraken())
