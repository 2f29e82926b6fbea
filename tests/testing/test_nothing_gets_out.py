"""Nothing gets out: whatever an okx object is, wherever it was made, and however it sends."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from support.inner import WITHOUT, run

from okx_rfq_plugin.testing.wire import current, is_loopback

pytest_plugins = ["pytester"]

# Each way out is one test of a suite, which has to fail, or to have an error where it swallowed.
WAYS = """
    import asyncio, inspect, threading, urllib.request
    import ccxt, ccxt.async_support, ccxt.pro, pytest, requests
    import okx_rfq_plugin

    KEYS = {"apiKey": "real-key", "secret": "real-secret", "password": "real-pass"}

    def made(cls, **config):
        exchange = cls({**KEYS, **config})
        exchange.enableRateLimit = False
        return exchange

    BEFORE = made(ccxt.okx)

    class OwnFetch(ccxt.okx):
        def fetch(self, url, method="GET", headers=None, body=None):
            return requests.request(method, url, headers=headers, data=body).json()

    class OwnUrllib(ccxt.okx):
        def fetch(self, url, method="GET", headers=None, body=None):
            return urllib.request.urlopen(url).read()

    class OwnRequest(ccxt.okx):
        def request(self, path, *args, **kwargs):
            return requests.get("http://gateway.invalid/" + path).json()

    class OwnAsyncFetch(ccxt.async_support.okx):
        async def fetch(self, url, method="GET", headers=None, body=None):
            _, writer = await asyncio.open_connection("gateway.invalid", 443)

    def with_session(session):
        exchange = made(ccxt.okx)
        exchange.session = session
        return exchange

    def at(address):
        exchange = made(ccxt.okx)
        exchange.urls["api"]["rest"] = address
        return exchange

    def with_fetch():
        exchange = made(ccxt.okx)
        exchange.fetch = lambda url, *args: requests.get(url).json()
        return exchange

    def late():
        class Late(ccxt.okx):
            def fetch2(self, *args, **kwargs):
                return urllib.request.urlopen("http://gateway.invalid/")
        return made(Late)

    def signed_by_hand():
        default = inspect.signature(ccxt.okx.sign).parameters["api"].default
        api = ["private"] if isinstance(default, list) else "private"  # a word in the oldest ccxt
        request = made(ccxt.okx).sign("rfq/cancel-all-rfqs", api, "POST")
        requests.post(request["url"], headers=request["headers"])

    def on_a_thread():
        errors = []
        def run():
            try:
                BEFORE.fetch_time()
            except BaseException as error:
                errors.append(error)
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        raise errors[0]

    SYNC = {
        "public": lambda: ccxt.okx().fetch_time(),
        "private": lambda: made(ccxt.okx).private_post_rfq_cancel_all_rfqs(),
        "with the plugin": lambda: okx_rfq_plugin.install(made(ccxt.okx)).cancel_all_rfqs(),
        "made before": lambda: BEFORE.fetch_time(),
        "myokx": lambda: made(ccxt.myokx).fetch_time(),
        "okxus": lambda: made(ccxt.okxus).fetch_time(),
        "demo": lambda: made(ccxt.okx, headers={"x-simulated-trading": "1"}).fetch_time(),
        "another session": lambda: with_session(requests.Session()).fetch_time(),
        "another host": lambda: made(ccxt.okx, hostname="okx.cab").fetch_time(),
        "a gateway": lambda: at("http://gateway.invalid").fetch_time(),
        "a proxy here": lambda: made(ccxt.okx, httpsProxy="http://127.0.0.1:9").fetch_time(),
        "fetch of its own": lambda: made(OwnFetch).fetch_time(),
        "urllib": lambda: made(OwnUrllib).fetch_time(),
        "request of its own": lambda: made(OwnRequest).fetch_time(),
        "a class made late": lambda: late().fetch_time(),
        "a fetch put on": lambda: with_fetch().fetch_time(),
        "a thread": on_a_thread,
        "signed by hand": signed_by_hand,
        "signed, by its session": lambda: BEFORE.session.get("http://x.invalid", headers={"OK-ACCESS-KEY": "a"}),
    }

    async def watch(exchange):
        market = {"id": "BTC-USDT", "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT", "type": "spot", "spot": True}
        exchange.set_markets([market])
        await exchange.watch_ticker("BTC/USDT")

    async def dial(exchange):
        exchange.open()
        from ccxt.async_support.base.ws.client import Client
        client = Client("wss://ws.okx.com:8443/ws", exchange.handle_message, None, None, None, {})
        await client.create_connection(exchange.session)

    ASYNC = {
        "async": (ccxt.async_support.okx, lambda exchange: exchange.fetch_time(), {}),
        "async with the plugin": (
            ccxt.async_support.okx, lambda exchange: okx_rfq_plugin.install(exchange).cancel_all_rfqs(), {}
        ),
        "async myokx": (ccxt.async_support.myokx, lambda exchange: exchange.fetch_time(), {}),
        "async proxy": (
            ccxt.async_support.okx, lambda exchange: exchange.fetch_time(), {"httpsProxy": "http://127.0.0.1:9"}
        ),
        "async aiohttp proxy": (
            ccxt.async_support.okx, lambda exchange: exchange.fetch_time(), {"aiohttp_proxy": "http://127.0.0.1:9"}
        ),
        "async fetch of its own": (OwnAsyncFetch, lambda exchange: exchange.fetch_time(), {}),
        "pro": (ccxt.pro.okx, lambda exchange: exchange.fetch_time(), {}),
        "pro WebSocket": (ccxt.pro.okx, watch, {}),
        "pro WebSocket of a client": (ccxt.pro.okx, dial, {}),
    }

    def call(name):
        if name in SYNC:
            return SYNC[name]()
        cls, action, config = ASYNC[name]

        async def main():
            exchange = made(cls, **config)
            try:
                await action(exchange)
            finally:
                exchange.timeout_on_exit = 0
                await exchange.close()

        asyncio.run(main())

    every = pytest.mark.parametrize("name", [*SYNC, *ASYNC])
"""
COUNT = 28


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Hosts other than loopback that anybody has looked up or connected to, below the guard."""
    found: list[object] = []
    look_up, connect = socket.getaddrinfo, socket.socket.connect

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_loopback(host if isinstance(host, str) else host and host.decode()):
            found.append(host)
            raise socket.gaierror("nothing is looked up here")
        return look_up(host, *args, **kwargs)

    def connect_(self: socket.socket, address: Any) -> Any:
        if isinstance(address, tuple) and not is_loopback(address[0]):
            found.append(address)
            raise ConnectionRefusedError
        return connect(self, address)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket.socket, "connect", connect_)
    return found


def check(result: pytest.RunResult, lookups: list[object]) -> None:
    assert [] == lookups
    assert current() is None
    result.stdout.no_fnmatch_line("*RFQs MAY STILL BE ACTIVE: whether*Nothing was sent*")


@pytest.mark.parametrize(
    ("marks", "arguments"),
    [
        ("pytestmark = pytest.mark.usefixtures('okx_rfq_exchange')", ()),
        ("pytestmark = pytest.mark.usefixtures('okx_rfq_sandbox')", ()),
        ("pytestmark = pytest.mark.usefixtures('okx_rfq_waits')", ()),
        ("pytestmark = pytest.mark.okx_rfq_guard", ()),
        ("", ("-o", "okx_rfq_guard=true")),
    ],
    ids=["exchange", "sandbox", "waits", "marker", "ini"],
)
def test_nothing_gets_out(
    pytester: pytest.Pytester, lookups: list[object], marks: str, arguments: tuple[str, ...]
) -> None:
    """By no way, under a fixture, the marker or the ini value; and no swallowing hides it."""
    source = f"""{WAYS}
    {marks}

    @every
    def test_out(name):
        call(name)

    @every
    def test_swallowed(name):
        try:
            call(name)
        except BaseException:
            pass
    """
    # Native tracebacks: the others parse all of ccxt's source for each.
    result = run(pytester, source, "--tb=native", *arguments, failed=COUNT, passed=COUNT, errors=COUNT)

    check(result, lookups)
    assert COUNT <= str(result.stdout).count("In a test with an okx_rfq fixture, marker or guard")


def test_a_refusal_is_no_exception(pytester: pytest.Pytester, lookups: list[object]) -> None:
    """A strategy's `except Exception` lets it through, and no cancel repeats it or calls it a doubt."""
    result = run(
        pytester,
        """
        import ccxt, pytest
        import okx_rfq_plugin

        def test_it(okx_rfq_waits):
            exchange = okx_rfq_plugin.install(ccxt.okx({"apiKey": "aaaa", "secret": "bbbb", "password": "cccc"}))
            try:
                exchange.cancel_all_rfqs()
            except Exception:
                pass
            finally:
                assert [] == okx_rfq_waits
        """,
        failed=1,
    )

    check(result, lookups)
    result.stdout.fnmatch_lines(
        ["E *POST https://www.okx.com/api/v5/rfq/cancel-all-rfqs was not sent by a ccxt.okx.okx*"]
    )


def test_others_are_not_touched(pytester: pytest.Pytester, lookups: list[object]) -> None:
    """Other exchanges, other libraries and other hosts are asked for real; so are mocks in OKX's place."""
    run(
        pytester,
        """
        import socket
        import ccxt, pytest, requests

        def test_it(okx_rfq_exchange):
            with pytest.raises(ccxt.NetworkError):
                ccxt.kraken().fetch_time()
            with pytest.raises(requests.ConnectionError):
                requests.get("https://www.okx.com/api/v5/public/time")
            exchange = ccxt.okx()
            exchange.fetch = lambda *args, **kwargs: {"code": "0", "data": [{"ts": "7"}]}
            assert 7 == exchange.fetch_time()
        """,
        passed=1,
    )

    assert {"api.kraken.com", "www.okx.com"} == set(lookups)


def test_a_test_without_anything_of_ours_is_not_guarded(pytester: pytest.Pytester, lookups: list[object]) -> None:
    """By default; and one test of a guarded suite can be let out."""
    source = """
        import ccxt, pytest

        @pytest.mark.okx_rfq_guard(False)
        def test_it():
            with pytest.raises(ccxt.NetworkError):
                ccxt.okx().fetch_time()
        """
    run(pytester, source, passed=1)

    assert {"www.okx.com"} == set(lookups)


def test_the_ini_value_guards_imports_too(pytester: pytest.Pytester, lookups: list[object]) -> None:
    """A module that asks OKX when it is imported fails at collection."""
    pytester.makepyfile("import ccxt\nccxt.okx().fetch_time()\n\ndef test_it():\n    pass\n")
    result = pytester.runpytest_inprocess(*WITHOUT, "-o", "okx_rfq_guard=true")

    result.assert_outcomes(errors=1)
    check(result, lookups)


def test_a_fixtures_exchange_stays_where_it_is(pytester: pytest.Pytester, lookups: list[object]) -> None:
    """Whatever set_sandbox_mode, hostname, urls and proxies say; the environment follows."""
    run(
        pytester,
        """
        import asyncio, copy, pickle
        import ccxt, ccxt.async_support, ccxt.pro, pytest

        def test_sync(okx_rfq_exchange, okx_rfq_sandbox):
            exchange = okx_rfq_exchange
            for change in (
                lambda: exchange.set_sandbox_mode(True),
                lambda: exchange.set_sandbox_mode(False),
                lambda: setattr(exchange, "hostname", "okx.cab"),
                lambda: exchange.urls["api"].update(rest="https://gateway.invalid"),
                lambda: setattr(exchange, "urls", {"api": {"rest": "https://{hostname}"}}),
                lambda: setattr(exchange, "httpsProxy", "http://127.0.0.1:9"),
            ):
                change()
                assert exchange.fetch_time() > 0
            assert 6 == len(okx_rfq_sandbox.requests)

        def test_environment(okx_rfq_exchange, okx_rfq_sandbox):
            live = okx_rfq_sandbox.create_user(demo=False)
            okx_rfq_exchange.set_sandbox_mode(False)
            for name, value in live.items():
                setattr(okx_rfq_exchange, name, value)
            assert "nothing_active" == okx_rfq_exchange.cancel_all_rfqs()["status"]
            assert "x-simulated-trading" not in okx_rfq_sandbox.requests[0].headers

        @pytest.mark.parametrize("copied", [copy.deepcopy, lambda exchange: pickle.loads(pickle.dumps(exchange))])
        def test_copies(okx_rfq_exchange, copied):
            other = copied(okx_rfq_exchange)
            other.hostname = "elsewhere.invalid"
            other.urls["api"]["rest"] = "https://{hostname}"
            assert "nothing_active" == other.cancel_all_rfqs()["status"]
            other.session.close()

        @pytest.mark.parametrize("cls", [ccxt.async_support.okx, ccxt.pro.myokx])
        def test_async(okx_rfq_make_exchange, cls):
            exchange = okx_rfq_make_exchange(cls)

            async def main():
                exchange.set_sandbox_mode(False)
                exchange.hostname = "elsewhere.invalid"
                exchange.urls["api"]["rest"] = "https://{hostname}"
                assert await exchange.fetch_time() > 0

            asyncio.run(main())

        @pytest.mark.okx_rfq_cassette("canceled")
        def test_cassette(okx_rfq_exchange):
            okx_rfq_exchange.set_sandbox_mode(False)
            okx_rfq_exchange.urls["api"]["rest"] = "http://127.0.0.1:9"
            okx_rfq_exchange.httpProxy = "http://127.0.0.1:9"
            assert "canceled" == okx_rfq_exchange.cancel_all_rfqs()["status"]

        def test_a_redirect_is_not_followed_out(okx_rfq_exchange, okx_rfq_sandbox):
            from okx_rfq_plugin.sandbox import Fault

            okx_rfq_sandbox.fault("public/time", Fault(status=302, headers={"Location": "http://127.0.0.1:9/x"}))
            with pytest.raises(ccxt.BaseError):
                okx_rfq_exchange.fetch_time()
            assert ["/api/v5/public/time", "/x"] == [request.path for request in okx_rfq_sandbox.requests]
        """,
        passed=8,
    )

    assert [] == lookups


def test_what_is_loopback() -> None:
    """By the name alone, which is not looked up."""
    assert all(map(is_loopback, ["localhost", "LOCALHOST", "127.0.0.1", "127.8.9.1", "::1", "[::1]", "::1%lo"]))
    assert not any(map(is_loopback, ["", None, "okx.com", "localhost.okx.com", "0.0.0.0", "10.0.0.1", "::", "fe80::1"]))  # noqa: S104 - nobody binds


def test_a_loops_own_lookup_is_refused(pytester: pytest.Pytester, lookups: list[object]) -> None:
    """A client that looks hosts up on a thread of the loop's does not get so far."""
    assert asyncio.BaseEventLoop.getaddrinfo is asyncio.base_events.BaseEventLoop.getaddrinfo
    run(
        pytester,
        """
        import asyncio
        import ccxt.async_support, pytest

        class Own(ccxt.async_support.okx):
            async def fetch(self, *args, **kwargs):
                await asyncio.get_running_loop().getaddrinfo("elsewhere.invalid", 443)

        def test_it(okx_rfq_waits):
            async def main():
                await Own().fetch_time()

            asyncio.run(main())
        """,
        failed=1,
    )

    assert [] == lookups
