"""The decision picture: from OKX's answer to what the caller is told."""

from __future__ import annotations

from .drawing import WIDTH, Drawing

_LEFT, _GAP = 16, 12

# The answer, the reaction, and what the caller is finally told.
_ROWS = (
    ("box", ["Nothing left this machine", "no such host, refused, proxy, certificate, no key"], "bad",
     ["NOTHING WAS CANCELED", "tried again where that can help;", "may_be_canceled is False"]),
    ("box", ["Code 0, HTTP 2xx, as OKX documents it", "no row that says otherwise"], "good",
     ['Receipt: "canceled"', "with OKX's time"]),
    ("box", ["70207", "none active"], "good",
     ['Receipt: "nothing_active"', "after a lost reply, too: the first had worked"]),
    ("box", ["50011, 70208, HTTP 429, ...", "OKX says: not executed, come again"], "bad",
     ["Waits, and sends again", "at the deadline: NOTHING WAS CANCELED,", "RateLimitExceeded or ExchangeNotAvailable"]),
    ("box", ["50102", "the clock is more than 30 s off"], "box",
     ["Reads OKX's clock, signs again", "twice at most; else InvalidNonce"]),
    ("box", ["A rejection", "key, permission, IP list, account, region"], "bad",
     ["Error at once, not repeated", "NOTHING WAS CANCELED"]),
    ("box", ["Anything else", "a timeout, a broken connection, a proxy's", "page, code 1 or 2, an unknown code"],
     "doubt",
     ["Sends again until the answer is clear", "at the deadline: RFQs MAY STILL BE ACTIVE,",
      "may_be_canceled is True"]),
)  # fmt: skip


def decision() -> str:
    """Draw each kind of answer with its consequences."""
    drawing = Drawing(
        "Who is told what",
        "Each kind of answer to a cancel, and the receipt or error that the caller gets.",
    )
    drawing.text(_LEFT, 30, "What comes back, and what you are told", kind="bold")
    y: float = 44
    indent = 44
    for kind, seen, ends, told in _ROWS:
        below = drawing.panel(_LEFT, y, WIDTH - 2 * _LEFT - indent, seen, kind=kind)
        middle = below + _GAP + 16
        drawing.line(_LEFT + 20, below, _LEFT + 20, middle)
        drawing.arrow(_LEFT + 20, middle, _LEFT + indent, middle)
        y = drawing.panel(_LEFT + indent, below + _GAP, WIDTH - 2 * _LEFT - indent, told, kind=ends) + 20
    drawing.text(_LEFT, y + 4, "Once an attempt was in doubt, every error of that call says", kind="small")
    drawing.text(_LEFT, y + 20, "that RFQs may still be active.", kind="small")
    return drawing.svg(y + 36)
