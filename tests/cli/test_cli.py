"""The command as a whole: its help, errors, output and exit codes, in this process where possible."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import ccxt
import pytest
from support.command import invoke as run
from support.command import keys
from support.command import okx_rfq as run_process

import okx_rfq_plugin
from okx_rfq_plugin.__main__ import main
from okx_rfq_plugin._core.records import CancelFailure
from okx_rfq_plugin.cli import okx_rfq
from okx_rfq_plugin.sandbox import Sandbox

BOUND = r"Whatever was created before \d\d:\d\d:\d\d expires by \d\d:\d\d:\d\d at the latest\."
VERBS = ("cancel-all", "cancel", "list", "check", "guard", "drill", "sandbox", "completion")


IDENTITY = ("account", "environment", "host", "uid", "key")
CONFIRMED = ("confirmed", "remaining", "filling", "canceled")


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal without any key, so that no real one is ever used."""
    for name in ("OKX_API_KEY", "OKX_API_SECRET", "OKX_PASSPHRASE", "OKX_EXCHANGE"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def served(cancel: Callable[[], Any]) -> Iterator[None]:
    """Have another plugin perform the cancel."""
    plugin = SimpleNamespace(cancel_all_rfqs=okx_rfq_plugin.hookimpl(tryfirst=True)(cancel))
    manager = okx_rfq_plugin.get_plugin_manager()
    manager.register(plugin)
    try:
        yield
    finally:
        manager.unregister(plugin)


@pytest.fixture(params=[False, True])
def failing(request: pytest.FixtureRequest) -> Iterator[CancelFailure]:
    """Another plugin performs the cancel and fails, in doubt or for certain."""
    failure = CancelFailure(code="50001", attempts=3, elapsed=1.5, may_be_canceled=request.param)

    def cancel_all_rfqs() -> None:
        error = ccxt.ExchangeNotAvailable("the words of the error")
        error.cancel_failure = failure
        raise error

    with served(cancel_all_rfqs):
        yield failure


# The demonstration


def test_cancel_all_shows_the_book_before_and_after() -> None:
    """Three RFQs are active before, none after, and the last line says what is true now."""
    result = run_process("cancel-all", "--env", "sandbox")
    before, after = result.stdout.split("After")

    assert (0, "") == (result.returncode, result.stderr)
    assert (before.count("active"), after.split("All active")[0].count(" active")) == (3, 0)
    assert after.count("│ canceled │") == 3
    assert "OKX itself is not asked" in before
    assert "All active RFQs are canceled as of 20" in after.splitlines()[-1]
    assert "Canceled: 3 (1000003, 1000002, 1000001)." in after.splitlines()[-1]


def test_cancel_all_json_is_one_object() -> None:
    """Stdout holds one JSON object: the receipt plus `account`."""
    result = run_process("cancel-all", "--env", "sandbox", "--json")
    receipt = json.loads(result.stdout)

    assert (0, "") == (result.returncode, result.stderr)
    assert {*IDENTITY, "status", "timestamp", "datetime", "attempts", "elapsed", "info", *CONFIRMED} == set(receipt)
    assert (receipt["account"], receipt["status"], receipt["attempts"]) == ("sandbox", "canceled", 2)
    assert ("sandbox", "100001", "...ey-1") == tuple(receipt[name] for name in ("environment", "uid", "key"))
    assert ["1000003", "1000002", "1000001"] == receipt["canceled"]


def test_what_is_not_confirmed_is_not_listed() -> None:
    """--no-confirm accepts OKX's first answer, and knows no ids."""
    receipt = json.loads(run("cancel-all", "--env", "sandbox", "--no-confirm", "--json").stdout)

    assert {*IDENTITY, "status", "timestamp", "datetime", "attempts", "elapsed", "info", "canceled"} == set(receipt)
    assert (1, None) == (receipt["attempts"], receipt["canceled"])


def test_nothing_active_is_success_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """If no RFQ was active, it says so and ends with 0."""
    monkeypatch.setattr("okx_rfq_plugin.cli.destinations._LEGS", ())
    result = run("cancel-all", "--env", "sandbox")

    assert result.exit_code == 0
    assert "No RFQ was active: none is active any more" in result.output


def test_a_failure_has_its_exit_code_and_words(failing: CancelFailure) -> None:
    """3 if certainly nothing was canceled, 4 if it is in doubt."""
    result = run("cancel-all", "--env", "sandbox")

    assert (4 if failing.may_be_canceled else 3) == result.exit_code
    assert "" == result.stdout.split("└")[-1].partition("\n")[2]
    account = r"Account: sandbox on 127\.0\.0\.1:\d+, key \.\.\.ey-1\."
    assert re.fullmatch(f"the words of the error {BOUND} {account}", result.stderr.splitlines()[-1])


def test_a_failure_in_json_has_the_facts(failing: CancelFailure) -> None:
    """The object contains the class, the words, and every fact of the failure."""
    result = run("cancel-all", "--env", "sandbox", "--json")

    assert {
        "account": "sandbox",
        "environment": "sandbox",
        "key": "...ey-1",
        "status": "failed",
        "error": "ExchangeNotAvailable",
        "message": "the words of the error",
        "code": "50001",
        "attempts": 3,
        "elapsed": 1.5,
        "may_be_canceled": failing.may_be_canceled,
        "remaining": None,
        "filling": None,
    } == {name: value for name, value in json.loads(result.stdout).items() if name not in ("host", "uid", "bound")}


@pytest.mark.parametrize("raised", [KeyboardInterrupt, RuntimeError("the words"), ccxt.NotSupported("the words")])
def test_an_error_without_facts_is_in_doubt(raised: Any) -> None:
    """If a cancel has begun and its progress is unknown, RFQs may be active: exit 4."""

    def cancel_all_rfqs() -> None:
        raise raised

    with served(cancel_all_rfqs):
        result = run("cancel-all", "--env", "sandbox", "--json")

    assert (4, True) == (result.exit_code, json.loads(result.stdout)["may_be_canceled"])
    assert "RFQs MAY STILL BE ACTIVE" in json.loads(result.stdout)["message"]


def test_confirm_reads_what_is_left() -> None:
    """The receipt then contains what OKX's list says, and so does the last line."""
    shown = run("cancel-all", "--env", "sandbox", "--confirm")
    receipt = json.loads(run("cancel-all", "--env", "sandbox", "--confirm", "--json").stdout)

    assert "none is active any more, confirmed" in shown.output
    assert (True, [], []) == (receipt["confirmed"], receipt["remaining"], receipt["filling"])


def test_rfqs_that_are_being_executed_are_named() -> None:
    """A confirmed cancel reports RFQs that no cancel reaches."""

    def cancel_all_rfqs() -> Any:
        facts = {"status": "canceled", "timestamp": 1, "datetime": "then", "attempts": 2, "elapsed": 0.5, "info": {}}
        return {**facts, "confirmed": True, "remaining": [], "filling": ["17", "18"]}

    with served(cancel_all_rfqs):
        result = run("cancel-all", "--env", "sandbox", "--confirm")

    assert 0 == result.exit_code
    assert "Being executed, and no longer possible to cancel: 17, 18." in result.stdout


@pytest.mark.parametrize("raised", [KeyboardInterrupt, RuntimeError("the words")])
def test_what_goes_wrong_before_a_cancel_has_canceled_nothing(raised: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl+C, or anything else, before the cancel: exit 3, and it says that nothing was sent."""

    def fail(*args: Any, **kwargs: Any) -> None:
        raise raised

    monkeypatch.setattr("okx_rfq_plugin.install", fail, raising=False)
    result = run("cancel-all", "--env", "sandbox")

    assert 3 == result.exit_code
    assert result.stderr.startswith("NOTHING WAS CANCELED, nothing was sent: ")


def test_what_is_done_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl+C while the outcome is being shown does not change the exit code."""

    def interrupted(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("okx_rfq_plugin.cli.canceling.say", interrupted)

    assert 0 == run("cancel-all", "--env", "sandbox", "--json").exit_code
    monkeypatch.setattr("okx_rfq_plugin.cli.canceling.say_json", interrupted)
    assert 0 == run("cancel-all", "--env", "sandbox", "--json").exit_code


# A running sandbox


@pytest.fixture
def keys_of(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The sandbox, with its user's key in the environment."""
    for name, value in keys(sandbox.credentials).items():
        monkeypatch.setenv(name, value)
    return sandbox


def test_a_sandbox_that_runs_is_used(keys_of: Sandbox) -> None:
    """--url sends the cancel there, with the key from the environment."""
    keys_of.create_rfq()
    result = run("cancel-all", "--env", "sandbox", "--url", keys_of.url + "/")

    assert (0, "") == (result.exit_code, result.stderr)
    assert [] == keys_of.rfqs("active")


def test_a_host_that_refuses_is_named_in_words(keys_of: Sandbox) -> None:
    """No traceback: what happened, what is true, what to do."""
    url = keys_of.url
    keys_of.close()
    result = run("cancel-all", "--env", "sandbox", "--url", url, "--deadline", "0")

    assert 3 == result.exit_code
    assert "NOTHING WAS CANCELED" in result.stderr.splitlines()[-1]
    assert "the connection was refused" in result.stderr
    assert re.search(BOUND, result.stderr)


# Usage


USAGE = {
    "no environment": (["cancel-all"], "Missing option '--env'"),
    "unknown environment": (["cancel-all", "--env", "prod"], "'prod' is not one of 'sandbox', 'demo', 'live'"),
    "unknown host": (["check", "--env", "demo", "--exchange", "okx.com"], "is not one of 'okx', 'myokx', 'okxus'"),
    "address of another environment": (
        ["cancel-all", "--env", "demo", "--url", "http://127.0.0.1:1"],
        "with --env sandbox alone",
    ),
    "no address": (["cancel-all", "--env", "sandbox", "--url", "localhost:1"], "an address such as http://"),
    "no port": (["cancel-all", "--env", "sandbox", "--url", "http://127.0.0.1:65536"], "an address such as http://"),
    "port 0": (["cancel-all", "--env", "sandbox", "--url", "http://127.0.0.1:0"], "an address such as http://"),
    "half a host": (["cancel-all", "--env", "sandbox", "--url", "http://[::1:1"], "an address such as http://"),
    "no keys": (["cancel-all", "--env", "demo"], "OKX_API_KEY, OKX_API_SECRET, OKX_PASSPHRASE are not set"),
    "negative deadline": (["cancel-all", "--env", "sandbox", "--deadline", "-1"], "a number of seconds, 0 or more"),
    "endless deadline": (["cancel-all", "--env", "sandbox", "--deadline", "inf"], "a number of seconds, 0 or more"),
    "no deadline": (["cancel-all", "--env", "sandbox", "--deadline", "nan"], "a number of seconds, 0 or more"),
    "live without anybody": (["cancel-all", "--env", "live"], "Add --yes"),
    "two ways of saying where": (["cancel-all", "--env", "demo", "--accounts", "x.toml"], "leave out --env"),
    "no file": (["cancel-all", "--accounts", "no-such-file.toml"], "No such file or directory"),
    "unknown verb": (["cancel-rfqs"], "No such command 'cancel-rfqs'"),
    "accounts that are named without a file": (["list", "--env", "demo", "--only", "a"], "go with --accounts FILE"),
    "quotes after a moment": (["cancel-all", "--env", "demo", "--quotes-after", "5"], "10 to 120 seconds, or 0"),
    "id that is none": (["cancel", "--env", "demo", "x"], "is not an id of OKX's"),
    "drill in earnest": (["drill", "--env", "live"], "It runs with --env sandbox or --env demo"),
    "key as an argument": (["cancel-all", "--env", "demo", "--api-key", "x"], "No such option"),
    "fault without a step": (["sandbox", "--fault", "rfq/rfqs"], "is not like"),
    "fault with a wrong step": (["sandbox", "--fault", "rfq/rfqs=soon"], "'soon' is no step"),
}


@pytest.mark.parametrize(("arguments", "words"), USAGE.values(), ids=USAGE)
def test_wrong_usage_is_explained(arguments: list[str], words: str) -> None:
    """Exit 2, nothing on stdout, and a message that names what is wrong; nothing is sent."""
    result = run(*arguments)

    assert (2, "") == (result.exit_code, result.stdout)
    assert words in " ".join(result.stderr.split())


def test_one_missing_key_is_named_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the missing variable, and shows no value of the others."""
    monkeypatch.setenv("OKX_API_KEY", "dummy-key-value")
    monkeypatch.setenv("OKX_PASSPHRASE", "dummy-passphrase-value")
    result = run("check", "--env", "demo")

    assert 2 == result.exit_code
    assert "Nothing was sent: OKX_API_SECRET is not set" in result.stderr


@pytest.mark.parametrize("value", ["dummy\n", " dummy", "dum\tmy", "dum\x7f"])
def test_a_key_that_cannot_be_one_is_not_sent(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys from files often end with a line break: the message names the variable, not its content."""
    for variable in ("OKX_API_KEY", "OKX_API_SECRET", "OKX_PASSPHRASE"):
        monkeypatch.setenv(variable, "dummy")
    monkeypatch.setenv("OKX_PASSPHRASE", value)

    result = run("cancel-all", "--env", "demo")

    assert 2 == result.exit_code
    assert "Nothing was sent: OKX_PASSPHRASE has a line break" in result.stderr
    assert "dum" not in result.stderr
    assert "value" not in result.stderr


def test_the_host_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """OKX_EXCHANGE is the default of --exchange, and is checked in the same way."""
    monkeypatch.setenv("OKX_EXCHANGE", "okx.com")
    result = run("check", "--env", "sandbox")

    assert 2 == result.exit_code
    assert "'okx.com' is not one of 'okx', 'myokx', 'okxus'" in result.stderr


# Help


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_an_example_that_parses(verb: str) -> None:
    """`--help` shows an example with existing options."""
    shown = run(verb, "--help")
    example = " ".join(shown.output.split()).partition("Example: okx-rfq ")[2].partition(" Options:")[0]
    command = okx_rfq.get_command(okx_rfq.make_context("okx-rfq", [verb, "--help"]), verb)

    assert example.startswith(verb)
    assert command is not None
    assert command.make_context(verb, example.split()[1:]).params


def test_help_and_completion_load_nothing_heavy() -> None:
    """Neither imports ccxt, aiohttp, requests or rich, because a person is waiting for them."""
    script = (
        "import sys\n"
        "from okx_rfq_plugin.cli import okx_rfq\n"
        "for verb in okx_rfq.commands or okx_rfq.list_commands(None):\n"
        "    okx_rfq.main([verb, '--help'], standalone_mode=False)\n"
        "print({'ccxt', 'aiohttp', 'requests', 'rich', 'asyncio'} & set(sys.modules), file=sys.stderr)\n"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert "set()\n" == shown.stderr


@pytest.mark.measured
@pytest.mark.parametrize(
    ("words", "offered"),
    [("okx-rfq ca", "cancel-all"), ("okx-rfq check --env ", "live"), ("okx-rfq check --e", "--env")],
)
def test_the_shell_completes(words: str, offered: str) -> None:
    """The shell completes verbs, options and environments."""
    *before, _ = words.split(" ")
    shown = run_process(env={"_OKX_RFQ_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(before))})

    assert f"plain,{offered}" in shown.stdout.splitlines()


def test_the_installed_command_tells_its_version() -> None:
    """`python -m okx_rfq_plugin` is the command."""
    shown = run_process("--version")

    assert (f"okx-rfq, version {okx_rfq_plugin.__version__}\n", "") == (shown.stdout, shown.stderr)


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_a_missing_extra_is_named(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without click or rich, the command says what to install before doing anything, and ends with 2."""
    monkeypatch.setitem(sys.modules, missing, None)  # tells Python that the module does not exist

    with pytest.raises(SystemExit) as ended:
        main()

    assert 2 == ended.value.code
    assert f"okx-rfq needs {missing}: pip install 'okx-rfq-plugin[cli]'\n" == capsys.readouterr().err


def test_output_that_cannot_be_written_is_told_in_a_sentence() -> None:
    """A full disk causes no traceback, and does not change a cancel's exit code."""
    told = []
    for verb in (["list"], ["check"], ["cancel-all"], ["cancel-all", "--json"]):
        with open("/dev/full", "w") as full:
            ended = subprocess.run(
                [sys.executable, "-m", "okx_rfq_plugin", *verb, "--env", "sandbox"],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                timeout=60,
                check=False,
            )
        lines = [line for line in ended.stderr.splitlines(keepends=True) if "still waiting" not in line]
        told.append((ended.returncode, "".join(lines)))

    assert [(1, "okx-rfq: could not be written: No space left on device\n")] * 2 + [(0, "")] * 2 == told


def test_closed_stdout_changes_nothing() -> None:
    """A reader that has closed the pipe gets no error, and the exit code is right."""
    command = f'"{sys.executable}" -m okx_rfq_plugin cancel-all --env sandbox --json >&-'

    ended = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)

    assert (0, "") == (ended.returncode, ended.stderr)


def test_main_runs_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The function that pip installs as `okx-rfq`."""
    monkeypatch.setattr(sys, "argv", ["okx-rfq", "--version"])

    with pytest.raises(SystemExit) as ended:
        main()

    assert 0 == ended.value.code
    assert capsys.readouterr().out.startswith("okx-rfq, version ")
