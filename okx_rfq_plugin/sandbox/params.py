"""Parsing of a request's JSON or query parameters. Values that OKX's tables do not allow are refused.

Source: the request tables under okx.com/docs-v5/en/#block-trading-rest-api, and 50014, 51000 in #error-code-rest-api.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any, NoReturn

from .codes import Refused

Params = Mapping[str, Any]
LONGEST = 128  # characters of any one value; the docs give a number for clients' ids and tags only

_WHOLE = re.compile(r"[0-9]{1,20}")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_FLAGS: dict[str | bool | None, bool] = {
    **dict.fromkeys((None, "", False, "false", "False"), False),
    **dict.fromkeys((True, "true", "True"), True),
}


def read_json(body: bytes, kind: type[dict[str, Any]] | type[list[Any]] = dict) -> Any:
    """Decode a POST body that must be an object or an array."""
    try:
        params = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refused("50002") from None
    if not isinstance(params, kind):
        raise Refused("50002")
    return params


def text(params: Params, name: str, allowed: Collection[str] = ()) -> str:
    """Return a string, "" if it is missing. With `allowed`, it must be one of those."""
    value = params.get(name)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value)  # the docs say String and nothing about bare numbers, which are read as strings here
    if value is None or value == "":
        return ""
    if not isinstance(value, str) or len(value) > LONGEST or (allowed and value not in allowed):
        bad(name)
    return value


def required(params: Params, name: str, allowed: Collection[str] = ()) -> str:
    """Return a required string."""
    value = text(params, name, allowed)
    if not value:
        raise Refused("50014", param0=name)
    return value


def identifier(params: Params, name: str, longest: int) -> str:
    """Return a client's own id: letters and digits, up to the given length."""
    value = text(params, name)
    if len(value) > longest or not (value.isascii() and (value.isalnum() or not value)):
        bad(name)
    return value


def number(value: str, name: str) -> str:
    """Return the string if it is a number above zero."""
    if not _NUMBER.fullmatch(value) or not value.strip("0."):
        bad(name)
    return value


def whole(params: Params, name: str, allowed: range, default: int) -> int:
    """Return a whole number, or the default if it is missing."""
    value = text(params, name)
    if not value:
        return default
    if not _WHOLE.fullmatch(value) or int(value) not in allowed:
        bad(name)
    return int(value)


def flag(params: Params, name: str) -> bool:
    """Return a boolean, False if it is missing. The words that python-okx and okx-sdk send are accepted too."""
    value = params.get(name)
    if not isinstance(value, (str, bool, type(None))) or value not in _FLAGS:
        bad(name)
    return _FLAGS[value]


def texts(params: Params, name: str) -> list[str]:
    """Return a list of strings, empty if it is missing."""
    values = rows(params, name)
    return [required({name: value}, name) for value in values]


def rows(params: Params, name: str) -> list[Any]:
    """Return a list of anything, empty if it is missing. One client, okxv5, sends "" for an empty list."""
    values = params.get(name)
    if values is None or values == "":
        return []
    if not isinstance(values, list):
        bad(name)
    return values


def bad(name: str) -> NoReturn:
    """Refuse a parameter because of its value."""
    raise Refused("51000", param0=name)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
