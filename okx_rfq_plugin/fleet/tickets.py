"""Cancels shared across processes: who waits for OKX's window is served by another's cancel that set out later."""

from __future__ import annotations

import hashlib
import hmac
import json
import queue
import random
import secrets
import threading
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from okx_rfq_plugin._core.clock import SYSTEM, AsyncWaker, Clock, Waker
from okx_rfq_plugin.fleet.records import WINDOW
from okx_rfq_plugin.fleet.store import Store, StoreError

BUDGET = 0.05  # seconds that a cancel waits for the store at a time, then it goes on as without it
UNREAD = 0.25  # seconds that it waits for its own thread, where the store has answered and this machine is busy
LONGEST = 10.0  # seconds that a cancel is shared at most: OKX's window, leaders that fail, and others in their place
_MOST = 3  # own requests that OKX may take for one too many, before the cancel goes on by itself
_GOODBYE = 2.0  # seconds that closing may take

LIMITED, FAILED = "limited", "failed"  # what may come of a request, instead of a receipt

Receipt = dict[str, Any]
# What a caller is to do next: sleep the given number of seconds, ask (with what is to be asked), or send.
Step = tuple[Any, ...]


class Question:
    """A question to the store, answered on another thread."""

    def __init__(self, ask: Callable[[Store], Any], waker: Any, undo: Callable[[Store], Any] | None = None) -> None:
        self.ask, self.waker, self.undo = ask, waker, undo
        self.answer: Any = None
        self.asked = self.given_up = False


class Office:
    """Asks the store on a thread of its own, so that no caller holds a lock or depends on a socket.

    Args:
        url: of the store.
        account: as `accounts.account_of` returns it.
        key: what only those who have the account's API key know; it stays here. Outcomes carry its signature, so that
            no one else can claim that a cancel was clean.
    """

    def __init__(self, url: str, account: str, key: bytes) -> None:
        self._key = key
        self.group = f"{account}:{self._mac('group')[:16]}"
        self._store = Store(url, timeout=1.0)
        self._questions: queue.SimpleQueue[Question | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="okx-rfq-fleet-tickets", daemon=True)
        self._thread.start()

    def put(self, question: Question) -> Question:
        """Have a question asked; its waker is woken when the answer is there, or never."""
        self._questions.put(question)
        return question

    def is_answered(self, question: Question) -> bool:
        """Whether the store has answered, and the thread has not read it yet."""
        return question.asked and question.answer is None and self._store.has_answered()

    def close(self) -> None:
        """End the thread."""
        self._questions.put(None)
        self._thread.join(_GOODBYE)

    def sealed(self, ticket: str, receipt: Receipt) -> str:
        """Return a receipt as the store keeps it for a ticket."""
        words = json.dumps(receipt)
        return json.dumps({"receipt": words, "mac": self._mac(f"{ticket} {words}")})

    def unsealed(self, ticket: str, text: str) -> Receipt | None:
        """Return the receipt; None where it is not by a holder of the key, or not for this ticket."""
        try:
            sealed = json.loads(text)
            words, mac = str(sealed["receipt"]), str(sealed["mac"])
            if hmac.compare_digest(mac, self._mac(f"{ticket} {words}")):
                receipt: Receipt = json.loads(words)
                return receipt
        except (ValueError, TypeError, KeyError):
            pass
        return None

    def _mac(self, words: str) -> str:
        return hmac.new(self._key, f"okx-rfq-fleet {words}".encode(), hashlib.sha256).hexdigest()

    def _run(self) -> None:
        question: Question | None = Question(Store.ping, Waker())  # connected before anybody is in a hurry
        while question is not None:
            if not question.given_up:
                self._ask(question)
            question = self._questions.get()
        self._store.close()

    def _ask(self, question: Question) -> None:
        with suppress(StoreError):
            question.asked = True
            question.answer = question.ask(self._store)
            question.waker.wake()
            if question.given_up and question.undo is not None:
                question.undo(self._store)


def share(office: Office, now: Callable[[], float]) -> Generator[Step, Any, Receipt | None]:
    """Decide how one cancel is served; what is yielded is to be done, and its result sent back.

    Yields:
        `("ask", question, undo)`: the store's answer, None where it is not there in time. `("sleep", seconds)`.
        `("tell", question)`: nothing is waited for. `("send", yields)`: the receipt of the caller's own cancel; FAILED
            where it has raised; LIMITED where it yields, and OKX took it for one too many.

    Returns:
        The receipt.
    """
    ticket, begun = secrets.token_hex(8), now()
    leave = _end(office, ticket)
    until = begun + LONGEST
    silence = begun  # until then a store that does not answer costs nothing: OKX would take no request anyway
    alone, limited = False, 0
    while now() < until:
        answer = yield "ask", lambda store: store.enter(office.group, ticket), leave
        if answer and answer[0] == "wait":
            silence = now() + answer[1] / 1000 + BUDGET
            # Not all of a crowd at once.
            yield "sleep", (answer[1] + answer[2] * (0.5 + random.random())) / 1000
            continue
        if answer and answer[0] == "done":
            receipt = office.unsealed(ticket, answer[1])
            if receipt is None:
                break
            return {**receipt, "elapsed": round(now() - begun, 6)}
        if not answer:
            if now() < silence:
                yield "sleep", BUDGET
                continue
            if alone:
                break
            alone = True
            yield "tell", _end(office, ticket, "back")
        outcome = yield "send", True
        if outcome is LIMITED:
            limited, silence = limited + 1, now() + WINDOW + BUDGET
            until = max(until, silence + WINDOW) if limited <= _MOST else begun
            yield "tell", _end(office, ticket, "full")
        elif outcome is FAILED:
            yield "tell", leave
            return None
        else:
            outcomes = {each: office.sealed(each, outcome) for each in (answer or ())[1:]}
            yield "tell", _end(office, ticket, outcomes=outcomes)
            return _own(outcome, limited, now() - begun)
    yield "tell", leave
    outcome = yield "send", False
    return None if outcome is FAILED else _own(outcome, limited, now() - begun)


def _own(receipt: Receipt, limited: int, elapsed: float) -> Receipt:
    """Return the receipt of an own request with what went before it."""
    return {**receipt, "attempts": receipt["attempts"] + limited, "elapsed": round(elapsed, 6)}


def _end(
    office: Office, ticket: str, state: str = "", outcomes: Mapping[str, str] = MappingProxyType({})
) -> Callable[[Store], None]:
    return lambda store: store.ended(office.group, ticket, outcomes, state)


def run(office: Office, send: Callable[[bool], Receipt | None], clock: Clock = SYSTEM) -> Receipt:
    """Serve a cancel.

    Args:
        office: asks the store.
        send: cancels, and returns the receipt or raises; where it is to yield, None at OKX's limit.
        clock: measures and sleeps.
    """
    steps, result = share(office, clock.now), None
    while True:
        try:
            what, *how = steps.send(result)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # a receipt: where a cancel has failed it has raised
        result = None
        if what == "ask":
            question = office.put(Question(how[0], Waker(), how[1]))
            clock.sleep(BUDGET, question.waker)
            if office.is_answered(question):
                clock.sleep(UNREAD, question.waker)
            question.given_up, result = True, question.answer
        elif what == "sleep":
            clock.sleep(how[0], Waker())
        elif what == "tell":
            office.put(Question(how[0], Waker()))
        else:
            result = FAILED
            try:
                result = send(how[0]) or LIMITED
            finally:
                if result is FAILED:
                    _take_back(steps, office)


async def run_async(
    office: Office, send: Callable[[bool], Awaitable[Receipt | None]], clock: Clock = SYSTEM
) -> Receipt:
    """Async version of `run`."""
    steps, result = share(office, clock.now), None
    while True:
        try:
            what, *how = steps.send(result)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # as above
        result = None
        if what == "ask":
            question = office.put(Question(how[0], AsyncWaker(), how[1]))
            await clock.asleep(BUDGET, question.waker)
            if office.is_answered(question):
                await clock.asleep(UNREAD, question.waker)
            question.given_up, result = True, question.answer
        elif what == "sleep":
            await clock.asleep(how[0], AsyncWaker())
        elif what == "tell":
            office.put(Question(how[0], Waker()))
        else:
            result = FAILED
            try:
                result = await send(how[0]) or LIMITED
            finally:
                if result is FAILED:
                    _take_back(steps, office)


def _take_back(steps: Generator[Step, Any, Receipt | None], office: Office) -> None:
    # A cancel that was not clean serves nobody else; those who wait for it hear so.
    with suppress(StopIteration):
        what, *how = steps.send(FAILED)
        if what == "tell":
            office.put(Question(how[0], Waker()))
