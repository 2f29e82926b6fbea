"""What clients read besides RFQs and quotes: account, balance, system status, instruments, currencies.

Source: the fields, from okx.com/docs-v5/en/#trading-account-rest-api-get-account-configuration and other sections. The
values are made up.
"""

from __future__ import annotations

from typing import Any

from .auth import PERMISSIONS
from .calls import Call, Question
from .codes import Refused, Reply, reply
from .instruments import DERIVATIVES, instruments
from .params import required, text

STATES = ("scheduled", "ongoing", "pre_open", "completed", "canceled")  # of maintenance
COMING = STATES[:3]  # listed if no state is requested
KINDS = ("SPOT", "MARGIN", *DERIVATIVES, "EVENTS")

_CONFIG: dict[str, Any] = {
    **dict.fromkeys(("label", "levelTmp", "spotOffsetType"), ""),
    **dict.fromkeys(("autoLoan", "enableSpotBorrow", "spotBorrowAutoRepay"), False),
    **dict.fromkeys(("feeType", "roleType", "spotRoleType", "stgyType"), "0"),
    "type": "0",  # a main account
    "acctStpMode": "cancel_maker",
    "posMode": "net_mode",
    "ctIsoMode": "automatic",
    "mgnIsoMode": "automatic",
    "greeksType": "PA",
    "ip": "",
    "kycLv": "3",
    "level": "Lv1",
    "liquidationGear": "-1",
    "opAuth": "1",
    "settleCcy": "USDC",
    "settleCcyList": ["USD", "USDC", "USDG"],
    "spotTraderInsts": [],
    "traderInsts": [],
}
_NONE, _ZERO = "", "0"
_DETAIL = {
    **dict.fromkeys(("imr", "mgnRatio", "mmr", "notionalLever", "spotInUseAmt", "clSpotInUseAmt", "spotBal"), _NONE),
    **dict.fromkeys(
        ("maxSpotInUse", "openAvgPx", "accAvgPx", "spotUpl", "spotUplRatio", "totalPnl", "totalPnlRatio"), ""
    ),
    **dict.fromkeys(("autoLendMtAmt", "borrowFroz", "colRes", "colBorrAutoConversion", "crossLiab", "eqUsd"), _ZERO),
    **dict.fromkeys(("disEq", "fixedBal", "frozenBal", "frpType", "interest", "isoEq", "isoLiab", "isoUpl"), _ZERO),
    **dict.fromkeys(("liab", "maxLoan", "ordFrozen", "rewardBal", "smtSyncEq", "spotCopyTradingEq"), _ZERO),
    **dict.fromkeys(("spotIsoBal", "stgyEq", "twap", "upl", "uplLiab"), _ZERO),
    **dict.fromkeys(("collateralEnabled", "collateralRestrict"), False),
    "autoLendStatus": "unsupported",
}
_TOTAL = {
    **dict.fromkeys(("mgnRatio", "ordFroz"), _NONE),
    **dict.fromkeys(("adjEq", "availEq", "borrowFroz", "delta", "deltaLever", "deltaNeutralStatus", "imr"), _ZERO),
    **dict.fromkeys(("isoEq", "mmr", "notionalUsd", "notionalUsdForBorrow", "notionalUsdForFutures"), _ZERO),
    **dict.fromkeys(("notionalUsdForOption", "notionalUsdForSwap", "totalEq", "upl"), _ZERO),
}


def time(question: Question) -> Reply:
    """GET public/time."""
    return reply(data=[{"ts": str(question.now)}])


def status(question: Question) -> Reply:
    """GET system/status: what `announce_maintenance()` announced, in one state or in those still to come."""
    state = text(question.params, "state", STATES)
    wanted = (state,) if state else COMING
    rows = [{**row, "state": row["state"] or _state(row, question.now)} for row in question.venue.announced]
    return reply(data=[row for row in rows if row["state"] in wanted])


def public_instruments(question: Question) -> Reply:
    """GET public/instruments, a few of each type. `uly` is accepted as `instFamily`, because clients send it."""
    kind = required(question.params, "instType", KINDS)
    asked = {name: text(question.params, name) for name in ("instId", "instFamily", "uly")}
    if kind == "OPTION" and not (asked["instFamily"] or asked["uly"]):
        raise Refused("50015", param0="uly", param1="instFamily")
    if kind == "EVENTS":
        required(question.params, "seriesId")
    rows = [row for row in instruments(question.now) if row["instType"] == kind]
    if asked["instId"] and all(row["instId"] != asked["instId"] for row in rows):
        raise Refused("51001")
    return reply(data=[row for row in rows if all(value in ("", row[name]) for name, value in asked.items())])


def account_config(call: Call) -> Reply:
    """GET account/config: the account, and the permissions of the key that asks.

    No key here is bound to an address, so `ip` is empty. A key whose whitelist lacks the caller is refused earlier.
    """
    user = call.venue.user(call.key.user_id)
    permissions = ",".join(permission for permission in PERMISSIONS if permission in call.key.permissions)
    own = {"uid": user.user_id, "mainUid": user.user_id, "acctLv": user.account_level, "perm": permissions}
    return reply(data=[{**_CONFIG, **own}])


def balance(call: Call) -> Reply:
    """GET account/balance. Values in USD are 0, since the sandbox has no prices."""
    wanted = [ccy for ccy in text(call.params, "ccy").split(",") if ccy]
    held = call.venue.user(call.key.user_id).balances
    now = str(call.now)
    details = [
        {**_DETAIL, "ccy": ccy, "uTime": now, **dict.fromkeys(("availBal", "availEq", "cashBal", "eq"), amount)}
        for ccy, amount in held.items()
        if not wanted or ccy in wanted
    ]
    return reply(data=[{**_TOTAL, "details": details, "uTime": now}])


def funding_balance(call: Call) -> Reply:
    """GET asset/balances: the funding account is empty."""
    return reply()


def currencies(call: Call) -> Reply:
    """GET asset/currencies: those of the instruments, without deposits and withdrawals."""
    wanted = [ccy for ccy in text(call.params, "ccy").split(",") if ccy]
    return reply(data=[_currency(ccy) for ccy in ("BTC", "ETH", "USD", "USDT") if not wanted or ccy in wanted])


def _currency(ccy: str) -> dict[str, Any]:
    empty = ("burningFeeRate", "ctAddr", "depEstOpenTime", "depQuotaFixed", "depQuoteDailyLayer2", "logoLink")
    more = ("maxFeeForCtAddr", "minFeeForCtAddr", "usedDepQuotaFixed", "wdEstOpenTime")
    zero = ("fee", "maxFee", "maxWd", "minDep", "minDepArrivalConfirm", "minFee", "minInternal", "minWd")
    return {
        **dict.fromkeys((*empty, *more), ""),
        **dict.fromkeys((*zero, "minWdUnlockConfirm", "usedWdQuota", "wdQuota"), "0"),
        **dict.fromkeys(("canDep", "canInternal", "canWd", "needTag"), False),
        "ccy": ccy,
        "chain": f"{ccy}-sandbox",
        "mainNet": True,
        "name": ccy,
        "wdTickSz": "8",
    }


def _state(row: dict[str, str], now: int) -> str:
    if now < int(row["begin"]):
        return "scheduled"
    return "ongoing" if now < int(row["end"]) else "completed"
