"""Creates: refuses RFQs and quotes that were requested before a cancel and would be sent after it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextvars import ContextVar
from operator import itemgetter
from typing import Any

from ccxt.base.errors import OperationRejected

from okx_rfq_plugin._core import members
from okx_rfq_plugin._core.endpoints import CANCEL_ALL_QUOTES, CANCEL_ALL_RFQS, Endpoint
from okx_rfq_plugin._core.identity import key_of
from okx_rfq_plugin._core.passing import note_signed
from okx_rfq_plugin._core.request import argument

# Called before a signed create is sent, with the exchange, OKX's path and the params; raises to refuse it.
Asked = Callable[[Any, str, dict[str, Any]], None]

_CANCEL_OF = {CANCEL_ALL_RFQS.create: "cancel_all_rfqs", CANCEL_ALL_QUOTES.create: "cancel_all_quotes"}
_MOST_KEYS = 10_000  # accounts of which the last cancel is remembered

_count = itertools.count(1)
_cancels: dict[tuple[bytes, str | None], int] = {}  # number of the last cancel of what an account creates
_asked_at: ContextVar[int | None] = ContextVar("okx_rfq_create_asked_at", default=None)


def note_cancel(key: bytes, endpoint: Endpoint) -> None:
    """Refuse from now on the creates that the account of this `key_of` has requested and not signed yet."""
    if len(_cancels) >= _MOST_KEYS:
        for known, _ in sorted(_cancels.items(), key=itemgetter(1))[: _MOST_KEYS // 2]:
            _cancels.pop(known, None)
    _cancels[key, endpoint.create] = next(_count)


def create_members(owner: type, next_in_line: members.NextInLine, asked: Asked) -> dict[str, Any]:
    """Make the members that note when a create was requested, and refuse it if a cancel came before it was signed."""

    def fetch2(self: Any, own: Any, path: str, *args: Any, **kwargs: Any) -> Any:
        return creating(self, own, path, args, kwargs)

    def sign(self: Any, own: Any, path: str, *args: Any, **kwargs: Any) -> Any:
        refuse_overtaken(self, path)
        signed = own(path, *args, **kwargs)
        if path in _CANCEL_OF:
            # After the timestamp is set: if the process is suspended here, OKX refuses the request for its age.
            asked(self, path, argument("params", 2, args, kwargs) or {})
        note_signed(self, path, signed)
        return signed

    return {each.__name__: members.around(owner, each.__name__, each, next_in_line) for each in (fetch2, sign)}


def creating(exchange: Any, own: Any, path: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Send any request; if it creates something, remember when it was requested."""
    if path not in _CANCEL_OF:
        return own(path, *args, **kwargs)
    if not exchange.synchronous:
        return _creating_async(own, path, args, kwargs)
    token = _asked_at.set(next(_count))
    try:
        return own(path, *args, **kwargs)
    finally:
        _asked_at.reset(token)


async def _creating_async(own: Any, path: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    token = _asked_at.set(next(_count))
    try:
        return await own(path, *args, **kwargs)
    finally:
        _asked_at.reset(token)


def refuse_overtaken(exchange: Any, path: str) -> None:
    """Refuse a create that a cancel has overtaken in ccxt's queue; other requests pass."""
    asked_at = _asked_at.get() if path in _CANCEL_OF else None
    canceled_at = None if asked_at is None else _cancels.get((key_of(exchange), path))
    if asked_at is not None and canceled_at is not None and canceled_at > asked_at:
        raise OperationRejected(
            f"{exchange.id} {path}: nothing was sent, because {_CANCEL_OF[path]}() was called while this waited in"
            " ccxt's queue. Create it again if you still want it."
        )
