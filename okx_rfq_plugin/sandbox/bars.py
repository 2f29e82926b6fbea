"""Candle openings: bars such as `1m`, `4H`, `1D` or `1Dutc`, and the times at which they begin.

Source: okx.com/docs-v5/en/#order-book-trading-market-data-get-candlesticks for the bars, and for 6H and longer opening
on UTC+8, or on UTC with `utc`. The docs do not say on which day a week opens, or from where 2D and 3D are counted. The
sandbox uses Monday and the Unix epoch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

_ZONED = ("6H", "12H", "1D", "2D", "3D", "1W", "1M", "3M")
BARS = ("1m", "3m", "5m", "15m", "30m", "1H", "2H", "4H", *_ZONED, *(f"{bar}utc" for bar in _ZONED))
HISTORY_BARS = ("1s", *BARS)

_SECONDS = {"s": 1, "m": 60, "H": 3600, "D": 86_400, "W": 7 * 86_400}
_MONDAY = 4 * 86_400_000  # the first Monday in Unix time, which began on a Thursday
_EAST = 8 * 3_600_000  # UTC+8


def openings(bar: str, last: int) -> Iterator[tuple[int, int]]:
    """Yield each candle's opening and end in Unix milliseconds, going back from the one that contains `last`."""
    count, unit, utc = _read(bar)
    shift = _EAST if bar in _ZONED else 0
    if unit == "M":
        yield from _months(count, last, timezone.utc if utc else timezone(timedelta(milliseconds=_EAST)))
        return
    step = count * _SECONDS[unit] * 1000
    shift -= _MONDAY if unit == "W" else 0
    opening = last - (last + shift) % step
    while opening >= 0:
        yield opening, opening + step
        opening -= step


def _months(count: int, last: int, zone: timezone) -> Iterator[tuple[int, int]]:
    begun = datetime.fromtimestamp(last / 1000, zone)
    months = (begun.year * 12 + begun.month - 1) // count * count
    while months >= 1970 * 12:
        opening, end = (
            int(datetime(each // 12, each % 12 + 1, 1, tzinfo=zone).timestamp() * 1000)
            for each in (months, months + count)
        )
        yield opening, end
        months -= count


def _read(bar: str) -> tuple[int, str, str]:
    match = re.fullmatch(r"([0-9]+)([smHDWM])(utc)?", bar)
    if match is None or bar not in HISTORY_BARS:
        raise ValueError(f"{bar!r} is no bar of OKX's")
    return int(match[1]), match[2], match[3] or ""
