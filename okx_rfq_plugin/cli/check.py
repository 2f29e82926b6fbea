"""This file is the verb `check`, which reads only: whether a cancel would work from here, and what to do if not."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import click

from okx_rfq_plugin.cli.outcomes import reason_of
from okx_rfq_plugin.cli.terminal import say, say_json
from okx_rfq_plugin.cli.worlds import World, connected, world_options
from okx_rfq_plugin.credentials import KEYS

_PATIENCE = 5.0  # seconds for each of the requests
_CLOCK = 5.0  # seconds that this clock may be off; OKX refuses from 30 on
# Source: okx.com/docs-v5/en/#trading-account-rest-api-get-account-configuration
_MODES = {"1": "spot mode", "2": "futures mode", "3": "multi-currency margin mode", "4": "portfolio margin mode"}
_SPOT = "1"


class Finding(NamedTuple):
    """One line of the check: what was looked at, whether it is well, what was seen, and what to do where it is not."""

    check: str
    ok: bool
    seen: str
    advice: str = ""


class Answer(NamedTuple):
    """What came of a question: a row, or in words what is wrong; `refused` says that OKX said no."""

    row: dict[str, Any]
    wrong: str = ""
    refused: bool = False


@click.command("check")
@world_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line, and nothing else.")
@click.pass_context
def check(context: click.Context, world: World, as_json: bool) -> None:
    """Look whether a cancel would work from here.

    Versions, plugins, host, clock, key, world, permission, account mode: each line says what to do where it is wrong.
    It only reads. It ends with 0 where all is well, else with 1.

    Example: okx-rfq check --env live
    """
    with connected(world) as place:
        findings = list(_findings(world, place.exchange))
    for finding in findings:
        if as_json:
            say_json({**finding._asdict(), "advice": "" if finding.ok else finding.advice})
        else:
            words = f"{'ok   ' if finding.ok else 'WRONG'} {finding.check}: {finding.seen}"
            say(words if finding.ok else f"{words}. {finding.advice}", good=finding.ok)
    context.exit(0 if all(finding.ok for finding in findings) else 1)


def _findings(world: World, exchange: Any) -> Iterator[Finding]:
    yield from _here(exchange)
    yield from _clock(exchange)
    yield from account_findings(world, exchange)


def _here(exchange: Any) -> Iterator[Finding]:
    import ccxt

    import okx_rfq_plugin

    versions = f"okx-rfq-plugin {okx_rfq_plugin.__version__}, ccxt {ccxt.__version__}"
    yield Finding("versions", True, f"{versions}, Python {platform.python_version()}")
    manager = okx_rfq_plugin.get_plugin_manager()
    names = sorted(name for name, plugin in manager.list_name_plugin() if plugin is not None)
    yield Finding("plugins", True, ", ".join(names))
    for name, reason in sorted(manager.failures.items()):
        yield Finding("plugin", False, f"{name} is left out: {reason}", "Repair or uninstall that package.")
    yield Finding("host", True, f"{exchange.implode_hostname(exchange.urls['api']['rest'])} ({exchange.id})")


def _clock(exchange: Any) -> Iterator[Finding]:
    asked = time.time()
    answer = _ask(exchange, "public/time", "public_get_public_time", "ts")
    answered = time.time()
    at = exchange.safe_integer(answer.row, "ts")
    if at is None:
        advice = "Check the network, HTTPS_PROXY and --exchange: OKX cannot be reached."
        yield Finding("clock", False, answer.wrong or "OKX's answer holds no time", advice)
        return
    offset = (asked + answered) / 2 - at / 1000
    exchange.options["timeDifference"] = int(offset * 1000)  # so that the key can be looked at in any case
    seen = f"{abs(offset):.1f} s {'ahead of' if offset > 0 else 'behind'} OKX"
    yield Finding("clock", abs(offset) <= _CLOCK, seen, "Set the clock of this machine: OKX refuses 30 s.")


def account_findings(world: World, exchange: Any) -> Iterator[Finding]:
    """Look whether this key may cancel there, by a request that changes nothing."""
    config, wrong, refused = _ask_for_config(exchange)
    if wrong:
        advice = "Nothing is known of the key. Check the network and HTTPS_PROXY, and try again."
        yield Finding("key", False, wrong, _key_advice(exchange) if refused else advice)
        return
    yield Finding("key", True, f"accepted for User ID {config.get('uid')}")
    yield Finding("world", True, f"{world.env}: the key belongs there")
    permissions = str(config.get("perm", "")).split(",")
    advice = "It cannot cancel. Give the key the permission Trade, on OKX's API page."
    yield Finding("permission", "trade" in permissions, ", ".join(permissions), advice)
    level = str(config.get("acctLv"))
    advice = "OKX offers no block trading in spot mode. Change the account mode, in OKX's settings."
    yield Finding("account mode", level != _SPOT, _MODES.get(level, f"level {level}"), advice)


def _key_advice(exchange: Any) -> str:
    """Try the key in the other world: one that is accepted there belongs there."""
    demo = exchange.headers.pop("x-simulated-trading", None) is not None
    if not demo:
        exchange.headers["x-simulated-trading"] = "1"
    if not _ask_for_config(exchange).wrong:
        return f"The key is one for {'live' if demo else 'demo'} trading: use --env {'live' if demo else 'demo'}."
    return f"Check {', '.join(KEYS.values())}, the key's IP list, and --exchange: each region has keys of its own."


def _ask_for_config(exchange: Any) -> Answer:
    return _ask(exchange, "account/config", "private_get_account_config", "uid")


def _ask(exchange: Any, path: str, method: str, field: str) -> Answer:
    """Ask one question, once; every row of a good answer to it has this field."""
    from okx_rfq_plugin._core.clock import SYSTEM
    from okx_rfq_plugin._core.effects import Send
    from okx_rfq_plugin._core.endpoints import Endpoint
    from okx_rfq_plugin._core.outcome import Attempt
    from okx_rfq_plugin._core.request import Request
    from okx_rfq_plugin._core.verdict import Meaning, describe, rows_of

    endpoint = Endpoint(method, path, fields=(field,))
    outcome = Send(SYSTEM, Request(exchange, endpoint, {}, _PATIENCE, Attempt(reads=True))).perform()
    meaning, reply, error = outcome.verdict.meaning, outcome.reply, outcome.error
    if meaning is Meaning.DONE and reply is not None and (rows := rows_of(reply)):
        return Answer(rows[0])
    reason = reason_of(error)
    wrong = _masked(describe(reply, error) + (f": {reason}" if reason else ""), exchange)
    return Answer({}, wrong, meaning is Meaning.REJECTED)


def _masked(words: str, exchange: Any) -> str:
    for name in KEYS:
        words = words.replace(getattr(exchange, name), "***")
    return words
