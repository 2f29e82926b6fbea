"""Nothing gets out, whatever an okx object is, wherever it was created, and however it sends."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from support.inner import WITHOUT, run

import okx_rfq_plugin
from okx_rfq_plugin.testing.hosts import is_loopback
from okx_rfq_plugin.testing.stages import current

pytest_plugins = ["pytester"]

# Each way out is one test of a suite, which must fail, or error if it swallowed the refusal.
WAYS = """
    import asyncio, concurrent.futures, http.client, inspect, threading, urllib.request
    import aiohttp, ccxt, ccxt.async_support, ccxt.pro, httpx, pytest, requests, urllib3
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

    class OwnPool(ccxt.okx):
        def fetch(self, url, method="GET", headers=None, body=None):
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                return pool.submit(urllib.request.urlopen, url).result()

    class OwnExecutor(ccxt.async_support.okx):
        async def fetch(self, url, method="GET", headers=None, body=None):
            return await asyncio.get_running_loop().run_in_executor(None, requests.get, url)

    class OwnWorker(ccxt.async_support.okx):
        async def fetch(self, url, method="GET", headers=None, body=None):
            self.asked.set_result(url)
            return await self.worker

    class OwnAsyncFetch(ccxt.async_support.okx):
        async def fetch(self, url, method="GET", headers=None, body=None):
            _, writer = await asyncio.open_connection("gateway.invalid", 443)

    def with_session(session):
        exchange = made(ccxt.okx)
        exchange.session = session
        return exchange

    def a_session_put_on():
        exchange = with_session(requests.Session())
        exchange.session.get("http://gateway.invalid/")

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

    def private():
        default = inspect.signature(ccxt.okx.sign).parameters["api"].default
        return ["private"] if isinstance(default, list) else "private"  # a word in the oldest ccxt

    def signed():
        exchange = at("http://gateway.invalid")
        request = exchange.sign("rfq/cancel-all-rfqs", private(), "POST")
        return request["url"], request["headers"]

    def signed_by_hand():
        request = made(ccxt.okx).sign("rfq/cancel-all-rfqs", private(), "POST")
        requests.post(request["url"], headers=request["headers"])

    def signed_for_urllib():
        url, headers = signed()
        urllib.request.urlopen(urllib.request.Request(url, headers=headers, method="POST"))

    def signed_for_urllib3():
        url, headers = signed()
        urllib3.PoolManager().request("POST", url, headers=headers)

    def signed_for_http_client():
        url, headers = signed()
        connection = http.client.HTTPConnection("gateway.invalid")
        try:
            connection.request("POST", url, headers=headers)
        finally:
            connection.close()

    def signed_for_httpx():
        url, headers = signed()
        httpx.post(url, headers=headers, trust_env=False)

    async def signed_for_async_httpx(exchange):
        url, headers = signed()
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.post(url, headers=headers)

    async def signed_by_a_session(exchange):
        url, headers = signed()
        async with aiohttp.ClientSession(headers=headers) as session:
            await session.post(url)

    async def by_its_session(exchange):
        exchange.open()
        await exchange.session.get("http://gateway.invalid/api/v5/public/time")

    async def by_its_sessions_socket(exchange):
        exchange.open()
        await exchange.session.ws_connect("wss://gateway.invalid/ws/v5/public")

    async def by_a_worker(exchange):
        exchange.asked = asyncio.get_running_loop().create_future()

        async def work():
            async with aiohttp.ClientSession() as session:
                return await session.get(await exchange.asked)

        exchange.worker = asyncio.create_task(work())
        await exchange.fetch_time()

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
        "OKX, by requests": lambda: requests.get("https://www.okx.com/api/v5/public/time"),
        "OKX, by urllib": lambda: urllib.request.urlopen("https://eea.okx.com/api/v5/public/time"),
        "OKX, by a socket": lambda: __import__("socket").create_connection(("ws.okx.com", 8443)),
        "its session": lambda: BEFORE.session.get("http://gateway.invalid/api/v5/public/time"),
        "a session put on": a_session_put_on,
        "signed, by urllib": signed_for_urllib,
        "signed, by urllib3": signed_for_urllib3,
        "signed, by http.client": signed_for_http_client,
        "signed, by httpx": signed_for_httpx,
        "a pool": lambda: made(OwnPool, hostname="gateway.invalid").fetch_time(),
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
        "async executor": (OwnExecutor, lambda exchange: exchange.fetch_time(), {"hostname": "gateway.invalid"}),
        "async worker": (OwnWorker, by_a_worker, {"hostname": "gateway.invalid"}),
        "async its session": (ccxt.async_support.okx, by_its_session, {}),
        "async its session's WebSocket": (ccxt.async_support.okx, by_its_sessions_socket, {}),
        "signed, by a session": (ccxt.async_support.okx, signed_by_a_session, {}),
        "signed, by async httpx": (ccxt.async_support.okx, signed_for_async_httpx, {}),
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
COUNT = 44
LOOKUPS_OF_A_CHILD = """
import os, sys

def write(words):
    with open(os.environ["LOOKUPS"], "a", encoding="utf-8") as log:
        log.write(words + chr(10))

def look(event, arguments):
    if event == "socket.getaddrinfo" and arguments[0] not in ("127.0.0.1", "localhost", None):
        write(str(arguments[0]))
        raise OSError("nothing is looked up here")

sys.addaudithook(look)
write("started")
"""


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Hosts other than loopback that were looked up or connected to, below the guard."""
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


MATRIX = pytest.mark.matrix  # the same guard, hundreds of ways out each


@pytest.mark.parametrize(
    ("marks", "arguments"),
    [
        pytest.param("pytestmark = pytest.mark.usefixtures('okx_rfq_exchange')", (), id="exchange"),
        pytest.param("pytestmark = pytest.mark.usefixtures('okx_rfq_sandbox')", (), id="sandbox", marks=MATRIX),
        pytest.param("pytestmark = pytest.mark.usefixtures('okx_rfq_waits')", (), id="waits", marks=MATRIX),
        pytest.param("pytestmark = pytest.mark.okx_rfq_guard", (), id="marker", marks=MATRIX),
        pytest.param("", ("-o", "okx_rfq_guard=true"), id="ini", marks=MATRIX),
    ],
)
def test_nothing_gets_out(
    pytester: pytest.Pytester, lookups: list[object], marks: str, arguments: tuple[str, ...]
) -> None:
    """In no way, under a fixture, the marker or the ini value; and swallowing does not hide it."""
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
    # Native tracebacks, because the others parse all of ccxt's source for each.
    result = run(pytester, source, "--tb=native", *arguments, failed=COUNT, passed=COUNT, errors=COUNT)

    check(result, lookups)
    assert COUNT <= str(result.stdout).count("In a test with an okx_rfq fixture, marker or guard")


def test_a_refusal_is_no_exception(pytester: pytest.Pytester, lookups: list[object]) -> None:
    """A strategy's `except Exception` does not catch it, and no cancel retries it or calls it a doubt."""
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
        "--tb=auto",
        failed=1,
    )

    check(result, lookups)
    result.stdout.fnmatch_lines(
        ["E *POST https://www.okx.com/api/v5/rfq/cancel-all-rfqs was not sent by a ccxt.okx.okx*"]
    )


def test_others_are_not_touched(pytester: pytest.Pytester, lookups: list[object]) -> None:
    """Requests to other exchanges and hosts are sent; so are those to mocks in OKX's place."""
    run(
        pytester,
        """
        import socket
        import ccxt, pytest, requests

        def test_it(okx_rfq_exchange):
            with pytest.raises(ccxt.NetworkError):
                ccxt.kraken().fetch_time()
            with pytest.raises(requests.ConnectionError):
                requests.get("https://hooks.desk.invalid/alarm")
            exchange = ccxt.okx()
            exchange.fetch = lambda *args, **kwargs: {"code": "0", "data": [{"ts": "7"}]}
            assert 7 == exchange.fetch_time()
        """,
        passed=1,
    )

    assert {"api.kraken.com", "hooks.desk.invalid"} == set(lookups)


@pytest.mark.measured
def test_processes(pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor by a process that a test starts, however; its own `sitecustomize` is still loaded."""
    log = tmp_path / "lookups.txt"
    (tmp_path / "sitecustomize.py").write_text(LOOKUPS_OF_A_CHILD, encoding="utf-8")
    monkeypatch.setenv("LOOKUPS", str(log))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(Path(okx_rfq_plugin.__file__).parents[1])]))
    result = run(
        pytester,
        """
        import asyncio, concurrent.futures, multiprocessing, subprocess, sys
        import ccxt, pytest

        CODE = "import ccxt; ccxt.okx({'enableRateLimit': False, 'hostname': '%s'}).fetch_time()"
        OTHER = "import urllib.request; urllib.request.urlopen('https://www.okx.com/api/v5/public/time')"

        def ask():
            ccxt.okx({"enableRateLimit": False, "hostname": "gateway.invalid"}).fetch_time()

        def start(method):
            process = multiprocessing.get_context(method).Process(target=ask)
            process.start()
            process.join()

        def of_a_pool():
            with concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                pool.submit(ask).result()

        async def of_asyncio():
            process = await asyncio.create_subprocess_exec(sys.executable, "-c", CODE % "okx.com")
            await process.wait()

        @pytest.mark.parametrize("begin", [
            lambda: subprocess.run([sys.executable, "-c", CODE % "gateway.invalid"]),
            lambda: subprocess.run([sys.executable, "-c", OTHER]),
            lambda: asyncio.run(of_asyncio()),
            lambda: start("spawn"),
            lambda: start("fork"),
            of_a_pool,
        ])
        @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
        def test_it(okx_rfq_waits, begin):
            try:
                begin()
            except BaseException:
                pass
        """,
        passed=6,
        errors=6,
    )

    check(result, [])
    assert "started\n" == "".join(sorted(set(log.read_text(encoding="utf-8").splitlines(keepends=True))))


def test_a_test_without_anything_of_ours_is_not_guarded(pytester: pytest.Pytester, lookups: list[object]) -> None:
    """By default; and one test of a guarded suite can be exempted."""
    source = """
        import ccxt, pytest

        @pytest.mark.okx_rfq_guard(False)
        def test_it():
            with pytest.raises(ccxt.NetworkError):
                ccxt.okx().fetch_time()
        """
    run(pytester, source, passed=1)

    assert {"www.okx.com"} == set(lookups)


def test_the_marker_excepts_a_test_of_a_guarded_suite(pytester: pytest.Pytester, lookups: list[object]) -> None:
    """Only that test: the next one is guarded again."""
    source = """
        import ccxt, pytest

        def ask():
            with pytest.raises(ccxt.NetworkError):
                ccxt.okx().fetch_time()

        @pytest.mark.okx_rfq_guard(False)
        def test_out():
            ask()

        def test_in():
            ask()
        """
    run(pytester, source, "-o", "okx_rfq_guard=true", passed=1, failed=1)

    assert ["www.okx.com"] == lookups


def test_an_exchange_outlives_its_test_in_vain(pytester: pytest.Pytester, lookups: list[object]) -> None:
    """It sends nothing any more, neither to OKX nor to the sandbox."""
    source = """
        import asyncio
        import ccxt, ccxt.async_support, pytest

        KEPT = []

        @pytest.mark.okx_rfq_cassette("nothing-active")
        @pytest.mark.parametrize("cls", [ccxt.okx, ccxt.async_support.okx])
        def test_first(okx_rfq_make_exchange, cls):
            KEPT.append(okx_rfq_make_exchange(cls))
            asked = KEPT[-1].cancel_all_rfqs()
            assert asked if cls is ccxt.okx else asyncio.run(asked)

        @pytest.mark.parametrize("number", [0, 1])
        def test_second(number):
            async def ask():
                await KEPT[1].cancel_all_rfqs()

            with pytest.raises(ccxt.ExchangeClosedByUser, match="a test that has ended|was closed by the user"):
                asyncio.run(ask()) if number else KEPT[0].cancel_all_rfqs()
        """
    run(pytester, source, passed=4)

    assert [] == lookups


def test_the_ini_value_guards_imports_too(pytester: pytest.Pytester, lookups: list[object]) -> None:
    """A module that sends a request to OKX on import fails at collection."""
    pytester.makepyfile("import ccxt\nccxt.okx().fetch_time()\n\ndef test_it():\n    pass\n")
    result = pytester.runpytest_inprocess(*WITHOUT, "-o", "okx_rfq_guard=true")

    result.assert_outcomes(errors=1)
    check(result, lookups)


def test_a_fixtures_exchange_stays_where_it_is(pytester: pytest.Pytester, lookups: list[object]) -> None:
    """Whatever set_sandbox_mode, hostname, urls and proxies are set to; the environment follows."""
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
    """A client that looks hosts up on one of the loop's threads does not get that far."""
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
