"""The sandbox as a test's author meets it: a local OKX block-trading server, and the handles on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from .auth import Key
from .book import Kind
from .codes import Refused
from .desk import WAGMI, Desk
from .faults import Step
from .front import Front
from .quote import QUOTE
from .request import Request
from .rfq import RFQ
from .server import Server

Credentials = Mapping[str, str]

_SPOT_LEG = {"instId": "BTC-USDT", "side": "buy", "sz": "1"}


class Sandbox:
    """A local OKX block-trading server on a loopback port, in a thread of its own.

    It does what OKX's docs say, and no more; where they are silent, a comment or a docstring says what it does. It runs
    inside `with`, or from `start()` to `close()`. One user exists from the start, with a demo key; wherever
    `credentials` can be given, that user is meant by default.

    Args:
        host: the address to listen on.
        port: 0 lets the system choose.
        clock: returns Unix seconds. Expiry, limits and the 30 s window run on it; delays of faults do not.
        rejections_count: whether a request that was refused with 50011 counts against the window; OKX does not say.

    Source: okx.com/docs-v5/en/#block-trading-rest-api
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], float] = time.time,
        rejections_count: bool = False,
    ) -> None:
        self._host, self._port, self._clock = host, port, clock
        self._desk = Desk()
        self._front = Front(self._desk, clock, rejections_count=rejections_count)
        self._lock = self._front.lock
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
        """Listen.

        Raises:
            RuntimeError: where it runs already.
            OSError: where the port cannot be had.
        """
        if self._server is not None:
            raise RuntimeError(f"the sandbox runs already, at {self.url}")
        self._server = Server(self._host, self._port, self._front.receive, self._front.fail)

    def close(self) -> None:
        """Stop at once, without waiting for anybody; closing twice is the same as once, and `start()` works again."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    @property
    def url(self) -> str:
        """The base address, such as `http://127.0.0.1:8765`."""
        if self._server is None:
            raise RuntimeError("the sandbox is not running: use `with Sandbox() as sandbox:`, or call start()")
        return f"http://{self._host}:{self._server.port}"

    @property
    def credentials(self) -> dict[str, str]:
        """`apiKey`, `secret` and `password` of the default user's demo key, dummies all three."""
        return dict(self._credentials)

    def create_user(
        self,
        *,
        demo: bool = True,
        permissions: Sequence[str] = ("read_only", "trade"),
        ip_allowed: bool = True,
        trader_code: str | None = None,
        account_level: str = "2",
        credentials: Credentials | None = None,
    ) -> dict[str, str]:
        """Create another User ID with a key of its own, and return the key's credentials.

        Args:
            demo: whether the key is for demo trading or for live trading.
            permissions: out of `read_only`, `trade` and `withdraw`.
            ip_allowed: whether the key's IP whitelist has the caller on it.
            trader_code: the name under which others send RFQs to this user; one is made up by default.
            account_level: "1" spot, "2" futures, "3" multi-currency margin, "4" portfolio margin. OKX offers block
                trading in all but spot mode, without naming the code that an account in spot mode gets: here it is
                served, and only `account/config` shows its level.
            credentials: `apiKey`, `secret` and `password` of the key; made up by default.
        """
        with self._lock:
            user_id = self._desk.add_user(trader_code=trader_code, account_level=account_level)
            key = self._desk.add_key(
                user_id, demo=demo, permissions=permissions, ip_allowed=ip_allowed, credentials=credentials
            )
        return _credentials(key)

    def create_key(
        self,
        credentials: Credentials,
        *,
        demo: bool | None = None,
        permissions: Sequence[str] = ("read_only", "trade"),
        ip_allowed: bool = True,
    ) -> dict[str, str]:
        """Create another key of the same User ID, by default in the same world, and return its credentials."""
        with self._lock:
            owner = self._key(credentials)
            key = self._desk.add_key(
                owner.user_id,
                demo=owner.demo if demo is None else demo,
                permissions=permissions,
                ip_allowed=ip_allowed,
            )
        return _credentials(key)

    def exchange(self, cls: Any = None, *, credentials: Credentials | None = None) -> Any:
        """Make a ccxt okx object that talks to this sandbox; the caller closes it where ccxt wants that.

        Args:
            cls: `ccxt.okx` by default, or an okx class of `ccxt.async_support` or `ccxt.pro`, `myokx` and `okxus` too.
            credentials: whose object it is. With a live key, demo trading stays off.
        """
        if cls is None:
            import ccxt  # only here: who brings another client does without

            cls = ccxt.okx
        key = self._key(credentials)
        exchange = cls(_credentials(key))
        if key.demo:
            exchange.set_sandbox_mode(True)
        exchange.urls["api"]["rest"] = self.url
        return exchange

    def create_rfq(
        self,
        *,
        credentials: Credentials | None = None,
        legs: Sequence[Mapping[str, Any]] | None = None,
        counterparties: Sequence[str] = (WAGMI.trader_code,),
        clRfqId: str = "",
        tag: str = "",
        anonymous: bool = False,
        allowPartialExecution: bool = False,
    ) -> dict[str, Any]:
        """Put an RFQ straight into the book, past HTTP, limits and faults, and return it as `rfq/rfqs` shows it.

        Args:
            credentials: whose RFQ it is.
            legs: by default one, on a spot pair, so that the RFQ lives two minutes.
            counterparties: `WAGMI`, or other users' trader codes.

        Raises:
            ValueError: with OKX's code and text, for what create-rfq would refuse.
            OverflowError: where the user has 10,000 active RFQs, more than the sandbox keeps.
        """
        params = {
            "counterparties": list(counterparties),
            "anonymous": anonymous,
            "clRfqId": clRfqId,
            "tag": tag,
            "allowPartialExecution": allowPartialExecution,
            "legs": [dict(leg) for leg in ([_SPOT_LEG] if legs is None else legs)],
        }
        with self._lock, _as_value_error():
            return self._desk.open(self._key(credentials).account, params, self._now()).shown()

    def create_quote(
        self,
        rfqId: str | None = None,
        *,
        credentials: Credentials | None = None,
        legs: Sequence[Mapping[str, Any]] | None = None,
        quoteSide: str = "buy",
        clQuoteId: str = "",
        tag: str = "",
        anonymous: bool = False,
        expiresIn: str = "",
    ) -> dict[str, Any]:
        """Put a quote straight into the book, past HTTP, limits and faults, and return it as `rfq/quotes` shows it.

        Args:
            rfqId: the RFQ, which the user must have received; by default a new one, sent by the bot of demo trading.
            credentials: whose quote it is.
            legs: by default those of the RFQ, each at a price of 1.
            expiresIn: seconds, 10 to 120; OKX's default is 60.

        Raises:
            ValueError: with OKX's code and text, for what create-quote would refuse.
            OverflowError: where the user has 10,000 active quotes, more than the sandbox keeps.
        """
        with self._lock, _as_value_error():
            account, now = self._key(credentials).account, self._now()
            if rfqId is None:
                asked = {"counterparties": [self._desk.user(account[0]).trader_code], "legs": [_SPOT_LEG]}
                rfqId = self._desk.open((WAGMI.user_id, account[1]), asked, now).id
            if legs is None:
                _, rfq = self._desk.find(rfqId, now)
                legs = [{**leg, "px": "1"} for leg in rfq.params["legs"]]
            params = {
                "rfqId": rfqId,
                "clQuoteId": clQuoteId,
                "tag": tag,
                "anonymous": anonymous,
                "quoteSide": quoteSide,
                "expiresIn": expiresIn,
                "legs": [dict(leg) for leg in legs],
            }
            return self._desk.quote(account, params, now).shown()

    def rfqs(self, state: str | None = None, *, credentials: Credentials | None = None) -> list[dict[str, Any]]:
        """Return the RFQs that a user created, newest first, of one state or of all."""
        return self._created(RFQ, state, credentials)

    def quotes(self, state: str | None = None, *, credentials: Credentials | None = None) -> list[dict[str, Any]]:
        """Return the quotes that a user created, newest first, of one state or of all."""
        return self._created(QUOTE, state, credentials)

    def set_state(self, rfqId: str, state: str) -> None:
        """Put an RFQ, or a quote, into a state that nobody here brings about, such as `pending_fill` or `filled`.

        Args:
            rfqId: the id of either; an RFQ and a quote never have the same.

        Raises:
            ValueError: for what is no state of it.
            LookupError: where nothing has this id.
        """
        with self._lock:
            book, entry = self._desk.find(rfqId, self._now())
            _check_state(book.kind, state)
            book.move(entry, state, self._now())

    def fault(self, path: str, *steps: Step) -> None:
        """Put faults in line for a path; they are used up in order, one step a request, whoever asks.

        A fault comes before anything else, authentication and limits included, as a proxy's answer would; what it
        replaces is not executed unless it says so.

        Args:
            path: `rfq/cancel-all-rfqs` or `/api/v5/rfq/cancel-all-rfqs`; any other path too.
            steps: an OKX code (`"50011"` or `50011`), an HTTP status (`502`, with an HTML page), a raw body (`b"<a>"`
                or any string that is no number, with HTTP 200), a delay in seconds (`0.5`, then all goes on as usual),
                `DROP`, or a `Fault`, which says all of that and more.

        Raises:
            TypeError, ValueError: for what is no step; then none of them is taken.
        """
        with self._lock:
            self._front.faults.add(path, steps)

    @property
    def requests(self) -> list[Request]:
        """What arrived, oldest first, faults and refusals included: the latest 10,000, and of those 64 MiB at most."""
        with self._lock:
            return list(self._front.requests)

    def clear(self) -> None:
        """Empty the books, the limits, the faults and `requests`; users and keys stay."""
        with self._lock:
            self._desk.clear()
            self._front.clear()

    def begin(self, credentials: Credentials | None = None) -> None:
        """Begin afresh, as if just started: empty, without the users there were, and with a new default user.

        Args:
            credentials: `apiKey`, `secret` and `password` of that user's demo key; made up by default.
        """
        with self._lock:
            self.clear()
            self._desk.forget_users()
            self._credentials = self.create_user(credentials=credentials)

    def _created(self, kind: Kind, state: str | None, credentials: Credentials | None) -> list[dict[str, Any]]:
        _check_state(kind, state)
        with self._lock:
            entries = self._desk.book(kind, self._key(credentials).account).entries(self._now())
            return [entry.shown() for entry in reversed(entries) if state in (None, entry.state)]

    def _now(self) -> int:
        return int(self._clock() * 1000)

    def _key(self, credentials: Credentials | None) -> Key:
        key = self._desk.keys.get((credentials or self._credentials).get("apiKey", ""))
        if key is None:
            raise ValueError("these credentials are not of this sandbox: take them from create_user() or create_key()")
        return key


def _credentials(key: Key) -> dict[str, str]:
    return {"apiKey": key.api_key, "secret": key.secret, "password": key.passphrase}


def _check_state(kind: Kind, state: str | None) -> None:
    if state is not None and state not in kind.states:
        raise ValueError(f"the states of {kind.name} are {', '.join(kind.states)}, not {state!r}")


@contextmanager
def _as_value_error() -> Iterator[None]:
    try:
        yield
    except Refused as refused:
        raise ValueError(f"OKX would answer {refused.code}: {refused.text}") from None
