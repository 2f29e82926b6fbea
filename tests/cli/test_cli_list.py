"""`list`, and the question before a live cancel: what is read about RFQs, and what is printed if that fails."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from support.command import PATIENCE, keys, started
from support.command import invoke as run

from okx_rfq_plugin.cli.question import DeclinedError, ask
from okx_rfq_plugin.sandbox import Sandbox

OPTION = {"instId": "BTC-USD-261225-100000-C", "side": "buy", "sz": "25"}


@pytest.fixture
def okx(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A running sandbox, with its user's key in the environment."""
    for name, value in keys(sandbox.credentials).items():
        monkeypatch.setenv(name, value)
    return sandbox


def listed(okx: Sandbox, *options: str) -> tuple[int, str, str]:
    result = run("list", "--env", "sandbox", "--url", okx.url, *options)
    return result.exit_code, result.stdout, result.stderr


def place(okx: Sandbox) -> str:
    return f"sandbox on {okx.url.partition('//')[2]}"


def test_mine_are_listed_with_age_and_time_left(okx: Sandbox) -> None:
    """Oldest first, each with its legs; RFQs received as a maker are not included."""
    other = okx.create_user(trader_code="OTHER")
    okx.create_rfq(credentials=other, counterparties=["SANDBOX1"])
    mine = okx.create_rfq(legs=[OPTION])
    code, shown, _ = listed(okx)

    assert 0 == code
    assert mine["rfqId"] in shown
    assert "buy 25 BTC-USD-261225-100000-C" in shown
    assert " s │ 5" in shown or " s │ 600 s" in shown
    assert shown.endswith(f"1 active RFQ ({place(okx)}).\n")


WHOSE = ("account", "environment", "host", "uid", "key")


def test_json_is_one_rfq_a_line_beyond_a_page(okx: Sandbox) -> None:
    """101 RFQs are 101 objects, with ccxt's keys, times in seconds, and whose they are."""
    for _ in range(101):
        okx.create_rfq(legs=[OPTION])
    code, shown, _ = listed(okx, "--json")
    rfqs = [json.loads(line) for line in shown.splitlines()]

    assert (0, 101) == (code, len({rfq["id"] for rfq in rfqs}))
    assert {
        "id",
        "clientRfqId",
        "status",
        "timestamp",
        "datetime",
        "expiryTimestamp",
        "legs",
        "info",
        "age",
        "left",
        *WHOSE,
    } == set(rfqs[0])
    assert ["sandbox", "sandbox", okx.url.removeprefix("http://"), "100001", "..."] == [
        rfqs[0][name][:3] if name == "key" else rfqs[0][name] for name in WHOSE
    ]
    assert 590 < rfqs[0]["age"] + rfqs[0]["left"] <= 601


def test_none_is_said_in_words(okx: Sandbox) -> None:
    """An empty book shows no table."""
    assert (0, f"0 active RFQs ({place(okx)}).\n", "") == listed(okx)


def test_what_is_being_executed_is_named(okx: Sandbox) -> None:
    """It is listed, but not counted as active."""
    okx.set_state(okx.create_rfq()["rfqId"], "pending_fill")
    _, shown, _ = listed(okx)

    assert shown.endswith(f"0 active RFQs, and 1 being executed, which cannot be canceled ({place(okx)}).\n")


def test_a_list_without_times_is_shown_all_the_same(okx: Sandbox) -> None:
    """If OKX gives no time, none is made up."""
    row = {**okx.create_rfq(), "cTime": "", "validUntil": ""}
    for _ in range(2):
        okx.fault("rfq/rfqs", json.dumps({"code": "0", "msg": "", "data": [row]}))
    code, shown, _ = listed(okx, "--json")

    assert (0, None, None) == (code, *(json.loads(shown.splitlines()[0])[name] for name in ("age", "left")))


def test_a_list_that_cannot_be_read_is_no_empty_one(okx: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 1, nothing on stdout, and the reason on stderr."""
    monkeypatch.setenv("OKX_API_SECRET", "not-the-secret")
    code, shown, said = listed(okx)

    assert (1, "") == (code, shown)
    assert "The RFQs could not be read" in said
    assert "50113" in said


def test_ages_are_by_okxs_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose clock is an hour slow does not show an hour too much time left, and says so."""
    with Sandbox(clock=lambda: time.time() + 3600) as late:
        shown = []
        for options in (("--json",), ()):
            user = late.create_user()  # OKX's limit is per user
            late.create_rfq(legs=[OPTION], credentials=user)
            for name, value in keys(user).items():
                monkeypatch.setenv(name, value)
            shown.append(listed(late, *options))
    (_, as_json, _), (_, _, said) = shown
    rfq = json.loads(as_json)

    assert 0 <= rfq["age"] < 60
    assert 540 < rfq["left"] <= 601
    assert "s behind OKX's; ages and time left are by OKX's." in said


def test_the_ages_of_many_accounts_are_by_okxs_clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A wrong clock is reported once for all of them."""
    names = 'api_key = "OKX_API_KEY"\napi_secret = "OKX_API_SECRET"\npassphrase = "OKX_PASSPHRASE"\n'
    file = tmp_path / "accounts.toml"
    said = []
    for options in (("--json",), ()):  # each with a separate sandbox, because OKX's limits are also counted by address
        with Sandbox(clock=lambda: time.time() + 3600) as late:
            place = f'env = "sandbox"\nurl = "{late.url}"\n{names}'
            file.write_text(f"[a]\n{place}[b]\n{place.replace('OKX_', 'OTHER_')}")
            for prefix, user in (("OKX_", late.credentials), ("OTHER_", late.create_user())):
                late.create_rfq(legs=[OPTION], credentials=user)
                for name, value in keys(user).items():
                    monkeypatch.setenv(name.replace("OKX_", prefix), value)
            said.append(run("list", "--accounts", str(file), *options))
    as_json, shown = said
    rfqs = [json.loads(line) for line in as_json.stdout.splitlines()]

    assert (0, 0) == (as_json.exit_code, shown.exit_code)
    assert ["a", "b"] == [rfq["account"] for rfq in rfqs]
    assert all(rfq["uid"] for rfq in rfqs)
    assert all(0 <= rfq["age"] < 60 and 540 < rfq["left"] <= 601 for rfq in rfqs)
    assert 1 == shown.stderr.count("s behind OKX's; ages and time left are by OKX's.")


def test_a_ctrl_c_that_is_swallowed_ends_a_watch_all_the_same(okx: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library's finalizer swallows the exception; the watch ends after this look."""
    send = requests.Session.request
    sent: list[Any] = []

    def swallowing(*args: Any, **kwargs: Any) -> Any:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        sent.append(args)
        return send(*args, **kwargs)

    monkeypatch.setattr(requests.Session, "request", swallowing)

    assert 0 == listed(okx, "--watch", "--json")[0]
    assert 2 == len(sent)


@pytest.mark.measured
def test_a_watch_looks_again_until_ctrl_c() -> None:
    """Every two seconds; Ctrl+C ends it with 0."""
    with Sandbox() as okx:
        env = keys(okx.credentials)
        with started("list", "--env", "sandbox", "--url", okx.url, "--watch", "--json", env=env) as process:
            looks: Callable[[], int] = lambda: sum(each.path.endswith("rfq/rfqs") for each in okx.requests)  # noqa: E731
            while looks() < 4:  # two of them per look
                assert process.poll() is None
                threading.Event().wait(0.01)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=PATIENCE)

    assert (0, "", "") == (process.returncode, out, err)


# The question


def answered(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))


@pytest.mark.parametrize("answer", ["y\n", "YES\n", " yes \n"])
def test_yes_is_yes(answer: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It continues, and has printed how many are active, on stderr."""
    answered(monkeypatch, answer)
    ask("ALL RFQs of somebody", lambda: 3)

    assert ("", "Cancel ALL RFQs of somebody (3 active)? [y/N] ") == capsys.readouterr()


@pytest.mark.parametrize("answer", ["n\n", "\n", "yeah\n", ""])
def test_anything_else_is_no(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Return, the end of the input, and anything that is not a clear yes."""
    answered(monkeypatch, answer)

    with pytest.raises(DeclinedError):
        ask("ALL RFQs of somebody", lambda: 3)


def test_who_cannot_count_asks_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error, and silence beyond the patience, are mentioned."""
    monkeypatch.setattr("okx_rfq_plugin.cli.question._PATIENCE", 0.01)
    for_ever = threading.Event()
    for count in (lambda: 1 // 0, lambda: int(for_ever.wait())):
        answered(monkeypatch, "y\n")
        ask("ALL RFQs of somebody", count)
    for_ever.set()

    said = capsys.readouterr().err
    assert "(how many are active could not be read: no answer that could be read)? [y/N] " in said
    assert "(how many are active could not be read: no answer within a second)? [y/N] " in said
