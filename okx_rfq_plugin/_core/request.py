"""One signed request through ccxt: everything that touches ccxt's own way of sending is in this module.

An attempt does not call the implicit method on the exchange, but on its delegate: an object of a subclass of the
exchange's class that shares its `__dict__`. What ccxt, and the user's overrides, read and write there is the exchange's
own state, but for the members of this table, which differ for this one request and for nobody else:

    member                    when ccxt uses it                            what the delegate does
    fetch2                    first                                        sends any other path by the exchange itself
    throttle                  before signing                               does not wait
    sign                      before each send                             notes the signature of this request
    check_proxy_url_settings  first in `fetch`, once for each send         notes the send; checks the headers
    session                   last before sending                          gives the session that `connection` chooses
    get_socks_proxy_session   instead of `session`, async with SOCKS       the same
    timeout                   when sending, milliseconds                   no more than the attempt's
    parse_json                on each reply                                a body nested too deep is no JSON
    handle_errors             on each reply, before anything is raised     notes the reply to this request's signature
    logger, log               around each send                             cannot raise

All are there in ccxt 4.5.44 to 4.5.90. tests/core/test_ccxt_hooks.py fails if one of them is no longer used.

A method that was bound to the exchange before (`original = exchange.fetch`, then `exchange.fetch = wrapper`) leads
back from the delegate to the exchange. `passing_members` finds this request there by its signature.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any

from ccxt.base.errors import AuthenticationError, BaseError, ExchangeClosedByUser, OperationFailed

from okx_rfq_plugin._core import connection, members
from okx_rfq_plugin._core.endpoints import Endpoint
from okx_rfq_plugin._core.logs import HarmlessLogger, harmless
from okx_rfq_plugin._core.outcome import Attempt, Outcome
from okx_rfq_plugin._core.verdict import Meaning, Reply, classify

NOT_SENT = "okx_rfq_not_sent"  # True on an exception that stands for a request which a test kit has not let out
_SIGNATURE = "OK-ACCESS-SIGN"
_CREDENTIALS = ("OK-ACCESS-KEY", "OK-ACCESS-PASSPHRASE")
_UNSENDABLE = re.compile(r"^\s|[\x00-\x1f\x7f]")  # what HTTP libraries refuse in a header


class _Send:
    """One time that the request was handed to `fetch`: a framework's own may do so more than once."""

    def __init__(self, signature: object, *, left: bool) -> None:
        self.signature = signature
        self.reply: Reply | None = None
        self.left = left


class Request:
    """One request, to be made inside `with`: `call()` it there, and find the `outcome` afterwards.

    Args:
        exchange: by whose settings and code it is sent.
        endpoint: what it asks for.
        params: as ccxt's implicit method takes them.
        timeout: seconds, no more than the exchange's own.
        attempt: told when the request may have left, and what it came to.
    """

    def __init__(
        self, exchange: Any, endpoint: Endpoint, params: dict[str, Any], timeout: float, attempt: Attempt
    ) -> None:
        self.exchange = exchange
        self.path = endpoint.path
        self.over = False
        self.returned: Any = None
        self._endpoint = endpoint
        self._params = {**params, "maxRetriesOnFailure": 0}
        self._timeout = timeout * 1000
        self._attempt = attempt
        self._sends: list[_Send] = []
        self._unseen = False  # whether code of the user's is on the way, which may send by itself
        self._handing_over = False
        self._handed: Any = None  # the session that ccxt's `fetch` was given, and in whose place
        self._handed_for: Any = None
        self._owned: list[Any] = []  # sessions that were made for this request, one for each send
        self._raised: BaseException | None = None
        cls = members.subclass_of(type(exchange), "delegate", _DELEGATE)
        delegate: Any = object.__new__(cls)
        delegate.__dict__ = exchange.__dict__
        delegate.okx_rfq_request = self
        self._delegate = delegate

    def __enter__(self) -> Request:
        self._token = _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        _current.reset(self._token)
        self._handing_over = False
        self.over = True
        judged = error if error is None or isinstance(error, BaseError) else self._translated(error)
        if error is not None and judged is None:
            return False
        self._attempt.outcome = self._judge(judged)
        return True

    def call(self) -> Any:
        """Call ccxt's implicit method; on async exchanges this returns the coroutine."""
        _refuse_closed(self.exchange)
        # A method of the user's own may send by itself, unseen.
        self._unseen = not connection.is_ccxts_code(self.exchange, "request", "fetch2", "fetch")
        self._attempt.left = self._unseen
        return getattr(self._delegate, self._endpoint.call)(self._params)

    def take_session(self) -> Any:
        """Return a session that was made for this request, to be closed; None if there is none left."""
        return self._owned.pop() if self._owned else None

    @property
    def delegate(self) -> Any:
        """The object that the request is made on."""
        return self._delegate

    @property
    def outcome(self) -> Outcome:
        """What it came to."""
        outcome = self._attempt.outcome
        assert outcome is not None, "asked before the request was over"  # noqa: S101
        return outcome

    # What ccxt is seen to do

    def signed(self, path: str, signed: Any) -> Any:
        """Note the signature of this request."""
        if path == self.path and isinstance(signed, dict):
            signature = _signature(signed.get("headers"))
            if signature is not None:
                _requests[signature] = self
        return signed

    def sending(self, headers: Any) -> None:
        """Note that ccxt's `fetch` is about to send, and is watched from here on."""
        _refuse_unsendable(self.exchange, headers)
        self._sends.append(_Send(_signature(headers), left=self._unseen))
        self._handed = None
        self._handing_over = True

    def session(self, own: Any) -> Any:
        """Return the session to send by, while ccxt's `fetch` asks; to everybody else the exchange's own."""
        if not self._handing_over or self.over:
            return own
        if self._handed is not None and self._handed_for is own:
            return self._handed
        is_ccxts = connection.is_ccxts_own(self.exchange, own)
        if own is None and not (is_ccxts and self.exchange.synchronous):
            return None  # `open` looks whether it has to make one

        def choose() -> Any:
            return self._own(connection.new_session(self.exchange, own)) if is_ccxts else own

        self._handed_for = own
        self._handed = connection.OneRequest(choose, self._leaving, self._failed)
        return self._handed

    def socks_session(self, url: str, own: Callable[[str], Any]) -> Any:
        """Return the session to send by through a SOCKS proxy."""

        def choose() -> Any:
            if connection.is_ccxts_code(self.exchange, "get_socks_proxy_session"):
                return self._own(connection.new_socks_session(self.exchange, url))
            return own(url)

        return connection.OneRequest(choose, self._leaving, self._failed)

    def timeout(self, own: Any) -> Any:
        """Return the timeout in milliseconds."""
        return own if self.over else min(own or self._timeout, self._timeout)

    def answered(self, headers: Any, reply: Reply) -> None:
        """Note a reply, if it is the one to this request."""
        signature = _signature(headers)
        for send in reversed(self._sends):
            if send.signature == signature:
                send.reply = reply
                return

    def _own(self, session: Any) -> Any:
        self._owned.append(session)
        return session

    def _leaving(self) -> None:
        self._handing_over = False
        self._sends[-1].left = True
        self._attempt.left = True

    def _failed(self, error: BaseException) -> None:
        self._raised = error
        if connection.nothing_left(error) or getattr(error, NOT_SENT, False):
            self._sends[-1].left = False
            self._attempt.left = self._unseen or any(send.left for send in self._sends)

    def _translated(self, error: BaseException) -> BaseError | None:
        return connection.as_ccxt_error(self.exchange, error) if error is self._raised else None

    def _judge(self, error: BaseError | None) -> Outcome:
        *earlier, reply = [send.reply for send in self._sends] or [None]
        sent = self._attempt.left or reply is not None
        raised = self._raised
        if self._unseen and raised is not None and error is not None and connection.leads_to(raised, error):
            # The user's own code ends with what was seen here: it did not send by itself beside it.
            sent = any(send.left or send.reply is not None for send in self._sends)
        if raised is not None and not sent and isinstance(error, OperationFailed) is connection.is_final(raised):
            # ccxt has no rule in this: whether another attempt may help decides which of its families fits.
            error = connection.as_ccxt_error(self.exchange, raised) or error
        verdict = classify(self._endpoint, reply, error, sent=sent)
        acted = False
        if not self._endpoint.reads:
            # Earlier replies are those of a framework's own `fetch`, which then sent again.
            before = [
                classify(self._endpoint, send.reply, None).meaning
                for send in self._sends[: len(earlier)]
                if send.left or send.reply is not None
            ]
            acted = verdict.some or not {Meaning.UNKNOWN, Meaning.DONE}.isdisjoint([verdict.meaning, *before])
        secrets = tuple(send.signature for send in self._sends if isinstance(send.signature, str))
        return Outcome(self._endpoint, verdict, reply, error, sent, acted, secrets)


_current: ContextVar[Request | None] = ContextVar("okx_rfq_request", default=None)  # that this thread or task makes
_passing: ContextVar[Request | None] = ContextVar("okx_rfq_passing", default=None)  # that is on the exchange itself
_requests: weakref.WeakValueDictionary[str, Request] = weakref.WeakValueDictionary()  # by signature


# The delegate


def _next(delegate: Any, name: str) -> Any:
    values = delegate.__dict__
    return values[name] if name in values else getattr(super(type(delegate), delegate), name)


def _differs(name: str, differ: Callable[[Request, Any], Any], own: Callable[[Any, str], Any] = _next) -> property:
    """Make a member of the delegate out of the exchange's own; a data descriptor, which no instance value shadows."""

    def get(delegate: Any) -> Any:
        return differ(delegate.okx_rfq_request, own(delegate, name))

    def assign(delegate: Any, value: Any) -> None:
        setattr(delegate.okx_rfq_request.exchange, name, value)

    def delete(delegate: Any) -> None:
        delattr(delegate.okx_rfq_request.exchange, name)

    return property(get, assign, delete)


def _differs_in_value(name: str, differ: Callable[[Request, Any], Any]) -> property:
    return _differs(name, differ, lambda delegate, name: getattr(delegate.okx_rfq_request.exchange, name))


def _fetch2(request: Request, own: Any) -> Any:
    def fetch2(path: str, *args: Any, **kwargs: Any) -> Any:
        return (own if path == request.path else request.exchange.fetch2)(path, *args, **kwargs)

    return fetch2


def _throttle(request: Request, own: Any) -> Any:
    return _do_not_wait if request.exchange.synchronous else _do_not_wait_async


def _do_not_wait(*args: Any, **kwargs: Any) -> None:
    """Stand in for ccxt's `throttle`."""


async def _do_not_wait_async(*args: Any, **kwargs: Any) -> None:
    """Async version of `_do_not_wait`."""


def _sign(request: Request, own: Any) -> Any:
    return lambda path, *args, **kwargs: request.signed(path, own(path, *args, **kwargs))


def _check_proxy_url_settings(request: Request, own: Any) -> Any:
    def check_proxy_url_settings(*args: Any, **kwargs: Any) -> Any:
        found = own(*args, **kwargs)
        request.sending(_argument("headers", 2, args, kwargs))
        return found

    return check_proxy_url_settings


def _handle_errors(request: Request, own: Any) -> Any:
    def handle_errors(*args: Any, **kwargs: Any) -> Any:
        request.answered(*_reply(args, kwargs))
        return own(*args, **kwargs)

    return handle_errors


def _parse_json(request: Request, own: Any) -> Any:
    def parse_json(text: Any) -> Any:
        try:
            return own(text)
        except RecursionError:
            return None

    return parse_json


def _socks(request: Request, own: Any) -> Any:
    return lambda url: request.socks_session(url, own)


_DELEGATE: dict[str, Any] = {
    "__slots__": ("okx_rfq_request",),
    "__del__": list,  # ccxt's would close the exchange's session; a built-in, in which no interrupt can be lost
    "fetch2": _differs("fetch2", _fetch2),
    "throttle": _differs("throttle", _throttle),
    "sign": _differs("sign", _sign),
    "check_proxy_url_settings": _differs("check_proxy_url_settings", _check_proxy_url_settings),
    "handle_errors": _differs("handle_errors", _handle_errors),
    "parse_json": _differs("parse_json", _parse_json),
    "get_socks_proxy_session": _differs("get_socks_proxy_session", _socks),
    "session": _differs_in_value("session", Request.session),
    "timeout": _differs_in_value("timeout", Request.timeout),
    "logger": _differs_in_value("logger", lambda request, own: HarmlessLogger(own)),
    "log": _differs("log", lambda request, own: harmless(own)),
}


# The exchange itself, for what was bound to it before


def passing_members(owner: type, next_in_line: members.NextInLine) -> dict[str, Any]:
    """Make the members of an installed class that serve a request which has come back to the exchange itself."""

    def fetch(self: Any, own: Any, url: Any, method: Any = "GET", headers: Any = None, body: Any = None) -> Any:
        request = _passes(self, headers)
        if request is None:
            return own(url, method, headers, body)
        return next_in_line(request.delegate, "fetch")(url, method, headers, body)

    def check_proxy_url_settings(self: Any, own: Any, *args: Any, **kwargs: Any) -> Any:
        found = own(*args, **kwargs)
        headers = _argument("headers", 2, args, kwargs)
        request = _passes(self, headers)
        if request is not None or _passing.get() is not None:
            _passing.set(request)
        if request is not None:
            request.sending(headers)
        return found

    def handle_errors(self: Any, own: Any, *args: Any, **kwargs: Any) -> Any:
        headers, reply = _reply(args, kwargs)
        request = _passes(self, headers)
        if request is not None:
            request.answered(headers, reply)
        return own(*args, **kwargs)

    functions = (fetch, check_proxy_url_settings, handle_errors)
    return {
        **{each.__name__: members.around(owner, each.__name__, each, next_in_line) for each in functions},
        "session": _Passing("session", next_in_line, Request.session),
        "timeout": _Passing("timeout", next_in_line, Request.timeout),
    }


def _passes(exchange: Any, headers: Any) -> Request | None:
    """Return the attempt's request that passes through the exchange itself, by its signature."""
    request = _requests.get(_signature(headers) or "")
    return request if request is not None and request.exchange is exchange and not request.over else None


def note_signed(exchange: Any, path: str, signed: Any) -> None:
    """Note that the exchange itself has signed a request, which may be that of the attempt under way here."""
    request = _current.get()
    if request is not None and request.exchange is exchange and not request.over:
        request.signed(path, signed)


class _Passing:
    """An attribute of the exchange that differs while a request of an attempt passes through the exchange itself."""

    def __init__(self, name: str, next_in_line: members.NextInLine, differ: Callable[[Request, Any], Any]) -> None:
        self._name = name
        self._next_in_line = next_in_line
        self._differ = differ

    def __get__(self, exchange: Any, cls: type) -> Any:
        if exchange is None:
            return self._next_in_line(cls, self._name)
        values = exchange.__dict__
        value = values[self._name] if self._name in values else self._next_in_line(exchange, self._name)
        request = _passing.get()
        return value if request is None or request.exchange is not exchange else self._differ(request, value)

    def __set__(self, exchange: Any, value: Any) -> None:
        exchange.__dict__[self._name] = value

    def __delete__(self, exchange: Any) -> None:
        if self._name not in exchange.__dict__:
            raise AttributeError(self._name)
        del exchange.__dict__[self._name]


# Reading ccxt's arguments


def _argument(name: str, index: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return kwargs[name] if name in kwargs else args[index] if len(args) > index else None


def _reply(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Reply]:
    status = _argument("httpCode" if "httpCode" in kwargs else "statusCode", 0, args, kwargs)  # okx has its own name
    body = _argument("response", 6, args, kwargs)
    return _argument("requestHeaders", 7, args, kwargs), Reply(status, body)


def _signature(headers: Any) -> str | None:
    return headers.get(_SIGNATURE) if isinstance(headers, dict) else None


# Refused before anything is sent


def _refuse_unsendable(exchange: Any, headers: Any) -> None:
    for name in _CREDENTIALS:
        value = headers.get(name, "") if isinstance(headers, dict) else ""
        if (
            not isinstance(value, str)
            or _UNSENDABLE.search(value)
            or (exchange.synchronous and max(value, default="") > "\xff")
        ):
            # Not by the HTTP library, whose error quotes the value.
            raise AuthenticationError(
                f"{exchange.id} {name} cannot be sent in an HTTP header: it is no text, starts with a blank, or holds a"
                " line break or another character that headers do not carry"
            )


def _is_latin(text: str) -> bool:
    return max(text, default="") <= "\xff"


def _refuse_closed(exchange: Any) -> None:
    # ccxt refuses by itself from 4.5.71 on; before, it opened the session again, and nobody closed it.
    if connection.is_closed(exchange):
        raise ExchangeClosedByUser(f"{exchange.id} instance was closed by the user")
