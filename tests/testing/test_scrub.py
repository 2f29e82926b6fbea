"""What is removed from a recording, and what stays."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from okx_rfq_plugin.testing.interactions import CassetteRequest, Failure, Reply
from okx_rfq_plugin.testing.scrub import Scrubber, is_placeholder


def scrubbed(value: Any, *names: str) -> Any:
    answer = Scrubber(names).answer(Reply(200, "OK", {}, json.dumps(value).encode()))
    assert isinstance(answer, Reply)
    return json.loads(answer.body)


# Names from OKX's pages, of every kind of endpoint.
NAMES = re.findall(
    r"\w+",
    """
    rfqId clRfqId quoteId clQuoteId blockTdId tradeId ordId clOrdId algoId algoClOrdId billId wdId depId
    transId clientId attachAlgoClOrdId reqId quoteReqId clQReqId strategyId
    traderCode traderName counterparties counterparty uid mainUid
    subUid subAcct subAccount apiKey secretKey secret passphrase password key sign signature token label address addr
    toAddr fromAddr txId email phone mobile ip ips areaCode memo nickName userName tag groupId sub_account_id posId
    """,
)
KEPT = re.findall(
    r"\w+",
    """
    instId instFamily instType ccy sz side px state code sCode msg sMsg ts cTime uTime validUntil tdMode posSide
    flowType type perm acctLv posMode bid ask paid zip lmtPx feeCcy tgtCcy ordType settleCcy ctVal valid
    """,
)


@pytest.mark.parametrize("name", NAMES)
def test_identifying_values_are_scrubbed(name: str) -> None:
    """By rule: ids, keys, people, accounts, addresses; a text, a number, a list, anywhere."""
    for value in ("some-thing", 71234567, ["some-thing", "other-thing"]):
        text = json.dumps(scrubbed({"data": [{name: value}]}))
        assert "thing" not in text
        assert "71234567" not in text


@pytest.mark.parametrize("name", KEPT)
def test_public_values_stay(name: str) -> None:
    """Instruments, prices, states, times and OKX's texts."""
    assert {name: "BTC-USDT"} == scrubbed({name: "BTC-USDT"})


def test_each_value_has_one_placeholder() -> None:
    """The same wherever it reappears, under other names and in texts too; numbers stay numbers."""
    row = {"rfqId": "12345", "clRfqId": "mine-1", "note": "", "other": {"rfqIds": ["12345", "67890"]}}
    said = {"msg": "RFQ 12345 of mine-1 is gone, not 123456"}

    assert [
        {"rfqId": "1000000001", "clRfqId": "clRfqId-1", "note": "", "other": {"rfqIds": ["1000000001", "1000000002"]}},
        {"msg": "RFQ 1000000001 of clRfqId-1 is gone, not 123456"},
    ] == scrubbed([row, said])


def test_a_query_is_scrubbed_by_the_same_rule() -> None:
    """Ids in a URL get the placeholders of those in a body; other values stay."""
    scrubber = Scrubber()
    request = scrubber.request(
        CassetteRequest(method="GET", path="/api/v5/rfq/rfqs", query="rfqId=12345&state=active&ccy=BTC,ETH&clRfqId=")
    )

    assert "rfqId=1000000001&state=active&ccy=BTC,ETH&clRfqId=" == request.query
    assert (
        '{"rfqId":"1000000001"}'
        == scrubber.request(CassetteRequest(method="POST", path="/", body='{"rfqId": "12345"}')).body
    )


@pytest.mark.parametrize(
    "text",
    [
        "your IP 203.0.113.7 is not on the list",
        "your IP 2001:db8:0:0:0:0:0:1 is not on the list",
        "your IP 2001:db8::1 is not on the list",
        "write to somebody@example.org",
        "sent to 0x52908400098527886E0F7030069857D2E4169EE7",
    ],
)
def test_addresses_in_texts_are_taken_out(text: str) -> None:
    """IP addresses, mail and chain addresses, under any name, in JSON and out of it."""
    (word,) = [word for word in text.split() if "." in word or ":" in word or word.startswith("0x")]

    assert word not in scrubbed({"msg": text})["msg"]
    answer = Scrubber().answer(Reply(502, "", {}, f"<p>{text}</p>".encode()))
    assert isinstance(answer, Reply)
    assert word.encode() not in answer.body


def test_times_are_no_addresses() -> None:
    """A time of day and a timestamp stay unchanged."""
    assert {"msg": "until 12:30:45, 2026-01-02T03:04:05.678Z"} == scrubbed(
        {"msg": "until 12:30:45, 2026-01-02T03:04:05.678Z"}
    )


def test_a_suite_can_add_names() -> None:
    """However they are written."""
    assert {"deskName": "deskName-1", "venue_ref": "venue_ref-1", "side": "buy"} == scrubbed(
        {"deskName": "blocks", "venue_ref": "abc", "side": "buy"}, "venueRef"
    )


def test_headers_but_the_type_and_lost_replies_hold_nothing() -> None:
    """Cookies and request ids are dropped; a failure has nothing to scrub; binary bodies stay."""
    answer = Scrubber().answer(Reply(200, "OK", {"Content-Type": "text/html", "Set-Cookie": "a=b"}, b"\xff\xfe"))

    assert Reply(200, "OK", {"Content-Type": "text/html"}, b"\xff\xfe") == answer
    assert Failure.TIMEOUT is Scrubber().answer(Failure.TIMEOUT)


def test_numbers_and_texts_without_structure_stay() -> None:
    """A body that is a bare number, and booleans and null under a name."""
    assert 7 == scrubbed(7)
    assert {"rfqId": None, "apiKey": True} == scrubbed({"rfqId": None, "apiKey": True})


def test_placeholders_are_known() -> None:
    """A scrubber's placeholders, and nothing else that a strategy would use."""
    assert all(map(is_placeholder, ["1000000001", "clRfqId-12"]))
    assert not any(map(is_placeholder, ["12345", "buy", "BTC-USDT", "25", 1000000001, None]))
