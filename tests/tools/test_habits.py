"""The repository's own rules: who imports whom among the tests, and lists that must agree."""

from __future__ import annotations

import ast
import configparser
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))


def imports_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_no_test_module_imports_another(path: Path) -> None:
    """Shared code is in tests/support, so that each test file can be read, moved and run alone."""
    others = {other.stem for other in TESTS}

    assert {name for name in imports_of(path) if others & set(name.split("."))} == set()


def test_ci_runs_what_the_label_names() -> None:
    """The public workflow and `tox -m matrix` run the same environments."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    label = tox["tox"]["labels"].partition("matrix =")[2].splitlines()[0]
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    listed = re.findall(r"env: \[(.+)\]", workflow)

    assert [name.strip() for name in label.split(",")] == [name.strip() for name in listed[0].split(",")]
