"""RFQs: what is valid, how long they are active, and who sees them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from okx_rfq_plugin.sandbox import Sandbox

SPOT = {"instId": "BTC-USDT", "side": "buy", "sz": "1"}
SWAP = {"instId": "BTC-USDT-SWAP", "side": "sell", "sz": "0.5", "posSide": "short"}
OPTION = {"instId": "BTC-USD-251226-100000-C", "side": "buy", "sz": "25"}
GOOD = {"counterparties": ["WAGMI"], "legs": [SPOT]}


def leg(**changed: Any) -> dict[str, Any]:
    return {**GOOD, "legs": [{**SPOT, **changed}]}


# Input, OKX's code, and part of its text.
REFUSALS: list[tuple[Any, str, str]] = [
    (b"", "50000", "Body for POST request cannot be empty."),
    (b"{", "50002", "JSON syntax error"),
    (b"\xff", "50002", "JSON syntax error"),
    (b"[" * 100_000, "50002", "JSON syntax error"),
    (b'{"sz": NaN}', "50002", "JSON syntax error"),
    ([], "50002", "JSON syntax error"),
    ({}, "50014", "Parameter counterparties can not be empty."),
    ({**GOOD, "counterparties": "WAGMI"}, "51000", "Parameter counterparties error"),
    ({**GOOD, "counterparties": []}, "70102", "No counterparties specified"),
    ({**GOOD, "counterparties": [""]}, "50014", "Parameter counterparties can not be empty."),
    ({**GOOD, "counterparties": ["NOBODY"]}, "70103", "Invalid counterparty"),
    ({"counterparties": ["WAGMI"]}, "50014", "Parameter legs can not be empty."),
    ({**GOOD, "legs": []}, "50014", "Parameter legs can not be empty."),
    ({**GOOD, "legs": {}}, "51000", "Parameter legs error"),
    ({**GOOD, "legs": ["BTC-USDT"]}, "51000", "Parameter legs error"),
    ({**GOOD, "legs": [SPOT] * 16}, "70005", "The number of legs in RFQ cannot exceed maximum value."),
    ({**GOOD, "legs": [SPOT, SPOT]}, "70100", "Duplicate instruments in legs array."),
    ({**GOOD, "legs": [{**SPOT, "lmtPx": "1"}, SWAP]}, "51000", "Parameter lmtPx error"),
    (leg(instId=""), "50014", "Parameter instId can not be empty."),
    (leg(instId="bitcoin"), "70004", "Invalid instrument bitcoin"),
    (leg(sz=None), "50014", "Parameter sz can not be empty."),
    (leg(sz="0.0"), "51000", "Parameter sz error"),
    (leg(sz="-1"), "51000", "Parameter sz error"),
    (leg(sz=True), "51000", "Parameter sz error"),
    (leg(side=None), "50014", "Parameter side can not be empty."),
    (leg(side="hold"), "51000", "Parameter side error"),
    (leg(tdMode="margin"), "51000", "Parameter tdMode error"),
    (leg(posSide="up"), "51000", "Parameter posSide error"),
    (leg(tgtCcy="BTC"), "51000", "Parameter tgtCcy error"),
    (leg(lmtPx="cheap"), "51000", "Parameter lmtPx error"),
    ({**GOOD, "clRfqId": "a" * 33}, "51000", "Parameter clRfqId error"),
    ({**GOOD, "clRfqId": "a-b"}, "51000", "Parameter clRfqId error"),
    ({**GOOD, "tag": "a" * 17}, "51000", "Parameter tag error"),
    ({**GOOD, "anonymous": "yes"}, "51000", "Parameter anonymous error"),
    ({**GOOD, "allowPartialExecution": 1}, "51000", "Parameter allowPartialExecution error"),
    (
        {**GOOD, "acctAlloc": [{"acct": "0"}]},
        "70517",
        "acctAlloc doesn't exist or you don\u2019t have permission to create group RFQ for it.",
    ),
]


@pytest.mark.parametrize(("body", "code", "text"), REFUSALS)
def test_create_rfq_refuses(sandbox: Sandbox, wire: Any, body: Any, code: str, text: str) -> None:
    """Invalid input to create-rfq gets OKX's code and text, and the book stays empty."""
    answered = wire.send("POST", "rfq/create-rfq", body)[1]

    assert {"code": code, "data": [], "msg": text} == answered
    assert [] == sandbox.rfqs()


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (SPOT, {"tdMode": "cash", "ccy": "", "posSide": "", "tgtCcy": "base_ccy", "tradeQuoteCcy": "USDT"}),
        (SWAP, {"tdMode": "cross", "ccy": "", "posSide": "short", "tgtCcy": "", "tradeQuoteCcy": ""}),
        (OPTION, {"tdMode": "isolated", "ccy": "", "posSide": "", "tgtCcy": "", "tradeQuoteCcy": ""}),
        ({**OPTION, "side": "sell"}, {"tdMode": "cross", "ccy": "", "posSide": "", "tgtCcy": "", "tradeQuoteCcy": ""}),
        (
            {**SPOT, "tdMode": "cross", "ccy": "USDT", "tgtCcy": "quote_ccy", "tradeQuoteCcy": "USDC"},
            {"tdMode": "cross", "ccy": "USDT", "posSide": "", "tgtCcy": "quote_ccy", "tradeQuoteCcy": "USDC"},
        ),
    ],
)
def test_leg_is_shown_with_okx_defaults(wire: Any, given: dict[str, str], shown: dict[str, str]) -> None:
    """A leg is shown with all its fields, with OKX's defaults for missing ones, and never with its limit price."""
    sent = {**GOOD, "legs": [{**given, "lmtPx": "100000"}]}
    created = wire.send("POST", "rfq/create-rfq", sent)[1]["data"][0]

    assert [{**shown, **{name: given[name] for name in ("instId", "side", "sz")}}] == created["legs"]


def test_numbers_and_words_are_understood(wire: Any) -> None:
    """A bare number counts as its string, and the words true and false, which python-okx sends, as booleans."""
    sent = {**leg(sz=2), "allowPartialExecution": "true", "anonymous": "false"}
    created = wire.send("POST", "rfq/create-rfq", sent)[1]["data"][0]

    assert ("2", True) == (created["legs"][0]["sz"], created["allowPartialExecution"])


def test_anonymous_rfq_hides_its_trader(wire: Any) -> None:
    """The reply to create-rfq names the trader; the list leaves out an anonymous one's name."""
    created = wire.send("POST", "rfq/create-rfq", {**GOOD, "anonymous": True})[1]["data"][0]
    listed = wire.send("GET", "rfq/rfqs")[1]["data"][0]

    assert ("SANDBOX1", "") == (created["traderCode"], listed["traderCode"])


def test_client_id_is_used_once(wire: Any) -> None:
    """A clRfqId in the book gets 70101, even if its RFQ is over."""
    first = wire.code("POST", "rfq/create-rfq", {**GOOD, "clRfqId": "one"})
    wire.send("POST", "rfq/cancel-all-rfqs")

    assert ("0", "70101") == (first, wire.code("POST", "rfq/create-rfq", {**GOOD, "clRfqId": "one"}))


def test_content_type_must_be_json(wire: Any) -> None:
    """A body without the JSON content type gets 50006, and a missing body needs no content type."""
    assert "50006" == wire.code("POST", "rfq/create-rfq", GOOD, Content_Type="text/plain")
    assert "70207" == wire.code("POST", "rfq/cancel-all-rfqs", without="Content-Type")


@pytest.mark.parametrize(("legs", "life"), [([OPTION], 600), ([OPTION, SWAP], 120), ([SPOT], 120)])
def test_rfq_expires(sandbox: Sandbox, clock: Any, legs: list[dict[str, str]], life: int) -> None:
    """An RFQ with only options is active for ten minutes, any other for two; then it is expired, and not cancelable."""
    clock.now = 1_700_000_000.0
    created = sandbox.create_rfq(legs=legs)
    clock.advance(life - 0.001)
    alive = sandbox.rfqs("active")
    clock.advance(0.001)
    over = sandbox.rfqs("expired")

    assert str(1_700_000_000_000 + life * 1000) == created["validUntil"]
    assert [created] == alive
    assert [{**created, "state": "expired", "uTime": created["validUntil"]}] == over


def test_expired_rfq_cannot_be_canceled(sandbox: Sandbox, wire: Any, clock: Any) -> None:
    """On its own it gets 70200 in its row, and cancel-all does not count it."""
    rfq_id = sandbox.create_rfq()["rfqId"]
    clock.advance(120)

    one = wire.send("POST", "rfq/cancel-rfq", {"rfqId": rfq_id})[1]

    assert ("1", "70200") == (one["code"], one["data"][0]["sCode"])
    assert "The RFQ with expired status cannot be canceled" == one["data"][0]["sMsg"]
    assert "70207" == wire.code("POST", "rfq/cancel-all-rfqs")


def test_cancel_rfq_prefers_rfq_id(sandbox: Sandbox, wire: Any) -> None:
    """If both ids are given, rfqId decides."""
    first, second = sandbox.create_rfq(clRfqId="a"), sandbox.create_rfq(clRfqId="b")

    wire.send("POST", "rfq/cancel-rfq", {"rfqId": first["rfqId"], "clRfqId": "b"})

    assert [second["rfqId"]] == [rfq["rfqId"] for rfq in sandbox.rfqs("active")]


def test_cancel_batch_prefers_rfq_ids(sandbox: Sandbox, wire: Any) -> None:
    """If both lists are given, rfqIds decides, and a failing row echoes the requested pair."""
    first, second = sandbox.create_rfq(clRfqId="a"), sandbox.create_rfq(clRfqId="b")

    sent = {"rfqIds": [first["rfqId"], "9"], "clRfqIds": ["b", "c", "d"]}
    rows = wire.send("POST", "rfq/cancel-batch-rfqs", sent)[1]["data"]

    assert [(first["rfqId"], "a", "0"), ("9", "c", "70000")] == [(r["rfqId"], r["clRfqId"], r["sCode"]) for r in rows]
    assert [second["rfqId"]] == [rfq["rfqId"] for rfq in sandbox.rfqs("active")]


@pytest.mark.parametrize(
    ("path", "body", "code", "text"),
    [
        ("cancel-rfq", {}, "50015", "Either parameter rfqId or clRfqId is required"),
        ("cancel-rfq", {"rfqId": ["1"]}, "51000", "Parameter rfqId error"),
        ("cancel-batch-rfqs", {"rfqIds": []}, "50015", "Either parameter rfqIds or clRfqIds is required"),
        ("cancel-batch-rfqs", {"clRfqIds": "a"}, "51000", "Parameter clRfqIds error"),
        ("cancel-batch-rfqs", {"rfqIds": [{}]}, "51000", "Parameter rfqIds error"),
        (
            "cancel-batch-rfqs",
            {"rfqIds": [str(n) for n in range(101)]},
            "70203",
            "Cancellation failed as rfq count exceeds the limit 100.",
        ),
    ],
)
def test_cancel_refuses(wire: Any, path: str, body: Any, code: str, text: str) -> None:
    """Ids of no RFQ, or too many ids, get OKX's code and text."""
    assert {"code": code, "data": [], "msg": text} == wire.send("POST", f"rfq/{path}", body)[1]


def test_pages_hold_every_rfq_once(sandbox: Sandbox, wire: Any, clock: Any) -> None:
    """Of 250 RFQs, `endId` shows each one once, in three pages; `beginId` shows those newer than a page's first."""
    newest_first = [sandbox.create_rfq()["rfqId"] for _ in range(250)][::-1]

    listed: list[str] = []
    for page in (100, 100, 50, 0):
        query = f"?endId={listed[-1]}" if listed else ""
        rows = wire.send("GET", f"rfq/rfqs{query}")[1]["data"]
        listed += [row["rfqId"] for row in rows]
        clock.advance(1)
        assert page == len(rows)
    newer = wire.send("GET", f"rfq/rfqs?beginId={newest_first[60]}&endId={newest_first[10]}")[1]["data"]

    assert newest_first == listed
    assert newest_first[11:60] == [row["rfqId"] for row in newer]


def test_rfq_about_to_be_filled_is_left_alone(sandbox: Sandbox, wire: Any) -> None:
    """Cancel-all skips it, cancel gets 70200 with its state, and it is later filled, or fails."""
    filling, failing = (sandbox.create_rfq()["rfqId"] for _ in range(2))
    for rfq_id in (filling, failing):
        sandbox.set_state(rfq_id, "pending_fill")

    everything = wire.code("POST", "rfq/cancel-all-rfqs")
    one = wire.send("POST", "rfq/cancel-rfq", {"rfqId": filling})[1]
    sandbox.set_state(filling, "filled")
    sandbox.set_state(failing, "failed")

    assert "70207" == everything
    assert ("1", "70200") == (one["code"], one["data"][0]["sCode"])
    assert "The RFQ with pending_fill status cannot be canceled" == one["data"][0]["sMsg"]
    assert ["failed", "filled"] == [rfq["state"] for rfq in sandbox.rfqs()]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "cba"),
        ("?rfqId={a}", "a"),
        ("?rfqId={a}&clRfqId=b", "a"),
        ("?clRfqId=b", "b"),
        ("?rfqId=1", ""),
        ("?state=active", "cb"),
        ("?state=pending_fill", "a"),
        ("?beginId={a}", "cb"),
        ("?endId={c}&limit=1", "b"),
        ("?beginId={a}&endId={c}", "b"),
        ("?limit=2", "cb"),
    ],
)
def test_list_filters(sandbox: Sandbox, wire: Any, query: str, found: str) -> None:
    """Each filter of rfq/rfqs keeps the right rows, newest first."""
    ids = {name: sandbox.create_rfq(clRfqId=name)["rfqId"] for name in "abc"}
    sandbox.set_state(ids["a"], "pending_fill")

    rows = wire.send("GET", "rfq/rfqs" + query.format(**ids))[1]["data"]

    assert found == "".join(row["clRfqId"] for row in rows)


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("state=alive", "state"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("beginId=x", "beginId"),
        ("endId=-1", "endId"),
    ],
)
def test_list_refuses(wire: Any, query: str, name: str) -> None:
    """A filter value that OKX does not list gets 51000 with its name."""
    status, body = wire.send("GET", f"rfq/rfqs?{query}")

    assert (400, {"code": "51000", "data": [], "msg": f"Parameter {name} error"}) == (status, body)


def test_received_rfqs_are_listed_and_not_canceled(sandbox: Sandbox, wire: Any) -> None:
    """A maker sees an RFQ of its environment, with a flowType but no clRfqId; its own cancel-all ignores it."""
    maker = sandbox.create_user(trader_code="MAKER")
    sent = sandbox.create_rfq(counterparties=["MAKER"], clRfqId="secret")
    sandbox.create_rfq()
    live = sandbox.create_key(sandbox.credentials, demo=False)
    sandbox.create_rfq(credentials=live, counterparties=["MAKER"])

    received = wire.send("GET", "rfq/rfqs", credentials=maker)[1]["data"]
    by_name = wire.send("GET", "rfq/rfqs?clRfqId=secret", credentials=maker)[1]["data"]

    assert [{**sent, "clRfqId": "", "flowType": "sandbox"}] == received
    assert [] == by_name
    assert "70207" == wire.code("POST", "rfq/cancel-all-rfqs", credentials=maker)
    assert 2 == len(sandbox.rfqs("active"))


def test_worlds_and_users_are_apart(sandbox: Sandbox, wire: Any) -> None:
    """Cancel-all affects neither another user's RFQs nor the same user's in the other environment."""
    other, live = sandbox.create_user(), sandbox.create_key(sandbox.credentials, demo=False)
    for credentials in (sandbox.credentials, other, live):
        sandbox.create_rfq(credentials=credentials)

    assert "0" == wire.code("POST", "rfq/cancel-all-rfqs")
    assert [0, 1, 1] == [len(sandbox.rfqs("active", credentials=key)) for key in (sandbox.credentials, other, live)]
    assert 1 == len(wire.send("GET", "rfq/rfqs", credentials=other)[1]["data"])


def test_keys_of_one_user_share_a_book(sandbox: Sandbox, wire: Any) -> None:
    """One key cancels what another key of the same User ID created."""
    sandbox.create_rfq()

    assert "0" == wire.code("POST", "rfq/cancel-all-rfqs", credentials=sandbox.create_key(sandbox.credentials))
    assert [] == sandbox.rfqs("active")


def test_account_configuration_is_of_the_key_that_asks(sandbox: Sandbox, wire: Any) -> None:
    """Two keys of one User ID have one `uid` and separate `perm`; a reading key is enough to ask."""
    reader = sandbox.create_key(sandbox.credentials, permissions=["read_only"])

    rows = [wire.send("GET", "account/config", credentials=key)[1]["data"][0] for key in (sandbox.credentials, reader)]

    assert ["100001"] * 2 == [row["uid"] for row in rows]
    assert ["read_only,trade", "read_only"] == [row["perm"] for row in rows]


def test_spot_mode_is_shown_and_served(sandbox: Sandbox, wire: Any) -> None:
    """OKX names no code for block trading in spot mode, so only `acctLv` identifies such an account."""
    spot = sandbox.create_user(account_level="1")

    assert "1" == wire.send("GET", "account/config", credentials=spot)[1]["data"][0]["acctLv"]
    assert "0" == wire.code("POST", "rfq/create-rfq", GOOD, credentials=spot)


def test_unknown_path(wire: Any) -> None:
    """It gets 404, and a text that says which path works, what the sandbox serves, and how to script the rest."""
    status, body = wire.send("GET", "account/bills?limit=1")

    assert (404, "404") == (status, body["code"])
    assert "Not found: GET /api/v5/account/bills. This is the sandbox of okx-rfq-plugin" in body["msg"]
    assert "It serves account/balance, account/config, account/leverage-info, " in body["msg"]
    assert 'sandbox.reply("account/bills", {"code": "0", "msg": "", "data": []})' in body["msg"]


def test_what_the_text_for_an_unknown_path_says_works(sandbox: Sandbox, wire: Any) -> None:
    """The call that it shows scripts the reply."""
    call = wire.send("GET", "account/bills")[1]["msg"].partition("in your test: ")[2].rstrip(".")

    eval(call, {"sandbox": sandbox})  # noqa: S307 - our own text

    assert (200, {"code": "0", "msg": "", "data": []}) == wire.send("GET", "account/bills")


def test_wrong_method(wire: Any) -> None:
    """The wrong method gets 50115 with HTTP 405."""
    status, body = wire.send("GET", "rfq/cancel-all-rfqs")

    assert (405, {"msg": "Invalid request method.", "code": "50115"}) == (status, body)


def test_public_time_needs_no_key(wire: Any, clock: Any) -> None:
    """The time is public, in milliseconds."""
    status, body = wire.raw("GET", "/api/v5/public/time")

    assert (200, [{"ts": str(int(clock() * 1000))}]) == (status, json.loads(body)["data"])
