"""Random faults, none of which makes OKX state something untrue."""

from __future__ import annotations

import random
from typing import Any

CANCEL, CREATE, TIME = "rfq/cancel-all-rfqs", "rfq/create-rfq", "public/time"
LONGEST = 2.0  # seconds that a request may be held up
ATTEMPT_TIMEOUTS = (0.5, 1.0)  # of the plugin; some held-up requests are executed after their caller has given up

# These codes say that nothing was done, so they must come without anything being done. The others leave it open.
NOT_DONE = (
    *("50001", "50011", "50013", "50040", "50061", "50062", "50017", "70208"),  # may succeed later
    *("50102", "50110", "50113", "50120", "50012", "50030", "51000"),  # will not
)
PERHAPS_DONE = ("50004", "50026", "1", "2", "98765")
PAGES = (200, 301, 401, 403, 404, 500, 502, 503, 504)  # a proxy's
BODIES = (b"", b"null", b"[]", b"<html>", b'{"code":"0"', b'{"code":0,"data":[{"sCode":"98765"}]}', b"\xff\xfe")


def any_fault(choice: random.Random) -> tuple[str, dict[str, Any]]:
    """Return a name for the summary, and the arguments of a `Fault` for cancel-all-rfqs."""
    executed = choice.random() < 0.5
    done = " after it was done" if executed else ""
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("a code: not done", {"code": choice.choice(NOT_DONE)}),
        ("a code: perhaps done" + done, {"code": choice.choice(PERHAPS_DONE), "execute": executed}),
        ("too many, said by a proxy", {"status": 429}),
        ("a proxy's page" + done, {"status": choice.choice(PAGES), "execute": executed}),
        ("a body that is no reply" + done, {"body": choice.choice(BODIES), "execute": executed}),
        ("dropped" + (done or " before it was done"), {"drop": "after" if executed else "before"}),
        ("cut short, done", {"headers": {"Content-Length": "4000", "Connection": "close"}}),
        ("held up a little", {"delay": choice.uniform(0.0, 0.3)}),
        ("held up for long", {"delay": choice.uniform(0.3, LONGEST)}),
        answered_late(choice),
        ("held up for long, and dropped" + done, {"delay": LONGEST, "drop": "after" if executed else "before"}),
    ]
    return choice.choice(kinds)


def answered_late(choice: random.Random) -> tuple[str, dict[str, Any]]:
    """Return a fault whose delay lets others create an RFQ and call. That reply must not serve them."""
    return "done, and answered late", {"late": choice.uniform(0.0, ATTEMPT_TIMEOUTS[1])}


def any_create_fault(choice: random.Random) -> tuple[str, dict[str, Any]]:
    """Return the same for create-rfq."""
    executed = choice.random() < 0.5
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("create: code", {"code": choice.choice(("50011", "50001", "70103"))}),
        ("create: page", {"status": 502, "execute": executed}),
        ("create: dropped", {"drop": "after" if executed else "before"}),
        ("create: held up", {"delay": choice.uniform(0.0, LONGEST)}),
    ]
    return choice.choice(kinds)


def any_time_fault(choice: random.Random) -> tuple[str, dict[str, Any]]:
    """Return the same for public/time, which a cancel requests after being told that its clock is wrong."""
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("time: page", {"status": 502}),
        ("time: nonsense", {"body": b'{"code":"0","data":[{"ts":"soon"}],"msg":""}'}),
        ("time: dropped", {"drop": "before"}),
        ("time: held up", {"delay": LONGEST}),
    ]
    return choice.choice(kinds)
