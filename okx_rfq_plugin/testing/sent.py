"""A request as sent, and whether it was allowed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

WIRE = "X-Okx-Rfq-Wire"  # a header that identifies a request to the fixtures' sandbox, which removes it
_let_through: ContextVar[bool] = ContextVar("okx_rfq_let_through", default=False)


@dataclass(frozen=True)
class Sent:
    """A request as passed to an HTTP library."""

    method: str
    url: str
    body: bytes | None
    headers: Any = field(repr=False)
    timeout: float | None = None
    proxied: bool = False


@contextmanager
def let_through() -> Iterator[None]:
    """Context manager that allows requests to any address."""
    token = _let_through.set(True)
    try:
        yield
    finally:
        _let_through.reset(token)


def is_let_through() -> bool:
    """Return whether requests sent here are allowed."""
    return _let_through.get()
