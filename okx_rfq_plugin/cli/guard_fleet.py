"""The fleet that a guarded command joins: its environment, and a check of the store beforehand."""

from __future__ import annotations

import time
from importlib.util import find_spec

import click

from okx_rfq_plugin.autoinstall import VARIABLE as AUTOINSTALL
from okx_rfq_plugin.cli.network import without_password

_PATIENCE = 1.0  # seconds for the store to answer


def environment_for(url: str) -> dict[str, str]:
    """Return the environment with which a command, and whatever it starts, joins the fleet of this store.

    In it, Python installs the package on ccxt's classes, unless `OKX_RFQ_AUTOINSTALL` says otherwise, so even a
    strategy that does not use the package is fenced.

    Raises:
        click.UsageError: if redis is not installed, or the URL is not that of a store.
    """
    if find_spec("redis") is None:
        raise click.UsageError("--fleet needs redis: pip install 'okx-rfq-plugin[cli,fleet]'.")
    from okx_rfq_plugin.fleet import guarded_environment
    from okx_rfq_plugin.fleet.store import Store

    try:
        Store(url, timeout=_PATIENCE).close()
    except ValueError as error:
        raise click.UsageError(f"--fleet is the URL of a store, such as rediss://host:6379/0: {error}.") from None
    return {AUTOINSTALL: "1", **guarded_environment(url)}


def state_of(url: str) -> str:
    """Return a sentence about the state of the fleet. Errors do not prevent the command from starting."""
    from okx_rfq_plugin.fleet.store import Store, StoreError

    store = Store(url, timeout=_PATIENCE)
    shown = without_password(url)
    try:
        view = store.look()
    except StoreError:
        return f"The fleet's store {shown} does not answer. The command can create no RFQ until it does."
    finally:
        store.close()
    if view.latch is not None and view.latch.halted:
        since = time.strftime("%H:%M:%S", time.localtime(view.latch.since))
        halted = f"by {view.latch.by} since {since}: {view.latch.reason.rstrip('.')}"
        return f"The fleet on {shown} is HALTED {halted}. The command can create no RFQ until it is resumed."
    others = len(view.members)
    return f"The command joins the fleet on {shown}, which has {others or 'no'} other member{'s' * (others != 1)} now."
