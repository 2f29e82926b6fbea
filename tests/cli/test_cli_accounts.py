"""Many accounts: the file that names their keys, and the parallel cancels."""

from __future__ import annotations

import gc
import json
import re
import resource
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ccxt
import click
import pytest
from support.command import (
    COMMAND,
    PATIENCE,
    VARIABLES,
    environment,
    in_okxs_place,
    keys,
    okx_rfq,
    on_a_terminal,
    plain,
    started,
    unforced,
)

import okx_rfq_plugin
from okx_rfq_plugin._core.clock import SYSTEM
from okx_rfq_plugin.cli import many
from okx_rfq_plugin.cli.accounts import read_accounts
from okx_rfq_plugin.cli.interrupts import Interrupts
from okx_rfq_plugin.cli.outcomes import summary
from okx_rfq_plugin.sandbox import DROP, Sandbox

CANCEL = "rfq/cancel-all-rfqs"


def variable(name: str) -> str:
    """Return the prefix of an account's variables; shells pass on no names with hyphens."""
    return name.upper().replace("-", "_")


class Desks:
    """A sandbox with some accounts that have an active RFQ each, and the file and variables for them."""

    def __init__(self, sandbox: Sandbox, file: Path, count: int) -> None:
        self.sandbox, self.file = sandbox, file
        self.users = {f"desk-{number}": sandbox.create_user() for number in range(count)}
        self.env = {f"{variable(name)}_{key}": user[key] for name, user in self.users.items() for key in VARIABLES}
        for user in self.users.values():
            sandbox.create_rfq(credentials=user)
        tables = (
            f'[{name}]\nenv = "sandbox"\nurl = "{sandbox.url}"\napi_key = "{variable(name)}_apiKey"\n'
            f'api_secret = "{variable(name)}_secret"\npassphrase = "{variable(name)}_password"\n'
            for name in self.users
        )
        file.write_text("\n".join(tables))

    def active(self) -> list[str]:
        """Return the names of the accounts with an active RFQ."""
        return [name for name, user in self.users.items() if self.sandbox.rfqs("active", credentials=user)]


@pytest.fixture
def desks(tmp_path: Path) -> Iterator[Callable[[int], Desks]]:
    with Sandbox() as sandbox:
        yield lambda count: Desks(sandbox, tmp_path / "accounts.toml", count)


@pytest.fixture
def real_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(okx_rfq_plugin.get_plugin_manager().get_plugin("okx"), "clock", SYSTEM)


# The file

TABLE = {
    "env": '"demo"',
    "exchange": '"myokx"',
    "api_key": '"DESK_KEY"',
    "api_secret": '"DESK_SECRET"',
    "passphrase": '"DESK_PASSPHRASE"',
}


def written(folder: Path, **changes: str | None) -> Path:
    file = folder / "accounts.toml"
    rows = {**TABLE, **changes}
    file.write_text("[desk]\n" + "".join(f"{key} = {value}\n" for key, value in rows.items() if value is not None))
    return file


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KEY", "SECRET", "PASSPHRASE"):
        monkeypatch.setenv(f"DESK_{name}", f"dummy-{name.lower()}")


def test_an_account_has_an_environment_a_host_and_a_key(tmp_path: Path) -> None:
    """A table contains everything, the key by the names of variables; its repr shows no secret."""
    (account,) = read_accounts(written(tmp_path))

    assert ("desk", "demo", "myokx", None) == (
        account.name,
        account.destination.env,
        account.destination.exchange,
        account.destination.url,
    )
    assert {"apiKey": "dummy-key", "secret": "dummy-secret", "password": "dummy-passphrase"} == account.credentials
    assert "dummy" not in repr(account)


def test_the_host_is_okxs_own_by_default(tmp_path: Path) -> None:
    """Without `exchange`, the host is www.okx.com."""
    (account,) = read_accounts(written(tmp_path, exchange=None))

    assert "okx" == account.destination.exchange


WRONG = {
    "unknown key": ({"deadline": "3"}, "[desk] deadline: unknown; a table has env, exchange, host, url, api_key,"),
    "no environment": ({"env": None}, "[desk] env: one of sandbox, demo, live."),
    "unknown environment": ({"env": '"prod"'}, "[desk] env: one of sandbox, demo, live."),
    "environment that is no string": ({"env": "[]"}, "[desk] env: one of sandbox, demo, live."),
    "unknown host": ({"exchange": '"okx.com"'}, "[desk] exchange: one of okx, myokx, okxus."),
    "sandbox without an address": ({"env": '"sandbox"'}, "[desk] url: the address of the sandbox"),
    "address of no sandbox": ({"url": '"http://127.0.0.1:1"'}, "[desk] url: only where env is sandbox."),
    "no address": ({"env": '"sandbox"', "url": '"here"'}, "[desk] url: the address of the sandbox, such as"),
    "no key": ({"api_secret": None}, "[desk] api_secret: missing; it names an environment variable."),
    "number as a key": ({"passphrase": "3"}, "[desk] passphrase: missing; it names an environment variable."),
    "variable that is not set": ({"api_key": '"DESK_NOT_SET"'}, "[desk] api_key: the environment variable that it"),
}


@pytest.mark.parametrize(("changes", "words"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_an_account_is_named(changes: dict[str, str | None], words: str, tmp_path: Path) -> None:
    """The message has the account, the key, and what would be right. The account has no key, so nothing is sent."""
    (account,) = read_accounts(written(tmp_path, **changes))

    assert words in account.wrong
    assert {} == account.credentials


def test_all_that_is_wrong_is_named_at_once(tmp_path: Path) -> None:
    """Three mistakes are found at once."""
    (account,) = read_accounts(written(tmp_path, env=None, exchange='"x"', api_key=None))

    assert 3 == account.wrong.count("[desk]")


def test_a_key_in_the_file_is_not_quoted(tmp_path: Path) -> None:
    """A key in place of a variable's name is not shown."""
    (account,) = read_accounts(written(tmp_path, api_secret='"DUMMYDUMMYDUMMY"'))

    assert "api_secret: the environment variable that it names is not set" in account.wrong
    assert "DUMMY" not in account.wrong


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "holds no account"), ('env = "demo"\n', "an account is a table"), ("[desk]\nenv = demo\n", "cannot be read")],
)
def test_a_file_without_accounts_is_refused(text: str, words: str, tmp_path: Path) -> None:
    """An empty file, keys outside of a table, and invalid TOML are mistakes; nothing is sent."""
    file = tmp_path / "accounts.toml"
    file.write_text(text)

    with pytest.raises(click.UsageError, match=words):
        read_accounts(file)


def test_a_key_from_a_file_needs_no_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`DESK_SECRET_FILE` works like `DESK_SECRET`."""
    monkeypatch.delenv("DESK_SECRET")
    (tmp_path / "secret").write_text("dummy-from-a-file\n")
    monkeypatch.setenv("DESK_SECRET_FILE", str(tmp_path / "secret"))
    (account,) = read_accounts(written(tmp_path))

    assert ("", "dummy-from-a-file") == (account.wrong, account.credentials["secret"])


# In parallel


def test_an_incomplete_account_disarms_no_other(desks: Callable[[int], Desks]) -> None:
    """It is reported as failed, certainly not canceled; the others are canceled."""
    made = desks(3)
    del made.env["DESK_1_secret"]
    ended = okx_rfq("cancel-all", "--accounts", str(made.file), env=made.env)

    assert (3, ["desk-1"]) == (ended.returncode, made.active())
    assert (
        "2 of 3 accounts are clear: no RFQ of theirs is active any more. NOTHING WAS CANCELED: desk-1." in ended.stderr
    )


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (("--only", "desk-1"), ["desk-0", "desk-2"]),
        (("--skip", "desk-1"), ["desk-1"]),
        (("--only", "desk-1", "--only", "desk-2", "--skip", "desk-2"), ["desk-0", "desk-2"]),
    ],
)
def test_accounts_can_be_chosen(options: tuple[str, ...], left: list[str], desks: Callable[[int], Desks]) -> None:
    """Accounts are selected by name; the others are left alone."""
    made = desks(3)
    ended = okx_rfq("cancel-all", "--accounts", str(made.file), *options, env=made.env)

    assert (0, left) == (ended.returncode, made.active())


@pytest.mark.measured
@pytest.mark.parametrize("options", [("--only", "desk-9"), ("--skip", "desk-9"), ("--skip", "desk-0")])
def test_a_name_that_is_not_there_is_refused(options: tuple[str, ...], desks: Callable[[int], Desks]) -> None:
    """A misspelled name, or an empty selection: nothing is sent."""
    made = desks(1)
    ended = okx_rfq("cancel-all", "--accounts", str(made.file), *options, env=made.env)

    assert (2, ["desk-0"]) == (ended.returncode, made.active())
    assert "Nothing was sent" in ended.stderr


@pytest.mark.measured
def test_few_descriptors_are_enough_for_many(desks: Callable[[int], Desks]) -> None:
    """Under `ulimit -n 128`, which it may not raise, a hundred accounts are canceled in turns."""
    made = desks(100)
    command = shlex.join([*COMMAND, "cancel-all", "--accounts", str(made.file)])
    ended = subprocess.run(
        ["/bin/sh", "-c", f"ulimit -n 128; exec {command}"],
        env=environment(**made.env),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert (0, []) == (ended.returncode, made.active())
    assert "100 of 100 accounts are clear" in ended.stdout


@pytest.mark.measured
@pytest.mark.parametrize(
    "closed",
    [*(pytest.param(each, marks=pytest.mark.exhaustive) for each in ("2>&-", "1>&-", "0<&-")), "0<&- 1>&- 2>&-"],
)
def test_closed_streams_change_nothing(closed: str, desks: Callable[[int], Desks]) -> None:
    """No connection gets the number of a stream that was closed before."""
    made = desks(2)
    command = shlex.join([*COMMAND, "cancel-all", "--accounts", str(made.file)])
    ended = subprocess.run(
        ["/bin/sh", "-c", f"exec {command} {closed}"],
        env=environment(**made.env),
        timeout=PATIENCE,
        check=False,
    )

    assert (0, []) == (ended.returncode, made.active())


def test_the_environments_proxy_carries_them_all(desks: Callable[[int], Desks], tmp_path: Path) -> None:
    """ALL_PROXY is used as by the other verbs: nothing bypasses a proxy that refuses."""
    made = desks(2)
    made.file.write_text(re.sub('"sandbox"\nurl = .*', '"demo"', made.file.read_text()))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        dead = f"http://user:password@127.0.0.1:{taken.getsockname()[1]}"
        env = {**made.env, **in_okxs_place(tmp_path, made.sandbox), "ALL_PROXY": dead, "NO_PROXY": ""}
        ended = okx_rfq("cancel-all", "--accounts", str(made.file), "--deadline", "0", env=env)
        single = okx_rfq("cancel-all", "--env", "demo", "--deadline", "0", env={**env, **keys(made.users["desk-0"])})

    assert (3, 3) == (ended.returncode, single.returncode)
    assert ["desk-0", "desk-1"] == made.active()
    assert [] == made.sandbox.requests
    assert "password" not in ended.stdout + ended.stderr


def test_a_proxy_that_cannot_carry_them_is_refused(desks: Callable[[int], Desks], tmp_path: Path) -> None:
    """SOCKS is not supported by aiohttp: certainly not canceled, with advice; nothing bypasses the proxy."""
    made = desks(2)
    made.file.write_text(re.sub('"sandbox"\nurl = .*', '"demo"', made.file.read_text()))
    env = {**made.env, **in_okxs_place(tmp_path, made.sandbox), "ALL_PROXY": "socks5://127.0.0.1:9"}
    ended = okx_rfq("cancel-all", "--accounts", str(made.file), env=env)

    assert (3, []) == (ended.returncode, made.sandbox.requests)
    assert "--accounts cannot use a proxy of that kind" in " ".join(ended.stderr.replace("│", " ").split())


@pytest.mark.measured
def test_each_account_has_a_line_and_the_worst_has_the_code(desks: Callable[[int], Desks]) -> None:
    """One JSON object per account, with its name; the highest exit code counts."""
    made = desks(3)
    made.env["DESK_1_secret"] = "not-the-secret"
    ended = okx_rfq("cancel-all", "--accounts", str(made.file), "--json", env=made.env)
    lines = {line["account"]: line for line in map(json.loads, ended.stdout.splitlines())}

    assert (3, "") == (ended.returncode, ended.stderr)
    assert {"desk-0": "canceled", "desk-1": "failed", "desk-2": "canceled"} == {
        name: line["status"] for name, line in lines.items()
    }
    assert lines["desk-1"]["may_be_canceled"] is False
    assert ["desk-1"] == made.active()


@pytest.mark.measured
def test_a_terminal_shows_a_bar_and_a_table(desks: Callable[[int], Desks]) -> None:
    """A bar while they run, then a table with the worst last, and a sentence that names the accounts not done."""
    made = desks(3)
    made.env["DESK_0_secret"] = "not-the-secret"
    made.sandbox.fault(CANCEL, PATIENCE)
    with on_a_terminal("cancel-all", "--accounts", str(made.file), env=made.env) as running:
        running.until("2/3")
        running.interrupt()
        code = running.end()
    seen = plain(running.seen)
    (hung,) = {*made.active()} - {"desk-0"} or {"desk-0"}

    assert 4 == code
    assert "Canceling" in seen
    assert f"RFQs MAY STILL BE ACTIVE: {hung}. Whatever was created before " in seen
    assert seen.rindex(f"│ {hung}") == max(seen.rindex(f"│ {name}") for name in made.users)


def test_a_dead_account_delays_no_other(desks: Callable[[int], Desks]) -> None:
    """While one hangs, all others are done; after Ctrl+C, its RFQs are reported as possibly active."""
    made = desks(30)
    with socket.create_server(("127.0.0.1", 0)) as dead:  # accepts connections, and never answers
        deaf = f"http://127.0.0.1:{dead.getsockname()[1]}"
        made.file.write_text(made.file.read_text().replace(made.sandbox.url, deaf, 1))
        with started("cancel-all", "--accounts", str(made.file), "--json", env=made.env) as process:
            lines = [json.loads(process.stdout.readline()) for _ in range(29)]
            process.send_signal(signal.SIGINT)
            rest = [json.loads(line) for line in process.communicate(timeout=PATIENCE)[0].splitlines()]

    assert {"canceled"} == {line["status"] for line in lines}
    assert ["desk-0"] == made.active()
    assert (4, ["desk-0"]) == (process.returncode, [line["account"] for line in rest])
    assert rest[0]["may_be_canceled"] is True


def read_accounts_of(made: Desks) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in made.env.items():
            patch.setenv(name, value)
        return read_accounts(made.file)


def test_accounts_without_their_turn_have_canceled_nothing(
    desks: Callable[[int], Desks],
    real_clock: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Ctrl+C while the first one starts: the others are reported as certainly not canceled, and ccxt prints nothing."""
    monkeypatch.setattr(many, "_BATCH", 1)
    monkeypatch.setattr(many, "_MOMENT", PATIENCE)
    made = desks(20)
    told: dict[str, Any] = {}

    def interrupt(account: Any, facts: Any) -> None:
        told[account.name] = facts
        if len(told) == 1:
            signal.raise_signal(signal.SIGINT)

    with Interrupts(None, unforced) as interrupts:
        many.cancel_accounts(read_accounts_of(made), deadline=30, told=interrupt, interrupts=interrupts)

    certain = [name for name, facts in told.items() if facts.get("may_be_canceled") is False]
    assert made.users.keys() == told.keys()
    assert "canceled" == told["desk-0"]["status"]
    assert "desk-19" in certain
    assert set(certain) <= set(made.active())
    assert "nothing was sent" in told["desk-19"]["message"]
    gc.collect()
    assert "requires to release" not in caplog.text


def test_many_accounts_may_open_many_connections(desks: Callable[[int], Desks]) -> None:
    """If the shell allows fewer files, the command raises the limit as far as it may."""
    made = desks(60)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        many.cancel_accounts(read_accounts_of(made), deadline=30, told=lambda account, facts: None)
        raised = resource.getrlimit(resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert (220, hard) == raised
    assert [] == made.active()


def test_a_system_without_such_a_limit_is_served_too(
    desks: Callable[[int], Desks], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows has no limit to raise."""
    monkeypatch.setitem(sys.modules, "resource", None)
    made = desks(1)
    many.cancel_accounts(read_accounts_of(made), deadline=30, told=lambda account, facts: None)

    assert [] == made.active()


def test_rfqs_of_many_are_counted_together(desks: Callable[[int], Desks], clock: Any) -> None:
    """The question before a live cancel shows their total."""
    made = desks(3)
    made.sandbox.create_rfq(credentials=made.users["desk-1"])

    assert 4 == many.count_rfqs(read_accounts_of(made))


def test_count_is_not_repeated(desks: Callable[[int], Desks]) -> None:
    """If an account cannot be read, the question says so within its second; nothing continues in the background."""
    made = desks(1)
    made.sandbox.fault("rfq/rfqs", "50011")

    with pytest.raises(ccxt.RateLimitExceeded):
        many.count_rfqs(read_accounts_of(made))
    assert 1 == len(made.sandbox.requests)


@pytest.mark.measured
def test_live_accounts_are_asked_about_once(desks: Callable[[int], Desks], tmp_path: Path) -> None:
    """One question for all of them; only "yes" cancels, and each account has its line."""
    made = desks(2)
    for name in made.users:
        user = made.users[name] = made.sandbox.create_user(demo=False)
        made.sandbox.create_rfq(credentials=user)
        made.env |= {f"{variable(name)}_{key}": user[key] for key in VARIABLES}
    made.file.write_text(re.sub('"sandbox"\nurl = .*', '"live"', made.file.read_text()))
    env = {**made.env, **in_okxs_place(tmp_path, made.sandbox)}
    cancel = ("cancel-all", "--accounts", str(made.file))
    with on_a_terminal(*cancel, "--json", env=env) as running:
        question = plain(running.until("[y/N]"))
        running.type("n\n")
        declined = running.end(), len(made.active())
    with on_a_terminal(*cancel, env=env) as running:
        running.until("[y/N]")
        running.type("y\n")
        agreed = running.end(), len(made.active())
        seen = plain(running.seen)

    assert "Cancel ALL RFQs of 2 live accounts: " in question
    assert ((3, 2), (0, 0)) == (declined, agreed)
    assert seen.index("[y/N]") < seen.index("Canceling") < seen.index("2 of 2 accounts are clear")


@pytest.mark.parametrize(
    ("doubts", "words"),
    [
        ([None, None], "2 of 2 accounts are clear: no RFQ of theirs is active any more."),
        ([None, True], "1 of 2 accounts is clear: no RFQ of theirs is active any more. RFQs MAY STILL BE ACTIVE: b."),
        (
            [False, True],
            "0 of 2 accounts are clear. NOTHING WAS CANCELED: a. RFQs MAY STILL BE ACTIVE: b.",
        ),
    ],
)
def test_the_last_line_names_who_is_not_done(doubts: list[bool | None], words: str) -> None:
    """By name, with certain and doubtful outcomes separate."""
    outcomes = {
        name: {"status": "canceled" if doubt is None else "failed", "may_be_canceled": doubt}
        for name, doubt in zip("ab", doubts, strict=True)
    }

    assert summary(outcomes).startswith(words)


def test_an_attempt_after_a_dropped_connection_has_its_own(desks: Callable[[int], Desks], clock: Any) -> None:
    """A retried account is served too, and leaves nothing open."""
    made = desks(3)
    made.sandbox.fault(CANCEL, DROP)
    told: dict[str, Any] = {}
    many.cancel_accounts(
        read_accounts_of(made), deadline=30, told=lambda account, facts: told.update({account.name: facts})
    )

    assert [1, 1, 2] == sorted(facts["attempts"] for facts in told.values())
    assert [] == made.active()
