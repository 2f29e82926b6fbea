"""The fixtures: time and crowds, the factory, the sandbox's final check, what a suite may override."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from support.inner import run

from okx_rfq_plugin.testing import pytest_plugin

pytest_plugins = ["pytester"]


@pytest.mark.parametrize("times", [1, pytest.param(2, marks=pytest.mark.matrix)])
def test_crowds_come_out_as_on_the_machines_clock(times: int, pytester: pytest.Pytester) -> None:
    """A hundred threads, a hundred tasks and forty accounts at once: no false failure, and no extra wait."""
    run(
        pytester,
        """
        import asyncio, threading
        import ccxt, ccxt.async_support, pytest

        times = pytest.mark.parametrize("time", range(TIMES))
        CANCEL = "rfq/cancel-all-rfqs"

        def at_once(calls):
            start, ended = threading.Barrier(len(calls)), []

            def run(call):
                start.wait()
                try:
                    ended.append(call()["elapsed"])
                except BaseException as error:
                    ended.append(error)

            threads = [threading.Thread(target=run, args=[call]) for call in calls]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return set(ended)

        @times
        def test_threads(okx_rfq_exchange, okx_rfq_sandbox, time):
            assert at_once([okx_rfq_exchange.cancel_all_rfqs] * 100) <= {0.0, 2.0}
            assert len(okx_rfq_sandbox.requests) <= 3

        @times
        def test_tasks(okx_rfq_async_exchange, okx_rfq_sandbox, time):
            async def main():
                return await asyncio.gather(*(okx_rfq_async_exchange.cancel_all_rfqs() for _ in range(100)))

            assert {0.0, 2.0} >= {receipt["elapsed"] for receipt in asyncio.run(main())}
            assert len(okx_rfq_sandbox.requests) <= 3

        @times
        @pytest.mark.parametrize("module", [ccxt, ccxt.async_support])
        def test_accounts(okx_rfq_make_exchange, okx_rfq_sandbox, module, time):
            exchanges = [
                okx_rfq_make_exchange(module.okx, credentials=okx_rfq_sandbox.create_user()) for _ in range(40)
            ]
            okx_rfq_sandbox.fault(CANCEL, *["50011"] * 40)
            calls = [exchange.cancel_all_rfqs for exchange in exchanges]

            async def main():
                return await asyncio.gather(*(call() for call in calls))

            if module is ccxt:
                assert {2.0} == at_once(calls)
            else:
                assert {2.0} == {receipt["elapsed"] for receipt in asyncio.run(main())}
        """.replace("TIMES", str(times)),
        passed=4 * times,
    )


def test_time_behaves(pytester: pytest.Pytester) -> None:
    """Delays of the sandbox, a strategy's own waits, expiry and `milliseconds()` use one clock."""
    run(
        pytester,
        """
        import asyncio, time
        import ccxt, ccxt.async_support, pytest

        CANCEL = "rfq/cancel-all-rfqs"

        @pytest.fixture(autouse=True)
        def no_real_wait():
            began = time.monotonic()
            yield
            assert time.monotonic() - began < 60

        def test_a_slow_reply_times_out(okx_rfq_exchange, okx_rfq_sandbox):
            okx_rfq_sandbox.fault(CANCEL, 3000.0)
            receipt = okx_rfq_exchange.cancel_all_rfqs()
            assert 2 == receipt["attempts"]
            assert 3.0 <= receipt["elapsed"] < 6.0
            assert not any(name.lower().startswith("x-okx") for name in okx_rfq_sandbox.requests[0].headers)

        def test_a_slow_reply_comes(okx_rfq_exchange, okx_rfq_sandbox):
            okx_rfq_sandbox.fault(CANCEL, 2.5)
            assert 2.5 == okx_rfq_exchange.cancel_all_rfqs()["elapsed"]

        def test_async(okx_rfq_async_exchange, okx_rfq_sandbox):
            async def main():
                return await okx_rfq_async_exchange.cancel_all_rfqs(), await okx_rfq_async_exchange.cancel_all_rfqs()

            okx_rfq_sandbox.fault(CANCEL, 3000.0, 2.5)
            first, second = asyncio.run(main())
            assert (2, 1) == (first["attempts"], second["attempts"])

        def test_own_waits(okx_rfq_exchange, okx_rfq_sandbox, okx_rfq_clock):
            rfq = okx_rfq_sandbox.create_rfq()
            began, ms = okx_rfq_clock.now, okx_rfq_exchange.milliseconds()
            okx_rfq_exchange.sleep(50_000)
            with okx_rfq_clock.patch_sleep():
                time.sleep(50)
                with pytest.raises(ValueError):
                    time.sleep(-1)
            okx_rfq_clock.advance(50)
            assert (began + 150, ms + 150_000) == (okx_rfq_clock.now, okx_rfq_exchange.milliseconds())
            assert [50.0, 50.0] == okx_rfq_clock.waits
            assert [rfq["rfqId"]] == [each["rfqId"] for each in okx_rfq_sandbox.rfqs("expired")]
            assert "nothing_active" == okx_rfq_exchange.cancel_all_rfqs()["status"]
            assert time.sleep.__module__ == "time"

        def test_own_async_waits(okx_rfq_async_exchange, okx_rfq_clock):
            okx_rfq_clock.patch_sleep()
            began = okx_rfq_clock.now

            async def main():
                await asyncio.gather(asyncio.sleep(100), asyncio.sleep(50), okx_rfq_async_exchange.sleep(75_000))
                await asyncio.sleep(0)
                return await asyncio.sleep(1, "done")

            assert "done" == asyncio.run(main())
            assert began + 101 == okx_rfq_clock.now

        def test_sleep_is_given_back():
            assert ("time", "asyncio.tasks") == (time.sleep.__module__, asyncio.sleep.__module__)

        @pytest.mark.okx_rfq_cassette("nothing-active")
        def test_cassette(okx_rfq_exchange, okx_rfq_clock):
            end = okx_rfq_exchange.milliseconds() + 2000
            while okx_rfq_exchange.milliseconds() < end:
                pass
            okx_rfq_exchange.cancel_all_rfqs()

        @pytest.mark.okx_rfq_cassette("rate-limited-then-canceled")
        def test_adopted(okx_rfq_clock):
            import okx_rfq_plugin

            own = ccxt.okx({"apiKey": "aaaa", "secret": "bbbb", "password": "cccc"})
            own = okx_rfq_clock.adopt(okx_rfq_plugin.install(own, policy=okx_rfq_plugin.RetryPolicy(jitter=0.0)))
            assert 2.0 == own.cancel_all_rfqs()["elapsed"]
            with pytest.raises(TypeError, match="okx class"):
                okx_rfq_clock.adopt(ccxt.kraken())
        """,
        passed=8,
    )


def test_others_keep_the_machines_clock(pytester: pytest.Pytester) -> None:
    """An object created by the strategy, on its own server, uses the machine's time."""
    run(
        pytester,
        """
        import okx_rfq_plugin
        from okx_rfq_plugin.sandbox import Sandbox

        def test_it(okx_rfq_exchange, okx_rfq_waits):
            with Sandbox() as own:
                exchange = okx_rfq_plugin.install(own.exchange())
                assert not hasattr(exchange, "_okx_rfq_clock")
                exchange.cancel_all_rfqs()
                exchange.session.close()
            assert [] == okx_rfq_waits
        """,
        passed=1,
    )


def test_the_factory(pytester: pytest.Pytester) -> None:
    """Every okx class, settings and policies; an invalid one gets a one-sentence error."""
    result = run(
        pytester,
        """
        import asyncio
        import ccxt, ccxt.async_support, ccxt.pro, pytest
        from okx_rfq_plugin import RetryPolicy

        class Mine(ccxt.okx):
            pass

        @pytest.mark.parametrize("cls", [None, ccxt.okx, ccxt.myokx, ccxt.okxus, Mine])
        def test_sync(okx_rfq_make_exchange, cls):
            exchange = okx_rfq_make_exchange(cls, options={"mine": 1}, timeout=7000)
            assert (1, 7000, True) == (exchange.options["mine"], exchange.timeout, exchange.options["sandboxMode"])
            assert "nothing_active" == exchange.cancel_all_rfqs()["status"]

        ASYNC = [ccxt.async_support.okx, ccxt.async_support.myokx, ccxt.pro.okx, ccxt.pro.okxus]

        @pytest.mark.parametrize("cls", ASYNC)
        def test_async(okx_rfq_make_exchange, cls):
            async def main():
                return await okx_rfq_make_exchange(cls).cancel_all_rfqs()

            assert "nothing_active" == asyncio.run(main())["status"]

        def test_policy(okx_rfq_make_exchange, okx_rfq_sandbox):
            okx_rfq_sandbox.fault("rfq/cancel-all-rfqs", "50001")
            with pytest.raises(ccxt.ExchangeNotAvailable):
                okx_rfq_make_exchange(policy=RetryPolicy(deadline=0.0)).cancel_all_rfqs()

        def test_first_calls_of_a_framework(okx_rfq_exchange):
            assert okx_rfq_exchange.load_markets()
            assert okx_rfq_exchange.fetch_balance()

        @pytest.mark.parametrize(
            "arguments",
            [
                {"cls": ccxt.kraken},
                {"cls": "okx"},
                {"policy": 3},
                {"credentials": "key"},
                {"credentials": {"apiKey": "aaaa", "password": "cccc"}},
                {"credentials": {"apiKey": "aaaa", "secret": "b", "password": "cccc"}},
            ],
        )
        def test_wrong(okx_rfq_make_exchange, arguments):
            okx_rfq_make_exchange(**arguments)
        """,
        "--tb=auto",
        passed=11,
        failed=6,
    )

    result.stdout.fnmatch_lines(
        [
            "E *TypeError: cls is an okx class of ccxt, * not <class 'ccxt.kraken.kraken'>",
            "E *TypeError: policy is an okx_rfq_plugin.RetryPolicy, not 3",
            "E *ValueError: credentials are a dict with apiKey, secret, password, not str",
            "E *ValueError: credentials have *; 'secret' is missing",
            "E *ValueError: the 'secret' of the credentials is too short*",
        ]
    )


def test_what_the_sandbox_was_told_for_nothing_fails_the_test(pytester: pytest.Pytester) -> None:
    """A typo in a path fails the test; one that has failed or cleared the sandbox is not reported again."""
    result = run(
        pytester,
        """
        def test_fault(okx_rfq_sandbox):
            okx_rfq_sandbox.fault("rfq/cancel-al-rfqs", "50011")

        def test_reply(okx_rfq_sandbox):
            okx_rfq_sandbox.reply("account/bils", {}, times=2)

        def test_cleared(okx_rfq_sandbox):
            okx_rfq_sandbox.fault("rfq/rfqs", "50011")
            okx_rfq_sandbox.clear()

        def test_failed(okx_rfq_sandbox):
            okx_rfq_sandbox.fault("rfq/rfqs", "50011")
            assert False
        """,
        passed=3,
        failed=1,
        errors=2,
    )

    result.stdout.fnmatch_lines(["*no request has used what the sandbox was given*cancel-al-rfqs*", "*account/bils*"])


def test_a_sandbox_beside_a_cassette_is_said(pytester: pytest.Pytester) -> None:
    """With a cassette of the package at once; with the test's own when it reads the sandbox."""
    own = """
        import pytest

        @pytest.mark.okx_rfq_cassette
        def test_own(okx_rfq_exchange, okx_rfq_sandbox):
            okx_rfq_sandbox.create_rfq()
            okx_rfq_exchange.cancel_all_rfqs()
            if LOOKS:
                try:
                    okx_rfq_sandbox.LOOKED
                except Exception:
                    pass
        """
    run(pytester, own.replace("LOOKS", "False"), "--okx-rfq-record=sandbox", passed=1)
    run(pytester, own.replace("LOOKS", "False"), passed=1)
    for looked in ("requests", "rfqs()", "quotes()"):
        result = run(pytester, own.replace("LOOKS", "True").replace("LOOKED", looked), "--tb=auto", failed=1)
        result.stdout.fnmatch_lines(["E *this test replays test_own.yaml: the sandbox gets no requests*"])

    result = run(
        pytester,
        """
        import pytest

        @pytest.mark.okx_rfq_cassette("canceled")
        def test_it(okx_rfq_exchange, okx_rfq_sandbox):
            pass
        """,
        "--tb=auto",
        errors=1,
    )
    result.stdout.fnmatch_lines(["this test replays canceled.yaml and uses okx_rfq_sandbox*"])


def test_overrides_of_any_scope_and_with_parameters(pytester: pytest.Pytester) -> None:
    """Session-wide, per module, or parametrized; a wrong value gets a one-sentence error."""
    run(
        pytester,
        """
        import pytest
        from okx_rfq_plugin import RetryPolicy

        @pytest.fixture(scope="session", params=[5.0, 10.0])
        def okx_rfq_policy(request):
            return RetryPolicy(deadline=request.param)

        @pytest.fixture(scope="module", params=["first", "second"])
        def okx_rfq_credentials(request):
            return {"apiKey": f"{request.param}-key", "secret": "dummy", "password": "dummy"}

        @pytest.fixture(params=[1, 2])
        def okx_rfq_cassette_dir(request, tmp_path):
            return tmp_path

        def test_it(okx_rfq_exchange):
            assert "nothing_active" == okx_rfq_exchange.cancel_all_rfqs()["status"]
        """,
        passed=8,
    )
    for fixture, value, words in (
        ("okx_rfq_policy", "3", "the fixture okx_rfq_policy returns an okx_rfq_plugin.RetryPolicy, not 3"),
        ("okx_rfq_credentials", "{'apiKey': 'aaaa'}", "the fixture okx_rfq_credentials: *'secret' is missing"),
        ("okx_rfq_credentials", "None", "the fixture okx_rfq_credentials: credentials are a dict with *, not NoneType"),
        ("okx_rfq_cassette_dir", "'here'", "the fixture okx_rfq_cassette_dir returns a pathlib.Path, *, not 'here'"),
    ):
        result = run(
            pytester,
            f"""
            import pytest

            @pytest.fixture
            def {fixture}():
                return {value}

            @pytest.mark.okx_rfq_cassette("canceled")
            def test_it(okx_rfq_exchange):
                pass
            """,
            errors=1,
        )
        result.stdout.fnmatch_lines([words])


def test_observers_are_waited_for(pytester: pytest.Pytester) -> None:
    """`wait` returns when all were notified; one that takes too long is a TimeoutError; none outlives its test."""
    run(
        pytester,
        """
        import threading
        import pytest
        from okx_rfq_plugin import get_plugin_manager, hookimpl

        class Listener:
            def __init__(self):
                self.heard, self.go_on = [], threading.Event()

            @hookimpl
            def rfqs_canceled(self, receipt):
                self.go_on.wait()
                self.heard.append(receipt["status"])

        LISTENER = Listener()

        def test_it(okx_rfq_exchange, okx_rfq_observers):
            okx_rfq_observers.register(LISTENER)
            okx_rfq_exchange.cancel_all_rfqs()
            with pytest.raises(TimeoutError):
                okx_rfq_observers.wait(0.01)
            LISTENER.go_on.set()
            okx_rfq_observers.wait()
            assert ["nothing_active"] == LISTENER.heard

        def test_after():
            assert LISTENER not in get_plugin_manager().get_plugins()
        """,
        passed=2,
    )


def test_requests_need_a_cassette(pytester: pytest.Pytester) -> None:
    """Without the marker the message says where the sandbox has its requests."""
    result = run(pytester, "def test_it(okx_rfq_cassette_requests):\n    pass\n", errors=1)

    result.stdout.fnmatch_lines(["okx_rfq_cassette_requests: this test has no marker*okx_rfq_sandbox.requests."])


def test_without_the_extra_the_marker_says_what_to_install(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sandbox works; a cassette needs vcrpy."""
    from okx_rfq_plugin.testing import sources

    monkeypatch.setattr(sources, "find_spec", lambda name: None if name == "vcr" else sys)
    result = run(
        pytester,
        """
        import pytest

        @pytest.mark.okx_rfq_cassette("canceled")
        def test_cassette():
            pass

        def test_sandbox(okx_rfq_exchange):
            okx_rfq_exchange.cancel_all_rfqs()
        """,
        passed=1,
        errors=1,
    )

    result.stdout.fnmatch_lines(["*needs vcrpy, which is not installed: pip install 'okx-rfq-plugin?testing?'"])


def test_unittest_cases_are_guarded_and_replay(pytester: pytest.Pytester) -> None:
    """A swallowed miss fails a TestCase like a function; fixtures come from `usefixtures`."""
    run(
        pytester,
        """
        import unittest
        import ccxt, pytest

        class TestDesk(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def take(self, okx_rfq_exchange):
                self.exchange = okx_rfq_exchange

            @pytest.mark.okx_rfq_cassette("canceled")
            def test_replays(self):
                self.assertEqual("canceled", self.exchange.cancel_all_rfqs()["status"])

            def test_raises(self):
                ccxt.okx().fetch_time()

            def test_swallows(self):
                try:
                    ccxt.okx().fetch_time()
                except BaseException:
                    pass
        """,
        passed=2,
        failed=1,
        errors=1,
    )


def test_a_package_cassette_is_never_named_as_old(pytester: pytest.Pytester) -> None:
    """However old, since its users cannot record it again."""
    result = run(
        pytester,
        """
        import pytest

        @pytest.mark.okx_rfq_cassette("canceled")
        def test_it(okx_rfq_exchange):
            okx_rfq_exchange.cancel_all_rfqs()
        """,
        "-o",
        "okx_rfq_cassette_max_age=0",
        passed=1,
    )

    result.stdout.no_fnmatch_line("*cassettes older than*")


def test_the_plugin_is_one_file_for_pytest() -> None:
    """What a suite imports at startup imports no other module of the test kit."""
    heavy: Any = [name for name in vars(pytest_plugin) if name in ("trial", "wire", "ccxt", "vcr", "yaml")]

    assert [] == heavy


def test_a_crowd_of_threads_is_recorded_and_replays(pytester: pytest.Pytester) -> None:
    """It sends the same requests in every run."""
    source = """
        import threading
        import pytest

        @pytest.mark.okx_rfq_cassette
        def test_crowd(okx_rfq_exchange):
            ended = []

            def cancel():
                try:
                    ended.append(okx_rfq_exchange.cancel_all_rfqs()["status"])
                except BaseException as error:
                    ended.append(error)

            threads = [threading.Thread(target=cancel) for _ in range(50)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert ["nothing_active"] * 50 == ended
        """
    run(pytester, source, "--okx-rfq-record=sandbox", passed=1)

    for _ in range(3):
        run(pytester, source, passed=1)
