"""The verb `fleet`: a kill switch for many machines, on a Redis or Valkey store."""

from __future__ import annotations

import getpass
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click

from okx_rfq_plugin.cli.accounts import Account, accounts_options
from okx_rfq_plugin.cli.destinations import Destination, credentials_of, destination_options
from okx_rfq_plugin.cli.options import json_option
from okx_rfq_plugin.cli.terminal import say, say_json

if TYPE_CHECKING:
    from okx_rfq_plugin.fleet.store import Store
    from okx_rfq_plugin.fleet.watching import Event

FAILED = 1  # the store did not do what was asked
NOT_CANCELED, MAY_BE_CANCELED = 3, 4
_TIMEOUT = 1.0  # seconds for the store to answer

_store_option = click.option(
    "--store",
    "store_url",
    envvar="OKX_RFQ_FLEET",
    show_envvar=True,
    required=True,
    metavar="URL",
    help="The store, such as rediss://host:6379/0.",
)
_json_option = json_option("one JSON object per line")
_by_option = click.option("--by", metavar="WHO", help="Who does it; the user and the host by default.")


@click.group("fleet")
def fleet() -> None:
    """Halt and resume many machines at once, and cancel for those that die.

    Needs a Redis or Valkey store, and the extra: pip install 'okx-rfq-plugin[cli,fleet]'

    Exit codes: those of its verbs; 2 wrong usage.

    Example: okx-rfq fleet demo
    """
    if find_spec("redis") is None:
        raise click.UsageError("The fleet needs redis: pip install 'okx-rfq-plugin[fleet]'.")


@fleet.command("watch")
@_store_option
@destination_options
@accounts_options
@click.option(
    "--on-blind",
    type=click.Choice(("alarm", "cancel")),
    default="alarm",
    show_default=True,
    help="What a watcher does that sees no store: say so, or cancel for all that it watches.",
)
@click.option(
    "--blind-after",
    type=click.FloatRange(1.0),
    default=15.0,
    show_default=True,
    metavar="S",
    help="Seconds without the store after which it is blind.",
)
@click.option("--name", default="watcher", show_default=True, help="Of this watcher, for people.")
@_json_option
@click.pass_context
def watch(
    context: click.Context,
    store_url: str,
    destination: Destination | None,
    accounts: list[Account] | None,
    on_blind: str,
    blind_after: float,
    name: str,
    as_json: bool,
) -> None:
    """Cancel for every member whose lease lapses without a sign-off: at once, 2 s and 31 s later, until it is clean.

    Runs until SIGTERM or Ctrl+C. What --on-blind says is done when the store has not answered for --blind-after
    seconds.

    Exit codes: 0 nothing is owed; 2 wrong usage; 3 a member died whose account it has no key for, or OKX would not say
    whose a key is; 4 cancels are owed, or the store is gone.

    Example: okx-rfq fleet watch --store redis://127.0.0.1:6379/0 --accounts accounts.toml
    """
    from okx_rfq_plugin.fleet.watcher import WatcherRun, words_of
    from okx_rfq_plugin.fleet.watching import Watch

    def tell(event: Event) -> None:
        if as_json:
            member = None if event.member is None else vars(event.member)
            facts = {"account": event.account, "member": member, "words": words_of(event)}
            say_json({"event": event.kind, "at": _now(), **facts})
        else:
            say(f"{_now()} {words_of(event)}.", good=_GOOD.get(event.kind))

    with _store(store_url) as store, _exchanges(destination, accounts, deadline=10.0) as exchanges:
        watching = Watch(frozenset(exchanges), on_blind=on_blind, blind_after=blind_after)
        run = WatcherRun(store, exchanges, watching, tell, name=name, on_blind=on_blind)
        ended = threading.Event()
        with _ended_by_signals(ended):
            if as_json:
                say_json({"event": "watching", "at": _now(), "accounts": sorted(exchanges)})
            else:
                say(f"Watching {', '.join(sorted(exchanges))}.")
            code = run.run(ended)
    context.exit(code)


_GOOD = {"canceled": True, "finished": True, "failed": False, "lapsed": False, "uncovered": False, "blind": False}


@fleet.command("halt")
@_store_option
@destination_options
@accounts_options
@click.option("--reason", required=True, metavar="TEXT", help="Told to everyone who is refused.")
@_by_option
@click.option("--no-wait", is_flag=True, help="End after the cancel at 2 s, when it is not certain yet.")
@click.option(
    "--patience",
    type=click.FloatRange(0.0),
    default=15.0,
    show_default=True,
    metavar="S",
    help="Wait so long for members to obey.",
)
@_json_option
@click.pass_context
def halt(
    context: click.Context,
    store_url: str,
    destination: Destination | None,
    accounts: list[Account] | None,
    reason: str,
    by: str | None,
    no_wait: bool,
    patience: float,
    as_json: bool,
) -> None:
    """Have every member refuse to create, and cancel all RFQs.

    Cancels at once, when every member obeys or its lease has lapsed, 2 s after that and 31 s after that. Members that
    do not obey within --patience seconds are named.

    Exit codes: 0 all of it was clean; 2 wrong usage; 3 nothing was canceled; 4 not all of it was clean, a member did
    not obey, an account has no key here, or someone has resumed.

    Example: okx-rfq fleet halt --store redis://127.0.0.1:6379/0 --accounts accounts.toml --reason "risk limit"
    """
    from okx_rfq_plugin.fleet import clocks
    from okx_rfq_plugin.fleet.halt import HaltRun
    from okx_rfq_plugin.fleet.halting import Halting

    def tell(step: str, words: str, facts: dict[str, Any]) -> None:
        if as_json:
            say_json({"step": step, "at": _now(), "words": words, **facts})
        else:
            say(f"{_now()} {words}")

    with _store(store_url) as store, _exchanges(destination, accounts, deadline=10.0) as exchanges:
        halting = Halting(frozenset(exchanges), clocks.read(), wait=not no_wait, patience=patience)
        code = HaltRun(store, exchanges, halting, reason=reason, by=by or _me(), say=tell).run()
    if code == 0 and any(account.wrong for account in accounts or ()):
        code = MAY_BE_CANCELED  # one of them was not even asked
    context.exit(code)


@fleet.command("resume")
@_store_option
@click.option("--reason", default="resumed", show_default=True, metavar="TEXT", help="Kept with the latch, for people.")
@_by_option
@click.pass_context
def resume(context: click.Context, store_url: str, reason: str, by: str | None) -> None:
    """Let every member create again.

    Exit codes: 0 done; 1 the store did not do it; 2 wrong usage.

    Example: okx-rfq fleet resume --store redis://127.0.0.1:6379/0
    """
    from okx_rfq_plugin.fleet.store import StoreError

    with _store(store_url) as store:
        try:
            latch = store.set_latch(halted=False, reason=reason, by=by or _me(), floor=_floor(store))
        except StoreError as error:
            say(f"THE FLEET IS NOT RESUMED: {error}", good=False, err=True)
            context.exit(FAILED)
    say(f"The fleet is resumed, by {latch.by}. Members see it at once, or when they renew their lease.", good=True)


@fleet.command("status")
@_store_option
@click.option("--watch", "live", is_flag=True, help="Show it again each second, until Ctrl+C.")
@_json_option
@click.pass_context
def status(context: click.Context, store_url: str, live: bool, as_json: bool) -> None:
    """Show members, leases, the latch, watchers, and the last cancels.

    Exit codes: 0 shown; 1 the store cannot be asked; 2 wrong usage.

    Example: okx-rfq fleet status --store redis://127.0.0.1:6379/0
    """
    from okx_rfq_plugin.fleet.status import shown, status_of
    from okx_rfq_plugin.fleet.store import StoreError

    with _store(store_url) as store:
        try:
            if as_json:
                say_json(status_of(store))
            elif live and sys.stdout.isatty():
                _live(lambda: shown(status_of(store)))
            else:
                from rich.console import Console

                Console(highlight=False).print(shown(status_of(store)))
        except StoreError as error:
            say(f"The store cannot be asked: {error}", good=False, err=True)
            context.exit(FAILED)


@fleet.command("demo")
@click.pass_context
def demo(context: click.Context) -> None:
    """Show it on this machine, in under a minute: a real server, a sandbox, three strategies, one host that dies.

    Needs the extra: pip install 'okx-rfq-plugin[fleet-demo]'. OKX itself is not asked.

    Exit codes: 0 everything went as it is to go; 1 it did not; 2 the server is not installed.

    Example: okx-rfq fleet demo
    """
    from okx_rfq_plugin.fleet.demo import run
    from okx_rfq_plugin.fleet.server import ServerMissing

    try:
        context.exit(run(say))
    except ServerMissing as error:
        raise click.UsageError(f"{error}.") from None


@contextmanager
def _ended_by_signals(ended: threading.Event) -> Iterator[None]:
    before = {signum: signal.signal(signum, lambda *_: ended.set()) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _live(picture: Callable[[], Any]) -> None:
    from rich.live import Live

    with Live(picture(), auto_refresh=False) as shown:
        try:
            while True:
                time.sleep(1.0)
                shown.update(picture(), refresh=True)
        except KeyboardInterrupt:
            return


@contextmanager
def _store(url: str) -> Iterator[Store]:
    from okx_rfq_plugin.fleet.store import Store

    try:
        store = Store(url, timeout=_TIMEOUT)
    except ValueError as error:
        raise click.BadParameter(f"no URL of a store: {error}", param_hint="'--store'") from None
    try:
        yield store
    finally:
        store.close()


def _floor(store: Store) -> int:
    """Return the greatest latch version that a member has seen, so that a new latch exceeds it."""
    return max((beat.seen for beat in store.look().beats.values() if beat), default=0)


@contextmanager
def _exchanges(
    destination: Destination | None, accounts: Sequence[Account] | None, *, deadline: float
) -> Iterator[dict[str, Any]]:
    """Yield an exchange object for each account, by OKX's User ID.

    Raises:
        click.UsageError: if no account is given.
        SystemExit: if OKX does not say whose a key is; nothing could be canceled with it.
    """
    from okx_rfq_plugin import RetryPolicy, install
    from okx_rfq_plugin.fleet.accounts import account_of

    with ExitStack() as stack:
        if accounts is not None:
            for each in accounts:
                if each.wrong:
                    say(f"{each.name} is left out: {each.wrong}", good=False, err=True)
            made = [each.destination.exchange_for(each.credentials) for each in accounts if not each.wrong]
            if not made:
                raise click.UsageError("no account of the file is complete.")
        else:
            assert destination is not None  # noqa: S101 - destination_options ensures it
            if destination.env == "sandbox" and destination.url is None:
                raise click.UsageError("--env sandbox needs --url: the address of a sandbox that runs.")
            made = [destination.exchange_for(credentials_of())]
        exchanges: dict[str, Any] = {}
        for exchange in made:
            stack.callback(exchange.session.close)
            install(exchange, policy=RetryPolicy(deadline=deadline))
            try:
                exchanges[account_of(exchange)] = exchange
            except Exception as error:
                say(f"OKX will not say whose a key is: {error}", good=False, err=True)
                raise SystemExit(NOT_CANCELED) from None
        yield exchanges


def _me() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "someone"
    return f"{user}@{socket.gethostname()}"


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
