"""This file says for which world a verb is run, and makes the exchange object that goes there."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import click

from okx_rfq_plugin.credentials import KEYS

if TYPE_CHECKING:
    from okx_rfq_plugin.sandbox import Sandbox

ENVS = ("sandbox", "demo", "live")
EXCHANGES = ("okx", "myokx", "okxus")  # ccxt's ids, one for each host of OKX's

ADDRESS = "http://127.0.0.1:8765"  # for example

# What is opened in a sandbox that is started for one command.
_LEGS = (("BTC-USD-261225-100000-C", "buy"), ("BTC-USDT-SWAP", "sell"), ("ETH-USDT", "buy"))


@dataclass(frozen=True)
class World:
    """Where a request goes: `env` is one of ENVS, `exchange` one of EXCHANGES, `url` that of a sandbox which runs."""

    env: str
    exchange: str = "okx"
    url: str | None = None

    def exchange_for(self, credentials: Mapping[str, str], module: Any = None) -> Any:
        """Make an object of `ccxt`, or of the module given, without the plugin; it does not connect yet."""
        proxied = self.env != "sandbox"  # by HTTPS_PROXY and the like, which ccxt leaves alone by itself
        config = {**credentials, "requests_trust_env": proxied, "aiohttp_trust_env": proxied}
        exchange = getattr(module or import_module("ccxt"), self.exchange)(config)
        if self.env != "live":
            exchange.set_sandbox_mode(True)
        if self.url is not None:
            exchange.urls["api"]["rest"] = self.url.rstrip("/")
        return exchange


class Place(NamedTuple):
    """An exchange object of a world, and the sandbox where one was started for it."""

    exchange: Any
    sandbox: Sandbox | None


def _options(*, required: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @click.option("--env", type=click.Choice(ENVS), required=required, help="The world; there is no default.")
        @click.option(
            "--exchange",
            type=click.Choice(EXCHANGES),
            envvar="OKX_EXCHANGE",
            show_envvar=True,
            default="okx",
            show_default=True,
            help="The region's host: www.okx.com, eea.okx.com or us.okx.com.",
        )
        @click.option("--url", metavar="URL", help="With --env sandbox: the address of one that runs already.")
        @functools.wraps(function)
        def in_world(*args: Any, env: str | None, exchange: str, url: str | None, **kwargs: Any) -> Any:
            if url is not None and env != "sandbox":
                raise click.UsageError("--url is the address of a sandbox: it goes with --env sandbox alone.")
            if url is not None and not is_address(url):
                raise click.UsageError(f"--url is an address such as {ADDRESS}, not {url!r}.")
            return function(*args, world=None if env is None else World(env, exchange, url), **kwargs)

        return in_world

    return decorate


# Add `--env`, `--exchange` and `--url` to a verb, which gets them as `world`, a World.
world_options = _options(required=True)
# The same for a verb that may be told in another way where to go: then `world` is None.
world_options_or_none = _options(required=False)


def is_address(url: object) -> bool:
    """Say whether a sandbox could be there."""
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        return parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a bracket that is left open, a port beyond the last
        return False


def credentials_of(variables: Mapping[str, str] = KEYS) -> dict[str, str]:
    """Read key, secret and passphrase from the environment.

    Raises:
        click.UsageError: a variable is not set, or nothing that a key could be; it is named, its value never is.
    """
    values = {variable: os.environ.get(variable, "") for variable in variables.values()}
    missing = [variable for variable, value in values.items() if not value.strip()]
    if missing:
        raise click.UsageError(
            f"Nothing was sent: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set in the environment."
            " Key, secret and passphrase are read from there, and from nowhere else."
        )
    for variable, value in values.items():
        if value != value.strip() or not value.isprintable():
            raise click.UsageError(
                f"Nothing was sent: {variable} has a line break, a control character, or a blank at one of its ends."
            )
    return {name: values[variable] for name, variable in variables.items()}


@contextmanager
def connected(world: World, *, deadline: float = 30.0) -> Iterator[Place]:
    """Give an exchange object with the plugin on it, and close it; a sandbox is started where one is needed.

    Args:
        world: where to; `sandbox` without an address starts one that has a few RFQs.
        deadline: of a cancel, in seconds.

    Raises:
        click.UsageError: there are no keys in the environment.
    """
    if world.env == "sandbox" and world.url is None:
        from okx_rfq_plugin.sandbox import Sandbox

        with Sandbox() as sandbox:
            furnish(sandbox)
            there = World(world.env, world.exchange, sandbox.url)
            with _installed(there.exchange_for(sandbox.credentials), deadline) as exchange:
                yield Place(exchange, sandbox)
    else:
        with _installed(world.exchange_for(credentials_of()), deadline) as exchange:
            yield Place(exchange, None)


@contextmanager
def _installed(exchange: Any, deadline: float) -> Iterator[Any]:
    from okx_rfq_plugin._core.policy import RetryPolicy
    from okx_rfq_plugin.installer import install

    try:
        yield install(exchange, policy=RetryPolicy(deadline=deadline))
    finally:
        exchange.close()


def furnish(sandbox: Sandbox) -> None:
    """Open a few RFQs of its user's."""
    for instrument, side in _LEGS:
        sandbox.create_rfq(legs=[{"instId": instrument, "sz": "25", "side": side}])
