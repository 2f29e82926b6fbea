"""Cancels shared across processes: while a caller waits for OKX's window, a later cancel by another can serve it."""

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

BUDGET = 0.05  # seconds that a cancel waits for the store at a time before continuing without it
UNREAD = 0.25  # seconds that it waits for the worker thread if the store has answered and this machine is busy
LONGEST = 10.0  # seconds that sharing may take: OKX's window, leaders that fail, and their replacements
_MOST = 3  # own requests that OKX may refuse for its limit before the cancel continues alone
_CLOSE_TIMEOUT = 2.0  # seconds that closing may take

LIMITED, FAILED = "limited", "failed"  # outcomes of a request that has no receipt

Receipt = dict[str, Any]
# What a caller must do next: sleep for some seconds, ask the store (with the call), or send.
Step = tuple[Any, ...]


class StoreCall:
    """A call to the store, made on the worker thread."""

    def __init__(self, ask: Callable[[Store], Any], waker: Any, undo: Callable[[Store], Any] | None = None) -> None:
        self.ask, self.waker, self.undo = ask, waker, undo
        self.answer: Any = None
        self.asked = self.abandoned = False


class StoreWorker:
    """Calls the store on its own thread, so that no caller holds a lock or depends on a socket.

    Args:
        url: the URL of the store.
        account: as `accounts.account_of` returns it.
        key: a secret known only to holders of the account's API key; it never leaves the process. It signs outcomes,
            so that no one else can claim that a cancel was clean.
    """

    def __init__(self, url: str, account: str, key: bytes) -> None:
        self._key = key
        self.group = f"{account}:{self._mac('group')[:16]}"
        self._store = Store(url, timeout=1.0)
        self._calls: queue.SimpleQueue[StoreCall | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="okx-rfq-fleet-tickets", daemon=True)
        self._thread.start()

    def submit(self, call: StoreCall) -> StoreCall:
        """Queue a call. Its waker is woken when the answer arrives, or never."""
        self._calls.put(call)
        return call

    def is_answered(self, call: StoreCall) -> bool:
        """Return whether the store has answered, but the worker thread has not read the answer yet."""
        return call.asked and call.answer is None and self._store.has_answered()

    def close(self) -> None:
        """Stop the thread."""
        self._calls.put(None)
        self._thread.join(_CLOSE_TIMEOUT)

    def signed(self, ticket: str, receipt: Receipt) -> str:
        """Return a receipt for a ticket, signed, as the store keeps it."""
        words = json.dumps(receipt)
        return json.dumps({"receipt": words, "mac": self._mac(f"{ticket} {words}")})

    def verified(self, ticket: str, text: str) -> Receipt | None:
        """Return the receipt, or None if no holder of the key signed it, or not for this ticket."""
        try:
            signed = json.loads(text)
            words, mac = str(signed["receipt"]), str(signed["mac"])
            if hmac.compare_digest(mac, self._mac(f"{ticket} {words}")):
                receipt: Receipt = json.loads(words)
                return receipt
        except (ValueError, TypeError, KeyError):
            pass
        return None

    def _mac(self, words: str) -> str:
        return hmac.new(self._key, f"okx-rfq-fleet {words}".encode(), hashlib.sha256).hexdigest()

    def _run(self) -> None:
        call: StoreCall | None = StoreCall(Store.ping, Waker())  # connect before a caller is in a hurry
        while call is not None:
            if not call.abandoned:
                self._ask(call)
            call = self._calls.get()
        self._store.close()

    def _ask(self, call: StoreCall) -> None:
        with suppress(StoreError):
            call.asked = True
            call.answer = call.ask(self._store)
            call.waker.wake()
            if call.abandoned and call.undo is not None:
                call.undo(self._store)


def share(worker: StoreWorker, now: Callable[[], float]) -> Generator[Step, Any, Receipt | None]:
    """Decide how one cancel is served. The driver does what is yielded, and sends back the result.

    Yields:
        `("ask", call, undo)`: send back the store's answer, or None if it does not arrive in time.
        `("sleep", seconds)`.
        `("tell", call)`: do not wait for an answer.
        `("send", yields)`: send back the receipt of the caller's own cancel, FAILED if it raised, or LIMITED if it
            yields and OKX refused it for its limit.

    Returns:
        The receipt.
    """
    ticket, begun = secrets.token_hex(8), now()
    leave = _end(worker, ticket)
    until = begun + LONGEST
    silence = begun  # until then, an unresponsive store costs nothing: OKX would accept no request anyway
    alone, limited = False, 0
    while now() < until:
        answer = yield "ask", lambda store: store.enter(worker.group, ticket), leave
        if answer and answer[0] == "wait":
            silence = now() + answer[1] / 1000 + BUDGET
            # Spread out, so that a crowd does not act all at once.
            yield "sleep", (answer[1] + answer[2] * (0.5 + random.random())) / 1000
            continue
        if answer and answer[0] == "done":
            receipt = worker.verified(ticket, answer[1])
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
            yield "tell", _end(worker, ticket, "back")
        outcome = yield "send", True
        if outcome is LIMITED:
            limited, silence = limited + 1, now() + WINDOW + BUDGET
            until = max(until, silence + WINDOW) if limited <= _MOST else begun
            yield "tell", _end(worker, ticket, "full")
        elif outcome is FAILED:
            yield "tell", leave
            return None
        else:
            outcomes = {each: worker.signed(each, outcome) for each in (answer or ())[1:]}
            yield "tell", _end(worker, ticket, outcomes=outcomes)
            return _own(outcome, limited, now() - begun)
    yield "tell", leave
    outcome = yield "send", False
    return None if outcome is FAILED else _own(outcome, limited, now() - begun)


def _own(receipt: Receipt, limited: int, elapsed: float) -> Receipt:
    """Return the receipt of the caller's own request, including what preceded it."""
    return {**receipt, "attempts": receipt["attempts"] + limited, "elapsed": round(elapsed, 6)}


def _end(
    worker: StoreWorker, ticket: str, state: str = "", outcomes: Mapping[str, str] = MappingProxyType({})
) -> Callable[[Store], None]:
    return lambda store: store.ended(worker.group, ticket, outcomes, state)


def run(worker: StoreWorker, send: Callable[[bool], Receipt | None], clock: Clock = SYSTEM) -> Receipt:
    """Serve a cancel.

    Args:
        worker: calls the store.
        send: cancels, and returns the receipt or raises. If told to yield, it returns None at OKX's limit.
        clock: measures and sleeps.
    """
    steps, result = share(worker, clock.now), None
    while True:
        try:
            what, *how = steps.send(result)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # a receipt: a failed cancel has raised
        result = None
        if what == "ask":
            call = worker.submit(StoreCall(how[0], Waker(), how[1]))
            clock.sleep(BUDGET, call.waker)
            if worker.is_answered(call):
                clock.sleep(UNREAD, call.waker)
            call.abandoned, result = True, call.answer
        elif what == "sleep":
            clock.sleep(how[0], Waker())
        elif what == "tell":
            worker.submit(StoreCall(how[0], Waker()))
        else:
            result = FAILED
            try:
                result = send(how[0]) or LIMITED
            finally:
                if result is FAILED:
                    _report_failure(steps, worker)


async def run_async(
    worker: StoreWorker, send: Callable[[bool], Awaitable[Receipt | None]], clock: Clock = SYSTEM
) -> Receipt:
    """Async version of `run`."""
    steps, result = share(worker, clock.now), None
    while True:
        try:
            what, *how = steps.send(result)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # as above
        result = None
        if what == "ask":
            call = worker.submit(StoreCall(how[0], AsyncWaker(), how[1]))
            await clock.asleep(BUDGET, call.waker)
            if worker.is_answered(call):
                await clock.asleep(UNREAD, call.waker)
            call.abandoned, result = True, call.answer
        elif what == "sleep":
            await clock.asleep(how[0], AsyncWaker())
        elif what == "tell":
            worker.submit(StoreCall(how[0], Waker()))
        else:
            result = FAILED
            try:
                result = await send(how[0]) or LIMITED
            finally:
                if result is FAILED:
                    _report_failure(steps, worker)


def _report_failure(steps: Generator[Step, Any, Receipt | None], worker: StoreWorker) -> None:
    # A cancel that was not clean serves no one else. Those waiting for it are told.
    with suppress(StopIteration):
        _, ask = steps.send(FAILED)
        worker.submit(StoreCall(ask, Waker()))
