"""Block trading endpoints with logic not shared by RFQs and quotes: create, list, and the cancel countdown.

Source: okx.com/docs-v5/en/#block-trading-rest-api-create-rfq and the sections that follow it.
"""

from __future__ import annotations

from .calls import Call, page
from .codes import Reply, reply
from .params import bad, required, whole
from .quote import QUOTE
from .rfq import RFQ

COUNTDOWN = range(10, 121)  # seconds


def create_rfq(call: Call) -> Reply:
    """POST rfq/create-rfq."""
    return reply(data=[call.venue.open(call.key.account, call.params, call.now).created_reply()])


def create_quote(call: Call) -> Reply:
    """POST rfq/create-quote."""
    return reply(data=[call.venue.quote(call.key.account, call.params, call.now).created_reply()])


def cancel_all_after(call: Call) -> Reply:
    """POST rfq/cancel-all-after: cancel all quotes when the countdown ends, unless it is set again before.

    Both times are in seconds, as in OKX's example, though OKX's other times are in milliseconds. OKX may take some
    seconds to cancel them all; the sandbox takes none.
    """
    required(call.params, "timeOut")
    seconds = whole(call.params, "timeOut", range(COUNTDOWN.stop), 0)
    if seconds and seconds not in COUNTDOWN:
        bad("timeOut")
    book = call.venue.book(QUOTE, call.key.account)
    book.active(call.now)  # apply a countdown that has already ended
    book.cancel_at = call.now + seconds * 1000 if seconds else None
    now = call.now // 1000
    return reply(data=[{"triggerTime": str(now + seconds if seconds else 0), "ts": str(now)}])


def rfqs(call: Call) -> Reply:
    """GET rfq/rfqs: RFQs created and received."""
    flow_type = call.venue.switches.maker_flow_type
    visible = call.venue.rfqs(call.key.account, call.now)
    code = call.trader_code
    return page(
        RFQ,
        call,
        visible,
        lambda rfq, received: rfq.shown(maker=code, flow_type=flow_type) if received else rfq.shown(),
    )


def quotes(call: Call) -> Reply:
    """GET rfq/quotes: quotes created and received."""
    visible = call.venue.quotes(call.key.account, call.now)
    return page(QUOTE, call, visible, lambda quote, received: quote.shown(to_taker=received), also_by=(RFQ,))


def counterparties(call: Call) -> Reply:
    """GET rfq/counterparties: the demo trading bot, and the sandbox's other users."""
    makers = call.venue.makers(call.key.account)
    return reply(data=[{"traderName": code, "traderCode": code, "type": "LP"} for code in makers])
