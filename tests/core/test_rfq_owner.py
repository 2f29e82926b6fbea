"""The owner of a listed RFQ: what proves it, and what only seems to."""

from __future__ import annotations

from typing import Any

import pytest

from okx_rfq_plugin._core.rfqs import is_own, own_trader_code, owner_of
from okx_rfq_plugin.sandbox import Sandbox


def row(sender: str = "ME", *receivers: str, **changed: Any) -> dict[str, Any]:
    shown = {"rfqId": "1", "clRfqId": "", "traderCode": sender, "flowType": "", "counterparties": [*receivers]}
    return {**shown, **changed}


# A row, what else is known, and the owner.
ROWS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (row("ME", "WAGMI"), {}, "unclear"),
    (row("ME", "WAGMI", clRfqId="a"), {}, "own"),
    (row("ME", "WAGMI"), {"mine": "ME"}, "own"),
    (row("ME", "WAGMI"), {"others": ["WAGMI"]}, "own"),
    (row("ME", "WAGMI", "X"), {"others": ["WAGMI"]}, "unclear"),
    (row("", "WAGMI"), {"mine": "ME"}, "unclear"),
    (row("", "WAGMI"), {"mine": "ME", "others": ["WAGMI"]}, "own"),
    (row("X", "ME"), {"mine": "ME"}, "received"),
    (row("", "ME", "X"), {"mine": "ME"}, "received"),
    (row("X", "Y"), {"mine": "ME"}, "received"),
    (row("X", "ME"), {"others": ["X"]}, "received"),
    (row("X", "ME", flowType="sandbox"), {}, "received"),
    (row("ME", "WAGMI", flowType=None), {}, "unclear"),
    # Contradictions: an RFQ that may be another user's counts as another user's.
    (row("ME", "WAGMI", clRfqId="a", flowType="x"), {"mine": "ME"}, "received"),
    (row("ME", "ME", clRfqId="a"), {"mine": "ME"}, "received"),
    # What OKX does not document.
    (row("ME", counterparties=None), {}, "unclear"),
    (row("ME", counterparties="WAGMI"), {"others": ["WAGMI"]}, "unclear"),
    ({"rfqId": "1"}, {}, "unclear"),
]


@pytest.mark.parametrize(("listed", "known", "owner"), ROWS)
def test_owner(listed: dict[str, Any], known: dict[str, Any], owner: str) -> None:
    """A proof decides; an empty `flowType` is none."""
    assert owner == owner_of(listed, **known)
    assert (owner != "received") is is_own(listed, **known)


@pytest.mark.parametrize(
    ("rows", "others", "code"),
    [
        ([], (), None),
        ([row("ME", "WAGMI", clRfqId="a")], (), "ME"),
        ([row("ME", "WAGMI")], (), None),
        ([row("ME", "WAGMI")], ["WAGMI"], "ME"),
        ([row("ME", "WAGMI"), row("X", "ME")], (), "ME"),
        ([row("X", "ME"), row("Y", "ME", "X")], (), None),  # X sent the one, and may have received the other
        ([row("X", "ME", "Z"), row("Y", "Z", "ME")], (), None),
        ([row("", "ME"), row("X", "ME")], (), None),
        ([row("X"), row("X", "ME")], ["X"], "ME"),
        ([row("X")], (), None),
        ([row("X", clRfqId="a", flowType="x", counterparties=["ME"])], (), None),
        ([{"traderCode": 7, "counterparties": [8]}], (), None),
    ],
)
def test_own_trader_code(rows: list[dict[str, Any]], others: list[str], code: str | None) -> None:
    """It is named if only one possibility is left, and never guessed."""
    assert code == own_trader_code(rows, others)


@pytest.mark.parametrize("flow_type", ["", "sandbox"])
def test_a_maker_tells_its_rfqs_apart(flow_type: str) -> None:
    """With OKX's list of counterparties, and any `flowType` in a maker's rows."""
    with Sandbox(maker_flow_type=flow_type) as sandbox:
        taker = sandbox.create_user()
        own = {sandbox.create_rfq(anonymous=hidden)["rfqId"] for hidden in (False, True)}
        for hidden in (False, True):
            sandbox.create_rfq(credentials=taker, counterparties=["SANDBOX1"], anonymous=hidden)
        exchange = sandbox.exchange()
        rows = exchange.private_get_rfq_rfqs()["data"]
        others = [row["traderCode"] for row in exchange.private_get_rfq_counterparties()["data"]]
    mine = own_trader_code(rows, others)

    assert "SANDBOX1" == mine
    assert own == {row["rfqId"] for row in rows if owner_of(row, mine, others) == "own"}
    assert 2 == sum(owner_of(row, mine, others) == "received" for row in rows)
