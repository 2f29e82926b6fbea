"""The pytest plugin, as seen by a test suite that uses it, in inner pytest runs."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml
from support.inner import WITHOUT, run

from okx_rfq_plugin.credentials import KEYS
from okx_rfq_plugin.sandbox import Sandbox
from okx_rfq_plugin.testing import cassettes, pytest_plugin, reading
from okx_rfq_plugin.testing.names import NAMES

pytest_plugins = ["pytester"]


# Replay


def test_every_cassette_replays_in_both_exchanges(pytester: pytest.Pytester) -> None:
    """Each name replays its situation for the sync and the async exchange, under a bare `asyncio.run` too."""
    run(
        pytester,
        """
        import asyncio, gc
        import ccxt, pytest
        from okx_rfq_plugin.testing.names import NAMES

        cassettes = pytest.mark.parametrize(
            "name", [pytest.param(name, marks=pytest.mark.okx_rfq_cassette(name)) for name in NAMES]
        )

        def call(exchange, name):
            if name == "quotes-countdown":
                return exchange.cancel_all_quotes_after(30)
            if name == "open-rfqs":
                return exchange.fetch_open_rfqs()
            if name.startswith("quotes"):
                return exchange.cancel_all_quotes()
            return exchange.cancel_all_rfqs(confirm=name == "confirmed")

        def check(name, call):
            if name.startswith("rejected"):
                with pytest.raises(ccxt.AuthenticationError):
                    call()
            else:
                assert call()

        @cassettes
        def test_sync(okx_rfq_exchange, name):
            check(name, lambda: call(okx_rfq_exchange, name))

        @cassettes
        def test_async(okx_rfq_async_exchange, name):
            async def main():
                return await call(okx_rfq_async_exchange, name)

            check(name, lambda: asyncio.run(main()))

        def test_nothing_was_left_open():
            gc.collect()
        """,
        passed=2 * len(NAMES) + 1,
    )


def test_waits_can_be_read_back(pytester: pytest.Pytester) -> None:
    """No real waiting; the list has each wait, and is new for each test."""
    run(
        pytester,
        """
        import time
        import pytest

        @pytest.mark.okx_rfq_cassette("rate-limited-then-canceled")
        def test_one(okx_rfq_exchange, okx_rfq_waits):
            began = time.monotonic()
            assert 2.0 == okx_rfq_exchange.cancel_all_rfqs()["elapsed"]
            assert [2.0] == okx_rfq_waits
            assert time.monotonic() - began < 1.5

        @pytest.mark.okx_rfq_cassette("clock-skew-then-canceled")
        def test_other(okx_rfq_exchange, okx_rfq_waits):
            okx_rfq_exchange.cancel_all_rfqs()
            assert [] == okx_rfq_waits
        """,
        passed=2,
    )


def test_marker_of_module_class_and_function(pytester: pytest.Pytester) -> None:
    """The nearest marker counts: on the function, the class or the module."""
    run(
        pytester,
        """
        import pytest

        pytestmark = pytest.mark.okx_rfq_cassette("nothing-active")

        def test_module(okx_rfq_exchange):
            assert "nothing_active" == okx_rfq_exchange.cancel_all_rfqs()["status"]

        @pytest.mark.okx_rfq_cassette("canceled")
        class TestClass:
            def test_class(self, okx_rfq_exchange):
                assert 1 == okx_rfq_exchange.cancel_all_rfqs()["attempts"]

            @pytest.mark.okx_rfq_cassette("unavailable-then-canceled")
            def test_function(self, okx_rfq_exchange):
                assert 2 == okx_rfq_exchange.cancel_all_rfqs()["attempts"]
        """,
        passed=3,
    )


def test_an_exchange_that_the_strategy_makes_replays_too(pytester: pytest.Pytester) -> None:
    """The marker alone is enough, before the test's own fixtures are set up and after they are gone."""
    run(
        pytester,
        """
        import ccxt, pytest
        import okx_rfq_plugin

        @pytest.fixture
        def desk():
            exchange = okx_rfq_plugin.install(ccxt.okx({"apiKey": "a", "secret": "b", "password": "c"}))
            with pytest.raises(ccxt.RateLimitExceeded):
                exchange.private_post_rfq_cancel_all_rfqs()
            yield exchange
            exchange.cancel_all_rfqs()
            exchange.session.close()

        @pytest.mark.okx_rfq_cassette("rate-limited-then-canceled")
        def test_it(desk):
            pass
        """,
        passed=1,
    )


def test_request_that_is_not_in_the_cassette_fails_the_test(pytester: pytest.Pytester) -> None:
    """It passes `except Exception`, is not retried, and names the cassette, the request and what there is."""
    result = run(
        pytester,
        """
        import pytest

        @pytest.mark.okx_rfq_cassette("canceled")
        def test_it(okx_rfq_exchange, okx_rfq_waits):
            okx_rfq_exchange.cancel_all_rfqs()
            try:
                okx_rfq_exchange.cancel_all_rfqs()
            except Exception:
                pass
            finally:
                assert [] == okx_rfq_waits
        """,
        "--tb=auto",
        failed=1,
    )

    result.stdout.fnmatch_lines(
        [
            "E *the cassette does not hold what was asked for: *canceled.yaml",
            "E *asked: POST /api/v5/rfq/cancel-all-rfqs",
            "E *holds: POST /api/v5/rfq/cancel-all-rfqs, HTTP 200, replayed",
        ]
    )


def test_swallowed_miss_is_raised_at_teardown(pytester: pytest.Pytester) -> None:
    """A strategy that swallows everything cannot hide it, not even on a thread or a task."""
    result = run(
        pytester,
        """
        import asyncio, threading
        import pytest

        pytestmark = pytest.mark.okx_rfq_cassette("canceled")

        def swallowing(call):
            try:
                call()
            except BaseException:
                pass

        def test_here(okx_rfq_exchange):
            okx_rfq_exchange.cancel_all_rfqs()
            swallowing(okx_rfq_exchange.fetch_time)

        def test_on_a_thread(okx_rfq_exchange):
            okx_rfq_exchange.cancel_all_rfqs()
            thread = threading.Thread(target=swallowing, args=[okx_rfq_exchange.fetch_time])
            thread.start()
            thread.join()

        def test_in_a_task(okx_rfq_async_exchange):
            async def main():
                await okx_rfq_async_exchange.cancel_all_rfqs()
                await asyncio.gather(okx_rfq_async_exchange.fetch_time(), return_exceptions=True)

            asyncio.run(main())

        def test_and_fails_of_it(okx_rfq_exchange):
            swallowing(okx_rfq_exchange.fetch_time)
            assert okx_rfq_exchange.last_http_response
        """,
        passed=3,
        failed=1,
        errors=4,
    )

    result.stdout.fnmatch_lines(["*asked: GET /api/v5/public/time"] * 4)


def test_recorded_request_that_was_never_asked_for_fails_the_test(pytester: pytest.Pytester) -> None:
    """Unused interactions are named if the test itself has passed; a skipped or failed one is not reported again."""
    result = run(
        pytester,
        """
        import pytest

        pytestmark = pytest.mark.okx_rfq_cassette("rate-limited-then-canceled")

        def test_passes():
            pass

        def test_skips():
            pytest.skip("not today")

        def test_fails():
            assert False

        @pytest.fixture
        def broken():
            raise RuntimeError("not today")

        def test_does_not_start(broken):
            pass
        """,
        passed=1,
        skipped=1,
        failed=1,
        errors=2,
    )

    result.stdout.fnmatch_lines(
        [
            "the cassette holds what was never asked for: *rate-limited-then-canceled.yaml",
            "  holds: POST /api/v5/rfq/cancel-all-rfqs, HTTP 429, not asked for",
            "  holds: POST /api/v5/rfq/cancel-all-rfqs, HTTP 200, not asked for",
        ]
    )
    assert 1 == str(result.stdout).count("never asked for")


def test_empty_cassette_says_so(pytester: pytest.Pytester) -> None:
    """A file without interactions, written by another tool, without a head, contains nothing."""
    pytester.mkdir("cassettes").joinpath("empty.yaml").write_text("version: 1\ninteractions: []\n")

    result = run(
        pytester,
        """
        import pytest

        @pytest.mark.okx_rfq_cassette("empty")
        def test_it(okx_rfq_exchange):
            okx_rfq_exchange.fetch_time()
        """,
        "-o",
        "okx_rfq_cassette_max_age=1",
        "--tb=auto",
        failed=1,
    )

    result.stdout.fnmatch_lines(["E *holds: nothing"])


def test_other_hosts_are_not_intercepted(pytester: pytest.Pytester) -> None:
    """While a cassette is replayed, requests to the test's own server are sent, even by okx objects."""
    run(
        pytester,
        """
        import ccxt, pytest, requests
        from okx_rfq_plugin.sandbox import Sandbox

        @pytest.mark.okx_rfq_cassette("canceled")
        def test_it(okx_rfq_exchange):
            with Sandbox() as own:
                other = own.exchange(ccxt.okx)
                assert other.fetch_time() > 0
                other.session.close()
                assert 200 == requests.get(own.url + "/api/v5/public/time").status_code
                assert ["/api/v5/public/time"] * 2 == [request.path for request in own.requests]
            okx_rfq_exchange.cancel_all_rfqs()
        """,
        passed=1,
    )


def test_cassette_that_is_not_there(pytester: pytest.Pytester) -> None:
    """The message says where it was looked for, which ones exist, and how to write it; a wrong marker is reported."""
    result = run(
        pytester,
        """
        import pytest

        @pytest.mark.okx_rfq_cassette("cancelled")
        def test_misspelled(okx_rfq_exchange):
            pass

        @pytest.mark.okx_rfq_cassette
        def test_no_name():
            pass

        @pytest.mark.okx_rfq_cassette(path="canceled")
        def test_keyword():
            pass

        @pytest.mark.okx_rfq_cassette("canceled", match="all")
        def test_match():
            pass

        @pytest.mark.okx_rfq_cassette("canceled", "nothing-active")
        def test_two():
            pass

        @pytest.mark.okx_rfq_cassette("")
        def test_empty():
            pass
        """,
        errors=6,
    )

    result.stdout.fnmatch_lines(
        [
            "there is no cassette *cassettes*cancelled.yaml, and none of that name*canceled, nothing-active,*"
            "pytest --okx-rfq-record=sandbox",
            "there is no cassette *cassettes*test_no_name.yaml, and none of that name*",
            "@pytest.mark.okx_rfq_cassette takes one name or path, as in okx_rfq_cassette('canceled'), or none*",
            '@pytest.mark.okx_rfq_cassette: match is "body" or "path", not *all*',
        ]
    )


# The sandbox


def test_sandbox_is_clean_for_each_test(pytester: pytest.Pytester) -> None:
    """One server serves the session; each test has a new User ID and key, and finds nothing of the previous one."""
    run(
        pytester,
        """
        import asyncio, gc
        import pytest

        seen = set()

        @pytest.mark.parametrize("number", range(3))
        def test_sync(okx_rfq_exchange, okx_rfq_sandbox, okx_rfq_waits, number):
            okx_rfq_sandbox.create_user(trader_code="MAKER")
            okx_rfq_sandbox.create_rfq()
            okx_rfq_sandbox.fault("rfq/cancel-all-rfqs", "50001", "50001")
            assert "canceled" == okx_rfq_exchange.cancel_all_rfqs()["status"]
            assert [] == okx_rfq_sandbox.rfqs("active")
            assert [0.3, 1.7] == okx_rfq_waits
            assert 3 == len(okx_rfq_sandbox.requests)
            okx_rfq_sandbox.fault("rfq/rfqs", "50001")
            okx_rfq_sandbox.clear()
            okx_rfq_sandbox.create_rfq()
            okx_rfq_exchange.cancel_all_rfqs()
            seen.add((okx_rfq_sandbox.url, okx_rfq_exchange.apiKey, okx_rfq_sandbox.requests[0].user_id))

        @pytest.mark.parametrize("number", range(3))
        def test_async(okx_rfq_async_exchange, okx_rfq_sandbox, number):
            okx_rfq_sandbox.create_rfq()
            assert "canceled" == asyncio.run(okx_rfq_async_exchange.cancel_all_rfqs())["status"]
            seen.add((okx_rfq_sandbox.url, okx_rfq_async_exchange.apiKey, okx_rfq_sandbox.requests[0].user_id))

        def test_closed(okx_rfq_async_exchange):
            async def main():
                await okx_rfq_async_exchange.cancel_all_rfqs()
                await okx_rfq_async_exchange.close()

            asyncio.run(main())

        def test_all_of_them():
            urls, keys, users = zip(*seen)
            assert (1, 6, 6) == (len(set(urls)), len(set(keys)), len(set(users)))
            gc.collect()
        """,
        passed=8,
    )


def test_sandbox_and_exchange_keep_the_same_time(pytester: pytest.Pytester) -> None:
    """However long was skipped, OKX's window for signatures is respected, by copies of the exchange too."""
    run(
        pytester,
        """
        import copy
        import ccxt, pytest

        def test_it(okx_rfq_exchange, okx_rfq_sandbox, okx_rfq_waits):
            copied = copy.deepcopy(okx_rfq_exchange)
            for _ in range(4):
                okx_rfq_sandbox.fault("rfq/cancel-all-rfqs", *["50001"] * 20)
                with pytest.raises(ccxt.ExchangeNotAvailable):
                    okx_rfq_exchange.cancel_all_rfqs()
            okx_rfq_sandbox.clear()
            assert sum(okx_rfq_waits) > 80.0
            assert 1 == okx_rfq_exchange.cancel_all_rfqs()["attempts"]
            assert 1 == copied.cancel_all_rfqs()["attempts"]
            copied.session.close()
        """,
        passed=1,
    )


# What can be overridden


def test_policy_credentials_and_folder_can_be_overridden(pytester: pytest.Pytester) -> None:
    """A conftest's fixtures replace the three base fixtures, for the sandbox too."""
    pytester.mkdir("mine").joinpath("canceled.yaml").write_text(cassettes.find("nothing-active").read_text())
    pytester.makeconftest(
        """
        import pathlib
        import pytest
        from okx_rfq_plugin import RetryPolicy

        @pytest.fixture(scope="session")
        def okx_rfq_policy():
            return RetryPolicy(deadline=0)

        @pytest.fixture(scope="session")
        def okx_rfq_credentials():
            return {"apiKey": "my-key", "secret": "my-secret", "password": "my-pass"}

        @pytest.fixture
        def okx_rfq_cassette_dir():
            return pathlib.Path("mine")
        """
    )

    run(
        pytester,
        """
        import pathlib
        import ccxt, pytest

        @pytest.mark.parametrize("number", range(3))
        def test_sandbox(okx_rfq_exchange, okx_rfq_sandbox, okx_rfq_waits, number):
            okx_rfq_sandbox.fault("rfq/cancel-all-rfqs", "50001")
            with pytest.raises(ccxt.ExchangeNotAvailable):
                okx_rfq_exchange.cancel_all_rfqs()
            okx_rfq_exchange.cancel_all_rfqs()
            assert "my-key" == okx_rfq_exchange.apiKey == okx_rfq_sandbox.credentials["apiKey"]
            assert [] == okx_rfq_waits

        @pytest.mark.okx_rfq_cassette("canceled")
        def test_own_cassette_comes_first(okx_rfq_exchange):
            assert "nothing_active" == okx_rfq_exchange.cancel_all_rfqs()["status"]

        @pytest.mark.okx_rfq_cassette(pathlib.Path("mine/canceled.yaml").resolve())
        def test_path(okx_rfq_exchange):
            assert "nothing_active" == okx_rfq_exchange.cancel_all_rfqs()["status"]
            assert "my-key" == okx_rfq_exchange.apiKey
        """,
        passed=5,
    )


# Recording

HALT = """
    import pytest

    @pytest.mark.okx_rfq_cassette("desk/halt")
    def test_halt(okx_rfq_exchange, okx_rfq_sandbox, okx_rfq_waits, okx_rfq_cassette_requests):
        leg = {"instId": "BTC-USDT", "sz": "25", "side": "buy"}
        okx_rfq_exchange.private_post_rfq_create_rfq({"counterparties": ["WAGMI"], "clRfqId": "mine", "legs": [leg]})
        okx_rfq_sandbox.fault("rfq/cancel-all-rfqs", "50011")
        assert "canceled" == okx_rfq_exchange.cancel_all_rfqs()["status"]
        assert [2.0] == okx_rfq_waits
        rows = okx_rfq_exchange.private_get_rfq_rfqs({"clRfqId": "mine"})["data"]
        assert [("mine", "canceled")] == [(row["clRfqId"], row["state"]) for row in rows]
        assert "mine" == okx_rfq_cassette_requests[0].json["clRfqId"]
        assert "clRfqId=mine" == okx_rfq_cassette_requests[-1].query
"""


def test_record_from_the_sandbox(pytester: pytest.Pytester) -> None:
    """A missing cassette is written, scrubbed and with its head; then the same test replays it."""
    result = run(pytester, HALT, "--okx-rfq-record=sandbox", passed=1)

    path = pytester.path / "cassettes" / "desk" / "halt.yaml"
    result.stdout.fnmatch_lines(["*cassettes written*", str(path)])
    text = path.read_text()
    assert "sandbox" == reading.read(path).head["answered_by"]
    assert 4 == len(yaml.safe_load(text)["interactions"])
    assert [] == [word for word in ("dummy", "OK-ACCESS", "127.0.0.1", "mine", "WAGMI") if word in text]

    run(pytester, HALT, passed=1).stdout.no_fnmatch_line("*cassettes written*")
    run(pytester, HALT, "--okx-rfq-record=sandbox", passed=1)
    assert text == path.read_text()

    path.write_text(text.replace("BTC-USDT", "ETH-USDT"))
    run(pytester, HALT, "--okx-rfq-record=sandbox", failed=1)
    run(pytester, HALT, "--okx-rfq-record=sandbox", "--okx-rfq-record-mode=rewrite", passed=1)
    run(pytester, HALT, passed=1)


def test_exchanges_of_the_strategys_own_are_recorded_too(pytester: pytest.Pytester) -> None:
    """Several accounts, sync and async, set to OKX itself: the sandbox answers, and the cassette replays for them."""
    source = """
        import asyncio
        import ccxt, ccxt.async_support, pytest
        import okx_rfq_plugin

        LEG = {"instId": "BTC-USDT", "sz": "25", "side": "buy"}

        def okx(module, name, demo):
            exchange = module.okx({"apiKey": f"{name}-key", "secret": f"{name}-secret", "password": f"{name}-pass"})
            exchange.set_sandbox_mode(demo)
            exchange.enableRateLimit = False
            return okx_rfq_plugin.install(exchange)

        @pytest.mark.okx_rfq_cassette("own")
        def test_it(okx_rfq_make_exchange):
            first, second = okx(ccxt, "first", True), okx(ccxt, "second", False)
            first.private_post_rfq_create_rfq({"counterparties": ["WAGMI"], "legs": [LEG]})
            assert "canceled" == first.cancel_all_rfqs()["status"]
            assert "nothing_active" == second.cancel_all_rfqs()["status"]
            third = okx_rfq_make_exchange(credentials={"apiKey": "third", "secret": "third-s", "password": "third-p"})
            assert "nothing_active" == third.cancel_all_rfqs()["status"]

            async def main():
                fourth = okx(ccxt.async_support, "fourth", True)
                fourth.timeout_on_exit = 0
                try:
                    return await fourth.cancel_all_rfqs()
                finally:
                    await fourth.close()

            assert "nothing_active" == asyncio.run(main())["status"]
            for exchange in (first, second):
                exchange.session.close()
        """
    run(pytester, source, "--okx-rfq-record=sandbox", passed=1)

    text = (pytester.path / "cassettes" / "own.yaml").read_text()
    assert [] == [name for name in ("first", "second", "third", "fourth") if name in text]
    run(pytester, source, passed=1)


def test_lost_replies_are_recorded_and_replayed(pytester: pytest.Pytester) -> None:
    """A dropped connection and a timeout, in virtual time, are in the file and are replayed."""
    source = """
        import asyncio
        import pytest
        from okx_rfq_plugin.sandbox import DROP

        @pytest.mark.okx_rfq_cassette
        def test_sync(okx_rfq_exchange, okx_rfq_sandbox, okx_rfq_waits):
            okx_rfq_sandbox.fault("rfq/cancel-all-rfqs", DROP, 4.0)
            receipt = okx_rfq_exchange.cancel_all_rfqs()
            assert ("nothing_active", 3) == (receipt["status"], receipt["attempts"])
            assert 3.0 <= receipt["elapsed"] < 6.0

        @pytest.mark.okx_rfq_cassette
        def test_async(okx_rfq_async_exchange, okx_rfq_sandbox):
            okx_rfq_sandbox.fault("rfq/cancel-all-rfqs", DROP, 4.0)

            async def main():
                return await okx_rfq_async_exchange.cancel_all_rfqs()

            receipt = asyncio.run(main())
            assert ("nothing_active", 3) == (receipt["status"], receipt["attempts"])
            assert 3.0 <= receipt["elapsed"] < 6.0
        """
    run(pytester, source, "--okx-rfq-record=sandbox", passed=2)

    for name in ("test_sync", "test_async"):
        rows = reading.read(pytester.path / "cassettes" / f"{name}.yaml").interactions
        assert ["connection lost", "timeout", "HTTP 200"] == [row.outcome for row in rows]
    run(pytester, source, passed=2)


def test_a_test_that_does_not_pass_leaves_no_cassette(pytester: pytest.Pytester) -> None:
    """It may fail, be skipped, swallow a refusal, or break in its own fixture."""
    result = run(
        pytester,
        """
        import ccxt, pytest

        def cancel(exchange):
            exchange.cancel_all_rfqs()

        @pytest.mark.okx_rfq_cassette
        def test_fails(okx_rfq_exchange):
            cancel(okx_rfq_exchange)
            assert False

        @pytest.mark.okx_rfq_cassette
        def test_skips(okx_rfq_exchange):
            cancel(okx_rfq_exchange)
            pytest.skip("not today")

        @pytest.mark.okx_rfq_cassette
        @pytest.mark.xfail
        def test_is_expected_to_fail(okx_rfq_exchange):
            cancel(okx_rfq_exchange)
            assert False

        @pytest.fixture
        def broken():
            raise RuntimeError("not today")

        @pytest.mark.okx_rfq_cassette
        def test_does_not_start(okx_rfq_exchange, broken):
            pass
        """,
        "--okx-rfq-record=sandbox",
        failed=1,
        skipped=1,
        xfailed=1,
        errors=1,
    )

    result.stdout.no_fnmatch_line("*cassettes written*")
    assert not (pytester.path / "cassettes").exists()


def test_a_secret_in_a_reply_is_not_kept(pytester: pytest.Pytester) -> None:
    """If a server echoes the secret, nothing is written, the test fails, and the message does not show it."""
    result = run(
        pytester,
        """
        import ccxt, pytest

        @pytest.mark.okx_rfq_cassette("own")
        def test_it(okx_rfq_exchange, okx_rfq_sandbox):
            okx_rfq_sandbox.reply("public/time", {"code": "0", "data": [{"ts": "1", "x": okx_rfq_exchange.secret}]})
            okx_rfq_exchange.fetch_time()
        """,
        "--okx-rfq-record=sandbox",
        passed=1,
        errors=1,
    )

    result.stdout.fnmatch_lines(["a secret would have stood in own.yaml; the file is not kept"])
    result.stdout.no_fnmatch_line("*dummy-secret*")
    assert [] == list((pytester.path / "cassettes").iterdir())


def test_names_of_a_suites_own_are_scrubbed(pytester: pytest.Pytester) -> None:
    """The fixture okx_rfq_scrubbed_names adds to the rule; a string instead of a tuple is refused."""
    source = """
        import pytest

        @pytest.fixture(params=[("venue",), "venue"])
        def okx_rfq_scrubbed_names(request):
            return request.param

        @pytest.mark.okx_rfq_cassette("own")
        def test_it(okx_rfq_exchange, okx_rfq_sandbox):
            okx_rfq_sandbox.reply("public/time", {"code": "0", "data": [{"ts": "1", "venue": "our-desk"}]})
            okx_rfq_exchange.fetch_time()
        """
    result = run(pytester, source, "--okx-rfq-record=sandbox", "--okx-rfq-record-mode=rewrite", passed=1, errors=1)

    result.stdout.fnmatch_lines(["*okx_rfq_scrubbed_names returns several names, as a tuple, not one text"])
    assert "our-desk" not in (pytester.path / "cassettes" / "own.yaml").read_text()


def test_record_from_demo_trading(
    pytester: pytest.Pytester, okx_itself: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a key in the environment, OKX answers and waits are real; nothing for live trading leaves."""
    for name, variable in KEYS.items():
        monkeypatch.setenv(variable, okx_itself.credentials[name])
    okx_itself.fault("rfq/cancel-all-rfqs", "50001")

    result = run(
        pytester,
        """
        import pytest
        from okx_rfq_plugin import RetryPolicy

        @pytest.fixture
        def okx_rfq_policy():
            return RetryPolicy(backoff=0.01, jitter=0.0)

        @pytest.mark.okx_rfq_cassette("demo")
        def test_it(okx_rfq_exchange, okx_rfq_waits):
            assert "nothing_active" == okx_rfq_exchange.cancel_all_rfqs()["status"]
            assert [pytest.approx(0.01, abs=0.005)] == okx_rfq_waits
            assert okx_rfq_exchange.enableRateLimit

        def swallowing(call):
            try:
                call()
            except BaseException:
                pass

        @pytest.mark.okx_rfq_cassette("live")
        def test_live(okx_rfq_exchange, okx_rfq_clock):
            with pytest.raises(RuntimeError, match="cannot be moved"):
                okx_rfq_clock.advance(1)
            okx_rfq_exchange.set_sandbox_mode(False)
            swallowing(okx_rfq_exchange.private_post_rfq_cancel_all_rfqs)

        @pytest.mark.okx_rfq_cassette("both")
        def test_both(okx_rfq_exchange, okx_rfq_sandbox):
            pass
        """,
        "--okx-rfq-record=demo",
        passed=2,
        errors=2,
    )

    result.stdout.fnmatch_lines(["POST https://www.okx.com/api/v5/rfq/cancel-all-rfqs was not sent: what is recorded*"])
    assert ["demo.yaml"] == [path.name for path in (pytester.path / "cassettes").iterdir()]
    assert "okx-demo" == reading.read(pytester.path / "cassettes" / "demo.yaml").head["answered_by"]
    assert 2 == len(okx_itself.requests)


def test_record_from_demo_trading_needs_a_key(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key nothing runs: a usage error names the variables."""
    for variable in KEYS.values():
        monkeypatch.delenv(variable, raising=False)

    result = pytester.runpytest_inprocess(*WITHOUT, "--okx-rfq-record=demo")

    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines(["*demo key of yours in OKX_API_KEY, OKX_API_SECRET, OKX_PASSPHRASE*"])


def test_record_mode_needs_a_world(pytester: pytest.Pytester) -> None:
    """On its own it is a usage error."""
    result = pytester.runpytest_inprocess(*WITHOUT, "--okx-rfq-record-mode=rewrite")

    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines(["*--okx-rfq-record-mode says which cassettes --okx-rfq-record writes*"])


def test_nothing_is_recorded_in_ci(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """If CI is set, the option is a usage error."""
    monkeypatch.setenv("CI", "true")

    result = pytester.runpytest_inprocess(*WITHOUT, "--okx-rfq-record=sandbox")

    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines(["*cassettes are not recorded in CI*"])


# Age


def aged(pytester: pytest.Pytester, days: int) -> Path:
    """Put a cassette of that age among the test's own."""
    recorded = (date.today() - timedelta(days=days)).isoformat()
    text = yaml.safe_load(cassettes.find("canceled").read_text())
    text["head"]["recorded"] = recorded
    path = pytester.mkdir("cassettes") / "old.yaml"
    path.write_text(yaml.safe_dump(text))
    pytester.makepyfile(
        test_old="""
        import pytest

        @pytest.mark.okx_rfq_cassette("old")
        def test_it(okx_rfq_exchange):
            okx_rfq_exchange.cancel_all_rfqs()
        """
    )
    return path


@pytest.mark.parametrize(("most", "told"), [("90", True), ("200", False), ("", False)])
def test_old_cassettes_are_named_in_the_summary(pytester: pytest.Pytester, most: str, told: bool) -> None:
    """With the ini value, each older cassette of this run is listed once; off by default."""
    aged(pytester, 100)

    result = pytester.runpytest_inprocess(*WITHOUT, "-o", f"okx_rfq_cassette_max_age={most}")

    result.assert_outcomes(passed=1)
    assert int(told) == str(result.stdout).count("from sandbox, 10")  # at midnight 100 may be 101


def test_age_that_is_no_number(pytester: pytest.Pytester) -> None:
    """It is a usage error."""
    result = pytester.runpytest_inprocess(*WITHOUT, "-o", "okx_rfq_cassette_max_age=old")

    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines(["*okx_rfq_cassette_max_age is a number of days, not 'old'*"])


# Cost, and isolation


def test_pytest_starts_without_anything_heavy(pytester: pytest.Pytester) -> None:
    """A test suite that uses no fixture imports neither ccxt nor vcrpy, nor their dependencies."""
    pytester.makepyfile(
        """
        import sys

        def test_it(pytestconfig):
            assert pytestconfig.pluginmanager.has_plugin("okx_rfq")
            heavy = {"ccxt", "vcr", "yaml", "tenacity", "aiohttp", "requests", "rich", "click"}
            assert set() == heavy & sys.modules.keys()
            assert {"okx_rfq_plugin", "okx_rfq_plugin.testing", "okx_rfq_plugin.testing.pytest_plugin"} == {
                name for name in sys.modules if name.startswith("okx_rfq_plugin")
            }
        """
    )

    result = pytester.runpytest_subprocess("-p", "no:hypothesispytest", "-p", "no:anyio")

    result.assert_outcomes(passed=1)


def test_every_name_is_its_own() -> None:
    """No fixture, option or marker can collide with another plugin's."""
    fixtures = [name for name in vars(pytest_plugin) if "okx_rfq_" in name]

    assert {
        "okx_rfq_async_exchange",
        "okx_rfq_cassette_dir",
        "okx_rfq_cassette_requests",
        "okx_rfq_clock",
        "okx_rfq_credentials",
        "okx_rfq_exchange",
        "okx_rfq_make_exchange",
        "okx_rfq_observers",
        "okx_rfq_policy",
        "okx_rfq_sandbox",
        "okx_rfq_scrubbed_names",
        "okx_rfq_waits",
    } == {name for name in fixtures if not name.startswith("_")}
    assert [] == [name for name, value in vars(pytest_plugin).items() if is_fixture(value) and name not in fixtures]


def is_fixture(value: object) -> bool:
    return hasattr(value, "_pytestfixturefunction") or "Fixture" in type(value).__name__


def test_doctests_and_other_items_run_as_ever(pytester: pytest.Pytester) -> None:
    """Items that are not functions have none of our fixtures, marked or not."""
    pytester.makefile(".txt", test_text=">>> 1 + 1\n2\n")
    pytester.makeconftest(
        """
        import pytest

        class Thing(pytest.Item):
            def runtest(self):
                pass

        @pytest.hookimpl
        def pytest_collection_modifyitems(session, items):
            thing = Thing.from_parent(session, name="thing")
            thing.add_marker(pytest.mark.okx_rfq_cassette("canceled"))
            items.append(thing)
        """
    )

    result = pytester.runpytest_inprocess(*WITHOUT, "--doctest-glob=*.txt")

    result.assert_outcomes(passed=2)
