"""Where a verb sends its requests: environment, region's host, sandbox's address."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from okx_rfq_plugin.cli.network import NothingSentError, Route, route_to
from okx_rfq_plugin.credentials import KEYS, value_of

if TYPE_CHECKING:
    from okx_rfq_plugin.sandbox import Sandbox

ENVS = ("sandbox", "demo", "live")
_HOST_OF = {"okx": "www.okx.com", "myokx": "eea.okx.com", "okxus": "us.okx.com"}  # by ccxt's ids
EXCHANGES = tuple(_HOST_OF)
# OKX's hosts seen in use. Each region has its own keys, for live and for demo trading.
HOSTS = tuple(f"{name}.okx.com" for name in ("www", "openapi", "eea", "us", "my", "app", "tr"))

ADDRESS = "http://127.0.0.1:8765"  # an example

_ON_THE_LINE = ParameterSource.COMMANDLINE
# RFQs opened in a sandbox that is started for one command.
_LEGS = (("BTC-USD-261225-100000-C", "buy"), ("BTC-USDT-SWAP", "sell"), ("ETH-USDT", "buy"))


@dataclass(frozen=True)
class Destination:
    """Where a request goes.

    `env` is one of ENVS, `exchange` one of EXCHANGES, `url` the address of a running sandbox, and `host` one of HOSTS,
    or None for ccxt's own for `exchange`.
    """

    env: str
    exchange: str = "okx"
    url: str | None = None
    host: str | None = None

    def exchange_for(self, credentials: Mapping[str, str], module: Any = None) -> Any:
        """Create an object of `ccxt`, or of the given module, without the plugin. It does not connect yet."""
        # ccxt ignores proxies in the environment by default; requests finds them. aiohttp supports fewer kinds, so they
        # are resolved beforehand: see `many.py`.
        config = {**credentials, "requests_trust_env": self.is_proxied, "aiohttp_trust_env": False}
        exchange = getattr(module or import_module("ccxt"), self.exchange)(config)
        if self.env != "live":
            exchange.set_sandbox_mode(True)
        if self.host is not None:
            exchange.hostname = self.host
        if self.url is not None:
            exchange.urls["api"]["rest"] = self.url.rstrip("/")
        return exchange

    @property
    def shown(self) -> str:
        """The environment and the host, in words."""
        if self.env == "sandbox":
            return f"sandbox on {urlsplit(self.url).netloc}" if self.url else "sandbox, started for this command"
        return f"{self.env} on {self.host or _HOST_OF[self.exchange]}"

    @property
    def is_proxied(self) -> bool:
        """Whether proxies and CA bundles in the environment are used. Not for a sandbox, which is on this machine."""
        return self.env != "sandbox"

    def route(self, exchange: Any) -> Route:
        """Return how its requests leave this machine.

        Raises:
            NothingSentError: if they cannot.
        """
        return route_to(address_of(exchange)) if self.is_proxied else Route()


class Place(NamedTuple):
    """An exchange object, and the sandbox if one was started for it."""

    exchange: Any
    sandbox: Sandbox | None


def destination_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--env`, `--exchange`, `--host` and `--url` to a verb.

    Passed as `destination`: a Destination, or None if `--accounts` was given and `--env` was not.
    """

    @click.option("--env", type=click.Choice(ENVS), help="The environment; there is no default.")
    @click.option(
        "--exchange",
        type=click.Choice(EXCHANGES),
        envvar="OKX_EXCHANGE",
        show_envvar=True,
        default="okx",
        show_default=True,
        help="The region, as ccxt calls it: www.okx.com, eea.okx.com or us.okx.com.",
    )
    @click.option(
        "--host",
        type=click.Choice(HOSTS),
        envvar="OKX_HOST",
        show_envvar=True,
        metavar="HOST",
        help=f"Another host of OKX's: {', '.join(HOSTS)}.",
    )
    @click.option("--url", metavar="URL", help="With --env sandbox: the address of one that is running.")
    @functools.wraps(function)
    def with_destination(
        *args: Any, env: str | None, exchange: str, host: str | None, url: str | None, **kwargs: Any
    ) -> Any:
        named = [name for name in ("exchange", "host") if _source(name) is _ON_THE_LINE]
        if url is not None and env != "sandbox":
            raise click.UsageError("--url is the address of a sandbox: it goes with --env sandbox alone.")
        if url is not None and not is_address(url):
            raise click.UsageError(f"--url is an address such as {ADDRESS}, not {url!r}.")
        if env == "sandbox" and "host" in named:
            raise click.UsageError("--host is a host of OKX's: it goes with --env demo or --env live.")
        if kwargs.get("accounts") is not None:
            if env is not None or named:
                raise click.UsageError(
                    "--accounts names an environment for each account: leave out --env, --exchange, --host and --url."
                )
        elif env is None:
            ways = " (or --accounts FILE)" if "accounts" in kwargs else ""
            raise click.UsageError(f"Missing option '--env': sandbox, demo or live{ways}. It has no default.")
        chosen = None if env == "sandbox" else host
        return function(*args, destination=env and Destination(env, exchange, url, chosen), **kwargs)

    return with_destination


def _source(name: str) -> ParameterSource | None:
    return click.get_current_context().get_parameter_source(name)


def address_of(exchange: Any) -> str:
    """Return the address that an exchange object sends to."""
    return str(exchange.implode_hostname(exchange.urls["api"]["rest"]))


def is_address(url: object) -> bool:
    """Return whether this can be a sandbox's address."""
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        return parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an unclosed bracket, or a port out of range
        return False


def credentials_of(variables: Mapping[str, str] = KEYS) -> dict[str, str]:
    """Read key, secret and passphrase.

    Raises:
        click.UsageError: if a variable is not set, or contains a blank or a line break. Its value is never quoted.
        NothingSentError: if a value cannot be sent in a header.
    """
    values = {variable: _value(variable) for variable in variables.values()}
    missing = [variable for variable, value in values.items() if not value.strip()]
    if missing:
        raise click.UsageError(
            f"Nothing was sent: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set. Key, secret and"
            " passphrase come from these variables, from files (OKX_API_KEY_FILE and so on), or from systemd."
        )
    for variable, value in values.items():
        if value != value.strip() or any(ord(character) < 32 or ord(character) == 127 for character in value):
            raise click.UsageError(
                f"Nothing was sent: {variable} has a line break, a control character, or a blank at one of its ends."
            )
    for name, variable in variables.items():
        if name != "secret" and not _fits_a_header(values[variable]):
            raise NothingSentError(f"{variable} has a character that no HTTP header can carry. Copy the key again")
    return {name: values[variable] for name, variable in variables.items()}


def _value(variable: str) -> str:
    try:
        return value_of(variable) or ""
    except OSError as error:
        raise click.UsageError(
            f"Nothing was sent: the file for {variable}, {error.filename}, cannot be read: {error.strerror}."
        ) from None
    except ValueError as error:
        raise click.UsageError(f"Nothing was sent: the file for {variable}: {error}.") from None


def _fits_a_header(value: str) -> bool:
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def reachable(destination: Destination) -> Iterator[tuple[Destination, dict[str, str]]]:
    """Yield a destination with an address, and its key. Starts a sandbox if one is needed.

    Raises:
        click.UsageError: if there are no keys.
        NothingSentError: if a key cannot be sent.
    """
    if destination.env == "sandbox" and destination.url is None:
        with _started(destination) as (sandbox, there):
            yield there, sandbox.credentials
    else:
        yield destination, credentials_of()


@contextmanager
def connected(
    destination: Destination, *, deadline: float = 30.0, credentials: Mapping[str, str] | None = None
) -> Iterator[Place]:
    """Yield an exchange object with the plugin installed, and close it on exit. Starts a sandbox if one is needed.

    Args:
        destination: where to connect; `sandbox` without an address starts one with a few RFQs.
        deadline: of a cancel, in seconds.
        credentials: under ccxt's names; by default those from the environment.

    Raises:
        click.UsageError: if there are no keys.
        NothingSentError: if nothing can be sent from here.
    """
    if destination.env == "sandbox" and destination.url is None:
        with (
            _started(destination) as (sandbox, there),
            _installed(there.exchange_for(sandbox.credentials), deadline) as exchange,
        ):
            yield Place(exchange, sandbox)
    else:
        made = destination.exchange_for(credentials_of() if credentials is None else credentials)
        destination.route(made)
        with _installed(made, deadline) as exchange:
            yield Place(exchange, None)


@contextmanager
def _started(destination: Destination) -> Iterator[tuple[Sandbox, Destination]]:
    from okx_rfq_plugin.sandbox import Sandbox

    with Sandbox() as sandbox:
        furnish(sandbox)
        yield sandbox, replace(destination, url=sandbox.url)


@contextmanager
def _installed(exchange: Any, deadline: float) -> Iterator[Any]:
    from okx_rfq_plugin import RetryPolicy, install

    try:
        yield install(exchange, policy=RetryPolicy(deadline=deadline))
    finally:
        exchange.session.close()  # ccxt's sync objects have no close() before 4.5.71


def furnish(sandbox: Sandbox) -> None:
    """Open a few RFQs for the sandbox's default user."""
    for instrument, side in _LEGS:
        sandbox.create_rfq(legs=[{"instId": instrument, "sz": "25", "side": side}])
