"""This file corrects the clock that ccxt signs by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_MAX_CORRECTIONS = 2


class ClockOffset:
    """ccxt's clock offset (`options['timeDifference']`, ms), set by OKX's clock and put back where that was no help."""

    def __init__(self, exchange: Any) -> None:
        self._exchange = exchange
        self._corrections = 0
        self._before: dict[str, Any] | None = None

    @property
    def hopeful(self) -> bool:
        """Say whether another correction may be tried."""
        return self._corrections < _MAX_CORRECTIONS

    @property
    def corrected(self) -> bool:
        """Say whether a correction is in force."""
        return self._before is not None

    def ask(self) -> Callable[[int | None], None]:
        """Return what takes OKX's time in milliseconds, as soon as it is there; None and nonsense change nothing."""
        asked = self._exchange.milliseconds()

        def correct(server: int | None) -> None:
            if server is not None and self._exchange.iso8601(server) is not None:
                options = self._exchange.options
                self._before = {key: options[key] for key in ("timeDifference",) if key in options}
                options["timeDifference"] = (asked + self._exchange.milliseconds()) // 2 - server
                self._corrections += 1

        return correct

    def put_back(self) -> None:
        """Take the correction back; the offset from before is in force again."""
        if self._before is not None:
            self._exchange.options.pop("timeDifference", None)
            self._exchange.options.update(self._before)
            self._before = None
