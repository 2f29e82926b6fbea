"""Every Python and shell block of README and docs runs unchanged, in a clean process and an empty folder."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.blocks import NOT_RUN, ROOT, Block, Place, alike, blocks, pages
from support.manual import commands

# What a newcomer tries first is run for each change; the rest, some sixty processes, on the oldest and newest Python.
FIRST = (ROOT / "README.md",)
ELSEWHERE = (ROOT / "docs" / "pytest.md",)  # tests/testing/test_pytest_docs.py runs its code
PAGES = [
    pytest.param(page, marks=() if page in FIRST else pytest.mark.exhaustive, id=page.relative_to(ROOT).as_posix())
    for page in pages()
    if page not in ELSEWHERE and any(block.runs for block in blocks(page))
]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_run(page: Path, place: Place) -> None:
    """In order, in one folder; a block's output matches the page, except for numbers."""
    seen = ""
    for block in blocks(page):
        where = f"{name_of(page)}:{block.line}"
        if "save" in block.notes:
            (place.folder / block.notes["save"]).write_text(block.text)
        elif "prints" in block.notes:
            assert alike(block.text) == alike(seen), where
        elif "background" in block.notes:
            place.begin(block)
        elif block.runs and not not_run(block):
            code, seen = place.run(block)
            assert code == int(block.notes.get("exit", "0")), f"{where} ended with {code}:\n{seen}"


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_a_block_that_is_not_run_says_why(page: Path) -> None:
    """Authors who add one to the documentation must decide whether it runs."""
    assert [] == [block.line for block in blocks(page) if "not run" in block.notes and len(block.notes["not run"]) < 20]


def options_of(verb: str) -> set[str]:
    command = dict(commands())[verb]
    return {"--help", *(each for option in command.params for each in (*option.opts, *option.secondary_opts))}


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_command_on_a_page_exists(page: Path) -> None:
    """Its verb and its options exist, whether it is run or not."""
    verbs = sorted(dict(commands()), key=len, reverse=True)
    for block in blocks(page):
        for line in block.commands if block.language == "sh" else ():
            for found in re.findall(r"okx-rfq ([^|;&)]+)", line):
                verb = next((verb for verb in verbs if f"{found} ".startswith(f"{verb} ")), None)
                assert verb is not None, f"{name_of(page)}:{block.line}: {line}"
                words = shlex.split(found.partition(" -- ")[0])
                used = {word.partition("=")[0] for word in words if re.match(r"-\w|--\w", word)}
                assert used <= options_of(verb), f"{name_of(page)}:{block.line}: {line}"


def not_run(block: Block) -> bool:
    """A block may be skipped only because of what it would call."""
    return block.language == "sh" and any(word in block.text for word in NOT_RUN)


def test_a_clean_place_knows_no_key_of_this_machine(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that prints the environment shows the documentation's key."""
    monkeypatch.setitem(os.environ, "OKX_API_KEY", "of-this-machine")

    code, seen = place.run(Block(1, "sh", "echo $OKX_API_KEY\n"))

    assert (0, "...\n") == (code, seen)
