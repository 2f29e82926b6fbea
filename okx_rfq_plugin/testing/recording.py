"""This file records the cassettes: it brings about each situation, and drives the plugin through it over real HTTP."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import ccxt

from okx_rfq_plugin._core.clock import Clock, Waker
from okx_rfq_plugin.credentials import KEYS
from okx_rfq_plugin.installer import install
from okx_rfq_plugin.plugins import get_plugin_manager
from okx_rfq_plugin.sandbox import Fault, Sandbox
from okx_rfq_plugin.testing.cassettes import is_kept, make_vcr, watch

_NOTES = {
    "sandbox": "The sandbox of this package has answered on the loopback interface, not OKX.",
    "okx-demo": "OKX demo trading has answered.",
}
_LEG = {"instId": "BTC-USDT", "sz": "25", "side": "buy"}


@dataclass(frozen=True)
class Situation:
    """One cassette: what is done on the exchange object before the cancel, and what the sandbox is told to do in it.

    Without `faults` and `readonly` it can be brought about on OKX demo trading too.
    """

    name: str
    before: Callable[[Any], Any] = lambda exchange: None
    faults: tuple[Any, ...] = ()
    readonly: bool = False

    @property
    def sandbox_only(self) -> bool:
        """Say whether only the sandbox can be brought to answer so."""
        return bool(self.faults) or self.readonly


def _open_rfq(exchange: Any) -> None:
    exchange.private_post_rfq_create_rfq({"counterparties": ["WAGMI"], "legs": [_LEG]})


def _use_up_limit(exchange: Any) -> None:
    for _ in range(2):
        with suppress(ccxt.BaseError):  # nothing is active, which counts against the limit all the same
            exchange.private_post_rfq_cancel_all_rfqs()
    _open_rfq(exchange)


def _skew_clock(exchange: Any) -> None:
    _open_rfq(exchange)
    exchange.options["timeDifference"] = 60_000


def _spoil_secret(exchange: Any) -> None:
    exchange.secret = "not-" + exchange.secret


SITUATIONS = (
    Situation("canceled", _open_rfq),
    Situation("nothing-active"),
    Situation("rate-limited-then-canceled", _use_up_limit),
    Situation("unavailable-then-canceled", _open_rfq, faults=("50001",)),
    Situation("clock-skew-then-canceled", _skew_clock),
    Situation("unreadable-then-nothing-active", _open_rfq, faults=(Fault(status=502, execute=True),)),
    Situation("rejected-signature", _spoil_secret),
    Situation("rejected-permission", readonly=True),
)


def record(situation: Situation, exchange: Any, path: Path, answered_by: str) -> None:
    """Drive one situation and write its cassette.

    Args:
        situation: which.
        exchange: a ccxt.okx object without the plugin; it gets it, and is used up.
        path: the file to write.
        answered_by: "sandbox" or "okx-demo", for the head.

    Raises:
        RuntimeError: a secret of the exchange would have stood in the file; it is not kept.
    """
    exchange.enableRateLimit = False
    situation.before(exchange)
    exchange.session.close()  # or vcrpy would let go of the connections from before, without closing them
    install(exchange)
    api = exchange.implode_hostname(exchange.urls["api"]["rest"])
    secrets = [getattr(exchange, name) for name in KEYS]
    # A rejection is what some situations are about.
    with recorded(path, answered_by, secrets, api=api), suppress(ccxt.AuthenticationError):
        exchange.cancel_all_rfqs()


@contextmanager
def recorded(path: Path, answered_by: str, secrets: Iterable[str], *, api: str | None = None) -> Iterator[None]:
    """Write a cassette, with its head, of what is asked inside of this; one that was there is replaced.

    Args:
        path: the file to write.
        answered_by: "sandbox" or "okx-demo", for the head.
        secrets: what must not stand in the file.
        api: the address that answers; OKX's by default.

    Raises:
        RuntimeError: a secret would have stood in the file; it is not kept.
    """
    head = {
        "answered_by": answered_by,
        "note": _NOTES[answered_by],
        "recorded": datetime.now(timezone.utc).date().isoformat(),
        "ccxt": ccxt.__version__,
    }
    path.unlink(missing_ok=True)
    try:
        with make_vcr(head, api=api).use_cassette(str(path)) as cassette:
            watch(cassette, lambda request, _: _refuse_live(request, api))
            yield
    finally:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if any(secret in text for secret in secrets):
            path.unlink()
            raise RuntimeError(f"a secret would have stood in {path.name}; the file is not kept")


def _refuse_live(request: Any, api: str | None) -> None:
    # Before it is sent: whoever makes a cassette must not cancel for real with an exchange made elsewhere.
    demo = is_kept(request.uri, api) and request.headers.get("x-simulated-trading") == "1"
    if is_kept(request.uri) and not demo:
        raise RuntimeError(
            f"{request.method} {request.uri} was not sent: what is recorded here is {api or 'demo trading'}, and this "
            "exchange object is for OKX itself. Use the one that the fixtures make."
        )


def missing_keys() -> list[str]:
    """Return the environment variables of the demo key that are not set."""
    return [variable for variable in KEYS.values() if not os.environ.get(variable)]


def demo_credentials() -> dict[str, str]:
    """Return the demo key from the environment, in ccxt's terms."""
    return {name: os.environ[variable] for name, variable in KEYS.items()}


def _clock() -> Clock:
    plugin: Any = get_plugin_manager().get_plugin("okx")
    clock: Clock = plugin.clock  # the one that the cancel waits on
    return clock


@contextmanager
def _sandbox_exchange(situation: Situation) -> Iterator[Any]:
    clock = _clock()
    offset = time.time() - clock.now()
    with Sandbox(clock=lambda: clock.now() + offset) as sandbox:
        permissions = ("read_only",) if situation.readonly else ("read_only", "trade")
        if situation.faults:
            sandbox.fault("rfq/cancel-all-rfqs", *situation.faults)
        yield sandbox.exchange(ccxt.okx, credentials=sandbox.create_user(permissions=permissions))


@contextmanager
def _demo_exchange(situation: Situation) -> Iterator[Any]:
    exchange = ccxt.okx(demo_credentials())
    exchange.set_sandbox_mode(True)
    _clock().sleep(2.5, Waker())  # one User ID for all situations: none starts inside the window of the one before
    yield exchange


def main(arguments: list[str] | None = None) -> int:
    """Record the cassettes into a folder, from the sandbox or from OKX demo trading; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m okx_rfq_plugin.testing.recording", description=main.__doc__)
    parser.add_argument("--env", choices=("sandbox", "demo"), default="sandbox", help="who answers (default: sandbox)")
    parser.add_argument("--into", type=Path, default=Path("cassettes"), help="the folder (default: cassettes)")
    options = parser.parse_args(arguments)
    if options.env == "demo" and missing_keys():
        parser.error(f"--env demo needs a demo key of yours in {', '.join(missing_keys())}")
    options.into.mkdir(parents=True, exist_ok=True)
    make, answered_by = (_sandbox_exchange, "sandbox") if options.env == "sandbox" else (_demo_exchange, "okx-demo")
    for situation in SITUATIONS:
        if options.env == "demo" and situation.sandbox_only:
            print(f"{situation.name}: left as it is, OKX cannot be asked to answer so")
            continue
        with make(situation) as exchange, closing(exchange.session):
            record(situation, exchange, options.into / f"{situation.name}.yaml", answered_by)
        print(f"{situation.name}: recorded from {answered_by}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
