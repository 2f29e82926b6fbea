"""The documentation's code blocks, and a clean environment to run them in.

A comment before a block says how to run it: `<!-- save: NAME -->` saves it as a file, `<!-- prints -->` compares it
with the output of the block before, `<!-- background -->` runs it alongside the blocks that follow, `<!-- exit: N -->`
gives its exit code, and `<!-- not run: WHY -->` skips it.
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from okx_rfq_plugin.sandbox import Sandbox
from support.command import PATIENCE, environment, in_okxs_place, keys

ROOT = Path(__file__).parents[2]
KEY = {"apiKey": "...", "secret": "...", "password": "..."}  # the documentation's placeholders

_FENCE = re.compile(r"^```(\w*)\s*$")
_NOTE = re.compile(r"^<!-- ([a-z ]+?)(?:: (.*))? -->$")
_COMMAND = re.compile(r"^    (?=(?:pip|tox|okx-rfq|python|eval|OKX_\w+=)\b)")

# Commands that are checked but not run, with the reason.
NOT_RUN = {
    "okx-rfq drill": "takes a minute; tests/cli/test_drill.py runs it",
    "okx-rfq fleet": "needs a store; tests/fleet runs it",
    "OKX_RFQ_FLEET=": "needs a store; tests/fleet does so",
}
_ENDLESS = ("okx-rfq sandbox", "--watch")


@dataclass(frozen=True)
class Block:
    """One block: where it begins, its language, its text, and the comments before it."""

    line: int
    language: str
    text: str
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def runs(self) -> bool:
        """Whether it is code to run."""
        return self.language in ("python", "sh") and not {"not run", "save"} & set(self.notes)

    @property
    def commands(self) -> list[str]:
        """The commands of a shell block, without comments."""
        lines = re.sub(r"\\\n\s*", "", self.text).splitlines()
        return [line.partition(" #")[0].strip() for line in lines if line.strip() and not line.startswith("#")]


def pages() -> list[Path]:
    """Return every page for readers. Those about frameworks have separate tests."""
    shown = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
    return shown + sorted(page for page in (ROOT / "docs").rglob("*.md") if "frameworks" not in page.parts)


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page."""
    lines = page.read_text(encoding="utf-8").splitlines()
    notes: dict[str, str] = {}
    number = 0
    while number < len(lines):
        line = lines[number]
        if found := _NOTE.match(line):
            notes[found[1]] = found[2] or ""
        elif found := _FENCE.match(line):
            end = lines.index("```", number + 1)
            yield Block(number + 1, found[1], "\n".join(lines[number + 1 : end]) + "\n", notes)
            notes, number = {}, end
        elif line.startswith("```"):  # a directive for Sphinx
            number = lines.index("```", number + 1)
        elif _COMMAND.match(line) and not lines[number - 1].strip():
            end = next((n for n in range(number, len(lines)) if not lines[n].startswith("    ")), len(lines))
            yield Block(number + 1, "sh", "\n".join(each[4:] for each in lines[number:end]) + "\n", notes)
            notes, number = {}, end - 1
        elif line.strip():
            notes = {}
        number += 1


class Place:
    """A folder with a shell and a Python, where OKX's host is a sandbox. `pip` and `tox` only check their arguments."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.folder.mkdir()
        (self.folder / "strategy.py").write_text("print('the strategy')\n")
        self._bin = folder / "bin"
        self._bin.mkdir()
        for name in ("pip", "tox"):
            self._tool(name, f'exec "{sys.executable}" "{Path(__file__).parent / "lookers.py"}" {name} "$@"')
        self._tool("python", f'exec "{sys.executable}" "$@"')
        self._tool("okx-rfq", f'exec "{sys.executable}" -m okx_rfq_plugin "$@"')
        self._background: list[subprocess.Popen[bytes]] = []
        self.sandbox = Sandbox()
        self.sandbox.start()
        self.sandbox.create_user(demo=False, credentials=KEY)
        stand_in = folder / "site"
        stand_in.mkdir()
        self._env = environment(
            **{
                **in_okxs_place(stand_in, self.sandbox),
                **keys(KEY),
                "PATH": f"{self._bin}{os.pathsep}{os.environ['PATH']}",
                "TERM": "dumb",
                "COLUMNS": "120",
                "PYTHONPATH": os.pathsep.join([str(stand_in), *filter(None, [os.environ.get("PYTHONPATH")])]),
            }
        )

    def run(self, block: Block) -> tuple[int, str]:
        """Run a block, with one RFQ active; return its exit code and output."""
        self.sandbox.clear()
        self.sandbox.create_rfq(credentials=KEY)
        if block.language == "sh":
            return self._on_a_terminal(
                ["/bin/bash", "-c", block.text], endless=any(each in block.text for each in _ENDLESS)
            )
        (self.folder / "block.py").write_text(block.text)
        if "def test_" not in block.text:
            return self._on_a_terminal(["python", "block.py"])
        (self.folder / "test_block.py").write_text(block.text)
        return self._on_a_terminal(["python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_block.py"])

    def begin(self, block: Block) -> None:
        """Start a block in the background; return once it has printed something."""
        process = subprocess.Popen(
            ["/bin/bash", "-c", f"exec {block.text}"], cwd=self.folder, env=self._env, stdout=subprocess.PIPE
        )
        self._background.append(process)
        assert process.stdout is not None
        assert process.stdout.readline()

    def close(self) -> None:
        """Stop everything that is running."""
        for process in self._background:
            process.send_signal(signal.SIGINT)
            process.communicate()
        self.sandbox.close()

    def _tool(self, name: str, line: str) -> None:
        file = self._bin / name
        file.write_text(f"#!/bin/sh\n{line}\n")
        file.chmod(0o755)

    def _on_a_terminal(self, command: list[str], *, endless: bool = False) -> tuple[int, str]:
        near, far = pty.openpty()
        process = subprocess.Popen(
            command, cwd=self.folder, env=self._env, stdin=far, stdout=far, stderr=far, start_new_session=True
        )
        os.close(far)
        try:
            return self._read(process, near, endless)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            os.close(near)

    def _read(self, process: subprocess.Popen[bytes], near: int, endless: bool) -> tuple[int, str]:
        """Answer each question with yes, and press Ctrl+C if the command does not end on its own."""
        seen, asked = "", 0
        deadline = time.monotonic() + 2 * PATIENCE
        while time.monotonic() < deadline:
            ended = process.poll() is not None  # its child processes may keep the terminal open
            if select.select([near], [], [], 0.1)[0]:
                try:
                    read = os.read(near, 65536)
                except OSError:  # on Linux, when the far end is closed
                    read = b""
                seen += read.decode(errors="replace").replace("\r\n", "\n")
                if not read:
                    break
            elif ended:
                break
            if seen.count("[y/N]") > asked:
                asked += 1
                os.write(near, b"y\n")
            if endless and "\n" in seen:
                endless = False
                os.killpg(process.pid, signal.SIGINT)
        return process.wait(PATIENCE), seen


def alike(text: str) -> str:
    """Return a text with every number replaced, and widths normalized."""
    return "\n".join(" ".join(re.sub(r"\d+(\.\d+)?", "N", line).split()) for line in text.strip().splitlines())
