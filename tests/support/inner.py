"""Runs pytest within a test."""

from __future__ import annotations

import pytest
import vcr.stubs.aiohttp_stubs

from okx_rfq_plugin import protocols
from okx_rfq_plugin.testing import handles, player, players, recorder, recording, sources, trial

# Imported here for good: what an inner run imports first is forgotten after it, and would be imported in each.
IMPORTED = (protocols, handles, player, players, recorder, recording, sources, trial, vcr.stubs.aiohttp_stubs)
# Not needed inside, and slow to start.
WITHOUT = ("-p", "no:hypothesispytest", "-p", "no:xdist")


def run(pytester: pytest.Pytester, source: str, *args: str, **outcomes: int) -> pytest.RunResult:
    """Run a test file in a pytest of its own, where a warning is an error, and check the outcomes."""
    pytester.makepyfile(test_inner=source)
    result = pytester.runpytest_inprocess(*WITHOUT, "--strict-markers", "-W", "error", *args)
    result.assert_outcomes(**outcomes)
    return result
