"""OKX replies built from the table of codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from .code_rows import ROWS, CodeRow

_BY_CODE: dict[str, list[CodeRow]] = {}
for _row in ROWS:
    _BY_CODE.setdefault(_row.code, []).append(_row)


@dataclass(frozen=True)
class Reply:
    """OKX's reply: an HTTP status and a body with `code` and `msg`, and `data` unless OKX's gateway refused."""

    status: int
    body: dict[str, Any]


class Refused(Exception):
    """A request refused with one of OKX's codes. `values` fill the placeholders in the code's text."""

    def __init__(self, code: str, **values: str) -> None:
        super().__init__(code)
        self.code = code
        self.reply = reply(code, values=values)
        self.text = str(self.reply.body["msg"])

    def in_a_row(self) -> Reply:
        """Return the same refusal as a row of a reply with code 1."""
        return refusal_in_a_row(self.code, self.text)


def refusal_in_a_row(code: str, text: str) -> Reply:
    """Return a reply with code 1 and one row that refuses."""
    return reply("1", [{"sCode": code, "sMsg": text}])


def reply(
    code: str = "0",
    data: Sequence[Any] = (),
    *,
    status: int | None = None,
    values: Mapping[str, str] = MappingProxyType({}),
) -> Reply:
    """Return OKX's reply for a code, with the HTTP status, text and form that the table has.

    Args:
        code: OKX's code. One missing from the table gets HTTP 200 and a text that says so.
        data: the rows. A refusal by the gateway has none.
        status: an HTTP status that overrides the table's.
        values: the placeholders' values, such as `param0`. A placeholder without a value stays as OKX prints it.
    """
    usual, text = _look_up(code, status)
    text = text.format_map(_Places(values))
    body = {"msg": text, "code": code} if is_of_gateway(code) else {"code": code, "data": list(data), "msg": text}
    return Reply(usual if status is None else status, body)


def is_of_gateway(code: str) -> bool:
    """Return whether the code is one by which OKX's gateway refuses a request before block trading sees it."""
    return code == "50011" or (len(code) == 5 and code.startswith("501"))


class _Places(dict[str, str]):
    def __missing__(self, place: str) -> str:
        return f"{{{place}}}"


def _look_up(code: str, status: int | None) -> tuple[int, str]:
    rows = _BY_CODE.get(code)
    if rows is None:
        return 200, f"Code {code} is listed nowhere in the sandbox."
    published = [row for row in rows if status is not None and row.status == status]
    chosen = [row for row in rows if row.followed]
    return _first([*chosen, *rows], "status"), _first([*published, *chosen, *rows], "text")


def _first(rows: Sequence[CodeRow], field: str) -> Any:
    return next(value for row in rows if (value := getattr(row, field)) is not None)
