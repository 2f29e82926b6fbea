"""OKX's documented rules for quotes, one by one."""

from __future__ import annotations

from typing import Any

import pytest

from okx_rfq_plugin.sandbox import Sandbox

SPOT = {"instId": "BTC-USDT", "side": "buy", "sz": "1"}
SWAP = {"instId": "BTC-USDT-SWAP", "side": "sell", "sz": "25"}


@pytest.fixture
def taker(sandbox: Sandbox) -> dict[str, str]:
    return sandbox.create_user(trader_code="TAKER")


@pytest.fixture
def rfq(sandbox: Sandbox, taker: dict[str, str]) -> dict[str, Any]:
    """An RFQ of two legs, received by the default user."""
    return sandbox.create_rfq(credentials=taker, counterparties=["SANDBOX1"], legs=[SPOT, SWAP], clRfqId="mine")


def quote(rfq: dict[str, Any], **changed: Any) -> dict[str, Any]:
    legs = [{**SWAP, "px": "100"}, {**SPOT, "sz": "1.0", "px": "99.5"}]
    return {"rfqId": rfq["rfqId"], "quoteSide": "buy", "legs": legs, **changed}


def states(sandbox: Sandbox) -> list[str]:
    """Return the states of the default user's quotes, oldest first."""
    return [each["state"] for each in sandbox.quotes()][::-1]


def test_quote_is_shown_to_both_sides(sandbox: Sandbox, wire: Any, taker: Any, rfq: Any, clock: Any) -> None:
    """Maker and taker see the quote, each with only their own client id; an anonymous maker's name is left out."""
    sent = quote(rfq, clQuoteId="q1", tag="desk7", anonymous=True)
    made = wire.send("POST", "rfq/create-quote", sent)[1]["data"][0]
    (to_maker,) = wire.send("GET", "rfq/quotes")[1]["data"]
    (to_taker,) = wire.send("GET", "rfq/quotes", credentials=taker)[1]["data"]

    now = int(clock() * 1000)
    assert ("SANDBOX1", "") == (made["traderCode"], to_maker["traderCode"])
    assert {**made, "traderCode": ""} == to_maker
    assert {**to_maker, "clQuoteId": "", "clRfqId": "mine"} == to_taker
    assert {
        "quoteId": made["quoteId"],
        "clQuoteId": "q1",
        "rfqId": rfq["rfqId"],
        "clRfqId": "",
        "tag": "desk7",
        "traderCode": "SANDBOX1",
        "quoteSide": "buy",
        "state": "active",
        "reason": "",
        "validUntil": str(now + 60_000),
        "legs": [{**rfq["legs"][1], "px": "100"}, {**rfq["legs"][0], "sz": "1.0", "px": "99.5"}],
        "cTime": str(now),
        "uTime": str(now),
    } == made


def leg(**changed: Any) -> dict[str, Any]:
    return {"legs": [{**SPOT, "px": "1", **changed}, {**SWAP, "px": "1"}]}


@pytest.mark.parametrize(
    ("changed", "code", "text"),
    [
        ({"rfqId": ""}, "50014", "Parameter rfqId can not be empty."),
        ({"rfqId": "1"}, "70000", "RFQ does not exist."),
        ({"quoteSide": ""}, "50014", "Parameter quoteSide can not be empty."),
        ({"quoteSide": "both"}, "51000", "Parameter quoteSide error"),
        ({"expiresIn": "9"}, "51000", "Parameter expiresIn error"),
        ({"expiresIn": "121"}, "51000", "Parameter expiresIn error"),
        ({"expiresIn": "soon"}, "51000", "Parameter expiresIn error"),
        ({"clQuoteId": "a-b"}, "51000", "Parameter clQuoteId error"),
        ({"tag": "a" * 17}, "51000", "Parameter tag error"),
        ({"anonymous": "yes"}, "51000", "Parameter anonymous error"),
        ({"legs": []}, "50014", "Parameter legs can not be empty."),
        ({"legs": ["BTC-USDT"]}, "51000", "Parameter legs error"),
        (leg(px=""), "50014", "Parameter px can not be empty."),
        (leg(px="cheap"), "51000", "Parameter px error"),
        (leg(sz="0.5"), "70306", "The legs of quote do not match the legs of {rfqId}"),
        (leg(tgtCcy="quote_ccy"), "70306", "The legs of quote do not match the legs of {rfqId}"),
        (leg(side="sell"), "70306", "The legs of quote do not match the legs of {rfqId}"),
        (leg(instId="ETH-USDT"), "70306", "The legs of quote do not match the legs of {rfqId}"),
        ({"legs": [{**SPOT, "px": "1"}]}, "70306", "The legs of quote do not match the legs of {rfqId}"),
    ],
)
def test_create_quote_refuses(sandbox: Sandbox, wire: Any, rfq: Any, changed: Any, code: str, text: str) -> None:
    """Invalid input to create-quote gets OKX's code and text, and the book stays empty."""
    answered = wire.send("POST", "rfq/create-quote", quote(rfq, **changed))[1]

    assert {"code": code, "data": [], "msg": text.format_map(rfq)} == answered
    assert [] == sandbox.quotes()


def test_only_what_was_received_can_be_quoted(sandbox: Sandbox, wire: Any, taker: Any, rfq: Any) -> None:
    """A user cannot quote their own RFQ, nor one sent to others, nor one of the other environment."""
    other, live = sandbox.create_user(), sandbox.create_key(sandbox.credentials, demo=False)

    assert "70308" == wire.code("POST", "rfq/create-quote", quote(rfq), credentials=taker)
    assert "70000" == wire.code("POST", "rfq/create-quote", quote(rfq), credentials=other)
    wrong_world = wire.code("POST", "rfq/create-quote", quote(rfq), credentials=live, without="x-simulated-trading")
    assert "70000" == wrong_world
    assert [] == wire.send("GET", "rfq/quotes", credentials=other)[1]["data"]


@pytest.mark.parametrize("state", ["canceled", "pending_fill", "filled", "expired", "failed"])
def test_rfq_that_is_not_active_cannot_be_quoted(sandbox: Sandbox, wire: Any, rfq: Any, state: str) -> None:
    """It gets 70303 with the RFQ's state."""
    sandbox.set_state(rfq["rfqId"], state)

    answered = wire.send("POST", "rfq/create-quote", quote(rfq))[1]

    assert ("70303", f"The RFQ with {state} status cannot be quoted.") == (answered["code"], answered["msg"])


def test_received_rfq_is_listed_as_expired(wire: Any, rfq: Any, clock: Any) -> None:
    """A maker learns that it is over, even if its taker has sent no request since."""
    clock.advance(120)

    assert ["expired"] == [row["state"] for row in wire.send("GET", "rfq/rfqs")[1]["data"]]


def test_rfq_that_has_expired_cannot_be_quoted(wire: Any, rfq: Any, clock: Any) -> None:
    """Time alone makes it inactive, whether or not it was read since."""
    clock.advance(120)

    assert "70303" == wire.code("POST", "rfq/create-quote", quote(rfq))


def test_second_quote_takes_the_place_of_the_first(sandbox: Sandbox, wire: Any, rfq: Any) -> None:
    """One active quote is allowed per RFQ: the previous one is canceled, unless the new one is refused."""
    for name in ("a", "b", "a"):
        wire.send("POST", "rfq/create-quote", quote(rfq, clQuoteId=name))

    refused = wire.send("POST", "rfq/create-quote", quote(rfq, clQuoteId="a"))[1]

    assert {"code": "70301", "data": [], "msg": "Duplicate clQuoteId."} == refused
    assert ["canceled", "active"] == states(sandbox)


def test_quote_expires(sandbox: Sandbox, clock: Any) -> None:
    """It is active for a minute, or as long as requested, and then can no longer be canceled."""
    clock.now = 1_700_000_000.0
    usual, shorter = sandbox.create_quote(), sandbox.create_quote(expiresIn="10")
    clock.advance(10)
    first = states(sandbox)
    clock.advance(49.999)
    second = states(sandbox)
    clock.advance(0.001)

    assert ("1700000060000", "1700000010000") == (usual["validUntil"], shorter["validUntil"])
    assert ["active", "expired"] == first == second
    assert ["expired", "expired"] == states(sandbox)
    assert usual["validUntil"] == sandbox.quotes()[1]["uTime"]


@pytest.mark.parametrize(
    ("state", "becomes"),
    [
        ("canceled", "canceled"),
        ("pending_fill", "active"),
        ("filled", "canceled"),
        ("expired", "expired"),
        ("failed", "canceled"),
        ("traded_away", "canceled"),
    ],
)
def test_quote_ends_with_its_rfq(sandbox: Sandbox, wire: Any, clock: Any, rfq: Any, state: str, becomes: str) -> None:
    """When its RFQ ends, it ends at the same time, except if the RFQ is about to be filled."""
    sandbox.create_quote(rfq["rfqId"])
    clock.advance(5)
    ended = int(clock() * 1000)
    sandbox.set_state(rfq["rfqId"], state)
    clock.advance(5)

    assert [becomes] == states(sandbox)
    assert (becomes == "active") != (str(ended) == sandbox.quotes()[0]["uTime"])
    assert ("0" if becomes == "active" else "70409") == wire.code("POST", "rfq/cancel-all-quotes")


def test_quote_that_ended_before_its_rfq_stays_so(sandbox: Sandbox, clock: Any, rfq: Any) -> None:
    """The earlier event counts, even if nothing was read in between."""
    sandbox.create_quote(rfq["rfqId"], expiresIn="10")
    clock.advance(20)
    sandbox.set_state(rfq["rfqId"], "canceled")

    assert ["expired"] == states(sandbox)


def test_quote_outlives_no_rfq(sandbox: Sandbox, clock: Any, rfq: Any) -> None:
    """An RFQ that expires takes its quote with it."""
    clock.advance(110)
    sandbox.create_quote(rfq["rfqId"])
    clock.advance(10)

    assert ["expired"] == states(sandbox)
    assert rfq["validUntil"] == sandbox.quotes()[0]["uTime"]


def test_cancel_quote(sandbox: Sandbox, wire: Any) -> None:
    """One is canceled by either id, `quoteId` first; one that is not active gets its row with 70400, or 70001."""
    first, second = sandbox.create_quote(clQuoteId="a"), sandbox.create_quote(clQuoteId="b")

    sent = {"quoteId": first["quoteId"], "clQuoteId": "b", "rfqId": second["rfqId"]}
    rows = [wire.send("POST", "rfq/cancel-quote", each)[1] for each in (sent, sent, {"clQuoteId": "c"})]

    assert ["canceled", "active"] == states(sandbox)
    assert ["0", "1", "1"] == [answered["code"] for answered in rows]
    assert ["0", "70400", "70001"] == [answered["data"][0]["sCode"] for answered in rows]
    assert "The Quote with canceled status cannot be canceled" == rows[1]["data"][0]["sMsg"]
    assert {"quoteId": "", "clQuoteId": "c", "sCode": "70001", "sMsg": "Quote does not exist."} == rows[2]["data"][0]
    assert "50015" == wire.code("POST", "rfq/cancel-quote", {})


def test_cancel_batch_quotes_takes_a_hundred(wire: Any) -> None:
    """More than that get 70408."""
    sent = {"quoteIds": [str(n) for n in range(101)]}

    answered = wire.send("POST", "rfq/cancel-batch-quotes", sent)[1]

    assert ("70408", "Cancellation failed as quote count exceeds the limit 100.") == (answered["code"], answered["msg"])


def test_cancel_all_quotes_reaches_quotes_alone(sandbox: Sandbox, wire: Any, taker: Any, rfq: Any) -> None:
    """RFQs and others' quotes stay; cancel-all-rfqs in turn affects no quotes except those on its RFQs."""
    other = sandbox.create_user()
    sandbox.create_quote(rfq["rfqId"])
    sandbox.create_quote(credentials=other)
    sandbox.create_rfq()

    wire.send("POST", "rfq/cancel-all-rfqs")
    before = states(sandbox)
    wire.send("POST", "rfq/cancel-all-quotes")

    assert ["active"] == before
    assert ["canceled"] == states(sandbox)
    assert ["active"] == [each["state"] for each in sandbox.rfqs(credentials=taker)]
    assert 1 == len(sandbox.quotes("active", credentials=other))


def test_countdown_cancels(sandbox: Sandbox, wire: Any, clock: Any) -> None:
    """When it ends, quotes are canceled at that time, RFQs are not, and it does not run again."""
    clock.now = 1_700_000_000.0
    sandbox.create_quote(expiresIn="120")
    sandbox.create_rfq()
    answered = wire.send("POST", "rfq/cancel-all-after", {"timeOut": "10"})[1]
    clock.advance(9.999)
    before = states(sandbox)
    clock.advance(30)
    sandbox.create_quote(expiresIn="120")
    clock.advance(30)

    assert [{"triggerTime": "1700000010", "ts": "1700000000"}] == answered["data"]
    assert ["active"] == before
    assert ["canceled", "active"] == states(sandbox)
    assert "1700000010000" == sandbox.quotes("canceled")[0]["uTime"]
    assert 1 == len(sandbox.rfqs("active"))


def test_countdown_takes_what_was_quoted_after_it_began(sandbox: Sandbox, wire: Any, clock: Any) -> None:
    """A quote created while it runs is canceled too; one that had ended keeps its state."""
    sandbox.create_quote(expiresIn="10")
    wire.send("POST", "rfq/cancel-all-after", {"timeOut": 30})
    clock.advance(9)
    sandbox.create_quote()
    clock.advance(21)

    assert ["expired", "canceled"] == states(sandbox)
    assert "70409" == wire.code("POST", "rfq/cancel-all-quotes")


@pytest.mark.parametrize(("time_out", "left"), [("0", "active"), ("120", "active"), ("10", "canceled")])
def test_countdown_can_be_set_anew(sandbox: Sandbox, wire: Any, clock: Any, time_out: str, left: str) -> None:
    """Zero stops it, and another value replaces it."""
    sandbox.create_quote(expiresIn="120")
    wire.send("POST", "rfq/cancel-all-after", {"timeOut": "60"})
    clock.advance(1)
    wire.send("POST", "rfq/cancel-all-after", {"timeOut": time_out})
    clock.advance(60)

    assert [left] == states(sandbox)


def test_countdown_that_is_over_cannot_be_taken_back(sandbox: Sandbox, wire: Any, clock: Any) -> None:
    """Zero comes too late for quotes already canceled by then, even if nothing was read."""
    sandbox.create_quote(expiresIn="120")
    wire.send("POST", "rfq/cancel-all-after", {"timeOut": "10"})
    clock.advance(11)
    wire.send("POST", "rfq/cancel-all-after", {"timeOut": "0"})

    assert ["canceled"] == states(sandbox)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "50014"),
        ({"timeOut": "9"}, "51000"),
        ({"timeOut": "121"}, "51000"),
        ({"timeOut": "-10"}, "51000"),
        ({"timeOut": 10.5}, "51000"),
        ({"timeOut": True}, "51000"),
    ],
)
def test_countdown_refuses(wire: Any, body: dict[str, Any], code: str) -> None:
    """It is 0, or 10 to 120 seconds."""
    assert code == wire.code("POST", "rfq/cancel-all-after", body)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "cba"),
        ("?quoteId={a}", "a"),
        ("?quoteId={a}&clQuoteId=b", "a"),
        ("?clQuoteId=b", "b"),
        ("?rfqId={rfq_of_b}", "b"),
        ("?rfqId={rfq_of_b}&clQuoteId=c", ""),
        ("?clRfqId=mine", ""),
        ("?state=canceled", "b"),
        ("?beginId={a}", "cb"),
        ("?endId={c}&limit=1", "b"),
    ],
)
def test_list_of_quotes_filters(sandbox: Sandbox, wire: Any, query: str, found: str) -> None:
    """Each filter of rfq/quotes keeps the right rows, newest first."""
    made = {name: sandbox.create_quote(clQuoteId=name) for name in "abc"}
    names = {name: each["quoteId"] for name, each in made.items()}
    sandbox.set_state(names["b"], "canceled")

    rows = wire.send("GET", "rfq/quotes" + query.format(**names, rfq_of_b=made["b"]["rfqId"]))[1]["data"]

    assert found == "".join(row["clQuoteId"] for row in rows)


def test_taker_finds_quotes_by_its_own_name(sandbox: Sandbox, wire: Any, taker: Any, rfq: Any) -> None:
    """Only the taker knows a clRfqId, and only the maker a clQuoteId."""
    made = sandbox.create_quote(rfq["rfqId"], clQuoteId="hidden")

    by_rfq = wire.send("GET", "rfq/quotes?clRfqId=mine", credentials=taker)[1]["data"]
    by_quote = wire.send("GET", "rfq/quotes?clQuoteId=hidden", credentials=taker)[1]["data"]

    assert [made["quoteId"]] == [row["quoteId"] for row in by_rfq]
    assert [] == by_quote


def test_traded_away_is_no_state_of_a_quote(wire: Any) -> None:
    """RFQs have it, quotes do not."""
    codes = [wire.code("GET", f"rfq/{listed}?state=traded_away") for listed in ("rfqs", "quotes")]

    assert ["0", "51000"] == codes


def test_handles_for_quotes(sandbox: Sandbox, taker: Any, rfq: Any) -> None:
    """A quote is created for an existing or a made-up RFQ, and listed for its creator, newest first."""
    first, second = sandbox.create_quote(rfq["rfqId"], quoteSide="sell", tag="x"), sandbox.create_quote()

    assert [second, first] == sandbox.quotes() == sandbox.quotes("active")
    assert ("sell", "x", ["1", "1"]) == (first["quoteSide"], first["tag"], [leg["px"] for leg in first["legs"]])
    assert [] == sandbox.quotes(credentials=taker)
    with pytest.raises(LookupError, match="no RFQ '1'"):
        sandbox.create_quote("1")


def test_inbox_is_bounded(sandbox: Sandbox, wire: Any, taker: Any) -> None:
    """A maker sees the latest ten thousand RFQs that it received, from anyone."""
    ids = []
    for sender in (taker, sandbox.create_user()):
        ids += [sandbox.create_rfq(credentials=sender, counterparties=["SANDBOX1"])["rfqId"] for _ in range(5_001)]

    oldest = wire.send("GET", f"rfq/rfqs?endId={ids[10]}")[1]["data"]

    assert ids[2:10][::-1] == [row["rfqId"] for row in oldest]
