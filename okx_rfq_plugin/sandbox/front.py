"""The sandbox's front: it notes what arrives, lets faults have their way, and asks for the real reply."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from functools import partial
from http import HTTPStatus

from multidict import CIMultiDict

from .codes import Reply, reply
from .desk import Desk
from .endpoints import answer
from .faults import Fault, FaultLine
from .limits import SlidingLog
from .request import Arrival, Remembered, Request
from .server import HttpReply, Outcome

_JSON = "application/json"

logger = logging.getLogger("okx_rfq_plugin.sandbox")


class Front:
    """What stands between the wire and the desk; `lock` guards all of it, and the desk."""

    def __init__(self, desk: Desk, clock: Callable[[], float], *, rejections_count: bool) -> None:
        self.lock = threading.RLock()
        self.faults = FaultLine()
        self.requests = Remembered()
        self._log = SlidingLog(rejections_count=rejections_count)
        self._desk = desk
        self._clock = clock

    def receive(self, arrival: Arrival) -> Outcome:
        """Note a request, and say what becomes of it."""
        with self.lock:
            self.requests.add(self._seen(arrival))
            fault = self.faults.take(arrival.path)
        return Outcome(fault.delay, partial(self._reply, arrival, fault), fault.late)

    def fail(self, arrival: Arrival) -> HttpReply:
        """Log what has just been raised, and answer 50026 to the client, which learns no more."""
        logger.exception("%s %s: the sandbox failed", arrival.method, arrival.path)
        return _wire(reply("50026"))

    def clear(self) -> None:
        """Forget requests, faults and limits."""
        self.requests.clear()
        self.faults.clear()
        self._log.clear()

    def _reply(self, arrival: Arrival, fault: Fault) -> HttpReply | None:
        if fault.drop == "before":
            return None
        sent = _replacement(fault)
        if sent is None or fault.execute:
            with self.lock:
                real = _wire(answer(self._desk, self._log, arrival, self._clock()))
            sent = sent or real
        logger.debug("%s %s: HTTP %d%s", arrival.method, arrival.path, sent.status, " (lost)" if fault.drop else "")
        if fault.drop:
            return None
        headers = CIMultiDict(sent.headers)
        headers.update(fault.headers)
        return sent._replace(headers=headers)

    def _seen(self, arrival: Arrival) -> Request:
        key = self._desk.keys.get(arrival.headers.get("OK-ACCESS-KEY", ""))
        return Request(
            method=arrival.method,
            path=arrival.path,
            query=arrival.query,
            body=arrival.body.decode(errors="replace"),
            headers=arrival.public_headers(),
            user_id=key.user_id if key else None,
            received=self._clock(),
        )


def _replacement(fault: Fault) -> HttpReply | None:
    if fault.code is not None:
        return _wire(reply(str(fault.code), status=fault.status))
    if fault.body is not None:
        body = fault.body.encode() if isinstance(fault.body, str) else fault.body
        kind = fault.content_type or ("text/html" if body.lstrip().startswith(b"<") else _JSON)
        return HttpReply(fault.status or 200, {"Content-Type": kind}, body)
    if fault.status is not None:
        return HttpReply(fault.status, {"Content-Type": fault.content_type or "text/html"}, _page(fault.status))
    return None


def _wire(answered: Reply) -> HttpReply:
    return HttpReply(answered.status, {"Content-Type": _JSON}, json.dumps(answered.body).encode())


def _page(status: int) -> bytes:
    known = {each.value: each.phrase for each in HTTPStatus}
    title = f"{status} {known.get(status, '')}".rstrip()
    return f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>".encode()
