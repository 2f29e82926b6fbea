"""One signed request through ccxt: observed on its way, and judged.

It is made on a delegate of the exchange; `delegate` has the table of what differs there. A method that was bound to the
exchange before leads from the delegate back to the exchange, where `passing` finds the request by its signature.
"""

from __future__ import annotations

import re
import sys
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any

from ccxt.base.errors import AuthenticationError, BaseError, ExchangeClosedByUser, OperationFailed

from okx_rfq_plugin._core import connection, transport
from okx_rfq_plugin._core.delegate import delegate_of
from okx_rfq_plugin._core.endpoints import Endpoint
from okx_rfq_plugin._core.logs import HarmlessLogger, harmlessly
from okx_rfq_plugin._core.outcome import Attempt, Outcome
from okx_rfq_plugin._core.verdict import Meaning, Reply, classify

NOT_SENT = "okx_rfq_not_sent"  # True on the exception for a request that a test kit has blocked
_SIGNATURE = "OK-ACCESS-SIGN"
_CREDENTIALS = ("OK-ACCESS-KEY", "OK-ACCESS-PASSPHRASE")
_SURROGATE = re.compile("[\ud800-\udfff]")  # half a character: it cannot be encoded
_UNSENDABLE = re.compile(r"^\s|[\x00-\x1f\x7f]")  # refused in a header by HTTP libraries


class _Send:
    """One call of `fetch` with the request; a framework's own code may call it more than once."""

    __slots__ = ("left", "reply", "signature")

    def __init__(self, signature: str | None, *, left: bool) -> None:
        self.signature = signature
        self.reply: Reply | None = None
        self.left = left


class Request:
    """One request: a context manager to `call()` it in, with the `outcome` afterwards.

    Args:
        exchange: the object whose settings and code send it.
        endpoint: the endpoint of OKX.
        params: as ccxt's implicit method takes them.
        timeout: seconds; the exchange's own timeout holds if it is shorter.
        attempt: the record to write to: whether the request may have left, and its outcome.
    """

    def __init__(
        self, exchange: Any, endpoint: Endpoint, params: dict[str, Any], timeout: float, attempt: Attempt
    ) -> None:
        self.exchange = exchange
        self.delegate: Any = delegate_of(exchange, self)  # until the request is over
        self.over = False
        self.returned: Any = None
        self.sessions: list[Any] = []  # made for this request, one for each send; to be closed
        self._endpoint = endpoint
        self._params = {**params, "maxRetriesOnFailure": 0}
        self._timeout = timeout * 1000
        self._attempt = attempt
        self._signatures: list[str] = []  # more than one if a framework's own code signs it again
        self._sends: list[_Send] = []
        self._unseen = False  # whether the user's code is on the way, which may send by itself
        self._handing_over = False
        self._handed: tuple[Any, Any]  # the exchange's session, and the one that ccxt's `fetch` got in its place
        self._raised: BaseException | None = None  # the HTTP library's exception
        self._handled: BaseException | None = None  # the exception being handled when the library was called
        self._handled_before = sys.exc_info()[1]  # and the one being handled before the user's code ran

    def __enter__(self) -> None:
        self._token = _current.set(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        _current.reset(self._token)
        self.over = True
        self.delegate, self._handed = None, (None, None)  # they refer back to this object
        for signature in self._signatures:
            _requests.pop(signature, None)
        judged = None if error is None else self._as_ccxt_error(transport.unwrapped(error))
        outcome = self._judge(judged)
        is_told = error is None or judged is not None
        # After a refusal by OKX, an interrupt or an exception of the user's code passes through; the outcome stands.
        if is_told or outcome.is_refusal:
            self._attempt.outcome = outcome
        return is_told

    def call(self) -> Any:
        """Call ccxt's implicit method; on async exchanges this returns the coroutine."""
        if connection.is_closed(self.exchange):
            # ccxt refuses from 4.5.71 on; before, it opened a session again that was never closed.
            raise ExchangeClosedByUser(f"{self.exchange.id} instance was closed by the user")
        _refuse_unsignable(self.exchange)
        # The user's own method may send by itself, unseen.
        self._unseen = not connection.is_ccxts_code(self.exchange, "request", "fetch2", "fetch")
        self._attempt.left = self._unseen
        return getattr(self.delegate, self._endpoint.call)(self._params)

    @property
    def outcome(self) -> Outcome:
        """What it came to."""
        outcome = self._attempt.outcome
        assert outcome is not None, "asked before the request was over"  # noqa: S101
        return outcome

    # The members of the delegate: each gets the exchange's own member first, then ccxt's arguments

    def fetch2(self, own: Any, path: str, *args: Any, **kwargs: Any) -> Any:
        """Send this request; any other path by the exchange itself."""
        return (own if path == self._endpoint.path else self.exchange.fetch2)(path, *args, **kwargs)

    def throttle(self, own: Any, *args: Any, **kwargs: Any) -> Any:
        """Do not wait."""
        return None if self.exchange.synchronous else _nothing()

    def sign(self, own: Any, path: str, *args: Any, **kwargs: Any) -> Any:
        """Sign, and note the signature."""
        return self.signed(path, own(path, *args, **kwargs))

    def check_proxy_url_settings(self, own: Any, *args: Any, **kwargs: Any) -> Any:
        """Note that ccxt's `fetch` is about to send; from here on it is observed."""
        settings = own(*args, **kwargs)
        self.sending(argument("headers", 2, args, kwargs))
        return settings

    def session(self, own: Any) -> Any:
        """Return the session to send by while ccxt's `fetch` asks, the exchange's own otherwise."""
        if not self._handing_over or self.over:
            return own
        handed_for, handed = self._handed
        if handed is not None and handed_for is own:
            return handed
        if own is None and not self.exchange.synchronous:
            return None  # `open` looks whether it has to make one
        is_ccxts = connection.is_ccxts_own(self.exchange, own)

        def choose() -> Any:
            return self._own(connection.new_session(self.exchange, own)) if is_ccxts else own

        handed = connection.OneRequest(choose, self._leaving, self._failed)
        self._handed = own, handed
        return handed

    def get_socks_proxy_session(self, own: Callable[[str], Any], url: str) -> Any:
        """Return the session to send by through a SOCKS proxy."""

        def choose() -> Any:
            if connection.is_ccxts_code(self.exchange, "get_socks_proxy_session"):
                return self._own(connection.new_socks_session(self.exchange, url))
            return own(url)

        return connection.OneRequest(choose, self._leaving, self._failed)

    def timeout(self, own: Any) -> Any:
        """Return the timeout in milliseconds."""
        return own if self.over else min(own or self._timeout, self._timeout)

    def parse_json(self, own: Any, text: Any) -> Any:
        """Parse a body; one that is nested too deeply counts as no JSON."""
        try:
            return own(text)
        except RecursionError:
            return None

    def handle_errors(self, own: Any, *args: Any, **kwargs: Any) -> Any:
        """Note a reply, before ccxt judges it."""
        status = argument("httpCode" if "httpCode" in kwargs else "statusCode", 0, args, kwargs)  # okx has its own name
        reply = Reply(status, argument("response", 6, args, kwargs))
        self.answered(argument("requestHeaders", 7, args, kwargs), reply)
        return own(*args, **kwargs)

    def log(self, own: Any, *args: Any, **kwargs: Any) -> None:
        """Log as ccxt does when verbose; a failure there stops no request."""
        harmlessly(own, *args, **kwargs)

    def logger(self, own: Any) -> Any:
        """Return a logger whose handlers stop no request."""
        return HarmlessLogger(own)

    # Observations, on the delegate or on the exchange itself

    def signed(self, path: str, signed: Any) -> Any:
        """Note the signature of this request."""
        signature = _signature(signed.get("headers")) if isinstance(signed, dict) else None
        if signature is not None and path == self._endpoint.path:
            self._signatures.append(signature)
            _requests[signature] = weakref.ref(self)
        return signed

    def sending(self, headers: Any) -> None:
        """Note that the request with these headers is about to be sent."""
        _refuse_unsendable(self.exchange, headers)
        self._sends.append(_Send(_signature(headers), left=self._unseen))
        self._handed = (None, None)
        self._handing_over = True

    def answered(self, headers: Any, reply: Reply) -> None:
        """Note a reply, if it is the one to this request."""
        signature = _signature(headers)
        for send in reversed(self._sends):
            if send.signature == signature:
                send.reply = reply
                return
        if signature is not None and signature in self._signatures:
            # The user's own `fetch` has sent it, unseen.
            self._sends.append(_Send(signature, left=True))
            self._sends[-1].reply = reply

    def _own(self, session: Any) -> Any:
        self.sessions.append(session)
        return session

    def _leaving(self) -> None:
        self._handing_over = False
        self._sends[-1].left = True
        self._attempt.left = True

    def _failed(self, error: BaseException, handled: BaseException | None, nothing_left: bool) -> None:
        self._raised, self._handled = error, handled
        if nothing_left or getattr(error, NOT_SENT, False):
            self._sends[-1].left = False
            self._attempt.left = self._unseen or any(send.left for send in self._sends)

    def _as_ccxt_error(self, error: BaseException) -> BaseError | None:
        if isinstance(error, BaseError):
            return error
        is_known = error is self._raised or transport.is_of_a_reply(error)
        return transport.as_ccxt_error(self.exchange, error, self._handled) if is_known else None

    def _judge(self, error: BaseError | None) -> Outcome:
        *earlier, last = self._sends or [_Send(None, left=False)]
        raised, reply = self._raised, last.reply
        # The user's code has not sent by itself if it ends with the error seen here, and did not call ccxt's `fetch`
        # because something else, such as its own client, had failed.
        fell_back = self._handled is not self._handled_before and not isinstance(self._handled, BaseError)
        ends_with_it = raised is not None and error is not None and transport.leads_to(raised, error) and not fell_back
        sent = last.left or reply is not None or (self._unseen and not ends_with_it)
        if (
            raised is not None
            and not sent
            and isinstance(error, OperationFailed) is transport.is_final(raised, self._handled)
        ):
            # ccxt has no rule here: the class is chosen by whether another attempt may help.
            error = transport.as_ccxt_error(self.exchange, raised, self._handled) or error
        verdict = classify(self._endpoint, reply, error, sent=sent)
        acted = verdict.some or verdict.meaning in _ACTED or any(map(self._may_have_acted, earlier))
        sent = sent or any(send.left or send.reply is not None for send in earlier)
        return Outcome(self._endpoint, verdict, reply, error, sent, acted, tuple(self._signatures))

    def _may_have_acted(self, send: _Send) -> bool:
        # An earlier send by a framework's own `fetch`, which sent again.
        if not send.left and send.reply is None:
            return False
        return classify(self._endpoint, send.reply, None).meaning in _ACTED


_ACTED = (Meaning.UNKNOWN, Meaning.DONE)

# The request that this thread or task is making.
_current: ContextVar[Request | None] = ContextVar("okx_rfq_request", default=None)
# Requests under way, by signature. No WeakValueDictionary: it runs Python code when a request is freed, and a
# KeyboardInterrupt that strikes there is lost.
_requests: dict[str, weakref.ref[Request]] = {}


def current(exchange: Any) -> Request | None:
    """Return the request of this exchange that this thread or task makes."""
    return _if_under_way(_current.get(), exchange)


def signed_by(exchange: Any, headers: Any) -> Request | None:
    """Return the request of this exchange whose signature these headers hold."""
    found = _requests.get(_signature(headers) or "")
    return None if found is None else _if_under_way(found(), exchange)


def _if_under_way(request: Request | None, exchange: Any) -> Request | None:
    return request if request is not None and request.exchange is exchange and not request.over else None


async def _nothing() -> None:
    """Do nothing: the coroutine of an async `throttle` that does not wait."""


# Reading ccxt's arguments


def argument(name: str, index: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return an argument of a ccxt method, passed by position or by name; None if it was not passed."""
    return kwargs[name] if name in kwargs else args[index] if len(args) > index else None


def _signature(headers: Any) -> str | None:
    return headers.get(_SIGNATURE) if isinstance(headers, dict) else None


def _refuse_unsignable(exchange: Any) -> None:
    for name in ("apiKey", "secret", "password"):
        value = getattr(exchange, name, None)
        is_text = isinstance(value, str) and not _SURROGATE.search(value)
        # The user's own `sign` may accept anything.
        if value and not is_text and connection.is_ccxts_code(exchange, "sign"):
            raise AuthenticationError(f"{exchange.id} {name} is no text that can be encoded and signed by")


def _refuse_unsendable(exchange: Any, headers: Any) -> None:
    for name in _CREDENTIALS:
        value = headers.get(name, "") if isinstance(headers, dict) else ""
        if (
            not isinstance(value, str)
            or _UNSENDABLE.search(value)
            or (exchange.synchronous and not (value.isascii() or max(value) <= "\xff"))
        ):
            # Refused here because the HTTP library's error would quote the value.
            raise AuthenticationError(
                f"{exchange.id} {name} cannot be sent in an HTTP header: it is no text, starts with a blank, or holds a"
                " line break or another character that headers do not carry"
            )
