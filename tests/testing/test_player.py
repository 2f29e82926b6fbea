"""A replay: order, bodies, ids, and the message for a request that is not in the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ccxt
import pytest

from okx_rfq_plugin.testing import Refused, cassettes, reading, replay
from okx_rfq_plugin.testing.interactions import CassetteRequest, Failure, Interaction, Reply

CREATE, CANCEL, LIST = "/api/v5/rfq/create-rfq", "/api/v5/rfq/cancel-rfq", "/api/v5/rfq/rfqs"
LEG = {"instId": "BTC-USDT", "sz": "25", "side": "buy"}


def row(method: str, path: str, sent: Any = None, got: Any = None, query: str = "") -> Interaction:
    body = "" if sent is None else json.dumps(sent)
    answer = Reply(200, "OK", {}, json.dumps({"code": "0", "msg": "", "data": got or []}).encode())
    return Interaction(request=CassetteRequest(method=method, path=path, query=query, body=body), answer=answer)


ROWS = [
    row(
        "POST",
        CREATE,
        {"counterparties": ["counterparties-1"], "clRfqId": "clRfqId-1", "legs": [LEG]},
        [{"rfqId": "1000000001", "clRfqId": "clRfqId-1"}],
    ),
    row("GET", LIST, None, [{"rfqId": "1000000001", "clRfqId": "clRfqId-1"}], "clRfqId=clRfqId-1"),
    row("POST", CANCEL, {"rfqId": "1000000001"}, [{"rfqId": "1000000001", "sCode": "0"}]),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    cassettes.write(tmp_path / "mine.yaml", {"answered_by": "sandbox"}, ROWS)
    return tmp_path / "mine.yaml"


def create(exchange: Any, **changed: Any) -> Any:
    rfq = {"counterparties": ["WAGMI"], "clRfqId": "mine", "legs": [LEG], **changed}
    return exchange.private_post_rfq_create_rfq(rfq)["data"][0]


def test_ids_of_your_own_come_back_as_you_call_them(path: Path) -> None:
    """A placeholder matches what the strategy sends in its place, and represents it in every later reply."""
    with replay(path) as tape:
        exchange = tape.make_exchange()
        made = create(exchange)
        listed = exchange.private_get_rfq_rfqs({"clRfqId": "mine"})["data"]
        exchange.private_post_rfq_cancel_rfq({"rfqId": made["rfqId"]})

    assert ("mine", "mine") == (made["clRfqId"], listed[0]["clRfqId"])
    assert [("POST", CREATE), ("GET", LIST), ("POST", CANCEL)] == [(each.method, each.path) for each in tape.requests]
    assert ("mine", {"clRfqId": "mine"}) == (tape.requests[0].json["clRfqId"], tape.requests[1].params)
    assert tape.requests[1].json is None
    assert f"GET {LIST}?clRfqId=mine" == str(tape.requests[1])


@pytest.mark.parametrize(
    ("changed", "shown"),
    [
        ({"legs": [{**LEG, "side": "sell"}]}, '"side": "buy"'),
        ({"legs": [{**LEG, "sz": "26"}]}, '"sz": "25"'),
        ({"legs": [LEG, LEG]}, '"sz": "25"'),
        ({"anonymous": True}, '"sz": "25"'),
    ],
)
def test_a_body_that_differs_is_a_miss_that_shows_both(path: Path, changed: dict[str, Any], shown: str) -> None:
    """An extra or different side, size, leg or flag: both bodies, the line of the file, and what to do."""
    with pytest.raises(Refused) as caught, replay(path) as tape:
        create(tape.make_exchange(), **changed)

    words = str(caught.value)
    assert "its body: {" in words
    assert shown in words.partition("recorded, in line 5:")[2].replace(": ", ":").replace(":", ": ")
    assert "the body differs" in words
    assert "--okx-rfq-record-mode=rewrite" in words
    assert 'match="path"' in words


def test_an_id_that_differs_is_a_miss(path: Path) -> None:
    """An id from OKX must be canceled by that id, and an id from the strategy keeps its name."""
    with pytest.raises(Refused, match="the body differs"), replay(path) as tape:  # noqa: PT012 - the end of the replay is part of it
        exchange = tape.make_exchange()
        create(exchange)
        exchange.private_get_rfq_rfqs({"clRfqId": "mine"})
        exchange.private_post_rfq_cancel_rfq({"rfqId": "1000000002"})


def test_bodies_can_be_left_alone(path: Path) -> None:
    """With match="path" any body matches under the right path."""
    with replay(path, match="path") as tape:
        exchange = tape.make_exchange()
        create(exchange, legs=[])
        exchange.private_get_rfq_rfqs()
        exchange.private_post_rfq_cancel_rfq({"rfqId": "7"})


def test_order_is_kept_across_paths(path: Path) -> None:
    """A request that is due later is a miss that names the one that is due."""
    with pytest.raises(Refused) as caught, replay(path) as tape:
        tape.make_exchange().private_get_rfq_rfqs({"clRfqId": "mine"})

    assert f"asked: GET {LIST}?clRfqId=mine" in str(caught.value)
    assert f"due: POST {CREATE}, line 5" in str(caught.value)
    assert f"holds: POST {CANCEL}, HTTP 200, not asked for" in str(caught.value)


def test_a_request_too_many_says_so() -> None:
    """The advice for one of the package's cassettes is not to record it again."""
    with pytest.raises(Refused) as caught, replay("canceled") as tape:  # noqa: PT012 - the end of the replay is part of it
        exchange = tape.make_exchange()
        exchange.cancel_all_rfqs()
        exchange.cancel_all_rfqs()

    assert "everything in it was replayed already" in str(caught.value)
    assert "comes with okx-rfq-plugin" in str(caught.value)
    assert "record" not in str(caught.value).partition("What to do")[2].replace("recorded", "")


def test_no_body_is_an_empty_one(tmp_path: Path) -> None:
    """python-okx sends `{}` where ccxt sends nothing; bodies that are not JSON are compared as text."""
    cassettes.write(tmp_path / "a.yaml", {}, [row("POST", "/api/v5/rfq/cancel-all-rfqs", {})])
    with replay(tmp_path / "a.yaml") as tape:
        tape.make_exchange().private_post_rfq_cancel_all_rfqs()

    text = CassetteRequest(method="POST", path="/api/v5/rfq/cancel-all-rfqs", body="a=b")
    cassettes.write(tmp_path / "b.yaml", {}, [Interaction(request=text, answer=Failure.DROPPED)])
    with pytest.raises(Refused, match="the body differs"), replay(tmp_path / "b.yaml") as tape:
        tape.make_exchange().private_post_rfq_cancel_all_rfqs()


@pytest.mark.parametrize("failure", Failure)
def test_lost_replies_are_lost_for_both(tmp_path: Path, twin: Any, failure: Failure) -> None:
    """They get the same handling from ccxt as real ones."""
    request = CassetteRequest(method="GET", path="/api/v5/public/time")
    cassettes.write(tmp_path / "a.yaml", {}, [Interaction(request=request, answer=failure)])
    expected = {
        Failure.TIMEOUT: ccxt.RequestTimeout,
        Failure.CONNECT_TIMEOUT: ccxt.RequestTimeout,
        Failure.DROPPED: ccxt.NetworkError,
        Failure.BROKEN: ccxt.BaseError,
    }[failure]
    with replay(tmp_path / "a.yaml") as tape:
        exchange = tape.make_exchange(twin.module.okx)
        with pytest.raises(expected):
            twin.run(exchange, exchange.fetch_time)

    assert (tape.waits == [10.0]) == failure.waits


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """Bodies of every kind: long, binary, multi-line, unicode; and how a reply was lost."""
    bodies = [b"", b"\xff\x00", "gr\xfc\xdf\n  dich \n".encode(), b'{"a":"' + b"x" * 200 + b'"}', b"<html>\n</html>"]
    rows = [
        Interaction(
            request=CassetteRequest(method="GET", path="/a", query="b=c"), answer=Reply(200, "", {"X-A": "b"}, body)
        )
        for body in bodies
    ]
    cassettes.write(
        tmp_path / "deep" / "a.yaml", {}, [*rows, Interaction(request=rows[0].request, answer=Failure.TIMEOUT)]
    )

    read = reading.read(tmp_path / "deep" / "a.yaml").interactions

    assert [body if b"xx" not in body else None for body in bodies] == [
        each.answer.body if b"xx" not in each.answer.body else None
        for each in read[:-1]
        if isinstance(each.answer, Reply)
    ]
    assert ("timeout", "b=c") == (read[-1].outcome, read[-1].request.query)
