"""`check` and `sandbox`: what is read before anything goes wrong, and a place for experiments."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ccxt
import pytest
from support.command import PATIENCE, in_okxs_place, keys, okx_rfq, on_a_terminal, plain, started
from support.command import invoke as run

import okx_rfq_plugin
from okx_rfq_plugin.cli.destinations import HOSTS
from okx_rfq_plugin.sandbox import Fault, Sandbox

CHECKS = ["versions", "plugins", "host", "network", "clock", "key", "environment", "permission", "IP list"]
CHECKS += ["account mode", "block trading", "maintenance"]
OF_THE_KEY = ["environment", "permission", "IP list", "account mode", "block trading"]  # unknown without a test


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
    """A cancel could not work: exit 1, and advice."""
    code, wrong = checked(okx, monkeypatch, okx.create_user(permissions=["read_only"]))

    assert (1, ["permission"]) == (code, list(wrong))
    assert "Give the key the permission Trade" in wrong["permission"]["advice"]


def test_spot_mode_has_no_block_trading(okx: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account in spot mode is advised to change it."""
    code, wrong = checked(okx, monkeypatch, okx.create_user(account_level="1"))

    assert (1, "spot mode") == (code, wrong["account mode"]["seen"])
    assert "Change the account mode" in wrong["account mode"]["advice"]


def test_a_key_of_the_other_environment_is_told_where_it_belongs(okx: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A live key in demo trading is recognized by asking the other environment."""
    code, wrong = checked(okx, monkeypatch, okx.create_user(demo=False))

    assert (1, ["key", *OF_THE_KEY]) == (code, list(wrong))
    assert {None} == {wrong[name]["ok"] for name in OF_THE_KEY}
    assert "The key is one for live trading: use --env live." == wrong["key"]["advice"]
    assert "OKX answered 50101" in wrong["key"]["seen"]


def test_a_key_that_nobody_knows_is_to_be_checked(okx: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """If neither environment accepts it, the message names the variables and the region, never the key."""
    unknown = {"apiKey": "dummy-unknown", "secret": "dummy-secret", "password": "dummy-passphrase"}
    okx.fault("account/config", Fault(body='{"code":"50111","msg":"Invalid OK-ACCESS-KEY dummy-unknown"}', status=401))
    _, wrong = checked(okx, monkeypatch, unknown)

    assert "--exchange or --host: each region has keys of its own" in wrong["key"]["advice"]
    assert "Invalid OK-ACCESS-KEY ***" in wrong["key"]["seen"]


def test_a_clock_that_is_off_is_named_and_the_key_is_looked_at_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """OKX's clock is a minute ahead of this one: only the clock is wrong."""
    with Sandbox(clock=lambda: time.time() + 60) as okx:
        code, wrong = checked(okx, monkeypatch, okx.credentials)

    assert (1, ["clock"]) == (code, list(wrong))
    assert "60.0 s behind OKX" == wrong["clock"]["seen"]
    assert "Set the clock of this machine" in wrong["clock"]["advice"]


def test_a_host_that_refuses_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """No reply at all: the system's own words, and what to check."""
    with Sandbox() as okx:
        gone = SimpleNamespace(url=okx.url)
    code, wrong = checked(gone, monkeypatch, okx.credentials)

    assert (1, ["clock", "key", *OF_THE_KEY, "maintenance"]) == (code, list(wrong))
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
    """No answer about the key: nothing is known about it, and the other environment is not asked."""
    busy = fault.status == 429
    okx.fault("account/config", *[fault] * (1 + busy))  # it is asked once more
    code, wrong = checked(okx, monkeypatch, okx.credentials)

    assert (1, ["key", *OF_THE_KEY]) == (code, list(wrong))
    assert {"UNKNOWN"} == {finding["state"] for finding in wrong.values()}
    assert "Nothing is known of the key. Check the network and the proxy, and try again." == wrong["key"]["advice"]
    assert 1 + busy == [request.path for request in okx.requests].count("/api/v5/account/config")


@pytest.mark.parametrize("path", ["account/config", "rfq/rfqs"])
def test_a_question_that_is_one_too_many_is_asked_once_more(
    okx: Sandbox, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another command of this account may have asked just before; nothing is wrong."""
    okx.fault(path, Fault(code="50011", status=429))

    assert (0, {}) == checked(okx, monkeypatch, okx.credentials)


def test_a_time_that_is_none_is_said_in_words(okx: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer without a time, such as from a broken proxy's cache: every line still has its reason."""
    okx.fault("public/time", Fault(body='{"code":"0","msg":"","data":[{"ts":""}]}'))
    code, wrong = checked(okx, monkeypatch, okx.credentials)

    assert (1, {"clock": "OKX's answer holds no time"}) == (code, {name: each["seen"] for name, each in wrong.items()})


def test_a_plugin_that_was_left_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plugins that failed to load are reported with the reason; loaded ones are listed."""
    manager = okx_rfq_plugin.get_plugin_manager()
    monkeypatch.setitem(manager.failures, "desk-audit:audit", "ImportError: no module")
    plugin = SimpleNamespace()
    manager.register(plugin, name="other")
    result = run("check", "--env", "sandbox")
    manager.unregister(plugin)

    assert 1 == result.exit_code
    assert "ok      plugins: okx, other" in result.output
    assert "WRONG   plugin: desk-audit:audit is left out: ImportError: no module. Repair" in result.output


def test_a_key_that_block_trading_is_closed_to_is_told(okx: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """70015 makes every cancel fail, so one of the RFQ endpoints is read too."""
    okx.fault("rfq/rfqs", "70015")
    code, wrong = checked(okx, monkeypatch, okx.credentials)

    assert (1, ["block trading"]) == (code, list(wrong))
    assert wrong["block trading"]["ok"] is False
    assert "OKX answered 70015" in wrong["block trading"]["seen"]


def test_block_trading_that_was_not_judged_is_unknown(okx: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy's page does not count as a refusal."""
    okx.fault("rfq/rfqs", 502)
    code, wrong = checked(okx, monkeypatch, okx.credentials)

    assert (1, None) == (code, wrong["block trading"]["ok"])


def test_a_key_that_may_withdraw_is_warned_about(okx: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything works, but is not as safe as it could be: exit 0, and advice."""
    for name, value in keys(okx.credentials).items():
        monkeypatch.setenv(name, value)
    row = {"uid": "1", "acctLv": "2", "perm": "read_only,withdraw,trade", "ip": "192.0.2.1"}
    okx.fault("account/config", Fault(body=json.dumps({"code": "0", "msg": "", "data": [row]})))
    result = run("check", "--env", "sandbox", "--url", okx.url)

    assert 0 == result.exit_code
    assert "WARNING permission: read_only, withdraw, trade. It can withdraw funds" in result.output


def test_the_proxy_and_the_bundle_are_shown(okx: Sandbox, tmp_path: Path) -> None:
    """Where requests would go, without the proxy's password."""
    (tmp_path / "ca.pem").write_text("")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        proxy = f"http://user:dummy-password@127.0.0.1:{taken.getsockname()[1]}"
        env = {
            **in_okxs_place(tmp_path, okx),
            **keys(okx.credentials),
            "HTTP_PROXY": proxy,
            "NO_PROXY": "",
            "REQUESTS_CA_BUNDLE": str(tmp_path / "ca.pem"),
        }
        ended = okx_rfq("check", "--env", "demo", env=env)

    assert 1 == ended.returncode
    address = proxy.replace("user:dummy-password@", "")
    shown = f"network: proxy {address}, CA bundle {tmp_path}/ca.pem (REQUESTS_CA_BUNDLE)"
    assert f"ok      {shown}" in ended.stdout
    assert "UNKNOWN clock" in ended.stdout
    assert "dummy-password" not in ended.stdout + ended.stderr


@pytest.mark.measured
def test_many_accounts_are_checked_and_listed(okx: Sandbox, tmp_path: Path) -> None:
    """Each by its name; an incomplete one is wrong, and does not prevent checking the others."""
    okx.create_rfq()
    file = tmp_path / "accounts.toml"
    table = (
        '[{}]\nenv = "sandbox"\nurl = "{}"\napi_key = "{}"\n'
        'api_secret = "OKX_API_SECRET"\npassphrase = "OKX_PASSPHRASE"\n'
    )
    file.write_text(table.format("whole", okx.url, "OKX_API_KEY") + table.format("half", okx.url, "NOT_SET"))
    env = keys(okx.credentials)
    check = okx_rfq("check", "--accounts", str(file), env=env)
    whole = okx_rfq("check", "--accounts", str(file), "--only", "whole", "--json", env=env)
    listed = okx_rfq("list", "--accounts", str(file), env=env)

    assert (1, 0, 1) == (check.returncode, whole.returncode, listed.returncode)
    assert "[whole] key: accepted for User ID 100001" in check.stdout
    assert "WRONG   [half] account: [half] api_key: the environment variable that it names is not set." in check.stdout
    assert {None, "whole"} == {json.loads(line)["account"] for line in whole.stdout.splitlines()}
    assert "[whole] 1 active RFQ (sandbox on 127.0.0.1:" in listed.stdout
    assert "The RFQs of half could not be read" in listed.stderr


# Regions, and maintenance


@pytest.mark.measured
@pytest.mark.parametrize("host", ["my.okx.com", "openapi.okx.com"])
def test_a_key_of_another_region_is_told_which_host_knows_it(okx: Sandbox, host: str, tmp_path: Path) -> None:
    """The host that was asked does not know the key, but another does."""
    with Sandbox() as elsewhere:
        credentials = elsewhere.create_user(demo=False)
        place = in_okxs_place(tmp_path, okx, others={f"https://{host}": elsewhere})
        env = {**place, **keys(credentials)}
        ended = okx_rfq("check", "--env", "live", env=env)
        there = okx_rfq("check", "--env", "live", "--host", host, env=env)

    assert (1, 0) == (ended.returncode, there.returncode)
    assert f"{host} knows this key: use --host {host}." in ended.stdout
    assert "key: accepted for User ID" in there.stdout


@pytest.mark.measured
@pytest.mark.parametrize("host", [HOSTS[0], *(pytest.param(host, marks=pytest.mark.exhaustive) for host in HOSTS[1:])])
def test_every_host_can_be_reached(okx: Sandbox, host: str, tmp_path: Path) -> None:
    """By the option, the variable, or the accounts file, for a cancel in demo trading."""
    okx.create_rfq()
    env = {**in_okxs_place(tmp_path, okx, f"https://{host}"), **keys(okx.credentials)}
    file = tmp_path / "accounts.toml"
    names = 'api_key = "OKX_API_KEY"\napi_secret = "OKX_API_SECRET"\npassphrase = "OKX_PASSPHRASE"\n'
    file.write_text(f'[desk]\nenv = "demo"\nhost = "{host}"\n{names}')
    by_option = okx_rfq("cancel-all", "--env", "demo", "--host", host, "--no-confirm", "--json", env=env)
    by_variable = okx_rfq("list", "--env", "demo", env={**env, "OKX_HOST": host})
    by_file = okx_rfq("list", "--accounts", str(file), env=env)

    assert (0, 0, 0) == (by_option.returncode, by_variable.returncode, by_file.returncode)
    assert ("canceled", []) == (json.loads(by_option.stdout)["status"], okx.rfqs("active"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--env", "sandbox", "--host", "www.okx.com"), "--host is a host of OKX's"),
        (("--env", "live", "--host", "example.com"), "Invalid value for '--host'"),
    ],
)
def test_a_host_that_is_none_of_okxs_is_refused(options: tuple[str, ...], words: str) -> None:
    """A key is sent only to OKX."""
    result = run("check", *options)

    assert 2 == result.exit_code
    assert words in result.stderr


def test_maintenance_that_goes_on_is_wrong_and_one_to_come_a_warning(
    okx: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of block trading, with the time of its end; announcements for other services are left out."""
    okx.announce_maintenance(service_type="5", title="Other")
    okx.announce_maintenance(begins_in=3600, title="Next\x1b[31m week")
    okx.announce_maintenance(begins_in=-60, lasts=3600)
    for name, value in keys(okx.credentials).items():
        monkeypatch.setenv(name, value)
    result = run("check", "--env", "sandbox", "--url", okx.url)
    wrong, warning = result.stdout.splitlines()[-2:]

    assert 1 == result.exit_code
    assert re.fullmatch(
        r"WRONG   maintenance: OKX has announced maintenance of block trading until [-0-9 ]*\d\d:\d\d:\d\d"
        r' \("Block trading system upgrade"\)\. A cancel may fail until then\.',
        wrong,
    )
    assert warning.startswith("WARNING maintenance: OKX has announced maintenance of block trading from ")
    assert '("Next [31m week"). A cancel may fail in that time.' in warning


@pytest.mark.measured
@pytest.mark.parametrize(("fault", "code"), [("50001", 4), ("70208", 3)])
@pytest.mark.parametrize("form", ["one", "json", "accounts", "list"])
@pytest.mark.thinned
def test_an_error_that_maintenance_may_explain_says_until_when(
    form: str, fault: str, code: int, okx: Sandbox, tmp_path: Path
) -> None:
    """For a cancel of one account or many, and for a list."""
    okx.announce_maintenance(begins_in=-60, lasts=3600)
    okx.fault("rfq/cancel-all-rfqs", *[fault] * 20)
    okx.fault("rfq/rfqs", *[fault] * 20)
    place: tuple[str, ...] = ("--env", "sandbox", "--url", okx.url)
    if form == "accounts":
        names = 'api_key = "OKX_API_KEY"\napi_secret = "OKX_API_SECRET"\npassphrase = "OKX_PASSPHRASE"\n'
        table = '[{}]\nenv = "sandbox"\nurl = "{}"\n' + names
        (tmp_path / "accounts").write_text(table.format("a", okx.url) + table.format("b", okx.url))
        place = ("--accounts", str(tmp_path / "accounts"))
    options = {"one": ("cancel-all",), "list": ("list",), "accounts": ("cancel-all",), "json": ("cancel-all", "--json")}
    ended = okx_rfq(*options[form], *place, "--deadline", "0", env=keys(okx.credentials))

    assert (1 if form == "list" else code) == ended.returncode
    assert "OKX has announced maintenance of block trading until " in " ".join((ended.stdout + ended.stderr).split())
    assert 1 == sum(request.path.endswith("system/status") for request in okx.requests)


# sandbox


@pytest.mark.measured
def test_a_sandbox_serves_until_it_is_told_to_end() -> None:
    """One JSON line with address and key, as another command needs them; SIGTERM ends it with 0."""
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


@pytest.mark.measured
def test_a_sandbox_on_a_terminal_says_how_to_use_it() -> None:
    """Lines to copy into another terminal follow the JSON line; Ctrl+C ends it with 0."""
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
