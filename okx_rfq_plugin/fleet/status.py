"""The state of the store, for people and machines."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from okx_rfq_plugin.fleet.store import Store


def status_of(store: Store) -> dict[str, Any]:
    """Return members with the seconds until their key expires, the latch, the watchers and the last cancels.

    Raises:
        StoreError: if the store cannot be read.
    """
    view = store.look()
    lifetimes = store.lifetimes(list(view.members))
    members = []
    for member_id, member in view.members.items():
        beat = view.beats[member_id]
        left = lifetimes[member_id] - (member.patience - member.lease)
        obeys = beat is not None and view.latch is not None and beat.seen == view.latch.version
        members.append({**asdict(member), "lease_left": max(0.0, round(left, 3)), "lapsed": left <= 0, "obeys": obeys})
    return {
        "halted": view.latch is not None and view.latch.halted,
        "latch": None if view.latch is None else asdict(view.latch),
        "members": members,
        "watchers": [asdict(watcher) for watcher in store.watchers()],
        "cancels": store.cancels(),
    }


def shown(status: dict[str, Any]) -> Any:
    """Return the status as a renderable for rich."""
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table

    latch = status["latch"]
    if status["halted"]:
        words = f"[bold red]HALTED[/] since {_at(latch['since'])} by {escape(latch['by'])}: {escape(latch['reason'])}"
    else:
        words = "[bold green]not halted[/]"
    members = Table("member", "host", "process", "account", "lease", "latch", title="Members", title_justify="left")
    for each in sorted(status["members"], key=lambda each: (each["account"], each["name"])):
        lease = "[red]lapsed[/]" if each["lapsed"] else f"{each['lease_left']:.1f} of {each['lease']:g} s"
        obeys = "" if not status["halted"] else "obeys" if each["obeys"] else "[red]not yet[/]"
        cells = (each["name"], each["host"], str(each["pid"]), each["account"])
        members.add_row(*map(escape, cells), lease, obeys)
    watchers = Table("watcher", "host", "process", "accounts", "blind", title="Watchers", title_justify="left")
    for each in status["watchers"]:
        accounts = ", ".join(each["accounts"])
        watchers.add_row(*map(escape, (each["name"], each["host"], str(each["pid"]), accounts, each["on_blind"])))
    cancels = Table("account", "ago", "status", "by", title="Last cancels", title_justify="left")
    for account, facts in sorted(status["cancels"].items()):
        ago = f"{max(0.0, time.time() - facts['at']):.0f} s"
        cancels.add_row(escape(account), ago, str(facts["status"]), escape(str(facts["by"])))
    return Group(words, members, watchers, cancels)


def _at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
