"""Certificates trusted by a sync attempt: the same as with requests, read once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ccxt
import ccxt.async_support
import pytest
import requests
from support.fault_tls import Tunnel, make_certificate
from support.replies import SUCCESS, aimed
from support.socks import Socks
from support.standin import Standin, reply
from support.twins import Twin, VirtualClock

from okx_rfq_plugin import install
from okx_rfq_plugin._core import certificates


@pytest.fixture
def standin(clock: VirtualClock) -> Iterator[Standin]:
    with Standin(clock.now) as running:
        running.script(reply(200, SUCCESS))
        yield running


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A certificate, from which the file of trusted certificates is made."""
    file = make_certificate("localhost", tmp_path / "trusted.pem")
    monkeypatch.setattr(requests.utils, "DEFAULT_CA_BUNDLE_PATH", str(file))
    certificates.trusted.cache_clear()
    yield file
    certificates.trusted.cache_clear()


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """An untrusted certificate."""
    return make_certificate("localhost", tmp_path / "stranger.pem")


@pytest.fixture
def cancel(standin: Standin, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Cancels at a server with a certificate, and returns the status or the error.

    `verify` is ccxt's setting: False, or a file from the environment, which requires trusting the environment.
    """

    def cancels(shown: Path, *, proxy: bool = False, verify: Path | bool = True) -> Any:
        clock.time += 10
        behind = int(standin.url.rpartition(":")[2])
        with Tunnel(shown, behind) as tunnel, Socks(tunnel.port, "http") as between:
            exchange = aimed(Twin(ccxt, True), standin, clock, deadline=0.0)
            exchange.urls["api"]["rest"] = f"https://localhost:{tunnel.port}"
            exchange.verify = verify is not False
            if isinstance(verify, Path):
                exchange.session.trust_env = True
                monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(verify))
            if proxy:
                exchange.httpsProxy = between.url.replace("socks5", "http")
            try:
                return exchange.cancel_all_rfqs()["status"]
            except ccxt.BaseError as error:
                facts: Any = error
                assert facts.cancel_failure.may_be_canceled is False
                return str(error)
            finally:
                monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
                exchange.session.close()

    return cancels


@pytest.mark.parametrize("proxy", [False, True], ids=["direct", "by a proxy"])
def test_certificates_are_read_once_and_from_nowhere_else(
    proxy: bool, trusted: Path, cancel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading takes longer than a whole cancel, so it is not repeated for each connection."""
    assert "canceled" == cancel(trusted, proxy=proxy)
    unreadable = tmp_path / "unreadable.pem"
    unreadable.write_text("no certificate")
    monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(unreadable))

    assert "canceled" == cancel(trusted, proxy=proxy)
    assert certificates.trusted() is certificates.trusted() is not None


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("proxy", [False, True], ids=["direct", "by a proxy"])
def test_stranger_is_trusted_by_whom_the_user_tells_alone(
    proxy: bool, stranger: Path, trusted: Path, cancel: Any
) -> None:
    """A setting applies to its exchange, and to no other."""
    assert "is not trusted" in cancel(stranger, proxy=proxy)
    assert "canceled" == cancel(stranger, proxy=proxy, verify=False)
    assert "is not trusted" in cancel(stranger, proxy=proxy)
    assert "canceled" == cancel(stranger, proxy=proxy, verify=stranger)
    assert "is not trusted" in cancel(stranger, proxy=proxy)
    assert "is not trusted" in cancel(trusted, proxy=proxy, verify=stranger)
    assert "canceled" == cancel(trusted, proxy=proxy)


def test_certificates_are_read_by_an_install(trusted: Path) -> None:
    """And not in the first cancel, which may be an emergency; async exchanges read their own."""
    install(ccxt.async_support.okx())
    assert 0 == certificates.trusted.cache_info().currsize

    install(ccxt.okx())
    assert 1 == certificates.trusted.cache_info().currsize
    trusted.unlink()
    assert certificates.trusted() is not None
