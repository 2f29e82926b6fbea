"""Replacements for pip and tox when documentation is tested: they check that what is requested exists."""

from __future__ import annotations

import configparser
import itertools
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def pip(arguments: list[str]) -> None:
    """Check that the extras exist."""
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = re.findall(r"^([\w-]+) = \[", declared.partition("[project.optional-dependencies]")[2], re.MULTILINE)
    assert arguments[0] == "install", arguments
    for wanted in arguments[1:]:
        if found := re.fullmatch(r"(?:\.|okx-rfq-plugin)\[(.+)\]", wanted):
            assert set(found[1].split(",")) <= set(extras), wanted
        if wanted.endswith(".txt"):
            assert (ROOT / wanted).is_file(), wanted


def tox(arguments: list[str]) -> None:
    """Check that the environments and labels exist."""
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "tox.ini", encoding="utf-8")
    for option, name in itertools.pairwise(arguments):
        if option == "-m":
            assert f"{name} =" in config["tox"]["labels"], name
        if option == "-e":
            assert any(name in re.split(r"[{},:]", section) for section in config.sections()) or name == "py", name
        if option == "--":
            break


if __name__ == "__main__":
    {"pip": pip, "tox": tox}[sys.argv[1]](sys.argv[2:])
