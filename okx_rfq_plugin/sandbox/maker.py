"""A maker's settings: market maker protection (MMP), and the products to quote.

They are stored and returned, and have no effect on what a maker may do.

Source: okx.com/docs-v5/en/#block-trading-rest-api-set-mmp, -get-mmp-config, -reset-mmp-status, -set-quote-products and
-get-quote-products
"""

from __future__ import annotations

from typing import Any

from .calls import Call
from .codes import Refused, Reply, reply
from .params import bad, flag, required, rows, text, whole

LONGEST_INTERVAL = 600_000  # ms
TYPES = ("FUTURES", "OPTION", "SWAP", "SPOT")

_OFF = {"timeInterval": "0", "frozenInterval": "0", "countLimit": "0"}


def set_mmp(call: Call) -> Reply:
    """POST rfq/mmp-config."""
    limits = {"timeInterval": LONGEST_INTERVAL, "frozenInterval": 10**15, "countLimit": 10**9}
    config = {name: required(call.params, name) for name in limits}
    for name, most in limits.items():
        whole(call.params, name, range(most + 1), 0)
    call.venue.mmp[call.key.account] = config
    return reply(data=[config])


def mmp(call: Call) -> Reply:
    """GET rfq/mmp-config. Nothing in the sandbox triggers the protection."""
    config = call.venue.mmp.get(call.key.account, _OFF)
    return reply(data=[{**config, "mmpFrozen": False, "mmpFrozenUntil": ""}])


def reset_mmp(call: Call) -> Reply:
    """POST rfq/mmp-reset."""
    return reply(data=[{"ts": str(call.now)}])


def set_quote_products(call: Call) -> Reply:
    """POST rfq/maker-instrument-settings, whose body is an array."""
    settings = [_setting(row) for row in rows(call.params, "rows")]
    if not settings:
        raise Refused("70016")
    types = [setting["instType"] for setting in settings]
    twice = next((each for each in types if types.count(each) > 1), None)
    if twice is not None:
        raise Refused("70011", instType=twice)
    call.venue.maker_settings[call.key.account] = settings
    return reply(data=[{"result": True}])


def quote_products(call: Call) -> Reply:
    """GET rfq/maker-instrument-settings."""
    return reply(data=call.venue.maker_settings.get(call.key.account, []))


def _setting(row: Any) -> dict[str, Any]:
    if not isinstance(row, dict):
        bad("instType")
    kind = required(row, "instType", TYPES)
    include_all = flag(row, "includeAll")
    products = [_product(product, kind) for product in rows(row, "data")]
    if not products and not include_all:
        raise Refused("70009")
    return {"instType": kind, "includeAll": include_all, "data": products}


def _product(row: Any, kind: str) -> dict[str, str]:
    if not isinstance(row, dict):
        bad("data")
    name = "instId" if kind == "SPOT" else "instFamily"
    if name == "instFamily" and "uly" in row:  # the name in python-okx's own example
        row = {**row, "instFamily": row.get("instFamily") or row["uly"]}
    product = {name: required(row, name)}
    given = {other: text(row, other) for other in ("maxBlockSz", "makerPxBand")}
    return product | {other: value for other, value in given.items() if value}
