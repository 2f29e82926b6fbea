"""Rare cases of the test kit: odd cassettes, odd bodies, and patches that other code has replaced."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

import okx_rfq_plugin.testing
from okx_rfq_plugin.testing import players
from okx_rfq_plugin.testing.patches import Patches
from okx_rfq_plugin.testing.reading import CassetteError, read


def written(folder: Path, text: str) -> Path:
    path = folder / "odd.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_cassette_that_is_nested_without_end_is_none(tmp_path: Path) -> None:
    """It says so, and does not end a test with RecursionError."""
    path = written(tmp_path, "interactions: " + "[" * 990 + "]" * 990)

    with pytest.raises(CassetteError, match="nested too deeply"):
        read(path)


def test_a_cassette_without_any_interaction_is_empty(tmp_path: Path) -> None:
    """YAML has null for an omitted list."""
    assert [] == read(written(tmp_path, "interactions:\n")).interactions


def test_the_names_of_the_kit_are_listed() -> None:
    """`dir()` shows those that are imported on first use."""
    assert set(okx_rfq_plugin.testing.__all__) <= set(dir(okx_rfq_plugin.testing))


def test_a_patch_replaced_by_other_code_is_left_alone() -> None:
    """A patch is undone only if it is still in force."""
    holder = SimpleNamespace(name="before")
    patches = Patches()
    patches.replace(holder, "name", "ours")
    holder.name = "theirs"

    patches.undo()

    assert "theirs" == holder.name


@pytest.mark.parametrize(
    ("body", "read_as"), [(None, None), (b"a", b"a"), ("a", b"a"), ([b"a", b"b"], b"ab"), (json, None)]
)
def test_the_body_of_a_request_is_read_in_every_form(body: object, read_as: bytes | None) -> None:
    """As requests and aiohttp accept it; a body that can be read only once is not."""
    assert read_as == players._bytes(body)
