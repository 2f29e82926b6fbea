"""The steps of each method: which requests follow each other, and what they return. Nothing is sent or awaited here.

Each method is a generator that reads from top to bottom and yields effects, which `effects.drive` performs.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

from ccxt.base.errors import BadRequest, BadResponse, OperationFailed
from tenacity import RetryCallState, Retrying

from okx_rfq_plugin._core.call import Call
from okx_rfq_plugin._core.creates import note_cancel
from okx_rfq_plugin._core.effects import Send, Sleep, Steps
from okx_rfq_plugin._core.endpoints import (
    CANCEL_ALL_AFTER,
    CANCEL_BATCH_RFQS,
    COUNTERPARTIES,
    PUBLIC_TIME,
    RFQS,
    Endpoint,
)
from okx_rfq_plugin._core.identity import sharing_of
from okx_rfq_plugin._core.logs import log
from okx_rfq_plugin._core.outcome import Attempt, Outcome
from okx_rfq_plugin._core.records import Receipt, refusal
from okx_rfq_plugin._core.request import Request
from okx_rfq_plugin._core.rfqs import OpenRfq, is_own, own_trader_code, owner_of, parse_rfq
from okx_rfq_plugin._core.single_flight import Caller, Group
from okx_rfq_plugin._core.verdict import Meaning
from okx_rfq_plugin._core.wording import SET_COUNTDOWN, effort

_PAGE = 100  # rows on a page of rfqs, and ids in a batch, at most
_ACTIVE, _FILLING = _OPEN = ("active", "pending_fill")  # in the order in which an RFQ passes through them
_IMPOSSIBLE = 3  # attempts that OKX may refuse as impossible now before RFQs are canceled by name
_LOOKS = 2  # attempts to read the list before the cancel is tried again
_GRACE = 0.5  # seconds that an attempt may take beyond its timeout before its followers go on without it
_WELL = (Meaning.DONE, Meaning.NOTHING_ACTIVE)

_Ids = tuple["tuple[str, ...] | None", "tuple[str, ...] | None"]


# One endpoint


def ask(
    call: Call,
    endpoint: Endpoint,
    params: dict[str, Any],
    again: Callable[[Outcome], bool] | None = None,
    *,
    pause: float = 0.0,
    aside: bool = False,
    most: float = math.inf,
) -> Steps[Outcome]:
    """Call one endpoint until its answer is final: wait for OKX's limit, send or share, repeat.

    Args:
        call: the record of the call.
        endpoint: the endpoint to call.
        params: as passed by the user.
        again: returns whether an outcome calls for another attempt; `call.repeats` by default.
        pause: seconds before the first attempt.
        aside: whether it neither counts as an attempt nor decides the outcome of the call.
        most: the maximum number of attempts.
    """
    group = Group.of(call.clock, endpoint, call.key, sharing_of(call.exchange, params))
    caller = Caller(group, call.clock, [] if endpoint.reads else call.flights, pause)
    outcome = call.last  # returned if it is too late for a first attempt
    waits: list[float] = []
    tried = False
    retrying = _retrying(call, waits.append, again or call.repeats, most)
    try:
        for attempt in retrying:
            if waits:
                caller = caller.again(waits.pop())
            bound = tried or (call.attempts > 0 and not endpoint.reads)  # whether the deadline holds for the attempt
            yield from _wait(call, caller, bound=bound)
            served = caller.served
            if served is None and caller.refused is not None and not bound and call.late:
                # The leader was refused, and this caller has no time for an attempt of its own.
                served = caller.refused
            if served is not None or caller.leads:
                tried = True
                if not aside:
                    call.begin(changes=not endpoint.reads)
            if served is not None:
                outcome = served.copied()
                call.take(outcome, decides=not aside)
            elif caller.leads:
                outcome = yield from _lead(call, caller, endpoint, params, decides=not aside)
            attempt.retry_state.set_result(outcome)
    finally:
        caller.land()
        if call.offset.untried:
            call.offset.put_back()
        retrying.iter_state.reset()  # a reference cycle, which would leave the call to the garbage collector
    return outcome


def _retrying(call: Call, sleep: Callable[[float], None], again: Callable[[Outcome], bool], most: float) -> Retrying:
    """Make tenacity's loop for one endpoint, in its iterator form; `sleep` gets the seconds and does not wait."""

    def last(state: RetryCallState) -> Outcome:
        outcome: Outcome = state.outcome.result()  # type: ignore[union-attr]  # set when tenacity calls this
        return outcome

    return Retrying(
        sleep=sleep,
        retry=lambda state: state.attempt_number < most and again(last(state)),
        wait=lambda state: call.backoff(last(state)),
        # tenacity's stop_after_delay overshoots by a whole wait, and reads its own clock.
        stop=lambda state: call.elapsed + state.upcoming_sleep >= call.policy.deadline,
        before_sleep=lambda state: call.retrying(last(state), state.upcoming_sleep),
        retry_error_callback=lambda state: None,
    )


def _wait(call: Call, caller: Caller, *, bound: bool) -> Steps[None]:
    """Wait until the caller is served, is to send, or has run out of time."""
    own = (call.exchange.timeout or math.inf) / 1000
    while (seconds := caller.wait(min(call.timeout, own) + _GRACE)) > 0:
        if (bound or caller.refused is not None) and not caller.follows:
            if call.late:
                return
            seconds = min(seconds, call.policy.deadline - call.elapsed)
        yield Sleep(call.clock, seconds, caller.flight, caller.follows)
    if bound and caller.leads and call.late:
        caller.land()


def _lead(call: Call, caller: Caller, endpoint: Endpoint, params: dict[str, Any], *, decides: bool) -> Steps[Outcome]:
    """Send one attempt for all callers of the flight; after a 50102, read OKX's clock and stay leader."""
    attempt = Attempt()
    caller.flight.attempts.append(attempt)
    call.offset.untried = False
    outcome: Outcome = yield Send(call.clock, Request(call.exchange, endpoint, params, call.timeout, attempt))
    call.take(outcome, decides=decides)
    if outcome.verdict.meaning is Meaning.CLOCK and call.offset.can_be_corrected:
        caller.keep()
        asked = call.exchange.milliseconds()
        request = Request(call.exchange, PUBLIC_TIME, {}, call.timeout, Attempt())
        read: Outcome = yield Send(call.clock, request)
        if read.error is not None:
            log(logging.DEBUG, "OKX's clock could not be read: %s", type(read.error).__name__)
        call.offset.correct(asked, request.returned if read.error is None else None)
        if call.offset.is_corrected:
            return outcome
    caller.land(outcome, exceeded=outcome.verdict.meaning is Meaning.RATE_LIMITED)
    return outcome


# The methods


def cancel_all(call: Call, endpoint: Endpoint, params: dict[str, Any], *, confirm: bool = False) -> Steps[Receipt]:
    """Cancel all RFQs or quotes: at once, or by name if OKX cannot do that; with `confirm` until none is left."""

    def again(outcome: Outcome) -> bool:
        if confirm and outcome.verdict.meaning is Meaning.DONE and outcome.endpoint is endpoint:
            return True
        return call.repeats(outcome) and not (outcome.verdict.by_name and call.failures >= _IMPOSSIBLE)

    note_cancel(call.key, endpoint)
    last = yield from ask(call, endpoint, params, again)
    by_name = last.verdict.by_name
    while confirm or by_name:
        rejected = last.verdict.meaning is Meaning.REJECTED
        refused = rejected and not last.verdict.by_name
        if refused and last.endpoint is endpoint:
            break
        rows, whole = yield from _pages(call, {}, aside=True, looks=math.inf if rejected and not refused else _LOOKS)
        call.remaining, call.filling = _left(rows, whole=whole, said=last.verdict.meaning)
        if refused or call.late or call.remaining == ():
            break
        ids: tuple[str, ...] = ()
        if call.remaining and by_name:
            ids = yield from _nameable(call, rows or [])
        if ids:
            what = f"{call.exchange.id} {call.words.method}()"
            log(logging.WARNING, "%s: %s. Canceling %d by name.", what, call.reason(last), len(ids))
            last = yield from _cancel_by_name(call, ids, again, last)
        elif call.remaining or (by_name and not rejected):
            pause = 0.0 if call.remaining and not by_name else call.backoff(last)
            last = yield from ask(call, endpoint, params, again, pause=pause)
            by_name = last.verdict.by_name
        else:
            break
    return _receipt(call, endpoint, confirm=confirm, by_name=by_name)


def open_rfqs(call: Call, params: dict[str, Any]) -> Steps[list[OpenRfq]]:
    """Read the account's own open RFQs, page by page; oldest first, as ccxt does."""
    rows, whole = yield from _pages(call, params)
    if rows is None or not whole:
        # Code 0, but incomplete: time ran out before the last page.
        raise call.failure(OperationFailed if call.last.verdict.meaning is Meaning.DONE else None)
    mine = own_trader_code(rows)
    own = [parse_rfq(call.exchange, row) for row in rows if is_own(row, mine)]
    return sorted(own, key=lambda rfq: (rfq["timestamp"] is not None, rfq["timestamp"], rfq["id"]))


def countdown(call: Call, timeout: int, params: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Set OKX's countdown to canceling all quotes."""
    last = yield from ask(call, CANCEL_ALL_AFTER, {**params, "timeOut": str(int(timeout))})
    if last.verdict.meaning is not Meaning.DONE or last.reply is None:
        raise call.failure()
    exchange = call.exchange
    row = exchange.safe_dict(last.rows, 0)
    ends, timestamp = (_milliseconds(exchange.safe_integer_omit_zero(row, key)) for key in ("triggerTime", "ts"))
    if timeout and ends is None:  # the reply does not say that it is running
        raise call.failure(BadResponse)
    return {
        "triggerTimestamp": ends,
        "triggerDatetime": exchange.iso8601(ends),
        "timestamp": timestamp,
        "datetime": exchange.iso8601(timestamp),
        "info": last.reply.body,
    }


def check_countdown(exchange: Any, timeout: Any) -> None:
    """Refuse a timeout that OKX does not offer."""
    if isinstance(timeout, bool) or timeout not in (0, *range(10, 121)):
        text = f"the timeout is 0, or 10 to 120 whole seconds, not {timeout!r}"
        raise refusal(BadRequest, exchange, SET_COUNTDOWN.method, text)


def _receipt(call: Call, endpoint: Endpoint, *, confirm: bool, by_name: bool) -> Receipt:
    last = call.last
    if call.remaining is not None:
        none_left = call.remaining == () and (last.verdict.meaning in _WELL or by_name)
    else:
        done = last.verdict.meaning is Meaning.DONE and last.endpoint is endpoint and not confirm
        none_left = done or last.verdict.meaning is Meaning.NOTHING_ACTIVE
    replies = [each.reply for each in call.outcomes if each.reply and isinstance(each.reply.body, dict)]
    if not replies or not none_left:
        # No error, but some are listed as active, or may be.
        raise call.failure(OperationFailed if last.verdict.meaning in _WELL else None)
    canceled = [each for each in call.outcomes if each.canceled]
    timestamp = None
    if canceled:
        timestamp = call.exchange.safe_integer(call.exchange.safe_dict(canceled[-1].rows, 0), "ts")
    elapsed = call.elapsed
    receipt: Receipt = {
        "status": "canceled" if canceled else "nothing_active",
        "timestamp": timestamp,
        "datetime": call.exchange.iso8601(timestamp),
        "attempts": call.attempts,
        "elapsed": elapsed,
        "info": replies[-1].body,
    }
    if confirm:
        receipt["confirmed"] = True
        receipt["remaining"] = []
        receipt["filling"] = None if call.filling is None else list(call.filling)
    what = f"{call.exchange.id} {call.words.method}()"
    log(logging.INFO, "%s: %s after %s", what, receipt["status"], effort(call.attempts, elapsed))
    return receipt


def _left(rows: list[dict[str, Any]] | None, *, whole: bool, said: Meaning) -> _Ids:
    """Return the ids of the account's RFQs that are active, and of those being executed; None where unknown.

    OKX does not document how it marks RFQs received as a maker. So an active RFQ that only seems to be the account's
    does not count if OKX has just said that the account has nothing active.
    """
    if rows is None:
        return None, None
    mine = own_trader_code(rows)
    doubtful = ("own",) if said is Meaning.NOTHING_ACTIVE else ("own", "unclear")

    def ids(state: str, owners: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(row["rfqId"] for row in rows if row["state"] == state and owner_of(row, mine) in owners)

    active, filling = ids(_ACTIVE, doubtful), ids(_FILLING, ("own", "unclear"))
    # An incomplete list can name some, but cannot prove that there are no others.
    return (active, filling) if whole else (active or None, None)


def _nameable(call: Call, rows: list[dict[str, Any]]) -> Steps[tuple[str, ...]]:
    """Return the ids of the active RFQs that are provably the account's own: a cancel names no others."""
    mine, others = own_trader_code(rows), set[str]()
    active = [row for row in rows if row["state"] == _ACTIVE]
    if any(owner_of(row, mine) == "unclear" for row in active):
        outcome = yield from ask(call, COUNTERPARTIES, {}, aside=True, most=_LOOKS)
        if outcome.verdict.meaning is Meaning.DONE:
            others = {row["traderCode"] for row in outcome.rows}
            mine = own_trader_code(rows, others)
    return tuple(row["rfqId"] for row in active if owner_of(row, mine, others) == "own")


def _cancel_by_name(
    call: Call, ids: tuple[str, ...], again: Callable[[Outcome], bool], last: Outcome
) -> Steps[Outcome]:
    for start in range(0, len(ids), _PAGE):
        last = yield from ask(call, CANCEL_BATCH_RFQS, {"rfqIds": list(ids[start : start + _PAGE])}, again)
        if call.late or last.verdict.meaning is not Meaning.DONE:
            break
    return last


def _pages(
    call: Call, params: dict[str, Any], *, aside: bool = False, looks: float = math.inf
) -> Steps[tuple[list[dict[str, Any]] | None, bool]]:
    """Return the RFQs that OKX lists as open, including those received as a maker, and whether the list is complete.

    None if OKX would not list them; incomplete if time ran out before the last page.

    Source: okx.com/docs-v5/en/#block-trading-rest-api-get-rfqs
    """
    rows: dict[str, dict[str, Any]] = {}
    size = int(call.exchange.safe_integer(params, "limit", _PAGE))
    for state in _OPEN:
        older: dict[str, Any] = {}
        while True:
            asked = {**params, "state": state, **older}
            outcome = yield from ask(call, RFQS, asked, aside=aside, most=looks)
            if outcome.verdict.meaning is not Meaning.DONE:
                return None, False
            rows.update({row["rfqId"]: row for row in outcome.rows if row["state"] in _OPEN})
            if len(outcome.rows) < size:
                break
            if call.late:
                return list(rows.values()), False
            older = {"endId": outcome.rows[-1]["rfqId"]}
    return list(rows.values()), True


def _milliseconds(time: int | None) -> int | None:
    # OKX's docs of this endpoint show seconds, without comment; all its other times are milliseconds.
    return time * 1000 if time is not None and time < 10**11 else time
