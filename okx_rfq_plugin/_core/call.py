"""This file runs one call of a user's on OKX: what is sent, when again, and how it is put into words; it sends nothing.

Two loops that differ by `await` alone send for it, in `cancel.py`.
"""

from __future__ import annotations

import copy
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, NamedTuple

from ccxt.base.errors import (
    AccountSuspended,
    AuthenticationError,
    BaseError,
    ExchangeClosedByUser,
    InvalidNonce,
    OperationFailed,
    PermissionDenied,
    RequestTimeout,
)

from okx_rfq_plugin._core.account import key_of, sharing_of
from okx_rfq_plugin._core.clock import AsyncWaker, Clock, Waker
from okx_rfq_plugin._core.creates import note_cancel
from okx_rfq_plugin._core.endpoints import CANCEL_ALL_RFQS, PUBLIC_TIME, Endpoint
from okx_rfq_plugin._core.lane import Attempt, express
from okx_rfq_plugin._core.offset import ClockOffset
from okx_rfq_plugin._core.pacing import Desk, Seat
from okx_rfq_plugin._core.records import CancelFailure
from okx_rfq_plugin._core.retry import POLICY, RetryPolicy, tenacity_keywords, wait_seconds
from okx_rfq_plugin._core.session import is_full, own_session
from okx_rfq_plugin._core.verdict import Meaning, Reply, classify, describe

# Told before each wait: the method's name, the exchange, the attempt's number, what it would raise now, the seconds.
Report = Callable[[str, Any, int, BaseError, float], None]

_NO_CCXT_RETRY = {"maxRetriesOnFailure": 0}
_SECRETS = ("apiKey", "secret", "password")
_RETRIED = (Meaning.RATE_LIMITED, Meaning.UNAVAILABLE, Meaning.UNKNOWN)
_DEFAULT_POLICY = RetryPolicy()
_NOT_YET = classify(CANCEL_ALL_RFQS, None, None)
_ALONE = (Meaning.REJECTED, Meaning.CLOCK)  # counts for the sender; whoever shares the attempt sends again for himself
_GRACE = 0.5  # seconds that an attempt may take beyond its timeout before those who share it go on without it
_TICK = 1e-6  # seconds: no wait is shorter
_NAMED = 10  # ids that an error names; all of them are in `cancel_failure`
_ADVICE: tuple[tuple[type[BaseError], str], ...] = (
    (ExchangeClosedByUser, "Call before `await exchange.close()`, or use another exchange object."),
    (PermissionDenied, "Check the key's Trade permission, its IP list, and that this account may trade blocks."),
    (AccountSuspended, "The account is blocked or restricted, which only OKX can lift."),
    (AuthenticationError, "Check key, secret and passphrase, and that the key is for this host, live or demo as set."),
    (InvalidNonce, "Set the clock of this machine."),
    (OperationFailed, "Call again, and look at the {things} on OKX's own pages."),
    (BaseError, "The request as it stands is not accepted: check params, proxy and the exchange object's settings."),
)

logger = logging.getLogger("okx_rfq_plugin")


class Words(NamedTuple):
    """How a call is spoken of: its method, what it is about, and what is true where it certainly or perhaps failed."""

    method: str
    things: str
    undone: str
    in_doubt: str


class Outcome(NamedTuple):
    """What one attempt has brought: a reply, or None, for each time that it was sent, and what ccxt raised."""

    replies: tuple[Reply | None, ...]
    error: BaseError | None
    unsent: bool
    signatures: tuple[object, ...]


class Call(ABC):
    """One call of a method that users have, to be run inside `with`.

    A subclass says in `steps` which endpoints follow each other, and in `conclude` what comes out.
    """

    def __init__(
        self, exchange: Any, clock: Clock, report: Report, words: Words, endpoint: Endpoint, params: dict[str, Any]
    ) -> None:
        self.exchange = exchange
        self.clock = clock
        self.words = words
        self.attempts = 0
        self.verdict = _NOT_YET
        self.reply: Reply | None = None
        self.error: BaseError | None = None
        self.remaining: tuple[str, ...] | None = None
        self.filling: tuple[str, ...] | None = None
        self._report = report
        self._policy: RetryPolicy = getattr(exchange, POLICY, None) or _DEFAULT_POLICY
        self._offset = ClockOffset(exchange)
        self._started = clock.now()
        self._timeout = self._policy.attempt_timeout
        self._session: Any = None
        self._fresh = False
        self._in_flight = False
        self._in_doubt = False
        self._failures = 0
        self._waited = 0.0  # seconds that the last attempt spent waiting for a reply that did not come
        self._signatures: tuple[object, ...] = ()
        self._first = endpoint
        self._key = key_of(exchange)
        note_cancel(self._key, endpoint)
        self._go_to(endpoint, params)

    def steps(self) -> Iterator[None]:
        """Go on to the next endpoint, as often as there is one; each is called until its answer stands."""
        yield

    @abstractmethod
    def conclude(self) -> Any:
        """Return what the user gets, or raise the ccxt exception that fits."""

    def turn_to(self, endpoint: Endpoint, params: dict[str, Any], *, pause: float = 0.0) -> None:
        """Go on with another endpoint, or with the same once more, after so many seconds."""
        self._take_doubt()
        self._seat.over()
        self._go_to(endpoint, params, pause)

    def _go_to(self, endpoint: Endpoint, params: dict[str, Any], pause: float = 0.0) -> None:
        self.endpoint = endpoint
        self._params = {**params, **_NO_CCXT_RETRY}
        self._desk: Desk[Outcome] = Desk.of(self.clock, endpoint, self._key, sharing_of(self.exchange, params))
        self._seat = Seat(self._desk, self.clock, pause)
        self._reads = endpoint.reads  # which is true of the seat, too, when `endpoint` is told of another
        self._tries = 0
        self._taken_over = False  # whether tenacity has yet to be told of an outcome that is there

    # What the two loops ask

    def __enter__(self) -> Call:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self._tell(error)
        self._seat.over()

    @property
    def goes_on(self) -> bool:
        """Say whether one attempt was not enough; then tenacity takes over, and begins with that one's outcome."""
        self._taken_over = self.again()
        return self._taken_over

    @cached_property
    def retrying(self) -> dict[str, Any]:
        """Keywords for this call's own `Retrying` or `AsyncRetrying`."""
        return tenacity_keywords(
            self._policy, again=self.again, wait=self.backoff, elapsed=self.elapsed, before_wait=self._before_wait
        )

    def pause(self, seconds: float) -> None:
        """Take part, after so many seconds, in the next attempt: whoever sends it, and earlier if somebody does."""
        if self._seat.holding:
            self._seat.rest(seconds)
        else:
            self._take_doubt()
            self._seat = Seat(self._desk, self.clock, seconds)

    async def pause_async(self, seconds: float) -> None:
        """Same as pause, as AsyncRetrying wants it."""
        self.pause(seconds)

    def wait(self, waker: type[Waker] | type[AsyncWaker]) -> Any:
        """Return seconds to sleep and what ends the sleep, until it is None."""
        if self._taken_over:
            return None
        own = (self.exchange.timeout or 0) / 1000 or self._timeout
        seconds = self._seat.wait(min(self._timeout, own) + _GRACE)
        if seconds > 0 and (self._bound or self._seat.refused is not None) and not self._seat.shared:
            seconds = min(seconds, self._policy.deadline - self.elapsed())
        if seconds <= 0:
            return None
        seconds = max(seconds, _TICK)  # a wait that a float cannot add to the time would have no end
        wakes = waker(busy=self._seat.shared)
        self._seat.attend(wakes)
        return seconds, wakes

    @property
    def sends(self) -> bool:
        """Say whether it is this caller's turn to send; if another's attempt has served it, judge that."""
        if self._taken_over:
            self._taken_over = False
            return False
        outcome = self._seat.outcome
        if outcome is None and (self._bound or self._seat.refused is not None) and self.late:
            if self._bound:
                self._seat.over()
            else:  # what another was refused for holds for this caller too, which has no time for an attempt of its own
                outcome = self._seat.refused
        if outcome is not None:
            self._count()
            self._judge(copy.deepcopy(outcome.replies), outcome)
            self._seat.over()
        return self._seat.turn

    def attempt(self) -> Attempt:
        """Send inside of this: it lets the request leave at once and judges what becomes of it."""
        self._count()
        self._in_flight = not self.endpoint.reads
        if self._fresh or is_full(self.exchange):
            self._session = own_session(self.exchange)
        return express(
            self.exchange, self.endpoint.path, timeout=self._timeout, over=self._attempt_over, session=self._session
        )

    def send(self) -> Any:
        """Call ccxt's implicit method."""
        return getattr(self.exchange, self.endpoint.call)(self._params)

    def take_session(self) -> Any:
        """Return the session that was made for the attempt, to be closed; None where there was none."""
        session, self._session = self._session, None
        return session

    @property
    def asks_time(self) -> bool:
        """Say whether OKX found the clock wrong and its own is to be read."""
        return self.verdict.meaning is Meaning.CLOCK and self._offset.hopeful

    @contextmanager
    def reading_time(self) -> Iterator[Callable[[int | None], None]]:
        """Read OKX's clock inside of this, and hand the milliseconds to what it gives."""
        with express(self.exchange, PUBLIC_TIME, timeout=self._timeout, over=_note_unread):
            yield self._offset.ask()
        if not self._offset.corrected:
            self._seat.over()

    def read_time(self) -> Any:
        """Ask for OKX's time, in milliseconds."""
        return self.exchange.fetch_time(_NO_CCXT_RETRY)

    # What the steps ask

    @property
    def late(self) -> bool:
        """Say whether no further attempt may start."""
        return self.elapsed() >= self._policy.deadline

    def elapsed(self) -> float:
        """Return the seconds since the call."""
        return round(self.clock.now() - self._started, 6)

    def again(self) -> bool:
        """Say whether the last attempt calls for another."""
        if self.verdict.meaning is Meaning.CLOCK:
            return self._offset.hopeful or self._offset.corrected
        return self.verdict.meaning in _RETRIED

    def effort(self) -> str:
        """Put into words what it took."""
        return f"{self.attempts} attempt{'s' * (self.attempts != 1)} in {self.elapsed():.2f} s"

    def failure(self) -> Any:
        """Make the exception that says how it ended."""
        advice = next(text for family, text in _ADVICE if issubclass(self.verdict.raises, family))
        words = self._words(f"{self._said()}. {advice.format(things=self.words.things)}")
        # Past __init__, which in a subclass of somebody else's may want other arguments.
        error: Any = self.verdict.raises.__new__(self.verdict.raises, words)
        error.cancel_failure = self._facts()
        return error

    @property
    def cause(self) -> BaseError | None:
        """What to chain the failure to."""
        # Where a reply arrived ccxt's error quotes the whole of it, and whatever secret a proxy echoes there.
        return self.error if self.reply is None else None

    def _take_doubt(self) -> None:
        self._in_doubt |= self._seat.in_doubt and not self._reads

    @property
    def _bound(self) -> bool:
        # Whether the deadline counts: not for the first attempt to cancel, nor for the first to read.
        return bool(self._tries or (self.attempts and not self.endpoint.reads))

    def _count(self) -> None:
        self._tries += 1
        self.attempts += self.endpoint is self._first or not self.endpoint.reads

    def _attempt_over(self, attempt: Attempt, error: BaseException | None) -> bool:
        if error is not None and not isinstance(error, BaseError):
            self._in_flight &= not attempt.unsent
            self._seat.over(sent=not attempt.unsent, in_doubt=self._in_flight)
            return False
        outcome = Outcome(tuple(attempt.replies), error, attempt.unsent, tuple(attempt.signatures))
        self._in_flight = False
        in_doubt = self._judge(outcome.replies, outcome)
        meaning, sent = self.verdict.meaning, not outcome.unsent
        if self.asks_time:
            self._seat.hold()
        elif meaning in _ALONE and not self.verdict.by_name:
            self._seat.over(refused=outcome if sent else None, sent=sent, in_doubt=in_doubt)
        else:
            self._seat.over(outcome, sent=sent, exceeded=meaning is Meaning.RATE_LIMITED)
        return True

    def _judge(self, replies: tuple[Reply | None, ...], outcome: Outcome) -> bool:
        """Take what an attempt has brought as this caller's own; say whether the attempt leaves a doubt."""
        *earlier, self.reply = replies or (None,)
        self.error = outcome.error
        self._signatures = outcome.signatures
        verdict = self.verdict = classify(self.endpoint, self.reply, outcome.error, sent=not outcome.unsent)
        in_doubt = verdict.meaning is Meaning.UNKNOWN or self._leave_doubt(earlier)
        self._in_doubt |= in_doubt and not self.endpoint.reads
        self._failures += verdict.meaning is not Meaning.RATE_LIMITED
        self._fresh = self.reply is None  # whatever was wrong with the connection, the next attempt has a new one
        self._waited = 0.0
        if self._fresh and isinstance(outcome.error, RequestTimeout):
            self._waited = self._timeout
            self._timeout *= 2
        if verdict.meaning is Meaning.CLOCK:
            self._offset.put_back()
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("attempt %d: %s: %s", self.attempts, verdict.meaning.value, self._said())
        return in_doubt

    def _leave_doubt(self, earlier: list[Reply | None]) -> bool:
        # Sent by a framework's own `fetch`, which then tried again.
        meanings = [classify(self.endpoint, reply, None).meaning for reply in earlier]
        return Meaning.UNKNOWN in meanings or Meaning.DONE in meanings

    def backoff(self) -> float:
        """Return the seconds to wait before the next attempt."""
        corrected = self.verdict.meaning is Meaning.CLOCK and self._offset.corrected
        if corrected or self.verdict.meaning is Meaning.DONE:
            return 0.0  # but for OKX's limit, which the seat keeps
        return wait_seconds(self._policy, self.verdict.meaning, self._failures, self._waited)

    def _before_wait(self, wait: float) -> None:
        if self.verdict.meaning is Meaning.DONE:
            return
        if self.endpoint.reads and self.endpoint is not self._first:  # no attempt to cancel has failed
            logger.warning(
                "%s %s(): what is left could not be read: %s. Again in %.2f s.",
                self.exchange.id,
                self.words.method,
                self._said(),
                wait,
            )
            return
        error = self.failure()
        logger.warning("%s. Next attempt in %.2f s, or as OKX's limit allows.", self._words(self._said()), wait)
        self._report(self.words.method, self.exchange, self.attempts, error, wait)

    def _tell(self, error: BaseException) -> None:
        words = str(error)
        if not isinstance(error, BaseError):
            words = self._words(f"It was stopped by {type(error).__name__}, which is no answer of OKX's.")
            error.cancel_failure = self._facts()  # type: ignore[attr-defined]  # an exception takes any attribute
            # add_note() came with Python 3.11; what it does is this.
            error.__notes__ = [*getattr(error, "__notes__", ()), words]
        logger.error(words)

    def _facts(self) -> CancelFailure:
        self._take_doubt()
        in_doubt = self._in_doubt or self._in_flight
        return CancelFailure(
            self.verdict.code,
            self.attempts,
            self.elapsed(),
            may_be_canceled=in_doubt,
            remaining=self.remaining,
            filling=self.filling,
        )

    def _words(self, reason: str) -> str:
        if self.remaining:
            named = ", ".join(self.remaining[:_NAMED]) + ", ..." * (len(self.remaining) > _NAMED)
            count, things = len(self.remaining), self.words.things
            are = f"{things} ARE" if count > 1 else f"{things[:-1]} IS"
            truth = f"{count} {are} STILL ACTIVE, as OKX lists them: {named}."
        else:
            truth = self.words.in_doubt if self._facts().may_be_canceled else self.words.undone
            if self.remaining is not None:
                truth += f" OKX lists no {self.words.things} as active."
        return f"{self.exchange.id} {self.words.method}(): {truth} After {self.effort()}: {reason}"

    def _said(self) -> str:
        text = describe(self.reply, self.error)
        for secret in (*(getattr(self.exchange, name, None) for name in _SECRETS), *self._signatures):
            if isinstance(secret, str) and secret:
                text = text.replace(secret, "***")
        return text


def _note_unread(attempt: Attempt, error: BaseException | None) -> bool:
    if isinstance(error, BaseError):
        logger.debug("OKX's clock could not be read: %s", type(error).__name__)
    return error is None or isinstance(error, BaseError)
