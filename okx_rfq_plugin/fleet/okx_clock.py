"""A member's estimate of OKX's clock, for how far its signatures are ahead. OKX refuses them when 30 s old."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from okx_rfq_plugin.fleet import clocks
from okx_rfq_plugin.fleet.accounts import sync_twin

logger = logging.getLogger("okx_rfq_plugin")

_DOUBT = 1.0  # seconds by which two clocks of this machine may drift apart before OKX is asked again
_AGAIN = 5.0  # seconds between two requests

Ask = Callable[[], int]


class OkxClock:
    """OKX's clock, known from one reply and advanced with CLOCK_BOOTTIME.

    The estimate is never later than OKX's real time: a reply takes time, and CLOCK_BOOTTIME stops while a virtual
    machine is paused. So a signature is never taken to be less far ahead than it is. When the wall clock and
    CLOCK_BOOTTIME drift apart, as after such a pause, OKX is asked again.

    Args:
        ts: OKX's time, Unix milliseconds.
        at: this machine's clocks when the reply arrived.
        ask: asks OKX for its time, on any thread; None to rely on the first reply.
        read: reads this machine's clocks.
    """

    def __init__(
        self,
        ts: int,
        at: clocks.Reading,
        ask: Ask | None = None,
        read: Callable[[], clocks.Reading] = clocks.read,
    ) -> None:
        self._ask, self._read = ask, read
        self._asked: clocks.Reading | None = None
        self.learn(ts, at)

    def learn(self, ts: int, at: clocks.Reading) -> None:
        """Apply a reply."""
        self._known = ts / 1000, at

    def ahead(self, exchange: Any) -> float:
        """Return the seconds that an exchange object's signature would be ahead of OKX now; negative if behind.

        ccxt signs with the wall clock minus its `timeDifference`.
        """
        ts, at = self._known
        return float(exchange.nonce()) / 1000 - (ts + self._read().boot - at.boot)

    @property
    def has_parted(self) -> bool:
        """Whether this machine's clocks have drifted apart since the reply."""
        now, (_, at) = self._read(), self._known
        return abs((now.wall - at.wall) - (now.boot - at.boot)) > _DOUBT

    def check(self) -> None:
        """Ask OKX again if the estimate may be wrong by now. Does not block."""
        now = self._read()
        late = self._asked is None or now.least_since(self._asked) >= _AGAIN
        if late and self._ask is not None and self.has_parted:
            self._asked = now
            threading.Thread(target=self._ask_again, args=(self._ask,), name="okx-rfq-fleet-time", daemon=True).start()

    def _ask_again(self, ask: Ask) -> None:
        try:
            ts = ask()
            self.learn(ts, self._read())
        except Exception as error:  # asked again later; until then, signatures count as further ahead than they are
            logger.info("fleet: OKX did not tell its time (%s)", type(error).__name__)


def clock_of(exchange: Any) -> OkxClock | None:
    """Ask OKX for its time; return None if it does not say.

    Source: okx.com/docs-v5/en/#public-data-rest-api-get-system-time
    """
    try:
        ts = _ts(exchange.public_get_public_time())
    except Exception:  # then the longest time is assumed
        return None
    return OkxClock(ts, clocks.read(), lambda: _asked_by_twin(exchange))


async def clock_of_async(exchange: Any) -> OkxClock | None:
    """Async version of `clock_of`."""
    try:
        ts = _ts(await exchange.public_get_public_time())
    except Exception:  # as above
        return None
    return OkxClock(ts, clocks.read(), lambda: _asked_by_twin(exchange))


def _asked_by_twin(exchange: Any) -> int:
    twin = sync_twin(exchange)  # other threads are using the exchange itself
    try:
        return _ts(twin.public_get_public_time())
    finally:
        twin.session.close()


def _ts(reply: Any) -> int:
    return int(reply["data"][0]["ts"])
