"""The sandbox's public class: a local OKX block-trading server."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from .clock import SandboxClock, as_clock
from .faults import Step
from .front import Front
from .handles import Credentials, Handles, credentials_of
from .reads import STATES
from .request import Request
from .server import Server
from .switches import Switches
from .urls import SandboxUrls
from .venue import Venue


class Sandbox(Handles):
    """A local OKX block-trading server on a loopback port, in its own thread.

    It does what OKX's docs say, or what OKX was seen to answer. Where both are silent, docs/sandbox.md says what it
    does. Use it as a context manager, or call `start()` and `close()`. One user with a demo key exists from the start,
    and is the default wherever `credentials` can be given. As with OKX, demo trading and live trading share one
    address, and the header `x-simulated-trading` decides.

    Args:
        host: the address to listen on.
        port: 0 lets the system choose.
        clock: returns Unix seconds, for expiry, limits and the 30 s window; or a `SandboxClock`, such as
            `VirtualClock()`, which the delays of faults follow too.
        rejections_count: whether a request refused with 50011 counts against the window. OKX does not say.
        exact_limits: False admits as many requests as a real limiter was seen to.
        refusals_in_rows: whether cancel-all-rfqs and -quotes refuse in a row, under code 1. OKX does not say.
        maker_flow_type: the `flowType` of RFQs in a maker's list. OKX names no value.

    Source: okx.com/docs-v5/en/#block-trading-rest-api
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: SandboxClock | Callable[[], float] = time.time,
        rejections_count: bool = False,
        exact_limits: bool = True,
        refusals_in_rows: bool = False,
        maker_flow_type: str = "sandbox",
    ) -> None:
        self._host, self._port, self._clock = host, port, as_clock(clock)
        switches = Switches(
            rejections_count=rejections_count,
            exact_limits=exact_limits,
            refusals_in_rows=refusals_in_rows,
            maker_flow_type=maker_flow_type,
        )
        self._venue = Venue(switches)
        self._front = Front(self._venue, self._clock)
        self._server: Server | None = None
        self._credentials = self.create_user()

    def __enter__(self) -> Sandbox:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Sandbox {self.url if self._server else 'not running'}>"

    def start(self) -> None:
        """Start listening.

        Raises:
            RuntimeError: if it is already running.
            OSError: if the port is not available.
        """
        if self._server is not None:
            raise RuntimeError(f"the sandbox runs already, at {self.url}")
        self._server = Server(self._host, self._port, self._front.receive, self._front.fail, self._clock.delay)

    def close(self) -> None:
        """Stop immediately, without waiting for clients. Closing twice is harmless, and `start()` works again."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    @property
    def url(self) -> str:
        """The base address, with scheme, host and port."""
        if self._server is None:
            raise RuntimeError("the sandbox is not running: use `with Sandbox() as sandbox:`, or call start()")
        return f"http://{self._host}:{self._server.port}"

    @property
    def credentials(self) -> dict[str, str]:
        """`apiKey`, `secret` and `password` of the default user's demo key, all of them dummies."""
        return dict(self._credentials)

    def exchange(self, cls: Any = None, *, credentials: Credentials | None = None) -> Any:
        """Create a ccxt okx object that talks to this sandbox. If ccxt requires closing it, the caller must do so.

        It stays on the sandbox whatever `set_sandbox_mode`, `hostname` or `urls["test"]` are set to later, WebSockets
        included, which the sandbox does not serve. `set_sandbox_mode` chooses demo or live trading.

        Args:
            cls: `ccxt.okx` by default, or an okx class of `ccxt.async_support` or `ccxt.pro`, also `myokx` and `okxus`.
            credentials: the key that the object uses. With a live key, demo trading stays off.
        """
        if cls is None:
            import ccxt  # imported here because other clients do not need it

            cls = ccxt.okx
        key = self._key(credentials)
        exchange = cls(credentials_of(key))
        if key.demo:
            exchange.set_sandbox_mode(True)
        exchange.urls = SandboxUrls(self.url, exchange.urls)
        return exchange

    def fault(self, path: str, *steps: Step) -> None:
        """Queue faults for a path. Each request to the path uses up one, in order, whatever its key.

        A fault is applied before anything else, authentication and limits included, like a proxy's answer. A request
        whose reply it replaces is not executed, unless the fault says so.

        Args:
            path: `rfq/cancel-all-rfqs` or `/api/v5/rfq/cancel-all-rfqs`; any other path too.
            steps: an OKX code (`"50011"` or `50011`), an HTTP status (`502`, with an HTML page), a raw body (`b"<a>"`
                or any string that is no number, with HTTP 200), a delay in seconds (`0.5`, then all goes on as usual),
                `DROP`, or a `Fault`, which can express all of these and more.

        Raises:
            TypeError, ValueError: if a step is invalid; then none is queued.
        """
        with self._front.lock:
            self._front.faults.add(path, steps)

    def reply(self, path: str, json: object, times: int | None = None, *, status: int = 200) -> None:
        """Script the reply to a path, whatever the method, the query and the key. Nothing is checked or counted.

        It replaces the sandbox's own answer, and comes after faults. Replies with `times` are used in order; then the
        latest reply without it answers every request.

        Args:
            path: `account/bills` or `/api/v5/account/bills`.
            json: the body, any JSON value; or a function that returns it, called with the `Request` on the sandbox's
                thread, where it must not block.
            times: how many requests get it; None for all.
            status: the HTTP status.

        Raises:
            TypeError, ValueError: if the reply cannot be sent.
        """
        with self._front.lock:
            self._front.scripts.add(path, json, times=times, status=status)

    def announce_maintenance(
        self,
        *,
        begins_in: float = 0.0,
        lasts: float = 600.0,
        state: str = "",
        service_type: str = "6",
        title: str = "Block trading system upgrade",
    ) -> dict[str, str]:
        """Announce maintenance in `system/status`, and return its row. The sandbox keeps answering.

        Args:
            begins_in: seconds from now on the sandbox's clock; negative if it has begun.
            lasts: seconds.
            state: `scheduled`, `ongoing`, `pre_open`, `completed` or `canceled`; by default derived from the time.
            service_type: OKX's number; "6" is block trading.
            title: the text.
        """
        begin = self._now() + int(begins_in * 1000)
        row = {
            **dict.fromkeys(("href", "preOpenBegin", "scheDesc"), ""),
            **{"begin": str(begin), "end": str(begin + int(lasts * 1000)), "state": state, "title": title},
            **{"serviceType": service_type, "maintType": "1", "env": "2", "system": "unified"},
        }
        if state not in ("", *STATES):
            raise ValueError(f"the states of maintenance are {', '.join(STATES)}, not {state!r}")
        with self._front.lock:
            self._venue.announced.append(row)
        return dict(row)

    @property
    def unused(self) -> list[str]:
        """Descriptions of the faults and scripted replies not yet used; empty if all were."""
        with self._front.lock:
            return [*self._front.faults.unused(), *self._front.scripts.unused()]

    @property
    def requests(self) -> list[Request]:
        """Requests that arrived, oldest first, faults and refusals included: the latest 10,000, 64 MiB at most."""
        with self._front.lock:
            return list(self._front.requests)

    def clear(self) -> None:
        """Empty the books, the limits, faults, scripted replies and `requests`. Users and keys stay."""
        with self._front.lock:
            self._venue.clear()
            self._front.clear()

    def begin(self, credentials: Credentials | None = None) -> None:
        """Reset to the state after `start()`: empty, without the existing users, and with a new default user.

        Args:
            credentials: `apiKey`, `secret` and `password` of that user's demo key; generated by default.
        """
        with self._front.lock:
            self.clear()
            self._venue.forget_users()
            self._credentials = self.create_user(credentials=credentials)
