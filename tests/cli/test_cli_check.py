"""`check` and `sandbox`: what is read before anything goes wrong, and a place to try things in."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import ccxt
import pytest
from support.command import PATIENCE, keys, okx_rfq, on_a_terminal, plain, started
from test_cli import run

import okx_rfq_plugin
from okx_rfq_plugin.sandbox import Fault, Sandbox

CHECKS = ["versions", "plugins", "host", "network", "clock", "key", "environment", "permission", "IP list"]
CHECKS += ["account mode", "block trading"]
OF_THE_KEY = ["environment", "permission", "IP list", "account mode", "block trading"]  # unknown without one


@pytest.fixture
def okx() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


def checked(okx: Any, monkeypatch: pytest.MonkeyPatch, credentials: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """Run the check with a key; return the exit code and what is wrong, by name."""
    for name, value in keys(credentials).items():
        monkeypatch.setenv(name, value)
    result = run("check", "--env", "sandbox", "--url", okx.url, "--json")
    findings = [json.loads(line) for line in result.stdout.splitlines()]
    return result.exit_code, {finding["check"]: finding for finding in findings if not finding["ok"]}


def test_all_is_well() -> None:
    """Each line begins with ok, and the exit code is 0."""
    result = run("check", "--env", "sandbox")
    lines = result.output.splitlines()

    assert 0 == result.exit_code
    assert CHECKS == [line.partition(" ")[2].strip().partition(":")[0] for line in lines]
    assert {"ok"} == {line.partition(" ")[0] for line in lines if "IP list" not in line}
    assert f"ccxt {ccxt.__version__}" in lines[0]
    assert "read_only, trade" in lines[7]


def test_json_is_one_object_a_line() -> None:
    """Stable keys, and no advice where none is needed."""
    result = run("check", "--env", "sandbox", "--json")
    findings = [json.loads(line) for line in result.stdout.splitlines()]

    assert CHECKS == [finding["check"] for finding in findings]
    assert {("advice", "check", "ok", "seen", "state")} == {tuple(sorted(finding)) for finding in findings}
    assert {(True, True), (False, True)} == {(finding["state"] == "ok", finding["ok"]) for finding in findings}


def test_it_reads_only(okx: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it finds, it sends no POST."""
    okx.create_rfq()

    assert (0, {}) == checked(okx, monkeypatch, okx.credentials)
    assert {"GET"} == {request.method for request in okx.requests}


def test_a_key_that_cannot_trade_is_told_what_to_ask_for(okx: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """It could not cancel: exit 1, and what to do."""
    code, wrong = checked(okx, monkeypatch, okx.create_user(permissions=["read_only"]))

    assert (1, ["permission"]) == (code, list(wrong))
    assert "Give the key the permission Trade" in wrong["permission"]["advice"]


def test_spot_mode_has_no_block_trading(okx: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account in spot mode is told to change it."""
    code, wrong = checked(okx, monkeypatch, okx.create_user(account_level="1"))

    assert (1, "spot mode") == (code, wrong["account mode"]["seen"])
    assert "Change the account mode" in wrong["account mode"]["advice"]


def test_a_key_of_the_other_environment_is_told_where_it_belongs(okx: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A live key in demo trading is recognized, by asking the other environment."""
    code, wrong = checked(okx, monkeypatch, okx.create_user(demo=False))

    assert (1, ["key", *OF_THE_KEY]) == (code, list(wrong))
    assert {None} == {wrong[name]["ok"] for name in OF_THE_KEY}
    assert "The key is one for live trading: use --env live." == wrong["key"]["advice"]
    assert "OKX answered 50101" in wrong["key"]["seen"]


def test_a_key_that_nobody_knows_is_to_be_checked(okx: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither environment takes it, the variables and the region are named; the key itself never is."""
    unknown = {"apiKey": "dummy-unknown", "secret": "dummy-secret", "password": "dummy-passphrase"}
    okx.fault("account/config", Fault(body='{"code":"50111","msg":"Invalid OK-ACCESS-KEY dummy-unknown"}', status=401))
    _, wrong = checked(okx, monkeypatch, unknown)

    assert "--exchange: each region has keys of its own" in wrong["key"]["advice"]
    assert "Invalid OK-ACCESS-KEY ***" in wrong["key"]["seen"]


def test_a_clock_that_is_off_is_named_and_the_key_is_looked_at_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """OKX's clock a minute ahead of this one: the clock alone is wrong."""
    with Sandbox(clock=lambda: time.time() + 60) as okx:
        code, wrong = checked(okx, monkeypatch, okx.credentials)

    assert (1, ["clock"]) == (code, list(wrong))
    assert "60.0 s behind OKX" == wrong["clock"]["seen"]
    assert "Set the clock of this machine" in wrong["clock"]["advice"]


def test_a_host_that_refuses_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """No reply at all: the system's own words, and what to look at."""
    with Sandbox() as okx:
        gone = SimpleNamespace(url=okx.url)
    code, wrong = checked(gone, monkeypatch, okx.credentials)

    assert (1, ["clock", "key", *OF_THE_KEY]) == (code, list(wrong))
    assert {"UNKNOWN"} == {finding["state"] for finding in wrong.values()}
    assert "Connection refused" in wrong["clock"]["seen"]
    assert "the proxy" in wrong["clock"]["advice"]
    assert "Nothing is known of the key" in wrong["key"]["advice"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(body="<html>Bad Gateway</html>", status=502),
        Fault(code="50011", status=429),
        Fault(body='{"code":"0","msg":"","data":[]}'),
        Fault(body='{"code":"0","msg":"","data":[{}]}'),
    ],
    ids=["proxy", "busy", "no row", "no User ID"],
)
def test_a_key_that_okx_has_not_judged_is_not_to_blame(
    okx: Sandbox, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No answer about the key: nothing is known of it, and the other environment is not asked."""
    okx.fault("account/config", fault)
    code, wrong = checked(okx, monkeypatch, okx.credentials)

    assert (1, ["key", *OF_THE_KEY]) == (code, list(wrong))
    assert {"UNKNOWN"} == {finding["state"] for finding in wrong.values()}
    assert "Nothing is known of the key. Check the network and the proxy, and try again." == wrong["key"]["advice"]
    assert 1 == [request.path for request in okx.requests].count("/api/v5/account/config")


def test_a_time_that_is_none_is_said_in_words(okx: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer without a time, as a broken proxy's cache gives it: no line is left without its reason."""
    okx.fault("public/time", Fault(body='{"code":"0","msg":"","data":[{"ts":""}]}'))
    code, wrong = checked(okx, monkeypatch, okx.credentials)

    assert (1, {"clock": "OKX's answer holds no time"}) == (code, {name: each["seen"] for name, each in wrong.items()})


def test_a_plugin_that_was_left_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be loaded is wrong, with the reason; what was is in the list."""
    manager = okx_rfq_plugin.get_plugin_manager()
    monkeypatch.setitem(manager.failures, "desk-audit:audit", "ImportError: no module")
    plugin = SimpleNamespace()
    manager.register(plugin, name="other")
    result = run("check", "--env", "sandbox")
    manager.unregister(plugin)

    assert 1 == result.exit_code
    assert "ok      plugins: okx, other" in result.output
    assert "WRONG   plugin: desk-audit:audit is left out: ImportError: no module. Repair" in result.output


# sandbox


def test_a_sandbox_serves_until_it_is_told_to_end() -> None:
    """One JSON line with address and key; what it prints is what another command needs; SIGTERM ends it with 0."""
    with started("sandbox", "--rfqs", "--fault", "rfq/cancel-all-rfqs=50001,502,drop,0.1s", env={}) as process:
        place = json.loads(process.stdout.readline())
        cancel = ("cancel-all", "--env", "sandbox", "--url", place["url"])
        ended = okx_rfq(*cancel, env=keys(place["credentials"]))
        process.send_signal(signal.SIGTERM)
        rest, complaints = process.communicate(timeout=PATIENCE)

    assert (0, "", "") == (process.returncode, rest, complaints)
    assert 0 == ended.returncode
    for words, line in zip(("OKX answered 50001", "HTTP 502", "no reply"), ended.stderr.splitlines(), strict=True):
        assert words in line
    assert "All active RFQs are canceled" in ended.stdout


def test_a_sandbox_on_a_terminal_says_how_to_use_it() -> None:
    """The lines to copy into another terminal, below the JSON line; Ctrl+C ends it with 0."""
    with on_a_terminal("sandbox") as running:
        running.until("--env sandbox --url http")
        running.interrupt()
        code = running.end()

    assert 0 == code
    assert "export OKX_API_KEY=sandbox-key-1" in plain(running.seen)


def test_a_port_that_is_taken_is_named(okx: Sandbox) -> None:
    """Exit 2, in words."""
    result = run("sandbox", "--port", okx.url.rpartition(":")[2])

    assert 2 == result.exit_code
    assert "The sandbox cannot listen on port" in result.stderr
