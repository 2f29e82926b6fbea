"""Differences between ccxt's versions."""

from __future__ import annotations

import ccxt
import pytest

closes = pytest.mark.skipif(not hasattr(ccxt.okx, "close"), reason="this ccxt's sync objects have no `close`")

# Without orjson, the oldest ccxt parses a JSON number as text, so 0 and "0" cannot be told apart.
TELLS_NUMBERS = ccxt.okx().parse_json('{"n": 0}') == {"n": 0}
tells_numbers = pytest.mark.skipif(not TELLS_NUMBERS, reason="this ccxt reads a number in JSON as a text")
