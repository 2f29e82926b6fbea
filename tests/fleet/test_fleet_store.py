"""The store in operation: behind TLS, with an ACL, and without secrets."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ccxt
import pytest
import redis
from support.command import keys, okx_rfq
from support.fault_tls import make_certificate
from support.fleet_world import Proxy, cancels, create, kill, strategy, watcher

from okx_rfq_plugin.fleet import join
from okx_rfq_plugin.fleet.server import EmbeddedServer
from okx_rfq_plugin.fleet.store import Store, StoreError
from okx_rfq_plugin.sandbox import Sandbox

PAGE = Path(__file__).parents[2] / "docs" / "fleet.md"
PASSWORD = "a-word-that-nobody-sees"


@contextmanager
def client(store: EmbeddedServer) -> Iterator[Any]:
    made: Any = redis.Redis.from_url(store.url, decode_responses=True)
    try:
        yield made
    finally:
        made.close()
        made.connection_pool.disconnect()


def halt_and_resume(url: str, sandbox: Sandbox) -> None:
    halt = ("fleet", "halt", "--store", url, "--env", "sandbox", "--url", sandbox.url, "--no-wait")
    done = okx_rfq(*halt, "--reason", "test", env=keys(sandbox.credentials))
    assert 0 == done.returncode, done
    status = okx_rfq("fleet", "status", "--store", url)
    assert "HALTED" in status.stdout, status
    assert 0 == okx_rfq("fleet", "resume", "--store", url).returncode


# TLS: the wheel's server has none, so a proxy provides it.


@pytest.fixture
def tls(store: EmbeddedServer, tmp_path: Path) -> Iterator[Proxy]:
    proxy = Proxy(store.port, make_certificate("localhost", tmp_path / "store.pem"))
    yield proxy
    proxy.close()


def test_everything_works_behind_tls(tls: Proxy, sandbox: Sandbox) -> None:
    """Members, a watcher, shared cancels, halt, status and resume, with `rediss://` and a private CA's certificate."""
    with watcher(sandbox, tls.url) as watching, strategy(sandbox, tls.url) as alpha:
        create(alpha)
        halt_and_resume(tls.url, sandbox)
        create(alpha)
        assert ["canceled", "canceled"] == alpha.tell("cancel")
        create(alpha)

        kill(alpha)

        watching.until("canceled")
        assert [] == sandbox.rfqs("active")


def test_a_certificate_that_no_one_vouches_for_is_refused(tls: Proxy, sandbox: Sandbox) -> None:
    """No member renews there, and none creates."""
    exchange = sandbox.exchange(ccxt.okx)
    url = tls.url.partition("?")[0]
    with pytest.raises(StoreError, match="CERTIFICATE_VERIFY_FAILED"):
        Store(url, timeout=5.0).ping_and_close()

    with join(exchange, url), pytest.raises(ccxt.OperationRejected, match="CERTIFICATE_VERIFY_FAILED"):
        exchange.private_post_rfq_create_rfq({})


# ACL: the line on the page, verbatim


@pytest.fixture
def acl(store: EmbeddedServer) -> str:
    """The URL of a user with exactly the permissions on the page."""
    (line,) = re.findall(r"^ +(user fleet on .*)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    _, name, *rules = line.replace(">...", f">{PASSWORD}").split()
    with client(store) as here:
        here.execute_command("ACL", "SETUSER", name, *rules)
    return store.url.replace("redis://", f"redis://{name}:{PASSWORD}@")


def test_the_acl_of_the_page_is_enough(acl: str, sandbox: Sandbox) -> None:
    """For a member, a watcher, shared cancels, halt, status and resume."""
    with watcher(sandbox, acl) as watching, strategy(sandbox, acl) as alpha:
        create(alpha)
        halt_and_resume(acl, sandbox)
        create(alpha)
        assert ["canceled", "canceled"] == alpha.tell("cancel")
        create(alpha)

        kill(alpha)

        watching.until("canceled")
        assert [] == sandbox.rfqs("active")


@pytest.mark.parametrize(
    "command",
    [
        ("FLUSHALL",),
        ("FLUSHDB",),
        ("SWAPDB", "0", "1"),
        ("CONFIG", "GET", "*"),
        ("ACL", "LIST"),
        ("MONITOR",),
        ("SHUTDOWN", "NOSAVE"),
        ("SCRIPT", "FLUSH"),
        ("REPLICAOF", "127.0.0.1", "1"),
        ("KEYS", "*"),
        ("SET", "another", "1"),
        ("GET", "another"),
        ("PUBLISH", "another", "1"),
    ],
)
def test_the_acl_of_the_page_is_not_more_than_enough(acl: str, command: tuple[str, ...]) -> None:
    """Commands that would stop, empty or read the rest of the server are denied."""
    here: Any = redis.Redis.from_url(acl)
    with pytest.raises(redis.exceptions.NoPermissionError):
        here.execute_command(*command)
    here.close()
    here.connection_pool.disconnect()


@pytest.mark.parametrize("password", ["wrong", ""])
def test_a_member_that_may_not_write_creates_nothing(acl: str, sandbox: Sandbox, password: str) -> None:
    """The refusal says what the store said, without the password."""
    exchange = sandbox.exchange(ccxt.okx)
    url = acl.replace(PASSWORD, password)
    with join(exchange, url), pytest.raises(ccxt.OperationRejected) as refused:
        exchange.private_post_rfq_create_rfq({})

    assert "has lapsed" in str(refused.value)
    assert PASSWORD not in str(refused.value)


# Secrets


@pytest.mark.measured
def test_no_secret_reaches_the_store(store: EmbeddedServer, sandbox: Sandbox) -> None:
    """No key, secret or passphrase in any command that the server receives, nor in its data."""
    with client(store) as here, here.monitor() as monitor:
        commands: list[str] = []
        ready = threading.Event()

        def listen() -> None:
            for command in monitor.listen():
                commands.append(str(command["command"]))
                if command["command"].startswith("PING begin"):
                    ready.set()
                if command["command"].startswith("PING end"):
                    return

        listening = threading.Thread(target=listen, daemon=True)
        listening.start()
        here.execute_command("PING", "begin")
        assert ready.wait(60.0)
        with watcher(sandbox, store.url) as watching, strategy(sandbox, store.url) as alpha:
            create(alpha)
            assert ["canceled", "canceled"] == alpha.tell("cancel")
            halt_and_resume(store.url, sandbox)
            create(alpha)
            kill(alpha)
            watching.until("canceled")
        held = " ".join(f"{name} {_text(here, name)}" for name in here.scan_iter())
        here.execute_command("PING", "end")
        listening.join(60.0)

    said = " ".join(commands)
    for words in (held, said):
        assert "demo:100001" in words
        for secret in sandbox.credentials.values():
            assert secret not in words
    assert cancels(sandbox) >= 4


def _text(here: Any, name: str) -> str:
    return str(here.hgetall(name) if here.type(name) == "hash" else here.get(name))
