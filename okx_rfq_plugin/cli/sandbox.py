"""The verb `sandbox`, which serves a local double of OKX for experiments."""

from __future__ import annotations

import re
import signal
import sys
import threading
from typing import Any

import click

from okx_rfq_plugin.cli.destinations import furnish
from okx_rfq_plugin.cli.terminal import say, say_json
from okx_rfq_plugin.credentials import KEYS

_STEPS = "a code of OKX's, an HTTP status (502), a delay (2.5s), or drop"


@click.command("sandbox")
@click.option("--port", type=click.IntRange(0, 2**16 - 1), default=0, help="The port on 127.0.0.1; any by default.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="PATH=STEP[,STEP]",
    help=f"Queue faults for a path; a step is {_STEPS}.",
)
@click.option("--rfqs", is_flag=True, help="Open three RFQs to begin with.")
def sandbox(port: int, faults: tuple[str, ...], rfqs: bool) -> None:
    """Serve a local double of OKX until Ctrl+C.

    It prints one JSON line with its address and the credentials of a demo key, dummies all, and then serves.

    Exit codes: 0 ended by Ctrl+C or SIGTERM; 2 wrong usage, or the port is taken.

    Example: okx-rfq sandbox --port 8765 --fault rfq/cancel-all-rfqs=50011,502
    """
    from okx_rfq_plugin.sandbox import Sandbox

    steps = [_fault(fault) for fault in faults]
    running = Sandbox(port=port)
    try:
        running.start()
    except OSError as error:
        raise click.UsageError(f"The sandbox cannot listen on port {port}: {error.strerror or error}.") from None
    ended = threading.Event()
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for path, line in steps:
            running.fault(path, *line)
        if rfqs:
            furnish(running)
        say_json({"url": running.url, "credentials": running.credentials})
        if sys.stderr.isatty():
            say(_advice(running), err=True)
        while not ended.is_set():
            ended.wait(3600)  # without a timeout, Windows would not notice Ctrl+C
    finally:
        running.close()
        for number, handler in before.items():
            signal.signal(number, handler)


def _fault(words: str) -> tuple[str, list[Any]]:
    path, _, line = words.partition("=")
    if not path or not line:
        raise click.BadParameter(f"{words!r} is not like rfq/cancel-all-rfqs=502,drop.", param_hint="'--fault'")
    return path, [_step(step) for step in line.split(",")]


def _step(words: str) -> Any:
    """Return the sandbox's form of a step."""
    from okx_rfq_plugin.sandbox import DROP

    if words == "drop":
        return DROP
    if re.fullmatch(r"[2-5][0-9]{2}", words):
        return int(words)
    if re.fullmatch(r"[0-9]{1,3}(\.[0-9]+)?s", words):
        return float(words[:-1])
    if re.fullmatch(r"[0-9]{4,6}", words):
        return words
    raise click.BadParameter(f"{words!r} is no step; a step is {_STEPS}.", param_hint="'--fault'")


def _advice(running: Any) -> str:
    exports = " ".join(f"{variable}={running.credentials[name]}" for name, variable in KEYS.items())
    return f"Ctrl+C ends it. In another terminal:\n  export {exports}\n  okx-rfq list --env sandbox --url {running.url}"
