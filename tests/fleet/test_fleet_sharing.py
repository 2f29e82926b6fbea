"""Tickets under every interleaving that hypothesis thinks of, with the scripts in a real server."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from okx_rfq_plugin.fleet.records import SENDS
from okx_rfq_plugin.fleet.server import EmbeddedServer
from okx_rfq_plugin.fleet.store import PREFIX, Store

GROUP = "demo:1:property"
CALLERS = st.integers(0, 5)


class Crowd(RuleBasedStateMachine):
    """Callers who come, look, are sent out, die or are served; time passes by moving back what the store has noted.

    A caller is told the moment at which the request that has served it was sent out: that is never before it came.
    """

    store: Store

    @initialize()
    def begin(self) -> None:
        self.store._client.flushall()
        self.moment = 0
        self.came: dict[int, tuple[str, int]] = {}  # by caller, its ticket and when it came
        self.out: dict[str, tuple[int, list[str]]] = {}  # by ticket of those on the wire, when it set out, and for whom
        self.recent: list[int] = []  # moments at which the store sent somebody out, within OKX's window
        self.leads: str | None = None

    def now(self) -> int:
        self.moment += 1
        return self.moment

    @rule(caller=CALLERS)
    def looks(self, caller: int) -> None:
        if caller not in self.came:
            self.came[caller] = f"ticket {self.now()}", self.moment
        ticket, came = self.came[caller]
        if ticket in self.out:
            return
        what, *rest = self.store.enter(GROUP, ticket)
        if what == "done":
            assert int(rest[0]) > came, "served by a request that had set out before the caller came"
            del self.came[caller]
        elif what == "send":
            assert ticket in rest
            self.out[ticket] = self.now(), list(rest)
            self.recent.append(self.moment)
            assert len(self.recent) <= SENDS, "more requests than OKX takes"
        else:
            assert 0 <= rest[0] <= 2000
            assert 0 <= rest[1] <= 250

    @rule(data=st.data(), how=st.sampled_from(["clean", "failed", "full"]))
    def comes_back(self, data: Any, how: str) -> None:
        if self.out:
            ticket = data.draw(st.sampled_from(sorted(self.out)))
            at, served = self.out.pop(ticket)
            outcomes = {each: str(at) for each in served} if how == "clean" else {}
            self.store.ended(GROUP, ticket, outcomes, "full" if how == "full" else "")
            if how != "full":  # a clean one is answered; one that failed has raised
                self.came = {caller: facts for caller, facts in self.came.items() if facts[0] != ticket}

    @rule(caller=CALLERS)
    def dies(self, caller: int) -> None:
        ticket, _ = self.came.pop(caller, ("", 0))
        self.out.pop(ticket, None)

    @rule(caller=CALLERS)
    def leaves(self, caller: int) -> None:
        ticket, _ = self.came.get(caller, ("", 0))
        if ticket and ticket not in self.out:
            self.store.ended(GROUP, ticket, {})
            del self.came[caller]

    @rule()
    def the_window_passes(self) -> None:
        client = self.store._client
        client.delete(f"{PREFIX}sent:{GROUP}", f"{PREFIX}next:{GROUP}")
        self.recent = []

    @invariant()
    def somebody_sets_out_when_the_window_is_open(self) -> None:
        if getattr(self, "came", None) and not self.recent and not self.store._client.exists(f"{PREFIX}sent:{GROUP}"):
            waiting = [ticket for ticket, _ in self.came.values() if ticket not in self.out]
            served = {each for _, all_of_them in self.out.values() for each in all_of_them}
            if waiting and not served & set(waiting) and not self.store._client.exists(f"{PREFIX}next:{GROUP}"):
                caller = next(number for number, (ticket, _) in self.came.items() if ticket == waiting[0])
                before = set(self.out)
                self.looks(caller)
                assert caller not in self.came or set(self.out) - before, "nobody sets out"


def _run(store: EmbeddedServer, examples: int) -> None:
    Crowd.store = Store(store.url, timeout=10.0)
    try:
        run_state_machine_as_test(
            Crowd,
            settings=settings(
                max_examples=examples, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
            ),
        )
    finally:
        Crowd.store.close()


def test_no_caller_is_served_by_a_request_that_set_out_before(store: EmbeddedServer) -> None:
    """Nor does the store send out more than OKX takes, and there is always somebody who sets out."""
    _run(store, 30)


@pytest.mark.exhaustive
def test_no_caller_is_served_so_in_very_many_interleavings(store: EmbeddedServer) -> None:
    """The same, more often."""
    _run(store, 500)
