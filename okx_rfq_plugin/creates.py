"""This file keeps RFQs that were asked for before a cancel from being created after it."""

from __future__ import annotations

from collections import Counter
from contextvars import ContextVar
from typing import Any

from ccxt.base.errors import OperationRejected

from okx_rfq_plugin import members
from okx_rfq_plugin.account import key_of

CREATE = "rfq/create-rfq"

_cancels: Counter[bytes] = Counter()  # how often RFQs of an account were told to be canceled, in this process
_asked: ContextVar[tuple[bytes, int] | None] = ContextVar("okx_rfq_create_asked", default=None)


def note_cancel(key: bytes) -> None:
    """Refuse, from now on, the RFQs of the account of this `key_of` that still wait in ccxt's queue to be created."""
    _cancels[key] += 1


def create_members(owner: type, next_in_line: members.NextInLine) -> dict[str, Any]:
    """Make the members that note when a create was asked for, and refuse it if a cancel came while it waited."""

    def fetch2(self: Any, path: str, *args: Any, **kwargs: Any) -> Any:
        call = next_in_line(self, "fetch2")
        if path != CREATE:
            return call(path, *args, **kwargs)
        return (_create if self.synchronous else _create_async)(self, call, args, kwargs)

    # ccxt signs a request when it has come to the head of the queue.
    def sign(self: Any, path: str, *args: Any, **kwargs: Any) -> Any:
        asked = _asked.get()
        if path == CREATE and asked is not None and asked != (asked[0], _cancels[asked[0]]):
            raise OperationRejected(
                f"{self.id} {CREATE}: nothing was sent, for cancel_all_rfqs() was called while this waited in ccxt's"
                " queue. Create the RFQ again if you still want it."
            )
        return next_in_line(self, "sign")(path, *args, **kwargs)

    return {"fetch2": fetch2, "sign": sign}


def _now(exchange: Any) -> tuple[bytes, int]:
    key = key_of(exchange)
    return key, _cancels[key]


def _create(exchange: Any, call: Any, args: Any, kwargs: Any) -> Any:
    token = _asked.set(_now(exchange))
    try:
        return call(CREATE, *args, **kwargs)
    finally:
        _asked.reset(token)


async def _create_async(exchange: Any, call: Any, args: Any, kwargs: Any) -> Any:
    token = _asked.set(_now(exchange))
    try:
        return await call(CREATE, *args, **kwargs)
    finally:
        _asked.reset(token)
