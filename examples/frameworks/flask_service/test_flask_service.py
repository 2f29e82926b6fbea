"""The service under gunicorn, over HTTP, from its start to the signals that end it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import Running

from okx_rfq_plugin.sandbox import Sandbox

GUNICORN = [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0", "--threads", "8", "--no-control-socket"]
CASES = [
    ("--preload --workers 2", signal.SIGTERM),
    ("--preload --workers 2", signal.SIGINT),
    ("--workers 2", signal.SIGTERM),
    ("--workers 1 --threads 1", signal.SIGQUIT),  # with threads, gunicorn's own handler of SIGQUIT may hang
]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


def gunicorn(sandbox: Sandbox, options: str) -> Running:
    return Running([*GUNICORN, *options.split(), "service:app"], sandbox, cwd=Path(__file__).parent)


def post(service: Running, path: str) -> tuple[int, Any]:
    return service.post(path, ready="Listening at")


def cancels(sandbox: Sandbox) -> int:
    return sum(request.path.endswith("cancel-all-rfqs") for request in sandbox.requests)


def test_kill_switch(sandbox: Sandbox) -> None:
    """200 with the receipt, or 503 and why not."""
    with gunicorn(sandbox, "--preload --workers 2") as service:
        post(service, "/rfqs")
        status, receipt = post(service, "/kill-switch")

        assert (200, "canceled") == (status, receipt["status"])

        sandbox.fault("rfq/cancel-all-rfqs", "50120")
        status, refused = post(service, "/kill-switch")

        assert (503, False) == (status, refused["may_be_canceled"])


@pytest.mark.parametrize(("options", "signum"), CASES)
def test_a_signal_leaves_no_rfq(sandbox: Sandbox, options: str, signum: signal.Signals) -> None:
    """The signals of systemd, Docker, Ctrl+C and gunicorn's quick shutdown; the master cancels once, or each worker."""
    with gunicorn(sandbox, options) as service:
        post(service, "/rfqs")
        service.signal(signum)

        assert 0 == service.end(), service.output
        assert ["canceled"] == [rfq["state"] for rfq in sandbox.rfqs(credentials=service.user)], service.output
        assert 1 <= cancels(sandbox) <= (2 if options == "--workers 2" else 1)
