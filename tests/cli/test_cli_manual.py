"""The pages about the command: its current verbs, examples that work, a picture of a real run."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from support.command import okx_rfq
from support.manual import DOCS, MAN, PAGE, PICTURE, commands, manuals, page

from okx_rfq_plugin.cli.accounts import read_accounts

TEXT = PAGE.read_text(encoding="utf-8")
GUARD = (DOCS / "guard.md").read_text(encoding="utf-8")


def test_the_page_has_the_verbs_as_they_are() -> None:
    """Options, defaults and examples match the command; `python -m support.manual` generates them."""
    assert page(TEXT) == TEXT


def test_the_man_pages_have_the_verbs_as_they_are() -> None:
    """One for the whole command and one for each verb, and no others."""
    assert {file.name: file.read_text(encoding="utf-8") for file in MAN.iterdir()} == manuals()


def test_every_verb_tells_its_exit_codes() -> None:
    """In its help, where an operator looks first."""
    assert [] == [name for name, command in commands() if "Exit codes: " not in str(command.help)]


def test_the_file_of_accounts_on_the_page_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example is read without a complaint."""
    (example,) = re.findall(r"```toml\n(.*?)```", TEXT, flags=re.DOTALL)
    for variable in re.findall(r'"(\w+_(?:KEY|SECRET|PASSPHRASE))"', example):
        monkeypatch.setenv(variable, "dummy")
    file = tmp_path / "accounts.toml"
    file.write_text(example)
    accounts = read_accounts(file)

    assert [("live", ""), ("sandbox", "")] == [(account.destination.env, account.wrong) for account in accounts]


def test_the_page_names_every_key_of_the_json() -> None:
    """All keys of the JSON are documented."""
    receipt = json.loads(okx_rfq("cancel-all", "--env", "sandbox", "--json").stdout)

    assert [] == [key for key in receipt if f"`{key}`" not in TEXT]


def test_the_table_of_guards_codes_is_complete() -> None:
    """Each code that a guard can end with has a row or is in a range."""
    rows = re.findall(r"^\| (\S.*?) \| ", GUARD, flags=re.MULTILINE)

    assert ["exit code", "the command's, 0 to 202 and 205 to 255", "1", "128 + N", "137", "203", "204"] == rows


def test_the_picture_is_of_this_command() -> None:
    """An image, with the last line of a cancel on it."""
    drawn = PICTURE.read_text(encoding="utf-8")
    ElementTree.fromstring(drawn)  # noqa: S314 - our own text

    assert "okx-rfq&#160;cancel-all&#160;--env&#160;sandbox" in drawn
    assert "All&#160;active&#160;RFQs&#160;are&#160;canceled" in drawn
