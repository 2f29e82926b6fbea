"""Writes the pictures: `python -m tools.pictures`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from .decision import decision
from .fleet import fleet
from .icon import icon
from .sequence import sequence

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
PICTURES: Mapping[str, Callable[[], str]] = MappingProxyType(
    {"one-cancel.svg": sequence, "who-is-told-what.svg": decision, "fleet.svg": fleet, "icon.svg": icon}
)


def main() -> None:
    """Write each picture."""
    FOLDER.mkdir(exist_ok=True)
    for name, draw in PICTURES.items():
        (FOLDER / name).write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
