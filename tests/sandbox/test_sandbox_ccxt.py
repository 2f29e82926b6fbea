"""Raw ccxt, sync and async, works with the sandbox with only the base address changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import ccxt
import ccxt.pro
import pytest

from okx_rfq_plugin.sandbox import Sandbox

Call = Callable[..., Any]
LEG = {"instId": "BTC-USDT-SWAP", "side": "buy", "sz": "25"}
RFQ = {"counterparties": ["WAGMI"], "legs": [LEG]}


def refusal(error: pytest.ExceptionInfo[ccxt.BaseError]) -> dict[str, Any]:
    return json.loads(str(error.value).removeprefix("okx "))


def test_create_list_cancel_one(ccxt_call: Call) -> None:
    """An RFQ that was created is listed as active, and as canceled once it is canceled."""
    created = ccxt_call("private_post_rfq_create_rfq", {**RFQ, "clRfqId": "mine1", "tag": "desk7"})["data"][0]
    listed = ccxt_call("private_get_rfq_rfqs", {"state": "active"})["data"]
    canceled = ccxt_call("private_post_rfq_cancel_rfq", {"rfqId": created["rfqId"]})
    after = ccxt_call("private_get_rfq_rfqs")["data"]

    assert "active" == created["state"]
    assert [created["rfqId"]] == [row["rfqId"] for row in listed]
    assert ("mine1", "desk7", "", "") == tuple(listed[0][name] for name in ("clRfqId", "tag", "flowType", "groupId"))
    assert {"rfqId": created["rfqId"], "clRfqId": "mine1", "sCode": "0", "sMsg": ""} == canceled["data"][0]
    assert ["canceled"] == [row["state"] for row in after]


def test_cancel_all(ccxt_call: Call, sandbox: Sandbox) -> None:
    """Every active RFQ is canceled, the reply has only the time, and the next call says that none is left."""
    for _ in range(3):
        sandbox.create_rfq()

    reply = ccxt_call("private_post_rfq_cancel_all_rfqs")
    with pytest.raises(ccxt.ExchangeError) as nothing_left:
        ccxt_call("private_post_rfq_cancel_all_rfqs")

    assert ["canceled"] * 3 == [rfq["state"] for rfq in sandbox.rfqs()]
    assert {"code": "0", "data": [{"ts": sandbox.rfqs()[0]["uTime"]}], "msg": ""} == reply
    assert "70207" == refusal(nothing_left)["code"]


def test_cancel_some(ccxt_call: Call, sandbox: Sandbox, clock: Any) -> None:
    """In a batch each RFQ gets its own row, and the top-level code says all, some or none."""
    ids = [sandbox.create_rfq(clRfqId=f"r{n}")["rfqId"] for n in range(4)]

    everything = ccxt_call("private_post_rfq_cancel_batch_rfqs", {"rfqIds": ids[:2]})
    partly = ccxt_call("private_post_rfq_cancel_batch_rfqs", {"clRfqIds": ["r0", "r2", "nobody"]})
    clock.advance(2)
    with pytest.raises(ccxt.ExchangeError) as none:
        ccxt_call("private_post_rfq_cancel_batch_rfqs", {"rfqIds": ids[:2]})

    assert ("0", ["0", "0"]) == (everything["code"], [row["sCode"] for row in everything["data"]])
    assert ("2", ["70200", "0", "70000"]) == (partly["code"], [row["sCode"] for row in partly["data"]])
    assert "Bulk operation partially succeeded." == partly["msg"]
    assert "The RFQ with canceled status cannot be canceled" == partly["data"][0]["sMsg"]
    assert {"rfqId": "", "clRfqId": "nobody", "sCode": "70000", "sMsg": "RFQ does not exist."} == partly["data"][2]
    assert ("1", "Operation failed.") == (refusal(none)["code"], refusal(none)["msg"])
    assert ids[:2] == [row["rfqId"] for row in refusal(none)["data"]]


def test_paging(ccxt_call: Call, sandbox: Sandbox, clock: Any) -> None:
    """Rows come newest first; `endId` selects older ones, `beginId` newer ones, both exclusive."""
    newest_first = [sandbox.create_rfq()["rfqId"] for _ in range(5)][::-1]

    first = ccxt_call("private_get_rfq_rfqs", {"limit": 2})["data"]
    second = ccxt_call("private_get_rfq_rfqs", {"limit": 2, "endId": first[-1]["rfqId"]})["data"]
    clock.advance(2)
    newer = ccxt_call("private_get_rfq_rfqs", {"beginId": newest_first[2]})["data"]

    assert newest_first[:2] == [row["rfqId"] for row in first]
    assert newest_first[2:4] == [row["rfqId"] for row in second]
    assert newest_first[:2] == [row["rfqId"] for row in newer]


def test_counterparties_and_time(ccxt_call: Call, sandbox: Sandbox) -> None:
    """The bot of demo trading is a counterparty, other users are too, and the time is the sandbox's."""
    sandbox.create_user(trader_code="SATOSHI")

    makers = ccxt_call("private_get_rfq_counterparties")["data"]
    now = ccxt_call("public_get_public_time")["data"]

    assert ["WAGMI", "SATOSHI"] == [maker["traderCode"] for maker in makers]
    assert [{"ts": sandbox.create_rfq()["cTime"]}] == now


def test_quotes(ccxt_call: Call, sandbox: Sandbox, clock: Any) -> None:
    """A maker finds a received RFQ, quotes it, and cancels the quote, alone or with all others."""
    taker = sandbox.create_user()
    for name in "ab":
        sandbox.create_rfq(credentials=taker, counterparties=["SANDBOX1"], legs=[LEG], clRfqId=name)

    second, first = ccxt_call("private_get_rfq_rfqs", {"state": "active"})["data"]
    quote = {"quoteSide": "sell", "expiresIn": "30", "legs": [{**LEG, "px": "42000.5"}]}
    made = ccxt_call("private_post_rfq_create_quote", {**quote, "rfqId": first["rfqId"], "clQuoteId": "q1"})["data"][0]
    ccxt_call("private_post_rfq_create_quote", {**quote, "rfqId": second["rfqId"]})
    one = ccxt_call("private_post_rfq_cancel_quote", {"clQuoteId": "q1"})["data"][0]
    states = [row["state"] for row in ccxt_call("private_get_rfq_quotes")["data"]]
    everything = ccxt_call("private_post_rfq_cancel_all_quotes")
    with pytest.raises(ccxt.ExchangeError) as nothing_left:
        ccxt_call("private_post_rfq_cancel_all_quotes")

    assert ("", "") == (first["clRfqId"], made["clRfqId"])
    assert ("active", "42000.5", "q1") == (made["state"], made["legs"][0]["px"], made["clQuoteId"])
    assert {"quoteId": made["quoteId"], "clQuoteId": "q1", "sCode": "0", "sMsg": ""} == one
    assert ["active", "canceled"] == states
    assert {"code": "0", "data": [{"ts": str(int(clock() * 1000))}], "msg": ""} == everything
    assert "70409" == refusal(nothing_left)["code"]
    assert ["canceled", "canceled"] == [each["state"] for each in sandbox.quotes()]


def test_cancel_all_after(ccxt_call: Call, sandbox: Sandbox, clock: Any) -> None:
    """A countdown says when it ends, and zero stops it."""
    armed = ccxt_call("private_post_rfq_cancel_all_after", {"timeOut": "60"})
    clock.advance(1)
    disarmed = ccxt_call("private_post_rfq_cancel_all_after", {"timeOut": 0})

    assert {"code": "0", "msg": ""} == {name: armed[name] for name in ("code", "msg")}
    assert 60 == int(armed["data"][0]["triggerTime"]) - int(armed["data"][0]["ts"])
    assert [{"triggerTime": "0", "ts": str(int(clock()))}] == disarmed["data"]


def test_account_configuration(ccxt_call: Call, sandbox: Sandbox) -> None:
    """It has the account, its mode, and the permissions of the key used."""
    row = ccxt_call("private_get_account_config")["data"][0]

    assert ("100001", "100001", "2") == (row["uid"], row["mainUid"], row["acctLv"])
    assert ("read_only,trade", "") == (row["perm"], row["ip"])
    assert "net_mode" == ccxt_call("private_get_account_config")["data"][0]["posMode"]


@pytest.mark.parametrize(
    ("cls", "name"),
    [(ccxt.okx, "okx"), (ccxt.myokx, "myokx"), (ccxt.okxus, "okxus"), (ccxt.pro.okx, "okx"), (None, "okx")],
)
def test_exchange_of_every_class(sandbox: Sandbox, cls: Any, name: str) -> None:
    """Any okx class is created with demo trading on and the sandbox's address, and otherwise as by ccxt."""
    made = sandbox.exchange(cls)

    assert name == made.id
    assert sandbox.url == made.urls["api"]["rest"]
    assert "1" == made.headers["x-simulated-trading"]
    assert made.enableRateLimit is True
