"""A successful call leaves nothing that only the garbage collector can free."""

from __future__ import annotations

import gc
from collections import Counter
from typing import Any

import pytest
from support.twins import Twin

from okx_rfq_plugin.sandbox import Sandbox


@pytest.mark.parametrize("method", ["cancel_all_rfqs", "fetch_open_rfqs"])
def test_call_is_freed_when_it_returns(method: str, twin: Twin, exchange: Any, sandbox: Sandbox) -> None:
    """A bot that cancels for days does not pay for it at its next garbage collection."""
    found: list[Counter[str]] = []

    def call() -> Any:
        sandbox.create_rfq()
        return getattr(exchange, method)()

    def forget() -> Any:
        gc.collect()
        gc.set_debug(gc.DEBUG_SAVEALL)
        return call()

    def look() -> Any:
        gc.collect()
        names = (f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.garbage)
        found.append(Counter(name for name in names if name.startswith(("okx_rfq_plugin.", "tenacity."))))
        gc.garbage.clear()
        return call()

    gc.disable()
    try:
        twin.run(exchange, call, forget, look, look, look)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()

    # What an earlier test left behind may be freed meanwhile, once; what a call leaves is there each time.
    assert Counter() in found, found
