"""The page about the command: the verbs as they are, examples that work, a picture of a real run."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from support.manual import PAGE, PICTURE, page
from test_cli import run

from okx_rfq_plugin.cli.accounts import read_accounts

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_page_has_the_verbs_as_they_are() -> None:
    """Options, defaults and examples are those of the command; `python tests/manual.py` writes them."""
    assert page(TEXT) == TEXT


def test_the_file_of_accounts_on_the_page_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example is read without a complaint."""
    (example,) = re.findall(r"```toml\n(.*?)```", TEXT, flags=re.DOTALL)
    for variable in re.findall(r'"(\w+_(?:KEY|SECRET|PASSPHRASE))"', example):
        monkeypatch.setenv(variable, "dummy")
    file = tmp_path / "accounts.toml"
    file.write_text(example)

    assert ["live", "sandbox"] == [account.destination.env for account in read_accounts(file)]


def test_the_page_names_every_key_of_the_json() -> None:
    """Nobody has to guess what a machine reads."""
    shown = run("cancel-all", "--env", "sandbox", "--json").stdout

    assert [] == [key for key in re.findall(r'"(\w+)": ', shown.partition('"info"')[0]) if f"`{key}`" not in TEXT]


def test_the_picture_is_of_this_command() -> None:
    """An image, with the last line of a cancel on it."""
    drawn = PICTURE.read_text(encoding="utf-8")
    ElementTree.fromstring(drawn)  # noqa: S314 - our own text

    assert "okx-rfq&#160;cancel-all&#160;--env&#160;sandbox" in drawn
    assert "All&#160;RFQs&#160;are&#160;canceled" in drawn
