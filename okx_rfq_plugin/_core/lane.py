"""This file lets one attempt pass ccxt's queue and see the reply to it; here ccxt's own methods are touched."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any

from okx_rfq_plugin._core import members
from okx_rfq_plugin._core.verdict import Reply

# ccxt's methods on the way of a request; where they are its own, what was not seen to leave has not left.
_ON_THE_WAY = ("request", "fetch2", "fetch")


# Told when an attempt is over, and what it raised.
Over = Callable[["Attempt", BaseException | None], bool]


class Attempt:
    """One call of an implicit method, to be made inside `with`, and what came back each time that it sent.

    A framework may send more than once inside its own `fetch`; then every send but the last was a retry of its own.
    """

    def __init__(self, exchange: Any, path: str, timeout: float, session: Any, carrier: type, over: Over) -> None:
        self.exchange = exchange
        self.path = path
        self._timeout = timeout * 1000
        self._session = session
        self._carrier = carrier
        self._over = over
        self._sends: list[tuple[object, Reply | None]] = []
        self._left = False
        self._where: object = _here()

    def __enter__(self) -> Attempt:
        self._token: Token[Attempt | None] = _current.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        _current.reset(self._token)
        self._where = None  # for those too who were born in it and carry its mark
        return self._over(self, error)

    def holds(self, exchange: Any, carrier: type) -> bool:
        """Say whether it still runs, for this object and by these members, on the thread and task that opened it."""
        return self.exchange is exchange and self._carrier is carrier and self._where == _here()

    def send(self, url: str, headers: Any) -> None:
        """Note that a request leaves, if it is this one."""
        if url.partition("?")[0].endswith("/" + self.path):
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
        session = session if self._session is None else self._session
        return session and _Straight(session)

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


class _Straight:
    """A session of requests or aiohttp that follows no redirect: OKX documents none.

    It would take the signed headers along, make a GET of a POST, and give another page's answer for this one's.
    """

    def __init__(self, session: Any) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def request(self, *args: Any, **kwargs: Any) -> Any:
        """Send, as requests does."""
        return self._session.request(*args, **{**kwargs, "allow_redirects": False})

    def get(self, *args: Any, **kwargs: Any) -> Any:
        """Send, as aiohttp does."""
        return self._session.get(*args, **{**kwargs, "allow_redirects": False})

    def post(self, *args: Any, **kwargs: Any) -> Any:
        """Same as get."""
        return self._session.post(*args, **{**kwargs, "allow_redirects": False})


_current: ContextVar[Attempt | None] = ContextVar("okx_rfq_attempt", default=None)


def express(exchange: Any, path: str, *, timeout: float, over: Over, session: Any = None) -> Attempt:
    """Let the next request of this object to `path`, inside of this, leave at once, and note what comes back.

    Args:
        exchange: the object that sends.
        path: of the endpoint, as ccxt has it.
        timeout: seconds, no more than the object's own.
        over: told at the end what was raised, or None; True from it means that nothing is to be raised.
        session: an HTTP session to send it by; None for the object's own.
    """
    # With the package on a class and on its subclass or object the nearest acts, so that nothing is noted twice.
    carrier = members.definer(type(exchange), "enableRateLimit")
    if not members.carries(carrier):
        carrier = exchange.__class__ = members.subclass_with(type(exchange), lane_members)
    return Attempt(exchange, path, timeout, session, carrier, over)


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

        __slots__ = ("_name", "_seen")

        def __init__(self, name: str, seen: Callable[[Attempt, Any], Any]) -> None:
            self._name = name
            self._seen = seen

        def __get__(self, exchange: Any, cls: type) -> Any:
            if exchange is None:
                return next_in_line(cls, self._name)
            values = exchange.__dict__
            value = values[self._name] if self._name in values else next_in_line(exchange, self._name)
            attempt = current.get()
            if attempt is None or not attempt.holds(exchange, owner):
                return value
            return self._seen(attempt, value)

        def __set__(self, exchange: Any, value: Any) -> None:
            exchange.__dict__[self._name] = value

        def __delete__(self, exchange: Any) -> None:
            if self._name not in exchange.__dict__:
                raise AttributeError(self._name)
            del exchange.__dict__[self._name]

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
