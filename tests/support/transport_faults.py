"""Ways in which the connection to the venue breaks, and the exception class that each leads to."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from typing import Any

import ccxt

from support.replies import CANCEL_ALL, SUCCESS, failed
from support.standin import Step, cut, cut_by_reset, cut_chunk, raw, redirect, reply, reset, reset_unread, silence

DONE = json.dumps(SUCCESS)
HEAD = b"HTTP/1.1 200 So\r\nContent-Type: application/json\r\n"

# The final result of a fault: ccxt's class if it is an OperationFailed, else BadResponse.
LOST_BY_REQUESTS = ccxt.NetworkError
LOST_BY_AIOHTTP = ccxt.ExchangeNotAvailable
NO_CLASS = ccxt.BadResponse


@dataclass(frozen=True)
class Fault:
    """A fault, and the resulting class: with requests (sync), and with aiohttp (async)."""

    name: str
    step: Step
    sync: type[ccxt.BaseError]
    asynchronous: type[ccxt.BaseError]

    def raises(self, twin: Any) -> type[ccxt.BaseError]:
        """Return the class for a twin."""
        return self.sync if twin.synchronous else self.asynchronous


FAULTS = [
    Fault("reset before the request is read", reset_unread(), LOST_BY_REQUESTS, LOST_BY_AIOHTTP),
    Fault("reset after it is read", reset(), LOST_BY_REQUESTS, LOST_BY_AIOHTTP),
    Fault("closed without a byte", silence(), LOST_BY_REQUESTS, LOST_BY_AIOHTTP),
    Fault("success cut short", cut(200, DONE), LOST_BY_REQUESTS, NO_CLASS),
    Fault("success cut short by a reset", cut_by_reset(200, DONE), LOST_BY_REQUESTS, NO_CLASS),
    Fault("success cut in a chunk", cut_chunk(200, DONE), LOST_BY_REQUESTS, NO_CLASS),
    Fault("rejection cut short", cut(401, json.dumps(failed("50113"))), LOST_BY_REQUESTS, NO_CLASS),
    Fault("rate limit cut short", cut(429, json.dumps(failed("50011"))), LOST_BY_REQUESTS, NO_CLASS),
    Fault("nothing active cut short", cut(200, json.dumps(failed("70207"))), LOST_BY_REQUESTS, NO_CLASS),
    Fault(
        "a chunk of no size", raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n"), LOST_BY_REQUESTS, NO_CLASS
    ),
    Fault("no gzip", reply(200, DONE, headers={"Content-Encoding": "gzip"}), NO_CLASS, NO_CLASS),
    Fault("no deflate", reply(200, DONE, headers={"Content-Encoding": "deflate"}), NO_CLASS, NO_CLASS),
    Fault(
        "gzip cut short",
        reply(200, gzip.compress(DONE.encode())[:-12], headers={"Content-Encoding": "gzip"}),
        NO_CLASS,
        NO_CLASS,
    ),
    Fault("no HTTP", raw(b"220 smtp.example.com ready\r\n"), LOST_BY_REQUESTS, NO_CLASS),
    Fault("half a head", raw(b"HTTP/1.1 200 So\r\nContent-Ty"), NO_CLASS, LOST_BY_AIOHTTP),
    Fault("a head without end", raw(HEAD + b"X: " + b"x" * 100_000), LOST_BY_REQUESTS, NO_CLASS),
    Fault("half a body of no length", raw(HEAD + b"\r\n" + DONE.encode()[:30]), NO_CLASS, NO_CLASS),
    Fault("redirected to itself", redirect(CANCEL_ALL), NO_CLASS, NO_CLASS),
    Fault("redirected to itself, as POST", redirect(CANCEL_ALL, 307), NO_CLASS, NO_CLASS),
    Fault("redirected out of HTTP", redirect("ftp://127.0.0.1/"), NO_CLASS, NO_CLASS),
    Fault("redirected to a closed port", redirect("http://127.0.0.1:1/"), NO_CLASS, NO_CLASS),
]
