"""Names of the cassettes that come with the package. Separate, because it must import quickly."""

from __future__ import annotations

NAMES = (
    "canceled",
    "nothing-active",
    "rate-limited-then-canceled",
    "unavailable-then-canceled",
    "clock-skew-then-canceled",
    "unreadable-then-nothing-active",
    "lost-then-nothing-active",
    "timeout-then-canceled",
    "rejected-signature",
    "rejected-permission",
    "confirmed",
    "quotes-canceled",
    "quotes-nothing-active",
    "quotes-countdown",
    "open-rfqs",
)
