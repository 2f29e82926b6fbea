"""Host names: this machine's, and OKX's."""

from __future__ import annotations

import ipaddress

OKX_DOMAINS = ("okx.com", "okx.cab", "okex.com")


def is_loopback(host: str | None) -> bool:
    """Return whether a host is this machine, judged by its name alone, without a lookup."""
    if host is None:
        return False
    host = host.strip("[]").partition("%")[0].lower()
    if host in ("localhost", ""):
        return bool(host)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_okx_host(host: str) -> bool:
    """Return whether a host belongs to OKX."""
    host = host.rstrip(".").lower()
    return any(host == domain or host.endswith(f".{domain}") for domain in OKX_DOMAINS)
