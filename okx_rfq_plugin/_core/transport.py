"""Errors of the HTTP libraries: which prove that nothing was sent, which no retry fixes, and how to word them.

The libraries (requests, urllib3, http.client, aiohttp, python_socks) are identified by names of modules, classes and
functions, so none is imported that the exchange does not use.
"""

from __future__ import annotations

import errno
import ssl
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from ccxt.base.errors import BadResponse, BaseError, ExchangeError, NetworkError, RequestTimeout

from okx_rfq_plugin._core import members

_UNTRUSTED = (ssl.SSLCertVerificationError,)
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
# Classes that each library raises only before a request is sent: address, connection, proxy, trust.
_BEFORE = {
    "urllib3.exceptions": ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "ProxyError"),
    "requests.exceptions": ("ConnectTimeout", "ProxyError"),
    "aiohttp.client_exceptions": (
        *("ClientConnectorError", "ConnectionTimeoutError", "ClientHttpProxyError", "ServerFingerprintMismatch"),
        *("InvalidURL", "NonHttpUrlClientError"),  # their subclasses are for redirects, and none is followed
    ),
    "python_socks._errors": ("ProxyError", "ProxyConnectionError", "ProxyTimeoutError"),
    "vcr.errors": ("CannotOverwriteExistingCassetteException",),
}
# Functions of each library that run before a byte of the request is written; None for the whole module. An error raised
# in or below them proves that nothing was sent. Its class alone does not: a reply may raise the same ValueError.
_PREPARING: dict[str, tuple[str, ...] | None] = {
    "okx_rfq_plugin._core.certificates": None,
    "requests.sessions": ("prepare_request", "merge_environment_settings", "get_adapter"),
    "requests.adapters": (
        *("cert_verify", "get_connection_with_tls_context", "_get_connection", "get_connection", "request_url"),
        *("add_headers", "proxy_headers", "proxy_manager_for", "build_connection_pool_key_attributes"),
    ),
    "urllib3.connectionpool": ("_get_conn", "_new_conn", "_prepare_proxy", "_validate_conn"),
    "urllib3.connection": ("connect", "_new_conn", "putrequest", "putheader"),
    "urllib3.util.request": ("body_to_chunks",),
    "http.client": ("connect", "putrequest", "putheader"),
    "aiohttp.client": ("_build_url", "_prepare_headers"),
    "aiohttp.client_reqrep": ("update_host", "update_headers", "update_auth", "update_proxy", "update_body_from_data"),
    "aiohttp.connector": (
        *("connect", "_wait_for_available_connection", "_create_connection", "_create_direct_connection"),
        *("_create_proxy_connection", "_wrap_create_connection", "_start_tls_connection", "_resolve_host"),
    ),
    "aiohttp.helpers": ("strip_auth_from_url",),
    "aiohttp.http_writer": ("_serialize_headers", "_py_serialize_headers", "_safe_header"),
    "aiohttp._http_writer": None,
    "aiohttp_socks.connector": None,
}

_LIBRARIES = {
    *("okx_rfq_plugin", "requests", "urllib3", "charset_normalizer", "chardet", "idna", "brotli"),
    *("aiohttp", "yarl", "multidict", "propcache"),
    *(sys.stdlib_module_names - {"unittest"}),
}


def nothing_left(error: BaseException, handled: BaseException | None = None) -> bool:
    """Return whether a request that ended with this error certainly never left this machine.

    Args:
        error: what the HTTP library raised, or an interrupt that struck in it.
        handled: the exception that was being handled when the request began; it is chained, but unrelated.
    """
    if not isinstance(error, Exception):  # an interrupt: only where it struck counts
        return _is_preparing(error)
    chain = list(_chain(error, handled))
    if any(map(_is_of_a_retry, chain)):
        return False
    return any(_is_before(each) or _is_preparing(each) for each in chain)


def leads_to(first: BaseException, last: BaseException) -> bool:
    """Return whether `first` is in the chain of `last`."""
    return any(each is first for each in _chain(last))


def is_final(error: BaseException, handled: BaseException | None = None) -> bool:
    """Return whether no retry fixes it: a certificate that is not trusted, or settings that cannot work."""
    return any(
        isinstance(each, (*_UNTRUSTED, ValueError, TypeError))
        or (isinstance(each, OSError) and "CA certificate bundle" in str(each))
        for each in _chain(error, handled)
    )


def explain(error: BaseException) -> str:
    """Return in plain words why nothing was sent, without quotes from the HTTP library."""
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


def as_ccxt_error(exchange: Any, error: BaseException, handled: BaseException | None = None) -> BaseError | None:
    """Return the ccxt error for an HTTP library's exception that ccxt did not translate; None for any other."""
    if not isinstance(error, Exception):
        return None
    chain = _chain(error, handled)
    if nothing_left(error, handled):
        kind: Any = ExchangeError if is_final(error, handled) else NetworkError
    elif any(isinstance(each, (OSError, EOFError)) or "ClientError" in _names(each) for each in chain):
        kind = RequestTimeout if "TimeoutError" in _names(error) else NetworkError
    elif is_of_a_reply(error):
        kind = BadResponse
    else:
        return None
    translated: BaseError = kind(f"{exchange.id} {type(error).__name__}")
    translated.__cause__ = error
    return translated


def is_of_a_reply(error: BaseException) -> bool:
    """Return whether ccxt or its HTTP library failed on a reply, without the user's code involved."""
    modules = [module for module, _ in _frames(error)]
    fetch = next((place for place, frame in enumerate(_frames(error)) if _is_ccxts_fetch(*frame)), len(modules))
    return fetch < len(modules) and all(
        members.is_ccxts(module) or module.partition(".")[0] in _LIBRARIES for module in modules[fetch:]
    )


def _is_ccxts_fetch(module: str, function: str) -> bool:
    return members.is_ccxts(module) and function == "fetch"


def unwrapped(error: BaseException) -> BaseException:
    """Return the one exception that a task group has wrapped; any other as it is."""
    inner = getattr(error, "exceptions", ())  # by its attribute: Python 3.10 has no ExceptionGroup of its own
    return unwrapped(*inner) if isinstance(inner, tuple) and len(inner) == 1 else error


def _is_before(error: BaseException) -> bool:
    return any(cls.__name__ in _BEFORE.get(cls.__module__, ()) for cls in type(error).__mro__)


def _is_preparing(error: BaseException) -> bool:
    def is_before(module: str, function: str) -> bool:
        functions = _PREPARING.get(module, ())
        return functions is None or function in functions

    return any(is_before(*frame) for frame in _frames(error))


def _is_of_a_retry(error: BaseException) -> bool:
    """Return whether urllib3 retried before it raised this: then it is the error of the last try only."""
    frames = [("", ""), *_frames(error)]
    # Where it raises an error again, the frame that raised it first is listed again, too.
    tries = sum(
        frame == ("urllib3.connectionpool", "urlopen") and before != ("urllib3.util.util", "reraise")
        for before, frame in pairwise(frames)
    )
    return tries > 1


def _names(error: BaseException) -> set[str]:
    return {cls.__name__ for cls in type(error).__mro__}


def _frames(error: BaseException) -> Iterator[tuple[str, str]]:
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame.f_globals.get("__name__", ""), trace.tb_frame.f_code.co_name
        trace = trace.tb_next


def _chain(error: BaseException | None, handled: BaseException | None = None) -> Iterator[BaseException]:
    # urllib3 keeps the underlying error in `reason`, requests in its first argument; the others chain.
    seen = {id(handled)}
    waiting: list[Any] = [error]
    while waiting:
        each = waiting.pop()
        if isinstance(each, BaseException) and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args, unwrapped(each)]
