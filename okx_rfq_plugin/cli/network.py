"""How requests leave this machine: proxy and CA bundle, by the rules of requests, for every verb alike."""

from __future__ import annotations

import os
import sys
from typing import Any, NamedTuple
from urllib.parse import urlsplit

_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # in the order in which requests reads them
_DIRECT = "none"


class NothingSentError(Exception):
    """Why nothing can be sent from here, in words for an operator."""


class Route(NamedTuple):
    """The route to a host.

    `proxy` is its address with user and password, for use but not for display. `bundle` is the file or folder of
    certificates, or None for certifi's own, and `named_by` the variable that names it.
    """

    proxy: str | None = None
    bundle: str | None = None
    named_by: str = ""

    @property
    def shown(self) -> str:
        """The proxy and the CA bundle in words, without user and password."""
        proxy = _DIRECT if self.proxy is None else without_password(self.proxy)
        bundle = f"{self.bundle} ({self.named_by})" if self.bundle else "certifi's"
        return f"proxy {proxy}, CA bundle {bundle}"


def route_to(url: str) -> Route:
    """Return how requests gets to an address with the environment's settings.

    Raises:
        NothingSentError: if a variable names a CA bundle that does not exist.
    """
    from requests.utils import get_environ_proxies, select_proxy

    proxy = select_proxy(url, get_environ_proxies(url))
    if proxy and "://" not in proxy:
        proxy = f"http://{proxy}"  # requests' own default
    named_by = next((name for name in _BUNDLES if os.environ.get(name)), "")
    bundle = os.environ.get(named_by) if named_by else None
    if bundle and not os.path.exists(bundle):
        raise NothingSentError(f"{named_by} names the CA bundle {bundle}, which is not there. Correct or unset it")
    return Route(proxy or None, bundle, named_by)


def for_aiohttp(route: Route) -> Route:
    """Return the route if aiohttp, which is used for many accounts, supports it.

    Raises:
        NothingSentError: if it does not.
    """
    scheme = urlsplit(route.proxy or "http:").scheme
    if scheme == "http" or (scheme == "https" and sys.version_info >= (3, 11)):
        return route
    shown = without_password(str(route.proxy))
    raise NothingSentError(
        f"the environment names the proxy {shown}, and --accounts cannot use a proxy of that kind."
        " Name an http:// proxy, or cancel for one account at a time, without --accounts"
    )


def ssl_context(route: Route) -> Any:
    """Return TLS settings for aiohttp that trust what requests would trust on this route."""
    import ssl

    import certifi

    bundle = route.bundle or certifi.where()
    try:
        folder = os.path.isdir(bundle)
        return ssl.create_default_context(cafile=None if folder else bundle, capath=bundle if folder else None)
    except (OSError, ssl.SSLError):
        raise NothingSentError(f"the CA bundle {bundle} ({route.named_by}) cannot be read as certificates") from None


def without_password(url: str) -> str:
    """Return an address without user and password."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
