"""Strict replay, in order: refuses requests missing from the cassette, and reports unused interactions."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from okx_rfq_plugin.testing.cassettes import is_own
from okx_rfq_plugin.testing.family import Asking, is_served
from okx_rfq_plugin.testing.interactions import CassetteRequest, Failure, Interaction, Reply
from okx_rfq_plugin.testing.reading import Cassette
from okx_rfq_plugin.testing.scrub import is_placeholder
from okx_rfq_plugin.testing.sent import Sent
from okx_rfq_plugin.testing.stage import Plan, Stage, request_of

Match = Literal["body", "path"]
MATCHES = ("body", "path")


class Player:
    """A cassette being replayed.

    Args:
        cassette: the content of the file.
        match: "body" compares the bodies and queries of requests that create or cancel something; "path" compares none.
    """

    def __init__(self, cassette: Cassette, match: Match = "body") -> None:
        self.cassette = cassette
        self.requests: list[CassetteRequest] = []
        self._match = match
        self._next = 0
        self._live: dict[str, str] = {}  # by placeholder: the value that the strategy uses in this run
        self._delivered: set[str] = set()  # placeholders that appeared in a reply
        self._lock = threading.RLock()

    def plan(self, stage: Stage, asked: Asking, sent: Sent, *, local: bool) -> Plan:
        """Answer the request of an okx object with the next interaction."""
        __tracebackhide__ = True
        if local and not is_served(asked.exchange):
            return Plan()  # the strategy's own server
        request = request_of(asked, sent)
        with self._lock:
            due = self._due()
            differs = "" if due is None else self._differs(due.request, request)
            if due is not None and not differs:
                self._next += 1
                self.requests.append(request)
                return Plan(answer=self._answer(due))
        stage.refuse(self._miss(request, due, differs))

    @property
    def left_over(self) -> str | None:
        """The interactions never requested, in words, or None."""
        if self._due() is None:
            return None
        return (
            f"the cassette holds what was never asked for: {self.cassette.path}\n{self._held()}\n"
            f"  {self._advice('the strategy has asked for less than when it was recorded')}"
        )

    def _due(self) -> Interaction | None:
        rows = self.cassette.interactions
        return rows[self._next] if self._next < len(rows) else None

    def _differs(self, recorded: CassetteRequest, asked: CassetteRequest) -> str:
        """Return how two requests differ, in words, and remember the strategy's values for the placeholders."""
        if (recorded.method, recorded.path) != (asked.method, asked.path):
            return "request"
        if self._match == "path" or asked.method == "GET":
            return ""
        names: dict[str, str] = {}
        if not self._same(recorded.params, asked.params, names):
            return "query"
        if not self._same(_content(recorded.body), _content(asked.body), names):
            return "body"
        self._live.update(names)
        return ""

    def _same(self, recorded: Any, asked: Any, names: dict[str, str]) -> bool:
        if isinstance(recorded, dict) and isinstance(asked, dict):
            return recorded.keys() == asked.keys() and all(
                self._same(item, asked[key], names) for key, item in recorded.items()
            )
        if isinstance(recorded, list) and isinstance(asked, list):
            return len(recorded) == len(asked) and all(map(self._same, recorded, asked, [names] * len(asked)))
        if isinstance(recorded, str) and is_placeholder(recorded) and recorded not in self._delivered:
            live = self._live.get(recorded, names.get(recorded))
            if live is None and isinstance(asked, (str, int)):
                live = names[recorded] = str(asked)
            return live == str(asked)
        return bool(recorded == asked)

    def _answer(self, due: Interaction) -> Reply | Failure:
        if isinstance(due.answer, Failure):
            return due.answer
        text = due.answer.body.decode("utf-8", "surrogateescape")
        for placeholder, live in self._live.items():
            inside = json.dumps(live)[1:-1]
            text = re.sub(rf"(?<![\w-]){re.escape(placeholder)}(?![\w-])", partial(_always, inside), text)
        self._delivered.update(
            word for word in re.findall(r"[\w-]+", text) if is_placeholder(word) and word not in self._live
        )
        return replace(due.answer, body=text.encode("utf-8", "surrogateescape"))

    def _miss(self, request: CassetteRequest, due: Interaction | None, differs: str) -> str:
        lines = [f"the cassette does not hold what was asked for: {self.cassette.path}", f"  asked: {request}"]
        if differs in ("body", "query"):
            assert due is not None  # noqa: S101 - for the type checker: otherwise there is nothing to differ from
            recorded, asked = getattr(due.request, differs), getattr(request, differs)
            lines += [f"  its {differs}: {asked}", f"  recorded, in line {due.line}: {recorded}"]
            reason = f"the {differs} differs"
        elif due is not None:
            lines.append(f"  due: {due.request}, line {due.line}")
            reason = "the strategy asks for other things, or in another order, than when it was recorded"
        else:
            reason = "everything in it was replayed already: the strategy asks for more than when it was recorded"
        return "\n".join([*lines, self._held(), f"  {self._advice(reason)}"])

    def _held(self) -> str:
        lines = [
            f"  holds: {each.request}, {each.outcome}, " + ("replayed" if number < self._next else "not asked for")
            for number, each in enumerate(self.cassette.interactions)
        ]
        return "\n".join(lines) or "  holds: nothing"

    def _advice(self, reason: str) -> str:
        if is_own(self.cassette.path):
            return (
                f"What to do: {reason}. This cassette comes with okx-rfq-plugin: mend the strategy or the test, take "
                "another cassette, or leave the marker out and bring the situation about by okx_rfq_sandbox."
            )
        return (
            f"What to do: {reason}. If the strategy is right, record again: pytest --okx-rfq-record=sandbox "
            '--okx-rfq-record-mode=rewrite. To compare paths alone: okx_rfq_cassette(..., match="path").'
        )


def _always(text: str, _: re.Match[str]) -> str:
    return text


def _content(body: str) -> Any:
    # No body and an empty one are the same to OKX for endpoints without parameters.
    if not body or body == "{}":
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body
