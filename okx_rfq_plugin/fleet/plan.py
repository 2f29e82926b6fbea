"""When to cancel for an account from which nothing new is signed: at once, 2 s later, 31 s later, until clean."""

from __future__ import annotations

from okx_rfq_plugin.fleet.clocks import Reading
from okx_rfq_plugin.fleet.records import CERTAIN, ON_THE_WIRE

_PAUSE = 1.0  # seconds before a cancel that was not clean is repeated


class Plan:
    """The cancels that one account is due.

    A step is done when a clean cancel has *begun* at its time or later, so that one late cancel may do for several.

    Args:
        since: from when on nothing new is signed.
        longer: seconds that signatures may outlive OKX's 30 s, because they were ahead of OKX's clock.
        last: whether the last step is wanted.
        delay: seconds by which the last step is put off.
    """

    def __init__(self, since: Reading, *, longer: float = 0.0, last: bool = True, delay: float = 0.0) -> None:
        self.since = since
        self.longer = longer
        self.steps = [0.0, ON_THE_WIRE] + [CERTAIN + longer + delay] * last
        self.clean: bool | None = None  # how the last cancel ended; None while there was none
        self._begun: Reading | None = None
        self._ended: Reading | None = None

    @property
    def is_done(self) -> bool:
        """Whether every step was clean."""
        return not self.steps

    @property
    def is_running(self) -> bool:
        """Whether a cancel is on its way."""
        return self._begun is not None

    def is_due(self, now: Reading) -> bool:
        """Whether a cancel is to begin now."""
        if self.is_running or self.is_done or self.left(now) > 0:
            return False
        return self.clean is not False or self._ended is None or now.least_since(self._ended) >= _PAUSE

    def left(self, now: Reading) -> float:
        """Return the seconds until the next step, 0 where it is due or all is done."""
        return max(0.0, self.steps[0] - now.least_since(self.since)) if self.steps else 0.0

    def begin(self, now: Reading) -> None:
        """Note that a cancel begins."""
        self._begun = now

    def succeed(self, earlier: Plan) -> None:
        """Take the place of an earlier plan: what it still owes stays owed, at its time.

        Its cancel that is on its way began too early to count here.
        """
        shift = self.since.least_since(earlier.since)
        self.steps = sorted({*self.steps, *(step - shift for step in earlier.steps if step > shift)})
        self._begun = earlier._begun

    def end(self, now: Reading, *, clean: bool) -> None:
        """Note how the cancel that began last has ended."""
        if self._begun is not None and clean:
            begun = self._begun.least_since(self.since)
            self.steps = [step for step in self.steps if step > begun]
        self.clean, self._begun, self._ended = clean, None, now
