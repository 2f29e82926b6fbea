"""The store: Redis or Valkey through redis-py. No other module imports redis-py."""

from __future__ import annotations

import json
import secrets
import select
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from okx_rfq_plugin.fleet import scripts
from okx_rfq_plugin.fleet.records import (
    SENDS,
    WINDOW,
    Beat,
    Latch,
    Member,
    View,
    Watcher,
    beat_from_text,
    from_text,
    to_text,
)

# The braces keep all keys in one slot of a cluster.
PREFIX = "{okx-rfq-fleet}:"
CHANNEL = PREFIX + "latch"
_EPOCH, _MEMBERS, _LATCH = PREFIX + "epoch", PREFIX + "members", PREFIX + "latch"
_WATCHERS, _CANCELS = PREFIX + "watchers", PREFIX + "cancels"
_BEAT = PREFIX + "beat:"
_SETTING_OUT = 300  # milliseconds after OKX's window opens in which the waiting caller must send before another may
_LEAST, _MOST = 50, 250  # milliseconds between two polls for another caller's cancel
_NO_URL = (
    "a store is named as redis://user:password@host:6379/0, rediss://... for TLS, or unix:///path; what a URL gives a"
    " meaning is written as %23, %2F and so on in a password"
)
_KEPT = 10_000  # milliseconds that the outcome of a shared cancel is kept


class StoreError(Exception):
    """The store did not do what was asked: out of reach, too slow, read-only, or it refused."""


class Store:
    """One connection to the store, for one thread at a time.

    Args:
        url: such as `rediss://user:password@host:6379/0`.
        timeout: seconds to connect, and to answer.

    Raises:
        ValueError: if the URL is not that of a store.
    """

    def __init__(self, url: str, *, timeout: float) -> None:
        self.url = url
        # No retries by redis-py: the caller decides, and a lost connection must stay visible.
        options = {
            "decode_responses": True,
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            "retry": Retry(NoBackoff(), 0),
            "retry_on_timeout": False,
        }
        self._client: Any = None
        with suppress(ValueError, TypeError, AttributeError):  # their messages may quote the password
            self._client = redis.Redis.from_url(url, **options)
        if self._client is None:
            raise ValueError(_NO_URL)
        self._client.connection_pool.connection_kwargs |= options  # the URL's own settings must not win
        self._known: dict[str, Member] = {}

    def ping(self) -> None:
        """Connect."""
        with self._mended():
            self._client.ping()

    def ping_and_close(self) -> None:
        """Check that the store answers. Raise StoreError if not."""
        try:
            self.ping()
        finally:
            self.close()

    def has_answered(self) -> bool:
        """Return whether an answer has arrived that the asking thread has not read yet. Callable from any thread."""
        try:
            # redis-py has no public name for it. If the private one changes, the answer is "no".
            (connection,) = self._client.connection_pool._in_use_connections
            return bool(select.select([connection._sock], [], [], 0)[0])
        except (AttributeError, RuntimeError, TypeError, ValueError, OSError):
            return False

    def close(self) -> None:
        """Close the connection. The next call opens another."""
        with suppress(Exception):
            self._client.connection_pool.disconnect()

    def renew(self, member: Member, beat: Beat) -> Latch | None:
        """Renew a member's lease, and return the latch."""
        keys = (_MEMBERS, _BEAT + member.id, _LATCH)
        text = self._run(scripts.RENEW, keys, member.id, to_text(member), to_text(beat), int(member.patience * 1000))
        return from_text(Latch, text)

    def sign_off(self, member_id: str) -> None:
        """Remove a member. No watcher will cancel for it."""
        with self._mended(), self._client.pipeline(transaction=True) as pipe:
            pipe.hdel(_MEMBERS, member_id)
            pipe.delete(_BEAT + member_id)
            pipe.execute()

    def look(self) -> View:
        """Return the registered members, the heartbeats and the latch."""
        epoch, latch, *pairs = self._run(scripts.LOOK, (_EPOCH, _MEMBERS, _LATCH), secrets.token_hex(8), _BEAT)
        beats = {member_id: beat_from_text(text) for member_id, text in zip(pairs[::2], pairs[1::2], strict=True)}
        unknown = [member_id for member_id in beats if member_id not in self._known]
        if unknown:
            with self._mended():
                texts = self._client.hmget(_MEMBERS, unknown)
            members = [from_text(Member, text or "") for text in texts]
            self._known |= {member.id: member for member in members if member is not None}
        known = self._known
        self._known = {each: _as_of(known[each], beat) for each, beat in beats.items() if each in known}
        return View(epoch, from_text(Latch, latch), beats, dict(self._known))

    def set_latch(self, *, halted: bool, reason: str, by: str, floor: int = 0) -> Latch:
        """Halt or resume the fleet, with a version above `floor` and above that of the previous latch."""
        text = self._run(scripts.SET_LATCH, (_LATCH,), floor, int(halted), reason, by, CHANNEL)
        latch = from_text(Latch, text)
        if latch is None:
            raise StoreError("the store did not return the latch")
        return latch

    def put_back(self, latch: Latch) -> None:
        """Put back a latch that the store has lost, unless it already holds a later one."""
        self._run(scripts.PUT_BACK, (_LATCH,), latch.version, to_text(latch), CHANNEL)

    def forget(self, member_id: str) -> bool:
        """Remove a lapsed member, unless it has come back. Return whether it was removed."""
        return bool(self._run(scripts.FORGET, (_MEMBERS, _BEAT + member_id), member_id))

    def watch(self, watcher: Watcher, ms: int) -> None:
        """Register a watcher for the given number of milliseconds."""
        with self._mended(), self._client.pipeline(transaction=True) as pipe:
            pipe.hset(_WATCHERS, watcher.id, to_text(watcher))
            pipe.set(_BEAT + watcher.id, "[0, 0]", px=ms)
            pipe.execute()

    def unwatch(self, watcher_id: str) -> None:
        """Remove a watcher."""
        with self._mended():
            self._client.hdel(_WATCHERS, watcher_id)

    def watchers(self) -> list[Watcher]:
        """Return the watchers that are running now."""
        with self._mended():
            all_of_them = self._client.hgetall(_WATCHERS)
            alive = [bool(self._client.exists(_BEAT + watcher_id)) for watcher_id in all_of_them]
        texts = [text for text, is_alive in zip(all_of_them.values(), alive, strict=True) if is_alive]
        return [watcher for watcher in (from_text(Watcher, text) for text in texts) if watcher is not None]

    def note_cancel(self, account: str, facts: Mapping[str, Any]) -> None:
        """Store when an account was last canceled, for display."""
        with self._mended():
            self._client.hset(_CANCELS, account, json.dumps({"at": time.time(), **facts}))

    def cancels(self) -> dict[str, dict[str, Any]]:
        """Return the time and author of the last cancel, by account."""
        with self._mended():
            return {account: json.loads(text) for account, text in self._client.hgetall(_CANCELS).items()}

    def lifetimes(self, ids: list[str]) -> dict[str, float]:
        """Return the seconds until each member's key expires, negative if it has expired."""
        with self._mended(), self._client.pipeline(transaction=False) as pipe:
            for member_id in ids:
                pipe.pttl(_BEAT + member_id)
            return {member_id: ms / 1000 for member_id, ms in zip(ids, pipe.execute(), strict=True)}

    def subscribe(self) -> Latches:
        """Listen for latches, on a separate connection."""
        with self._mended():
            pubsub = self._client.pubsub(ignore_subscribe_messages=True)
            pubsub.subscribe(CHANNEL)
        return Latches(pubsub)

    def enter(self, group: str, ticket: str) -> list[Any]:
        """Return what a caller that wants to cancel must do: see `scripts.ENTER`."""
        waiting, following, sent, done = _ticket_keys(group)
        keys = (waiting, following, sent, done + ticket)
        times = (int(WINDOW * 1_000_000), _SETTING_OUT, _LEAST, _MOST)
        reply: list[Any] = self._run(scripts.ENTER, keys, ticket, SENDS, *times)
        return reply

    def ended(self, group: str, ticket: str, outcomes: Mapping[str, str], state: str = "") -> None:
        """Report a cancel's outcome, or one that was sent without being told to by `enter`: see `ENDED`."""
        waiting, following, sent, done = _ticket_keys(group)
        pairs = [text for pair in outcomes.items() for text in pair]
        self._run(scripts.ENDED, (waiting, following, sent), ticket, state, done, _KEPT, *pairs)

    def _run(self, script: str, keys: tuple[str, ...], *arguments: Any) -> Any:
        with self._mended():
            return self._client.register_script(script)(keys=keys, args=arguments)

    @contextmanager
    def _mended(self) -> Iterator[None]:
        """Drop the connection after any error: another server may have taken over the address."""
        try:
            yield
        except (redis.RedisError, OSError, ValueError) as error:
            self.close()
            raise StoreError(f"{type(error).__name__}: {without_password(str(error), self.url)}") from error


class Latches:
    """Latches, as they are set."""

    def __init__(self, pubsub: Any) -> None:
        self._pubsub = pubsub

    def next(self, seconds: float) -> Latch | None:
        """Wait for a latch, up to the given number of seconds.

        Raises:
            StoreError: if the connection is lost.
        """
        try:
            message = self._pubsub.get_message(timeout=seconds)
        except (redis.RedisError, OSError, ValueError) as error:
            raise StoreError(type(error).__name__) from error
        return None if message is None else from_text(Latch, str(message.get("data")))

    def close(self) -> None:
        """Stop listening."""
        with suppress(Exception):
            self._pubsub.close()


def _as_of(member: Member, beat: Beat | None) -> Member:
    return member if beat is None or beat.ahead == member.ahead else replace(member, ahead=beat.ahead)


def without_password(words: str, url: str) -> str:
    """Return the text without the passwords in the URL, in encoded and in decoded form."""
    parts = urlsplit(url)
    hidden = {parts.password, *(value for name, value in parse_qsl(parts.query) if "password" in name)}
    for password in hidden - {None, ""}:
        for text in {str(password), unquote(str(password))}:
            words = words.replace(text, "***")
    return words


def _ticket_keys(group: str) -> tuple[str, str, str, str]:
    waiting, following, sent, done = (f"{PREFIX}{name}:{group}" for name in ("waiting", "next", "sent", "done"))
    return waiting, following, sent, f"{done}:"
