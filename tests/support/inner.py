"""Runs pytest inside a test."""

from __future__ import annotations

import pytest
import vcr.stubs.aiohttp_stubs

from okx_rfq_plugin import protocols
from okx_rfq_plugin.testing import handles, player, players, recorder, recording, sources, trial

# Imported here once. An inner run unloads what it imports first, so each run would import it again.
IMPORTED = (protocols, handles, player, players, recorder, recording, sources, trial, vcr.stubs.aiohttp_stubs)
# Not needed inside, and slow: plugins that start with each run, and sources that are parsed for each failure.
WITHOUT = ("-p", "no:hypothesispytest", "-p", "no:xdist", "--tb=native")


def run(pytester: pytest.Pytester, source: str, *args: str, **outcomes: int) -> pytest.RunResult:
    """Run a test file in an inner pytest with warnings as errors, and check the outcomes."""
    pytester.makepyfile(test_inner=source)
    result = pytester.runpytest_inprocess(*WITHOUT, "--strict-markers", "-W", "error", *args)
    result.assert_outcomes(**outcomes)
    return result
