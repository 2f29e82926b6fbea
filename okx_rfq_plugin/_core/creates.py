"""This file keeps RFQs and quotes that were asked for before a cancel from being created after it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from ccxt.base.errors import OperationRejected

from okx_rfq_plugin._core import members
from okx_rfq_plugin._core.account import key_of
from okx_rfq_plugin._core.endpoints import CANCEL_ALL_QUOTES, CANCEL_ALL_RFQS, Endpoint
from okx_rfq_plugin.plugins import get_plugin_manager

_CANCEL_OF = {CANCEL_ALL_RFQS.create: "cancel_all_rfqs", CANCEL_ALL_QUOTES.create: "cancel_all_quotes"}

_cancels: dict[tuple[bytes, str], object] = {}  # what stands for the last cancel of what an account creates
_asked: ContextVar[tuple[tuple[bytes, str], object] | None] = ContextVar("okx_rfq_create_asked", default=None)


def note_cancel(key: bytes, endpoint: Endpoint) -> None:
    """Refuse, from now on, what the account of this `key_of` has asked to create and still waits in ccxt's queue."""
    if endpoint.create is not None:
        _cancels[key, endpoint.create] = object()


def create_members(owner: type, next_in_line: members.NextInLine) -> dict[str, Any]:
    """Make the members that note when a create was asked for, and refuse it if a cancel came while it waited."""

    def fetch2(self: Any, path: str, *args: Any, **kwargs: Any) -> Any:
        call = next_in_line(self, "fetch2")
        if path not in _CANCEL_OF:
            return call(path, *args, **kwargs)
        return (_create if self.synchronous else _create_async)(self, call, path, args, kwargs)

    # ccxt signs a request when it has come to the head of the queue.
    def sign(self: Any, path: str, *args: Any, **kwargs: Any) -> Any:
        asked = _asked.get()
        if asked is not None and path == asked[0][1] and asked[1] is not _cancels.get(asked[0]):
            raise OperationRejected(
                f"{self.id} {path}: nothing was sent, for {_CANCEL_OF[path]}() was called while this waited in ccxt's"
                " queue. Create it again if you still want it."
            )
        signed = next_in_line(self, "sign")(path, *args, **kwargs)
        if path in _CANCEL_OF:
            # After the signature has its timestamp: a process that is stopped in between signs nothing fresh.
            params = args[2] if len(args) > 2 else kwargs.get("params", {})
            get_plugin_manager().hook.rfq_creating(exchange=self, path=path, params=params)
        return signed

    return {"fetch2": fetch2, "sign": sign}


def _now(exchange: Any, path: str) -> tuple[tuple[bytes, str], object]:
    key = key_of(exchange), path
    return key, _cancels.get(key)


def _create(exchange: Any, call: Any, path: str, args: Any, kwargs: Any) -> Any:
    token = _asked.set(_now(exchange, path))
    try:
        return call(path, *args, **kwargs)
    finally:
        _asked.reset(token)


async def _create_async(exchange: Any, call: Any, path: str, args: Any, kwargs: Any) -> Any:
    token = _asked.set(_now(exchange, path))
    try:
        return await call(path, *args, **kwargs)
    finally:
        _asked.reset(token)
