"""Which changes may survive, and whether a run passes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import tomllib

LEAST = 0.95  # fraction of all changes that must be noticed
EQUIVALENT = Path(__file__).with_name("equivalent.toml")
MODULE = "the module"  # the place of code outside of functions and classes


class Place(NamedTuple):
    """The place of a change: a file of the package, and the function or class in it, or MODULE."""

    file: str
    function: str


class Survivor(NamedTuple):
    """A change that no test noticed."""

    file: str
    function: str
    line: int
    diff: str

    @property
    def place(self) -> Place:
        """Its key in equivalent.toml, without line number or code, which any edit would change."""
        return Place(self.file, self.function)

    def __str__(self) -> str:
        return f"{self.file}, {self.function}, line {self.line}\n{self.diff}\n"


def judge(
    total: int, noticed: int, survivors: Sequence[Survivor], files: Collection[str], path: Path = EQUIVALENT
) -> int:
    """Print unexplained survivors and unused explanations; return the exit code."""
    if not total:
        print("Nothing was changed, so nothing is proven.")
        return 1
    allowed, unexplained = allowances(files, path), []
    for survivor in survivors:
        if allowed[survivor.place] > 0:
            allowed[survivor.place] -= 1
        else:
            unexplained.append(survivor)
    print(*(f"Survived without a reason: {survivor}\n" for survivor in unexplained), sep="", end="")
    unused = {place: count for place, count in allowed.items() if count}
    print(
        *(f"Has a reason, but did not survive: {count} in {place}\n" for place, count in unused.items()), sep="", end=""
    )
    print(f"{noticed} of {total} changes noticed ({noticed / total:.1%}, to be {LEAST:.0%} at least), ", end="")
    print(f"{len(survivors)} survivors, {len(unexplained)} of them without a reason in equivalent.toml")
    return int(bool(unexplained) or bool(unused) or noticed < LEAST * total)


def allowances(files: Collection[str], path: Path) -> Counter[Place]:
    """Return how many changes equivalent.toml lets survive in each place.

    Raises:
        KeyError, ValueError: if an entry lacks its file, function or reason.
    """
    allowed = Counter[Place]()
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("equivalent", []):
        if not entry["reason"].strip():
            raise ValueError(f"no reason is given for {entry}")
        if entry["file"] in files:
            allowed[Place(entry["file"], entry["in"])] += entry.get("count", 1)
    return allowed
