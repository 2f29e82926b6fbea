"""Whatever series of answers comes, a cancel tells the truth after it; the series are hypothesis's."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.replies import (
    CLOCK,
    CODES,
    PUBLIC_TIME,
    REJECTED,
    RETRIED,
    SENTENCES,
    SUCCEEDS,
    UNKNOWN,
    Answer,
    aimed,
    failed,
)
from support.standin import Standin, reply
from support.transport_faults import FAULTS

pytestmark = pytest.mark.exhaustive

LONG = 45.0  # seconds, so that six answers are heard whatever is waited between them
LONGEST_WAIT = 8.3  # seconds, by RetryPolicy

EARLY = Answer("50102", reply(401, failed("50102")), CLOCK, ccxt.InvalidNonce, "50102")
BROKEN = [
    Answer(fault.name, fault.step, UNKNOWN, (fault.sync, fault.asynchronous))  # type: ignore[arg-type]  # one a twin
    for fault in FAULTS
]
SMALL = [answer for answer in SENTENCES if "1 MB" not in answer.name]

# Drawn by meaning first: else nearly every sequence would end at once, in one of the many rejections.
BY_MEANING = {
    meaning: [answer for answer in (*CODES, *SMALL, *BROKEN, EARLY) if answer.meaning == meaning]
    for meaning in (*RETRIED, *RETRIED, CLOCK, REJECTED, *SUCCEEDS)
}
SEQUENCES = st.lists(
    st.sampled_from([*RETRIED, *RETRIED, CLOCK, REJECTED, *SUCCEEDS]).flatmap(
        lambda meaning: st.sampled_from(BY_MEANING[meaning])
    ),
    min_size=1,
    max_size=6,
)


def named(*names: str) -> list[Answer]:
    return [next(answer for answer in (*CODES, *SMALL, *BROKEN, EARLY) if answer.name == name) for name in names]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=SEQUENCES)
@example(sequence=named("50026-500", "70207-200"))
@example(sequence=named("50026-500", "50113-401"))
@example(sequence=named("50102", "50102", "0-200"))
@example(sequence=named("success cut short", "50011-429", "50102", "nothing", "50001-503", "50120-200"))
def test_a_cancel_tells_the_truth_after_any_answers(sequence: list[Answer], twin: Any, clock: Any) -> None:
    """Success only if the last answer was one, doubt exactly if one was unknown, and nothing after a rejection."""
    with Standin(clock.now) as standin:
        standin.script(*(answer.step for answer in sequence))
        standin.script(reply(200, {"code": "0", "data": [{"ts": str(int(clock.wall() * 1000))}]}), path=PUBLIC_TIME)
        exchange = aimed(twin, standin, clock, deadline=LONG)

        receipt, error = None, None
        try:
            receipt = twin.cancel(exchange)
        except ccxt.BaseError as raised:
            error = raised

        sent = len(standin.requests) - len(standin.seen(PUBLIC_TIME))
    *earlier, last = [sequence[min(i, len(sequence) - 1)] for i in range(sent)]
    assert [] == [answer for answer in earlier if answer.meaning in (*SUCCEEDS, REJECTED)]
    assert (last.meaning in SUCCEEDS) == (receipt is not None)
    if receipt is not None:
        assert (sent, last.meaning.replace(" ", "_")) == (receipt["attempts"], receipt["status"])
        return
    facts: Any = error.cancel_failure
    raises = last.raises[not twin.synchronous] if isinstance(last.raises, tuple) else last.raises
    assert (raises, last.code) == (type(error), facts.code)
    assert sent == facts.attempts
    assert any(answer.meaning == UNKNOWN for answer in (*earlier, last)) == facts.may_be_canceled
    if last.meaning in RETRIED:
        assert LONG - LONGEST_WAIT <= facts.elapsed <= LONG


def test_every_meaning_can_be_drawn() -> None:
    """The answers above cover what OKX's pages, transport and clock can say."""
    assert {*RETRIED, CLOCK, REJECTED, *SUCCEEDS} == {meaning for meaning, drawn in BY_MEANING.items() if drawn}
