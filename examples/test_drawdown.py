"""Tests of the block trader, without an account, a network or waiting."""

from __future__ import annotations

import ccxt
import pytest
from drawdown import BlockTrader

from okx_rfq_plugin import RfqExchange
from okx_rfq_plugin.sandbox import Sandbox

LEG = {"instId": "BTC-USDT", "side": "buy", "sz": "25"}
CANCEL = "rfq/cancel-all-rfqs"


@pytest.fixture
def trader(okx_rfq_exchange: RfqExchange) -> BlockTrader:
    return BlockTrader(okx_rfq_exchange, max_drawdown=0.1)


def test_small_loss_changes_nothing(trader: BlockTrader, okx_rfq_sandbox: Sandbox) -> None:
    """Within the drawdown, nothing is canceled."""
    trader.ask(["WAGMI"], LEG)

    assert trader.mark(100.0) is None
    assert trader.mark(91.0) is None
    assert len(okx_rfq_sandbox.rfqs("active")) == 1
    assert trader.state == "trading"


def test_drawdown_cancels_everything(trader: BlockTrader, okx_rfq_sandbox: Sandbox) -> None:
    """A tenth below the highest equity, every RFQ is canceled, and no more are sent."""
    trader.ask(["WAGMI"], LEG)
    trader.ask(["WAGMI"], LEG)
    trader.mark(100.0)

    receipt = trader.mark(90.0)

    assert receipt is not None
    assert receipt["status"] == "canceled"
    assert okx_rfq_sandbox.rfqs("active") == []
    assert trader.ask(["WAGMI"], LEG) is None
    assert trader.mark(10.0) is None


@pytest.mark.okx_rfq_cassette("rate-limited-then-canceled")
def test_busy_window_is_waited_for(trader: BlockTrader, okx_rfq_waits: list[float]) -> None:
    """While another program uses OKX's limit, the cancel follows in the next window."""
    trader.mark(100.0)
    trader.mark(80.0)

    assert trader.state == "halted"
    assert okx_rfq_waits == [2.0]


def test_doubt_is_kept_until_okx_answers(trader: BlockTrader, okx_rfq_sandbox: Sandbox) -> None:
    """While no readable answer comes back, the trader says so, and the next mark tries again."""
    trader.ask(["WAGMI"], LEG)
    trader.mark(100.0)
    okx_rfq_sandbox.fault(CANCEL, *[502] * 50)

    assert trader.mark(80.0) is None
    assert trader.state == "in doubt"

    okx_rfq_sandbox.clear()
    okx_rfq_sandbox.create_rfq()

    assert trader.mark(120.0) is not None
    assert trader.state == "halted"


@pytest.mark.okx_rfq_cassette("rejected-permission")
def test_wrong_key_is_not_hidden(trader: BlockTrader) -> None:
    """A key that may not cancel is for the desk to fix: the error propagates."""
    trader.mark(100.0)

    with pytest.raises(ccxt.PermissionDenied):
        trader.mark(80.0)

    assert trader.state == "in doubt"


@pytest.mark.okx_rfq_cassette("ask-then-halt")
def test_a_day_of_the_desk(trader: BlockTrader) -> None:
    """The desk's own cassette, written by `pytest --okx-rfq-record=sandbox`."""
    trader.ask(["WAGMI"], LEG)
    trader.mark(100.0)
    receipt = trader.mark(85.0)

    assert receipt is not None
    assert receipt["attempts"] == 1
