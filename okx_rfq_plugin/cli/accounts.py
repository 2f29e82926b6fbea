"""The accounts file, which names environment variables and contains no keys."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from okx_rfq_plugin.cli.destinations import ADDRESS, ENVS, EXCHANGES, HOSTS, Destination, credentials_of, is_address
from okx_rfq_plugin.cli.network import NothingSentError
from okx_rfq_plugin.credentials import KEYS, value_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# Keys that a table may have: where the account is, and which variables hold its key, named like OKX's variables.
_VARIABLES = {variable.partition("_")[2].lower(): name for name, variable in KEYS.items()}
_ALLOWED = ("env", "exchange", "host", "url", *_VARIABLES)
_NOWHERE = Destination("live")  # for an incomplete account, which is never contacted


@dataclass(frozen=True)
class Account:
    """A sub-account with its own User ID: its name in the file, its destination, its key under ccxt's names.

    `wrong` describes why it cannot be used; such an account has no key.
    """

    name: str
    destination: Destination
    credentials: dict[str, str] = field(repr=False)
    wrong: str = ""


def accounts_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--accounts`, `--only` and `--skip` to a verb, passed as `accounts`, a list of Account or None."""

    @click.option(
        "--accounts", type=click.Path(path_type=Path), metavar="FILE", help="Many accounts, from a TOML file."
    )
    @click.option("--only", multiple=True, metavar="NAME", help="With --accounts: only this account; can be repeated.")
    @click.option(
        "--skip", multiple=True, metavar="NAME", help="With --accounts: all but this account; can be repeated."
    )
    @functools.wraps(function)
    def with_accounts(
        *args: Any, accounts: Path | None, only: tuple[str, ...], skip: tuple[str, ...], **kwargs: Any
    ) -> Any:
        if accounts is None and (only or skip):
            raise click.UsageError("--only and --skip name accounts of a file: they go with --accounts FILE.")
        click.get_current_context().meta["okx_rfq_accounts"] = accounts
        read = None if accounts is None else chosen(read_accounts(accounts), only, skip)
        return function(*args, accounts=read, **kwargs)

    return with_accounts


def read_accounts(path: Path) -> list[Account]:
    """Read a TOML file with a table for each account. An incomplete account says so, and does not affect the others.

    Raises:
        click.UsageError: if it is not such a file. Values are never quoted, since one may be the key itself.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise click.UsageError(f"Nothing was sent: {path} cannot be read: {error.strerror}.") from None
    except ValueError as error:  # not TOML, or not UTF-8
        raise click.UsageError(f"Nothing was sent: {path} cannot be read: {error}.") from None
    if not tables:
        raise click.UsageError(f"Nothing was sent: {path} holds no account.")
    if not any(isinstance(table, dict) for table in tables.values()):
        raise click.UsageError(f"Nothing was sent: {path} holds no account; an account is a table, [NAME].")
    return [_account(name, table) for name, table in tables.items()]


def chosen(accounts: Sequence[Account], only: Sequence[str], skip: Sequence[str]) -> list[Account]:
    """Return the accounts named by `--only`, or all, except those named by `--skip`.

    Raises:
        click.UsageError: if a name is not in the file, or no account is left.
    """
    names = {account.name for account in accounts}
    if unknown := [name for name in (*only, *skip) if name not in names]:
        raise click.UsageError(f"Nothing was sent: the file has no account {', '.join(unknown)}.")
    left = [account for account in accounts if (not only or account.name in only) and account.name not in skip]
    if not left:
        raise click.UsageError("Nothing was sent: --only and --skip leave no account.")
    return left


def _account(name: str, table: Any) -> Account:
    if wrong := list(_wrong(name, table)):
        return Account(name, _NOWHERE, {}, " ".join(wrong))
    destination = Destination(table["env"], table.get("exchange", "okx"), table.get("url"), table.get("host"))
    try:
        return Account(name, destination, credentials_of({_VARIABLES[key]: table[key] for key in _VARIABLES}))
    except (click.UsageError, NothingSentError) as error:
        words = error.message if isinstance(error, click.UsageError) else f"{error}."
        return Account(name, destination, {}, words.removeprefix("Nothing was sent: "))


def _wrong(name: str, table: Any) -> Iterator[str]:
    if not isinstance(table, dict):
        yield f"{name}: not an account; an account is a table, [{name}]."
        return
    for key in table:
        if key not in _ALLOWED:
            yield f"[{name}] {key}: unknown; a table has {', '.join(_ALLOWED)}."
    for key, allowed in (("env", ENVS), ("exchange", EXCHANGES)):
        if table.get(key, "okx") not in allowed:
            yield f"[{name}] {key}: one of {', '.join(allowed)}."
    if table.get("env") == "sandbox" and not is_address(table.get("url")):
        yield f"[{name}] url: the address of the sandbox, such as {ADDRESS}."
    if "host" in table and (table.get("env") == "sandbox" or table["host"] not in HOSTS):
        yield f"[{name}] host: one of {', '.join(HOSTS)}, and only where env is demo or live."
    if table.get("env") in ("demo", "live") and "url" in table:
        yield f"[{name}] url: only where env is sandbox."
    for key in _VARIABLES:
        if not isinstance(table.get(key), str):
            yield f"[{name}] {key}: missing; it names an environment variable."
        elif _is_unset(table[key]):
            yield f"[{name}] {key}: the environment variable that it names is not set."


def _is_unset(variable: str) -> bool:
    try:
        return not value_of(variable)
    except (OSError, ValueError):  # reported in full when the value is read
        return False
