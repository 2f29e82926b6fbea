"""python-okx, OKX's own client, works with the sandbox with only its `domain` changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from okx.Account import AccountAPI
from okx.BlockTrading import BlockTradingAPI
from okx.PublicData import PublicAPI
from okx.Status import StatusAPI

from okx_rfq_plugin.sandbox import Sandbox

pytestmark = [
    # From the client: its fourth argument, datetime.utcnow, and how it passes its body to httpx.
    pytest.mark.filterwarnings("ignore:use_server_time parameter is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings(r"ignore:datetime\.datetime\.utcnow:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),
]
LEGS = [{"instId": "BTC-USD-251226-100000-C", "side": "buy", "sz": "1", "tdMode": "cross", "lmtPx": "0.01"}]


def client(sandbox: Sandbox, flag: str = "1", **changed: str) -> BlockTradingAPI:
    key = {**sandbox.credentials, **changed}
    return BlockTradingAPI(key["apiKey"], key["secret"], key["password"], False, flag, domain=sandbox.url)


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[BlockTradingAPI]:
    with client(sandbox) as made:
        yield made


def test_create_list_cancel(api: BlockTradingAPI, sandbox: Sandbox) -> None:
    """An RFQ is created, and found and canceled by its own name."""
    created = api.create_rfq(counterparties=["WAGMI"], clRfqId="rfq01", legs=LEGS)["data"][0]
    found = api.get_rfqs(clRfqId="rfq01")["data"]
    canceled = api.cancel_rfq(clRfqId="rfq01")

    assert [created["rfqId"]] == [row["rfqId"] for row in found]
    assert created["allowPartialExecution"] is False
    assert ("0", "0") == (canceled["code"], canceled["data"][0]["sCode"])
    assert ["canceled"] == [rfq["state"] for rfq in sandbox.rfqs()]


def test_cancel_batch_and_all(api: BlockTradingAPI, sandbox: Sandbox, clock: Any) -> None:
    """Some are canceled by id, the rest with cancel-all, with this client's body {}."""
    ids = [sandbox.create_rfq()["rfqId"] for _ in range(5)]

    batch = api.cancel_batch_rfqs(rfqIds=ids[:2])
    active = api.get_rfqs(state="active")["data"]
    everything = api.cancel_all_rfqs()
    again = api.cancel_all_rfqs()

    assert ("0", ids[:2]) == (batch["code"], [row["rfqId"] for row in batch["data"]])
    assert ids[:1:-1] == [row["rfqId"] for row in active]
    assert {"code": "0", "data": [{"ts": str(int(clock() * 1000))}], "msg": ""} == everything
    assert "70207" == again["code"]
    assert "{}" == sandbox.requests[-1].body


def test_paging(api: BlockTradingAPI, sandbox: Sandbox) -> None:
    """Pages follow each other without a gap or an overlap."""
    newest_first = [sandbox.create_rfq()["rfqId"] for _ in range(4)][::-1]

    first = api.get_rfqs(limit="3")["data"]
    second = api.get_rfqs(limit="3", endId=first[-1]["rfqId"])["data"]

    assert newest_first == [row["rfqId"] for row in first + second]


def test_quotes(api: BlockTradingAPI, sandbox: Sandbox) -> None:
    """A maker quotes, sees its quotes, and cancels one, some and all."""
    taker = sandbox.create_user()
    priced = [{"px": "0.01", **{name: LEGS[0][name] for name in ("instId", "side", "sz")}}]
    ids = []
    for n in range(4):
        rfq = sandbox.create_rfq(credentials=taker, counterparties=["SANDBOX1"], legs=LEGS)
        made = api.create_quote(rfqId=rfq["rfqId"], clQuoteId=f"q{n}", quoteSide="buy", legs=priced, expiresIn="120")
        ids.append(made["data"][0]["quoteId"])

    one = api.cancel_quote(quoteId=ids[0])
    some = api.cancel_batch_quotes(quoteIds=ids[:2], clQuoteIds=["q0", "q1"])
    active = api.get_quotes(state="active", limit="1")["data"]
    everything, again = api.cancel_all_quotes(), api.cancel_all_quotes()

    assert ("0", "q0") == (one["code"], one["data"][0]["clQuoteId"])
    assert ("2", ["70400", "0"]) == (some["code"], [row["sCode"] for row in some["data"]])
    assert ids[-1:] == [row["quoteId"] for row in active]
    assert ("0", "70409") == (everything["code"], again["code"])


def test_trade(api: BlockTradingAPI, sandbox: Sandbox, clock: Any) -> None:
    """A quote is executed, and the trade is listed for its sides, and for everyone fifteen minutes later."""
    maker = sandbox.create_user(trader_code="MAKER")
    rfq = api.create_rfq(counterparties=["MAKER"], legs=[{"instId": "BTC-USDT", "side": "buy", "sz": "1"}])["data"][0]
    quote = sandbox.create_quote(rfq["rfqId"], credentials=maker)

    executed = api.execute_quote(rfqId=rfq["rfqId"], quoteId=quote["quoteId"])["data"][0]
    listed = api.get_trades(rfqId=rfq["rfqId"])["data"][0]
    clock.advance(900)
    public = api.get_public_trades(limit="1")["data"][0]

    assert executed["blockTdId"] == listed["blockTdId"] == public["blockTdId"]
    assert ("MAKER", True) == (listed["mTraderCode"], listed["isSuccessful"])


def test_maker_settings(api: BlockTradingAPI) -> None:
    """The example from the client's documentation, which uses `uly` where OKX's table has `instFamily`."""
    sent = [{"instType": "OPTION", "data": [{"uly": "BTC-USD", "maxBlockSz": "10000", "makerPxBand": "5"}]}]

    assert [{"result": True}] == api.set_marker_instrument(sent)["data"]
    assert "BTC-USD" == api.get_quote_products()["data"][0]["data"][0]["instFamily"]
    assert "0" == api.reset_mmp()["code"]


def test_status_instruments_and_balance(sandbox: Sandbox) -> None:
    """Three more classes of the client."""
    key = sandbox.credentials
    keys = (key["apiKey"], key["secret"], key["password"], False, "1")
    sandbox.announce_maintenance(lasts=60)
    with (
        StatusAPI(flag="1", domain=sandbox.url) as status,
        PublicAPI(flag="1", domain=sandbox.url) as public,
        AccountAPI(*keys, domain=sandbox.url) as account,
    ):
        assert "6" == status.status()["data"][0]["serviceType"]
        assert 2 == len(public.get_instruments("SPOT")["data"])
        assert "BTC" == account.get_account_balance("BTC")["data"][0]["details"][0]["ccy"]


def test_account_configuration(sandbox: Sandbox) -> None:
    """Another class of the same client reads its account, and the key's permissions."""
    user = sandbox.create_user(account_level="4", permissions=["trade", "withdraw", "read_only"])
    with AccountAPI(*user.values(), False, "1", domain=sandbox.url) as account:
        row = account.get_account_config()["data"][0]

    assert ("100002", "4", "read_only,withdraw,trade") == (row["uid"], row["acctLv"], row["perm"])


def test_limit(api: BlockTradingAPI, clock: Any) -> None:
    """The third cancel-all within two seconds gets 50011, and a later one is admitted."""
    codes = [api.cancel_all_rfqs()["code"] for _ in range(3)]
    clock.advance(2)

    assert ["70207", "70207", "50011"] == codes
    assert "70207" == api.cancel_all_rfqs()["code"]


@pytest.mark.parametrize(
    ("code", "flag", "changed"),
    [
        ("50101", "0", {}),
        ("50103", "1", {"apiKey": ""}),
        ("50104", "1", {"password": ""}),
        ("50105", "1", {"password": "wrong"}),
        ("50111", "1", {"apiKey": "wrong"}),
        ("50119", "1", {"apiKey": "00000000-0000-4000-8000-000000000000"}),
        ("50113", "1", {"secret": "wrong"}),
    ],
)
def test_wrong_credentials(sandbox: Sandbox, code: str, flag: str, changed: dict[str, str]) -> None:
    """Each mistake in the credentials gets OKX's code."""
    with client(sandbox, flag, **changed) as api:
        assert code == api.counterparties()["code"]


def test_wrong_clock(api: BlockTradingAPI, clock: Any) -> None:
    """A client more than 30 seconds slow gets 50102."""
    clock.advance(31)

    assert "50102" == api.counterparties()["code"]
