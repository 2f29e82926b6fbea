"""docs/pytest.md: its code runs unchanged, and its table of cassettes matches the files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import ccxt
import pytest
from support.inner import run

from okx_rfq_plugin.testing import cassettes, reading, replay
from okx_rfq_plugin.testing.interactions import Reply
from okx_rfq_plugin.testing.names import NAMES

pytest_plugins = ["pytester"]

PAGE = (Path(__file__).parents[2] / "docs" / "pytest.md").read_text(encoding="utf-8")
CALLS = {
    "confirmed": "cancel_all_rfqs(confirm=True)",
    "quotes-canceled": "cancel_all_quotes()",
    "quotes-nothing-active": "cancel_all_quotes()",
    "quotes-countdown": "cancel_all_quotes_after(30)",
    "open-rfqs": "fetch_open_rfqs()",
}


def outcome(name: str, call: str) -> tuple[str, list[float]]:
    """Return the outcome of the call, and the seconds that it waits."""
    with replay(name) as tape:
        exchange = tape.make_exchange()
        try:
            result: Any = eval(f"exchange.{call}", {"exchange": exchange})  # noqa: S307 - our own text
        except ccxt.BaseError as error:
            return type(error).__name__, tape.waits
        if isinstance(result, list):
            return f"{len(result)} RFQs", tape.waits
        return result.get("status", "a countdown"), tape.waits


def row(name: str) -> str:
    """Return the row of one cassette, as the page must show it."""
    rows = reading.read(cassettes.find(name)).interactions
    codes = []
    for each in rows:
        found = re.search(rb'"code":\s*"(\d+)"', each.answer.body) if isinstance(each.answer, Reply) else None
        codes.append(found[1].decode() if found else each.outcome)
    call = CALLS.get(name, "cancel_all_rfqs()")
    ended, waits = outcome(name, call)
    requests = ", ".join(each.request.path.removeprefix("/api/v5/") for each in rows)
    return f"| `{name}` | `{call}` | {requests} | {', '.join(codes)} | {ended} | {json.dumps(waits)[1:-1] or '-'} |"


@pytest.mark.parametrize("name", NAMES)
def test_the_table_says_what_a_cassette_holds(name: str) -> None:
    """Its call, its requests and replies, its outcome, and the waits, from the file itself."""
    assert row(name) in PAGE.splitlines()


BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
TESTS = [text for language, text in BLOCKS if language == "python" and "def test_" in text]


@pytest.mark.parametrize("text", TESTS, ids=lambda text: re.findall(r"def (test_\w+)", text)[0])
def test_the_code_runs(text: str, pytester: pytest.Pytester) -> None:
    """Each test of the page passes unchanged; one with its own cassette also after recording it."""
    for language, other in BLOCKS:
        if language == "yaml":
            pytester.mkdir("cassettes").joinpath("by-hand.yaml").write_text(other, encoding="utf-8")
        elif other.startswith("# halt.py"):
            pytester.makepyfile(halt=other)
    number = len(re.findall(r"^def test_", text, flags=re.MULTILINE))
    with_hypothesis = ("-p", "hypothesispytest") if "hypothesis" in text else ()

    if "@pytest.mark.okx_rfq_cassette\n" in text:
        run(pytester, text, "--okx-rfq-record=sandbox", passed=number)
    run(pytester, text, *with_hypothesis, passed=number)


def test_no_other_language_goes_unnoticed() -> None:
    """A block that is not Python is the cassette, the ini value, or the strategy that the first test imports."""
    others = [text for language, text in BLOCKS if text not in TESTS]

    assert ["# halt.py", "[pytest]", "version: 1"] == [text.splitlines()[0] for text in others]
    assert {"python", "ini", "yaml"} == {language for language, _ in BLOCKS}
