"""Determines what answers in a test: the sandbox, a cassette, or OKX demo trading while recording."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from okx_rfq_plugin.testing.names import NAMES

if TYPE_CHECKING:
    from okx_rfq_plugin.testing.player import Match
    from okx_rfq_plugin.testing.reading import Cassette

_MARKER = "okx_rfq_cassette"


@dataclass(frozen=True)
class Source:
    """What answers ("cassette", "sandbox" or "demo"), and the cassette to read or to write, if any."""

    environment: str
    path: Path | None = None
    cassette: Cassette | None = None
    match: Match = "body"

    @property
    def records(self) -> bool:
        """Whether a cassette is being written."""
        return self.path is not None and self.cassette is None

    def too_old(self, most: int) -> str | None:
        """Return a description if the cassette is over `most` days old, unless it comes with this package."""
        from okx_rfq_plugin.testing.cassettes import is_own

        assert self.cassette is not None  # noqa: S101 - for the type checker
        days = self.cassette.age
        if days is None or days <= most or is_own(self.cassette.path):
            return None
        return f"{self.cassette.path}: {self.cassette.described}, {days} days ago"


def find_source(
    node: pytest.Item, marker: pytest.Mark | None, folder: Any, *, record: str | None, rewrite: bool
) -> Source:
    """Return what answers. A marker that cannot be followed fails the test, with a message that says what to do."""
    if marker is None:
        return Source("sandbox")
    name, match = _arguments(node, marker)
    if find_spec("vcr") is None or find_spec("yaml") is None:
        pytest.fail(
            f"@pytest.mark.{_MARKER} needs vcrpy, which is not installed: pip install 'okx-rfq-plugin[testing]'",
            pytrace=False,
        )
    if not isinstance(folder, Path):
        pytest.fail(f"the fixture okx_rfq_cassette_dir returns a pathlib.Path, a folder, not {folder!r}", pytrace=False)
    path = folder / name.removesuffix(".yaml")
    path = path.with_name(path.name + ".yaml")
    from okx_rfq_plugin.testing.cassettes import find
    from okx_rfq_plugin.testing.reading import CassetteError, read

    if record and (rewrite or not path.exists()) and not (name in NAMES and not path.exists()):
        return Source(record, path, match=match)
    if not path.exists() and name in NAMES:
        path = find(name)
    if not path.exists():
        pytest.fail(
            f"there is no cassette {path}, and none of that name comes with okx-rfq-plugin, which has "
            f"{', '.join(NAMES)}. To write it: pytest --okx-rfq-record=sandbox",
            pytrace=False,
        )
    try:
        return Source("cassette", path, read(path), match)
    except CassetteError as error:
        words = str(error)
    pytest.fail(words, pytrace=False)


def _arguments(node: Any, marker: pytest.Mark) -> tuple[str, Match]:
    kwargs = dict(marker.kwargs)
    match = kwargs.pop("match", "body")
    args = marker.args or ((kwargs.pop("name"),) if "name" in kwargs else ())
    if kwargs or len(args) > 1 or (args and not isinstance(args[0], (str, Path))) or (args and not str(args[0])):
        pytest.fail(
            f"@pytest.mark.{_MARKER} takes one name or path, as in {_MARKER}('canceled'), or none, "
            'and match="body" or match="path"',
            pytrace=False,
        )
    if match not in ("body", "path"):
        pytest.fail(f'@pytest.mark.{_MARKER}: match is "body" or "path", not {match!r}', pytrace=False)
    return (str(args[0]) if args else _own_name(node)), match


def _own_name(node: Any) -> str:
    cls = getattr(node, "cls", None)
    name = node.name if cls is None else f"{cls.__name__}.{node.name}"
    return re.sub(r"[^\w.\-\[\]]", "_", name)
