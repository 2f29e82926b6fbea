"""What the tests say about ccxt's versions."""

from __future__ import annotations

import ccxt
import pytest

VERSION = [int(part) for part in ccxt.__version__.split(".")]

opens_late = pytest.mark.skipif(
    VERSION < [4, 5, 71], reason="this ccxt opens its session, and imports aiohttp_socks, later in `fetch`"
)
