"""The table of endpoints, and what each of them does.

Source: okx.com/docs-v5/en/#block-trading-rest-api, #trading-account-rest-api-get-account-configuration and
#public-data-rest-api-get-system-time

"Block trading is not supported under spot mode", OKX says, and ties no code to it: 70015 speaks of verification, 70066
of moving positions. So an account of level 1 is served here like any other, and its level is shown by account/config.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import zip_longest
from typing import NamedTuple
from urllib.parse import parse_qsl

from .auth import PERMISSIONS, Key, authenticate
from .codes import Refused, Reply, reply
from .desk import WAGMI, Desk
from .limits import Limit, SlidingLog
from .params import Params, bad, read_json, text, texts
from .request import PREFIX, Arrival
from .rfq import STATES

MOST_IDS = 100  # in one cancel-batch-rfqs
MOST_ROWS = 100  # on one page of rfqs

_ID = re.compile(r"[0-9]{1,20}")


class Call(NamedTuple):
    """A private request that got through: whose it is, what it asks, when (Unix milliseconds)."""

    desk: Desk
    key: Key
    params: Params
    now: int


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


def cancel_rfq(call: Call) -> Reply:
    """POST rfq/cancel-rfq; the docs show no failure, so it has the form that they show for cancel-batch-rfqs."""
    rfq_id, client_id = text(call.params, "rfqId"), text(call.params, "clRfqId")
    if not rfq_id and not client_id:
        raise Refused("50015", param0="rfqId", param1="clRfqId")
    return _verdict([_cancel(call, rfq_id, client_id)])


def cancel_batch_rfqs(call: Call) -> Reply:
    """POST rfq/cancel-batch-rfqs; where both lists are given, `rfqIds` names the RFQs."""
    rfq_ids, client_ids = texts(call.params, "rfqIds"), texts(call.params, "clRfqIds")
    if not rfq_ids and not client_ids:
        raise Refused("50015", param0="rfqIds", param1="clRfqIds")
    if max(len(rfq_ids), len(client_ids)) > MOST_IDS:
        # The docs do not tie a code to the limit of 100: this one's text is the one that fits.
        raise Refused("70203", rfqLimit=str(MOST_IDS))
    pairs = zip_longest(rfq_ids, client_ids[: len(rfq_ids) or None], fillvalue="")
    return _verdict([_cancel(call, rfq_id, client_id) for rfq_id, client_id in pairs])


def cancel_all_rfqs(call: Call) -> Reply:
    """POST rfq/cancel-all-rfqs; whether 70207 comes on top or in a row the docs do not say: here it is on top."""
    call.desk.book(call.key.account).cancel_all(call.now)
    return reply(data=[{"ts": str(call.now)}])


def rfqs(call: Call) -> Reply:
    """GET rfq/rfqs: created and received ones, newest first.

    The docs do not say what an unknown `rfqId` gets (here: no rows), nor a `limit` above 100 (here: 51000), nor which
    rows come where more than `limit` are newer than `beginId` (here: the newest).
    """
    rfq_id, client_id = text(call.params, "rfqId"), text(call.params, "clRfqId")
    state = text(call.params, "state", STATES)
    newer_than, older_than = _number(call.params, "beginId", -1), _number(call.params, "endId", 10**20)
    limit = _number(call.params, "limit", MOST_ROWS)
    if not 1 <= limit <= MOST_ROWS:
        bad("limit")
    shown = []
    for rfq, received in call.desk.visible(call.key.account, call.now):
        number, row = int(rfq.rfq_id), rfq.shown(to_maker=received)
        named = row["rfqId"] == rfq_id if rfq_id else row["clRfqId"] == client_id if client_id else True
        if named and newer_than < number < older_than and state in ("", rfq.state):
            shown.append((number, row))
    newest_first = sorted(shown, key=lambda pair: pair[0], reverse=True)
    return reply(data=[row for _, row in newest_first[:limit]])


def counterparties(call: Call) -> Reply:
    """GET rfq/counterparties: the bot of demo trading, and the sandbox's other users."""
    makers = [WAGMI, *call.desk.makers(call.key.account)]
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
    PREFIX + "rfq/cancel-rfq": Endpoint("POST", (Limit(5, 2.0),), cancel_rfq, trading=True, body=True),
    PREFIX + "rfq/cancel-batch-rfqs": Endpoint("POST", (Limit(2, 2.0),), cancel_batch_rfqs, trading=True, body=True),
    # No parameters: ccxt sends no body, python-okx sends {}, and the docs ask for neither.
    PREFIX + "rfq/cancel-all-rfqs": Endpoint("POST", (Limit(2, 2.0),), cancel_all_rfqs, trading=True),
    PREFIX + "rfq/rfqs": Endpoint("GET", (Limit(2, 2.0),), rfqs),
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


def _cancel(call: Call, rfq_id: str, client_id: str) -> dict[str, str]:
    book = call.desk.book(call.key.account)
    row = {"rfqId": rfq_id, "clRfqId": client_id, "sCode": "0", "sMsg": ""}
    try:
        rfq = book.find(rfq_id, client_id, call.now)
        row |= {"rfqId": rfq.rfq_id, "clRfqId": rfq.params["clRfqId"]}
        book.cancel(rfq, call.now)
    except Refused as refused:
        row |= {"sCode": refused.code, "sMsg": refused.text}
    return row


def _verdict(rows: list[dict[str, str]]) -> Reply:
    failed = sum(row["sCode"] != "0" for row in rows)
    return reply("0" if not failed else "1" if failed == len(rows) else "2", rows)


def _number(params: Params, name: str, default: int) -> int:
    value = text(params, name)
    if value and not _ID.fullmatch(value):
        bad(name)
    return int(value) if value else default
