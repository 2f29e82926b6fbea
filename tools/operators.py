"""Pins an operator's dependencies with hashes: `python -m tools.operators` writes operators.txt. Requires uv."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXTRAS = ("--extra", "cli", "--extra", "fleet")
FORM = ("--universal", "--python-version", "3.10", "--generate-hashes", "--no-header", "--quiet", "--upgrade")
# uv is found on PATH.
COMMAND = ("uv", "pip", "compile", "pyproject.toml", *EXTRAS, *FORM, "-o", "operators.txt")


def main() -> None:
    """Resolve the command and the fleet for every supported Python, and write the result."""
    subprocess.run(COMMAND, cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
