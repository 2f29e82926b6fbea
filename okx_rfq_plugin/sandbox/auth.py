"""Request authentication: headers, timestamp, key, signature, and permission.

Source: okx.com/docs-v5/en/#overview-rest-authentication and #overview-demo-trading-services
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone

from .codes import Refused
from .request import Arrival

CLOCK_WINDOW = 30.0  # seconds that a timestamp may differ from the clock, in either direction
PERMISSIONS = ("read_only", "withdraw", "trade")  # in the order of OKX's own example

# OKX's examples have milliseconds. Clients that trim zeros or send none are accepted too, since the docs name no exact
# form beyond ISO 8601 in UTC.
_TIMESTAMP = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?Z")
_KEY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_NEEDED = (
    ("OK-ACCESS-KEY", "50103"),
    ("OK-ACCESS-PASSPHRASE", "50104"),
    ("OK-ACCESS-SIGN", "50106"),
    ("OK-ACCESS-TIMESTAMP", "50107"),
)


@dataclass(frozen=True, kw_only=True)
class Key:
    """One API key of a User ID, in one environment: demo trading or live."""

    api_key: str
    secret: str = field(repr=False)
    passphrase: str = field(repr=False)
    user_id: str
    demo: bool
    permissions: frozenset[str]
    ip_allowed: bool

    @property
    def account(self) -> tuple[str, bool]:
        """The User ID and environment whose books and limits apply. Demo and live trading are separate."""
        return self.user_id, self.demo


def authenticate(arrival: Arrival, keys: Mapping[str, Key], now: float, *, trading: bool) -> Key:
    """Return the key that signed the request.

    The docs name a code for each mistake, but not which one is reported first. The sandbox checks: an empty header
    (50103, 50104, 50106, 50107), the timestamp's form (50112) and age (50102), an unknown key (50119 if it has the form
    of OKX's keys, else 50111), the environment (50101), the passphrase (50105), the signature (50113), the IP (50110),
    and the permission (50120). OKX was seen to look up the key before its IP list; the rest of the order was not seen.

    Args:
        now: Unix seconds.
        trading: whether the endpoint requires the permission Trade. Any key may read.

    Raises:
        Refused: with the code of the first mistake.

    Source: okx.com/docs-v5/en/#error-code-rest-api
    """
    for name, code in _NEEDED:
        if not arrival.headers.get(name):
            raise Refused(code)
    timestamp = arrival.headers["OK-ACCESS-TIMESTAMP"]
    if abs(now - _seconds(timestamp)) > CLOCK_WINDOW:
        raise Refused("50102")
    key = keys.get(arrival.headers["OK-ACCESS-KEY"])
    if key is None:
        raise Refused("50119" if _KEY.fullmatch(arrival.headers["OK-ACCESS-KEY"]) else "50111")
    if key.demo != (arrival.headers.get("x-simulated-trading") == "1"):
        raise Refused("50101")
    if not _same(key.passphrase, arrival.headers["OK-ACCESS-PASSPHRASE"]):
        raise Refused("50105")
    if not _same(sign(key.secret, timestamp, arrival), arrival.headers["OK-ACCESS-SIGN"]):
        raise Refused("50113")
    if not key.ip_allowed:
        raise Refused("50110", param0=arrival.ip)
    if trading and "trade" not in key.permissions:
        raise Refused("50120")
    return key


def sign(secret: str, timestamp: str, arrival: Arrival) -> str:
    """Return the signature of a request, computed from the bytes as they arrived."""
    message = (timestamp + arrival.method + arrival.target).encode("utf-8", "surrogateescape") + arrival.body
    return base64.b64encode(hmac.new(secret.encode(), message, "sha256").digest()).decode()


def _seconds(timestamp: str) -> float:
    form = _TIMESTAMP.fullmatch(timestamp)
    if form is None:
        raise Refused("50112")
    try:
        whole = datetime.strptime(form[1], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    except ValueError:  # such as month 13
        raise Refused("50112") from None
    return whole.timestamp() + float(form[2] or 0)


def _same(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogateescape"))
