"""Reading cassettes, with errors that name the line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import yaml

from okx_rfq_plugin.testing.interactions import CassetteRequest, Failure, Interaction, Reply

HOST = "http://sandbox.invalid"  # any host; a replay compares only the path
VERSION = 1  # of vcrpy's format
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FAILURES = {failure.value: failure for failure in Failure}


class CassetteError(ValueError):
    """A file is not a valid cassette. The message names the file, the line, and the error."""


@dataclass(frozen=True)
class Cassette:
    """The content of a cassette file. `head` is empty if another tool wrote it."""

    path: Path
    head: Mapping[str, Any]
    interactions: Sequence[Interaction]

    @property
    def age(self) -> int | None:
        """Days since it was recorded, or None if the head does not say."""
        recorded = self.head.get("recorded")
        return None if recorded is None else (datetime.now(timezone.utc).date() - _day(recorded)).days

    @property
    def described(self) -> str:
        """When it was recorded, and what answered."""
        return (
            f"recorded {self.head.get('recorded', 'on a day unknown')} from {self.head.get('answered_by', 'unknown')}"
        )


def read(path: Path) -> Cassette:
    """Read a cassette.

    Raises:
        CassetteError: if the file cannot be read or is not a cassette.
    """
    return _Reader(path).read()


class _Reader:
    """Reads one file, and keeps the line of each value."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: dict[int, int] = {}  # by id of the parsed object
        self._kept: list[Any] = []  # keeps parsed objects alive, so that no id is reused

    def read(self) -> Cassette:
        try:
            top = self._build(self._parse())
        except RecursionError:
            self._fail(None, "it is nested too deeply")
        if not isinstance(top, dict):
            self._fail(1, f"a cassette is a mapping with `interactions`, not {_kind(top)}")
        version = top.get("version", VERSION)
        if version != VERSION or isinstance(version, bool):
            self._fail(self._line(top, "version"), f"version {version!r} is not known: it is {VERSION}")
        head = top.get("head") or {}
        if not isinstance(head, dict):
            self._fail(self._line(top, "head"), f"`head` is a mapping, not {_kind(head)}")
        if "recorded" in head:
            try:
                _day(head["recorded"])
            except (TypeError, ValueError):
                self._fail(self._line(head, "recorded"), f"`recorded` is a date, not {head['recorded']!r}")
        if "interactions" not in top:
            self._fail(1, "there are no `interactions`")
        rows = top["interactions"]
        if rows is None:
            rows = []
        if not isinstance(rows, list):
            self._fail(self._line(top, "interactions"), f"`interactions` is a list, not {_kind(rows)}")
        interactions = [self._interaction(row, self._line(rows, number)) for number, row in enumerate(rows)]
        return Cassette(self._path, head, interactions)

    def _parse(self) -> Any:
        try:
            data = self._path.read_bytes()
        except IsADirectoryError:
            self._fail(None, "it is a folder, and no cassette")
        except OSError as error:
            self._fail(None, f"it cannot be read: {error.strerror or error}")
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data[: error.start].count(b"\n") + 1
            self._fail(line, f"it is not in UTF-8 (byte 0x{data[error.start]:02x})")
        if not text.strip():
            self._fail(1, "it is empty")
        try:
            node = yaml.compose(text, Loader=_Loader)
        except yaml.YAMLError as error:
            mark, position = getattr(error, "problem_mark", None), getattr(error, "position", None)
            words = getattr(error, "problem", None) or str(error).partition("\n")[0]
            # An error with only a position is about a character that YAML does not allow.
            line = mark.line if mark else text.count("\n", 0, position or 0)
            self._fail(line + 1, f"it is no YAML: {words}")
        if node is None:
            self._fail(1, "it is empty")
        return node

    def _build(self, node: Any, within: tuple[Any, ...] = ()) -> Any:
        line = node.start_mark.line + 1
        if any(node is other for other in within):
            self._fail(line, "it contains itself")
        if isinstance(node, yaml.ScalarNode):
            try:
                return yaml.SafeLoader("").construct_object(node)
            except (
                yaml.YAMLError,
                ValueError,
                TypeError,
                AttributeError,
                OverflowError,
            ) as error:  # from PyYAML
                self._fail(line, f"{node.value[:40]!r} cannot be read: {getattr(error, 'problem', None) or error}")
        built: Any
        if isinstance(node, yaml.SequenceNode):
            built = []
            for number, item in enumerate(node.value):
                built.append(self._build(item, (*within, node)))
                self._lines[id(built), number] = item.start_mark.line + 1  # type: ignore[index]
        else:
            built = {}
            for key, value in node.value:
                name = self._build(key, (*within, node))
                if not isinstance(name, str):
                    self._fail(key.start_mark.line + 1, f"a key is a text, not {name!r}")
                if name in built:
                    self._fail(key.start_mark.line + 1, f"`{name}` is there twice")
                built[name] = self._build(value, (*within, node))
                self._lines[id(built), name] = key.start_mark.line + 1  # type: ignore[index]
        self._kept.append(built)
        return built

    def _line(self, built: Any, name: object) -> int | None:
        return self._lines.get((id(built), name))  # type: ignore[call-overload, no-any-return]

    def _fail(self, line: int | None, words: str) -> NoReturn:
        where = f"{self._path}:{line}" if line else str(self._path)
        raise CassetteError(f"{where}: {words}") from None

    def _interaction(self, row: Any, line: int | None) -> Interaction:
        if not isinstance(row, dict):
            self._fail(line, f"an interaction is a mapping with `request` and `response`, not {_kind(row)}")
        for name in ("request", "response"):
            if not isinstance(row.get(name), dict):
                self._fail(
                    self._line(row, name) or line,
                    f"an interaction has a mapping `{name}`"
                    + (f", not {_kind(row[name])}" if name in row else ", which is missing here"),
                )
        return Interaction(request=self._request(row["request"], line), answer=self._answer(row), line=line or 0)

    def _request(self, row: dict[str, Any], line: int | None) -> CassetteRequest:
        method = self._text(row, "method", line)
        parts = self._uri(row, line)
        body = row.get("body")
        if isinstance(body, dict):  # as vcrpy writes it for some clients
            body = self._string(body, self._line(row, "body"))
        if isinstance(body, bytes):
            body = body.decode("utf-8", "replace")
        if not isinstance(body, (str, type(None))):
            self._fail(self._line(row, "body"), f"a request's `body` is a text or null, not {_kind(body)}")
        if not isinstance(row.get("headers"), (dict, type(None))):
            self._fail(self._line(row, "headers"), f"`headers` is a mapping, not {_kind(row['headers'])}")
        return CassetteRequest(method=method.upper(), path=parts.path, query=parts.query, body=body or "")

    def _uri(self, row: dict[str, Any], line: int | None) -> Any:
        uri = self._text(row, "uri", line)
        try:
            parts = urlsplit(uri)
        except ValueError as error:
            self._fail(self._line(row, "uri"), f"`uri` {uri!r} is no address: {error}")
        if not parts.path.startswith("/"):
            self._fail(self._line(row, "uri"), f"`uri` {uri!r} is no address: it looks like {HOST}/api/v5/public/time")
        return parts

    def _answer(self, row: dict[str, Any]) -> Reply | Failure:
        response, line = row["response"], self._line(row, "response")
        if "failure" in response:
            failure = _FAILURES.get(response["failure"]) if isinstance(response["failure"], str) else None
            if failure is None:
                known = ", ".join(map(repr, _FAILURES))
                at = self._line(response, "failure")
                self._fail(at, f"`failure` is one of {known}, not {response['failure']!r}")
            return failure
        status = response.get("status")
        if not isinstance(status, dict):
            self._fail(self._line(response, "status") or line, "a response has a mapping `status` with `code`")
        code = status.get("code")
        if not isinstance(code, int) or isinstance(code, bool) or not 100 <= code <= 599:
            self._fail(
                self._line(status, "code") or self._line(response, "status"), f"`code` is an HTTP status, not {code!r}"
            )
        message = status.get("message")
        if not isinstance(message, (str, type(None))):
            self._fail(self._line(status, "message"), f"`message` is a text, not {_kind(message)}")
        return Reply(code, message or "", self._headers(response, line), self._body(response, line))

    def _headers(self, response: dict[str, Any], line: int | None) -> dict[str, str]:
        headers = response.get("headers") or {}
        if not isinstance(headers, dict):
            self._fail(self._line(response, "headers"), f"`headers` is a mapping, not {_kind(headers)}")
        kept = {}
        for name, value in headers.items():
            values = value if isinstance(value, list) else [value]
            if not values or not all(isinstance(each, str) for each in values):
                self._fail(self._line(headers, name), f"the header {name} is a text or a list of texts")
            # The body is stored as read: complete and unpacked.
            if name.lower() not in ("content-encoding", "content-length", "transfer-encoding"):
                kept[name] = ", ".join(values)
        return kept

    def _body(self, response: dict[str, Any], line: int | None) -> bytes:
        body = response.get("body")
        if isinstance(body, dict):
            body, at = self._string(body, self._line(response, "body")), self._line(body, "string")
        else:
            at = self._line(response, "body")
        if not isinstance(body, (str, bytes, type(None))):
            self._fail(at or line, f"a response's body is a text, not {_kind(body)}")
        return body.encode() if isinstance(body, str) else body or b""

    def _string(self, body: dict[str, Any], line: int | None) -> Any:
        if body and "string" not in body:
            self._fail(line, "a `body` that is a mapping has its text under `string`")
        return body.get("string")

    def _text(self, row: dict[str, Any], name: str, line: int | None) -> str:
        value = row.get(name)
        if not isinstance(value, str) or not value:
            self._fail(
                self._line(row, name) or line,
                f"a request has a `{name}`, a text"
                + (f", not {value!r}" if name in row else ", which is missing here"),
            )
        return value


def _day(recorded: Any) -> date:
    if isinstance(recorded, datetime):
        return recorded.date()
    return recorded if isinstance(recorded, date) else date.fromisoformat(recorded)


def _kind(value: object) -> str:
    names = {dict: "a mapping", list: "a list", str: "a text", type(None): "nothing", bool: "a truth value"}
    return names.get(type(value), f"{value!r}")
