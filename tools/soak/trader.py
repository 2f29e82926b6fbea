"""Logic shared by threads and tasks: which user to be, what to request, how to judge the outcome."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

import ccxt

from .faults import (
    ATTEMPT_TIMEOUTS,
    CANCEL,
    CREATE,
    LONGEST,
    TIME,
    answered_late,
    any_create_fault,
    any_fault,
    any_time_fault,
)
from .load import LEG
from .truth import Truth, User

_numbers = count()

# The number of faults that a call queues. In a crowd, one request serves many calls and uses up one fault.
_FAULTS_ALONE = (0, 0, 0, 1, 1, 2, 3)
_FAULTS_IN_A_CROWD = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)


@dataclass
class Account:
    """One User ID and its history. Times are `time.monotonic()`.

    `known` are the RFQs known to be created, `asked` the creates over HTTP and when they began, `refused` those
    reported as refused, `canceled` the times when `cancel_all_rfqs()` was called.
    """

    user: User
    known: set[str] = field(default_factory=set)
    asked: dict[str, float] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    canceled: list[float] = field(default_factory=list)
    doubtful: bool = False  # whether something sent long ago may still be executed


class Late(NamedTuple):
    """A failure to judge again when nothing sent can still be on its way."""

    due: float
    who: str
    user: User
    active_before: frozenset[str]


class Trader:
    """One worker's side of the soak. If `alone`, only this worker cancels for its users."""

    def __init__(self, name: str, truth: Truth, seed: int, account: Account | None = None) -> None:
        self.name = name
        self.truth = truth
        self.choice = random.Random(f"{seed} {name}")
        self.alone = account is None
        self.account = account or self._new_account()
        self._late: list[Late] = []
        self._calls = 0

    def policy(self) -> dict[str, float]:
        """Return random arguments of a policy."""
        return {
            "deadline": self.choice.choice((0, 2, 4, 8)),
            "attempt_timeout": self.choice.uniform(*ATTEMPT_TIMEOUTS),
            "backoff": 0.05,
            "jitter": self.choice.choice((0, 0.2)),
        }

    def begin(self, exchange: Any) -> None:
        """Become a user, a new one if an earlier call left a doubt, and queue faults."""
        self.look_again()
        if self.alone and (self.account.doubtful or len(self.account.known) > 60):
            self.account = self._new_account()
        for name, value in self.account.user.items():
            setattr(exchange, name, value)
        for _ in range(self.choice.choice(_FAULTS_ALONE if self.alone else _FAULTS_IN_A_CROWD)):
            self._fault(CANCEL, any_fault)
        if not self.alone and self.choice.random() < 0.1:
            self._fault(CANCEL, answered_late)
        if self.choice.random() < 0.1:
            self._fault(TIME, any_time_fault)
        if self.choice.random() < 0.2:
            self._fault(CREATE, any_create_fault)
        for _ in range(self.choice.choice((0, 1, 1, 2))):
            made = self.truth.sandbox.call("create_rfq", credentials=self.account.user, legs=[LEG])
            self.account.known.add(made["rfqId"])

    def asks(self) -> dict[str, Any] | None:
        """Return the parameters of an RFQ to create over HTTP, or None for none this time."""
        if self.choice.random() < 0.5:
            return None
        return {"counterparties": ["WAGMI"], "legs": [LEG], "clRfqId": f"soak{next(_numbers)}"}

    def stops(self) -> float | None:
        """Return after how many seconds to stop this cancel from outside, or None for never."""
        return self.choice.uniform(0.001, 1.0) if self.choice.random() < 0.1 else None

    @contextmanager
    def creating(self, params: dict[str, Any]) -> Iterator[Callable[[Any], None]]:
        """Context manager for creating an RFQ. Call the yielded function with the reply."""

        def created(reply: Any) -> None:
            # After a failed create, the outcome is unknown. ccxt also returns replies that are not OKX's.
            if isinstance(reply, dict) and reply.get("code") == "0" and reply.get("data"):
                self.account.known.add(reply["data"][0]["rfqId"])
                self.truth.count(self.truth.creates, "created")

        self.account.asked[params["clRfqId"]] = time.monotonic()
        try:
            yield created
        except ccxt.OperationRejected:
            self.account.refused.add(params["clRfqId"])
            self.truth.count(self.truth.creates, "refused, as a cancel came")
        except ccxt.BaseError:
            self.truth.count(self.truth.creates, "failed")
            self.account.doubtful = True

    @contextmanager
    def canceling(self, *stops: type[BaseException]) -> Iterator[Callable[[Any], None]]:
        """Context manager for `cancel_all_rfqs()`. Call the yielded function with the receipt, which is then judged.

        Args:
            stops: exceptions that may come from outside, other than ccxt's.
        """
        self._calls += 1
        who, account = f"{self.name} call {self._calls}", self.account
        before = frozenset(account.known)
        active = frozenset[str]()
        if self.alone:
            rows = self.truth.sandbox.call("rfqs", "active", credentials=account.user)
            active = frozenset(rfq["rfqId"] for rfq in rows)
        account.canceled.append(time.monotonic())

        def judged(receipt: Any) -> None:
            account.doubtful |= receipt["attempts"] > 1
            self.truth.count(self.truth.outcomes, receipt["status"])
            self.truth.of_receipt(who, account.user, receipt, before)

        try:
            yield judged
        except (ccxt.BaseError, *stops) as error:
            account.doubtful = True
            facts = getattr(error, "cancel_failure", None)
            if facts is None:
                self.truth.lie(f"{who}: {error!r} says nothing of what is known")
                return
            known = "may be canceled" if facts.may_be_canceled else "nothing was canceled"
            self.truth.count(self.truth.outcomes, f"{type(error).__name__}: {known}")
            if self.alone and not facts.may_be_canceled:
                who += f" ({error!r})"
                self.truth.of_failure(who, account.user, active)
                self._late.append(Late(time.monotonic() + LONGEST + 1, who, account.user, active))

    def look_again(self, *, last: bool = False) -> None:
        """Judge again the failures that are due, or all of them."""
        while self._late and (last or time.monotonic() >= self._late[0].due):
            late = self._late.pop(0)
            self.truth.of_failure(late.who, late.user, late.active_before)

    def end(self) -> None:
        """Judge the remaining failures at the end."""
        self.look_again(last=True)
        self.truth.of_refused_creates(self.account.user, self.account.refused)
        self.truth.of_waiting_creates(self.account.asked, self.account.canceled)

    def _new_account(self) -> Account:
        return Account(self.truth.sandbox.call("create_user"))

    def _fault(self, path: str, make: Callable[[random.Random], tuple[str, dict[str, Any]]]) -> None:
        name, fault = make(self.choice)
        self.truth.sandbox.fault(path, 1, **fault)
        self.truth.count(self.truth.faults, name)
