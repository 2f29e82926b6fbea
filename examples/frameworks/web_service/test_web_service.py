"""The service under uvicorn, over HTTP, from its start to SIGTERM."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import Running

from okx_rfq_plugin.sandbox import Sandbox

UVICORN = [sys.executable, "-m", "uvicorn", "--host", "127.0.0.1", "--port", "0", "service:app"]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def service(sandbox: Sandbox) -> Iterator[Running]:
    with Running(UVICORN, sandbox, cwd=Path(__file__).parent, DESK_CLIENTS="alice,bob") as running:
        yield running


def post(service: Running, path: str) -> tuple[int, Any]:
    return service.post(path, ready="running on")


def test_kill_switch_and_shutdown(service: Running, sandbox: Sandbox) -> None:
    """The switch returns the receipt, or the reason; SIGTERM cancels later RFQs, for every client."""
    post(service, "/alice/rfqs")
    status, receipt = post(service, "/alice/kill-switch")

    assert (200, "canceled") == (status, receipt["status"])
    assert [] == sandbox.rfqs("active", credentials=service.user)

    sandbox.fault("rfq/cancel-all-rfqs", "50120")
    status, refused = post(service, "/bob/kill-switch")

    assert (503, False) == (status, refused["detail"]["may_be_canceled"])
    assert "NOTHING WAS CANCELED" in refused["detail"]["error"]

    post(service, "/bob/rfqs")
    service.signal(signal.SIGTERM)
    service.end()

    assert [] == sandbox.rfqs("active", credentials=service.user)
    assert "Application shutdown complete" in service.output
