"""Canceling RFQs by id, under the rules of every cancel: rate limit, clock, retries, deadline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from okx_rfq_plugin._core.call import Call, attach
from okx_rfq_plugin._core.effects import Steps, drive
from okx_rfq_plugin._core.endpoints import CANCEL_BATCH_RFQS
from okx_rfq_plugin._core.outcome import Outcome
from okx_rfq_plugin._core.steps import ask
from okx_rfq_plugin._core.verdict import Meaning
from okx_rfq_plugin._core.wording import CANCEL_RFQS
from okx_rfq_plugin.cli.clock import the_clock

_AT_ONCE = 100  # ids that OKX accepts in one request
_NO_SUCH = CANCEL_BATCH_RFQS.gone[0]  # a row's code for an unknown RFQ


class ByName(NamedTuple):
    """The outcome of a cancel by id.

    `acted` is whether OKX may have canceled some, `wrong` the error, if any, `took` the seconds, and `unknown` the ids
    that OKX says it does not know.
    """

    acted: bool
    wrong: str
    took: float
    unknown: list[str]


def cancel_named(exchange: Any, ids: Sequence[str]) -> ByName:
    """Cancel these RFQs in batches of a hundred. A failed batch does not prevent the next.

    Args:
        exchange: a sync object with the plugin installed; its policy sets the deadline.
        ids: OKX's ids.
    """
    call = None
    try:
        call = Call(exchange, the_clock(), CANCEL_RFQS, lambda *report: None)  # observers do not hear of these
        failed = drive(_batches(call, ids))
        wrong = f"{call.reason(failed)}." if failed else ""
        return ByName(call.facts().may_be_canceled, wrong, call.elapsed, list(_unknown(call)))
    except BaseException as error:
        attach(call, error)
        raise


def _unknown(call: Call) -> Iterator[str]:
    for outcome in call.outcomes:
        for row in outcome.rows:
            if isinstance(row, dict) and row.get("sCode") == _NO_SUCH:
                yield str(row.get("rfqId"))


def _batches(call: Call, ids: Sequence[str]) -> Steps[Outcome | None]:
    """Return the first outcome that is not a success."""
    failed = None
    for start in range(0, len(ids), _AT_ONCE):
        batch = list(ids[start : start + _AT_ONCE])
        outcome = yield from ask(call, CANCEL_BATCH_RFQS, {"rfqIds": batch})
        if outcome.verdict.meaning is not Meaning.DONE:
            failed = failed or outcome
        if call.late:
            break
    return failed
