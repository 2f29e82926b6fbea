"""This file names the variables of the environment that hold a key of OKX's."""

from __future__ import annotations

KEYS = {"apiKey": "OKX_API_KEY", "secret": "OKX_API_SECRET", "password": "OKX_PASSPHRASE"}  # by ccxt's names
