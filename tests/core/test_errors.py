"""What an HTTP library's error proves and what it does not, by its place, its class and its causes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import ccxt
import ccxt.async_support
import pytest
import urllib3

from okx_rfq_plugin._core import transport

EXCHANGE = ccxt.okx()


def raised(raise_it: Callable[[], Any]) -> Any:
    """Return what a function raises, with its traceback."""
    try:
        raise_it()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def while_handling(first: BaseException, then: BaseException) -> BaseException:
    """Return an error that was raised while another was being handled."""

    def chained() -> None:
        try:
            raise first
        except BaseException:
            raise then  # noqa: B904 - chained by its context is what is tested

    error: BaseException = raised(chained)
    return error


REFUSED = urllib3.exceptions.NewConnectionError(None, "refused")  # type: ignore[arg-type]  # no connection is needed


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, asyncio.CancelledError, GeneratorExit])
def test_interrupt_is_judged_by_its_place_alone(interrupt: type[BaseException]) -> None:
    """One that occurs after an address was refused, and another has accepted the request, proves nothing."""
    assert transport.nothing_left(REFUSED)
    assert not transport.nothing_left(while_handling(REFUSED, interrupt()))


def test_error_leads_to_what_was_raised_for_it() -> None:
    """And to nothing else."""
    first = ConnectionResetError("reset")
    assert transport.leads_to(first, while_handling(first, ValueError("of the user's")))
    assert not transport.leads_to(first, while_handling(OSError("another"), ValueError("of the user's")))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionResetError("reset"), ccxt.NetworkError),
        (EOFError("the end"), ccxt.NetworkError),
        (aiohttp.ServerDisconnectedError(), ccxt.NetworkError),
        (aiohttp.ClientPayloadError("half a body"), ccxt.NetworkError),
        (TimeoutError("late"), ccxt.RequestTimeout),
        (aiohttp.ServerTimeoutError("late"), ccxt.RequestTimeout),
        (REFUSED, ccxt.NetworkError),
        (ValueError("of the user's"), None),
        (KeyboardInterrupt(), None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_error_becomes_ccxts_own_with_its_cause(error: BaseException, kind: type[ccxt.BaseError] | None) -> None:
    """An error that neither ccxt nor an HTTP library raised is left unchanged."""
    translated = transport.as_ccxt_error(EXCHANGE, error)
    if kind is None:
        assert translated is None
    else:
        assert kind is type(translated)
        assert error is translated.__cause__


def test_error_of_ccxt_before_it_sends_is_not_of_a_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only an error from its `fetch` can be."""
    exchange = ccxt.okx({"apiKey": "dummy-key", "secret": "dummy-secret", "password": "dummy-passphrase"})
    exchange.nonce = lambda: None
    exchange.iso8601 = lambda timestamp: [timestamp]  # `sign` wants to add it to a string
    error = raised(exchange.private_post_rfq_cancel_all_rfqs)

    assert isinstance(error, TypeError)
    assert not transport.is_of_a_reply(error)


def test_error_of_ccxt_in_fetch_is_of_a_reply() -> None:
    """If no code of the user's is below it."""
    exchange = ccxt.okx()
    monkey = lambda *args: (_ for _ in ()).throw(ValueError("of the user's"))  # noqa: E731 - code of the user's
    exchange.check_proxy_url_settings = monkey
    assert not transport.is_of_a_reply(raised(lambda: exchange.fetch("http://127.0.0.1/")))

    exchange = ccxt.okx()
    exchange.session = 7
    assert transport.is_of_a_reply(raised(lambda: exchange.fetch("http://127.0.0.1/")))
