"""Logging: errors in it stop nothing."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from okx_rfq_plugin._core.logs import HarmlessLogger, harmlessly, log


def test_traceback_is_logged_where_it_is_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    """Such as for a plugin that cannot be loaded."""
    try:
        raise ValueError("of a plugin")
    except ValueError:
        log(logging.ERROR, "%s failed", "it", exc_info=True)
        log(logging.ERROR, "%s failed", "it")

    assert ["it failed", "it failed"] == caplog.messages
    assert [True, False] == [bool(record.exc_info) for record in caplog.records]


def test_handler_that_raises_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even if logging is configured to raise."""

    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError("the messenger is down")

    logger = logging.getLogger("okx_rfq_plugin")
    handler = Broken()
    logger.addHandler(handler)
    try:
        log(logging.ERROR, "said")
    finally:
        logger.removeHandler(handler)


def test_harmless_logger_answers_as_the_one_inside() -> None:
    """Checking whether it logs at all may also fail."""
    inner = logging.getLogger("of the user's")
    inner.setLevel(logging.INFO)
    outer: Any = HarmlessLogger(inner)

    assert outer.isEnabledFor(logging.INFO) is True
    assert outer.isEnabledFor(logging.DEBUG) is False
    assert "of the user's" == outer.name


def test_harmless_function_returns_what_it_returns_and_nothing_where_it_raises() -> None:
    """A KeyboardInterrupt propagates."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    assert 7 == harmlessly(lambda: 7)
    assert harmlessly(lambda: 1 / 0) is None
    with pytest.raises(KeyboardInterrupt):
        harmlessly(interrupted)
