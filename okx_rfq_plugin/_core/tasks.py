"""This file says for each method of users which endpoints are called one after the other, and what comes out."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from typing import Any

from ccxt.base.errors import BadRequest, BadResponse, OperationFailed

from okx_rfq_plugin._core.call import Call, Outcome, Report, Words
from okx_rfq_plugin._core.clock import Clock
from okx_rfq_plugin._core.endpoints import (
    CANCEL_ALL_AFTER,
    CANCEL_ALL_QUOTES,
    CANCEL_ALL_RFQS,
    CANCEL_BATCH_RFQS,
    RFQS,
    Endpoint,
)
from okx_rfq_plugin._core.records import Receipt, refusal
from okx_rfq_plugin._core.rfqs import OpenRfq, is_own, parse_rfq
from okx_rfq_plugin._core.verdict import Meaning, Reply, rows_of

_PAGE = 100  # rows on a page of rfqs, and ids in a batch, at most
_OPEN = ("active", "pending_fill")  # in this order: from the one an RFQ goes on to the other
_PATIENCE = 3  # attempts that OKX may find impossible at the moment before the RFQs are named
_LOOKS = 2  # attempts to read what is left, before canceling is tried again
_CANCELING = {
    CANCEL_ALL_RFQS: Words(
        "cancel_all_rfqs",
        "RFQs",
        "NOTHING WAS CANCELED: RFQs that were active still are.",
        "RFQs MAY STILL BE ACTIVE: whether they were canceled is not known.",
    ),
    CANCEL_ALL_QUOTES: Words(
        "cancel_all_quotes",
        "quotes",
        "NOTHING WAS CANCELED: quotes that were active still are.",
        "QUOTES MAY STILL BE ACTIVE: whether they were canceled is not known.",
    ),
}
_READING = Words("fetch_open_rfqs", "RFQs", "THE RFQs COULD NOT BE READ.", "THE RFQs COULD NOT BE READ.")
_COUNTING = Words(
    "cancel_all_quotes_after",
    "quotes",
    "THE COUNTDOWN WAS NOT SET: one that runs goes on.",
    "THE COUNTDOWN MAY OR MAY NOT BE SET.",
)

logger = logging.getLogger("okx_rfq_plugin")


class CancelAll(Call):
    """Cancels all RFQs or quotes: at once, or where OKX cannot do that, by name; if told so, until none is left."""

    def __init__(
        self,
        exchange: Any,
        clock: Clock,
        report: Report,
        endpoint: Endpoint,
        params: dict[str, Any],
        *,
        confirm: bool = False,
    ) -> None:
        super().__init__(exchange, clock, report, _CANCELING[endpoint], endpoint, params)
        self._given = params
        self._confirm = confirm
        self._heard: Reply | None = None  # OKX's last reply to a cancel
        self._canceled: Reply | None = None  # its last that says that something was canceled
        self._by_name = False
        self._only_by_name = False

    def steps(self) -> Iterator[None]:
        """Cancel all; then look whether any is left, and go on, where that is asked for or must be."""
        yield
        self._by_name = self.verdict.by_name
        while self._confirm or self._by_name:
            refused = self.verdict.meaning is Meaning.REJECTED and not self.verdict.by_name
            if refused and self.endpoint is self._first:
                return
            yield from self._look()
            if refused or self.late or self.remaining == ():
                return
            if self.remaining and self._by_name:
                what = f"{self.exchange.id} {self.words.method}()"
                logger.warning("%s: %s. Canceling %d by name.", what, self._said(), len(self.remaining))
                yield from self._cancel_by_name(self.remaining)
            elif self.remaining or (self._by_name and self.verdict.meaning is not Meaning.REJECTED):
                self.turn_to(self._first, self._given, pause=0.0 if self.remaining else self.backoff())
                yield
                self._by_name = self.verdict.by_name
            else:
                return

    def again(self) -> bool:
        """Say whether the last attempt calls for another: to confirm it, too."""
        if self.endpoint.reads:
            return super().again() and (self._only_by_name or self._tries < _LOOKS)
        if self._confirm and self.verdict.meaning is Meaning.DONE and self.endpoint is self._first:
            return True
        return super().again() and not (self.verdict.by_name and self._failures >= _PATIENCE)

    def conclude(self) -> Receipt:
        """Return the receipt, or raise."""
        if self._heard is None or not self._none_left:
            if self.verdict.meaning in (Meaning.DONE, Meaning.NOTHING_ACTIVE):  # and yet some are listed, or may be
                self.verdict = self.verdict._replace(raises=OperationFailed)
            raise self.failure() from self.cause
        timestamp = None
        if self._canceled is not None:
            timestamp = self.exchange.safe_integer(self.exchange.safe_dict(rows_of(self._canceled), 0), "ts")
        receipt: Receipt = {
            "status": "nothing_active" if self._canceled is None else "canceled",
            "timestamp": timestamp,
            "datetime": self.exchange.iso8601(timestamp),
            "attempts": self.attempts,
            "elapsed": self.elapsed(),
            "info": self._heard.body,
        }
        if self._confirm:
            receipt["confirmed"] = True
            receipt["remaining"] = []
            receipt["filling"] = None if self.filling is None else list(self.filling)
        if logger.isEnabledFor(logging.INFO):
            logger.info("%s %s(): %s after %s", self.exchange.id, self.words.method, receipt["status"], self.effort())
        return receipt

    @property
    def _none_left(self) -> bool:
        if self.remaining is not None:
            said = self.verdict.meaning in (Meaning.DONE, Meaning.NOTHING_ACTIVE)
            return self.remaining == () and (said or self._by_name)
        if self.verdict.meaning is Meaning.NOTHING_ACTIVE:
            return True
        return self.verdict.meaning is Meaning.DONE and self.endpoint is self._first and not self._confirm

    def _count(self) -> None:
        super()._count()
        if not self.endpoint.reads:
            self.remaining = self.filling = None  # once more is canceled, what was listed before may be gone

    def _judge(self, replies: tuple[Reply | None, ...], outcome: Outcome) -> bool:
        in_doubt = super()._judge(replies, outcome)
        if not self.endpoint.reads:
            self._hear()
        return in_doubt

    def _hear(self) -> None:
        if self.reply is not None and isinstance(self.reply.body, dict):
            self._heard = self.reply
        if self.verdict.some or (self.verdict.meaning is Meaning.DONE and self.endpoint is self._first):
            self._canceled = self.reply
            self._in_doubt = True  # from here on it is not true any more that nothing was canceled

    def _look(self) -> Iterator[None]:
        # What is told in the end is what the cancel came to, and not the look.
        self._only_by_name = self.verdict.by_name and self.verdict.meaning is Meaning.REJECTED
        said = self.endpoint, self.verdict, self.reply, self.error, self._signatures
        rows, whole = yield from _pages(self, {})
        self.endpoint, self.verdict, self.reply, self.error, self._signatures = said
        self.remaining = self.filling = None
        if rows is not None:
            own = [(row["state"], row["rfqId"]) for row in rows if is_own(row)]
            active, filling = (tuple(rfq_id for state, rfq_id in own if state == wanted) for wanted in _OPEN)
            # A part can name some, and cannot say that there are no others.
            self.remaining, self.filling = (active, filling) if whole else (active or None, None)

    def _cancel_by_name(self, ids: tuple[str, ...]) -> Iterator[None]:
        for start in range(0, len(ids), _PAGE):
            self.turn_to(CANCEL_BATCH_RFQS, {"rfqIds": list(ids[start : start + _PAGE])})
            yield
            if self.late or self.verdict.meaning is not Meaning.DONE:
                return


class OpenRfqs(Call):
    """Reads the RFQs of one's own that are open, page by page."""

    def __init__(self, exchange: Any, clock: Clock, report: Report, params: dict[str, Any]) -> None:
        super().__init__(exchange, clock, report, _READING, RFQS, params)
        self._given = params
        self._rows: list[dict[str, Any]] | None = None

    def steps(self) -> Iterator[None]:
        """Read all pages."""
        rows, whole = yield from _pages(self, self._given)
        self._rows = rows if whole else None

    def conclude(self) -> list[OpenRfq]:
        """Return them, oldest first as ccxt does, or raise."""
        if self._rows is None:
            if self.verdict.meaning is Meaning.DONE:  # the time was over before the last page
                self.verdict = self.verdict._replace(raises=OperationFailed)
            raise self.failure() from self.cause
        own = [parse_rfq(self.exchange, row) for row in self._rows if is_own(row)]
        return sorted(own, key=lambda rfq: (rfq["timestamp"] or 0, rfq["id"]))


class Countdown(Call):
    """Sets OKX's countdown, at whose end it cancels all quotes."""

    def __init__(self, exchange: Any, clock: Clock, report: Report, timeout: int, params: dict[str, Any]) -> None:
        if isinstance(timeout, bool) or timeout not in (0, *range(10, 121)):
            reason = f"the timeout is 0, or 10 to 120 whole seconds, not {timeout!r}"
            raise refusal(BadRequest, exchange, _COUNTING.method, reason)
        self._timed = timeout != 0
        params = {**params, "timeOut": str(int(timeout))}
        super().__init__(exchange, clock, report, _COUNTING, CANCEL_ALL_AFTER, params)

    def conclude(self) -> dict[str, Any]:
        """Return when it ends, or raise."""
        if self.verdict.meaning is not Meaning.DONE or self.reply is None:
            raise self.failure() from self.cause
        row = self.exchange.safe_dict(rows_of(self.reply), 0)
        ends, timestamp = (
            _milliseconds(self.exchange.safe_integer_omit_zero(row, key)) for key in ("triggerTime", "ts")
        )
        if self._timed and ends is None:  # OKX's reply does not say that it runs
            self.verdict, self._in_doubt = self.verdict._replace(raises=BadResponse), True
            raise self.failure()
        return {
            "triggerTimestamp": ends,
            "triggerDatetime": self.exchange.iso8601(ends),
            "timestamp": timestamp,
            "datetime": self.exchange.iso8601(timestamp),
            "info": self.reply.body,
        }


def _milliseconds(time: int | None) -> int | None:
    # OKX's page of this endpoint shows seconds, without a word on it; all its other times are milliseconds.
    return time * 1000 if time is not None and time < 10**11 else time


def _pages(call: Call, params: dict[str, Any]) -> Generator[None, None, tuple[list[dict[str, Any]] | None, bool]]:
    """Read what OKX lists as open, RFQs received as a maker included, and whether that is all of it.

    None where OKX would not list it; a part where the time was over before the last page.

    Source: okx.com/docs-v5/en/#block-trading-rest-api-get-rfqs
    """
    rows: dict[str, dict[str, Any]] = {}
    size = int(call.exchange.safe_integer(params, "limit", _PAGE))
    for state in _OPEN:
        older: dict[str, Any] = {}
        while True:
            call.turn_to(RFQS, {**params, "state": state, **older})
            yield
            if call.verdict.meaning is not Meaning.DONE or call.reply is None:
                return None, False
            page = rows_of(call.reply) or []
            rows.update({row["rfqId"]: row for row in page if row["state"] in _OPEN})
            if len(page) < size:
                break
            if call.late:
                return list(rows.values()), False
            older = {"endId": page[-1]["rfqId"]}
    return list(rows.values()), True
