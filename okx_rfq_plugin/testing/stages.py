"""The open stages, and the check of every host before it is reached while one is open."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from okx_rfq_plugin.testing.family import Asking, asking, asking_for
from okx_rfq_plugin.testing.hosts import is_loopback, is_okx_host
from okx_rfq_plugin.testing.sent import is_let_through

if TYPE_CHECKING:
    from okx_rfq_plugin.testing.stage import Stage

STAGES: list[Stage] = []  # the innermost one last
_STRANGER = Asking(None, None, "a client other than ccxt's okx")


def current() -> Stage | None:
    """Return the innermost open stage, or None."""
    return STAGES[-1] if STAGES else None


def check_host(host: str | bytes | bytearray | None, asked: Asking | None = None) -> None:
    """Refuse a host about to be reached on behalf of an okx object, or if the host is OKX's.

    This is the last line of defense: for libraries other than the two that ccxt uses, for redirects, and for threads
    and tasks that do not know whose request they send.

    Args:
        host: a name or an address. None is not checked.
        asked: the sender, if known; by default what is known about this thread or task.
    """
    stage = current()
    if stage is None or host is None or is_let_through():
        return
    if not isinstance(host, str):
        host = bytes(host).decode("latin-1")
    local = is_loopback(host)
    asked = asked or asking()
    if asked is None and not local:
        asked = asking_for(host) or (_STRANGER if is_okx_host(host) else None)
    if asked is None:
        return
    meant = urlsplit(asked.url).hostname if asked.url else None
    if not local or (meant is not None and not is_loopback(meant)):
        stage.refuse_host(asked, host)
