"""The pytest plugin together with pytest-asyncio, anyio, pytest-xdist, and pytest-recording or pytest-vcr."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
import requests

from okx_rfq_plugin import AsyncRfqExchange, RfqExchange
from okx_rfq_plugin.sandbox import Sandbox

pytest_plugins = ["pytester"]

CANCEL = "rfq/cancel-all-rfqs"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def cancel_twice(exchange: AsyncRfqExchange, sandbox: Sandbox, waits: list[float]) -> None:
    """Cancel on the sandbox, which is busy at first."""
    sandbox.create_rfq()
    sandbox.fault(CANCEL, "50011")
    receipt = await exchange.cancel_all_rfqs()

    assert receipt["status"] == "canceled"
    assert waits == [2.0]


@pytest.mark.asyncio
async def test_sandbox_under_pytest_asyncio(
    okx_rfq_async_exchange: AsyncRfqExchange, okx_rfq_sandbox: Sandbox, okx_rfq_waits: list[float]
) -> None:
    """The async exchange works on pytest-asyncio's loop."""
    await cancel_twice(okx_rfq_async_exchange, okx_rfq_sandbox, okx_rfq_waits)


@pytest.mark.asyncio(loop_scope="session")
async def test_sandbox_on_a_loop_of_the_session(
    okx_rfq_async_exchange: AsyncRfqExchange, okx_rfq_sandbox: Sandbox, okx_rfq_waits: list[float]
) -> None:
    """It also works on a loop that outlives the test."""
    await cancel_twice(okx_rfq_async_exchange, okx_rfq_sandbox, okx_rfq_waits)


@pytest.mark.anyio
async def test_sandbox_under_anyio(
    okx_rfq_async_exchange: AsyncRfqExchange, okx_rfq_sandbox: Sandbox, okx_rfq_waits: list[float]
) -> None:
    """The async exchange works on anyio's loop."""
    await cancel_twice(okx_rfq_async_exchange, okx_rfq_sandbox, okx_rfq_waits)


@pytest.mark.asyncio
@pytest.mark.okx_rfq_cassette("rate-limited-then-canceled")
async def test_cassette_under_pytest_asyncio(
    okx_rfq_async_exchange: AsyncRfqExchange, okx_rfq_waits: list[float]
) -> None:
    """A cassette replays under pytest-asyncio, whether the test closes the exchange or not."""
    assert (await okx_rfq_async_exchange.cancel_all_rfqs())["attempts"] == 2
    await okx_rfq_async_exchange.close()
    assert okx_rfq_waits == [2.0]


@pytest.mark.anyio
@pytest.mark.okx_rfq_cassette("rate-limited-then-canceled")
async def test_cassette_under_anyio(okx_rfq_async_exchange: AsyncRfqExchange) -> None:
    """A cassette replays under anyio."""
    assert (await okx_rfq_async_exchange.cancel_all_rfqs())["attempts"] == 2


def test_nothing_was_left_open() -> None:
    """The tests above leave no session or socket unclosed; a warning would be an error."""
    gc.collect()


@pytest.fixture(scope="module")
def vcr_config() -> dict[str, object]:
    """A suite's settings for the other plugin, which here never match a request to OKX."""
    return {"match_on": ["uri", "headers"], "before_record_request": lambda request: request}


@pytest.fixture(scope="module")
def vcr_cassette_dir() -> str:
    """Put the cassettes where either plugin finds them."""
    return str(Path(__file__).parent / "cassettes")


@pytest.mark.vcr(match_on=["method", "path"])
def test_other_cassettes_are_replayed_by_their_own_plugin() -> None:
    """The marker `vcr` of pytest-recording or pytest-vcr still works, for hosts other than OKX's."""
    assert requests.get("http://elsewhere.invalid/api/v5/public/time", timeout=1).text == "elsewhere"


@pytest.mark.okx_rfq_cassette("canceled")
def test_their_configuration_is_not_ours(okx_rfq_exchange: RfqExchange) -> None:
    """A suite's fixture `vcr_config` does not change how OKX's cassettes replay."""
    assert okx_rfq_exchange.cancel_all_rfqs()["status"] == "canceled"


def test_workers_of_xdist(pytester: pytest.Pytester) -> None:
    """Each worker has its own sandbox; a worker's information about old cassettes reaches the summary."""
    pytester.mkdir("cassettes").joinpath("old.yaml").write_text(
        "head: {answered_by: sandbox, recorded: '2020-01-01'}\nversion: 1\ninteractions: []\n"
    )
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("number", range(8))
        def test_sandbox(okx_rfq_exchange, okx_rfq_sandbox, number):
            okx_rfq_sandbox.create_rfq()
            assert "canceled" == okx_rfq_exchange.cancel_all_rfqs()["status"]
            assert 1 == len(okx_rfq_sandbox.requests)

        @pytest.mark.okx_rfq_cassette("old")
        def test_old():
            pass
        """
    )

    result = pytester.runpytest_subprocess("-n", "2", "-p", "no:vcr", "-o", "okx_rfq_cassette_max_age=1")

    result.assert_outcomes(passed=9)
    result.stdout.fnmatch_lines(["*old.yaml: recorded 2020-01-01 from sandbox, * days ago"])


def test_pytest_recording_refuses_pytest_vcr(pytester: pytest.Pytester) -> None:
    """As documented: with both switched on, pytest does not start."""
    result = pytester.runpytest_subprocess()

    result.stderr.fnmatch_lines(["*`pytest-recording` is incompatible with `pytest-vcr`*"])
