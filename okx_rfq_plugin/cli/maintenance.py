"""Announced maintenance of block trading.

Source: okx.com/docs-v5/en/#status-get-status
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

BLOCK_TRADING = "6"  # OKX's serviceType
_GOING_ON = ("ongoing", "pre_open")
_ENVIRONMENTS = {"1": "live", "2": "demo"}  # OKX's `env`
_LONGEST = 120  # characters of a title


class Notice(NamedTuple):
    """One announcement: whether it has begun, and its text."""

    going_on: bool
    words: str


def status_request() -> dict[str, Any]:
    """Return the parameters of `public_get_system_status` for current and future maintenance."""
    return {"maxRetriesOnFailure": 0}


def notices(rows: Iterable[Any], env: str) -> list[Notice]:
    """Return the announcements for block trading in the rows of `system/status`, current ones first.

    Args:
        rows: as OKX returns them; anything else is skipped.
        env: the environment; a sandbox counts as demo trading.
    """
    found = []
    for row in rows:
        if not isinstance(row, Mapping) or row.get("serviceType") != BLOCK_TRADING:
            continue
        if _ENVIRONMENTS.get(str(row.get("env")), env) != (env if env == "live" else "demo"):
            continue
        going_on = row.get("state") in _GOING_ON
        until = f"until {_at(row.get('end'))}"
        when = until if going_on else f"from {_at(row.get('begin'))} {until}"
        title = "".join(each if each.isprintable() else " " for each in str(row.get("title") or ""))[:_LONGEST].strip()
        called = f' ("{title}")' if title else ""
        found.append(Notice(going_on, f"OKX has announced maintenance of block trading {when}{called}."))
    return sorted(found, key=lambda notice: not notice.going_on)


def notice_in(reply: Any, env: str) -> str | None:
    """Return the text of the first notice in a reply of `system/status`, or None."""
    rows = reply.get("data") if isinstance(reply, Mapping) else None
    found = notices(rows, env) if isinstance(rows, list) else []
    return found[0].words if found else None


def _at(milliseconds: Any) -> str:
    """Return a time of OKX's in this machine's time zone, with the date if it is not today."""
    if not str(milliseconds or "").isdigit():
        return "a time that it does not name"
    try:
        then, today = time.localtime(int(milliseconds) / 1000), time.localtime()
    except (OverflowError, OSError, ValueError):
        return "a time that it does not name"
    return time.strftime("%H:%M:%S" if then[:3] == today[:3] else "%Y-%m-%d %H:%M:%S", then)
