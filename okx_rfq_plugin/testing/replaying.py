"""Replaying a cassette without pytest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from okx_rfq_plugin.testing.cassettes import find
from okx_rfq_plugin.testing.clocks import VirtualClock
from okx_rfq_plugin.testing.interactions import CassetteRequest
from okx_rfq_plugin.testing.making import DUMMIES, ExchangeMaker
from okx_rfq_plugin.testing.player import MATCHES, Match, Player
from okx_rfq_plugin.testing.reading import read
from okx_rfq_plugin.testing.stage import Refused, Stage
from okx_rfq_plugin.testing.wire import opened


class Replayed:
    """A replay without pytest: its requests so far, and a factory for exchanges in virtual time."""

    def __init__(self, player: Player, maker: ExchangeMaker, clock: VirtualClock) -> None:
        self._player = player
        self._clock = clock
        self.make_exchange = maker

    @property
    def requests(self) -> list[CassetteRequest]:
        """The requests replayed so far."""
        return self._player.requests

    @property
    def waits(self) -> list[float]:
        """The seconds that cancels of these exchanges would have waited, in order."""
        return self._clock.waits


@contextmanager
def replay(name: str | Path, *, match: Match = "body") -> Iterator[Replayed]:
    """Context manager that replays a cassette without pytest, for notebooks, hypothesis, and other test runners.

    Meanwhile, no request of an okx object leaves the machine. Exchanges created by the yielded object's `make_exchange`
    use virtual time; all others keep the machine's clock.

    Args:
        name: the name of a cassette that comes with this package, or the path of a file.
        match: "body" compares the bodies and queries of requests that create or cancel something; "path" compares none.

    Raises:
        Refused: a BaseException, for a request missing from the cassette: at the request, and again at the end if the
            strategy swallowed it. Also at the end, for interactions that were never requested.
        CassetteError: if the file is not a cassette.
        LookupError: if there is no such cassette.
    """
    if match not in MATCHES:
        raise ValueError(f"match is one of {', '.join(map(repr, MATCHES))}, not {match!r}")
    path = Path(name)
    if not path.exists():
        path = find(str(name))
    clock = VirtualClock()
    stage, player = Stage(), Player(read(path), match)
    stage.tape, stage.clock = player, clock
    maker = ExchangeMaker("cassette", DUMMIES, None, clock)
    try:
        with opened(stage):
            yield Replayed(player, maker, clock)
    finally:
        maker.close()
        stage.hear_children()
    if stage.violations:
        raise Refused("\n".join(stage.violations))
    if player.left_over:
        raise Refused(player.left_over)
