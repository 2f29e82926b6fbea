"""When to cancel for an account that signs nothing new: immediately, 2 s later, 31 s later, until clean."""

from __future__ import annotations

from okx_rfq_plugin.fleet.clocks import Reading
from okx_rfq_plugin.fleet.records import CERTAIN, ON_THE_WIRE

_PAUSE = 1.0  # seconds until a cancel that was not clean is repeated


class Plan:
    """The cancels due for one account.

    A step is done when a clean cancel has *begun* at its time or later, so one late cancel may complete several.

    Args:
        since: the time after which nothing new is signed.
        longer: seconds that signatures may outlive OKX's 30 s, because they were ahead of OKX's clock.
        last: whether to include the last step.
        delay: seconds to add to the last step.
    """

    def __init__(self, since: Reading, *, longer: float = 0.0, last: bool = True, delay: float = 0.0) -> None:
        self.since = since
        self.longer = longer
        self.steps = [0.0, ON_THE_WIRE] + [CERTAIN + longer + delay] * last
        self.clean: bool | None = None  # whether the last cancel was clean; None before the first
        self._begun: Reading | None = None
        self._ended: Reading | None = None

    @property
    def is_done(self) -> bool:
        """Whether every step was clean."""
        return not self.steps

    @property
    def is_running(self) -> bool:
        """Whether a cancel is in progress."""
        return self._begun is not None

    def is_due(self, now: Reading) -> bool:
        """Return whether a cancel must begin now."""
        if self.is_running or self.is_done or self.left(now) > 0:
            return False
        return self.clean is not False or self._ended is None or now.least_since(self._ended) >= _PAUSE

    def left(self, now: Reading) -> float:
        """Return the seconds until the next step, 0 if it is due or all are done."""
        return max(0.0, self.steps[0] - now.least_since(self.since)) if self.steps else 0.0

    def begin(self, now: Reading) -> None:
        """Record that a cancel begins."""
        self._begun = now

    def succeed(self, earlier: Plan) -> None:
        """Replace an earlier plan. Its remaining steps stay due, at their own times.

        Its cancel in progress began too early to complete a step of this plan.
        """
        shift = self.since.least_since(earlier.since)
        self.steps = sorted({*self.steps, *(step - shift for step in earlier.steps if step > shift)})
        self._begun = earlier._begun

    def end(self, now: Reading, *, clean: bool) -> None:
        """Record the outcome of the latest cancel."""
        if self._begun is not None and clean:
            begun = self._begun.least_since(self.since)
            self.steps = [step for step in self.steps if step > begun]
        self.clean, self._begun, self._ended = clean, None, now
