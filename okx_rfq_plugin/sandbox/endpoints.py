"""The table of endpoints, and what each of them does.

Source: okx.com/docs-v5/en/#block-trading-rest-api, #trading-account-rest-api-get-account-configuration and
#public-data-rest-api-get-system-time

"Block trading is not supported under spot mode", OKX says, and ties no code to it: 70015 speaks of verification, 70066
of moving positions. So an account of level 1 is served here like any other, and its level is shown by account/config.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple
from urllib.parse import parse_qsl

from .auth import PERMISSIONS, authenticate
from .calls import Call, cancel_all, cancel_batch, cancel_one, page
from .codes import Refused, Reply, reply
from .desk import Desk
from .limits import Limit, SlidingLog
from .params import Params, bad, read_json, required, whole
from .quote import QUOTE
from .request import PREFIX, Arrival
from .rfq import RFQ

COUNTDOWN = range(10, 121)  # seconds


class Endpoint(NamedTuple):
    """A row of the table: private, unless `answer` is None."""

    method: str
    limits: tuple[Limit, ...]
    answer: Callable[[Call], Reply] | None
    trading: bool = False
    body: bool = False  # whether a body must be there


def answer(desk: Desk, log: SlidingLog, arrival: Arrival, now: float) -> Reply:
    """Answer a request that came in at `now`, in Unix seconds, whatever it is.

    In this order, on which the docs are silent: path, method, key and signature, limit, body, parameters. So a request
    that fails authentication counts against nobody's limit, and one with a wrong parameter counts.
    """
    endpoint = ENDPOINTS.get(arrival.path)
    if endpoint is None:
        # The docs have no code for a path that does not exist.
        return Reply(404, {"code": "404", "data": [], "msg": "Not Found"})
    try:
        if arrival.method != endpoint.method:
            raise Refused("50115")
        if endpoint.answer is None:
            _admit(log, arrival.ip, arrival, endpoint, now)
            return reply(data=[{"ts": str(int(now * 1000))}])
        key = authenticate(arrival, desk.keys, now, trading=endpoint.trading)
        _admit(log, key.account, arrival, endpoint, now)
        return endpoint.answer(Call(desk, key, _params(arrival, endpoint), int(now * 1000)))
    except Refused as refused:
        return refused.reply


def create_rfq(call: Call) -> Reply:
    """POST rfq/create-rfq."""
    return reply(data=[call.desk.open(call.key.account, call.params, call.now).created_reply()])


def create_quote(call: Call) -> Reply:
    """POST rfq/create-quote."""
    return reply(data=[call.desk.quote(call.key.account, call.params, call.now).created_reply()])


def cancel_all_after(call: Call) -> Reply:
    """POST rfq/cancel-all-after: cancel all quotes when the countdown is over, unless it is set anew before.

    Both times are in seconds, as in OKX's example, though its other times are in milliseconds. OKX may take some
    seconds to cancel them all: here it takes none.
    """
    required(call.params, "timeOut")
    seconds = whole(call.params, "timeOut", range(COUNTDOWN.stop), 0)
    if seconds and seconds not in COUNTDOWN:
        bad("timeOut")
    book = call.desk.book(QUOTE, call.key.account)
    book.active(call.now)  # a countdown that is over by now has done its work
    book.cancel_at = call.now + seconds * 1000 if seconds else None
    now = call.now // 1000
    return reply(data=[{"triggerTime": str(now + seconds if seconds else 0), "ts": str(now)}])


def rfqs(call: Call) -> Reply:
    """GET rfq/rfqs: created and received ones."""
    visible = call.desk.rfqs(call.key.account, call.now)
    return page(RFQ, call, visible, lambda rfq, received: rfq.shown(to_maker=received))


def quotes(call: Call) -> Reply:
    """GET rfq/quotes: created and received ones."""
    visible = call.desk.quotes(call.key.account, call.now)
    return page(QUOTE, call, visible, lambda quote, received: quote.shown(to_taker=received), also_by=(RFQ,))


def counterparties(call: Call) -> Reply:
    """GET rfq/counterparties: the bot of demo trading, and the sandbox's other users."""
    makers = call.desk.makers(call.key.account)
    return reply(data=[{"traderName": code, "traderCode": code, "type": "LP"} for code in makers])


def account_config(call: Call) -> Reply:
    """GET account/config: who asks, and what the key that asks may do.

    The fields that OKX documents, but for settings of a kind of trading that the sandbox knows nothing of. No key here
    is bound to an address, so `ip` is empty: one whose whitelist lacks the caller is refused before.
    """
    user = call.desk.user(call.key.user_id)
    row = {
        "uid": user.user_id,
        "mainUid": user.user_id,
        "type": "0",  # a main account
        "acctLv": user.account_level,
        "posMode": "net_mode",
        "acctStpMode": "cancel_maker",
        "perm": ",".join(permission for permission in PERMISSIONS if permission in call.key.permissions),
        "ip": "",
        "label": "",
    }
    return reply(data=[row])


ENDPOINTS: dict[str, Endpoint] = {
    PREFIX + "rfq/create-rfq": Endpoint(
        "POST", (Limit(5, 2.0), Limit(80, 12 * 3600.0)), create_rfq, trading=True, body=True
    ),
    PREFIX + "rfq/cancel-rfq": Endpoint("POST", (Limit(5, 2.0),), partial(cancel_one, RFQ), trading=True, body=True),
    PREFIX + "rfq/cancel-batch-rfqs": Endpoint(
        "POST", (Limit(2, 2.0),), partial(cancel_batch, RFQ), trading=True, body=True
    ),
    # No parameters: ccxt sends no body, python-okx sends {}, and the docs ask for neither.
    PREFIX + "rfq/cancel-all-rfqs": Endpoint("POST", (Limit(2, 2.0),), partial(cancel_all, RFQ), trading=True),
    PREFIX + "rfq/rfqs": Endpoint("GET", (Limit(2, 2.0),), rfqs),
    PREFIX + "rfq/create-quote": Endpoint("POST", (Limit(50, 2.0),), create_quote, trading=True, body=True),
    PREFIX + "rfq/cancel-quote": Endpoint(
        "POST", (Limit(50, 2.0),), partial(cancel_one, QUOTE), trading=True, body=True
    ),
    PREFIX + "rfq/cancel-batch-quotes": Endpoint(
        "POST", (Limit(2, 2.0),), partial(cancel_batch, QUOTE), trading=True, body=True
    ),
    PREFIX + "rfq/cancel-all-quotes": Endpoint("POST", (Limit(2, 2.0),), partial(cancel_all, QUOTE), trading=True),
    PREFIX + "rfq/cancel-all-after": Endpoint("POST", (Limit(1, 1.0),), cancel_all_after, trading=True, body=True),
    PREFIX + "rfq/quotes": Endpoint("GET", (Limit(2, 2.0),), quotes),
    PREFIX + "rfq/counterparties": Endpoint("GET", (Limit(5, 2.0),), counterparties),
    PREFIX + "account/config": Endpoint("GET", (Limit(5, 2.0),), account_config),
    PREFIX + "public/time": Endpoint("GET", (Limit(10, 2.0),), None),  # counted per IP
}


def _admit(log: SlidingLog, caller: object, arrival: Arrival, endpoint: Endpoint, now: float) -> None:
    if not log.admit((caller, arrival.path), endpoint.limits, now):
        raise Refused("50011")


def _params(arrival: Arrival, endpoint: Endpoint) -> Params:
    if endpoint.method == "GET":
        return dict(parse_qsl(arrival.query, keep_blank_values=True))
    if not arrival.body:
        if endpoint.body:
            raise Refused("50000")
        return {}
    if not arrival.headers.get("Content-Type", "").lower().startswith("application/json"):
        raise Refused("50006")
    return read_json(arrival.body)
