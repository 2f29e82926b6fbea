"""What one attempt came to, and the doubt it leaves."""

from __future__ import annotations

from typing import Any, NamedTuple

from ccxt.base.errors import BaseError, NetworkError, RequestTimeout

from okx_rfq_plugin._core.endpoints import Endpoint
from okx_rfq_plugin._core.verdict import Meaning, Reply, Verdict, rows_of


class Outcome(NamedTuple):
    """The judged result of one attempt; shared by all callers that the attempt serves."""

    endpoint: Endpoint
    verdict: Verdict
    reply: Reply | None  # None if no reply to this request was seen
    error: BaseError | None  # what ccxt raised, or would have raised
    sent: bool  # False only if certainly no request left this machine
    may_have_acted: bool  # whether OKX has executed the request, or may have
    secrets: tuple[str, ...] = ()  # signatures of the request; never shown

    @property
    def rows(self) -> list[Any]:
        """The rows of the reply."""
        return [] if self.reply is None else rows_of(self.reply) or []

    @property
    def canceled(self) -> bool:
        """Whether OKX confirmed that something was canceled."""
        return self.verdict.some or (self.verdict.meaning is Meaning.DONE and not self.endpoint.gone)

    @property
    def is_refusal(self) -> bool:
        """Whether OKX has said that it did nothing."""
        return self.verdict.meaning not in (Meaning.DONE, Meaning.UNKNOWN)

    @property
    def broke_off(self) -> bool:
        """Whether the connection broke before a reply came."""
        lost = self.reply is None and self.sent
        return lost and isinstance(self.error, NetworkError) and not isinstance(self.error, RequestTimeout)

    @property
    def shared(self) -> bool:
        """Whether it counts for all callers of the flight; a rejection or a failure to send is the leader's alone."""
        return self.sent and (self.verdict.by_name or self.verdict.meaning not in (Meaning.REJECTED, Meaning.CLOCK))

    def copied(self) -> Outcome:
        """Return it with a copy of the body, which its caller may change."""
        reply = self.reply
        return self if reply is None else self._replace(reply=reply._replace(body=copied(reply.body)))


class Attempt:
    """One signed request, from before it leaves until its outcome is known: the home of the doubt.

    `left` has one writer, the request, which sets it on the last line before the HTTP library is called. `outcome` has
    one writer, the leader, and setting it is the moment at which the doubt ends.
    """

    __slots__ = ("left", "outcome")

    def __init__(self) -> None:
        self.left = False
        self.outcome: Outcome | None = None

    @property
    def in_doubt(self) -> bool:
        """Whether OKX may have acted on it: it left and its outcome is unknown, or the outcome itself says so."""
        outcome = self.outcome
        return self.left if outcome is None else outcome.may_have_acted


def copied(body: Any) -> Any:
    """Copy a JSON value, nested to any depth."""
    top: list[Any] = [body]
    waiting: list[Any] = [top]
    while waiting:
        holder = waiting.pop()
        for key, value in holder.items() if isinstance(holder, dict) else enumerate(holder):
            if type(value) in (dict, list):
                holder[key] = value.copy()
                waiting.append(holder[key])
    return top.pop()
