"""Decides where the requests of okx objects go in a test: to the sandbox, a cassette, loopback, or nowhere."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol
from urllib.parse import quote, urlsplit

from okx_rfq_plugin.testing.family import Asking, is_served
from okx_rfq_plugin.testing.hosts import is_loopback
from okx_rfq_plugin.testing.interactions import CassetteRequest, Failure, Reply
from okx_rfq_plugin.testing.sent import Sent

if TYPE_CHECKING:
    from okx_rfq_plugin.testing.clocks import VirtualClock
    from okx_rfq_plugin.testing.handles import FixtureSandbox

_ADVICE = (
    "In a test with an okx_rfq fixture, marker or guard, okx objects reach only the sandbox, a cassette or the "
    "loopback interface, and nothing reaches OKX. Make this one by okx_rfq_make_exchange or okx_rfq_sandbox.exchange() "
    "or replay its requests: @pytest.mark.okx_rfq_cassette."
)


Heard = Callable[[Reply | Failure], None]


class Refused(BaseException):
    """A request was not sent. Not an Exception, so that a strategy's `except Exception` does not catch it."""


@dataclass(frozen=True)
class Plan:
    """What to do with a request.

    It is answered with `answer`, or sent to `url`, or sent unchanged. If `free`, it may leave the machine. If
    `held_back`, it may be answered late in virtual time. `heard` is called with the outcome.
    """

    answer: Reply | Failure | None = None
    url: str | None = None
    free: bool = False
    held_back: bool = False
    heard: Heard | None = None


class Tape(Protocol):
    """A cassette being replayed or recorded."""

    def plan(self, stage: Stage, asked: Asking, sent: Sent, *, local: bool) -> Plan:
        """Decide about one request. If `local`, it is addressed to the loopback interface."""


class Stage:
    """The guard of one test. `violations` describes what it refused, even if the error was swallowed."""

    def __init__(self, refuse: Callable[[str], NoReturn] | None = None) -> None:
        self.violations: list[str] = []
        self.folder: str | None = None  # where processes started by the test write their violations
        self.guards_children = True
        self.tape: Tape | None = None
        self.sandbox: FixtureSandbox | None = None
        self.clock: VirtualClock | None = None
        self._refuse = refuse
        self._process = os.getpid()

    def hear_children(self) -> None:
        """Add what was refused in other processes of the test."""
        if self.folder is None:
            return
        folder, self.folder = Path(self.folder), None
        self.violations += sorted({each.read_text(encoding="utf-8") for each in folder.glob("*.txt")})
        shutil.rmtree(folder, ignore_errors=True)

    def refuse(self, words: str) -> NoReturn:
        """Record the violation, and raise."""
        __tracebackhide__ = True
        self.violations.append(words)
        if self.folder is not None and os.getpid() != self._process:
            tell(self.folder, words)
        if self._refuse is not None:
            self._refuse(words)
        raise Refused(words)

    def plan(self, asked: Asking, sent: Sent) -> Plan:
        """Decide about one request of an okx object."""
        __tracebackhide__ = True
        hosts = [urlsplit(url).hostname for url in (sent.url, asked.url) if url is not None]
        local = all(is_loopback(host) for host in hosts)
        if self.tape is not None:
            return self.tape.plan(self, asked, sent, local=local)
        if is_served(asked.exchange) and self.sandbox is not None:
            return self.to_sandbox(asked, sent)
        if local:
            return Plan()
        self.refuse(f"{sent.method} {_shown(asked.url or sent.url)} was not sent by {_named(asked)}. {_ADVICE}")

    def to_sandbox(self, asked: Asking, sent: Sent, heard: Heard | None = None) -> Plan:
        """Return the plan to send a request to the sandbox, whatever its address."""
        assert self.sandbox is not None  # noqa: S101 - for the type checker; called only if there is a sandbox
        parts = urlsplit(target(asked, sent))
        url = f"{self.sandbox.url}{parts.path}" + (f"?{parts.query}" if parts.query else "")
        return Plan(url=url, held_back=self.sandbox.may_hold_back, heard=heard)

    def refuse_host(self, asked: Asking, host: str) -> NoReturn:
        """Refuse what another library, or a redirect, was about to send."""
        __tracebackhide__ = True
        asking = f" (asking {_shown(asked.url)})" if asked.url else ""
        self.refuse(f"{_named(asked)} was about to reach {host}{asking}, which was not let out. {_ADVICE}")

    def refuse_socket(self, exchange: Any, url: str) -> None:
        """Refuse a WebSocket that leaves the machine. Neither the sandbox nor a cassette has any."""
        __tracebackhide__ = True
        if is_served(exchange) or not is_loopback(urlsplit(url).hostname):
            self.refuse(
                f"WebSocket {_shown(url)} was not opened by {_named(Asking(exchange, url))}: neither the sandbox nor a "
                "cassette serves WebSockets. Replace the exchange's watch_ methods in this test."
            )


def tell(folder: str, words: str) -> None:
    """Write a violation to the folder of a test in another process, if that test is still running."""
    with suppress(OSError):
        file, _ = tempfile.mkstemp(dir=folder, suffix=".txt")
        with os.fdopen(file, "w", encoding="utf-8") as out:
            out.write(words)


def target(asked: Asking, sent: Sent) -> str:
    """Return the intended address, without the `proxyUrl` that ccxt puts in front."""
    if asked.url and (asked.url in sent.url or quote(asked.url, safe="") in sent.url):
        return asked.url
    return sent.url


def request_of(asked: Asking, sent: Sent) -> CassetteRequest:
    """Return a request in a cassette's form, before scrubbing."""
    parts = urlsplit(target(asked, sent))
    return CassetteRequest(
        method=sent.method,
        path=parts.path,
        query=parts.query,
        body=(sent.body or b"").decode("utf-8", "replace"),
        headers={
            name: value
            for name, value in dict(sent.headers).items()
            if str(name).lower() not in ("ok-access-sign", "ok-access-passphrase")
        },
    )


def _named(asked: Asking) -> str:
    if asked.exchange is None:
        return asked.client
    cls = type(asked.exchange)
    return f"a {cls.__module__}.{cls.__qualname__} object"


def _shown(url: str) -> str:
    # Without the query, which may contain ids.
    return url.partition("?")[0]
