"""Which account an object belongs to, and which objects one request may serve."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ccxt
import ccxt.async_support
import ccxt.pro
import pytest
import requests
from support.twins import Twin

from okx_rfq_plugin import install
from okx_rfq_plugin._core import connection
from okx_rfq_plugin._core.identity import key_of, sharing_of

KEYS = {"apiKey": "dummy-key", "secret": "dummy-secret", "password": "dummy-passphrase"}


def made(twin: Twin, cls: Any = None, **config: Any) -> Any:
    return (cls or twin.module.okx)({**KEYS, **config})


def setting(**values: Any) -> Callable[[Any], Any]:
    """Return a function that sets attributes of an exchange."""
    return lambda exchange: vars(exchange).update(values)


ACCOUNTS: dict[str, Callable[[Any], Any]] = {
    "another key": setting(apiKey="dummy-key-2"),
    "another host": setting(hostname="example.invalid"),
    "another address": lambda exchange: exchange.urls["api"].update(rest="http://127.0.0.1:9"),
    "one address for all": lambda exchange: exchange.urls.update(api="http://127.0.0.1:9"),
    "demo trading": lambda exchange: exchange.set_sandbox_mode(True),
}
WAYS: dict[str, Callable[[Any], Any]] = {
    "another passphrase": setting(password="dummy-passphrase-2"),
    "headers": setting(headers={"X-Desk": "7"}),
    "a proxy": setting(httpsProxy="http://127.0.0.1:9"),
    "a proxy for the address": setting(proxyUrl="http://127.0.0.1:9/"),
    "an old proxy": setting(proxy="http://127.0.0.1:9/"),
    "proxies from the environment": lambda exchange: setattr(
        exchange, "requests_trust_env" if exchange.synchronous else "aiohttp_trust_env", True
    ),
    "a fetch of its own": lambda exchange: setattr(exchange, "fetch", exchange.fetch),
    "a session of its own": lambda exchange: vars(exchange).update(session=Session(), own_session=False),
}
OF_REQUESTS: dict[str, Callable[[Any], Any]] = {
    "a header of the session": lambda exchange: exchange.session.headers.update({"X-Desk": "7"}),
    "proxies of the session": lambda exchange: exchange.session.proxies.update(https="http://127.0.0.1:9"),
    "certificates of the session": lambda exchange: setattr(exchange.session, "verify", "/of/the/desk"),
}


class Session(requests.Session):
    """A session of the user's."""


def test_objects_that_agree_share(twin: Twin) -> None:
    """Whichever ccxt class they have, and whatever the order of the params."""
    one, other = made(twin), made(twin)
    assert key_of(one) == key_of(other)
    assert sharing_of(one, {"a": 1, "b": [2]}) == sharing_of(install(other), {"b": [2], "a": 1})
    assert sharing_of(one, {"a": 1}) != sharing_of(one, {"a": 2})
    assert key_of(made(twin)) == key_of(ccxt.pro.okx(KEYS))
    if not twin.synchronous:
        assert sharing_of(one, {}) == sharing_of(ccxt.pro.okx(KEYS), {})
    assert 16 == len(key_of(one)) == len(sharing_of(one, {}))


def test_params_of_any_kind_can_be_compared(twin: Twin) -> None:
    """Their values need no order."""
    one = made(twin)
    params: dict[Any, Any] = {"a": {}, 1: None}
    assert sharing_of(one, params) == sharing_of(one, dict(reversed(params.items())))


@pytest.mark.parametrize("change", ACCOUNTS.values(), ids=ACCOUNTS)
def test_another_account_host_or_environment_has_its_own_limits(change: Callable[[Any], Any], twin: Twin) -> None:
    """OKX counts each separately."""
    one, other = made(twin), made(twin)
    change(other)
    assert key_of(one) != key_of(other)


@pytest.mark.parametrize("change", WAYS.values(), ids=WAYS)
def test_another_way_does_not_share(change: Callable[[Any], Any], twin: Twin) -> None:
    """The account is the same, but its requests may go elsewhere."""
    one, other = made(twin), made(twin)
    change(other)
    assert key_of(one) == key_of(other)
    assert sharing_of(one, {}) != sharing_of(other, {})


@pytest.mark.parametrize("change", OF_REQUESTS.values(), ids=OF_REQUESTS)
def test_settings_of_a_sync_session_are_of_the_way(change: Callable[[Any], Any]) -> None:
    """An attempt's own session is created with them."""
    one, other = made(Twin(ccxt, True)), made(Twin(ccxt, True))
    change(other)
    assert connection.settings_of(one, one.session) != connection.settings_of(other, other.session)
    assert sharing_of(one, {}) != sharing_of(other, {})


def test_a_users_class_shares_only_with_its_own_objects(twin: Twin) -> None:
    """It may trade on paper."""
    mine: Any = type("Paper", (twin.module.okx,), {})
    same_name: Any = type("Paper", (twin.module.okx,), {})
    one = sharing_of(made(twin, mine), {})
    assert one == sharing_of(made(twin, mine), {}) == sharing_of(install(made(twin, mine)), {})
    assert one not in (sharing_of(made(twin), {}), sharing_of(made(twin, same_name), {}))
