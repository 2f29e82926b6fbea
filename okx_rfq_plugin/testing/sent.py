"""A request as it is sent, and whether it was allowed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

WIRE = "X-Okx-Rfq-Wire"  # a header that names a request to the fixtures' sandbox, which takes it off again
_let_through: ContextVar[bool] = ContextVar("okx_rfq_let_through", default=False)


@dataclass(frozen=True)
class Sent:
    """A request as an HTTP library was given it."""

    method: str
    url: str
    body: bytes | None
    headers: Any = field(repr=False)
    timeout: float | None = None
    proxied: bool = False


@contextmanager
def let_through() -> Iterator[None]:
    """Inside of this a request was allowed, wherever it goes."""
    token = _let_through.set(True)
    try:
        yield
    finally:
        _let_through.reset(token)


def is_let_through() -> bool:
    """Return whether what is sent here was allowed."""
    return _let_through.get()
