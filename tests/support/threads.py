"""Calls on separate threads, and a throttle that holds them back."""

from __future__ import annotations

import threading
from typing import Any

import ccxt


class Queue:
    """A throttle in which requests wait until released."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()

    def __call__(self, cost: Any = None) -> None:
        self.entered.set()
        assert self.open.wait(10)


def in_a_thread(call: Any) -> tuple[threading.Thread, list[Any]]:
    """Start a call; return the thread and the list that will receive its outcome."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(call())
        except ccxt.BaseError as error:
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, outcome
