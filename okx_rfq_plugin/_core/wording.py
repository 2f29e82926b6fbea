"""Wording: what is true after a failed call, why, and what to do. Pure functions of the facts."""

from __future__ import annotations

from typing import NamedTuple

from ccxt.base.errors import (
    AccountSuspended,
    AuthenticationError,
    BaseError,
    ExchangeClosedByUser,
    InvalidNonce,
    OperationFailed,
    PermissionDenied,
)

from okx_rfq_plugin._core import transport
from okx_rfq_plugin._core.outcome import Outcome
from okx_rfq_plugin._core.records import CancelFailure
from okx_rfq_plugin._core.verdict import describe

_NAMED = 10  # ids in a message at most; `cancel_failure` has all
_ADVICE: tuple[tuple[type[BaseError], str], ...] = (
    (ExchangeClosedByUser, "Call before `await exchange.close()`, or use another exchange object."),
    (PermissionDenied, "Check the key's Trade permission, its IP list, and that this account may trade blocks."),
    (AccountSuspended, "The account is blocked or restricted, which only OKX can lift."),
    (AuthenticationError, "Check key, secret and passphrase, and that the key is for this host, live or demo as set."),
    (InvalidNonce, "Set the clock of this machine."),
    (OperationFailed, "Call again, and check the {things} on OKX's own pages."),
    (BaseError, "The request as it stands is not accepted: check params, proxy and the exchange object's settings."),
)


class Words(NamedTuple):
    """The words for a method: its name, what it acts on, and what is true if it failed, certainly or perhaps."""

    method: str
    things: str
    undone: str
    in_doubt: str


CANCEL_RFQS = Words(
    "cancel_all_rfqs",
    "RFQs",
    "NOTHING WAS CANCELED: RFQs that were active still are.",
    "RFQs MAY STILL BE ACTIVE: whether they were canceled is not known.",
)
CANCEL_QUOTES = Words(
    "cancel_all_quotes",
    "quotes",
    "NOTHING WAS CANCELED: quotes that were active still are.",
    "QUOTES MAY STILL BE ACTIVE: whether they were canceled is not known.",
)
READ_RFQS = Words("fetch_open_rfqs", "RFQs", "THE RFQs COULD NOT BE READ.", "THE RFQs COULD NOT BE READ.")
SET_COUNTDOWN = Words(
    "cancel_all_quotes_after",
    "quotes",
    "THE COUNTDOWN WAS NOT SET: one that runs goes on.",
    "THE COUNTDOWN MAY OR MAY NOT BE SET.",
)


def advice(raises: type[BaseError], words: Words) -> str:
    """Return what to do about an exception of this class."""
    return next(text for family, text in _ADVICE if issubclass(raises, family)).format(things=words.things)


def effort(attempts: int, elapsed: float) -> str:
    """Return how many attempts it took, and how long."""
    return f"{attempts} attempt{'s' * (attempts != 1)} in {elapsed:.2f} s"


def message(exchange_id: str, words: Words, facts: CancelFailure, reason: str) -> str:
    """Return what is true now, after how many attempts and seconds, and why."""
    truth = f"{exchange_id} {words.method}(): {_truth(words, facts)}"
    return f"{truth} After {effort(facts.attempts, facts.elapsed)}: {reason}"


_SHORTEST_SECRET = 4  # characters: OKX issues none shorter, and masking one or two letters would garble the text


def reason(outcome: Outcome, hidden: tuple[object, ...]) -> str:
    """Return the outcome of one attempt in words, with all `hidden` texts masked."""
    if outcome.reply is None and not outcome.sent and outcome.error is not None:
        text = f"nothing was sent: {transport.explain(outcome.error)}"
    else:
        text = describe(outcome.reply, outcome.error)
    for secret in (*hidden, *outcome.secrets):
        if isinstance(secret, str) and len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return text


def _truth(words: Words, facts: CancelFailure) -> str:
    if facts.remaining:
        count = len(facts.remaining)
        named = ", ".join(facts.remaining[:_NAMED]) + ", ..." * (count > _NAMED)
        are = f"{words.things} ARE" if count > 1 else f"{words.things[:-1]} IS"
        return f"{count} {are} STILL ACTIVE, as OKX lists them: {named}."
    truth = words.in_doubt if facts.may_be_canceled else words.undone
    return truth if facts.remaining is None else f"{truth} OKX lists no {words.things} as active."
