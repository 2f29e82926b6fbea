"""Correction of the clock that ccxt signs by."""

from __future__ import annotations

from typing import Any

_MOST_CORRECTIONS = 2


class ClockOffset:
    """ccxt's clock offset (`options['timeDifference']`, ms): set from OKX's clock, restored if that did not help."""

    def __init__(self, exchange: Any) -> None:
        self._exchange = exchange
        self._corrections = 0
        self._before: dict[str, Any] | None = None
        self.untried = False  # whether no request has been sent since the last correction

    @property
    def can_be_corrected(self) -> bool:
        """Whether another correction may be tried."""
        return self._corrections < _MOST_CORRECTIONS

    @property
    def is_corrected(self) -> bool:
        """Whether a correction is in force."""
        return self._before is not None

    def correct(self, asked: int, server: int | None) -> None:
        """Set the offset.

        Args:
            asked: `exchange.milliseconds()` before OKX was asked.
            server: OKX's time in milliseconds; None and nonsense change nothing.
        """
        exchange = self._exchange
        if server is not None and exchange.iso8601(server) is not None:
            options = exchange.options
            self._before = {key: options[key] for key in ("timeDifference",) if key in options}
            options["timeDifference"] = (asked + exchange.milliseconds()) // 2 - server
            self._corrections += 1
            self.untried = True

    def put_back(self) -> None:
        """Undo the correction: restore the previous offset."""
        before = self._before
        if before is not None:
            if "timeDifference" not in before:
                self._exchange.options.pop("timeDifference", None)
            self._exchange.options.update(before)
            self._before = None
