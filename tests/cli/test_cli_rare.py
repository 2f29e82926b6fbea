"""Rare cases of the command: odd files, quotes, refusals, and errors at any line."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ccxt
import click
import pytest
from support.command import VARIABLES, invoke, keys, plain, unforced

from okx_rfq_plugin.__main__ import main
from okx_rfq_plugin.cli.accounts import read_accounts
from okx_rfq_plugin.cli.network import NothingSentError, Route, route_to, ssl_context
from okx_rfq_plugin.cli.outcomes import facts_of, sentence
from okx_rfq_plugin.cli.outcomes import plain as plain_words
from okx_rfq_plugin.cli.processes import Process
from okx_rfq_plugin.sandbox import DROP, Sandbox

pytestmark = pytest.mark.usefixtures("bare")


def there(okx: Sandbox) -> tuple[str, ...]:
    return ("--env", "sandbox", "--url", okx.url)


def account(name: str, url: str, key: str = "OKX") -> str:
    rows = {"env": "sandbox", "url": url, "api_key": f"{key}_API_KEY", "api_secret": f"{key}_API_SECRET"}
    return (
        f"[{name}]\n"
        + "".join(f'{each} = "{value}"\n' for each, value in rows.items())
        + f'passphrase = "{key}_PASSPHRASE"\n'
    )


# The accounts file


def test_what_is_no_table_is_no_account(tmp_path: Path) -> None:
    """The error has its name, and the others work."""
    file = tmp_path / "accounts.toml"
    file.write_text('desk = 1\n[other]\nenv = "demo"\napi_key = "A"\napi_secret = "B"\npassphrase = "C"\n')

    desk, other = read_accounts(file)

    assert "desk: not an account; an account is a table, [desk]." == desk.wrong
    assert "not an account" not in other.wrong


@pytest.mark.parametrize("content", [None, "x" * 5000], ids=["no such file", "too long"])
def test_a_key_in_a_file_that_cannot_be_read_is_said(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account has an error, in words, and no other does."""
    file, kept = tmp_path / "accounts.toml", tmp_path / "key"
    file.write_text(account("desk", "http://127.0.0.1:1"))
    if content is not None:
        kept.write_text(content)
    monkeypatch.setenv("OKX_API_KEY_FILE", str(kept))
    monkeypatch.setenv("OKX_API_SECRET", "dummy-secret")
    monkeypatch.setenv("OKX_PASSPHRASE", "dummy-pass")

    (desk,) = read_accounts(file)

    assert str(kept) in desk.wrong
    assert "Nothing was sent" not in desk.wrong


# Cancel by id


def test_a_live_cancel_by_id_needs_a_terminal() -> None:
    """Without one, nothing is sent, and the message says what to add."""
    result = invoke("cancel", "--env", "live", "123")

    assert 2 == result.exit_code
    assert "a live cancel is confirmed at a terminal" in plain(result.stderr)


def test_a_cancel_by_id_without_keys_is_wrong_usage() -> None:
    """It does not count as a failure of a cancel."""
    assert 2 == invoke("cancel", "--env", "live", "--yes", "123").exit_code


def test_what_is_still_active_is_named(okx: Sandbox) -> None:
    """If OKX refuses the batch, the ids and its reason are printed, and the code is 3."""
    rfq_id = okx.create_rfq()["rfqId"]
    okx.fault("rfq/cancel-batch-rfqs", "50120")

    result = invoke("cancel", *there(okx), rfq_id)

    assert 3 == result.exit_code
    assert f"STILL ACTIVE: 1 of 1: {rfq_id}. OKX answered 50120 (HTTP 401)" in plain(result.stderr)


@pytest.mark.parametrize("steps", [("50011",), ("50013", 502), (DROP, "50011"), ("50102",)], ids=str)
def test_a_cancel_by_id_is_repeated_as_every_cancel_is(steps: tuple[Any, ...], okx: Sandbox) -> None:
    """Too many requests, no answer, a wrong clock: within the deadline, and each attempt has its line."""
    rfq_id, other = okx.create_rfq()["rfqId"], okx.create_rfq()["rfqId"]
    okx.fault("rfq/cancel-batch-rfqs", *steps)

    result = invoke("cancel", *there(okx), rfq_id)

    assert (0, [other]) == (result.exit_code, [rfq["rfqId"] for rfq in okx.rfqs("active")])
    sent = [request for request in okx.requests if request.path.endswith("cancel-batch-rfqs")]
    assert len(steps) + 1 == len(sent)
    assert f"{rfq_id} is not active any more." in result.stdout


def test_an_id_that_okx_does_not_know_is_named(okx: Sandbox) -> None:
    """It is not active, and perhaps it was mistyped."""
    result = invoke("cancel", *there(okx), "99")

    assert 0 == result.exit_code
    assert "99 is not active. OKX knows no RFQ of this account by 99: look at `okx-rfq list`.\n" == result.stdout


def test_more_ids_than_a_batch_takes_keep_okxs_limit(okx: Sandbox) -> None:
    """Three batches: the third waits for OKX's window, and an RFQ of the last is canceled."""
    rfq_id = okx.create_rfq()["rfqId"]

    result = invoke("cancel", *there(okx), *map(str, range(1, 221)), rfq_id)

    assert (0, []) == (result.exit_code, okx.rfqs("active"))
    assert 3 == sum(request.path.endswith("cancel-batch-rfqs") for request in okx.requests)


def test_a_refused_connection_has_canceled_nothing(bare: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing left this machine: 3, and not 4."""
    for name, value in keys(dict.fromkeys(VARIABLES, "dummy")).items():
        monkeypatch.setenv(name, value)

    result = invoke("cancel", "--env", "sandbox", "--url", "http://127.0.0.1:1", "--deadline", "0", "12")

    assert 3 == result.exit_code
    assert "NOTHING WAS CANCELED: nothing was sent: the connection was refused." in plain(result.stderr)


def test_a_list_that_cannot_be_read_leaves_it_open(okx: Sandbox) -> None:
    """The batch may have been executed: 4, and the error in words."""
    rfq_id = okx.create_rfq()["rfqId"]
    okx.fault("rfq/rfqs", *["50110"] * 3)

    result = invoke("cancel", *there(okx), rfq_id)

    assert 4 == result.exit_code
    assert "expires by" in plain(result.stderr)


class Terminal(io.StringIO):
    """A person at a terminal, who types."""

    def isatty(self) -> bool:
        """It is a terminal."""
        return True

    def fileno(self) -> int:
        """It has no descriptor, like a terminal that went away."""
        raise OSError("none")


def test_ids_are_canceled_where_the_answer_is_yes(
    monkeypatch: pytest.MonkeyPatch, okx: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """The question names the ids; anything but yes sends nothing."""
    from okx_rfq_plugin.cli.cancel_ids import Some
    from okx_rfq_plugin.cli.destinations import Destination
    from okx_rfq_plugin.cli.interrupts import Interrupts

    rfq_id = okx.create_rfq()["rfqId"]
    monkeypatch.setattr(sys, "stdin", Terminal("no\nyes\n"))
    asked: list[dict[str, Any]] = []
    for _ in range(2):
        with Interrupts(None, unforced) as interrupts:
            some = Some(Destination("sandbox", "okx", okx.url), dict(okx.credentials), [rfq_id])
            some.run(5.0, asks=True, reads_uid=True, interrupts=interrupts)
            asked.append(some.facts)
            interrupts.over()

    assert (False, None) == (asked[0]["may_be_canceled"], asked[0]["left"])
    assert ("canceled", [], "100001") == tuple(asked[1][name] for name in ("status", "left", "uid"))
    question = f"Cancel RFQ {rfq_id} of the live account behind key "
    assert 2 == capsys.readouterr().err.count(question)
    assert [] == okx.rfqs("active")


# Quotes, in words


def test_quotes_are_said_in_words(okx: Sandbox) -> None:
    """A line for the cancel of quotes, one for the countdown, and the RFQs last."""
    result = invoke("cancel-all", *there(okx), "--quotes", "--quotes-after", "60")
    lines = [line for line in result.output.splitlines() if line.startswith("Quotes: ")]

    assert 0 == result.exit_code
    assert 2 == len(lines), result.output
    assert "countdown is set as of 20" in lines[1]


@pytest.fixture
def file(okx: Sandbox, tmp_path: Path) -> Path:
    """A file with one account at the sandbox."""
    made = tmp_path / "accounts.toml"
    made.write_text(account("desk", okx.url))
    return made


def test_many_accounts_end_their_quotes_too(okx: Sandbox, file: Path) -> None:
    """Both calls have their facts; one that OKX refuses determines the code, and does not stop the others."""
    okx.fault("rfq/cancel-all-quotes", *["50110"] * 3)

    result = invoke("cancel-all", "--accounts", str(file), "--quotes", "--quotes-after", "60", "--json")
    facts = json.loads(result.stdout)

    assert 3 == result.exit_code
    assert "nothing_active" == facts["status"]
    assert ("failed", "set") == (facts["quotes"]["status"], facts["quotes_after"]["status"])


def test_many_are_repeated_until_clear(okx: Sandbox, file: Path, clock: Any) -> None:
    """--until-clear starts again with those that failed, after a window."""
    okx.create_rfq()
    okx.fault("rfq/cancel-all-rfqs", "50001")

    result = invoke("cancel-all", "--accounts", str(file), "--until-clear", "--deadline", "0")

    assert 0 == result.exit_code, result.output
    assert [] == okx.rfqs("active")


# Where requests go


def test_a_proxy_without_a_scheme_is_one_of_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """Like requests."""
    monkeypatch.setenv("https_proxy", "127.0.0.1:3128")

    assert "http://127.0.0.1:3128" == route_to("https://www.okx.com").proxy


def test_a_bundle_that_is_none_is_said(tmp_path: Path) -> None:
    """Its path and the variable that names it."""
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("no certificate")

    with pytest.raises(NothingSentError, match=f"{bundle} \\(REQUESTS_CA_BUNDLE\\) cannot be read"):
        ssl_context(Route(bundle=str(bundle), named_by="REQUESTS_CA_BUNDLE"))


def test_a_check_ends_where_nothing_can_be_sent(okx: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing bundle is a finding, and nothing is asked."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")

    result = invoke("check", "--env", "demo")

    assert 0 != result.exit_code
    assert "/nowhere.pem" in plain(result.output)
    assert "Nothing can be sent from here as it is." in plain(result.output)


# At any line


@pytest.fixture
def cancel_that(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, BaseException], None]:
    """Makes the creation of an exchange object raise, and calls the command with a verb."""

    def made(verb: str, error: BaseException) -> None:
        def broken(*args: Any, **kwargs: Any) -> Any:
            raise error

        monkeypatch.setattr(ccxt.okx, "__init__", broken)
        options = ["--", "true"] if verb == "guard" else []
        arguments = ["--env", "sandbox", "--url", "http://127.0.0.1:1", *options]
        monkeypatch.setattr(sys, "argv", ["okx-rfq", verb, *arguments])
        for name in VARIABLES.values():
            monkeypatch.setenv(name, "dummy")

    return made


@pytest.mark.parametrize(
    ("verb", "error", "code", "words"),
    [
        ("list", MemoryError(), 1, "okx-rfq: out of memory"),
        ("list", KeyboardInterrupt(), 1, "okx-rfq: it was interrupted"),
        ("list", click.Abort(), 1, "okx-rfq: it was interrupted"),
        ("list", RuntimeError(), 1, "okx-rfq: an error without words"),
        ("list", OSError(28, "No space left on device"), 1, "No space left on device"),
    ],
)
def test_whatever_is_raised_ends_in_a_sentence(
    verb: str,
    error: BaseException,
    code: int,
    words: str,
    cancel_that: Callable[[str, BaseException], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With a documented code, and no traceback."""
    cancel_that(verb, error)

    with pytest.raises(SystemExit) as ended:
        main()
    shown = capsys.readouterr()

    assert code == ended.value.code, shown.err
    assert words in plain(shown.err)
    assert "Traceback" not in shown.err


def test_a_traceback_is_logged_where_it_is_asked_for(
    cancel_that: Callable[[str, BaseException], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With --verbose, and otherwise only in the log."""
    cancel_that("list", RuntimeError("broken"))
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--verbose"])
    monkeypatch.setattr("okx_rfq_plugin.cli.okx_rfq.main", _raising(RuntimeError("broken")))

    with pytest.raises(SystemExit):
        main()

    assert "okx-rfq: broken" in capsys.readouterr().err
    assert "the command failed" in caplog.text


def _raising(error: Exception) -> Callable[..., Any]:
    def main(**kwargs: Any) -> Any:
        raise error

    return main


def test_an_operator_is_told_nothing_of_calls_and_params() -> None:
    """The core's advice is for a programmer."""
    said = plain_words("Call again, and check the RFQs. check params, proxy and the exchange object's settings.")

    assert "Run it again, and check the RFQs. check the proxy, and the account's settings at OKX." == said


def test_out_of_memory_is_said() -> None:
    """As the reason for a failure."""
    assert "out of memory" in sentence(facts_of(MemoryError(), called=True))


# Other output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_of_a_shell_is_printed(shell: str) -> None:
    """The script names the command's own variable."""
    result = invoke("completion", shell)

    assert 0 == result.exit_code
    assert "_OKX_RFQ_COMPLETE" in result.output


def test_the_fleet_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without redis it says what to install."""
    monkeypatch.setattr("okx_rfq_plugin.cli.fleet.find_spec", lambda name: None)

    result = invoke("fleet", "status", "--store", "redis://127.0.0.1:1/0")

    assert 2 == result.exit_code
    assert "pip install 'okx-rfq-plugin[fleet]'" in plain(result.stderr)


def test_a_process_is_named_by_number_and_name() -> None:
    """In words for an operator."""
    assert "7 (sleep)" == str(Process(7, started=100, parent=1, group=7, session=7, name="sleep"))
