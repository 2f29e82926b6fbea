"""The sequence picture: how one cancel runs."""

from __future__ import annotations

from .drawing import Drawing

_LANES = {"you": (70, "your strategy"), "us": (220, "okx-rfq-plugin"), "okx": (370, "OKX")}
_STEP = 46

# Sender, receiver, message, and a second line in smaller type.
_MESSAGES = (
    ("you", "us", "cancel_all_rfqs()", ""),
    ("us", "us", "wait for OKX's limit", "2 in 2 s; ccxt's queue is bypassed"),
    ("us", "okx", "POST cancel-all-rfqs", "signed by ccxt"),
    ("okx", "us", "50011, too many", "not executed"),
    ("us", "us", "wait one window", "another process uses the limit"),
    ("us", "okx", "POST cancel-all-rfqs", "on a new connection"),
    ("okx", "us", "no answer", "may have been executed"),
    ("us", "us", "note the doubt", "sending again does no harm"),
    ("us", "okx", "POST cancel-all-rfqs", ""),
    ("okx", "us", "70207, none active", "the second one had worked"),
    ("us", "you", "the receipt", '"nothing_active"'),
)


def sequence() -> str:
    """Draw a cancel that needs three attempts."""
    drawing = Drawing(
        "How one cancel runs",
        "The plugin sends the cancel past ccxt's queue, waits where OKX is busy, sends it again where no answer"
        " came, and returns a receipt when OKX says that nothing is active.",
    )
    bottom = 64 + _STEP * len(_MESSAGES)
    for x, name in _LANES.values():
        drawing.box(x - 62, 14, 124, 28)
        drawing.text(x, 33, name, kind="bold", anchor="middle")
        drawing.line(x, 42, x, bottom + 8, kind="line faint")
    for number, (source, target, words, more) in enumerate(_MESSAGES):
        y = 82 + _STEP * number
        start, end = _LANES[source][0], _LANES[target][0]
        if source == target:
            drawing.box(start - 112, y - 22, 224, 38 if more else 24)
            drawing.text(start, y - 6, words, anchor="middle")
            drawing.text(start, y + 9, more, kind="small", anchor="middle")
            continue
        drawing.arrow(start, y, end, y)
        drawing.text((start + end) / 2, y - 6, words, anchor="middle")
        drawing.text((start + end) / 2, y + 14, more, kind="small", anchor="middle")
    return drawing.svg(bottom + 20)
