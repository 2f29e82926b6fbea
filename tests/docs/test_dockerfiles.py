"""The Dockerfiles of the documentation, checked as far as possible without building them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [
    (path.relative_to(ROOT).as_posix(), block)
    for path in sorted((ROOT / "docs").rglob("*.md"))
    for block in re.findall(r"```dockerfile\n(.*?)```", path.read_text(encoding="utf-8"), flags=re.DOTALL)
]
INSTRUCTIONS = {"FROM", "RUN", "ENV", "COPY", "USER", "WORKDIR", "ENTRYPOINT", "CMD"}
EACH = pytest.mark.parametrize(("page", "text"), FILES, ids=[page for page, _ in FILES])


def instructions(text: str) -> list[tuple[str, str]]:
    """Return the instructions and their arguments."""
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines]


@EACH
def test_it_is_read_as_it_is_meant(page: str, text: str) -> None:
    """It begins with an image, has only valid instructions, and one entry point without a shell."""
    found = instructions(text)

    assert found[0][0] == "FROM"
    assert {name for name, _ in found} <= INSTRUCTIONS
    assert ["ENTRYPOINT"] == [name for name, _ in found if name == "ENTRYPOINT"]
    for name, arguments in found:
        if name in ("ENTRYPOINT", "CMD"):
            assert all(isinstance(word, str) for word in json.loads(arguments)), arguments


@EACH
def test_what_it_installs_is_there(page: str, text: str) -> None:
    """Only this package with existing extras, in one layer, without pip's cache, quoted for the shell."""
    (run,) = [arguments for name, arguments in instructions(text) if name == "RUN"]
    asked = re.fullmatch(r"pip install --no-cache-dir (--user )?'okx-rfq-plugin\[([\w,]+)\]'", run)

    assert asked is not None, run
    assert set(asked[2].split(",")) <= {*(metadata("okx-rfq-plugin").get_all("Provides-Extra") or ())}


@EACH
def test_its_entry_point_is_a_command_that_the_guard_takes(page: str, text: str, tmp_path: Path) -> None:
    """Without keys, the guard says so and starts nothing: 203, not the 2 of a wrong option."""
    words = [
        word
        for name, arguments in instructions(text)
        if name in ("ENTRYPOINT", "CMD")
        for word in json.loads(arguments)
    ]
    assert words[0] == "okx-rfq"

    done = subprocess.run(
        [sys.executable, "-m", "okx_rfq_plugin", *words[1 : words.index("--")], "--", sys.executable],
        cwd=tmp_path,
        env={"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert 203 == done.returncode, done.stderr
    assert "OKX_API_KEY, OKX_API_SECRET, OKX_PASSPHRASE are not set" in done.stderr
