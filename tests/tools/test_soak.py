"""The soak: a short one finds no lie, and each kind of lie would be found."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ccxt
import pytest

from okx_rfq_plugin import CancelFailure
from okx_rfq_plugin.sandbox import Sandbox

sys.path.append(str(Path(__file__).parents[2]))  # behind the installed package, which is the one to be tested

from tools.soak.__main__ import main
from tools.soak.load import CANCEL, CREATE, Event, lost, over_limits
from tools.soak.trader import Account, Trader
from tools.soak.truth import Truth

SHORT = {"users": 10, "requests": 200, "threads": 2, "tasks": 4, "crowds": 1, "minutes": 0, "seed": 1}


@pytest.mark.exhaustive
def test_a_short_soak_finds_no_lie(capsys: pytest.CaptureFixture[str]) -> None:
    """Both parts run and print their results, and nothing was untrue."""
    ended = main([f"--{name}={value}" for name, value in SHORT.items()])
    out = capsys.readouterr().out

    assert (0, "lies: 0") == (ended, out.splitlines()[-1]), out
    for words in ("seed 1", "400 requests of 10 User IDs", "rfq/create-rfq 0", "canceled", "faults", "created"):
        assert words in out


@pytest.mark.exhaustive
def test_a_soak_that_called_nothing_proves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a call there is no proof: the exit code says so though no lie was found."""
    nothing = {**SHORT, "threads": 0, "tasks": 0, "crowds": 0}

    ended = main([f"--{name}={value}" for name, value in nothing.items()])

    assert ended == 1
    assert "Nothing was called, so nothing is proven." in capsys.readouterr().out.splitlines()


# Lies that the load would find


def event(code: str, at: float, path: str = CANCEL, stamp: int | None = None, rfq_id: str = "") -> Event:
    return Event("me", path, code, at, at + 0.001, stamp, rfq_id)


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([event("0", 0.0), event("70207", 1.0), event("0", 2.0)], None),
        ([event("0", 0.0), event("70207", 1.0), event("0", 1.9)], "3 requests were admitted"),
        ([event("0", 0.0), event("0", 1.0), event("50011", 1.9)], None),
        ([event("0", 0.0), event("50011", 1.9)], "refused, though 1 were admitted"),
        ([event("0", 0.0), event("0", 0.5), event("50011", 2.4)], "refused, though 1 were admitted"),
        ([event("0", 0.0), event("0", 0.5), event("0", 0.9, CREATE)], None),
    ],
)
def test_a_limit_that_is_not_exact_is_found(events: list[Event], words: str | None) -> None:
    """One too many is a finding, and so is one too few, counted from what clients saw."""
    found = list(over_limits(events))

    assert (words is None) == (found == [])
    assert words is None or words in found[0]


def book(state: str = "active", updated: int = 1_000, rfq_id: str = "1") -> dict[str, list[dict[str, Any]]]:
    return {"me": [{"rfqId": rfq_id, "state": state, "uTime": str(updated)}]}


@pytest.mark.parametrize(
    ("canceled", "shown", "words"),
    [
        (None, book(), None),
        (2_000, book("canceled", 2_000), None),
        (500, book(), None),
        (1_000, book(), None),
        (2_000, book(), "is active since 1000, and not ('canceled', 2000)"),
        (None, book("canceled", 2_000), "is canceled since 2000, and not ('active', 1000)"),
        (2_000, book("canceled", 1_500), "is canceled since 1500"),
        (None, {"me": []}, "differ in ['1']"),
        (None, book(rfq_id="2"), "differ in ['1', '2']"),
    ],
)
def test_an_rfq_that_is_lost_is_found(canceled: int | None, shown: Any, words: str | None) -> None:
    """What the replies said must be in the book, in that state, since that time."""
    events = [event("0", 1.0, CREATE, 1_000, "1")]
    if canceled is not None:
        events.append(event("0", canceled / 1000, CANCEL, canceled))

    found = list(lost(events, shown))

    assert (words is None) == (found == [])
    assert words is None or words in found[0]


# Lies that the soak would find


@pytest.fixture
def trader(sandbox: Sandbox) -> Trader:
    """A worker at a sandbox in this process."""
    here = SimpleNamespace(
        call=lambda name, *args, **kwargs: getattr(sandbox, name)(*args, **kwargs),
        bodies=lambda path: [],
    )
    return Trader("worker", Truth(here), seed=1)  # type: ignore[arg-type]  # all of a SandboxProcess that it needs


@pytest.mark.parametrize(("waited", "lies"), [(0.6, 1), (0.4, 0)])
def test_a_create_that_was_sent_in_spite_of_a_cancel_is_found(trader: Trader, waited: float, lies: int) -> None:
    """It was requested before the cancel, and left after it."""
    sandbox: Any = trader.truth.sandbox
    sandbox.bodies = lambda path: [(11 + waited, '{"clRfqId": "mine"}'), (12.0, '{"clRfqId": "other"}')]
    trader.account.asked["mine"] = 10.0
    trader.account.canceled += [9.0, 11.0]

    trader.end()

    assert lies == len(trader.truth.lies)


def create(trader: Trader) -> str:
    rfq_id = str(trader.truth.sandbox.call("create_rfq", credentials=trader.account.user)["rfqId"])
    trader.account.known.add(rfq_id)
    return rfq_id


def receipt(status: str, timestamp: int | None = None) -> dict[str, Any]:
    info = {"code": "0", "data": [{"ts": str(timestamp)}], "msg": ""}
    return {"status": status, "timestamp": timestamp, "attempts": 1, "info": info}


@pytest.mark.parametrize("status", ["canceled", "nothing_active", "done"])
def test_a_receipt_that_lies_is_found(trader: Trader, status: str) -> None:
    """An earlier RFQ that is active after the call, and an undocumented status."""
    create(trader)

    with trader.canceling() as judged:
        judged(receipt(status, 1))

    assert "of before the call are active" in trader.truth.lies[0]
    assert (status != "nothing_active") == (len(trader.truth.lies) == 2)


def test_an_rfq_from_after_the_call_is_no_lie(trader: Trader) -> None:
    """A cancel is only responsible for RFQs that existed when it was called."""
    with trader.canceling() as judged:
        create(trader)
        judged(receipt("nothing_active"))

    assert [] == trader.truth.lies


def test_a_time_at_which_nothing_was_canceled_is_found(trader: Trader, sandbox: Sandbox) -> None:
    """The receipt's time must be that of a canceled RFQ."""
    sandbox.set_state(create(trader), "canceled")
    (rfq,) = sandbox.rfqs(credentials=trader.account.user)

    for timestamp in (int(rfq["uTime"]), int(rfq["uTime"]) + 1):
        with trader.canceling() as judged:
            judged(receipt("canceled", timestamp))

    assert 1 == len(trader.truth.lies)
    assert "no RFQ was canceled at the time" in trader.truth.lies[0]


@pytest.mark.parametrize(("row", "lies"), [({"rfqId": "1", "sCode": "0"}, 0), ({"ts": "1"}, 1)], ids=["by name", "all"])
def test_a_time_that_okx_does_not_give_is_none(row: dict[str, str], lies: int, trader: Trader) -> None:
    """Its reply to a cancel by id has no time."""
    with trader.canceling() as judged:
        judged({**receipt("canceled", None), "info": {"code": "0", "data": [row], "msg": ""}})

    assert lies == len(trader.truth.lies)


@pytest.mark.parametrize(("may_be_canceled", "lies"), [(False, 1), (True, 0)])
def test_a_failure_that_lies_is_found(trader: Trader, sandbox: Sandbox, may_be_canceled: bool, lies: int) -> None:
    """A claim that nothing was canceled, though something was, even if only later."""
    soon, later = create(trader), create(trader)
    with trader.canceling():
        sandbox.set_state(soon, "canceled")
        raise failure(may_be_canceled)
    at_once = len(trader.truth.lies)
    sandbox.set_state(later, "canceled")
    trader.end()

    assert (lies, 2 * lies) == (at_once, len(trader.truth.lies))


def failure(may_be_canceled: bool) -> ccxt.BaseError:
    error = ccxt.ExchangeError("made up")
    error.cancel_failure = CancelFailure(None, 1, 0.1, may_be_canceled)
    return error


def test_a_failure_without_its_facts_is_found(trader: Trader) -> None:
    """Every exception says what is known."""
    with trader.canceling():
        raise ccxt.ExchangeError("bare")

    assert "says nothing of what is known" in trader.truth.lies[0]


def test_a_create_that_was_said_to_be_refused_is_found(trader: Trader, sandbox: Sandbox) -> None:
    """It must not be in the book."""
    with trader.creating({"clRfqId": "mine"}):
        raise ccxt.OperationRejected("nothing was sent")
    trader.end()
    before = list(trader.truth.lies)
    sandbox.create_rfq(credentials=trader.account.user, clRfqId="mine")
    trader.end()

    assert [] == before
    assert "['mine'] were said not to be created" in trader.truth.lies[0]


def test_in_a_crowd_a_failure_proves_nothing(trader: Trader, sandbox: Sandbox) -> None:
    """If others cancel too, a canceled RFQ need not be the work of the failed call."""
    crowd = Trader("one of many", trader.truth, 1, Account(trader.account.user))
    rfq_id = create(crowd)

    with crowd.canceling():
        sandbox.set_state(rfq_id, "canceled")
        raise failure(may_be_canceled=False)
    crowd.end()

    assert [] == trader.truth.lies
