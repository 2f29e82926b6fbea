"""The table of endpoints, and how a request is routed, checked and answered.

Source: okx.com/docs-v5/en/, at the anchor of each row.

OKX says "Block trading is not supported under spot mode" but ties no code to it: 70015 is about verification, 70066
about moving positions. So an account of level 1 is served like any other, and account/config shows its level.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl

from . import maker, market, reads, trades
from .auth import authenticate
from .block import cancel_all_after, counterparties, create_quote, create_rfq, quotes, rfqs
from .calls import Call, Question, cancel_all, cancel_batch, cancel_one
from .codes import Refused, Reply
from .evidence import Documented
from .limits import Limit, SlidingLog
from .params import read_json
from .quote import QUOTE
from .request import PREFIX, Arrival
from .rfq import RFQ
from .venue import Venue

_BLOCK = "block-trading-rest-api-"


class Endpoint(NamedTuple):
    """A row of the table."""

    method: str
    path: str  # without /api/v5/
    limits: tuple[Limit, ...]  # per User ID, or per IP for public endpoints
    answer: Callable[[Any], Reply]
    evidence: Documented
    access: Literal["public", "read", "trade"] = "read"
    body: type[dict[str, Any]] | type[list[Any]] | None = None  # the required body; None if none is required
    minimum: bool = False  # refused to accounts below the minimum of assets
    per: str = ""  # a parameter whose values are counted separately


def _row(
    methods: str,
    path: str,
    limits: tuple[tuple[int, float], ...],
    answer: Callable[[Any], Reply],
    anchor: str,
    **more: Any,
) -> Endpoint:
    return Endpoint(methods, path, tuple(Limit(*limit) for limit in limits), answer, Documented(anchor), **more)


_TRADE = {"access": "trade", "body": dict}
_CREATE = {**_TRADE, "minimum": True}
_PUBLIC = {"access": "public"}

TABLE: tuple[Endpoint, ...] = (
    _row("GET", "rfq/counterparties", ((5, 2),), counterparties, _BLOCK + "get-counterparties", minimum=True),
    _row("POST", "rfq/create-rfq", ((5, 2), (80, 12 * 3600)), create_rfq, _BLOCK + "create-rfq", **_CREATE),
    _row("POST", "rfq/cancel-rfq", ((5, 2),), partial(cancel_one, RFQ), _BLOCK + "cancel-rfq", **_TRADE),
    _row(
        "POST",
        "rfq/cancel-batch-rfqs",
        ((2, 2),),
        partial(cancel_batch, RFQ),
        _BLOCK + "cancel-multiple-rfqs",
        **_TRADE,
    ),
    # No parameters: ccxt sends no body, python-okx sends {}, and the docs require neither.
    _row(
        "POST", "rfq/cancel-all-rfqs", ((2, 2),), partial(cancel_all, RFQ), _BLOCK + "cancel-all-rfqs", access="trade"
    ),
    _row("POST", "rfq/execute-quote", ((2, 3),), trades.execute_quote, _BLOCK + "execute-quote", **_TRADE),
    _row("GET", "rfq/maker-instrument-settings", ((5, 2),), maker.quote_products, _BLOCK + "get-quote-products"),
    _row(
        "POST",
        "rfq/maker-instrument-settings",
        ((5, 2),),
        maker.set_quote_products,
        _BLOCK + "set-quote-products",
        access="trade",
        body=list,
    ),
    _row("POST", "rfq/mmp-reset", ((5, 2),), maker.reset_mmp, _BLOCK + "reset-mmp-status", access="trade"),
    _row("POST", "rfq/mmp-config", ((1, 10),), maker.set_mmp, _BLOCK + "set-mmp", **_TRADE),
    _row("GET", "rfq/mmp-config", ((5, 2),), maker.mmp, _BLOCK + "get-mmp-config"),
    _row("POST", "rfq/create-quote", ((50, 2),), create_quote, _BLOCK + "create-quote", **_CREATE),
    _row("POST", "rfq/cancel-quote", ((50, 2),), partial(cancel_one, QUOTE), _BLOCK + "cancel-quote", **_TRADE),
    _row(
        "POST",
        "rfq/cancel-batch-quotes",
        ((2, 2),),
        partial(cancel_batch, QUOTE),
        _BLOCK + "cancel-multiple-quotes",
        **_TRADE,
    ),
    _row(
        "POST",
        "rfq/cancel-all-quotes",
        ((2, 2),),
        partial(cancel_all, QUOTE),
        _BLOCK + "cancel-all-quotes",
        access="trade",
    ),
    _row("POST", "rfq/cancel-all-after", ((1, 1),), cancel_all_after, _BLOCK + "cancel-all-after", **_TRADE),
    _row("GET", "rfq/rfqs", ((2, 2),), rfqs, _BLOCK + "get-rfqs", minimum=True),
    _row("GET", "rfq/quotes", ((2, 2),), quotes, _BLOCK + "get-quotes", minimum=True),
    _row("GET", "rfq/trades", ((5, 2),), trades.trades, _BLOCK + "get-trades", minimum=True),
    _row(
        "GET",
        "rfq/public-trades",
        ((5, 2),),
        trades.public_trades,
        _BLOCK + "get-public-multi-leg-transactions-of-block-trades",
        **_PUBLIC,
    ),
    _row(
        "GET",
        "account/config",
        ((5, 2),),
        reads.account_config,
        "trading-account-rest-api-get-account-configuration",
    ),
    _row("GET", "account/balance", ((10, 2),), reads.balance, "trading-account-rest-api-get-balance"),
    _row("GET", "asset/balances", ((6, 1),), reads.funding_balance, "funding-account-rest-api-get-balance"),
    _row("GET", "asset/currencies", ((6, 1),), reads.currencies, "funding-account-rest-api-get-currencies"),
    _row("GET", "public/time", ((10, 2),), reads.time, "public-data-rest-api-get-system-time", **_PUBLIC),
    _row(
        "GET",
        "public/instruments",
        ((20, 2),),
        reads.public_instruments,
        "public-data-rest-api-get-instruments",
        per="instType",
        **_PUBLIC,
    ),
    *(
        _row("GET", f"market/{path}", (limit,), answer, f"order-book-trading-market-data-get-{anchor}", **_PUBLIC)
        for path, limit, answer, anchor in (
            ("candles", (40, 2), market.candles, "candlesticks"),
            ("history-candles", (20, 2), market.history_candles, "candlesticks-history"),
            ("ticker", (20, 2), market.ticker, "ticker"),
            ("tickers", (20, 2), market.tickers, "tickers"),
            ("trades", (100, 2), market.trades, "trades"),
        )
    ),
    _row(
        "GET",
        "public/position-tiers",
        ((10, 2),),
        market.position_tiers,
        "public-data-rest-api-get-position-tiers",
        **_PUBLIC,
    ),
    _row("GET", "account/positions", ((10, 2),), market.positions, "trading-account-rest-api-get-positions"),
    _row("GET", "account/leverage-info", ((20, 2),), market.leverage, "trading-account-rest-api-get-leverage"),
    _row("GET", "trade/orders-pending", ((60, 2),), market.orders, "order-book-trading-trade-get-order-list"),
    _row(
        "GET",
        "trade/orders-history",
        ((40, 2),),
        market.past_orders,
        "order-book-trading-trade-get-order-history-last-7-days",
    ),
    _row(
        "GET",
        "trade/orders-algo-pending",
        ((20, 2),),
        market.algo_orders,
        "order-book-trading-algo-trading-get-algo-order-list",
    ),
    _row("GET", "system/status", ((1, 5),), reads.status, "status-get-status", **_PUBLIC),
)
_BY_PATH: dict[str, dict[str, Endpoint]] = {}
for _endpoint in TABLE:
    _BY_PATH.setdefault(PREFIX + _endpoint.path, {})[_endpoint.method] = _endpoint


def answer(venue: Venue, log: SlidingLog, arrival: Arrival, now: float) -> Reply:
    """Return the reply to any request that arrived at `now`, in Unix seconds.

    The docs do not give the order of checks. Here it is: path, method, key and signature, limit, body, parameters. So a
    request that fails authentication counts against no limit, and one with a wrong parameter does count.
    """
    methods = _BY_PATH.get(arrival.path)
    if methods is None:
        return _not_here(arrival)
    try:
        endpoint = methods.get(arrival.method)
        if endpoint is None:
            raise Refused("50115")
        milliseconds = int(now * 1000)
        if endpoint.access == "public":
            _admit(log, arrival.ip, arrival, endpoint, now)
            return endpoint.answer(Question(venue, _params(arrival, endpoint), milliseconds))
        key = authenticate(arrival, venue.keys, now, trading=endpoint.access == "trade")
        _admit(log, key.account, arrival, endpoint, now)
        if endpoint.minimum and not venue.user(key.user_id).eligible:
            raise Refused("70006")
        return endpoint.answer(Call(venue, _params(arrival, endpoint), milliseconds, key))
    except Refused as refused:
        return refused.reply


def _not_here(arrival: Arrival) -> Reply:
    # OKX answers 404 to an unknown route; its body is not known.
    path = arrival.path.removeprefix(PREFIX)
    served = ", ".join(sorted({endpoint.path for endpoint in TABLE}))
    text = (
        f"Not found: {arrival.method} {arrival.path}. This is the sandbox of okx-rfq-plugin, a local double of OKX's "
        f"block trading, and not OKX. It serves {served}. Script anything else in your test: "
        f'sandbox.reply("{path}", {{"code": "0", "msg": "", "data": []}}).'
    )
    return Reply(404, {"msg": text, "code": "404"})


def _admit(log: SlidingLog, caller: object, arrival: Arrival, endpoint: Endpoint, now: float) -> None:
    per = dict(parse_qsl(arrival.query)).get(endpoint.per) if endpoint.per else None
    if not log.admit((caller, endpoint.method, endpoint.path, per), endpoint.limits, now):
        raise Refused("50011")


def _params(arrival: Arrival, endpoint: Endpoint) -> dict[str, Any]:
    if endpoint.method == "GET":
        return dict(parse_qsl(arrival.query, keep_blank_values=True))
    if not arrival.body:
        if endpoint.body is not None:
            raise Refused("50000")
        return {}
    if not arrival.headers.get("Content-Type", "").lower().startswith("application/json"):
        raise Refused("50006")
    params: Any = read_json(arrival.body, endpoint.body or dict)
    return {"rows": params} if endpoint.body is list else params
