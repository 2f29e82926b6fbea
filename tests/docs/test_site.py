"""The parts of the site: pictures, README's links, and the lists of dependencies."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))  # after the installed package, which is the one to test

from tools.pictures.__main__ import FOLDER, PICTURES  # noqa: E402 - needs the line above
from tools.site.links import wrong_links  # noqa: E402

README = (ROOT / "README.md").read_text(encoding="utf-8")
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_as_it_is_drawn(name: str) -> None:
    """`python -m tools.pictures` generates them."""
    assert PICTURES[name]() == (FOLDER / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("picture", sorted((ROOT / "docs").rglob("*.svg")), ids=lambda path: path.stem)
def test_a_picture_loads_nothing_from_elsewhere(picture: Path) -> None:
    """No font, image or script, and a valid image for browsers."""
    text = picture.read_text(encoding="utf-8")
    ElementTree.fromstring(text)  # noqa: S314 - our own text

    assert [] == re.findall(r"url\(\s*[\"']?(?!#)[^)]*\)|href=\"[^#]|@import|<script|<image", text)


def test_readme_renders_on_a_package_index() -> None:
    """Fewer than 120 lines of 100 columns, only absolute links, and no image."""
    lines = README.splitlines()

    assert len(lines) < 120
    assert max(map(len, lines)) <= 100
    assert "![" not in README
    assert "<img" not in README
    targets = re.findall(r"\]\(([^)]+)\)|^\[[\w-]+\]: (\S+)$", README, flags=re.MULTILINE)
    assert [] == [target for pair in targets for target in pair if target and not target.startswith("https://")]


def test_readme_links_to_pages_that_there_are() -> None:
    """Each of its links into the site leads to a page in docs; each name is used and defined."""
    (base,) = re.findall(r'^"Documentation" = "(\S+)"', PYPROJECT, flags=re.MULTILINE)
    defined = dict(re.findall(r"^\[([\w-]+)\]: (\S+)$", README, flags=re.MULTILINE))
    used = set(re.findall(r"\]\[([\w-]+)\]", README))

    assert used == set(defined)
    for link in defined.values():
        page = link.removeprefix(base).removesuffix(".html")
        assert page != link, link
        assert [(ROOT / "docs" / f"{page}{suffix}").is_file() for suffix in (".md", ".rst")].count(True) == 1, link


def test_every_page_is_in_the_menu() -> None:
    """Readers cannot find a page that is in no menu."""
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    menus = set("\n".join(re.findall(r"```\{toctree\}\n(.*?)```", index, flags=re.DOTALL)).split())
    there_are = {
        page.relative_to(ROOT / "docs").with_suffix("").as_posix()
        for suffix in ("md", "rst")
        for page in (ROOT / "docs").rglob(f"*.{suffix}")
    }

    assert "frameworks/*" in menus
    assert {name for name in there_are - menus if not name.startswith("frameworks/")} == {"index"}


def test_links_are_checked_with_their_fragments(tmp_path: Path) -> None:
    """A missing page, a missing anchor, a host that is not allowed, an external font."""
    (tmp_path / "a.html").write_text('<p id="here"></p><a href="b.html#there"></a><a href="#here"></a>')
    (tmp_path / "b.html").write_text(
        '<a href="c.html"></a><a href="https://else.example/"></a><link href="//fonts.example/x.css"/>'
    )

    assert [
        "a.html links to b.html#there, and there is no such place on that page",
        "b.html links to c.html, which is not there",
        "b.html leads to https://else.example/",
        "b.html loads //fonts.example/x.css",
    ] == wrong_links(tmp_path)


def test_operators_install_what_the_package_declares() -> None:
    """Each dependency of the package, the command and the fleet is pinned, with hashes."""
    pinned = (ROOT / "operators.txt").read_text(encoding="utf-8")
    declared = PYPROJECT.partition("\ndependencies = [")[2].partition("fleet-demo = [")[0]
    names = re.findall(r'^ +"([a-z][\w-]+)', declared, flags=re.MULTILINE)

    assert {"ccxt", "click", "redis"} <= set(names)
    assert [] == [name for name in names if not re.search(rf"^{name}==\S+", pinned, flags=re.MULTILINE)]
    requirements = [each for each in re.split(r"\n(?=\w)", pinned) if each.strip()]
    assert [] == [each.split()[0] for each in requirements if "--hash=sha256:" not in each]


def test_the_table_of_versions_is_that_of_pyproject() -> None:
    """The oldest version of each package that pyproject.toml declares for users."""
    page = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\w, ]+?)(?: \(.+?\))? \| ([\d., ]+) \|", page, flags=re.MULTILINE)
    oldest = {name: old for names, olds in rows for name, old in zip(names.split(", "), olds.split(", "), strict=True)}
    declared = dict(
        re.findall(r'^ +"([\w-]+)>=([\d.]+)"', PYPROJECT.partition("[project.urls]")[0], flags=re.MULTILINE)
    )
    (python,) = re.findall(r'^requires-python = ">=([\d.]+)"', PYPROJECT, flags=re.MULTILINE)

    assert {"Python": python, **declared} == oldest


def test_no_page_says_that_the_site_is_there() -> None:
    """The address is not registered yet: README says so next to its links, and no other page links there."""
    pages = {path: path.read_text(encoding="utf-8") for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]}

    assert ["README.md"] == [path.name for path, text in pages.items() if "readthedocs.io/en" in text]
    assert "Neither package nor site is published yet" in README
