"""Runs a watcher: polls the store, cancels, and reports."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

from okx_rfq_plugin.fleet import clocks
from okx_rfq_plugin.fleet.cancels import Cancels
from okx_rfq_plugin.fleet.records import Member, View, Watcher
from okx_rfq_plugin.fleet.store import Store, StoreError
from okx_rfq_plugin.fleet.watching import Event, Watch

logger = logging.getLogger("okx_rfq_plugin")

OK, NOT_CANCELED, MAY_BE_ACTIVE = 0, 3, 4
_SHOWN_FOR = 5000  # milliseconds that a watcher counts as running after its last sign of life


def words_of(event: Event) -> str:
    """Return an event as a sentence."""
    whose = f"{event.member.name} on {event.member.host} (process {event.member.pid})" if event.member else ""
    sentences = {
        "lapsed": f"the lease of {whose} has lapsed without a sign-off: canceling all RFQs of {event.account}",
        "uncovered": f"the lease of {whose} has lapsed. NOTHING IS CANCELED: no key for {event.account} is here",
        "back": f"{whose} is back, and renews its lease",
        "blind": "THE STORE IS GONE, or answers too late: no member that dies now is noticed",
        "sight": "the store answers again",
        "canceled": f"{event.account}: {event.words}",
        "failed": f"{event.account}: {event.words}",
        "finished": f"{event.account}: nothing of {whose or 'it'} is active, nor can come alive any more",
        "forgotten": f"{whose} is forgotten",
    }
    return sentences[event.kind]


_LEVELS = {
    "uncovered": logging.ERROR,
    "blind": logging.ERROR,
    "failed": logging.ERROR,
    "lapsed": logging.WARNING,
}


class WatcherRun:
    """A running watcher.

    Args:
        store: the store to poll.
        exchanges: sync objects with the package installed, by account.
        watch: makes the decisions.
        tell: called with each event, in addition to the log.
        interval: seconds between two polls.
    """

    def __init__(
        self,
        store: Store,
        exchanges: Mapping[str, Any],
        watch: Watch,
        tell: Callable[[Event], None],
        *,
        name: str = "watcher",
        on_blind: str = "alarm",
        interval: float = 0.25,
    ) -> None:
        self._store, self._watch, self._tell, self._interval = store, watch, tell, interval
        self._cancels = Cancels(exchanges)
        self._record = Watcher(
            secrets.token_hex(8), name, socket.gethostname(), os.getpid(), tuple(exchanges), on_blind
        )

    def run(self, ended: threading.Event) -> int:
        """Watch until stopped. Return the exit code: 0 if no cancel is outstanding, else 3 or 4."""
        while not ended.is_set():
            view, now = self._look()
            self._say(self._watch.look(view, now))
            for account in self._watch.due(now):
                self._cancels.begin(account)
            for outcome in self._cancels.ended(self._interval):
                self._handle(outcome)
        self._try(self._store.unwatch, self._record.id)
        self._store.close()
        if self._watch.uncovered:
            return NOT_CANCELED
        return MAY_BE_ACTIVE if self._watch.plans or self._watch.is_blind else OK

    def _look(self) -> tuple[View | None, clocks.Reading]:
        try:
            view: View | None = self._store.look()
            self._store.watch(self._record, _SHOWN_FOR)
        except StoreError:
            view = None
        return view, clocks.read()

    def _handle(self, outcome: Any) -> None:
        now = clocks.read()
        for event in self._watch.canceled(outcome.account, now, clean=outcome.clean, words=outcome.words):
            self._say([event])
            if event.kind == "canceled":
                facts = {"status": outcome.receipt["status"], "by": f"{self._record.name} on {self._record.host}"}
                self._try(self._store.note_cancel, outcome.account, facts)
            if event.kind == "finished" and event.member is not None:
                self._forget(event.member)

    def _forget(self, member: Member) -> None:
        # A member that has come back stays. One that the store was not told about is canceled for once more.
        if self._try(self._store.forget, member.id):
            self._say([self._watch.forgotten(member)])

    def _say(self, events: list[Event]) -> None:
        for event in events:
            logger.log(_LEVELS.get(event.kind, logging.INFO), "fleet: %s", words_of(event))
            self._tell(event)

    def _try(self, what: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return what(*arguments)
        except StoreError as error:  # a lost store is reported as blindness
            logger.info("fleet: the store did not take it: %s", error)
            return None
