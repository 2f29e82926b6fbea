"""Puts exchange objects on the virtual clock, and releases them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from ccxt.base.errors import ExchangeClosedByUser

from okx_rfq_plugin.credentials import KEYS
from okx_rfq_plugin.testing.clocks import VirtualClock
from okx_rfq_plugin.testing.family import CLOCK, SERVED, is_okx


def serve(exchange: Any, clock: VirtualClock) -> Any:
    """Mark an exchange as created by a fixture, and put it on the virtual clock."""
    setattr(exchange, SERVED, True)
    adopt(exchange, clock)
    exchange.enableRateLimit = False  # ccxt's own throttle waits in real time
    if not exchange.synchronous:
        exchange.timeout_on_exit = 0  # ccxt's close() waits for connections to end; none are kept here
        exchange.headers = {**(exchange.headers or {}), "Connection": "close"}
    return exchange


def adopt(exchange: Any, clock: VirtualClock) -> None:
    """Put an exchange on the virtual clock: its cancels, `milliseconds()` and `sleep()`."""
    setattr(exchange, CLOCK, clock)
    exchange.milliseconds = clock.milliseconds
    exchange.microseconds = clock.microseconds
    exchange.seconds = clock.seconds
    exchange.sleep = clock.pause if exchange.synchronous else clock.apause


def give_back(exchange: Any) -> None:
    """Put an exchange back on the machine's clock."""
    for name in (CLOCK, "milliseconds", "microseconds", "seconds", "sleep"):
        exchange.__dict__.pop(name, None)


def release(exchange: Any) -> None:
    """Put an exchange back on the machine's clock, close its connections, and prevent it from sending anything."""
    give_back(exchange)
    exchange.fetch = _refuse if exchange.synchronous else _refuse_async
    if exchange.synchronous:
        if getattr(exchange, "session", None) is not None:
            exchange.session.close()
        return
    # The loop may be closed by now, and no connection outlives its request, so there is nothing to wait for.
    if exchange.session is not None and exchange.own_session:
        exchange.session.detach()
        exchange.session = exchange.tcp_connector = None


def _refuse(*args: object, **kwargs: object) -> NoReturn:
    raise ExchangeClosedByUser("this exchange was made for a test that has ended: it sends nothing any more")


async def _refuse_async(*args: object, **kwargs: object) -> NoReturn:
    _refuse()


def check_class(cls: Any) -> None:
    """Check that this is an okx class.

    Raises:
        TypeError: naming the supported classes.
    """
    if not isinstance(cls, type) or not is_okx(cls):
        raise TypeError(
            "cls is an okx class of ccxt, ccxt.async_support or ccxt.pro (okx, myokx, okxus), or a subclass, "
            f"not {cls!r}"
        )


def check_credentials(credentials: Any) -> dict[str, str]:
    """Return the credentials unchanged if they are complete.

    Raises:
        ValueError: naming what is missing or wrong, never a value.
    """
    if not isinstance(credentials, Mapping):
        raise ValueError(f"credentials are a dict with {', '.join(KEYS)}, not {type(credentials).__name__}")
    for name in KEYS:
        value = credentials.get(name)
        if not isinstance(value, str) or not value:
            raise ValueError(
                f"credentials have {', '.join(KEYS)}, each a text; {name!r} is "
                + ("missing" if name not in credentials else "empty" if value == "" else f"{type(value).__name__}")
            )
        if len(value) < 4:
            raise ValueError(
                f"the {name!r} of the credentials is too short: four characters at least, so that it can be told from "
                "other text when a cassette is searched for it"
            )
    return {name: credentials[name] for name in KEYS}
