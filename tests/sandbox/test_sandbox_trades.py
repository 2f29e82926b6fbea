"""Block trades, from a quote to what each side and the public see; and a maker's settings."""

from __future__ import annotations

from typing import Any

import pytest

from okx_rfq_plugin.sandbox import Sandbox

LEGS = [{"instId": "BTC-USDT-SWAP", "side": "buy", "sz": "20"}, {"instId": "BTC-USDT", "side": "sell", "sz": "0.2"}]
PRICED = [{**leg, "px": px} for leg, px in zip(LEGS, ("100000", "99000.5"), strict=True)]


class Block:
    """A taker with an RFQ, and a maker who has quoted it."""

    def __init__(self, sandbox: Sandbox, wire: Any, *, partial: bool = False, side: str = "buy", **quote: Any) -> None:
        self.sandbox, self.wire = sandbox, wire
        self.maker = sandbox.create_user(trader_code="MAKER")
        self.rfq = sandbox.create_rfq(
            legs=LEGS, counterparties=["MAKER"], clRfqId="r1", tag="taker", allowPartialExecution=partial
        )["rfqId"]
        self.quote = sandbox.create_quote(
            self.rfq, credentials=self.maker, legs=PRICED, quoteSide=side, clQuoteId="q1", tag="maker", **quote
        )["quoteId"]

    def execute(self, **params: Any) -> tuple[int, dict[str, Any]]:
        answer: tuple[int, dict[str, Any]] = self.wire.send(
            "POST", "rfq/execute-quote", {"rfqId": self.rfq, "quoteId": self.quote, **params}
        )
        return answer

    def code(self, **params: Any) -> str:
        return str(self.execute(**params)[1]["code"])


@pytest.fixture
def block(sandbox: Sandbox, wire: Any) -> Block:
    return Block(sandbox, wire)


# From okx.com/docs-v5/en/#block-trading-rest-api-execute-quote, -get-trades and the page of public trades
EXECUTED = "blockTdId rfqId clRfqId quoteId clQuoteId tag tTraderCode mTraderCode cTime legs acctAlloc"
EXECUTED_LEG = "instId px sz side fee feeCcy tradeId"
PUBLIC = "blockTdId groupId legs strategy cTime"
PUBLIC_LEG = "instId side sz px tradeId"


def test_execute_quote(block: Block, clock: Any) -> None:
    """The taker gets the trade, with every documented field; RFQ and quote are filled."""
    status, body = block.execute()
    (trade,) = body["data"]

    assert (200, "0") == (status, body["code"])
    assert set(EXECUTED.split()) == trade.keys()
    assert [set(EXECUTED_LEG.split())] * 2 == [set(leg) for leg in trade["legs"]]
    assert ("r1", "", "taker", "SANDBOX1", "MAKER") == tuple(
        trade[name] for name in ("clRfqId", "clQuoteId", "tag", "tTraderCode", "mTraderCode")
    )
    assert [("100000", "20", "buy"), ("99000.5", "0.2", "sell")] == [
        (leg["px"], leg["sz"], leg["side"]) for leg in trade["legs"]
    ]
    assert str(int(clock() * 1000)) == trade["cTime"]
    assert ["filled"] == [rfq["state"] for rfq in block.sandbox.rfqs()]
    assert ["filled"] == [quote["state"] for quote in block.sandbox.quotes(credentials=block.maker)]


def test_quote_to_sell_is_executed_on_the_opposite_sides(sandbox: Sandbox, wire: Any) -> None:
    """As OKX documents `quoteSide`."""
    (trade,) = Block(sandbox, wire, side="sell").execute()[1]["data"]

    assert ["sell", "buy"] == [leg["side"] for leg in trade["legs"]]


def test_makers_not_chosen_see_it_traded_away(block: Block) -> None:
    """The same RFQ is filled for one maker and traded away for another, whose quote is canceled; each can find it."""
    other = block.sandbox.create_user(trader_code="OTHER")
    rfq = block.sandbox.create_rfq(legs=LEGS, counterparties=["MAKER", "OTHER"])["rfqId"]
    chosen = block.sandbox.create_quote(rfq, credentials=block.maker, legs=PRICED)["quoteId"]
    block.sandbox.create_quote(rfq, credentials=other, legs=PRICED)

    assert "0" == block.code(rfqId=rfq, quoteId=chosen)

    def listed(credentials: dict[str, str], state: str) -> list[str]:
        rows = block.wire.send("GET", f"rfq/rfqs?state={state}", credentials=credentials)[1]["data"]
        return [row["rfqId"] for row in rows]

    taker = block.sandbox.credentials
    assert ([rfq], []) == (listed(taker, "filled"), listed(taker, "traded_away"))
    assert [rfq] == listed(block.maker, "filled")
    assert ([rfq], []) == (listed(other, "traded_away"), listed(other, "filled"))
    assert ["canceled"] == [quote["state"] for quote in block.sandbox.quotes(credentials=other)]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"rfqId": ""}, "50014"),
        ({"quoteId": ""}, "50014"),
        ({"rfqId": "1"}, "70000"),
        ({"quoteId": "1"}, "70001"),
        ({"legs": "all"}, "51000"),
        ({"legs": ["all"]}, "51000"),
        ({"legs": [{"instId": "BTC-USDT", "sz": "0.2"}]}, "70502"),
        ({"legs": [{"instId": "BTC-USDT", "sz": "0.1"}, {"instId": "BTC-USDT-SWAP", "sz": "20"}]}, "70506"),
        ({"legs": [{"instId": "BTC-USDT", "sz": "0.4"}, {"instId": "BTC-USDT-SWAP", "sz": "40"}]}, "70506"),
        ({"legs": [{"instId": "BTC-USDT", "sz": "0.1"}, {"instId": "BTC-USDT-SWAP", "sz": "10"}]}, "70507"),
        ({"legs": [{"instId": "BTC-USDT", "sz": "-1"}, {"instId": "BTC-USDT-SWAP", "sz": "10"}]}, "51000"),
    ],
)
def test_what_cannot_be_executed(block: Block, params: dict[str, Any], code: str) -> None:
    """OKX's code, and both stay active."""
    assert code == block.code(**params)
    assert ["active"] == [rfq["state"] for rfq in block.sandbox.rfqs()]


def test_what_is_another_s_or_over_cannot_be_executed(block: Block) -> None:
    """Another RFQ's quote, a received RFQ, an RFQ and a quote that are over."""
    sandbox = block.sandbox
    other = sandbox.create_rfq(legs=LEGS, counterparties=["MAKER"])["rfqId"]
    as_maker = block.wire.code(
        "POST", "rfq/execute-quote", {"rfqId": block.rfq, "quoteId": block.quote}, credentials=block.maker
    )
    codes = [block.code(rfqId=other), block.code(quoteId=other)]
    sandbox.set_state(block.quote, "canceled")
    block.wire.clock.advance(3)
    codes.append(block.code())
    sandbox.set_state(block.rfq, "pending_fill")
    codes.append(block.code())

    assert "70000" == as_maker
    assert ["70501", "70501", "70505", "70504"] == codes


@pytest.mark.parametrize(
    ("legs", "sizes"),
    [
        (None, ["20", "0.2"]),
        ([{"instId": "BTC-USDT", "sz": "0.2"}, {"instId": "BTC-USDT-SWAP", "sz": "20.0"}], ["20", "0.2"]),
        ([{"instId": "BTC-USDT", "sz": "0.05"}, {"instId": "BTC-USDT-SWAP", "sz": "5"}], ["5", "0.05"]),
    ],
)
def test_partial_execution(sandbox: Sandbox, wire: Any, legs: Any, sizes: list[str]) -> None:
    """All of it, or a part with the same shape if the RFQ allows it."""
    body = Block(sandbox, wire, partial=True).execute(legs=legs)[1]

    assert sizes == [leg["sz"] for leg in body["data"][0]["legs"]]


def test_trades_of_both_sides(block: Block) -> None:
    """Each sees its own ids and tag; other users see nothing."""
    trade_id = block.execute()[1]["data"][0]["blockTdId"]
    stranger = block.sandbox.create_user()

    (taken,) = block.wire.send("GET", "rfq/trades")[1]["data"]
    (made,) = block.wire.send("GET", "rfq/trades", credentials=block.maker)[1]["data"]

    assert {*EXECUTED.split(), "isSuccessful", "errorCode"} == taken.keys() == made.keys()
    assert {*EXECUTED_LEG.split(), "tradeQuoteCcy"} == taken["legs"][0].keys()
    assert ("r1", "", "taker") == (taken["clRfqId"], taken["clQuoteId"], taken["tag"])
    assert ("", "q1", "maker") == (made["clRfqId"], made["clQuoteId"], made["tag"])
    assert (trade_id, True, "") == (taken["blockTdId"], taken["isSuccessful"], taken["errorCode"])
    assert [] == block.wire.send("GET", "rfq/trades", credentials=stranger)[1]["data"]


def test_anonymous_sides_are_not_named(sandbox: Sandbox, wire: Any) -> None:
    """A trade shows no code of an anonymous taker or maker."""
    maker = sandbox.create_user(trader_code="MAKER")
    rfq = sandbox.create_rfq(legs=LEGS, counterparties=["MAKER"], anonymous=True)["rfqId"]
    quote = sandbox.create_quote(rfq, credentials=maker, legs=PRICED, anonymous=True)["quoteId"]

    (trade,) = wire.send("POST", "rfq/execute-quote", {"rfqId": rfq, "quoteId": quote})[1]["data"]

    assert ("", "") == (trade["tTraderCode"], trade["mTraderCode"])


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("", 1),
        ("rfqId={rfqId}", 1),
        ("rfqId=1", 0),
        ("clRfqId=r1", 1),
        ("clRfqId=r2", 0),
        ("rfqId={rfqId}&clRfqId=r2", 1),
        ("quoteId={quoteId}", 1),
        ("clQuoteId=q1", 0),
        ("blockTdId={blockTdId}", 1),
        ("blockTdId=1", 0),
        ("beginId={blockTdId}", 0),
        ("endId={blockTdId}", 0),
        ("beginTs={cTime}", 1),
        ("endTs=1", 0),
        ("isSuccessful=true", 1),
        ("isSuccessful=false", 0),
    ],
)
def test_trades_that_are_asked_for(block: Block, query: str, number: int) -> None:
    """By every documented parameter."""
    (trade,) = block.execute()[1]["data"]

    assert number == len(block.wire.send("GET", f"rfq/trades?{query.format_map(trade)}")[1]["data"])


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "isSuccessful=maybe", "beginTs=now"])
def test_trades_with_a_wrong_parameter(wire: Any, query: str) -> None:
    """51000 names the parameter."""
    status, body = wire.send("GET", f"rfq/trades?{query}")

    assert (400, f"Parameter {query.partition('=')[0]} error") == (status, body["msg"])


def test_public_trades(block: Block, clock: Any) -> None:
    """A trade is public after fifteen minutes, without a key, and without its sides."""
    trade_id = block.execute()[1]["data"][0]["blockTdId"]
    clock.advance(15 * 60 - 1)
    early = block.wire.send("GET", "rfq/public-trades", without="OK-ACCESS-KEY")[1]["data"]
    clock.advance(1)
    (trade,) = block.wire.send("GET", "rfq/public-trades?limit=1", without="OK-ACCESS-KEY")[1]["data"]
    none = block.wire.send("GET", f"rfq/public-trades?beginId={trade_id}")[1]["data"]

    assert ([], []) == (early, none)
    assert set(PUBLIC.split()) == trade.keys()
    assert [set(PUBLIC_LEG.split())] * 2 == [set(leg) for leg in trade["legs"]]
    assert trade_id == trade["blockTdId"]


def test_trades_are_forgotten_with_the_books(block: Block, clock: Any) -> None:
    """`clear` empties them."""
    block.execute()
    clock.advance(15 * 60)
    block.sandbox.clear()

    assert [] == block.wire.send("GET", "rfq/trades")[1]["data"]
    assert [] == block.wire.send("GET", "rfq/public-trades")[1]["data"]


# A maker's settings


def test_mmp(wire: Any, clock: Any) -> None:
    """Off at first; settings are shown with the documented fields; a reset returns the time."""
    config = {"timeInterval": "5000", "frozenInterval": "2000", "countLimit": "100"}
    first = wire.send("GET", "rfq/mmp-config")[1]["data"]
    answered = wire.send("POST", "rfq/mmp-config", config)[1]["data"]
    shown = wire.send("GET", "rfq/mmp-config")[1]["data"]
    reset = wire.send("POST", "rfq/mmp-reset")[1]["data"]

    never = {"mmpFrozen": False, "mmpFrozenUntil": ""}
    assert [{"timeInterval": "0", "frozenInterval": "0", "countLimit": "0", **never}] == first
    assert ([config], [{**config, **never}]) == (answered, shown)
    assert [{"ts": str(int(clock() * 1000))}] == reset


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"timeInterval": ""}, "50014"),
        ({"countLimit": None}, "50014"),
        ({"timeInterval": "600001"}, "51000"),
        ({"frozenInterval": "soon"}, "51000"),
    ],
)
def test_mmp_that_is_wrong(wire: Any, changed: dict[str, Any], code: str) -> None:
    """All three are required, and the interval is ten minutes at most."""
    config = {"timeInterval": "600000", "frozenInterval": "0", "countLimit": "1"}

    assert code == wire.code("POST", "rfq/mmp-config", {**config, **changed})


def test_quote_products(wire: Any, sandbox: Sandbox) -> None:
    """Settings are shown to this account only; `uly`, from python-okx's example, is read as `instFamily`."""
    sent = [
        {"instType": "OPTION", "data": [{"uly": "BTC-USD", "maxBlockSz": "10000", "makerPxBand": "5"}]},
        {"instType": "SWAP", "includeAll": True},
        {"instType": "SPOT", "data": [{"instId": "BTC-USDT"}]},
    ]

    assert [{"result": True}] == wire.send("POST", "rfq/maker-instrument-settings", sent)[1]["data"]
    assert [
        {
            "instType": "OPTION",
            "includeAll": False,
            "data": [{"instFamily": "BTC-USD", "maxBlockSz": "10000", "makerPxBand": "5"}],
        },
        {"instType": "SWAP", "includeAll": True, "data": []},
        {"instType": "SPOT", "includeAll": False, "data": [{"instId": "BTC-USDT"}]},
    ] == wire.send("GET", "rfq/maker-instrument-settings")[1]["data"]
    other = sandbox.create_user()
    assert [] == wire.send("GET", "rfq/maker-instrument-settings", credentials=other)[1]["data"]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ([], "70016"),
        ({"instType": "SPOT"}, "50002"),
        (["SPOT"], "51000"),
        ([{"instType": "STOCKS"}], "51000"),
        ([{"instType": "SPOT"}], "70009"),
        ([{"instType": "SPOT", "data": ["BTC-USDT"]}], "51000"),
        ([{"instType": "SPOT", "data": [{"instFamily": "BTC-USDT"}]}], "50014"),
        ([{"instType": "SWAP", "data": [{"instId": "BTC-USDT-SWAP"}]}], "50014"),
        ([{"instType": "SWAP", "includeAll": True}] * 2, "70011"),
    ],
)
def test_quote_products_that_are_wrong(wire: Any, sent: Any, code: str) -> None:
    """The code that OKX publishes for it."""
    assert code == wire.code("POST", "rfq/maker-instrument-settings", sent)
