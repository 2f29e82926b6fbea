"""This file reads the file of accounts, which names environment variables and holds no key."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from okx_rfq_plugin.cli.worlds import ADDRESS, ENVS, EXCHANGES, World, credentials_of, is_address
from okx_rfq_plugin.credentials import KEYS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# What a table may hold: where the account is, and which variables have its key. Named as OKX's variables are.
_VARIABLES = {variable.partition("_")[2].lower(): name for name, variable in KEYS.items()}
_ALLOWED = ("env", "exchange", "url", *_VARIABLES)


@dataclass(frozen=True)
class Account:
    """A sub-account, a User ID of its own: its name in the file, its world, its key in ccxt's terms."""

    name: str
    world: World
    credentials: dict[str, str] = field(repr=False)


def read_accounts(path: Path) -> list[Account]:
    """Read a TOML file with a table for each account.

    Raises:
        click.UsageError: with all that is wrong with it. What stands behind a key's name is never quoted: somebody may
            have put the key itself there.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # no TOML, no UTF-8
        raise click.UsageError(f"Nothing was sent: {path} cannot be read: {error}.") from None
    wrong = [words for name, table in tables.items() for words in _wrong(name, table)]
    if wrong or not tables:
        raise click.UsageError("\n  ".join([f"Nothing was sent. {path}:", *(wrong or ["it holds no account."])]))
    return [_account(name, table) for name, table in tables.items()]


def _account(name: str, table: dict[str, str]) -> Account:
    world = World(table["env"], table.get("exchange", "okx"), table.get("url"))
    return Account(name, world, credentials_of({_VARIABLES[key]: table[key] for key in _VARIABLES}))


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
    if table.get("env") in ("demo", "live") and "url" in table:
        yield f"[{name}] url: only where env is sandbox."
    for key in _VARIABLES:
        if not isinstance(table.get(key), str):
            yield f"[{name}] {key}: missing; it names an environment variable."
        elif not os.environ.get(table[key]):
            yield f"[{name}] {key}: the environment variable that it names is not set."
