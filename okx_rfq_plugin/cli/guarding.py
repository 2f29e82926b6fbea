"""This file runs a command to its end, cancels twice, and says what is true then."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from types import FrameType
from typing import Any

from okx_rfq_plugin._core.clock import SYSTEM, Clock, Waker
from okx_rfq_plugin.cli.child import HEARD, Child, handled
from okx_rfq_plugin.cli.outcomes import NOT_CANCELED as CERTAINLY_NOT
from okx_rfq_plugin.cli.outcomes import OK, exit_code, facts_of, sentence
from okx_rfq_plugin.cli.terminal import attempts_shown, say_if_heard

NOT_CANCELED, MAY_BE_CANCELED = 203, 204  # no shell gives these by itself, nor does a signal
_ON_THE_WIRE = 2.0  # seconds after which a create that was sent before the end has arrived, or never will
_PREFIX = "okx-rfq guard: "

_TRUTH = {
    OK: "No RFQ is active any more.",
    NOT_CANCELED: "NOTHING WAS CANCELED: RFQs that were active still are.",
    MAY_BE_CANCELED: "RFQs MAY STILL BE ACTIVE: whether all were canceled is not known.",
}


class Guard:
    """A child, and the two cancels that follow it."""

    def __init__(self, exchange: Any, child: Child, clock: Clock = SYSTEM) -> None:
        self._exchange = exchange
        self._child = child
        self._clock = clock
        self._canceling = False

    def run(self) -> int:
        """Run the child, cancel, and return the exit code; to be called on the main thread."""
        # From beginning to end: there is no moment between child and cancel at which a signal would end this process.
        with handled({**dict.fromkeys(HEARD, self._hear), signal.SIGTTOU: signal.SIG_IGN}) as signals:
            code = None
            try:
                code = self._child.run(signals)
            finally:
                uncanceled = self._cancel_twice("" if code is None else f" with code {code}")
            return uncanceled or code

    def _hear(self, signum: int, frame: FrameType | None) -> None:
        if not self._canceling:
            return  # the child reads of it, or all is done
        if signum == signal.SIGQUIT:
            self._canceling = False  # a second one gives up nothing more
            raise KeyboardInterrupt
        if signum not in (signal.SIGCHLD, signal.SIGCONT):
            say(f"{signal.Signals(signum).name}: the cancel goes on; Ctrl+\\ (SIGQUIT) gives it up.")

    def _cancel_twice(self, ended: str) -> int:
        outcomes = []
        try:
            self._canceling = True
            with attempts_shown(_PREFIX):
                say(f"The command has ended{ended}: canceling all RFQs.")
                outcomes.append(self._cancel())
                say(f"Once more in {_ON_THE_WIRE:g} s, for what may have been on the wire.")
                self._clock.sleep(_ON_THE_WIRE, Waker())
                outcomes.append(self._cancel())
        except KeyboardInterrupt as error:
            outcomes.append(_said(facts_of(error)))
        self._canceling = False
        code = OK
        if outcomes[-1] != OK:
            code = NOT_CANCELED if set(outcomes) == {CERTAINLY_NOT} else MAY_BE_CANCELED
        say(_TRUTH[code])
        return code

    def _cancel(self) -> int:
        try:
            return _said(self._exchange.cancel_all_rfqs())
        except Exception as error:
            return _said(facts_of(error))


def _said(facts: Mapping[str, Any]) -> int:
    say(sentence(facts))
    return exit_code(facts)


def say(words: str) -> None:
    """Print a sentence on stderr, if somebody reads there."""
    say_if_heard(f"{_PREFIX}{words}")
