"""This file runs a cancel on OKX: what is decided in `Cancel`, what is sent in the two loops below it."""

from __future__ import annotations

import copy
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

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
from tenacity import AsyncRetrying, Retrying

from okx_rfq_plugin.account import key_of, sharing_of
from okx_rfq_plugin.clock import SYSTEM, AsyncWaker, Clock, Waker
from okx_rfq_plugin.creates import note_cancel
from okx_rfq_plugin.hookspecs import hookimpl
from okx_rfq_plugin.lane import Attempt, express
from okx_rfq_plugin.offset import ClockOffset
from okx_rfq_plugin.pacing import Desk, Seat
from okx_rfq_plugin.receipts import CancelFailure, Receipt
from okx_rfq_plugin.retry import RetryPolicy, tenacity_keywords, wait_seconds
from okx_rfq_plugin.session import is_full, own_session
from okx_rfq_plugin.verdict import Meaning, Reply, classify, describe

POLICY = "_okx_rfq_policy"  # where an exchange object or class keeps the policy that it was installed with

# Told before each wait: the exchange, the attempt's number, what it would raise now, the wait in seconds.
Report = Callable[[Any, int, BaseError, float], None]

_CANCEL_ALL = "rfq/cancel-all-rfqs"
_PUBLIC_TIME = "public/time"
_NO_CCXT_RETRY = {"maxRetriesOnFailure": 0}
_SECRETS = ("apiKey", "secret", "password")
_RETRIED = (Meaning.RATE_LIMITED, Meaning.UNAVAILABLE, Meaning.UNKNOWN)
_DEFAULT_POLICY = RetryPolicy()
_ALONE = (Meaning.REJECTED, Meaning.CLOCK)  # counts for the sender; whoever shares the attempt sends again for himself
_GRACE = 0.5  # seconds that an attempt may take beyond its timeout before those who share it go on without it
_ADVICE: tuple[tuple[type[BaseError], str], ...] = (
    (ExchangeClosedByUser, "Cancel before `await exchange.close()`, or use another exchange object."),
    (PermissionDenied, "Check the key's Trade permission, its IP list, and that this account may trade blocks."),
    (AccountSuspended, "The account is blocked or restricted, which only OKX can lift."),
    (AuthenticationError, "Check key, secret and passphrase, and that the key is for this host, live or demo as set."),
    (InvalidNonce, "Set the clock of this machine."),
    (OperationFailed, "Call again, and look at the RFQs on OKX's own pages."),
    (BaseError, "The request as it stands is not accepted: check params, proxy and the exchange object's settings."),
)

logger = logging.getLogger("okx_rfq_plugin")


@dataclass(frozen=True)
class Outcome:
    """What one attempt has brought: a reply, or None, for each time that it was sent, and what ccxt raised."""

    replies: tuple[Reply | None, ...]
    error: BaseError | None
    unsent: bool
    signatures: tuple[object, ...]


class Cancel:
    """One call of `cancel_all_rfqs()`: it counts, judges and words, and sends nothing itself."""

    def __init__(self, exchange: Any, params: dict[str, Any], clock: Clock, report: Report) -> None:
        self.exchange = exchange
        self.params = {**params, **_NO_CCXT_RETRY}
        self.clock = clock
        self._report = report
        self._policy: RetryPolicy = getattr(exchange, POLICY, None) or _DEFAULT_POLICY
        self._offset = ClockOffset(exchange)
        self._started = clock.now()
        key = key_of(exchange)
        note_cancel(key)
        self._desk: Desk[Outcome] = Desk.of(clock, key, sharing_of(exchange, params))
        self._seat = Seat(self._desk, clock)
        self._timeout = self._policy.attempt_timeout
        self._session: Any = None
        self._fresh = False
        self._attempts = 0
        self._failures = 0
        self._taken_over = False  # whether tenacity has yet to be told of an outcome that is there
        self._in_flight = False
        self._in_doubt = False
        self._verdict = classify(None, None)
        self._reply: Reply | None = None
        self._error: BaseError | None = None
        self._signatures: tuple[object, ...] = ()

    @property
    def goes_on(self) -> bool:
        """Say whether one attempt was not enough; then tenacity takes over, and begins with that one's outcome."""
        self._taken_over = self._again()
        return self._taken_over

    @cached_property
    def retrying(self) -> dict[str, Any]:
        """Keywords for this call's own `Retrying` or `AsyncRetrying`."""
        return tenacity_keywords(
            self._policy, again=self._again, wait=self._wait, elapsed=self._elapsed, before_wait=self._before_wait
        )

    def pause(self, seconds: float) -> None:
        """Take part, after so many seconds, in the next attempt: whoever sends it, and earlier if somebody does."""
        if self._seat.holding:
            self._seat.rest(seconds)
        else:
            self._in_doubt |= self._seat.in_doubt
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
        if (self._attempts or self._seat.refused is not None) and not self._seat.shared:
            seconds = min(seconds, self._policy.deadline - self._elapsed())
        if seconds <= 0:
            return None
        wakes = waker(busy=self._seat.shared)
        self._seat.attend(wakes)
        return seconds, wakes

    @property
    def sends(self) -> bool:
        """Say whether it is this caller's turn to send; if another's attempt has served it, judge that."""
        late = self._elapsed() >= self._policy.deadline
        # What another was refused for holds for this caller too, where no time is left for an attempt of its own.
        outcome = self._seat.outcome or (self._seat.refused if late and not self._attempts else None)
        if self._taken_over:
            self._taken_over = False
        elif outcome is not None:
            self._attempts += 1
            self._judge(copy.deepcopy(outcome.replies), outcome)
            self._seat.over()
        elif self._attempts and late:
            self._seat.over()
        return self._seat.turn

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Send inside of this: it lets the request leave at once and judges what becomes of it."""
        self._attempts += 1
        self._in_flight = True
        error = None
        if self._fresh or is_full(self.exchange):
            self._session = own_session(self.exchange)
        with express(self.exchange, _CANCEL_ALL, timeout=self._timeout, session=self._session) as attempt:
            try:
                yield
            except BaseError as raised:
                error = raised
            except BaseException:
                self._in_flight = not attempt.unsent
                self._seat.over(sent=self._in_flight, in_doubt=self._in_flight)
                raise
        self._settle(attempt, error)

    def take_session(self) -> Any:
        """Return the session that was made for the attempt, to be closed; None where there was none."""
        session, self._session = self._session, None
        return session

    @property
    def asks_time(self) -> bool:
        """Say whether OKX found the clock wrong and its own is to be read."""
        return self._verdict.meaning is Meaning.CLOCK and self._offset.hopeful

    @contextmanager
    def reading_time(self) -> Iterator[Callable[[int | None], None]]:
        """Read OKX's clock inside of this, and hand the milliseconds to what it gives."""
        with express(self.exchange, _PUBLIC_TIME, timeout=self._timeout):
            try:
                yield self._offset.ask()
            except BaseError as error:
                logger.debug("OKX's clock could not be read: %s", type(error).__name__)
        if not self._offset.corrected:
            self._seat.over()

    @contextmanager
    def told(self) -> Iterator[None]:
        """Run the whole call inside of this: whatever it raises carries `cancel_failure` and is logged."""
        try:
            yield
        except BaseException as error:
            words = str(error)
            if not isinstance(error, BaseError):
                words = self._words(f"It was stopped by {type(error).__name__}, which is no answer of OKX's.")
                error.cancel_failure = self._facts()  # type: ignore[attr-defined]  # an exception takes any attribute
                # add_note() came with Python 3.11; what it does is this.
                error.__notes__ = [*getattr(error, "__notes__", ()), words]
            logger.error(words)
            raise
        finally:
            self._seat.over()

    def conclude(self) -> Receipt:
        """Return the receipt, or raise the ccxt exception that fits."""
        meaning = self._verdict.meaning
        if self._reply is None or meaning not in (Meaning.CANCELED, Meaning.NOTHING_ACTIVE):
            # Where a reply arrived ccxt's error quotes the whole of it, and whatever secret a proxy echoes there.
            raise self._failure() from (self._error if self._reply is None else None)
        body = self._reply.body
        timestamp = None
        if meaning is Meaning.CANCELED:
            timestamp = self.exchange.safe_integer(self.exchange.safe_dict(body.get("data"), 0), "ts")
        receipt: Receipt = {
            "status": "canceled" if meaning is Meaning.CANCELED else "nothing_active",
            "timestamp": timestamp,
            "datetime": self.exchange.iso8601(timestamp),
            "attempts": self._attempts,
            "elapsed": self._elapsed(),
            "info": body,
        }
        logger.info("%s cancel_all_rfqs(): %s after %s", self.exchange.id, receipt["status"], self._effort())
        return receipt

    def _settle(self, attempt: Attempt, error: BaseError | None) -> None:
        outcome = Outcome(tuple(attempt.replies), error, attempt.unsent, tuple(attempt.signatures))
        self._in_flight = False
        in_doubt = self._judge(outcome.replies, outcome)
        meaning, sent = self._verdict.meaning, not outcome.unsent
        if self.asks_time:
            self._seat.hold()
        elif meaning in _ALONE:
            self._seat.over(refused=outcome if sent else None, sent=sent, in_doubt=in_doubt)
        else:
            self._seat.over(outcome, sent=sent, exceeded=meaning is Meaning.RATE_LIMITED)

    def _judge(self, replies: tuple[Reply | None, ...], outcome: Outcome) -> bool:
        """Take what an attempt has brought as this caller's own; say whether the attempt leaves a doubt."""
        *earlier, self._reply = replies or (None,)
        self._error = outcome.error
        self._signatures = outcome.signatures
        verdict = self._verdict = classify(self._reply, outcome.error, sent=not outcome.unsent)
        in_doubt = verdict.meaning is Meaning.UNKNOWN or any(
            classify(reply, None).meaning in (Meaning.UNKNOWN, Meaning.CANCELED) for reply in earlier
        )
        self._in_doubt |= in_doubt
        self._failures += verdict.meaning is not Meaning.RATE_LIMITED
        self._fresh = self._reply is None  # whatever was wrong with the connection, the next attempt has a new one
        if self._fresh and isinstance(outcome.error, RequestTimeout):
            self._timeout *= 2
        if verdict.meaning is Meaning.CLOCK:
            self._offset.put_back()
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("attempt %d: %s: %s", self._attempts, verdict.meaning.value, self._said())
        return in_doubt

    def _again(self) -> bool:
        if self._verdict.meaning is Meaning.CLOCK:
            return self._offset.hopeful or self._offset.corrected
        return self._verdict.meaning in _RETRIED

    def _wait(self) -> float:
        if self._verdict.meaning is Meaning.CLOCK and self._offset.corrected:
            return 0.0  # but for OKX's limit, which the seat keeps
        return wait_seconds(self._policy, self._verdict.meaning, self._failures)

    def _before_wait(self, wait: float) -> None:
        error = self._failure()
        logger.warning("%s. Next attempt in %.2f s.", self._words(self._said()), wait)
        self._report(self.exchange, self._attempts, error, wait)

    def _elapsed(self) -> float:
        return self.clock.now() - self._started

    def _effort(self) -> str:
        return f"{self._attempts} attempt{'s' * (self._attempts != 1)} in {self._elapsed():.2f} s"

    def _facts(self) -> CancelFailure:
        in_doubt = self._in_doubt or self._in_flight or self._seat.in_doubt
        return CancelFailure(self._verdict.code, self._attempts, self._elapsed(), may_be_canceled=in_doubt)

    def _failure(self) -> Any:
        advice = next(text for family, text in _ADVICE if issubclass(self._verdict.raises, family))
        # Past __init__, which in a subclass of somebody else's may want other arguments.
        error: Any = self._verdict.raises.__new__(self._verdict.raises, self._words(f"{self._said()}. {advice}"))
        error.cancel_failure = self._facts()
        return error

    def _words(self, reason: str) -> str:
        truth = (
            "RFQs MAY STILL BE ACTIVE: whether they were canceled is not known."
            if self._facts().may_be_canceled
            else "NOTHING WAS CANCELED: RFQs that were active still are."
        )
        return f"{self.exchange.id} cancel_all_rfqs(): {truth} After {self._effort()}: {reason}"

    def _said(self) -> str:
        text = describe(self._reply, self._error)
        for secret in (*(getattr(self.exchange, name, None) for name in _SECRETS), *self._signatures):
            if isinstance(secret, str) and secret:
                text = text.replace(secret, "***")
        return text


def _unheard(exchange: Any, attempt: int, error: BaseError, wait: float) -> None:
    """Tell nobody: the report of a plugin that another host than this package's own has loaded."""


class OkxRfqs:
    """The package's own plugin: cancels RFQs on OKX, for objects of ccxt, ccxt.async_support and ccxt.pro."""

    def __init__(self, report: Report = _unheard) -> None:
        self.clock = SYSTEM
        self._report = report

    @hookimpl(tryfirst=True)
    def serves_rfqs(self, exchange_class: type) -> bool | None:
        """Serve every class that has ccxt's implicit method, by whatever name it goes."""
        return hasattr(exchange_class, "private_post_rfq_cancel_all_rfqs") or None

    @hookimpl(tryfirst=True)
    def cancel_all_rfqs(self, exchange: Any, params: dict[str, Any]) -> Receipt | Awaitable[Receipt] | None:
        """Cancel, on the caller's thread or task."""
        if not self.serves_rfqs(type(exchange)):
            return None
        cancel = Cancel(exchange, params, self.clock, self._report)
        return _run(cancel) if exchange.synchronous else _run_async(cancel)


okx = OkxRfqs()


def _run(cancel: Cancel) -> Receipt:
    with cancel.told():
        _attempt(cancel)
        if cancel.goes_on:
            Retrying(sleep=cancel.pause, **cancel.retrying)(_attempt, cancel)
        return cancel.conclude()


def _attempt(cancel: Cancel) -> None:
    while (sleep := cancel.wait(Waker)) is not None:
        cancel.clock.sleep(*sleep)
    if not cancel.sends:
        return
    try:
        with cancel.attempt():
            cancel.exchange.private_post_rfq_cancel_all_rfqs(cancel.params)
    finally:
        if (session := cancel.take_session()) is not None:
            session.close()
    if cancel.asks_time:
        with cancel.reading_time() as correct:
            correct(cancel.exchange.fetch_time(_NO_CCXT_RETRY))


async def _run_async(cancel: Cancel) -> Receipt:
    with cancel.told():
        await _attempt_async(cancel)
        if cancel.goes_on:
            await AsyncRetrying(sleep=cancel.pause_async, **cancel.retrying)(_attempt_async, cancel)
        return cancel.conclude()


async def _attempt_async(cancel: Cancel) -> None:
    while (sleep := cancel.wait(AsyncWaker)) is not None:
        await cancel.clock.asleep(*sleep)
    if not cancel.sends:
        return
    try:
        with cancel.attempt():
            await cancel.exchange.private_post_rfq_cancel_all_rfqs(cancel.params)
    finally:
        if (session := cancel.take_session()) is not None:
            await session.close()
    if cancel.asks_time:
        with cancel.reading_time() as correct:
            correct(await cancel.exchange.fetch_time(_NO_CCXT_RETRY))
