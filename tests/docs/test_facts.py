"""README's table comparing raw ccxt, python-okx and this package, checked against the sandbox."""

from __future__ import annotations

import ast
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import ccxt
import pytest
from okx.BlockTrading import BlockTradingAPI
from support.twins import VirtualClock

import okx_rfq_plugin
from okx_rfq_plugin.sandbox import DROP, Fault, Sandbox

README = Path(__file__).parents[2] / "README.md"
CANCEL = "rfq/cancel-all-rfqs"
PAGE = "<html>busy</html>"
IN_PART = {"code": "2", "msg": "Bulk operation partially succeeded.", "data": []}


def rows() -> dict[str, list[str]]:
    """Return the cells of the table, without bold, by the first cell of each row."""
    lines = [line for line in README.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    cells = [[cell.strip().replace("**", "").replace("`", "") for cell in line.strip("|").split("|")] for line in lines]
    assert ["what happens", "raw ccxt", "python-okx", "okx-rfq-plugin"] == cells[0]
    return {first: rest for first, *rest in cells[1:]}


# The sandbox's faults for each row; the first row is about the preceding request.
FAULTS: Mapping[str, tuple[Any, ...]] = MappingProxyType(
    {
        "it follows another call": (),
        "no RFQ was active": (),
        "OKX is busy (50011)": ("50011",),
        "a proxy's page, HTTP 200": (Fault(body=PAGE, status=200),),
        'code 2, "in part"': (Fault(body=json.dumps(IN_PART), status=200),),
        "the connection breaks": (DROP,),
    }
)


class Peer:
    """A client, and the seconds that it waited before its cancel left."""

    def __init__(self, cancel: Callable[[], Any], look: Callable[[], Any], waits: list[float]) -> None:
        self.cancel, self._look, self._waits = cancel, look, waits

    def says(self, row: str) -> str:
        """Return what the client does, in the words of the table's cells."""
        if row == "it follows another call":
            self._look()
            self._waits.clear()
        try:
            answer = self.cancel()
        except Exception as error:  # every kind is a cell
            return type(error).__name__
        if row == "it follows another call":
            waited = sum(self._waits)
            return f"waits {waited:.1f} s" if waited else "sent at once"
        if answer == PAGE:
            return "returns the page"
        if "code" in answer:
            return f"returns code {answer['code']}"
        if answer["attempts"] == 1:
            return f'"{answer["status"]}"'
        waits = [round(wait) for wait in self._waits if wait >= 1]
        return f"waits {waits[0]} s, cancels" if waits else "sends again, cancels"


@pytest.fixture
def peers(sandbox: Sandbox, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Peer]]:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)  # ccxt's limiter sleeps with this
    raw = sandbox.exchange(ccxt.okx)
    now = int(clock.wall() * 1000)
    raw.milliseconds = lambda: now  # stands still, so that ccxt's waits do not depend on this machine's speed
    ours = sandbox.exchange(ccxt.okx)
    ours.milliseconds = raw.milliseconds
    okx_rfq_plugin.install(ours, policy=okx_rfq_plugin.RetryPolicy(jitter=0.0))
    api = BlockTradingAPI(*sandbox.credentials.values(), flag="1", domain=sandbox.url)
    yield {
        "raw ccxt": Peer(raw.private_post_rfq_cancel_all_rfqs, raw.private_get_rfq_rfqs, slept),
        "python-okx": Peer(api.cancel_all_rfqs, api.get_rfqs, slept),
        "okx-rfq-plugin": Peer(ours.cancel_all_rfqs, ours.private_get_rfq_rfqs, clock.waits),
    }
    for each in (raw, ours, api):
        each.close()


def test_the_table_has_the_rows_that_are_tried() -> None:
    """The table has no untested row."""
    assert list(FAULTS) == list(rows())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # python-okx's own: utcnow, and how it calls httpx
@pytest.mark.parametrize("row", FAULTS)
@pytest.mark.parametrize(("place", "name"), list(enumerate(("raw ccxt", "python-okx", "okx-rfq-plugin"))))
def test_a_cell_is_true(row: str, place: int, name: str, sandbox: Sandbox, peers: dict[str, Peer]) -> None:
    """What the client does is what the cell says."""
    if row != "no RFQ was active":
        sandbox.create_rfq()
    if FAULTS[row]:
        sandbox.fault(CANCEL, *FAULTS[row])

    assert rows()[row][place] == peers[name].says(row)


def texts() -> list[str]:
    return re.findall(r"```text\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_receipt_is_one(sandbox: Sandbox, peers: dict[str, Peer]) -> None:
    """The keys, in their order, and the types of the values."""
    sandbox.create_rfq()
    shown = ast.literal_eval(texts()[0])
    given = peers["okx-rfq-plugin"].cancel()

    assert [(key, type(value)) for key, value in given.items()] == [(key, type(shown[key])) for key in shown]
    assert given["info"].keys() == shown["info"].keys()


def test_the_failure_is_one(sandbox: Sandbox, peers: dict[str, Peer]) -> None:
    """The page shows the beginning of the message, except for the seconds."""
    sandbox.fault(CANCEL, *[502] * 20)
    with pytest.raises(ccxt.ExchangeNotAvailable) as caught:
        peers["okx-rfq-plugin"].cancel()

    shown = " ".join(texts()[1].split()).removeprefix("ExchangeNotAvailable: ").removesuffix(" ...")
    assert re.sub(r"[\d.]+ s:", "N s:", str(caught.value)).startswith(re.sub(r"[\d.]+ s:", "N s:", shown))
