"""What hears signals while a command cancels, in the tests' own process: what it leaves alone, and who speaks last."""

from __future__ import annotations

import os
import queue
import signal
import threading
import time
from collections.abc import Iterator

import pytest
from support.command import PATIENCE, unforced

from okx_rfq_plugin.cli import interrupts
from okx_rfq_plugin.cli.interrupts import Interrupts


@pytest.fixture
def ignored() -> Iterator[signal.Signals]:
    """A signal that this process was started to ignore, as under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    yield signal.SIGHUP
    signal.signal(signal.SIGHUP, before)


def test_a_signal_that_is_ignored_stays_so(ignored: signal.Signals) -> None:
    """Before a cancel is agreed to, too, when it would end the command otherwise."""
    with Interrupts(None, unforced) as heard:
        signal.raise_signal(ignored)
        assert signal.SIG_IGN is signal.getsignal(ignored)

    assert "" == heard.reason
    assert signal.SIG_IGN is signal.getsignal(ignored)


@pytest.mark.parametrize(
    ("signals", "reason"),
    [((), "it did not end in 0.1 s (--timeout)"), ((signal.SIGINT,), "it was interrupted")],
    ids=["by the limit alone", "though a signal does not"],
)
def test_what_hangs_after_its_last_word_is_ended_in_silence(
    signals: tuple[signal.Signals, ...], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader who does not read, beyond the time limit: with the code that is true, and not with other words."""
    ended: queue.SimpleQueue[int] = queue.SimpleQueue()
    before, over = set(threading.enumerate()), threading.Event()
    said: list[str] = []

    def exit_(code: int) -> None:
        ended.put(code)
        over.wait(PATIENCE)  # no line runs any more

    monkeypatch.setattr(os, "_exit", exit_)
    monkeypatch.setattr(interrupts, "_FORCED", 0.0)
    reasons: list[str] = []
    forced: list[float] = []

    def force(reason: str) -> tuple[int, interrupts.Say]:
        forced.append(time.monotonic())
        reasons.append(reason)
        return 3, lambda: said.append(reason)

    with Interrupts(0.1, force) as heard:
        heard.over()
        for each in signals:
            signal.raise_signal(each)
        agreed = time.monotonic()
        heard.agreed()
        (watcher,) = set(threading.enumerate()) - before
        code, known = ended.get(timeout=PATIENCE), reasons[:]
    over.set()
    watcher.join(PATIENCE)

    assert (3, [reason], []) == (code, known, said)
    assert forced[0] >= agreed + 0.1
