"""Pins what an operator installs, with hashes: `python -m tools.operators` writes operators.txt. It needs uv."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Resolve the command and the fleet for every supported Python, and write what that comes to."""
    extras = ("--extra", "cli", "--extra", "fleet")
    form = ("--universal", "--python-version", "3.10", "--generate-hashes", "--no-header", "--quiet")
    subprocess.run(  # noqa: S607 - uv is where the environment has it
        ["uv", "pip", "compile", "pyproject.toml", *extras, *form, "--upgrade", "-o", "operators.txt"],
        cwd=ROOT,
        check=True,
    )


if __name__ == "__main__":
    main()
