"""Resolves this package together with frameworks that its users run, with their own pins: `tox -e frameworks`.

Nothing is installed: uv reads only the metadata on PyPI, within seconds.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHON = "3.12"

# What a user has installed before adding this package.
FRAMEWORKS = ("octobot", "lumibot", "freqtrade", "vectorbt[full]")


def main() -> int:
    """Resolve each framework, print its ccxt version, and return 1 if one cannot have this package."""
    failed = [name for name in FRAMEWORKS if not _resolves(name)]
    return int(bool(failed))


def _resolves(framework: str) -> bool:
    alone, together = _pins(framework), _pins(framework, f"okx-rfq-plugin @ {ROOT.as_uri()}")
    if together is None or alone is None:
        print(f"{framework}: cannot be resolved {'alone' if alone is None else 'with okx-rfq-plugin'}")
        return False
    # This package must not change the version of the framework or of its ccxt.
    moved = sorted(pin for pin in alone if pin not in together)
    print(f"{framework}: {_pin_of('ccxt', together)}", *(f"without this package {pin}" for pin in moved), sep=", ")
    return not moved


def _pins(*requirements: str) -> list[str] | None:
    done = subprocess.run(
        ["uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python-version", PYTHON, "-"],  # noqa: S607 - of this environment
        input="\n".join(requirements),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        return None
    return [line for line in done.stdout.splitlines() if "==" in line]


def _pin_of(name: str, pins: list[str]) -> str:
    return next((pin for pin in pins if pin.startswith(f"{name}==")), f"no {name}")


if __name__ == "__main__":
    sys.exit(main())
