"""requests' adapter, with the trusted certificates read once.

All of this runs before anything is sent, which `transport.nothing_left` relies on.
"""

from __future__ import annotations

import functools
import ssl
from typing import Any


@functools.cache
def adapter_class() -> Any:
    """Return the adapter class, created on first use: importing this package does not import requests."""
    import requests

    class Adapter(requests.adapters.HTTPAdapter):
        """requests' adapter, with the trusted certificates read once: for each connection that would take 20 ms."""

        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, ssl_context=trusted(), **kwargs)

        def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> Any:
            return super().proxy_manager_for(proxy, ssl_context=trusted(), **kwargs)

        def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
            super().cert_verify(conn, url, verify, cert)
            if verify is True and conn.conn_kw.get("ssl_context") is not None:
                conn.ca_certs = None

        def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
            host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
            if verify is not True:
                pool["ssl_context"] = None  # other certificates, or none: leave it to requests
            return host, pool

    return Adapter


@functools.cache
def trusted() -> ssl.SSLContext | None:
    """Return urllib3's TLS settings with the certificates that requests trusts, read once; None if there are none."""
    import urllib3
    from requests.utils import DEFAULT_CA_BUNDLE_PATH

    context = urllib3.util.ssl_.create_urllib3_context()
    try:
        context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    except OSError:
        return None
    return context
