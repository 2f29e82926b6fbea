"""Keeps what OKX would keep: keys, trader codes, and every account's book."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count

from .auth import PERMISSIONS, Key
from .book import Book
from .codes import Refused
from .params import Params
from .rfq import Rfq, open_rfq

WAGMI = "WAGMI"  # the trading bot, whom RFQs in demo trading are sent to
ACCOUNT_LEVELS = ("1", "2", "3", "4")  # spot, futures, multi-currency margin, portfolio margin
Account = tuple[str, bool]  # User ID, demo


@dataclass(frozen=True, kw_only=True)
class User:
    """Who has a User ID: `account_level` as in `acctLv`, the same in both worlds."""

    user_id: str
    trader_code: str
    account_level: str


class Desk:
    """The users, and the RFQs between them; `now` is in Unix milliseconds."""

    def __init__(self) -> None:
        self.keys: dict[str, Key] = {}
        self._users: dict[str, User] = {}
        self._books: dict[Account, Book] = {}
        self._user_numbers = count(1)
        self._key_numbers = count(1)
        self._rfq_ids = count(1_000_001)

    def add_user(self, *, trader_code: str | None, account_level: str) -> str:
        """Add a user, and return the User ID."""
        if account_level not in ACCOUNT_LEVELS:
            raise ValueError(f"account levels are {', '.join(map(repr, ACCOUNT_LEVELS))}, not {account_level!r}")
        number = next(self._user_numbers)
        code = trader_code or f"SANDBOX{number}"
        if code == WAGMI or code in {user.trader_code for user in self._users.values()}:
            raise ValueError(f"the trader code {code!r} belongs to somebody else already")
        user = User(user_id=str(100_000 + number), trader_code=code, account_level=account_level)
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
        """Give a user one more key, with credentials in ccxt's terms or made-up ones."""
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
        """Return who has a User ID."""
        return self._users[user_id]

    def book(self, account: Account) -> Book:
        """Return an account's own RFQs; demo trading and live trading know nothing of each other."""
        return self._books.setdefault(account, Book())

    def open(self, account: Account, params: Params, now: int) -> Rfq:
        """Create an RFQ."""
        makers = frozenset({WAGMI, *self.makers(account)})
        trader_code = self.user(account[0]).trader_code
        rfq_id = str(next(self._rfq_ids))
        rfq = open_rfq(params, rfq_id=rfq_id, trader_code=trader_code, makers=makers, now=now)
        self.book(account).add(rfq, now)
        return rfq

    def makers(self, account: Account) -> list[str]:
        """Return the trader codes of the other users, whom RFQs can be sent to besides the bot."""
        return [user.trader_code for user_id, user in self._users.items() if user_id != account[0]]

    def visible(self, account: Account, now: int) -> Iterator[tuple[Rfq, bool]]:
        """Go through the RFQs that an account created, and those that it received (with True), in no order."""
        code = self.user(account[0]).trader_code
        for (user_id, demo), book in self._books.items():
            if (user_id, demo) == account:
                yield from ((rfq, False) for rfq in book.rfqs(now))
            elif demo == account[1]:
                yield from ((rfq, True) for rfq in book.rfqs(now) if code in rfq.params["counterparties"])

    def find(self, rfq_id: str, now: int) -> tuple[Book, Rfq]:
        """Return an RFQ and the book that it is in, whoever created it."""
        for book in self._books.values():
            try:
                return book, book.find(rfq_id, "", now)
            except Refused:
                continue
        raise LookupError(f"no RFQ {rfq_id!r} is in the sandbox")

    def clear(self) -> None:
        """Empty every book; the users and their keys stay, and RFQ ids go on counting."""
        self._books.clear()

    def forget_users(self) -> None:
        """Drop every user and key; User IDs go on counting."""
        self._users.clear()
        self.keys.clear()
