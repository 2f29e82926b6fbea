"""Switches for cases in which OKX's docs allow two readings, or a record differs from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ccxt
import pytest

import okx_rfq_plugin
from okx_rfq_plugin.sandbox import Fault, Sandbox

NewWire = Callable[[Sandbox], Any]


@pytest.mark.parametrize(
    ("path", "code", "text"),
    [
        ("rfq/cancel-all-rfqs", "70207", "Cancellation failed as you do not have any active RFQs."),
        ("rfq/cancel-all-quotes", "70409", "Cancellation failed as you do not have any active Quotes."),
    ],
)
def test_refusals_on_top_or_in_a_row(clock: Any, new_wire: NewWire, path: str, code: str, text: str) -> None:
    """At the top level by default; in a row, under code 1, with the switch."""
    with Sandbox(clock=clock) as top, Sandbox(clock=clock, refusals_in_rows=True) as row:
        on_top, in_a_row = new_wire(top).send("POST", path), new_wire(row).send("POST", path)

    assert (200, {"code": code, "data": [], "msg": text}) == on_top
    assert (200, {"code": "1", "data": [{"sCode": code, "sMsg": text}], "msg": "Operation failed."}) == in_a_row


def test_a_cancel_in_rows_is_a_success_all_the_same(clock: Any) -> None:
    """The plugin reads either as "nothing active"."""
    with Sandbox(refusals_in_rows=True) as sandbox:
        exchange = okx_rfq_plugin.install(sandbox.exchange())

        assert "nothing_active" == exchange.cancel_all_rfqs()["status"]


@pytest.mark.parametrize("row", [False, True])
def test_rfqs_are_canceled_by_name_after_a_refusal_of_either_form(row: bool) -> None:
    """If OKX will not cancel so many at once, the plugin cancels by id, wherever the refusal is."""
    with Sandbox() as sandbox:
        exchange = okx_rfq_plugin.install(sandbox.exchange())
        sandbox.create_rfq()
        sandbox.fault("rfq/cancel-all-rfqs", Fault(code="70203", row=row))

        receipt = exchange.cancel_all_rfqs()

        assert "canceled" == receipt["status"]
        assert ["canceled"] == [rfq["state"] for rfq in sandbox.rfqs()]
        assert "/api/v5/rfq/cancel-batch-rfqs" in {request.path for request in sandbox.requests}


@pytest.mark.parametrize("code", ["70203", "70208"])
def test_fault_in_a_row(sandbox: Sandbox, wire: Any, code: str) -> None:
    """A fault's refusal can be in a row, too."""
    sandbox.fault("rfq/cancel-all-rfqs", Fault(code=code, row=True))

    status, body = wire.send("POST", "rfq/cancel-all-rfqs")

    assert (200, "1", code) == (status, body["code"], body["data"][0]["sCode"])
    assert body["data"][0]["sMsg"].startswith("Cancellation failed as")


def test_a_fault_in_a_row_has_a_code(sandbox: Sandbox) -> None:
    """A row without a code would say nothing."""
    with pytest.raises(ValueError, match="give it one"):
        sandbox.fault("rfq/cancel-all-rfqs", Fault(row=True))


@pytest.mark.parametrize("word", ["", "one_way"])
def test_flow_type_of_makers(clock: Any, new_wire: NewWire, word: str) -> None:
    """A maker sees the switch's value; a taker sees none."""
    with Sandbox(clock=clock, maker_flow_type=word) as sandbox:
        taker = sandbox.create_user()
        sandbox.create_rfq(credentials=taker, counterparties=["SANDBOX1"])
        wire = new_wire(sandbox)

        (received,) = wire.send("GET", "rfq/rfqs")[1]["data"]
        (created,) = wire.send("GET", "rfq/rfqs", credentials=taker)[1]["data"]

    assert (word, "") == (received["flowType"], created["flowType"])


@pytest.mark.parametrize(("exact", "through"), [(True, 2), (False, 3)])
def test_exactness_of_the_limiter(clock: Any, new_wire: NewWire, exact: bool, through: int) -> None:
    """A real limiter admits more than its limit: 33 where the limit was 20."""
    with Sandbox(clock=clock, exact_limits=exact) as sandbox:
        codes = [new_wire(sandbox).code("POST", "rfq/cancel-all-rfqs") for _ in range(5)]

    assert ["70207"] * through + ["50011"] * (5 - through) == codes


def test_limit_that_was_measured(clock: Any, new_wire: NewWire) -> None:
    """Of 60 concurrent requests, 33 pass a limit of 20, as was measured."""
    with Sandbox(clock=clock, exact_limits=False) as sandbox:
        wire = new_wire(sandbox)
        codes = [wire.raw("GET", "/api/v5/public/instruments?instType=SPOT")[0] for _ in range(60)]

    assert 33 == codes.count(200)


def test_account_below_the_minimum(sandbox: Sandbox, wire: Any) -> None:
    """Lists and creates answer 70006, cancels do not."""
    poor = sandbox.create_user(eligible=False)
    reads = ("counterparties", "rfqs", "quotes", "trades")
    creates = ("create-rfq", "create-quote")

    assert {"70006"} == {wire.code("GET", f"rfq/{path}", credentials=poor) for path in reads}
    assert {"70006"} == {wire.code("POST", f"rfq/{path}", {}, credentials=poor) for path in creates}
    assert "70207" == wire.code("POST", "rfq/cancel-all-rfqs", credentials=poor)


def test_a_region_has_its_own_keys(clock: Any) -> None:
    """A key of one sandbox is unknown to another, like a key of one region to another region's host."""
    key = {"apiKey": "00000000-0000-4000-8000-000000000001", "secret": "sandbox-eea", "password": "sandbox-eea"}
    with Sandbox() as www, Sandbox() as eea:
        eea.create_user(credentials=key)
        exchange = www.exchange()
        exchange.apiKey, exchange.secret, exchange.password = key.values()

        with pytest.raises(ccxt.ExchangeError, match="50119"):
            exchange.private_get_account_config()
        assert "100002" == eea.exchange(credentials=key).private_get_account_config()["data"][0]["uid"]
