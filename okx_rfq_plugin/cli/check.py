"""The verb `check`, which only reads: whether a cancel would work from here, and what to do if not."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import click

from okx_rfq_plugin.cli.accounts import Account, accounts_options
from okx_rfq_plugin.cli.destinations import Destination, address_of, destination_options, reachable
from okx_rfq_plugin.cli.network import NothingSentError, for_aiohttp
from okx_rfq_plugin.cli.options import json_option
from okx_rfq_plugin.cli.probe import Finding, Probe
from okx_rfq_plugin.cli.terminal import say, say_json, waiting_shown

_AT_ONCE = 8  # accounts


@click.command("check")
@destination_options
@accounts_options
@json_option("one JSON object per line")
@click.pass_context
def check(
    context: click.Context, destination: Destination | None, accounts: list[Account] | None, as_json: bool
) -> None:
    """Check whether a cancel would work from here.

    Versions, plugins, host, proxy, clock, key, permissions, IP list, account mode, block trading, maintenance: each
    line is ok, a WARNING, WRONG, or UNKNOWN where it could not be looked at, and says what to do. It only reads. A key
    that the host does not know is tried in the other environment and on OKX's other hosts.

    Exit codes: 0 all is well; 1 something is WRONG or UNKNOWN; 2 wrong usage.

    Example: okx-rfq check --env live
    """
    well = True
    with waiting_shown("Asking OKX", quiet=as_json):
        for name, finding in _findings(destination, accounts):
            well &= bool(finding.ok)
            if as_json:
                advice = finding.advice if not finding.ok or finding.warning else ""
                account = {} if accounts is None else {"account": name or None}
                facts = {"check": finding.check, "ok": finding.ok, "seen": finding.seen, "advice": advice}
                say_json({**account, **facts, "state": finding.state})
            else:
                good = None if finding.warning or finding.ok is None else finding.ok
                say(f"{finding.state:7} {f'[{name}] ' if name else ''}{finding.words}", good=good)
    context.exit(0 if well else 1)


def _findings(destination: Destination | None, accounts: list[Account] | None) -> Iterator[tuple[str, Finding]]:
    yield from (("", finding) for finding in _here())
    if accounts is None:
        assert destination is not None  # noqa: S101 - destination_options ensures it
        with reachable(destination) as (there, credentials):
            yield from (("", finding) for finding in account_findings(there, credentials))
            yield from (("", finding) for finding in _maintenance(there))
        return
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        # In the file's order, each as soon as those before it are done.
        for account, findings in zip(accounts, pool.map(_of_account, accounts), strict=True):
            yield from ((account.name, finding) for finding in findings)
    # Once per destination, not per account: OKX accepts one such request in five seconds.
    for there in dict.fromkeys(account.destination for account in accounts if not account.wrong):
        yield from (("", finding) for finding in _maintenance(there))


def _of_account(account: Account) -> list[Finding]:
    if account.wrong:
        return [Finding("account", False, account.wrong, "Complete it: it is not canceled for.")]
    return list(account_findings(account.destination, account.credentials, many=True))


def _here() -> Iterator[Finding]:
    import ccxt

    import okx_rfq_plugin

    versions = f"okx-rfq-plugin {okx_rfq_plugin.__version__}, ccxt {ccxt.__version__}"
    yield Finding("versions", True, f"{versions}, Python {platform.python_version()}")
    manager = okx_rfq_plugin.get_plugin_manager()
    manager.load_entry_points()
    names = sorted(name for name, plugin in manager.list_name_plugin() if plugin is not None)
    yield Finding("plugins", True, ", ".join(names))
    for name, reason in sorted(manager.failures.items()):
        yield Finding("plugin", False, f"{name} is left out: {reason}", "Repair or uninstall that package.")


def account_findings(destination: Destination, credentials: dict[str, str], *, many: bool = False) -> Iterator[Finding]:
    """Check whether this key may cancel there, with requests that change nothing.

    Args:
        destination: where to check.
        credentials: under ccxt's names.
        many: whether the cancel would be one of many, which are sent with aiohttp.
    """
    probe = Probe(destination, credentials)
    try:
        yield Finding("host", True, f"{address_of(probe.exchange)} ({probe.exchange.id})")
        try:
            route = destination.route(probe.exchange)
            if many:
                for_aiohttp(route)
        except NothingSentError as error:
            yield Finding("network", False, str(error), "Nothing can be sent from here as it is.")
            return
        yield Finding("network", True, route.shown)
        yield from probe.time()
        yield from probe.account()
    finally:
        probe.close()


def _maintenance(destination: Destination) -> Iterator[Finding]:
    probe = Probe(destination, {})
    try:
        yield from probe.maintenance()
    finally:
        probe.close()
