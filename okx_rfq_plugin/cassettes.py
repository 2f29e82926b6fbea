"""This file knows where the cassettes are, what is kept in one and what is scrubbed, for recording and for replay."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
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
_FOLDERS = (Path(__file__).parent / "_cassettes", Path(__file__).parent.parent / "cassettes")
_KEPT_HEADERS = ("content-type",)
_IDS = {"rfqId", "clRfqId", "quoteId", "clQuoteId", "blockTdId", "traderCode", "counterparties", "uid", "mainUid", "ip"}
_SCRUBBED = "scrubbed"


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
    """Return what a cassette says of itself: `answered_by` ("sandbox" or "okx-demo"), `recorded`, `ccxt`."""
    head: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["head"]
    return head


def make_vcr(head: Mapping[str, Any] | None = None) -> VCR:
    """Return a VCR that replays cassettes, or with a head records them; what is secret never reaches the file.

    Requests match by method and path: OKX's signature and timestamp are headers, and the host is whoever was asked.
    """
    import vcr

    made = vcr.VCR(
        record_mode="none" if head is None else "all",
        match_on=("method", "path"),
        serializer="okx-rfq",
        before_record_request=_scrub_request,
        before_record_response=_scrub_response,
        decode_compressed_response=True,
    )
    made.register_serializer("okx-rfq", _Serializer(head or {}))
    return made


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
    request.uri = re.sub(r"^http://127\.0\.0\.1:\d+", "http://sandbox.invalid", request.uri)
    return request


def _scrub_response(response: dict[str, Any]) -> dict[str, Any]:
    headers = {name: value for name, value in response["headers"].items() if name.lower() in _KEPT_HEADERS}
    body = response["body"]["string"]
    with contextlib.suppress(ValueError):  # no JSON: a proxy's page, which holds no ids of OKX's
        body = json.dumps(_without_ids(json.loads(body)), separators=(",", ":")).encode()
    return {**response, "headers": headers, "body": {"string": body}}


def _without_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _SCRUBBED if key in _IDS else _without_ids(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_ids(item) for item in value]
    return value
