"""Scrubs identifying values from requests and replies by rule, with one placeholder for each value."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, quote

from okx_rfq_plugin.testing.interactions import CassetteRequest, Failure, Reply

_KEPT_HEADERS = ("content-type",)
# Public values, although the names end like those of ids.
_PUBLIC = {"instid", "instfamilyid", "ccyid", "seqid", "prevseqid", "ruleid"}
_WORDS = frozenset(
    re.findall(
        r"\w+",
        "addr address apikey areacode counterparties counterparty email id ids ip ips key label mail memo mobile name "
        "nickname note passphrase password phone pwd remark secret sign signature subacct subaccount tag token trader "
        "tradercode tradername txhash uid user username",
    )
)
_ENDINGS = frozenset(re.findall(r"\w+", "id ids uid acct addr address email ip key label name phone secret token"))
_NOT_NAMES = {"code", "scode", "msgcode", "statuscode", "ccyname", "instidcode", "errorcode", "subcode"}
_TEXTS = (
    ("ip", re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])")),
    ("ip", re.compile(r"(?<![\w:])(?:[0-9a-fA-F]{1,4}:){3,7}[0-9a-fA-F]{1,4}(?![\w:])")),
    ("ip", re.compile(r"(?<![\w:])(?:[0-9a-fA-F]{1,4}:){1,6}:(?:[0-9a-fA-F]{1,4})?(?![\w:])")),
    ("email", re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+\w")),
    ("address", re.compile(r"\b0x[0-9a-fA-F]{40,64}\b")),
)
_SHORTEST = 4  # characters; shorter values are not searched for in other texts
_DIGITS = 1_000_000_000  # placeholders for numeric ids begin above this


class Scrubber:
    """Assigns one placeholder to each distinct value, for one cassette.

    Args:
        names: additional fields to scrub, besides those covered by the rule.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = {_normal(name) for name in names}
        self._placeholders: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def request(self, request: CassetteRequest) -> CassetteRequest:
        """Return the request, scrubbed."""
        query = "&".join(
            f"{quote(name, safe='')}={quote(self._text(name, value), safe=',-')}"
            for name, value in parse_qsl(request.query, keep_blank_values=True)
        )
        body = self._body(request.body.encode()).decode("utf-8", "replace")
        return CassetteRequest(method=request.method, path=request.path, query=query, body=body)

    def answer(self, answer: Reply | Failure) -> Reply | Failure:
        """Return the reply, scrubbed."""
        if isinstance(answer, Failure):
            return answer
        headers = {name: value for name, value in answer.headers.items() if name.lower() in _KEPT_HEADERS}
        return Reply(answer.status, answer.reason, headers, self._body(answer.body))

    def again(self, text: str) -> str:
        """Return the text with all values seen so far replaced."""
        for value in sorted(self._placeholders, key=len, reverse=True):
            if len(value) >= _SHORTEST and value in text:
                text = re.sub(rf"(?<![\w-]){re.escape(value)}(?![\w-])", self._placeholders[value], text)
        for kind, pattern in _TEXTS:
            text = pattern.sub(partial(self._found, kind), text)
        return text

    def _found(self, kind: str, found: re.Match[str]) -> str:
        return self._placeholder(kind, found[0])

    def names_something(self, name: str) -> bool:
        """Return whether a field of this name identifies an account, a person or an object."""
        normal = _normal(name)
        if normal in self._names:
            return True
        if normal in _PUBLIC or normal in _NOT_NAMES:
            return False
        return normal in _WORDS or _last_word(name) in _ENDINGS

    def _body(self, body: bytes) -> bytes:
        try:
            decoded = json.loads(body)
        except ValueError:
            try:
                return self.again(body.decode()).encode()
            except UnicodeDecodeError:
                return body
        if not isinstance(decoded, (dict, list)):
            return body
        return json.dumps(self._value("", decoded), separators=(",", ":"), ensure_ascii=False).encode()

    def _value(self, name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._value(key, item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._value(name, item) for item in value]
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, str):
            return self._text(name, value)
        if self.names_something(name):
            return self._text(name, str(value))
        return value

    def _text(self, name: str, value: str) -> str:
        if value and self.names_something(name):
            return ",".join(self._placeholder(name, part) if part else "" for part in value.split(","))
        return self.again(value)

    def _placeholder(self, name: str, value: str) -> str:
        known = self._placeholders.get(value)
        if known is None:
            if value.isdecimal() and len(value) > 1:
                kind, made = "", str(_DIGITS + self._count(""))
            else:
                kind = name
                made = f"{kind}-{self._count(kind)}"
            known = self._placeholders[value] = made
        return known

    def _count(self, kind: str) -> int:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return self._counts[kind]


def is_placeholder(value: object) -> bool:
    """Return whether a text looks like a scrubber's placeholder."""
    return isinstance(value, str) and bool(re.fullmatch(r"1000\d{6}|[A-Za-z_]+-\d+", value))


def _normal(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _last_word(name: str) -> str:
    # The name must have several words: `clOrdId` and `sub_account_id`, but not `bid`, `paid` or `zip`.
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)
    return words[-1].lower() if len(words) > 1 else ""
