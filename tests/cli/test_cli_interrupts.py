"""A cancel that runs to its end: signals at every stage, a time limit, closed streams; and its options."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.command import (
    COMMAND,
    PATIENCE,
    environment,
    invoke,
    keys,
    limited,
    okx_rfq,
    on_a_terminal,
    plain,
    started,
)

from okx_rfq_plugin.cli.interrupts import ENDING
from okx_rfq_plugin.sandbox import Sandbox

CANCEL = "rfq/cancel-all-rfqs"
BOUND = r"Whatever was created before \d\d:\d\d:\d\d expires by \d\d:\d\d:\d\d at the latest\."


@pytest.fixture
def okx() -> Iterator[Sandbox]:
    with Sandbox() as running:
        running.create_rfq()
        yield running


def command(okx: Sandbox, *options: str) -> tuple[str, ...]:
    return ("cancel-all", "--env", "sandbox", "--url", okx.url, *options)


def when_requested(okx: Sandbox, process: subprocess.Popen[str]) -> None:
    """Wait until the first cancel has arrived."""
    arrived: Callable[[], bool] = lambda: any(request.path.endswith(CANCEL) for request in okx.requests)  # noqa: E731
    while not arrived():
        assert process.poll() is None
        threading.Event().wait(0.01)


def test_a_terminal_that_closes_ends_nothing(okx: Sandbox) -> None:
    """SIGHUP in the middle of a cancel, as from a lost SSH connection: it continues, and finishes."""
    okx.fault(CANCEL, "50001", "50001")
    with on_a_terminal(*command(okx), env=keys(okx.credentials)) as running:
        running.until("Next attempt in")
        running.interrupt(signal.SIGHUP)
        code = running.end()

    assert (0, []) == (code, okx.rfqs("active"))
    assert "none is active any more" in plain(running.seen)


# One signal that ends a cancel, one that is a mistake, and the alarm's; the same code handles the others.
HEARD = (signal.SIGTERM, signal.SIGUSR1, signal.SIGALRM)


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(number, marks=() if number in HEARD else pytest.mark.exhaustive)
        for number in ENDING
        if number is not signal.SIGINT
    ],
)
def test_ctrl_c_again_and_any_signal_after_it_change_nothing(number: signal.Signals, okx: Sandbox) -> None:
    """The first one ends the cancel, with its code and one line; later ones are ignored."""
    okx.fault(CANCEL, *[PATIENCE] * 9)
    with started(*command(okx, "--json"), env=keys(okx.credentials)) as process:
        when_requested(okx, process)
        for each in (signal.SIGINT, number, signal.SIGINT, number):
            process.send_signal(each)
        out, err = process.communicate(timeout=PATIENCE)
    (line,) = map(json.loads, out.splitlines())

    assert (4, True) == (process.returncode, line["may_be_canceled"])
    assert "Traceback" not in err


@pytest.mark.measured
@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        signal.SIGHUP,
        pytest.param(signal.SIGTERM, marks=pytest.mark.exhaustive),
        pytest.param(signal.SIGQUIT, marks=pytest.mark.exhaustive),
    ],
)
def test_a_signal_after_the_outcome_changes_neither_code_nor_words(number: signal.Signals, okx: Sandbox) -> None:
    """Interrupted while it reads which RFQs were canceled, it ends with 0 and reports the cancel."""
    okx.fault("account/config", PATIENCE)
    with started(*command(okx, "--json"), env=keys(okx.credentials)) as process:
        while not any(request.path.endswith("account/config") for request in okx.requests):
            assert process.poll() is None
            threading.Event().wait(0.01)
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)
    (line,) = map(json.loads, out.splitlines())

    assert (0, "", "canceled") == (process.returncode, err, line["status"])
    assert [] == okx.rfqs("active")


# A main thread that is slow to unwind on a busy machine, and a watcher that is slow to report it.
_BOTH = """
import os, signal, threading
from okx_rfq_plugin.cli import interrupts

interrupts._FORCED = 0.01
forced, known = threading.Event(), threading.Event()

def force(reason):
    forced.set()
    known.wait()
    threading.Event().wait(0.1)
    return 4, lambda: print("the watcher", flush=True)

with interrupts.Interrupts(None, force) as heard:
    try:
        os.kill(os.getpid(), signal.SIGINT)
        forced.wait()
    except KeyboardInterrupt:
        forced.wait()
    known.set()
    heard.over()
    print("the main thread", flush=True)
"""


@pytest.mark.measured
def test_one_thread_has_the_last_word() -> None:
    """If the main thread ends while the watcher reports the outcome, it adds nothing, and the code is the watcher's."""
    ended = subprocess.run(
        [sys.executable, "-c", _BOTH], env=environment(), capture_output=True, text=True, timeout=PATIENCE, check=False
    )

    assert (4, "the watcher\n", "") == (ended.returncode, ended.stdout, ended.stderr)


def test_the_time_limit_ends_whatever_hangs(okx: Sandbox) -> None:
    """--timeout limits the whole command: in doubt, since a request was on its way."""
    okx.fault(CANCEL, *[PATIENCE] * 9)
    ended = okx_rfq(*command(okx, "--timeout", "0.5", "--json"), env=keys(okx.credentials))
    line = json.loads(ended.stdout)

    assert (4, True) == (ended.returncode, line["may_be_canceled"])
    assert "it did not end in 0.5 s (--timeout)" in line["message"]


@pytest.mark.measured
def test_the_time_limit_ends_a_cancel_by_id(okx: Sandbox, tmp_path: Path) -> None:
    """In doubt, and the log has what happened; what hangs beyond the limit is killed."""
    (mine,) = okx.rfqs("active")
    okx.fault("rfq/cancel-batch-rfqs", *[PATIENCE] * 9)
    cancel = ("cancel", "--env", "sandbox", "--url", okx.url, "--timeout", "0.5", "--json", "-q")
    ended = okx_rfq(*cancel, "--log-file", str(tmp_path / "log"), mine["rfqId"], env=keys(okx.credentials))
    (line,) = map(json.loads, ended.stdout.splitlines())

    assert (4, True, None, "") == (ended.returncode, line["may_be_canceled"], line["left"], ended.stderr)
    assert "it did not end in 0.5 s (--timeout)" in line["message"]
    assert "RFQs MAY STILL BE ACTIVE" in (tmp_path / "log").read_text()


# A host name lookup may block the main thread for any time, whatever the signal.
_HANGS = """
import asyncio, os, runpy, signal, socket, sys, threading
from okx_rfq_plugin.cli import interrupts

def hang(*args, **kwargs):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait()
    except KeyboardInterrupt:
        threading.Event().wait()

interrupts._FORCED = 0.1
socket.getaddrinfo = asyncio.new_event_loop = hang
sys.argv[0] = "okx-rfq"
runpy.run_module("okx_rfq_plugin", run_name="__main__")
"""


@pytest.mark.measured
@pytest.mark.parametrize(
    "arguments",
    [("cancel-all", "--env", "demo"), ("cancel", "12", "--env", "demo"), ("cancel-all", "--accounts", "accounts.toml")],
    ids=["all", "by id", "accounts"],
)
def test_what_hears_no_signal_is_ended_all_the_same(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """A moment after Ctrl+C, with one object, one line, and a documented code."""
    names = 'api_key = "OKX_API_KEY"\napi_secret = "OKX_API_SECRET"\npassphrase = "OKX_PASSPHRASE"\n'
    (tmp_path / "accounts.toml").write_text(f'[desk]\nenv = "demo"\n{names}')
    dummies = dict.fromkeys(("OKX_API_KEY", "OKX_API_SECRET", "OKX_PASSPHRASE"), "dummy")
    ended = subprocess.run(
        [sys.executable, "-c", _HANGS, *arguments, "--json"],
        env=environment(**dummies),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    (line,) = map(json.loads, ended.stdout.splitlines())

    assert ended.returncode == (4 if line["may_be_canceled"] else 3), ended
    assert line["message"].startswith("RFQs MAY STILL BE ACTIVE: it is not known how far the cancel came")
    assert 1 == ended.stderr.count("RFQs MAY STILL BE ACTIVE")


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
@pytest.mark.parametrize(
    "options",
    [
        pytest.param((), marks=pytest.mark.exhaustive),
        ("--json",),
        pytest.param(("-v",), marks=pytest.mark.exhaustive),
    ],
)
def test_closed_streams_change_nothing(closed: str, options: tuple[str, ...], okx: Sandbox) -> None:
    """Whichever stream was closed beforehand, it is canceled, and the code says so."""
    line = shlex.join([*COMMAND, *command(okx, "--no-confirm", *options)])
    ended = subprocess.run(
        ["/bin/sh", "-c", f"exec {line} {closed}"],
        env=environment(**keys(okx.credentials)),
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )

    assert (0, []) == (ended.returncode, okx.rfqs("active"))


@pytest.mark.measured
def test_a_log_that_cannot_be_written_stops_nothing(okx: Sandbox) -> None:
    """A full disk, and a missing folder: canceled, and no traceback."""
    codes = []
    for path in ("/dev/full", "/no/such/folder/log"):
        ended = okx_rfq(*command(okx, "--no-confirm", "--log-file", path), env=keys(okx.credentials))
        codes.append(ended.returncode)
        assert "Traceback" not in ended.stderr

    assert ([0, 0], []) == (codes, okx.rfqs("active"))
    assert "Nothing is logged: /no/such/folder/log cannot be written: No such file or directory." in ended.stderr


def test_a_log_file_has_what_happened_and_no_secret(okx: Sandbox, tmp_path: Path) -> None:
    """Appended, with the time, whatever the terminal shows."""
    okx.fault(CANCEL, "50001")
    log = tmp_path / "log"
    ended = okx_rfq(*command(okx, "-q", "--log-file", str(log)), env=keys(okx.credentials))
    text = log.read_text()

    assert (0, "") == (ended.returncode, ended.stderr)
    assert "WARNING" in text
    assert "50001" in text
    assert not [value for value in okx.credentials.values() if value in text]


def test_a_bundle_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Certainly not canceled: nothing could be sent, and the first line says why."""
    dummies = dict.fromkeys(("OKX_API_KEY", "OKX_API_SECRET", "OKX_PASSPHRASE"), "dummy")
    env = {**dummies, "REQUESTS_CA_BUNDLE": str(tmp_path / "none.pem")}
    ended = okx_rfq("cancel-all", "--env", "demo", env=env)

    assert (3, "") == (ended.returncode, ended.stdout)
    first = ended.stderr.splitlines()[0]
    assert "NOTHING WAS CANCELED, nothing was sent: REQUESTS_CA_BUNDLE names the CA bundle" in first
    assert re.search(BOUND, first)


@pytest.mark.measured
def test_a_key_that_no_header_can_carry_is_named() -> None:
    """Certainly not canceled; the message has the variable but not its value."""
    dummies = dict.fromkeys(("OKX_API_SECRET", "OKX_PASSPHRASE"), "dummy")
    ended = okx_rfq("cancel-all", "--env", "demo", env={**dummies, "OKX_API_KEY": "dum\N{SNOWMAN}my"})

    assert 3 == ended.returncode
    assert "OKX_API_KEY has a character that no HTTP header can carry" in ended.stderr
    assert "\N{SNOWMAN}" not in ended.stderr


@pytest.mark.parametrize(("left", "code"), [(False, 3), (True, 4)])
def test_memory_that_runs_out_is_said(
    left: bool, code: int, okx: Sandbox, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Before the request has left, certainly nothing; in the middle of it, the outcome is unknown."""
    for name, value in keys(okx.credentials).items():
        monkeypatch.setenv(name, value)

    def short(*args: Any, **kwargs: Any) -> Any:
        raise MemoryError

    target = "requests.sessions.Session.request" if left else "ccxt.okx.sign"
    monkeypatch.setattr(target, short)
    result = invoke(*command(okx))

    assert (code, 1) == (result.exit_code, len(okx.rfqs("active")))
    assert ("RFQs MAY STILL BE ACTIVE" if left else "NOTHING WAS CANCELED") in result.stderr
    assert "MemoryError" not in result.stderr


@pytest.mark.exhaustive
@pytest.mark.skipif(sys.platform != "linux", reason="ulimit -v")
@pytest.mark.parametrize("megabytes", range(72, 148, 4))
def test_a_process_short_of_memory_ends_with_a_documented_code(megabytes: int, okx: Sandbox) -> None:
    """Wherever memory runs out: the book is empty exactly if the code is 0, and there is no traceback."""
    ended = limited(megabytes, *command(okx, "--no-confirm"), env=keys(okx.credentials))

    assert ended.returncode in (0, 3, 4), ended.stderr
    assert ended.returncode == 4 or (ended.returncode == 0) == (okx.rfqs("active") == [])
    assert "Traceback" not in ended.stderr


# Options of a cancel


def test_keys_come_from_files_and_from_systemd(okx: Sandbox, tmp_path: Path) -> None:
    """With or without a final line break, and with systemd's lower-case names."""
    for name, value in keys(okx.credentials).items():
        (tmp_path / name).write_text(value + "\n")
        (tmp_path / name.lower()).write_text(value)
    files: dict[str, str] = {f"{name}_FILE": str(tmp_path / name) for name in keys(okx.credentials)}
    codes = [
        okx_rfq(*command(okx, "--no-confirm"), env=env).returncode
        for env in (files, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    ]

    assert ([0, 0], []) == (codes, okx.rfqs("active"))


@pytest.mark.measured
@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "cannot be read: No such file or directory"), (b"x" * 5000, "too long"), (b"\xff", "is not text")],
)
def test_a_file_that_holds_no_key_is_named(content: bytes | None, words: str, okx: Sandbox, tmp_path: Path) -> None:
    """Wrong usage: the message has the variable, the file and the reason, never the content."""
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    env = {**keys(okx.credentials), "OKX_API_SECRET_FILE": str(file)}
    del env["OKX_API_SECRET"]
    ended = okx_rfq(*command(okx), env=env)

    assert (2, 1) == (ended.returncode, len(okx.rfqs("active")))
    assert words in " ".join(ended.stderr.split())
    assert "xxx" not in ended.stderr


@pytest.mark.measured
def test_a_dry_run_cancels_nothing(okx: Sandbox) -> None:
    """It shows what would be canceled."""
    ended = okx_rfq(*command(okx, "--dry-run"), env=keys(okx.credentials))

    assert (0, 1) == (ended.returncode, len(okx.rfqs("active")))
    assert "1 active RFQ" in ended.stdout
    assert {"GET"} == {request.method for request in okx.requests}


def test_quotes_go_too(okx: Sandbox) -> None:
    """After the RFQs; both have their facts, and the worse outcome determines the code."""
    okx.fault("rfq/cancel-all-quotes", "50120")
    options = ("--no-confirm", "--quotes", "--quotes-after", "30", "--json")
    line = json.loads((ended := okx_rfq(*command(okx, *options), env=keys(okx.credentials))).stdout)

    assert (3, "canceled", "failed") == (ended.returncode, line["status"], line["quotes"]["status"])
    assert "quotes_after" in line


@pytest.mark.measured
def test_until_clear_begins_again(okx: Sandbox) -> None:
    """It starts again after the deadline."""
    okx.fault(CANCEL, *["50001"] * 2)
    ended = okx_rfq(*command(okx, "--deadline", "0", "--until-clear"), env=keys(okx.credentials))

    assert (0, []) == (ended.returncode, okx.rfqs("active"))
    assert 2 == ended.stderr.count("Starting again (--until-clear).")


@pytest.mark.measured
def test_until_clear_repeats_no_refusal(okx: Sandbox) -> None:
    """An error that retries cannot fix ends it."""
    env: dict[str, Any] = {**keys(okx.credentials), "OKX_API_SECRET": "not-the-secret"}

    assert 3 == okx_rfq(*command(okx, "--until-clear"), env=env).returncode


def test_named_rfqs_are_canceled_and_no_others(okx: Sandbox) -> None:
    """`cancel ID` cancels that one, and reads whether it worked."""
    other = okx.create_rfq()
    env = keys(okx.credentials)
    cancel = ("cancel", "--env", "sandbox", "--url", okx.url)
    ended = okx_rfq(*cancel, other["rfqId"], env=env)

    assert (0, 1) == (ended.returncode, len(okx.rfqs("active")))
    assert f"{other['rfqId']} is not active any more." in ended.stdout


def test_a_named_rfq_that_is_still_active_is_said(okx: Sandbox) -> None:
    """3 according to OKX's own list, or 4 if that cannot be read."""
    (mine,) = okx.rfqs("active")
    cancel = ("cancel", "--env", "sandbox", "--url", okx.url, "--deadline", "0", "--json", mine["rfqId"])
    okx.fault("rfq/cancel-batch-rfqs", "50001", "50001")
    still = okx_rfq(*cancel, env=keys(okx.credentials))
    okx.fault("rfq/rfqs", *["50001"] * 3)
    unknown = okx_rfq(*cancel, env=keys(okx.credentials))

    assert (3, [mine["rfqId"]]) == (still.returncode, json.loads(still.stdout)["left"])
    assert (4, None) == (unknown.returncode, json.loads(unknown.stdout)["left"])


@pytest.mark.measured
def test_named_rfqs_of_an_account_of_a_file(okx: Sandbox, tmp_path: Path) -> None:
    """Of one account, which must be named if the file has more."""
    names = 'api_key = "OKX_API_KEY"\napi_secret = "OKX_API_SECRET"\npassphrase = "OKX_PASSPHRASE"\n'
    file = tmp_path / "accounts.toml"
    file.write_text("".join(f'[{name}]\nenv = "sandbox"\nurl = "{okx.url}"\n{names}' for name in ("a", "b")))
    (mine,) = okx.rfqs("active")
    cancel = ("cancel", "--accounts", str(file), mine["rfqId"])
    unclear = okx_rfq(*cancel, env=keys(okx.credentials))
    ended = okx_rfq(*cancel, "--only", "b", env=keys(okx.credentials))

    assert (2, 0, []) == (unclear.returncode, ended.returncode, okx.rfqs("active"))
    assert "Name it with --only NAME." in unclear.stderr
