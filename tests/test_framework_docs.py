"""The pages on frameworks: their code is in examples that run, and each has its example and environment."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "frameworks").glob("*.md")}
EXAMPLES = ROOT / "examples" / "frameworks"
SHOWN = [
    (page, block)
    for page, text in PAGES.items()
    for block in re.findall(r"```(?:python|ini|dockerfile)\n(.*?)```", text, flags=re.DOTALL)
]
FOLDERS = {path.parent.name for path in EXAMPLES.glob("*/test_*.py")}


@pytest.mark.parametrize(("page", "block"), SHOWN, ids=[page for page, _ in SHOWN])
def test_what_a_page_shows_is_in_its_example(page: str, block: str) -> None:
    """Verbatim, from a file in the folder that the page names."""
    (folder,) = set(re.findall(r"examples/frameworks/(\w+)", PAGES[page]))
    files = [path for path in (EXAMPLES / folder).rglob("*") if path.is_file() and path.suffix != ".pyc"]

    assert any(lines(block) in lines(path.read_text(encoding="utf-8")) for path in files)


def lines(text: str) -> str:
    """Return a text without indentation, which a page omits."""
    return "\n".join(line.strip() for line in text.splitlines()) + "\n"


def test_every_example_has_a_page_and_every_page_stands_in_the_index() -> None:
    """No match is accidental."""
    named = {folder for text in PAGES.values() for folder in re.findall(r"examples/frameworks/(\w+)", text)}

    assert named - {"services"} >= FOLDERS
    assert set(PAGES) - {"index"} == set(re.findall(r"\]\(([\w-]+)\.md\)", PAGES["index"]))


def test_every_example_is_run() -> None:
    """By `tox -e examples`, or by an environment with its name."""
    by_name = re.search(r"testenv:\{(freqtrade[\w,]*)\}", (ROOT / "tox.ini").read_text(encoding="utf-8"))
    assert by_name is not None
    together = re.findall(r"frameworks/(\w+)", (ROOT / "examples" / "pytest.ini").read_text(encoding="utf-8"))

    assert {*by_name[1].split(","), *together} == FOLDERS


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed here")
def test_the_unit_is_what_systemd_takes(tmp_path: Path) -> None:
    """Nothing in it is unknown or ignored; its programs are replaced with existing ones."""
    text = (EXAMPLES / "services" / "desk.service").read_text(encoding="utf-8")
    (tmp_path / "desk.service").write_text(
        text.replace("/opt/desk/bin/okx-rfq", "/bin/true").replace("User=desk\n", "")
    )
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / "desk.service")],  # noqa: S607 - wherever it is
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert "" == "\n".join(line for line in done.stderr.splitlines() if "desk.service" in line)
