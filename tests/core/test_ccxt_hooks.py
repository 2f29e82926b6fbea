"""The ccxt members that an attempt's request relies on: each is used, on every branch.

ccxt's own `fetch` runs here, sync and async, without the package on the exchange, and the members it uses are
recorded. If ccxt stops using one, or gets its session in another way, a test fails.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

import ccxt
import ccxt.async_support
import pytest
from support.twins import Twin

from okx_rfq_plugin import install
from okx_rfq_plugin._core import delegate

CALL, PATH = "private_post_rfq_cancel_all_rfqs", "rfq/cancel-all-rfqs"
PROXY = "http://127.0.0.1:9"
BODY = json.dumps({"code": "0", "msg": "", "data": [{"ts": "1700000000000"}]})

# The members in the table of request.py, and which variants of ccxt use each.
BOTH = ("fetch2", "throttle", "sign", "check_proxy_url_settings", "session", "timeout", "parse_json", "handle_errors")
MEMBERS = {"sync": {*BOTH, "logger", "log"}, "async": {*BOTH, "logger", "log", "get_socks_proxy_session"}}


class Response:
    """What ccxt reads from the responses of requests and aiohttp."""

    status_code = status = 200
    reason = "OK"
    encoding = None

    def __init__(self, *, synchronous: bool) -> None:
        self.headers: dict[str, str] = {}
        self.text: Any = BODY if synchronous else self._text

    async def _text(self, **kwargs: Any) -> str:
        return BODY

    def raise_for_status(self) -> None:
        """Do nothing: it is 200."""

    async def __aenter__(self) -> Response:
        return self

    async def __aexit__(self, *args: Any) -> None:
        """Close nothing."""


class Session:
    """An HTTP session that records what is sent with it."""

    def __init__(self, name: str, sent: list[tuple[str, dict[str, Any]]], *, synchronous: bool) -> None:
        self._name = name
        self._sent = sent
        self._synchronous = synchronous
        self.cookies: dict[str, str] = {}
        self.headers: dict[str, str] = {}

    def request(self, method: str, url: str, **kwargs: Any) -> Response:
        self._sent.append((self._name, kwargs))
        return Response(synchronous=self._synchronous)

    def post(self, url: Any, **kwargs: Any) -> Response:
        return self.request("POST", url, **kwargs)

    def close(self) -> Any:
        """Close nothing."""
        return None if self._synchronous else asyncio.sleep(0)


class Watched:
    """A ccxt okx object without the package that records which members are used, in order."""

    def __init__(self, twin: Twin, **settings: Any) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.asked: list[str] = []
        asked = self.asked

        class Noting(twin.module.okx):  # type: ignore[name-defined]  # chosen at run time
            def __getattribute__(self, name: str) -> Any:
                asked.append(name)
                return super().__getattribute__(name)

            def __del__(self) -> None:
                """Close nothing."""

        self.exchange: Any = Noting({"apiKey": "dummy-key", "secret": "dummy-secret", "password": "dummy", **settings})
        self.exchange.session = Session("session", self.sent, synchronous=twin.synchronous)
        self.exchange.own_session = False
        self.exchange.ssl_context = False
        if not twin.synchronous:
            socks = Session("socks", self.sent, synchronous=False)
            self.exchange.get_socks_proxy_session = lambda url: socks
        self._twin = twin

    def call(self) -> Any:
        """Call the endpoint, and return its reply."""
        del self.asked[:]
        call = getattr(self.exchange, CALL)
        return call({}) if self._twin.synchronous else asyncio.run(call({}))


@pytest.fixture(autouse=True)
def _socks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest ccxt looks for aiohttp_socks before it asks for the session, which is replaced here."""
    module = sys.modules["ccxt.async_support.base.exchange"]  # `ccxt.async_support.base` is a list of names
    monkeypatch.setattr(module, "SocksProxyConnector", object, raising=False)


def settings_of(twin: Twin) -> dict[str, dict[str, Any]]:
    """Return the branches of ccxt's `fetch`, by name, and the settings that select them."""
    branches: dict[str, dict[str, Any]] = {
        "direct": {},
        "proxyUrl": {"proxyUrl": PROXY + "/"},
        "httpProxy": {"httpProxy": PROXY},
        "httpsProxy": {"httpsProxy": PROXY},
        "socksProxy": {"socksProxy": "socks5://127.0.0.1:9"},
    }
    own = (
        {"proxies": {"proxies": {"https": PROXY}}} if twin.synchronous else {"aiohttp_proxy": {"aiohttp_proxy": PROXY}}
    )
    return {**branches, **own}


def branches() -> list[Any]:
    """Return every branch of both variants as parameters."""
    faces = [Twin(ccxt, True), Twin(ccxt.async_support, False)]
    return [
        pytest.param(twin, name, settings, id=f"{'sync' if twin.synchronous else 'async'}-{name}")
        for twin in faces
        for name, settings in settings_of(twin).items()
    ]


def test_the_table_names_every_member_of_the_delegate() -> None:
    """The members that the request changes are those listed in its docstring and tested here."""
    table = delegate.__doc__ or ""
    members = {*delegate.METHODS, *delegate.VALUES}

    assert members == MEMBERS["sync"] | MEMBERS["async"]
    assert [] == [
        name for name in members if f"    {name}" not in table and f"{name}, " not in table and f", {name}" not in table
    ]


@pytest.mark.parametrize("verbose", [False, True])
def test_ccxt_uses_every_member(verbose: bool, twin: Twin) -> None:
    """Each is used during a request; `log` if ccxt is verbose, the SOCKS session with such a proxy."""
    watched = Watched(twin, **({} if twin.synchronous else {"socksProxy": "socks5://127.0.0.1:9"}))
    watched.exchange.verbose = verbose
    watched.exchange.print = lambda *args: None

    assert "0" == watched.call()["code"]

    expected = MEMBERS["sync" if twin.synchronous else "async"] - (set() if verbose else {"log"})
    assert set() == expected - set(watched.asked)
    assert verbose == ("log" in watched.asked)


def test_ccxt_asks_for_them_in_the_order_of_the_table(twin: Twin) -> None:
    """`fetch2` first, then the throttle, the signature, the proxy settings, and the session last, before sending."""
    watched = Watched(twin)
    watched.call()
    order = ("fetch2", "throttle", "sign", "check_proxy_url_settings", "handle_errors")

    first = [watched.asked.index(name) for name in order]
    last_session = len(watched.asked) - 1 - watched.asked[::-1].index("session")
    assert first == sorted(first)
    assert watched.asked.index("check_proxy_url_settings") < last_session < watched.asked.index("handle_errors")
    assert 1 == watched.asked.count("check_proxy_url_settings")  # once for each send


def test_ccxt_passes_what_is_read_of_its_arguments(twin: Twin) -> None:
    """Both ends get the request's headers, which identify its reply."""
    watched = Watched(twin)
    seen: dict[str, tuple[Any, ...]] = {}

    def noting(name: str) -> Callable[..., Any]:
        own = getattr(type(watched.exchange), name)

        def noted(*args: Any) -> Any:
            seen[name] = args
            return own(watched.exchange, *args)

        return noted

    for name in ("sign", "check_proxy_url_settings", "handle_errors"):
        setattr(watched.exchange, name, noting(name))
    watched.call()

    signature = seen["check_proxy_url_settings"][2]["OK-ACCESS-SIGN"]
    assert PATH == seen["sign"][0]
    status, *_, body, request_headers = seen["handle_errors"][:8]
    assert (200, json.loads(BODY)) == (status, body)
    assert signature == request_headers["OK-ACCESS-SIGN"]


@pytest.mark.parametrize(("twin", "name", "settings"), branches())
def test_every_branch_sends_by_a_session_that_can_be_handed_out(twin: Twin, name: str, settings: Any) -> None:
    """By itself, ccxt sends with `session`, or with the result of `get_socks_proxy_session`, and with nothing else."""
    watched = Watched(twin)
    vars(watched.exchange).update(settings)

    try:
        assert "0" == watched.call()["code"]
    except ccxt.InvalidProxySettings:  # ccxt 4.5.90 refuses every `proxyUrl`, as if there were another proxy too
        assert ("proxyUrl", []) == (name, watched.sent)
        return
    socks = name == "socksProxy" and not twin.synchronous
    assert ["socks" if socks else "session"] == [session for session, _ in watched.sent]


@pytest.mark.parametrize(("twin", "name", "settings"), branches())
def test_every_branch_is_handed_out_by_the_delegate(twin: Twin, name: str, settings: Any) -> None:
    """With the package installed, each branch sends once, with the session provided, and follows no redirect."""
    sent: list[tuple[str, dict[str, Any]]] = []
    exchange: Any = twin.module.okx({"apiKey": "dummy-key", "secret": "dummy-secret", "password": "dummy"})
    exchange.session = Session("session", sent, synchronous=twin.synchronous)
    exchange.own_session = False
    exchange.ssl_context = False
    if not twin.synchronous:
        exchange.get_socks_proxy_session = lambda url: Session("socks", sent, synchronous=False)
    vars(exchange).update(settings)
    install(exchange)

    async def on_a_loop() -> Any:
        try:
            return await exchange.cancel_all_rfqs()
        finally:
            exchange.session = None

    try:
        receipt = exchange.cancel_all_rfqs() if twin.synchronous else asyncio.run(on_a_loop())
    except ccxt.InvalidProxySettings:  # as above
        assert ("proxyUrl", []) == (name, sent)
        return

    [(session, arguments)] = sent
    assert "canceled" == receipt["status"]
    assert ("socks" if name == "socksProxy" and not twin.synchronous else "session") == session
    assert arguments["allow_redirects"] is False
    assert 3.0 == getattr(arguments["timeout"], "total", arguments["timeout"])
