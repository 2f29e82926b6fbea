"""Runs a drill: the same requests to OKX demo trading and to a sandbox, and a guard whose command is killed."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import astuple
from types import MappingProxyType
from typing import Any, NamedTuple

from okx_rfq_plugin.cli.clock import pause, the_clock
from okx_rfq_plugin.cli.destinations import Destination
from okx_rfq_plugin.cli.probe import Probe
from okx_rfq_plugin.credentials import KEYS

_WINDOW = 2.1  # seconds until OKX's limit admits requests again
_PATIENCE = 60.0  # seconds for a guard to be ready, and for the book to be empty
_LOOK = 1.05  # seconds between two reads of the book: OKX's limit is two in two
_LEGS = [{"instId": "BTC-USDT", "side": "buy", "sz": "1"}]
_RFQ = {"counterparties": ["WAGMI"], "legs": _LEGS, "anonymous": True, "allowPartialExecution": False}
_KILLED = 128 + 9
_CREATE = "from okx_rfq_plugin.cli.drilling import create; create()"


class Step(NamedTuple):
    """A request: its name, ccxt's method, its parameters; with `wait`, sent after a window of OKX's."""

    name: str
    method: str
    params: Mapping[str, Any] = MappingProxyType({})
    wait: bool = False
    off: float = 0.0  # seconds by which the clock is wrong for it


# The sandbox's answers to these are what OKX documents.
STEPS = (
    Step("time", "public_get_public_time"),
    Step("account", "private_get_account_config"),
    Step("counterparties", "private_get_rfq_counterparties"),
    Step("list, none active", "private_get_rfq_rfqs", {"state": "active"}, wait=True),
    Step("create", "private_post_rfq_create_rfq", _RFQ),
    Step("list, one active", "private_get_rfq_rfqs", {"state": "active"}),
    Step("cancel one that there is not", "private_post_rfq_cancel_rfq", {"rfqId": "1"}),
    Step("cancel all", "private_post_rfq_cancel_all_rfqs", wait=True),
    Step("cancel all, none active", "private_post_rfq_cancel_all_rfqs"),
    Step("cancel all, too often", "private_post_rfq_cancel_all_rfqs"),
    Step("list, canceled", "private_get_rfq_rfqs", {"state": "canceled", "limit": "1"}, wait=True),
    Step("cancel all, a clock 60 s late", "private_post_rfq_cancel_all_rfqs", wait=True, off=60.0),
    Step("cancel all quotes, none active", "private_post_rfq_cancel_all_quotes"),
)


class Drill:
    """One rehearsal.

    Args:
        destination: where to rehearse; a sandbox must have an address.
        credentials: of a key that may trade there.
        say: called with a sentence about each event.
    """

    def __init__(self, destination: Destination, credentials: dict[str, str], say: Callable[[str], None]) -> None:
        self._destination = destination
        self._credentials = credentials
        self._say = say

    def run(self) -> dict[str, Any]:
        """Run the whole drill; return the report."""
        import ccxt

        import okx_rfq_plugin
        from okx_rfq_plugin.sandbox import Sandbox

        self._say("Asking, step by step.")
        steps = dict(_observed(self._destination, self._credentials, self._say))
        self._say("Asking a sandbox the same.")
        began = time.time() - the_clock().now()
        with Sandbox(clock=lambda: began + the_clock().now()) as sandbox:  # by the clock that the waits go by
            there = Destination("sandbox", self._destination.exchange, sandbox.url)
            believed = dict(_observed(there, sandbox.credentials, lambda words: None))
        return {
            "environment": self._destination.env,
            "exchange": self._destination.exchange,
            "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "versions": {
                "okx-rfq-plugin": okx_rfq_plugin.__version__,
                "ccxt": ccxt.__version__,
                "python": platform.python_version(),
            },
            "steps": steps,
            "believed": believed,
            "differences": list(_differences(steps, believed)),
            "guard": self._guard(),
        }

    def _guard(self) -> dict[str, Any]:
        """Kill a guarded process; return the seconds until its RFQs were gone, and the guard's code."""
        self._say("A guarded process creates RFQs, and is killed.")
        there = self._destination
        options = ["--env", there.env, "--exchange", there.exchange]
        options += ["--url", there.url] if there.url else []
        options += ["--host", there.host] if there.host else []
        command = [sys.executable, "-c", _CREATE]
        keys = {variable: self._credentials[name] for name, variable in KEYS.items()}
        place = {"OKX_DRILL": json.dumps(astuple(there))}
        with subprocess.Popen(
            [sys.executable, "-m", "okx_rfq_plugin", "guard", *options, "--deadline", "60", "--", *command],
            env={**os.environ, **keys, **place},
            stdout=subprocess.PIPE,
            text=True,
        ) as guard:
            try:
                assert guard.stdout is not None  # noqa: S101 - a pipe was asked for
                line = guard.stdout.readline().split()
                if not line:
                    return {"seconds": None, "code": guard.wait(_PATIENCE), "expected": _KILLED, "created": 0}
                os.kill(int(line[0]), signal.SIGKILL)
                seconds = self._until_empty()
                code = guard.wait(2 * _PATIENCE)
            finally:
                guard.kill()
        return {"seconds": seconds, "code": code, "expected": _KILLED, "created": int(line[1])}

    def _until_empty(self) -> float | None:
        probe = Probe(self._destination, self._credentials)
        list(probe.time())
        now: Callable[[], float] = the_clock().now
        began = now()
        try:
            while now() < began + _PATIENCE:
                answer = probe.ask("rfq/rfqs", "private_get_rfq_rfqs", "rfqId", {"state": "active"})
                if not answer.wrong and not [row for row in answer.rows if not row.get("flowType")]:
                    return round(now() - began, 3)
                pause(_LOOK)
        finally:
            probe.close()
        return None


def create() -> None:
    """Run as the guarded process: create two RFQs, report them, and stay alive."""
    from okx_rfq_plugin.cli.destinations import credentials_of

    probe = Probe(Destination(*json.loads(os.environ["OKX_DRILL"])), credentials_of())
    list(probe.time())
    created = 0
    for _ in range(2):
        probe.ask("rfq/create-rfq", "private_post_rfq_create_rfq", "rfqId", _RFQ)
        created += probe.reply is not None and probe.reply.body.get("code") == "0"
    print(os.getpid(), created, flush=True)
    while True:
        pause(60.0)


def made_again(there: Destination, credentials: dict[str, str], folder: str) -> int:
    """Record the cassettes again, and return the exit code."""
    keys = {variable: credentials[name] for name, variable in KEYS.items()}
    place = {"OKX_EXCHANGE": there.exchange, "OKX_HOST": there.host or ""}
    command = [sys.executable, "-m", "okx_rfq_plugin.testing.recording", "--into", folder, "--env", there.env]
    # Its words are beside the matter: they go to stderr, and stdout is for the result.
    return subprocess.run(command, env={**os.environ, **keys, **place}, stdout=2, check=False).returncode


def cleared(there: Destination, credentials: dict[str, str]) -> bool:
    """Cancel everything, and return whether OKX says that nothing is active."""
    from okx_rfq_plugin import install

    exchange = there.exchange_for(credentials)
    try:
        return bool(install(exchange).cancel_all_rfqs(confirm=True)["confirmed"])
    except Exception:
        return False
    finally:
        exchange.session.close()


def _observed(
    destination: Destination, credentials: dict[str, str], say: Callable[[str], None]
) -> Iterator[tuple[str, dict[str, Any]]]:
    probe = Probe(destination, credentials)
    list(probe.time())
    probe.ask("", "private_post_rfq_cancel_all_rfqs", "")  # what there may be from before
    before = probe.exchange.options.get("timeDifference", 0)
    try:
        for step in STEPS:
            if step.wait:
                pause(_WINDOW)
            probe.exchange.options["timeDifference"] = before + int(step.off * 1000)
            began = the_clock().now()
            probe.ask("", step.method, "", dict(step.params))
            seen = _shape(probe.reply)
            say(f"{step.name}: {_brief(seen)}, in {(the_clock().now() - began) * 1000:.0f} ms.")
            yield step.name, seen
    finally:
        probe.close()


def _shape(reply: Any) -> dict[str, Any]:
    """Return the structure of a reply, without values that belong to an account."""
    if reply is None:
        return {"status": None, "code": None}
    body = reply.body if isinstance(reply.body, dict) else {}
    rows = body.get("data") if isinstance(body.get("data"), list) else None
    row = rows[0] if rows and isinstance(rows[0], dict) else {}
    return {
        "status": reply.status,
        "code": body.get("code"),
        "keys": sorted(body),
        "fields": {name: type(value).__name__ for name, value in sorted(row.items())},
        "rows": None if rows is None else "none" if not rows else "some",
    }


def _differences(seen: dict[str, Any], believed: dict[str, Any]) -> Iterator[str]:
    for name, shape in seen.items():
        for what, value in shape.items():
            expected = believed[name].get(what)
            if value == expected:
                continue
            if what == "fields":
                missing, more = sorted(set(expected or {}) - set(value)), sorted(set(value) - set(expected or {}))
                other = [each for each in value if each in (expected or {}) and value[each] != expected[each]]
                words = f"missing {', '.join(missing) or 'none'}; unknown {', '.join(more) or 'none'}"
                yield f"{name}: fields: {words}; of another type {', '.join(other) or 'none'}"
            else:
                yield f"{name}: {what}: {value!r}, and the sandbox believes {expected!r}"


def _brief(shape: dict[str, Any]) -> str:
    return "no reply" if shape["status"] is None else f"HTTP {shape['status']}, code {shape['code']}"
