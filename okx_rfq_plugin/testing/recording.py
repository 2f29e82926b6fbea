"""Records this package's cassettes: sets up each situation and runs the plugin through it over real HTTP."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ccxt

from okx_rfq_plugin._core.clock import SYSTEM, Waker
from okx_rfq_plugin._core.policy import RetryPolicy
from okx_rfq_plugin.credentials import KEYS, value_of
from okx_rfq_plugin.installer import install
from okx_rfq_plugin.sandbox import Fault, Sandbox
from okx_rfq_plugin.testing.clocks import VirtualClock
from okx_rfq_plugin.testing.handles import FixtureSandbox
from okx_rfq_plugin.testing.recorder import Recorder
from okx_rfq_plugin.testing.serving import release
from okx_rfq_plugin.testing.stage import Stage
from okx_rfq_plugin.testing.wire import opened

_LEG = {"instId": "BTC-USDT", "sz": "25", "side": "buy"}
_CANCEL = "rfq/cancel-all-rfqs"


def _cancel(exchange: Any) -> Any:
    return exchange.cancel_all_rfqs()


@dataclass(frozen=True)
class Situation:
    """One cassette: how to prepare, what the sandbox must do, and what to record.

    Without `prepare`, `faults` and `readonly` it can also be recorded from OKX demo trading.
    """

    name: str
    before: Callable[[Any], Any] = lambda exchange: None
    act: Callable[[Any], Any] = _cancel
    faults: tuple[Any, ...] = ()
    readonly: bool = False
    prepare: Callable[[Sandbox], Any] | None = None

    @property
    def sandbox_only(self) -> bool:
        """Whether only the sandbox can be made to answer this way."""
        return bool(self.faults) or self.readonly or self.prepare is not None


def _open_rfq(exchange: Any) -> None:
    exchange.private_post_rfq_create_rfq({"counterparties": ["WAGMI"], "legs": [_LEG]})


def _open_two(exchange: Any) -> None:
    _open_rfq(exchange)
    _open_rfq(exchange)


def _use_up_limit(exchange: Any) -> None:
    for _ in range(2):
        with suppress(ccxt.BaseError):  # fails with nothing active, but still counts against the limit
            exchange.private_post_rfq_cancel_all_rfqs()
    _open_rfq(exchange)


def _skew_clock(exchange: Any) -> None:
    _open_rfq(exchange)
    exchange.options["timeDifference"] = 60_000


def _spoil_secret(exchange: Any) -> None:
    exchange.secret = "not-" + exchange.secret


def _quote(sandbox: Sandbox) -> None:
    sandbox.create_quote()


SITUATIONS = (
    Situation("canceled", _open_rfq),
    Situation("nothing-active"),
    Situation("rate-limited-then-canceled", _use_up_limit),
    Situation("unavailable-then-canceled", _open_rfq, faults=("50001",)),
    Situation("clock-skew-then-canceled", _skew_clock),
    Situation("unreadable-then-nothing-active", _open_rfq, faults=(Fault(status=502, execute=True),)),
    Situation("lost-then-nothing-active", _open_rfq, faults=(Fault(drop="after"),)),
    Situation("timeout-then-canceled", _open_rfq, faults=(Fault(delay=4.0, drop="before"),)),
    Situation("rejected-signature", _spoil_secret),
    Situation("rejected-permission", readonly=True),
    Situation("confirmed", _open_two, act=lambda exchange: exchange.cancel_all_rfqs(confirm=True)),
    Situation("quotes-canceled", prepare=_quote, act=lambda exchange: exchange.cancel_all_quotes()),
    Situation("quotes-nothing-active", act=lambda exchange: exchange.cancel_all_quotes()),
    Situation("quotes-countdown", act=lambda exchange: exchange.cancel_all_quotes_after(30)),
    Situation("open-rfqs", _open_two, act=lambda exchange: exchange.fetch_open_rfqs()),
)


def record(situation: Situation, exchange: Any, path: Path, stage: Stage, answered_by: str) -> None:
    """Run one situation and write its cassette.

    Args:
        situation: the situation to record.
        exchange: a ccxt.okx object. The plugin is installed on it; do not use it afterwards.
        path: the file to write.
        stage: the open stage, with or without a sandbox.
        answered_by: "sandbox" or "okx-demo", for the head.

    Raises:
        ValueError: if a secret of the exchange would be in the file; it is not written.
    """
    exchange.enableRateLimit = False
    install(exchange, policy=RetryPolicy(jitter=0.0))
    recorder = Recorder(answered_by)
    recorder.keep_out(exchange)
    tape, stage.tape = stage.tape, Recorder(answered_by)  # earlier requests are sent, and discarded
    try:
        situation.before(exchange)
        stage.tape = recorder
        with suppress(ccxt.AuthenticationError):  # some situations are about a rejection
            situation.act(exchange)
    finally:
        stage.tape = tape
    recorder.write(path)


def missing_keys() -> list[str]:
    """Return the environment variables of the demo key that are not set, directly or as a file."""
    return [variable for variable, value in _found().items() if not value]


def demo_credentials() -> dict[str, str]:
    """Return the demo key under ccxt's names, read from the same places as the command `okx-rfq` reads it."""
    return {name: _found()[variable] or "" for name, variable in KEYS.items()}


def _found() -> dict[str, str | None]:
    return {variable: value_of(variable) for variable in KEYS.values()}


@contextmanager
def _sandbox_exchange(situation: Situation) -> Iterator[tuple[Any, Stage]]:
    clock = VirtualClock()
    sandbox = FixtureSandbox(clock)
    with sandbox, opened(Stage()) as stage:
        stage.clock, stage.sandbox = clock, sandbox
        permissions = ("read_only",) if situation.readonly else ("read_only", "trade")
        if situation.prepare is not None:
            situation.prepare(sandbox)
        if situation.faults:
            sandbox.fault(_CANCEL, *situation.faults)
        credentials = sandbox.create_user(permissions=permissions) if situation.readonly else None
        exchange = sandbox.exchange(ccxt.okx, credentials=credentials)
        try:
            yield exchange, stage
        finally:
            release(exchange)


@contextmanager
def _demo_exchange(situation: Situation) -> Iterator[tuple[Any, Stage]]:
    # Proxies and CA bundles from the environment, as for the command. ccxt ignores them by default.
    config = {**demo_credentials(), "requests_trust_env": True}
    exchange = getattr(ccxt, os.environ.get("OKX_EXCHANGE") or "okx")(config)
    exchange.set_sandbox_mode(True)
    if host := os.environ.get("OKX_HOST"):
        exchange.hostname = host
    SYSTEM.sleep(2.5, Waker())  # one User ID for all situations: none may start within the window of the previous one
    with opened(Stage()) as stage:
        try:
            yield exchange, stage
        finally:
            exchange.session.close()


def main(arguments: list[str] | None = None) -> int:
    """Record the cassettes into a folder, from the sandbox or from OKX demo trading; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m okx_rfq_plugin.testing.recording", description=main.__doc__)
    parser.add_argument("--env", choices=("sandbox", "demo"), default="sandbox", help="who answers (default: sandbox)")
    parser.add_argument("--into", type=Path, default=Path("cassettes"), help="the folder (default: cassettes)")
    options = parser.parse_args(arguments)
    try:
        missing = missing_keys() if options.env == "demo" else []
    except (OSError, ValueError) as error:
        parser.error(f"the file of a key cannot be read: {error}")
    if missing:
        parser.error(f"--env demo needs a demo key of yours in {', '.join(missing)}")
    options.into.mkdir(parents=True, exist_ok=True)
    make, answered_by = (_sandbox_exchange, "sandbox") if options.env == "sandbox" else (_demo_exchange, "okx-demo")
    for situation in SITUATIONS:
        if options.env == "demo" and situation.sandbox_only:
            print(f"{situation.name}: left as it is, OKX cannot be asked to answer so")
            continue
        with make(situation) as (exchange, stage):
            record(situation, exchange, options.into / f"{situation.name}.yaml", stage, answered_by)
        print(f"{situation.name}: recorded from {answered_by}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
