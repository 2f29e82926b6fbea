"""This file replays a cassette strictly: it refuses what the cassette does not hold, and says what was left over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from okx_rfq_plugin.testing.cassettes import is_kept, make_vcr, watch


class Replay:
    """A cassette that is being replayed; `misses` are the words of every refusal, whoever swallowed it."""

    def __init__(self, cassette: Any, path: Path, refuse: Callable[[str], NoReturn]) -> None:
        self.misses: list[str] = []
        self._cassette = cassette
        self._path = path
        self._refuse = refuse
        watch(cassette, self._check)

    @property
    def left_over(self) -> str | None:
        """Say in words what was never asked for; None where all was."""
        if self._cassette.all_played:
            return None
        return f"the cassette holds what was never asked for: {self._path}\n{self._held()}"

    def _check(self, request: Any, playable: bool) -> None:
        __tracebackhide__ = True  # as in watch()
        if not playable and is_kept(request.uri):
            self.misses.append(
                f"the cassette does not hold what was asked for: {self._path}\n"
                f"  asked: {request.method} {request.path}\n{self._held()}"
            )
            self._refuse(self.misses[-1])

    def _held(self) -> str:
        lines = [
            f"  holds: {request.method} {request.path}, HTTP {response['status']['code']}, "
            + ("replayed" if self._cassette.play_counts[number] else "not asked for")
            for number, (request, response) in enumerate(self._cassette.data)
        ]
        return "\n".join(lines) or "  holds: nothing"


@contextmanager
def replayed(path: Path, refuse: Callable[[str], NoReturn]) -> Iterator[Replay]:
    """Replay a cassette inside of this; other hosts than OKX's are not touched.

    Args:
        path: the file.
        refuse: raises for a request that the file does not hold; it is given the words.
    """
    with make_vcr().use_cassette(str(path)) as cassette:
        yield Replay(cassette, path, refuse)
