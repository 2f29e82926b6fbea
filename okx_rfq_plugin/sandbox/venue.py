"""The state that OKX would keep: keys, users, and every account's books, trades and settings."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from types import MappingProxyType
from typing import Any

from .auth import PERMISSIONS, Key
from .book import CAPACITY, Book, Kind
from .codes import Refused
from .params import Params, required
from .quote import QUOTE, Quote, open_quote
from .rfq import RFQ, Rfq, open_rfq
from .switches import Switches
from .trade import Trade

ACCOUNT_LEVELS = ("1", "2", "3", "4")  # spot, futures, multi-currency margin, portfolio margin
Account = tuple[str, bool]  # User ID, demo
BALANCES: Mapping[str, str] = MappingProxyType({"BTC": "10", "USDT": "100000"})


@dataclass(frozen=True, kw_only=True)
class User:
    """The owner of a User ID, which is the same in both environments."""

    user_id: str
    trader_code: str
    account_level: str  # as in `acctLv`
    eligible: bool = True  # has the minimum of assets that block trading requires
    balances: Mapping[str, str] = field(default_factory=lambda: BALANCES)


# The bot that receives RFQs in demo trading. It has no key and never quotes.
WAGMI = User(user_id="100000", trader_code="WAGMI", account_level="2")


class Venue:
    """The users, and the RFQs and quotes between them. `now` is in Unix milliseconds."""

    def __init__(self, switches: Switches) -> None:
        self.switches = switches
        self.keys: dict[str, Key] = {}
        self.announced: list[dict[str, str]] = []  # maintenance, as system/status shows it
        self.trades: dict[bool, deque[Trade]] = {demo: deque(maxlen=CAPACITY) for demo in (False, True)}
        self.maker_settings: dict[Account, list[dict[str, Any]]] = {}
        self.mmp: dict[Account, dict[str, str]] = {}
        self._users = {WAGMI.user_id: WAGMI}
        self._books: dict[tuple[Kind, Account], Book[Any]] = {}
        self._received: dict[tuple[str, bool], dict[str, Rfq]] = {}  # by trader code and environment
        self._user_numbers = count(1)
        self._key_numbers = count(1)
        self._ids = count(1_000_001)  # of RFQs, quotes and trades

    def add_user(
        self,
        *,
        trader_code: str | None,
        account_level: str,
        eligible: bool = True,
        balances: Mapping[str, str] | None = None,
    ) -> str:
        """Add a user, and return the User ID."""
        if account_level not in ACCOUNT_LEVELS:
            raise ValueError(f"account levels are {', '.join(map(repr, ACCOUNT_LEVELS))}, not {account_level!r}")
        number = next(self._user_numbers)
        code = trader_code or f"SANDBOX{number}"
        if code in {user.trader_code for user in self._users.values()}:
            raise ValueError(f"the trader code {code!r} is taken already")
        user = User(
            user_id=str(100_000 + number),
            trader_code=code,
            account_level=account_level,
            eligible=eligible,
            balances=BALANCES if balances is None else dict(balances),
        )
        self._users[user.user_id] = user
        return user.user_id

    def add_key(
        self,
        user_id: str,
        *,
        demo: bool,
        permissions: object,
        ip_allowed: bool,
        credentials: Mapping[str, str] | None = None,
    ) -> Key:
        """Add a key for a user, with credentials under ccxt's names or generated ones, and return it."""
        if isinstance(permissions, str) or not isinstance(permissions, Iterable):
            raise TypeError(f"permissions are a tuple of {sorted(PERMISSIONS)}, not {permissions!r}")
        given = frozenset(permissions)
        if unknown := given.difference(PERMISSIONS):
            raise ValueError(f"permissions are {sorted(PERMISSIONS)}, not {sorted(unknown, key=str)}")
        number = next(self._key_numbers)
        chosen = credentials or {
            "apiKey": f"sandbox-key-{number}",
            "secret": f"sandbox-secret-{number}",
            "password": f"sandbox-passphrase-{number}",
        }
        key = Key(
            api_key=chosen["apiKey"],
            secret=chosen["secret"],
            passphrase=chosen["password"],
            user_id=user_id,
            demo=demo,
            permissions=given,
            ip_allowed=ip_allowed,
        )
        self.keys[key.api_key] = key
        return key

    def user(self, user_id: str) -> User:
        """Return the user with this User ID."""
        return self._users[user_id]

    def book(self, kind: Kind, account: Account) -> Book[Any]:
        """Return an account's own RFQs or quotes. Demo trading and live trading are separate."""
        return self._books.setdefault((kind, account), Book(kind))

    def new_id(self) -> str:
        """Return an unused id."""
        return str(next(self._ids))

    def open(self, account: Account, params: Params, now: int) -> Rfq:
        """Create an RFQ, and deliver it."""
        rfq = open_rfq(
            params,
            rfq_id=self.new_id(),
            trader_code=self.user(account[0]).trader_code,
            makers=frozenset(self.makers(account)),
            now=now,
        )
        self.book(RFQ, account).add(rfq, now)
        for code in {*rfq.params["counterparties"]} - {WAGMI.trader_code}:
            received = self._received.setdefault((code, account[1]), {})
            received[rfq.id] = rfq
            if len(received) > CAPACITY:
                del received[next(iter(received))]
        return rfq

    def quote(self, account: Account, params: Params, now: int) -> Quote:
        """Create a quote, replacing the account's active one for this RFQ, if there is one.

        As OKX's page describes. So the sandbox never answers OKX's code 70309, which is for a second quote on the same
        side.
        """
        rfq_id = required(params, "rfqId")
        rfq = self._inbox(account).get(rfq_id)
        if rfq is None:
            self.book(RFQ, account).find(rfq_id, "", now)  # 70000 if it is not the account's own either
            raise Refused("70308")
        rfq.settle(now)
        code = self.user(account[0]).trader_code
        quote = open_quote(params, rfq, quote_id=self.new_id(), trader_code=code, now=now)
        book = self.book(QUOTE, account)
        before = [other for other in book.active(now) if other.rfq is rfq]
        book.add(quote, now)
        for other in before:
            book.cancel(other, now)
        return quote

    def makers(self, account: Account) -> list[str]:
        """Return the trader codes of the other users, who can receive RFQs, the bot first."""
        return [user.trader_code for user_id, user in self._users.items() if user_id != account[0]]

    def rfqs(self, account: Account, now: int) -> Iterator[tuple[Rfq, bool]]:
        """Yield the RFQs that an account created, and those that it received (with True), in no order.

        The latest 10,000 received RFQs are kept.
        """
        yield from ((rfq, False) for rfq in self.book(RFQ, account).entries(now))
        for rfq in self._inbox(account).values():
            rfq.settle(now)
            yield rfq, True

    def quotes(self, account: Account, now: int) -> Iterator[tuple[Quote, bool]]:
        """Yield the quotes that an account created, and those that it received (with True), in no order."""
        yield from ((quote, False) for quote in self.book(QUOTE, account).entries(now))
        own = {rfq.id for rfq in self.book(RFQ, account).entries(now)}
        for (kind, other), book in self._books.items():
            if kind == QUOTE and other != account:
                yield from ((quote, True) for quote in book.entries(now) if quote.rfq.id in own)

    def find(self, id_: str, now: int) -> tuple[Book[Any], Any]:
        """Return an RFQ or a quote of any user, and the book that holds it."""
        for book in self._books.values():
            try:
                return book, book.find(id_, "", now)
            except Refused:
                continue
        raise LookupError(f"no RFQ {id_!r} is in the sandbox, nor such a quote")

    def clear(self) -> None:
        """Empty every book. Users and their keys stay, and ids keep counting up."""
        self._books.clear()
        self._received.clear()
        self.announced.clear()
        self.maker_settings.clear()
        self.mmp.clear()
        for trades in self.trades.values():
            trades.clear()

    def forget_users(self) -> None:
        """Remove every key, and every user except the bot. User IDs keep counting up."""
        self._users = {WAGMI.user_id: WAGMI}
        self.keys.clear()

    def _inbox(self, account: Account) -> dict[str, Rfq]:
        return self._received.get((self.user(account[0]).trader_code, account[1]), {})
