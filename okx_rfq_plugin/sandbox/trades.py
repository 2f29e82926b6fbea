"""Block trades: executing a quote, and listing trades.

Source: okx.com/docs-v5/en/#block-trading-rest-api-execute-quote, #block-trading-rest-api-get-trades and
#block-trading-rest-api-get-public-multi-leg-transactions-of-block-trades
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from typing import Any

from .book import Book
from .calls import MOST_ROWS, Call, Question
from .codes import Refused, Reply, reply
from .params import Params, bad, flag, number, required, rows, text, whole
from .quote import Quote
from .rfq import RFQ, Rfq
from .trade import Trade
from .venue import Venue

PUBLIC_AFTER = 15 * 60_000  # ms until public-trades shows a trade

_IDS = range(10**20)
_OPPOSITE = {"buy": "sell", "sell": "buy"}


def execute_quote(call: Call) -> Reply:
    """POST rfq/execute-quote, by the RFQ's creator: all of it, or a part with the same shape."""
    rfq_id, quote_id = required(call.params, "rfqId"), required(call.params, "quoteId")
    book = call.venue.book(RFQ, call.key.account)
    rfq: Rfq = book.find(rfq_id, "", call.now)
    quotes, quote = _find_quote(call.venue, rfq, quote_id, call.now)
    if rfq.state != "active":
        raise Refused("70504", rfqState=rfq.state)
    if quote.state != "active":
        raise Refused("70505", quoteState=quote.state)
    part = _part(call.params, rfq)
    trade = Trade(
        id=call.venue.new_id(),
        rfq=rfq,
        quote=quote,
        legs=[_leg(call.venue, leg, quote, part) for leg in quote.params["legs"]],
        time=call.now,
    )
    quotes.move(quote, "filled", call.now)
    rfq.filled_by = quote.trader_code
    book.move(rfq, "filled", call.now)
    call.venue.trades[call.key.demo].append(trade)
    return reply(data=[trade.executed_reply()])


def trades(call: Call) -> Reply:
    """GET rfq/trades: trades with the account on one side, newest first. All trades in the sandbox succeed."""
    begin, end = whole(call.params, "beginTs", _IDS, -1), whole(call.params, "endTs", _IDS, 10**20)
    successful = call.params.get("isSuccessful") in (None, "") or flag(call.params, "isSuccessful")
    asked = {name: text(call.params, name) for name in ("rfqId", "quoteId", "blockTdId")}
    for name, wins in (("clRfqId", "rfqId"), ("clQuoteId", "quoteId")):  # OKX's own id wins
        asked[name] = "" if asked[wins] else text(call.params, name)
    code = call.trader_code
    mine = [
        trade.shown(to_maker=trade.quote.trader_code == code)
        for trade in call.venue.trades[call.key.demo]
        if successful and code in (trade.rfq.trader_code, trade.quote.trader_code) and begin <= trade.time <= end
    ]
    return _page(call, [row for row in mine if all(value in ("", row[name]) for name, value in asked.items())])


def public_trades(question: Question) -> Reply:
    """GET rfq/public-trades: all users' trades, after 15 minutes.

    The docs do not say which environment a public request means; here it gets the trades of both.
    """
    old = [
        trade for demo in question.venue.trades.values() for trade in demo if question.now - trade.time >= PUBLIC_AFTER
    ]
    return _page(question, [trade.shown_to_all() for trade in old])


def _page(question: Question, shown: Iterable[dict[str, Any]]) -> Reply:
    newer, older = whole(question.params, "beginId", _IDS, -1), whole(question.params, "endId", _IDS, 10**20)
    limit = whole(question.params, "limit", range(1, MOST_ROWS + 1), MOST_ROWS)
    found = sorted(shown, key=lambda row: int(row["blockTdId"]), reverse=True)
    return reply(data=list(islice((row for row in found if newer < int(row["blockTdId"]) < older), limit)))


def _find_quote(venue: Venue, rfq: Rfq, quote_id: str, now: int) -> tuple[Book[Any], Quote]:
    try:
        book, quote = venue.find(quote_id, now)
    except LookupError:
        raise Refused("70001") from None
    if not isinstance(quote, Quote) or quote.rfq is not rfq:
        raise Refused("70501", rfqId=rfq.id, quoteId=quote_id)
    return book, quote


def _part(params: Params, rfq: Rfq) -> Fraction:
    """Return the executed part of the RFQ, 1 for all of it."""
    asked = rows(params, "legs")
    if not asked:
        return Fraction(1)
    sizes = {leg["instId"]: Fraction(leg["sz"]) for leg in rfq.params["legs"]}
    if any(not isinstance(row, dict) for row in asked):
        bad("legs")
    wanted = {required(row, "instId"): Fraction(number(required(row, "sz"), "sz")) for row in asked}
    if wanted.keys() != sizes.keys() or len(asked) != len(sizes):
        raise Refused("70502", rfqId=rfq.id)
    parts = {wanted[name] / size for name, size in sizes.items()}
    if len(parts) > 1 or max(parts) > 1:
        raise Refused("70506")
    if parts != {Fraction(1)} and not rfq.params["allowPartialExecution"]:
        raise Refused("70507")
    return parts.pop()


def _leg(venue: Venue, leg: dict[str, str], quote: Quote, part: Fraction) -> dict[str, str]:
    """Return a leg as executed: on its own side for a quote to buy, else, as the docs say, on the opposite side."""
    size = Fraction(leg["sz"]) * part
    return {
        "instId": leg["instId"],
        "side": leg["side"] if quote.params["quoteSide"] == "buy" else _OPPOSITE[leg["side"]],
        "sz": leg["sz"] if part == 1 else str(Decimal(size.numerator) / Decimal(size.denominator)),
        "px": leg["px"],
        "tradeId": venue.new_id(),
        "fee": "0",
        "feeCcy": "",
        "tradeQuoteCcy": leg["tradeQuoteCcy"],
    }
