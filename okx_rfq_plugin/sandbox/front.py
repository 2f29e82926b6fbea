"""Request pipeline: records each arrival, then applies faults, scripted replies, and the venue's answer."""

from __future__ import annotations

import json
import logging
import threading
from functools import partial
from http import HTTPStatus

from multidict import CIMultiDict

from .clock import SandboxClock
from .codes import Reply, refusal_in_a_row, reply
from .endpoints import answer
from .faults import Fault, FaultLine
from .limits import SlidingLog
from .request import Arrival, Remembered, Request
from .scripts import Script, ScriptLine
from .server import HttpReply, Outcome
from .venue import Venue

_JSON = "application/json"

logger = logging.getLogger("okx_rfq_plugin.sandbox")


class Front:
    """The request pipeline. `lock` guards it and the venue."""

    def __init__(self, venue: Venue, clock: SandboxClock) -> None:
        self.lock = threading.RLock()
        self.faults = FaultLine()
        self.scripts = ScriptLine()
        self.requests = Remembered()
        switches = venue.switches
        self._log = SlidingLog(rejections_count=switches.rejections_count, exact=switches.exact_limits)
        self._venue = venue
        self._clock = clock

    def receive(self, arrival: Arrival) -> Outcome:
        """Record a request, and return what to do with it."""
        with self.lock:
            request = self._seen(arrival)
            self.requests.add(request)
            fault = self.faults.take(arrival.path)
            # A fault that replaces the reply leaves the script for the next request.
            script = None if fault.drop == "before" or fault.replaces else self.scripts.take(arrival.path)
        return Outcome(fault.delay, partial(self._reply, arrival, request, fault, script), fault.late)

    def fail(self, arrival: Arrival) -> HttpReply:
        """Log the current exception, and return 50026, which tells the client nothing more."""
        logger.exception("%s %s: the sandbox failed", arrival.method, arrival.path)
        return _wire(reply("50026"))

    def clear(self) -> None:
        """Discard the recorded requests, faults, scripted replies and limits."""
        self.requests.clear()
        self.faults.clear()
        self.scripts.clear()
        self._log.clear()

    def _reply(self, arrival: Arrival, request: Request, fault: Fault, script: Script | None) -> HttpReply | None:
        if fault.drop == "before":
            return None
        sent = _replacement(fault)
        if script is not None:
            sent = HttpReply(script.status, {"Content-Type": _JSON}, _compact(script.answer(request)))
        if sent is None or fault.execute:
            with self.lock:
                real = _wire(answer(self._venue, self._log, arrival, self._clock.wall()))
            sent = sent or real
        logger.debug("%s %s: HTTP %d%s", arrival.method, arrival.path, sent.status, " (lost)" if fault.drop else "")
        if fault.drop:
            return None
        headers = CIMultiDict(sent.headers)
        headers.update(fault.headers)
        return sent._replace(headers=headers)

    def _seen(self, arrival: Arrival) -> Request:
        key = self._venue.keys.get(arrival.headers.get("OK-ACCESS-KEY", ""))
        return Request(
            method=arrival.method,
            path=arrival.path,
            query=arrival.query,
            body=arrival.body.decode(errors="replace"),
            headers=arrival.public_headers(),
            user_id=key.user_id if key else None,
            received=self._clock.wall(),
        )


def _replacement(fault: Fault) -> HttpReply | None:
    if fault.code is not None:
        said = reply(str(fault.code), status=fault.status)
        return _wire(refusal_in_a_row(str(fault.code), said.body["msg"]) if fault.row else said)
    if fault.body is not None:
        body = fault.body.encode() if isinstance(fault.body, str) else fault.body
        kind = fault.content_type or ("text/html" if body.lstrip().startswith(b"<") else _JSON)
        return HttpReply(fault.status or 200, {"Content-Type": kind}, body)
    if fault.status is not None:
        return HttpReply(fault.status, {"Content-Type": fault.content_type or "text/html"}, _page(fault.status))
    return None


def _wire(answered: Reply) -> HttpReply:
    return HttpReply(answered.status, {"Content-Type": _JSON}, _compact(answered.body))


def _compact(body: object) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def _page(status: int) -> bytes:
    known = {each.value: each.phrase for each in HTTPStatus}
    title = f"{status} {known.get(status, '')}".rstrip()
    return f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>".encode()
