"""A guard: runs a command, cancels at the first ending signal and at the end, and reports what is true."""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any

from okx_rfq_plugin._core.clock import SYSTEM, Clock
from okx_rfq_plugin.cli.canceler import Canceler
from okx_rfq_plugin.cli.child import HEARD, Child, NotStartedError, handled
from okx_rfq_plugin.cli.ending import MAY_BE_CANCELED, NOT_CANCELED, TRUTH, Ending
from okx_rfq_plugin.cli.outcomes import OK, bound
from okx_rfq_plugin.cli.probe import Finding
from okx_rfq_plugin.cli.processes import adopting, below, is_supported, table
from okx_rfq_plugin.cli.reports import Reports
from okx_rfq_plugin.cli.terminal import attempts_shown, now, say_if_heard
from okx_rfq_plugin.cli.twin import Twin

PREFIX = "okx-rfq guard: "
_EARLY = 10.0  # seconds within which the cancel during the grace may start an attempt
_RESERVED = {NOT_CANCELED, MAY_BE_CANCELED}
_TAKEN = 1  # replaces a command's own 203 or 204
_MORE = 30.0  # seconds requested from systemd in addition to those of a cancel
_SOON = 0.2  # seconds between two checks whether a new twin is ready
_TWINS = 5  # twins that may be killed before no new one is started


class Guard:
    """Runs a child, watches it, and cancels afterwards.

    Args:
        canceler: makes the cancels.
        child: the command.
        deadline: seconds for the final cancels.
        clock: measures them.
        reports: notifies systemd and the status file.
        twin: takes over if this process disappears; None for none.
        look_every: seconds between two checks whether a cancel would get through; 0 for none.
    """

    def __init__(
        self,
        canceler: Canceler,
        child: Child,
        *,
        deadline: float = 600.0,
        clock: Clock = SYSTEM,
        reports: Reports | None = None,
        twin: Twin | None = None,
        look_every: float = 0.0,
    ) -> None:
        self._child = child
        self._canceler = canceler
        self._reports = reports or Reports()
        self._twin = twin
        self._twins = 0
        self._look_every = look_every
        self._looked: list[list[Finding]] = []
        self._armed = True
        self._phase = "before"
        self._beside: threading.Thread | None = None
        self._ending = Ending(canceler, say, deadline, clock, self._on_cancel)
        child.on_ending = self._on_ending
        child.on_other = self._on_other
        child.on_look = self._on_look

    def run(self) -> int:
        """Check, run the child, cancel, and return the exit code. Call it on the main thread."""
        # The handlers cover everything, so that no signal can end this process between the child's end and the cancel.
        handlers: dict[int, Any] = {**dict.fromkeys(HEARD, self._hear), signal.SIGTTOU: signal.SIG_IGN}
        with adopting() as adopts, handled(handlers) as (signals, self._wake):
            try:
                self._prepare(adopts=adopts)
                self._phase = "running"
                if self._look_every:
                    threading.Thread(target=self._look, daemon=True).start()
            except (NotStartedError, KeyboardInterrupt) as error:
                return self._not_started(error)
            try:
                code = self._child.run(signals)
            except NotStartedError as error:
                return self._not_started(error)
            except BaseException:  # a defect, which must leave no RFQ behind either
                self._finish(None)
                raise
            final = self._finish(code)
            if self._twin is not None:
                self._twin.dismiss()
            return final

    def _prepare(self, *, adopts: bool) -> None:
        if is_supported():  # pragma: no branch - systems without /proc
            self._child.family.others |= {each.pid for each in below((os.getpid(),), table())}
        if self._twin is not None and not self._start_twin(self._twin):
            self._twin = None
        findings = self._canceler.look()
        for finding in findings:
            say(f"{finding.words.rstrip('.')}.")
        if wrong := [finding for finding in findings if not finding.ok]:
            raise NotStartedError(f"{wrong[0].check} is {wrong[0].state}")
        if not adopts:  # pragma: no cover - systems other than Linux
            say("On this system only the command's process group can be seen: what leaves it is not ended.")
        if self._twin is not None:
            self._await_twin(self._twin)
        facts = {"pid": os.getpid(), "twin": self._twin.pid if self._twin else None}
        self._reports.state("armed", "Armed: a cancel would get through.", **facts)

    def _start_twin(self, twin: Twin) -> bool:
        try:
            twin.start()
        except OSError as error:
            say(f"There is no twin ({error.strerror}): a kill -9 of this process would leave the RFQs active.")
            return False
        self._child.family.others.add(twin.pid)
        return True

    def _await_twin(self, twin: Twin) -> None:
        """Wait for a twin with a standby before the command starts, replacing a twin that is killed meanwhile."""
        while not (twin.wait() and twin.command_starts()):
            self._twins += 1
            if not twin.has_ended or self._twins > _TWINS:
                say("The twin did not start: a kill -9 of this process would leave the RFQs active.")
                return
            if not self._start_twin(twin):
                return

    def _not_started(self, error: BaseException) -> int:
        if self._twin is not None:
            self._twin.dismiss()
        reason = str(error) if isinstance(error, NotStartedError) else "interrupted"
        message = f"{reason[0].upper()}{reason[1:]}: nothing was started, and nothing was canceled. {bound()}"
        say(message)
        self._reports.state("ended", message, code=NOT_CANCELED)
        self._phase = "over"
        return NOT_CANCELED

    def _finish(self, code: int | None) -> int:
        self._phase = "canceling"
        if self._reports.beat_every < math.inf:
            threading.Thread(target=self._beat, daemon=True).start()
        ended = "" if code is None else f" with code {code}"
        try:
            with attempts_shown(PREFIX):
                say(f"The command has ended{ended}: canceling all RFQs.")
                self._reports.state("ending", f"The command has ended{ended}: canceling all RFQs.")
                uncanceled = self._ending.run(self._child.survivors)
        except KeyboardInterrupt:
            uncanceled = self._ending.given_up("The cancel was given up by SIGQUIT.")
        self._phase = "over"
        final = uncanceled or self._own(code)
        self._reports.state("ended", self._ending.message, code=final)
        return final

    def _own(self, code: int | None) -> int:
        if code in _RESERVED:
            say(f"{TRUTH[OK]} The command ended with {code}, which is a code of guard's own: it is {_TAKEN} here.")
            return _TAKEN
        return _TAKEN if code is None else code

    def _hear(self, signum: int, frame: FrameType | None) -> None:
        if signum == signal.SIGCHLD:
            if self._phase == "canceling":
                self._child.reap()
        elif self._phase == "before":
            if signum not in (signal.SIGCONT, signal.SIGUSR1, signal.SIGUSR2):
                self._phase = "leaving"
                raise KeyboardInterrupt
        elif self._phase == "canceling":
            if signum == signal.SIGQUIT:
                self._phase = "over"  # a second signal has nothing more to give up
                raise KeyboardInterrupt
            if signum != signal.SIGCONT:
                say(f"{signal.Signals(signum).name}: the cancel goes on; Ctrl+\\ (SIGQUIT) gives it up.")

    # While the command runs

    def _on_ending(self) -> None:
        """Cancel during the grace, since a supervisor may be less patient."""
        self._reports.state("ending", "The command was told to end; all RFQs are canceled beside.")
        self._beside = threading.Thread(target=self._ending.early, args=(_EARLY,), daemon=True)
        self._beside.start()

    def _on_other(self, pid: int, status: int) -> None:
        if self._twin is None or pid != self._twin.pid or self._phase not in ("running", "canceling"):
            return
        self._twins += 1
        if self._twins > _TWINS:
            say("The twin was ended again and again: a kill -9 of this process would leave the RFQs active.")
            return
        say("The twin has ended: a new one is started.")
        if self._start_twin(self._twin):
            self._reports.facts["twin"] = self._twin.pid

    def _on_look(self) -> float:
        while self._looked:
            self._heed(self._looked.pop(0))
        if (every := self._reports.beat_every) < math.inf:
            self._reports.beat()
        settled = self._twin is None or self._twin.settle()
        return every if settled else min(every, _SOON)

    def _on_cancel(self, left: float) -> None:
        self._reports.beat(patience=left + _MORE)

    def _beat(self) -> None:
        paused = threading.Event()
        while self._phase == "canceling":
            self._reports.beat(patience=_MORE)
            paused.wait(self._reports.beat_every)

    def _look(self) -> None:
        paused = threading.Event()
        while not paused.wait(self._look_every) and self._phase == "running":
            try:
                self._looked.append(self._canceler.look())
            except Exception as error:  # an error in a check stops nothing
                self._looked.append([Finding("look", None, str(error))])
            self._wake()

    def _heed(self, findings: Sequence[Finding]) -> None:
        wrong = [finding for finding in findings if not finding.ok]
        if bool(wrong) == self._armed:
            self._armed = not wrong
            if wrong:
                message = f"DISARMED: a cancel would fail now. {wrong[0].words}"
            else:
                message = "Armed again: a cancel would get through."
            say(message)
            self._reports.state("disarmed" if wrong else "armed", message)


def say(words: str) -> None:
    """Print a sentence on stderr, unless that would block."""
    say_if_heard(f"{now()} {PREFIX}{words}")
