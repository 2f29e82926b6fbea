"""This file lets one attempt pass ccxt's queue and see the reply to it; here ccxt's own methods are touched."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from okx_rfq_plugin import members
from okx_rfq_plugin.verdict import Reply

# ccxt's methods on the way of a request; where they are its own, what was not seen to leave has not left.
_ON_THE_WAY = ("request", "fetch2", "fetch")


class Attempt:
    """One call of an implicit method, and what came back each time that it sent.

    A framework may send more than once inside its own `fetch`; then every send but the last was a retry of its own.
    """

    def __init__(self, exchange: Any, path: str) -> None:
        self.exchange = exchange
        self.path = path
        self._sends: list[tuple[object, Reply | None]] = []
        self._where: object = _here()

    def holds(self, exchange: Any) -> bool:
        """Say whether it still runs, for this object, on the thread and task that opened it."""
        return self.exchange is exchange and self._where == _here()

    def close(self) -> None:
        """End it, for those too who were born in it and carry its mark."""
        self._where = None

    def send(self, headers: Any) -> None:
        """Note that a request leaves."""
        self._sends.append((_signature(headers), None))

    def answer(self, headers: Any, reply: Reply) -> None:
        """Note the reply to the request that went out under these headers."""
        for i in reversed(range(len(self._sends))):
            signature, _ = self._sends[i]
            if signature == _signature(headers):
                self._sends[i] = (signature, reply)
                return

    @property
    def replies(self) -> list[Reply | None]:
        """What came back, one for each time that it was sent; None for no reply."""
        return [reply for _, reply in self._sends]

    @property
    def unsent(self) -> bool:
        """Say whether it is certain that nothing left the machine: ccxt's own methods ran, and did not send."""
        return not self._sends and all(
            getattr(self.exchange, name).__module__.startswith("ccxt.") for name in _ON_THE_WAY
        )


_current: ContextVar[Attempt | None] = ContextVar("okx_rfq_attempt", default=None)


@contextmanager
def express(exchange: Any, path: str) -> Iterator[Attempt]:
    """Let the next request of this object to `path` leave at once, and note what comes back."""
    if members.first_carrier(type(exchange)) is None:
        exchange.__class__ = members.subclass_with(type(exchange), lane_members)
    attempt = Attempt(exchange, path)
    token = _current.set(attempt)
    try:
        yield attempt
    finally:
        _current.reset(token)
        attempt.close()


def lane_members(owner: type) -> dict[str, Any]:
    """Make the members that let an attempt through and watch it; outside an attempt they change nothing."""

    def attempt_of(exchange: Any) -> Attempt | None:
        # With the package on a class and on its subclass or object, the nearest acts, so that nothing is noted twice.
        attempt = _current.get()
        if attempt is None or not attempt.holds(exchange) or members.first_carrier(type(exchange)) is not owner:
            return None
        return attempt

    # ccxt asks this once for each request that it really sends, whatever a framework's `fetch` does around it.
    def check_proxy_url_settings(self: Any, url: Any = None, method: Any = None, headers: Any = None,
                                 *args: Any) -> Any:  # fmt: skip
        attempt = attempt_of(self)
        if attempt is not None and str(url).endswith("/" + attempt.path):
            attempt.send(headers)
        return members.next_in_line(owner, self, "check_proxy_url_settings")(url, method, headers, *args)

    # ccxt shows this every reply, with its status, before it raises anything.
    def handle_errors(self: Any, status: int, reason: Any, url: Any, method: Any, headers: Any, text: Any, body: Any,
                      sent_headers: Any, *args: Any) -> Any:  # fmt: skip
        attempt = attempt_of(self)
        if attempt is not None:
            attempt.answer(sent_headers, Reply(status, body))
        following = members.next_in_line(owner, self, "handle_errors")
        return following(status, reason, url, method, headers, text, body, sent_headers, *args)

    class EnableRateLimit:
        """ccxt's flag; False for an attempt that has not been sent yet, and the object's own value for all else."""

        def __get__(self, exchange: Any, cls: type) -> Any:
            if exchange is None:
                return members.next_in_line(owner, cls, "enableRateLimit")
            attempt = attempt_of(exchange)
            if attempt is not None and not attempt.replies:
                return False
            values = vars(exchange)
            if "enableRateLimit" in values:
                return values["enableRateLimit"]
            return members.next_in_line(owner, exchange, "enableRateLimit")

        def __set__(self, exchange: Any, value: Any) -> None:
            vars(exchange)["enableRateLimit"] = value

        def __delete__(self, exchange: Any) -> None:
            del vars(exchange)["enableRateLimit"]

    return {
        "check_proxy_url_settings": check_proxy_url_settings,
        "handle_errors": handle_errors,
        "enableRateLimit": EnableRateLimit(),
    }


def _signature(headers: Any) -> object:
    return headers.get("OK-ACCESS-SIGN") if isinstance(headers, dict) else None


def _here() -> object:
    try:
        return threading.get_ident(), asyncio.current_task()
    except RuntimeError:  # no loop runs on this thread
        return threading.get_ident(), None
