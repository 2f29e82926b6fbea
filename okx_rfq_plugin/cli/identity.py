"""Which account an outcome is about, and which RFQs were canceled. Read after the cancel, which never waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from okx_rfq_plugin.cli.clock import the_clock
from okx_rfq_plugin.cli.destinations import Destination, address_of

_ASIDE = 1.0  # seconds for each optional piece of information
_PAGE = 100  # rows that OKX lists at most
_NO_RETRY = {"maxRetriesOnFailure": 0}


def identity_of(destination: Destination, exchange: Any) -> dict[str, Any]:
    """Return what is known without a request: environment, host, last characters of the key."""
    from okx_rfq_plugin._core.records import ExchangeSnapshot

    return {
        "environment": destination.env,
        "host": urlsplit(address_of(exchange)).netloc,
        "uid": None,
        "key": ExchangeSnapshot.of(exchange).key,
    }


def config_request() -> dict[str, Any]:
    """Return the parameters of `private_get_account_config`."""
    return dict(_NO_RETRY)


def uid_in(reply: Any) -> str | None:
    """Return the User ID in a reply of account/config, or None if there is none."""
    rows = reply.get("data") if isinstance(reply, dict) else None
    row = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}
    uid = row.get("uid")
    return uid if isinstance(uid, str) and uid else None


def read_uid(exchange: Any) -> str | None:
    """Ask for the User ID; return None if OKX does not answer within a second."""
    exchange.timeout, exchange.enableRateLimit = int(_ASIDE * 1000), False
    with suppress(Exception):
        return uid_in(exchange.private_get_account_config(config_request()))
    return None


def needs_list(receipt: Mapping[str, Any]) -> bool:
    """Return whether OKX's list can show which RFQs a cancel ended: if it confirmed, and found some."""
    found = receipt["status"] == "canceled" or receipt["attempts"] > 1
    return bool(receipt.get("confirmed")) and found and receipt["status"] != "failed"


def until_list(exchange: Any) -> float:
    """Return the seconds until OKX accepts another list: two per two seconds, both used by a cancel that confirms."""
    from okx_rfq_plugin._core.endpoints import RFQS
    from okx_rfq_plugin._core.identity import key_of
    from okx_rfq_plugin._core.rate_limit import RateLimiter

    clock = the_clock()
    now: float = clock.now()
    return max(0.0, RateLimiter.of(clock, RFQS, key_of(exchange)).available_at(now) - now)


def list_request() -> dict[str, Any]:
    """Return the parameters of `private_get_rfq_rfqs` for canceled RFQs, newest first."""
    return {"state": "canceled", "limit": str(_PAGE), **_NO_RETRY}


def canceled_in(reply: Any, receipt: Mapping[str, Any], now: int) -> list[str]:
    """Return the ids of the account's own RFQs canceled during the cancel.

    Args:
        reply: of `rfq/rfqs`.
        receipt: of the cancel.
        now: milliseconds by OKX's clock.
    """
    since = (receipt.get("timestamp") or now) - receipt["elapsed"] * 1000 - 1
    return [
        row["rfqId"]
        for row in reply["data"]
        if row.get("state") == "canceled" and not row.get("flowType") and int(row.get("uTime") or 0) >= since
    ]
