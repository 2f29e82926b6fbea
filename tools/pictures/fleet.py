"""The fleet picture: members, the store, a watcher, and the consequences of a death."""

from __future__ import annotations

from .drawing import Drawing

_TIMES = (
    ("0 s", "host 2 loses power; its last renewal was just before"),
    ("3 s", "its lease ends: were it alive, it could create nothing"),
    ("3.5 s", "the watcher sees the lapse, and cancels"),
    ("+ 2 s", "cancels again: for what was on the wire"),
    ("+ 31 s", "cancels again: OKX refuses what was signed 30 s before"),
)


def fleet() -> str:
    """Draw the parts, and below them what happens when a host dies."""
    drawing = Drawing(
        "A fleet when a host dies",
        "Strategies renew leases in a store. A watcher looks at the store, and cancels at OKX for a strategy whose"
        " lease has lapsed: at once, two seconds later, and thirty-one seconds later.",
    )
    for number in range(3):
        x = 16 + 141 * number
        dead = number == 1
        drawing.panel(x, 16, 126, [f"host {number + 1}", "no power" if dead else "strategy + fence"],
                      kind="bad" if dead else "box")  # fmt: skip
        if not dead:
            drawing.arrow(x + 63, 66, x + 63, 112)
    drawing.text(220, 94, "leases", kind="small", anchor="middle")
    drawing.panel(16, 112, 408, ["store (Valkey or Redis)", "heartbeats, the latch; no key, no secret"])
    drawing.arrow(110, 200, 110, 162)
    drawing.text(120, 186, "looks 4 times a second", kind="small")
    drawing.panel(16, 200, 190, ["watcher", "with keys of its own"], kind="good")
    drawing.arrow(206, 225, 290, 225)
    drawing.text(248, 217, "cancel", kind="small", anchor="middle")
    drawing.panel(290, 200, 134, ["OKX", "cancel-all-rfqs"])
    y = 282
    for moment, words in _TIMES:
        drawing.text(62, y, moment, kind="bold", anchor="end")
        drawing.text(74, y, words, kind="small")
        y += 24
    return drawing.svg(y)
