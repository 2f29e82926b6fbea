"""Owners of HTTP sessions: a request that a strategy sends through `exchange.session` counts as the exchange's."""

from __future__ import annotations

import gc
import sys
import weakref
from types import FrameType
from typing import Any

import requests.api

from okx_rfq_plugin.testing.family import is_okx

_known: dict[int, tuple[weakref.ref[Any], weakref.ref[Any] | None]] = {}  # by the session's id: session and owner


def owner_of(session: Any) -> Any:
    """Return the okx object that owns this session, or None.

    An exchange does not announce its session, which may also be assigned at any time. So the owner is searched for
    among all objects, which takes some tenths of a second, once per session.
    """
    known = _known.get(id(session))
    if known is None or known[0]() is not session:
        owner = None if _is_short_lived() else _look_for_owner(session)
        known = _known[id(session)] = weakref.ref(session), None if owner is None else weakref.ref(owner)
    return None if known[1] is None else known[1]()


def forget() -> None:
    """Repeat the search from now on: an exchange may have been given a session since."""
    _known.clear()


def _look_for_owner(session: Any) -> Any:
    for holder in gc.get_referrers(session):
        for each in (holder, *(gc.get_referrers(holder) if isinstance(holder, dict) else ())):
            if is_okx(type(each)) and vars(each).get("session") is session:
                return each
    return None


def _is_short_lived() -> bool:
    # `requests.get` creates its own session.
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if frame.f_code is requests.api.request.__code__:
            return True
        frame = frame.f_back
    return False
