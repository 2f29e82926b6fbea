"""The record of one call: what was sent for it, what came back, and therefore what is true if it ends now."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from ccxt.base.errors import BaseError, RequestTimeout

from okx_rfq_plugin._core import policy
from okx_rfq_plugin._core.clock import Clock
from okx_rfq_plugin._core.clock_offset import ClockOffset
from okx_rfq_plugin._core.endpoints import CANCEL_ALL_RFQS
from okx_rfq_plugin._core.identity import key_of
from okx_rfq_plugin._core.logs import log, logger
from okx_rfq_plugin._core.outcome import Outcome
from okx_rfq_plugin._core.records import CancelFailure, add_facts
from okx_rfq_plugin._core.single_flight import Flight
from okx_rfq_plugin._core.verdict import Meaning, classify
from okx_rfq_plugin._core.wording import Words, advice, message, reason

# Called before each wait: method name, exchange, number of the attempt that failed, the error that the call would raise
# now, and the wait in seconds.
Report = Callable[[str, Any, int, BaseError, float], None]

_SECRETS = ("apiKey", "secret", "password")
_RETRIED = (Meaning.RATE_LIMITED, Meaning.UNAVAILABLE, Meaning.UNKNOWN)
_NOTHING_YET = Outcome(CANCEL_ALL_RFQS, classify(CANCEL_ALL_RFQS, None, None), None, None, False, False)


# The calls begun by the method that this thread or task is running; an interrupt that strikes outside of a call finds
# them here.
begun: ContextVar[list[Call]] = ContextVar("okx_rfq_begun")


class Call:
    """One call of one of the package's methods.

    Each fact has one writer. Callers append to `flights`, from which the doubt is derived; `begin` counts `attempts`;
    `take` records every outcome.
    """

    def __init__(self, exchange: Any, clock: Clock, words: Words, report: Report) -> None:
        self.exchange = exchange
        self.clock = clock
        self.words = words
        self.policy: policy.RetryPolicy = getattr(exchange, policy.POLICY, None) or policy.DEFAULT
        self.key = key_of(exchange)
        self.offset = ClockOffset(exchange)
        self.timeout = self.policy.attempt_timeout  # seconds, of the next attempt
        self.attempts = 0
        self.failures = 0  # attempts with any outcome but a rate limit
        self.flights: list[Flight] = []  # of requests that change something at OKX
        self.outcomes: list[Outcome] = []  # of those requests, as far as this caller knows them
        self.last = _NOTHING_YET  # the outcome that decides how the call ends
        self.remaining: tuple[str, ...] | None = None  # ids that OKX lists as active
        self.filling: tuple[str, ...] | None = None  # ids that OKX lists as being executed
        self.waited: float  # seconds that the last attempt spent waiting for a reply that did not come
        self._report = report
        self._failure: BaseError | None = None
        self._ended_by: BaseException | None = None
        self._started = clock.now()
        begun.get([]).append(self)

    @property
    def elapsed(self) -> float:
        """Seconds since the call."""
        return round(self.clock.now() - self._started, 6)

    @property
    def late(self) -> bool:
        """Whether no further attempt may start."""
        return self.elapsed >= self.policy.deadline

    def begin(self, *, changes: bool) -> None:
        """Count an attempt, by this caller or by a leader for it."""
        self.attempts += 1
        if changes:
            self.remaining = self.filling = None  # the list is out of date now

    def take(self, outcome: Outcome, *, decides: bool = True) -> None:
        """Record an outcome, of the caller's own request or of a leader's."""
        timed_out = outcome.reply is None and outcome.sent and isinstance(outcome.error, RequestTimeout)
        self.failures += outcome.verdict.meaning is not Meaning.RATE_LIMITED
        self.waited = self.timeout if timed_out else 0.0
        self.timeout *= 1 + timed_out
        if outcome.verdict.meaning is Meaning.CLOCK:
            self.offset.put_back()
        if not outcome.endpoint.reads:
            self.outcomes.append(outcome)
        if decides:
            self.last = outcome
        if logger.isEnabledFor(logging.DEBUG):
            log(logging.DEBUG, "attempt %d: %s: %s", self.attempts, outcome.verdict.meaning.value, self.reason(outcome))

    def repeats(self, outcome: Outcome) -> bool:
        """Return whether this outcome calls for another attempt."""
        if outcome.verdict.meaning is Meaning.CLOCK:
            return self.offset.can_be_corrected or self.offset.is_corrected
        return outcome.verdict.meaning in _RETRIED

    def backoff(self, outcome: Outcome) -> float:
        """Return the seconds to wait before the next attempt, not counting OKX's limit."""
        if outcome.verdict.meaning is Meaning.DONE:
            return 0.0
        if outcome.verdict.meaning is Meaning.CLOCK and self.offset.is_corrected:
            return 0.0
        if self.failures == 1 and outcome.broke_off:
            return 0.0
        return self.policy.wait(outcome.verdict.meaning, self.failures, self.waited)

    def facts(self) -> CancelFailure:
        """Return what is known if the call ends here."""
        in_doubt = any(flight.in_doubt for flight in self.flights)
        attempts = max(self.attempts, int(in_doubt))
        return CancelFailure(
            self.last.verdict.code,
            attempts,
            self.elapsed,
            may_be_canceled=in_doubt,
            remaining=self.remaining,
            filling=self.filling,
        )

    def message(self, reason: str) -> str:
        """Return what is true if the call ends here, and why."""
        return message(self.exchange.id, self.words, self.facts(), reason)

    def reason(self, outcome: Outcome) -> str:
        """Return the outcome in words, without secrets."""
        return reason(outcome, tuple(getattr(self.exchange, name, None) for name in _SECRETS))

    def failure(self, raises: type[BaseError] | None = None) -> BaseError:
        """Return the exception that says how the call ended."""
        raises = raises or self.last.verdict.raises
        text = self.message(f"{self.reason(self.last)}. {advice(raises, self.words)}")
        # Without __init__: a subclass from elsewhere may require other arguments.
        error: Any = raises.__new__(raises, text)
        error.cancel_failure = self.facts()
        # If a reply arrived, ccxt's error quotes all of it, including any secret that a proxy echoes.
        error.__cause__ = self.last.error if self.last.reply is None else None
        failed: BaseError = error
        self._failure = failed
        return failed

    def retrying(self, outcome: Outcome, wait: float) -> None:
        """Log and report the wait before the next attempt."""
        if outcome.endpoint.reads and self.words.method != "fetch_open_rfqs":  # not an attempt to cancel
            what = f"{self.exchange.id} {self.words.method}()"
            log(
                logging.WARNING,
                "%s: what is left could not be read: %s. Again in %.2f s.",
                what,
                self.reason(outcome),
                wait,
            )
        elif outcome.verdict.meaning is not Meaning.DONE:
            text = self.message(self.reason(outcome))
            log(logging.WARNING, "%s. Next attempt in %.2f s, or as OKX's limit allows.", text, wait)
            self._report(self.words.method, self.exchange, self.attempts, self.failure(), wait)

    def end(self, error: BaseException) -> None:
        """Attach the facts to the exception that ends the call, unless it is the call's own failure; log it once."""
        if error is self._ended_by:
            return
        if error is self._failure:
            text = str(error)
        else:
            text = self.message(f"interrupted by {type(error).__name__} before OKX's answer was known.")
            add_facts(error, self.facts(), text)
        self._ended_by = error
        log(logging.ERROR, "%s", text)


def attach(call: Call | None, error: BaseException) -> None:
    """Attach the facts to the exception that ends a call; `call` is None if it had not begun."""
    if call is not None:
        call.end(error)
    elif not hasattr(error, "cancel_failure"):
        nothing = CancelFailure(code=None, attempts=0, elapsed=0.0, may_be_canceled=False)
        add_facts(error, nothing, "Nothing was sent: interrupted before the first attempt.")
