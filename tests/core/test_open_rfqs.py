"""`fetch_open_rfqs`: whose RFQs it returns, in which form, and what it says when it cannot."""

from __future__ import annotations

import json
from typing import Any

import ccxt
import pytest
from support.ccxts import tells_numbers
from support.twins import Twin, VirtualClock, made

from okx_rfq_plugin.sandbox import Fault, Sandbox

LIST = "rfq/rfqs"
LEGS = [
    {"instId": "BTC-USD-261225-100000-C", "sz": "25", "side": "buy"},
    {"instId": "BTC-USDT-SWAP", "sz": "0.5", "side": "sell"},
]


def read(twin: Twin, exchange: Any, *args: Any) -> Any:
    return twin.run(exchange, lambda: exchange.fetch_open_rfqs(*args))


def failure_of(twin: Twin, exchange: Any) -> Any:
    with pytest.raises(ccxt.BaseError) as caught:
        read(twin, exchange)
    return caught.value


def test_rfqs_come_in_ccxts_manner(twin: Twin, sandbox: Sandbox, exchange: Any) -> None:
    """Names, numbers and times are in ccxt's form; OKX's row is included unchanged."""
    opened = sandbox.create_rfq(legs=LEGS, clRfqId="mine7")

    (rfq,) = read(twin, exchange)

    assert {
        "id": opened["rfqId"],
        "clientRfqId": "mine7",
        "status": "active",
        "timestamp": int(opened["cTime"]),
        "datetime": exchange.iso8601(int(opened["cTime"])),
        "expiryTimestamp": int(opened["validUntil"]),
        "legs": [
            {"symbol": leg["instId"], "side": leg["side"], "amount": float(leg["sz"]), "info": shown}
            for leg, shown in zip(LEGS, opened["legs"], strict=True)
        ],
        "info": opened,
    } == rfq


def test_redirect_is_not_followed(twin: Twin, sandbox: Sandbox, exchange: Any) -> None:
    """An answer from its target is no list; the next attempt asks the original address."""
    sandbox.fault(LIST, Fault(status=302, headers={"Location": "/api/v5/public/time"}))

    assert [] == read(twin, exchange)
    assert {"/api/v5/rfq/rfqs"} == {request.path for request in sandbox.requests}


def test_legs_have_ccxts_symbols_where_markets_are_loaded(twin: Twin, sandbox: Sandbox, exchange: Any) -> None:
    """An instrument that ccxt does not know keeps OKX's name."""
    sandbox.create_rfq(legs=LEGS)
    exchange.markets_by_id = {"BTC-USDT-SWAP": [{"symbol": "BTC/USDT:USDT"}]}

    (rfq,) = read(twin, exchange)

    assert ["BTC-USD-261225-100000-C", "BTC/USDT:USDT"] == [leg["symbol"] for leg in rfq["legs"]]


def test_only_my_own_open_ones_are_read_oldest_first(twin: Twin, sandbox: Sandbox, clock: VirtualClock) -> None:
    """Neither finished ones, nor those that other users have sent to this account."""
    me = sandbox.create_user(trader_code="ME")
    ids = []
    for state in ("active", "pending_fill", "canceled", "filled", "expired", "failed", "active"):
        ids.append(sandbox.create_rfq(credentials=me)["rfqId"])
        if state != "active":
            sandbox.set_state(ids[-1], state)
        clock.sleep(1.0)
    sandbox.create_rfq(counterparties=("ME",))

    rfqs = read(twin, made(twin, sandbox, clock, me))

    assert [(ids[0], "active"), (ids[1], "pending_fill"), (ids[6], "active")] == [
        (rfq["id"], rfq["status"]) for rfq in rfqs
    ]


def test_there_may_be_none(twin: Twin, exchange: Any) -> None:
    """An empty list is no error."""
    assert [] == read(twin, exchange)


def test_all_pages_are_read_and_the_limit_is_kept(
    twin: Twin, sandbox: Sandbox, exchange: Any, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """250 RFQs take three pages, and one more request for those being executed: two in two seconds."""
    ids = [sandbox.create_rfq()["rfqId"] for _ in range(250)]

    rfqs = read(twin, exchange)

    assert sorted(ids) == sorted(rfq["id"] for rfq in rfqs)
    assert 4 == len(sandbox.requests)
    assert 2.0 <= sum(clock.waits) <= 2.1
    assert [] == [record for record in caplog.records if record.levelname == "WARNING"]


def test_oldest_comes_first(twin: Twin, sandbox: Sandbox, exchange: Any) -> None:
    """By OKX's time and not by the id; rows without a time come first."""
    rows = [{"rfqId": "1", "cTime": "300"}, {"rfqId": "2", "cTime": ""}, {"rfqId": "3", "cTime": "200"}]
    data = [{**row, "state": "active"} for row in rows]
    sandbox.fault(LIST, Fault(body=json.dumps({"code": "0", "msg": "", "data": data})))

    assert ["2", "3", "1"] == [rfq["id"] for rfq in read(twin, exchange)]


def test_limit_is_the_size_of_a_page(twin: Twin, sandbox: Sandbox, exchange: Any) -> None:
    """A caller that wants small pages gets all of them."""
    for _ in range(5):
        sandbox.create_rfq()

    assert 5 == len(read(twin, exchange, {"limit": "2"}))
    assert 3 + 1 == len(sandbox.requests)


def test_params_reach_okx(twin: Twin, sandbox: Sandbox, exchange: Any) -> None:
    """They are sent along with the plugin's own."""
    wanted = sandbox.create_rfq(clRfqId="wanted")
    sandbox.create_rfq()

    (rfq,) = read(twin, exchange, {"clRfqId": "wanted"})

    assert wanted["rfqId"] == rfq["id"]


def test_it_passes_ccxts_queue(twin: Twin, sandbox: Sandbox, exchange: Any) -> None:
    """A risk must not be read from the end of a queue."""

    def never(cost: Any = None) -> None:
        raise AssertionError("it has waited in ccxt's queue")

    exchange.throttle = never
    sandbox.create_rfq()

    assert 1 == len(read(twin, exchange))


@pytest.mark.parametrize("fault", ["50011", "50001", 502, Fault(drop="before"), Fault(body="[]")])
def test_what_passes_is_read_again(fault: Any, twin: Twin, sandbox: Sandbox, exchange: Any) -> None:
    """Reading changes nothing, so any error that may pass is retried."""
    sandbox.create_rfq()
    sandbox.fault(LIST, fault)

    assert 1 == len(read(twin, exchange))


@pytest.mark.parametrize(
    "body",
    [
        '{"code": "0", "data": null}',
        '{"code": "0", "data": [{"state": "active"}]}',
        pytest.param('{"code": "0", "data": [{"state": "active", "rfqId": 7}]}', marks=tells_numbers),
        "{}",
    ],
)
def test_list_that_makes_no_sense_is_no_empty_list(body: str, twin: Twin, sandbox: Sandbox, exchange: Any) -> None:
    """It never returns an empty list unless OKX has said so."""
    sandbox.fault(LIST, *[Fault(body=body)] * 60)

    error = failure_of(twin, exchange)

    assert isinstance(error, ccxt.BadResponse)
    assert "THE RFQs COULD NOT BE READ" in str(error)
    assert not error.cancel_failure.may_be_canceled


def test_rejection_is_told_at_once(twin: Twin, sandbox: Sandbox, clock: VirtualClock) -> None:
    """A wrong key reads nothing, and nothing is sent twice."""
    exchange = made(twin, sandbox, clock)
    exchange.secret = "wrong"

    error = failure_of(twin, exchange)

    assert isinstance(error, ccxt.AuthenticationError)
    assert 1 == len(sandbox.requests)


def test_log_says_what_is_repeated(
    twin: Twin, sandbox: Sandbox, exchange: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """There is nothing to look up after a failed cancel here: the RFQs themselves could not be read."""
    sandbox.fault(LIST, "50011")
    read(twin, exchange)

    (told,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told.startswith("okx fetch_open_rfqs(): THE RFQs COULD NOT BE READ. After 1 attempt in ")
    assert "Next attempt in " in told


def test_no_part_is_given_for_the_whole(twin: Twin, sandbox: Sandbox, clock: VirtualClock) -> None:
    """If time runs out before the last page, it says so."""
    for _ in range(150):
        sandbox.create_rfq()

    error = failure_of(twin, made(twin, sandbox, clock, deadline=0))

    assert ccxt.OperationFailed is type(error)
    assert 1 == error.cancel_failure.attempts


def test_it_has_both_of_ccxts_names(twin: Twin, sandbox: Sandbox, exchange: Any) -> None:
    """Like every ccxt method."""
    sandbox.create_rfq()

    assert exchange.has["fetchOpenRfqs"]
    assert 1 == len(twin.run(exchange, lambda: exchange.fetchOpenRfqs()))


def test_read_ends_at_its_deadline_though_okxs_limit_lasts_longer(
    twin: Twin, sandbox: Sandbox, clock: VirtualClock
) -> None:
    """The third attempt would only be allowed after the deadline."""
    sandbox.fault(LIST, *[502] * 9)
    began = clock.now()

    error = failure_of(twin, made(twin, sandbox, clock, deadline=1.5))

    assert 2 == error.cancel_failure.attempts == len(sandbox.requests)
    assert 1.5 == pytest.approx(clock.now() - began, abs=0.01)
