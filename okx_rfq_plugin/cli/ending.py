"""The end of a guarded command: cancels until OKX has said twice that nothing is active."""

from __future__ import annotations

from collections.abc import Callable, Collection

from okx_rfq_plugin._core.clock import SYSTEM, Clock, Waker
from okx_rfq_plugin.cli.canceler import Canceler
from okx_rfq_plugin.cli.outcomes import NOT_CANCELED as CERTAINLY_NOT
from okx_rfq_plugin.cli.outcomes import OK, bound, exit_code, facts_of
from okx_rfq_plugin.cli.processes import Process

NOT_CANCELED, MAY_BE_CANCELED = 203, 204  # neither shells nor signals use these codes
_ON_THE_WIRE = 2.0  # seconds until a create sent before the end has arrived, or never will
_LEAST = 3  # cancels, whatever the deadline: one that finds some, and two that find none
_REFUSALS = 2  # consecutive refusals by OKX; a third attempt would not help

TRUTH = {
    OK: "No RFQ is active any more.",
    NOT_CANCELED: "NOTHING WAS CANCELED: RFQs that were active still are.",
    MAY_BE_CANCELED: "RFQs MAY STILL BE ACTIVE: whether all were canceled is not known.",
}
_CREATES = "RFQs MAY STILL BE ACTIVE: something still creates them."


class Ending:
    """Runs the final cancels, and reports what is true afterwards.

    Args:
        canceler: makes the cancels.
        say: called with a sentence about each event.
        deadline: seconds within which OKX must say twice that nothing is active.
        clock: measures them.
        on_cancel: called before each cancel, with the remaining seconds.
    """

    def __init__(
        self,
        canceler: Canceler,
        say: Callable[[str], None],
        deadline: float,
        clock: Clock = SYSTEM,
        on_cancel: Callable[[float], None] = lambda left: None,
    ) -> None:
        self._canceler = canceler
        self._say = say
        self._deadline = deadline
        self._clock = clock
        self._on_cancel = on_cancel
        self.codes: list[int] = []  # of every cancel, including those during the grace
        self._beside = 0  # cancels started during the grace and not ended
        self.message = ""  # the final message

    def early(self, deadline: float) -> None:
        """Cancel once, while the command is still running."""
        self._beside += 1
        facts = self._canceler.cancel(deadline)
        self.codes.append(exit_code(facts))
        self._beside -= 1
        if not self.message:  # otherwise the final message has been printed, perhaps about a later cancel
            self._say(f"At the signal: {facts['sentence']}")

    def run(self, survivors: Collection[Process] = ()) -> int:
        """Cancel until OKX has said twice, two seconds apart, that nothing is active; return 0, 203 or 204.

        Args:
            survivors: processes that could not be killed, and may still create RFQs.
        """
        code = self._cancel(survivors)
        if code == OK and survivors:
            code = MAY_BE_CANCELED
            self.message = f"RFQs MAY STILL BE ACTIVE: {_listed(survivors)} could not be ended, and may create more."
        if code != OK:
            self.message = f"{self.message or TRUTH[code]} {bound()}"
        else:
            self.message = TRUTH[OK]
        self._say(self.message)
        return code

    def given_up(self, reason: str) -> int:
        """Return the code for a cancel that was given up while running."""
        self.codes.append(exit_code(facts_of(KeyboardInterrupt())))
        self.message = f"{TRUTH[MAY_BE_CANCELED]} {reason} {bound()}"
        self._say(self.message)
        return MAY_BE_CANCELED

    def _cancel(self, survivors: Collection[Process]) -> int:
        end = self._clock.now() + self._deadline
        clear = refused = cancels = goods = 0
        creating = found = False
        while True:
            left = max(0.0, end - self._clock.now())
            self._on_cancel(left)
            facts = self._canceler.cancel(left)
            cancels += 1
            code = exit_code(facts)
            goods += code == OK
            self.codes.append(code)
            self._say(facts["sentence"])
            if code == OK and facts["status"] == "nothing_active":
                clear, refused, found = clear + 1, 0, True
            elif code == OK:
                creating, found = found, True
                if creating:
                    self._say(f"Something still creates RFQs: {_suspects(survivors)}. Canceling again.")
                clear = refused = 0
            else:
                clear = 0
                refused = refused + 1 if code == CERTAINLY_NOT and facts["code"] is not None else 0
            if clear == 2:  # nothing became active in between
                return OK
            enough = (goods if code == OK else cancels) >= _LEAST
            if refused == _REFUSALS or (enough and self._clock.now() >= end):
                if creating and code == OK:
                    self.message = f"{_CREATES} It is {_suspects(survivors)}."
                nothing = set(self.codes) == {CERTAINLY_NOT} and not self._beside
                return NOT_CANCELED if nothing else MAY_BE_CANCELED
            if cancels == 1:
                self._say(f"Canceling again in {_ON_THE_WIRE:g} s, for RFQs that were on their way.")
            self._clock.sleep(_ON_THE_WIRE, Waker())


def _suspects(survivors: Collection[Process]) -> str:
    if survivors:
        return f"perhaps {_listed(survivors)}, which could not be ended"
    return "another program of this account, or what was on the wire; none of the command's processes was found alive"


def _listed(survivors: Collection[Process]) -> str:
    return ", ".join(f"process {each}" for each in sorted(survivors))
