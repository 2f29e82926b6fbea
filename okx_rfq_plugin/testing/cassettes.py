"""This file knows where the cassettes are, what is kept in one and what is scrubbed, for recording and for replay."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from vcr import VCR

NAMES = (
    "canceled",
    "nothing-active",
    "rate-limited-then-canceled",
    "unavailable-then-canceled",
    "clock-skew-then-canceled",
    "unreadable-then-nothing-active",
    "rejected-signature",
    "rejected-permission",
)

# In the wheel, and in a checkout.
_FOLDERS = (Path(__file__).parents[1] / "_cassettes", Path(__file__).parents[2] / "cassettes")
_KEPT_HEADERS = ("content-type",)
_IDS = {"rfqId", "clRfqId", "quoteId", "clQuoteId", "blockTdId", "traderCode", "counterparties", "uid", "mainUid", "ip"}
_SCRUBBED = "scrubbed"
_ID_IN_QUERY = re.compile(rf"(?<=[?&])((?:{'|'.join(sorted(_IDS))})=)[^&]*")
_SANDBOX = "http://sandbox.invalid"  # whichever port it had
_OKX = re.compile(r"https://([\w-]+\.)*okx\.com(:\d+)?/")


def find(name: str) -> Path:
    """Return the path of a cassette that comes with this package.

    Raises:
        LookupError: there is none of that name; the message lists those that there are.
    """
    for folder in _FOLDERS:
        path = folder / f"{name}.yaml"
        if name in NAMES and path.is_file():
            return path
    raise LookupError(f"okx_rfq_plugin has no cassette {name!r}; it has: {', '.join(NAMES)}")


def read_head(path: Path) -> dict[str, Any]:
    """Return what a cassette says of itself: `answered_by` ("sandbox" or "okx-demo"), `recorded`, `ccxt`.

    It is empty where another tool has made the file.
    """
    head: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")).get("head", {})
    return head


def age(path: Path) -> int | None:
    """Return how many days ago a cassette was recorded; None where its head does not say."""
    recorded = read_head(path).get("recorded")
    return None if recorded is None else (datetime.now(timezone.utc).date() - date.fromisoformat(recorded)).days


def make_vcr(head: Mapping[str, Any] | None = None, *, api: str | None = None) -> VCR:
    """Return a VCR that replays cassettes, or with a head records them; what is secret never reaches the file.

    Requests match by method and path: OKX's signature and timestamp are headers, and the host is whoever was asked.
    Requests to other hosts than OKX's pass by.

    Args:
        head: what the cassettes that are recorded say of themselves.
        api: the address to record, such as a sandbox's; OKX's by default.
    """
    import vcr

    def before_record_request(request: Any) -> Any:
        return _scrub_request(request) if is_kept(request.uri, api) else None

    made = vcr.VCR(
        record_mode="none" if head is None else "all",
        match_on=("method", "path"),
        serializer="okx-rfq",
        before_record_request=before_record_request,
        before_record_response=_scrub_response,
        decode_compressed_response=True,
    )
    made.register_serializer("okx-rfq", _Serializer(head or {}))
    return made


def is_kept(uri: str, api: str | None = None) -> bool:
    """Say whether a request to this address is for the cassette: one to `api`, which is OKX by default."""
    return uri.startswith(f"{_SANDBOX}/") or bool(_OKX.match(uri) if api is None else uri.startswith(f"{api}/"))


def watch(cassette: Any, check: Callable[[Any, bool], None]) -> None:
    """Have `check` called before each request, with the request and whether the cassette has a reply to play.

    What it raises goes to whoever asked, and the request is not sent. What vcrpy itself raises for a miss names no
    path, and nobody hears of it where it is swallowed.
    """
    can_play = cassette.can_play_response_for  # vcrpy asks this, once or twice, whichever library sends

    def checked(request: Any) -> bool:
        __tracebackhide__ = True  # in a pytest report, which is to end where the request was made
        playable = bool(can_play(request))
        check(request, playable)
        return playable

    cassette.can_play_response_for = checked


class _Serializer:
    """YAML with a head before the interactions."""

    def __init__(self, head: Mapping[str, Any]) -> None:
        self._head = dict(head)

    def serialize(self, cassette: dict[str, Any]) -> str:
        return yaml.safe_dump({"head": self._head, **cassette}, sort_keys=False, allow_unicode=True)

    def deserialize(self, text: str) -> Any:
        return yaml.safe_load(text)


def _scrub_request(request: Any) -> Any:
    request.headers = {}
    request.uri = re.sub(r"^http://127\.0\.0\.1:\d+", _SANDBOX, request.uri)
    request.uri = _ID_IN_QUERY.sub(rf"\1{_SCRUBBED}", request.uri)
    request.body = _scrub_body(request.body) if request.body else request.body
    return request


def _scrub_response(response: dict[str, Any]) -> dict[str, Any]:
    headers = {name: value for name, value in response["headers"].items() if name.lower() in _KEPT_HEADERS}
    return {**response, "headers": headers, "body": {"string": _scrub_body(response["body"]["string"])}}


def _scrub_body(body: bytes) -> bytes:
    with contextlib.suppress(ValueError):  # no JSON: a proxy's page, which holds no ids of OKX's
        body = json.dumps(_without_ids(json.loads(body)), separators=(",", ":")).encode()
    return body


def _without_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _SCRUBBED if key in _IDS else _without_ids(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_ids(item) for item in value]
    return value
