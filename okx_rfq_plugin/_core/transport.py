"""Errors of the HTTP libraries: which of them certainly sent nothing, which no repetition mends, and in which words.

By the classes of requests, urllib3, aiohttp and python_socks, which are told by their names: of the four only those are
imported that the exchange uses.
"""

from __future__ import annotations

import errno
import ssl
from collections.abc import Iterator
from typing import Any

from ccxt.base.errors import BaseError, ExchangeError, NetworkError

_UNTRUSTED = (ssl.SSLCertVerificationError,)
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
_CONNECTORS = ("aiohttp.connector", "okx_rfq_plugin._core.certificates")
_CONNECTING = ("connect", "_new_conn")
_LIBRARIES = ("requests", "urllib3", "aiohttp", "yarl", "multidict", "http", "encodings", "idna")
_READING = ("getresponse", "start", "read", "text", "iter_content")
_BEFORE = {
    *(
        "NewConnectionError",
        "NameResolutionError",
        "ConnectTimeoutError",
        "ConnectTimeout",
        "LocationParseError",
    ),  # urllib3
    *("InvalidURL", "InvalidSchema", "InvalidHeader", "InvalidProxyURL", "MissingSchema"),  # requests
    *(
        "ClientConnectorError",
        "ClientConnectorCertificateError",
        "ConnectionTimeoutError",
        "ClientHttpProxyError",
    ),  # aiohttp
    *("ServerFingerprintMismatch", "NonHttpUrlClientError"),  # aiohttp
    *("ProxyError", "ProxyConnectionError", "ProxyTimeoutError"),  # urllib3 and requests; python_socks
}


def nothing_left(error: BaseException) -> bool:
    """Return whether a request that ended with this error certainly never left this machine.

    By the classes of requests, urllib3, aiohttp and python_socks for the time before a request (no address, no
    connection, no proxy, no trust, no file descriptor, no valid URL or header), and by where it was raised: a
    connection is made before anything is sent on it. Of an interrupt only the latter counts.
    """
    if not isinstance(error, Exception):
        return _while_connecting(error)
    return _is_refused_argument(error) or any(
        _before_request(each) or _while_connecting(each) for each in _chain(error)
    )


def leads_to(first: BaseException, last: BaseException) -> bool:
    """Return whether the one error is what the other was raised for."""
    return any(each is first for each in _chain(last))


def is_final(error: BaseException) -> bool:
    """Return whether no repetition mends it: a certificate that is not trusted, or settings that cannot work."""
    return _is_refused_argument(error) or any(
        isinstance(each, _UNTRUSTED)
        or _names(each) & {"InvalidURL", "InvalidSchema", "InvalidHeader", "InvalidProxyURL", "MissingSchema"}
        or (isinstance(each, OSError) and "CA certificate bundle" in str(each))
        for each in _chain(error)
    )


def explain(error: BaseException) -> str:
    """Return in plain words why nothing was sent; without what the HTTP library quotes."""
    chain = list(_chain(error))
    names = set().union(*map(_names, chain))
    for words, matches in (
        (
            "the host's name could not be resolved",
            names & {"gaierror", "NameResolutionError", "ClientConnectorDNSError"},
        ),
        ("too many files are open", any(getattr(each, "errno", None) in _NO_DESCRIPTORS for each in chain)),
        ("the proxy could not be used", names & {"ProxyError", "ProxyConnectionError", "ClientHttpProxyError"}),
        ("the proxy could not be reached", names & {"ClientProxyConnectionError", "ProxyTimeoutError"}),
        ("the certificate of the other side is not trusted", any(isinstance(e, _UNTRUSTED) for e in chain)),
        ("the file of trusted certificates cannot be read", any("CA certificate bundle" in str(e) for e in chain)),
        ("the connection was refused", names & {"ConnectionRefusedError"}),
        ("no connection was made in time", names & {"ConnectTimeoutError", "ConnectTimeout", "TimeoutError"}),
        ("no connection could be made", names & {"NewConnectionError", "ClientConnectorError"}),
    ):
        if matches:
            return f"{words} ({type(error).__name__})"
    return f"{error} ({type(error).__name__})"


def as_ccxt_error(exchange: Any, error: BaseException) -> BaseError | None:
    """Return the ccxt error for what an HTTP library raised and ccxt did not translate; None if it is neither's."""
    chain = list(_chain(error))
    lost = any(isinstance(each, (OSError, EOFError)) or "ClientError" in _names(each) for each in chain)
    if not isinstance(error, Exception) or not (lost or nothing_left(error)):
        return None
    kind = ExchangeError if is_final(error) else NetworkError
    translated: BaseError = kind(f"{exchange.id} {type(error).__name__}")
    translated.__cause__ = error
    return translated


def _is_refused_argument(error: BaseException) -> bool:
    # What the library itself raises before it has a reply: it refuses an argument, or cannot write it out.
    frames = list(_frames(error))
    return (
        isinstance(error, (ValueError, TypeError))
        and bool(frames)
        and frames[-1][0].partition(".")[0] in _LIBRARIES
        and not any(function in _READING for _, function in frames)
    )


def _before_request(error: BaseException) -> bool:
    if _names(error) & _BEFORE or isinstance(error, _UNTRUSTED):
        return True
    return isinstance(error, OSError) and (error.errno in _NO_DESCRIPTORS or "CA certificate bundle" in str(error))


def _while_connecting(error: BaseException) -> bool:
    return any(
        module in _CONNECTORS or (module == "urllib3.connection" and function in _CONNECTING)
        for module, function in _frames(error)
    )


def _names(error: BaseException) -> set[str]:
    return {cls.__name__ for cls in type(error).__mro__}


def _frames(error: BaseException) -> Iterator[tuple[str, str]]:
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame.f_globals.get("__name__", ""), trace.tb_frame.f_code.co_name
        trace = trace.tb_next


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    # urllib3 keeps what led to it in `reason`, requests in its first argument, everybody else chains.
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        each = waiting.pop()
        if isinstance(each, BaseException) and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]
