"""The handles on a sandbox's users and books: what a test sets up and looks at, past HTTP, limits and faults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from .auth import Key
from .book import Kind
from .clock import SandboxClock
from .codes import Refused
from .front import Front
from .quote import QUOTE
from .rfq import RFQ
from .venue import WAGMI, Venue

Credentials = Mapping[str, str]

_SPOT_LEG = {"instId": "BTC-USDT", "side": "buy", "sz": "1"}


class Handles:
    """Users, keys, RFQs and quotes of a sandbox; wherever `credentials` can be given, the default user is meant."""

    _venue: Venue
    _front: Front
    _clock: SandboxClock
    _credentials: dict[str, str]

    def create_user(
        self,
        *,
        demo: bool = True,
        permissions: Sequence[str] = ("read_only", "trade"),
        ip_allowed: bool = True,
        trader_code: str | None = None,
        account_level: str = "2",
        eligible: bool = True,
        balances: Mapping[str, str] | None = None,
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
            eligible: whether the user has the minimum of assets that block trading asks for; else lists and creates
                answer 70006.
            balances: what `account/balance` shows, such as `{"USDT": "100"}`; something by default.
            credentials: `apiKey`, `secret` and `password` of the key; made up by default. OKX's keys have the form of a
                UUID: one of this form that another sandbox does not know is 50119 there, as in another region.
        """
        with self._front.lock:
            user_id = self._venue.add_user(
                trader_code=trader_code, account_level=account_level, eligible=eligible, balances=balances
            )
            key = self._venue.add_key(
                user_id, demo=demo, permissions=permissions, ip_allowed=ip_allowed, credentials=credentials
            )
        return credentials_of(key)

    def create_key(
        self,
        credentials: Credentials,
        *,
        demo: bool | None = None,
        permissions: Sequence[str] = ("read_only", "trade"),
        ip_allowed: bool = True,
    ) -> dict[str, str]:
        """Create another key of the same User ID, by default in the same environment, and return its credentials."""
        with self._front.lock:
            owner = self._key(credentials)
            key = self._venue.add_key(
                owner.user_id,
                demo=owner.demo if demo is None else demo,
                permissions=permissions,
                ip_allowed=ip_allowed,
            )
        return credentials_of(key)

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
        with self._front.lock, _as_value_error():
            return self._venue.open(self._key(credentials).account, params, self._now()).shown()

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
        with self._front.lock, _as_value_error():
            account, now = self._key(credentials).account, self._now()
            if rfqId is None:
                asked = {"counterparties": [self._venue.user(account[0]).trader_code], "legs": [_SPOT_LEG]}
                rfqId = self._venue.open((WAGMI.user_id, account[1]), asked, now).id
            if legs is None:
                _, rfq = self._venue.find(rfqId, now)
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
            return self._venue.quote(account, params, now).shown()

    def rfqs(self, state: str | None = None, *, credentials: Credentials | None = None) -> list[dict[str, Any]]:
        """Return the RFQs that a user created, newest first, of one state or of all."""
        return self._created(RFQ, state, credentials)

    def quotes(self, state: str | None = None, *, credentials: Credentials | None = None) -> list[dict[str, Any]]:
        """Return the quotes that a user created, newest first, of one state or of all."""
        return self._created(QUOTE, state, credentials)

    def set_state(self, rfqId: str, state: str) -> None:
        """Put an RFQ, or a quote, into a state that no request brings about here, such as `pending_fill` or `failed`.

        Args:
            rfqId: the id of either; an RFQ and a quote never have the same.

        Raises:
            ValueError: for what is no state of it.
            LookupError: where nothing has this id.
        """
        with self._front.lock:
            book, entry = self._venue.find(rfqId, self._now())
            _check_state(book.kind, state)
            book.move(entry, state, self._now())

    def _created(self, kind: Kind, state: str | None, credentials: Credentials | None) -> list[dict[str, Any]]:
        _check_state(kind, state)
        with self._front.lock:
            entries = self._venue.book(kind, self._key(credentials).account).entries(self._now())
            return [entry.shown() for entry in reversed(entries) if state in (None, entry.state)]

    def _now(self) -> int:
        return int(self._clock.wall() * 1000)

    def _key(self, credentials: Credentials | None) -> Key:
        key = self._venue.keys.get((credentials or self._credentials).get("apiKey", ""))
        if key is None:
            raise ValueError("these credentials are not of this sandbox: take them from create_user() or create_key()")
        return key


def credentials_of(key: Key) -> dict[str, str]:
    """Return a key's credentials in ccxt's terms."""
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
