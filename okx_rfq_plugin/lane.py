"""This file lets one attempt pass ccxt's queue and see the reply to it; here ccxt's own methods are touched."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
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

    def __init__(self, exchange: Any, path: str, timeout: float, session: Any) -> None:
        self.exchange = exchange
        self.path = path
        self._timeout = timeout * 1000
        self._session = session
        self._sends: list[tuple[object, Reply | None]] = []
        self._left = False
        # With the package on a class and on its subclass or object the nearest acts, so that nothing is noted twice.
        self._carrier = members.first_carrier(type(exchange))
        self._where: object = _here()

    def holds(self, exchange: Any, carrier: type) -> bool:
        """Say whether it still runs, for this object and by these members, on the thread and task that opened it."""
        return self.exchange is exchange and self._carrier is carrier and self._where == _here()

    def close(self) -> None:
        """End it, for those too who were born in it and carry its mark."""
        self._where = None

    def send(self, url: str, headers: Any) -> None:
        """Note that a request leaves, if it is this one."""
        if url.endswith("/" + self.path):
            self._sends.append((_signature(headers), None))

    def answer(self, headers: Any, reply: Reply) -> None:
        """Note the reply to the request that went out under these headers."""
        for i in reversed(range(len(self._sends))):
            signature, _ = self._sends[i]
            if signature == _signature(headers):
                self._sends[i] = (signature, reply)
                return

    def limited(self, enabled: Any) -> Any:
        """Say whether ccxt's queue is to be waited in: not by this request, which has not been sent yet."""
        return enabled if self._sends else False

    def leave(self, timeout: Any) -> Any:
        """Note that ccxt reads the timeout, which it does when all is ready, to hand the request over to be sent."""
        self._left = True
        return min(timeout or self._timeout, self._timeout)

    def by_session(self, session: Any) -> Any:
        """Return the session that this is sent by: its own, if it has one."""
        return session if self._session is None else self._session

    @property
    def replies(self) -> list[Reply | None]:
        """What came back, one for each time that it was sent; None for no reply."""
        return [reply for _, reply in self._sends]

    @property
    def signatures(self) -> list[object]:
        """Under which signatures it was sent; never to be shown."""
        return [signature for signature, _ in self._sends]

    @property
    def unsent(self) -> bool:
        """Say whether it is certain that nothing left the machine: ccxt's own methods ran, and did not send."""
        return not self._left and all(
            str(method.__module__).startswith("ccxt.")
            for name in _ON_THE_WAY
            for method in members.definitions(self.exchange, name)
        )


_current: ContextVar[Attempt | None] = ContextVar("okx_rfq_attempt", default=None)


@contextmanager
def express(exchange: Any, path: str, *, timeout: float, session: Any = None) -> Iterator[Attempt]:
    """Let the next request of this object to `path` leave at once, and note what comes back.

    Args:
        exchange: the object that sends.
        path: of the endpoint, as ccxt has it.
        timeout: seconds, no more than the object's own.
        session: an HTTP session to send it by; None for the object's own.
    """
    if not members.carries(members.definer(type(exchange), "enableRateLimit")):
        exchange.__class__ = members.subclass_with(type(exchange), lane_members)
    attempt = Attempt(exchange, path, timeout, session)
    token = _current.set(attempt)
    try:
        yield attempt
    finally:
        _current.reset(token)
        attempt.close()


def lane_members(owner: type, next_in_line: members.NextInLine) -> dict[str, Any]:
    """Make the members that let an attempt through and watch it; outside an attempt they change nothing."""
    current = _current  # which is gone before the last exchange, when the interpreter ends

    def attempt_of(exchange: Any) -> Attempt | None:
        attempt = current.get()
        return attempt if attempt is not None and attempt.holds(exchange, owner) else None

    # ccxt asks this once for each request that it really sends, whatever a framework's `fetch` does around it.
    def check_proxy_url_settings(self: Any, *args: Any, **kwargs: Any) -> Any:
        attempt = attempt_of(self)
        if attempt is not None:
            url, _, headers, *_ = args
            attempt.send(url, headers)
        return next_in_line(self, "check_proxy_url_settings")(*args, **kwargs)

    # ccxt shows this every reply, with its status, before it raises anything.
    def handle_errors(self: Any, *args: Any, **kwargs: Any) -> Any:
        attempt = attempt_of(self)
        if attempt is not None:
            status, _, _, _, _, _, body, sent_headers, *_ = args
            attempt.answer(sent_headers, Reply(status, body))
        return next_in_line(self, "handle_errors")(*args, **kwargs)

    class Watched:
        """An attribute of ccxt's; `seen` is told of a read by an attempt, and may answer in its place."""

        def __init__(self, name: str, seen: Callable[[Attempt, Any], Any]) -> None:
            self._name = name
            self._seen = seen

        def __get__(self, exchange: Any, cls: type) -> Any:
            if exchange is None:
                return next_in_line(cls, self._name)
            values = vars(exchange)
            value = values[self._name] if self._name in values else next_in_line(exchange, self._name)
            attempt = attempt_of(exchange)
            return value if attempt is None else self._seen(attempt, value)

        def __set__(self, exchange: Any, value: Any) -> None:
            vars(exchange)[self._name] = value

        def __delete__(self, exchange: Any) -> None:
            if self._name not in vars(exchange):
                raise AttributeError(self._name)
            del vars(exchange)[self._name]

    return {
        "check_proxy_url_settings": check_proxy_url_settings,
        "handle_errors": handle_errors,
        "enableRateLimit": Watched("enableRateLimit", Attempt.limited),
        "timeout": Watched("timeout", Attempt.leave),
        "session": Watched("session", Attempt.by_session),
    }


def _signature(headers: Any) -> object:
    return headers.get("OK-ACCESS-SIGN") if isinstance(headers, dict) else None


def _here() -> object:
    loop = asyncio._get_running_loop()  # get_running_loop() raises where there is none, which takes its time
    return threading.get_ident(), loop and asyncio.current_task(loop)
