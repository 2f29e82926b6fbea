"""Other Python clients work with the sandbox with only their base address changed.

They are installed by `tox -e strangers`. okx-sdk, okx-sqphi and okx by pyted cannot be installed with python-okx, whose
package has the same name; they were tried by hand.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest

from okx_rfq_plugin.sandbox import Sandbox

pytestmark = [
    # From the clients: datetime.utcnow, sessions left open, and how one passes its body to httpx.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
LEGS = [{"instId": "BTC-USDT", "side": "buy", "sz": "1"}]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture(autouse=True)
def swept() -> Iterator[None]:
    """Close the sockets that the clients leave open here, not in the middle of a later test."""
    yield
    gc.collect()


def keys(sandbox: Sandbox) -> list[str]:
    return [sandbox.credentials[name] for name in ("apiKey", "secret", "password")]


def live_a_day(api: Any, sandbox: Sandbox, *, trades: str) -> None:
    """Create, list, cancel one, some and all, with method names shared by all of these clients."""
    assert ["WAGMI"] == [row["traderCode"] for row in api.counterparties()["data"]]
    first = api.create_rfq(counterparties=["WAGMI"], legs=LEGS, clRfqId="a")["data"][0]["rfqId"]
    api.create_rfq(counterparties=["WAGMI"], legs=LEGS, clRfqId="b")
    assert ["b", "a"] == [row["clRfqId"] for row in api.get_rfqs(state="active")["data"]]
    assert "0" == api.cancel_rfq(rfqId=first)["code"]
    assert ["70200", "70000"] == [row["sCode"] for row in api.cancel_batch_rfqs(clRfqIds=["a", "x"])["data"]]
    assert [["ts"]] == [[*row] for row in api.cancel_all_rfqs()["data"]]
    assert "70207" == api.cancel_all_rfqs()["code"]
    assert {"canceled"} == {rfq["state"] for rfq in sandbox.rfqs()}
    assert [] == api.get_quotes()["data"] == getattr(api, trades)()["data"] == api.get_public_trades()["data"]
    assert "70000" == api.execute_quote(rfqId="1", quoteId="2")["code"]


def test_python_okx_async(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """Its sync class, and its async one."""
    sync = pytest.importorskip("okx_async.BlockTrading")
    async_ = pytest.importorskip("okx_async.AsyncBlockTrading")

    live_a_day(sync.BlockTradingAPI(*keys(sandbox), False, "1", domain=sandbox.url), sandbox, trades="get_trades")
    api = async_.AsyncBlockTradingAPI(*keys(sandbox), False, "1", domain=sandbox.url)
    listed = asyncio.run(api.counterparties())

    assert ["WAGMI"] == [row["traderCode"] for row in listed["data"]]
    capsys.readouterr()  # it prints the dummies' headers


def test_okxv5(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its address is a constant, and it sends "" for lists that are left out."""
    consts = pytest.importorskip("okxv5.consts")
    monkeypatch.setattr(consts, "API_URL", sandbox.url)
    rfq = pytest.importorskip("okxv5.Rfq_api")  # after setting the address, which it copies

    api = rfq.RfqAPI(*keys(sandbox), False, "1")
    live_a_day(api, sandbox, trades="get_rfq_trades")

    assert "0" == api.mmp_reset()["code"]
    assert [{"result": True}] == api.maker_instrument_settings("SPOT", [{"instId": "BTC-USDT"}])["data"]
    assert "BTC-USDT" == api.get_maker_instrument_settings()["data"][0]["data"][0]["instId"]
