"""Runs a halt: sets the latch, cancels, and reports what is true at each step."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

from okx_rfq_plugin.fleet import clocks
from okx_rfq_plugin.fleet.cancels import Cancels, Outcome
from okx_rfq_plugin.fleet.halting import Halting
from okx_rfq_plugin.fleet.store import Store, StoreError

OK, NOT_CANCELED, MAY_BE_ACTIVE = 0, 3, 4
_LOOK = 0.1  # seconds

Say = Callable[[str, str, dict[str, Any]], None]  # the kind of step, a sentence, and the facts


class HaltRun:
    """A running halt.

    Args:
        store: holds the latch.
        exchanges: sync objects with the package installed, by account.
        halting: makes the decisions.
        reason: shown to members that are refused.
        by: who halts the fleet.
        say: called at each step.
        deadline: seconds after the last planned cancel until accounts that are not clean are given up.
    """

    def __init__(
        self,
        store: Store,
        exchanges: Mapping[str, Any],
        halting: Halting,
        *,
        reason: str,
        by: str,
        say: Say,
        deadline: float = 30.0,
    ) -> None:
        self._store, self._halting, self._reason, self._by, self._say = store, halting, reason, by, say
        self._cancels = Cancels(exchanges)
        self._last: dict[str, Outcome] = {}
        self._doubt = False
        self._deadline = deadline
        self._phase = ""
        self._waiting: tuple[str, ...] = ()

    def run(self) -> int:
        """Halt the fleet. Return the exit code: 0 if everything was clean, else 3 or 4."""
        halting, overdue = self._halting, clocks.read()
        self._say("begin", "Canceling all RFQs now.", {})
        while not halting.is_done:
            now = clocks.read()
            for account in halting.due(now):
                self._cancels.begin(account)
            self._look()
            for outcome in self._cancels.ended(_LOOK):
                self._handle(outcome)
            self._tell_phase()
            if self._is_waiting():
                overdue = clocks.read()
            elif clocks.read().least_since(overdue) > self._deadline:
                break
        return self._conclude()

    def _is_waiting(self) -> bool:
        halting = self._halting
        return halting.left(clocks.read()) > 0 or not (halting.certain or halting.gave_up)

    def _look(self) -> None:
        try:
            view = self._store.look()
        except StoreError:
            view = None
        if self._halting.look(view, clocks.read()):
            try:
                latch = self._store.set_latch(halted=True, reason=self._reason, by=self._by, floor=self._halting.floor)
                self._halting.placed(latch, clocks.read())
                words = "The latch is set: members refuse to create as they see it."
                self._say("latch", words, {"version": latch.version})
            except StoreError as error:
                self._say_once("no-latch", f"THE LATCH IS NOT SET: members may go on to create ({error}).")

    def _handle(self, outcome: Outcome) -> None:
        self._halting.canceled(outcome.account, clocks.read(), clean=outcome.clean)
        self._last[outcome.account] = outcome
        self._doubt |= outcome.clean or outcome.in_doubt
        facts = {"account": outcome.account, "clean": outcome.clean}
        self._say("cancel", f"{outcome.account}: {outcome.words}.", facts)
        if outcome.receipt is not None:
            with suppress(StoreError):  # for display only
                self._store.note_cancel(outcome.account, {"status": outcome.receipt["status"], "by": self._by})

    def _tell_phase(self) -> None:
        halting, now = self._halting, clocks.read()
        if halting.certain:
            at = _clock_time(halting.left(now))
            self._say_once(
                "obeyed",
                f"Every member obeys, or its lease has lapsed. What was signed before may come alive until {at}: it is"
                " certain after the cancel at that time.",
            )
        elif halting.gave_up:
            names = (
                ", ".join(f"{member.name} on {member.host}" for member in halting.waiting(now)) or "the store is gone"
            )
            self._say_once("gave-up", f"NOT EVERY MEMBER IS KNOWN TO OBEY ({names}): the cancels go on all the same.")
        elif halting.latch is not None:
            waiting = tuple(f"{member.name} on {member.host}" for member in halting.waiting(now))
            if waiting and waiting != self._waiting:
                self._waiting = waiting
                self._say("waiting", f"Waiting for {', '.join(waiting)}.", {"members": list(waiting)})

    def _say_once(self, phase: str, words: str) -> None:
        if self._phase != phase:
            self._phase = phase
            self._say(phase, words, {})

    def _conclude(self) -> int:
        halting = self._halting
        uncovered = sorted({member.account for member in halting.uncovered})
        if halting.resumed is not None:
            by = halting.resumed.by
            self._say("resumed", f"THE FLEET WAS RESUMED BY {by} meanwhile: members create again.", {})
            return MAY_BE_ACTIVE
        if uncovered:
            words = f"NOT CANCELED, for there is no key here: {', '.join(uncovered)}."
            self._say("uncovered", words, {"accounts": uncovered})
        if not halting.is_clean:
            self._say("failed", "RFQs MAY STILL BE ACTIVE: not all of it was clean.", {})
            return MAY_BE_ACTIVE if self._doubt or halting.resumed else NOT_CANCELED
        if uncovered:
            return MAY_BE_ACTIVE
        if halting.waits:
            self._say("done", "No RFQ is active, and none can come alive: all of it was clean.", {})
        else:
            words = (
                "No RFQ is active as far as OKX has said. IT IS NOT CERTAIN YET: what was signed before may come alive"
                f" until {_clock_time(halting.certain_in(clocks.read()))}; cancel once more after that."
            )
            self._say("done", words, {"certain": False})
        return OK


def _clock_time(seconds: float) -> str:
    at = datetime.fromtimestamp(time.time() + seconds, timezone.utc)
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
