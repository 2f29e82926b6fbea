"""Requests to OKX that change nothing, sent without the plugin, and the meaning of the answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

from okx_rfq_plugin._core.endpoints import KEY_ELSEWHERE, KEY_UNKNOWN, TOO_MANY_REQUESTS
from okx_rfq_plugin.cli.clock import ahead_of, pause
from okx_rfq_plugin.cli.destinations import HOSTS, Destination
from okx_rfq_plugin.cli.maintenance import notices
from okx_rfq_plugin.cli.outcomes import plain, reason_of
from okx_rfq_plugin.credentials import KEYS

_PATIENCE = 5.0  # seconds for each request
_ASIDE = 1.0  # seconds for each optional piece of information
_CLOCK = 5.0  # seconds that this clock may be off; OKX refuses from 30 on
# Source: okx.com/docs-v5/en/#trading-account-rest-api-get-account-configuration
_MODES = {"1": "spot mode", "2": "futures mode", "3": "multi-currency margin mode", "4": "portfolio margin mode"}
_SPOT = "1"
_OF_THE_KEY = ("environment", "permission", "IP list", "account mode", "block trading")
_NOT_ACCEPTED = "not checked, because the key was not accepted"
_NOT_JUDGED = "not checked, because nothing is known of the key"
_SHORTEST_SECRET = 4  # characters: OKX's are not shorter, and masking a letter or two would garble the text
_LIMIT = 2.1  # seconds until OKX's limit for a key's own requests has room again
_STATUS_LIMIT = 5.0  # seconds: OKX accepts one system/status in five


class Finding(NamedTuple):
    """One line of a check: what was checked, the result, what was seen, and what to do.

    `ok` is None if it could not be checked. `warning` means that it works but is not as safe as it could be.
    """

    check: str
    ok: bool | None
    seen: str
    advice: str = ""
    warning: bool = False

    @property
    def state(self) -> str:
        """The word at the beginning of the line."""
        if self.ok is None:
            return "UNKNOWN"
        return "WRONG" if not self.ok else "WARNING" if self.warning else "ok"

    @property
    def words(self) -> str:
        """The finding in one or two sentences."""
        advice = f" {self.advice}" if self.advice and (not self.ok or self.warning) else ""
        return f"{self.check}: {self.seen.rstrip('.')}.{advice}" if advice else f"{self.check}: {self.seen}"


class Answer(NamedTuple):
    """An answer: rows, or an error in words. `refused` means that OKX said no, with its code."""

    rows: list[Any]
    wrong: str = ""
    refused: bool = False
    code: str | None = None


class _Straight:
    """A session of requests that follows no redirects, which would carry the signed headers along."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def request(self, *args: Any, **kwargs: Any) -> Any:
        """Send, with the signature of `requests.Session.request`."""
        return self._session.request(*args, **{**kwargs, "allow_redirects": False})


class Probe:
    """Asks OKX once per question, and judges the answers as the package does.

    Args:
        destination: where to ask.
        credentials: under ccxt's names.
        session: the requests session to use, whose connection stays open that way; None for a new one.
        patience: seconds for each request.
    """

    def __init__(
        self,
        destination: Destination,
        credentials: dict[str, str],
        session: Any = None,
        *,
        patience: float = _PATIENCE,
    ) -> None:
        self._destination = destination
        self.exchange = exchange = destination.exchange_for(credentials)
        self.reply: Any = None  # the last HTTP status and body
        self._judge = exchange.handle_errors
        exchange.handle_errors = self._see
        exchange.enableRateLimit = False
        exchange.timeout = int(patience * 1000)
        if session is not None:
            exchange.session.close()
        exchange.session = _Straight(session if session is not None else exchange.session)

    def ask(self, path: str, method: str, field: str, params: dict[str, Any] | None = None) -> Answer:
        """Ask one question. Every row of a good answer has this field."""
        from okx_rfq_plugin._core.endpoints import Endpoint
        from okx_rfq_plugin._core.verdict import Meaning, classify, describe, rows_of

        self.reply = error = None
        try:
            getattr(self.exchange, method)({**(params or {}), "maxRetriesOnFailure": 0})
        except Exception as raised:
            error = raised
        known: Any = error if _is_ccxts(error) else None
        verdict = classify(Endpoint(method, path, fields=(field,)), self.reply, known)
        meaning = verdict.meaning
        if error is None and meaning is Meaning.DONE and self.reply is not None:
            return Answer(rows_of(self.reply) or [])
        reason = reason_of(error)
        words = describe(self.reply, known) if self.reply is not None or known is not None else f"{error}"
        if self.reply is None:
            words = "no reply arrived"
        wrong = self._masked(plain(words) + (f": {reason}" if reason else ""))
        return Answer([], wrong, meaning is Meaning.REJECTED and self.reply is not None, verdict.code)

    def time(self) -> Iterator[Finding]:
        """Compare the clocks, and sign by OKX's from now on."""
        asked = time.time()
        answer = self.ask("public/time", "public_get_public_time", "ts")
        at = self.exchange.safe_integer(answer.rows[0], "ts") if answer.rows else None
        if at is None:
            advice = "Check the network, the proxy and --exchange: OKX cannot be reached."
            yield Finding("clock", None, answer.wrong or "OKX's answer holds no time", advice)
            return
        self.offset = ahead_of(asked, at)
        self.exchange.options["timeDifference"] = int(self.offset * 1000)
        seen = f"{abs(self.offset):.1f} s {'ahead of' if self.offset > 0 else 'behind'} OKX"
        advice = "Set the clock of this machine: OKX refuses 30 s. A cancel corrects it, and other programs may not."
        yield Finding("clock", abs(self.offset) <= _CLOCK, seen, advice)

    offset: float | None = None  # seconds that this clock is ahead of OKX's; None if unknown

    def account(self) -> Iterator[Finding]:
        """Check whether this key may cancel there."""
        answer = _after_the_limit(self._ask_for_config, _LIMIT)
        if answer.wrong or not answer.rows:
            wrong = answer.wrong or "OKX's answer names no account"
            if answer.refused:
                yield Finding("key", False, wrong, self._key_advice(answer.code))
            else:
                advice = "Nothing is known of the key. Check the network and the proxy, and try again."
                yield Finding("key", None, wrong, advice)
            why = _NOT_ACCEPTED if answer.refused else _NOT_JUDGED
            yield from (Finding(check, None, why) for check in _OF_THE_KEY)
            return
        config = answer.rows[0]
        yield Finding("key", True, f"accepted for User ID {config.get('uid')}")
        yield Finding("environment", True, f"{self._destination.env}: the key belongs there")
        permissions = [each.strip() for each in str(config.get("perm", "")).split(",") if each.strip()]
        ok, withdraws = "trade" in permissions, "withdraw" in permissions
        advice = "It cannot cancel. Give the key the permission Trade, on OKX's API page."
        if ok and withdraws:
            advice = "It can withdraw funds, which nothing here needs: use a key without that permission."
        yield Finding("permission", ok, ", ".join(permissions) or "none", advice, warning=ok and withdraws)
        addresses = str(config.get("ip") or "").strip()
        advice = "Anyone who has it can use it from anywhere. Bind it to addresses, on OKX's API page."
        yield Finding("IP list", True, addresses or "the key is bound to no address", advice, warning=not addresses)
        level = str(config.get("acctLv"))
        advice = "OKX offers no block trading in spot mode. Change the account mode, in OKX's settings."
        yield Finding("account mode", level != _SPOT, _MODES.get(level, f"level {level}"), advice)
        yield self._block_trading()

    def _block_trading(self) -> Finding:
        answer = _after_the_limit(self._ask_for_rfqs, _LIMIT)
        if not answer.wrong:
            return Finding("block trading", True, "OKX lists the RFQs of this account")
        if answer.refused:
            advice = "A cancel would be refused too. Ask OKX to open block trading to this account."
            return Finding("block trading", False, answer.wrong, advice)
        return Finding("block trading", None, answer.wrong, "Try again.")

    def maintenance(self) -> Iterator[Finding]:
        """Check whether OKX has announced maintenance of block trading."""
        answer = _after_the_limit(self.status, _STATUS_LIMIT)
        if answer.wrong:
            yield Finding("maintenance", None, answer.wrong, "Whether OKX has announced any is not known. Try again.")
            return
        found = notices(answer.rows, self._destination.env)
        if not found:
            yield Finding("maintenance", True, "none announced for block trading")
        for notice in found:
            advice = "A cancel may fail until then." if notice.going_on else "A cancel may fail in that time."
            yield Finding("maintenance", not notice.going_on, notice.words.rstrip("."), advice, warning=True)

    def status(self) -> Answer:
        """Ask what OKX has announced."""
        return self.ask("system/status", "public_get_system_status", "serviceType")

    def _key_advice(self, code: str | None) -> str:
        """Try the key elsewhere, to find where it belongs."""
        if code in KEY_ELSEWHERE:
            if self._is_of_the_other_environment():
                other = "live" if self._is_demo else "demo"
                return f"The key is one for {other} trading: use --env {other}."
            if hosts := self._hosts_that_know_it():
                return (
                    f"{' and '.join(hosts)} {'knows' if len(hosts) == 1 else 'know'} this key: use --host {hosts[0]}."
                )
        variables = ", ".join(KEYS.values())
        return f"Check {variables}, the key's IP list, and --exchange or --host: each region has keys of its own."

    @property
    def _is_demo(self) -> bool:
        return bool(self.exchange.headers.get("x-simulated-trading") == "1")

    def _hosts_that_know_it(self) -> list[str]:
        if not self._destination.is_proxied:  # a sandbox
            return []
        others = [host for host in HOSTS if host != self.exchange.hostname]
        with ThreadPoolExecutor(len(others)) as pool:
            return [host for host, known in zip(others, pool.map(self._is_known_to, others), strict=True) if known]

    def _is_known_to(self, host: str) -> bool:
        credentials = {name: getattr(self.exchange, name) for name in KEYS}
        probe = Probe(replace(self._destination, host=host), credentials)
        probe.exchange.options["timeDifference"] = self.exchange.options.get("timeDifference", 0)
        try:
            answer = probe._ask_for_config()
        finally:
            probe.close()
        return not answer.wrong or (answer.refused and answer.code not in (None, *KEY_UNKNOWN))

    def _is_of_the_other_environment(self) -> bool:
        before: dict[str, str] = self.exchange.headers
        demo = self._is_demo
        self.exchange.headers = {**before, "x-simulated-trading": "1"}
        if demo:
            del self.exchange.headers["x-simulated-trading"]
        try:
            return not self._ask_for_config().wrong
        finally:
            self.exchange.headers = before

    def _ask_for_config(self) -> Answer:
        return self.ask("account/config", "private_get_account_config", "uid")

    def _ask_for_rfqs(self) -> Answer:
        return self.ask("rfq/rfqs", "private_get_rfq_rfqs", "rfqId", {"state": "active", "limit": "1"})

    def _see(self, *args: Any, **kwargs: Any) -> Any:
        from okx_rfq_plugin._core.verdict import Reply

        status, _, _, _, _, _, body, *_ = args
        self.reply = Reply(status, body)
        return self._judge(*args, **kwargs)

    def _masked(self, words: str) -> str:
        for name in KEYS:
            if len(value := getattr(self.exchange, name) or "") >= _SHORTEST_SECRET:
                words = words.replace(value, "***")
        return words

    def close(self) -> None:
        """Close the connections that this object opened."""
        with suppress(Exception):
            self.exchange.session.close()


def _after_the_limit(question: Callable[[], Answer], limit: float) -> Answer:
    """Ask, and again after `limit` seconds if OKX says "too many requests": another program may have asked."""
    answer = question()
    if answer.code == TOO_MANY_REQUESTS:
        pause(limit)
        answer = question()
    return answer


def announced(destination: Destination) -> str | None:
    """Return OKX's announced maintenance in a sentence, or None if there is none or OKX does not answer."""
    if destination.env == "sandbox" and destination.url is None:  # it has ended by now
        return None
    probe = Probe(destination, {}, patience=_ASIDE)
    try:
        found = notices(probe.status().rows, destination.env)
    finally:
        probe.close()
    return found[0].words if found else None


def _is_ccxts(error: BaseException | None) -> bool:
    from ccxt.base.errors import BaseError

    return isinstance(error, BaseError)
