"""The command in real processes: on terminals, under signals, and with the sandbox in OKX's place."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.command import COMMAND, PATIENCE, environment, in_okxs_place, keys, okx_rfq, on_a_terminal, plain, started

from okx_rfq_plugin.sandbox import DROP, Fault, Sandbox

CANCEL = "rfq/cancel-all-rfqs"


@pytest.fixture
def okx() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def live(okx: Sandbox, tmp_path: Path) -> dict[str, str]:
    """An environment with a live key, and an active RFQ."""
    credentials = okx.create_user(demo=False)
    okx.create_rfq(credentials=credentials)
    return {**in_okxs_place(tmp_path, okx), **keys(credentials)}


def active(okx: Sandbox, env: dict[str, str]) -> int:
    return len(okx.rfqs("active", credentials={"apiKey": env["OKX_API_KEY"]}))


def cancels(okx: Sandbox) -> int:
    return sum(request.path.endswith(CANCEL) for request in okx.requests)


# Environments


def test_a_live_cancel_is_sent_with_yes(okx: Sandbox, live: dict[str, str]) -> None:
    """With --yes there is no question, and requests lack the header of demo trading."""
    ended = okx_rfq("cancel-all", "--env", "live", "--yes", "--json", env=live)

    assert (0, "") == (ended.returncode, ended.stderr)
    assert "canceled" == json.loads(ended.stdout)["status"]
    assert 0 == active(okx, live)
    assert "x-simulated-trading" not in okx.requests[-1].headers


def test_a_demo_cancel_is_not_asked_about(okx: Sandbox, tmp_path: Path) -> None:
    """Demo trading needs no question and no --yes; the host may come from OKX_EXCHANGE."""
    okx.create_rfq()
    place = in_okxs_place(tmp_path, okx, "https://eea.okx.com")
    ended = okx_rfq("cancel-all", "--env", "demo", env={**place, **keys(okx.credentials), "OKX_EXCHANGE": "myokx"})

    assert (0, "") == (ended.returncode, ended.stderr)
    assert ended.stdout.startswith("All active RFQs are canceled as of 20")
    assert [] == okx.rfqs("active")


def test_a_key_of_the_wrong_environment_cancels_nothing(okx: Sandbox, live: dict[str, str]) -> None:
    """Exit 3, and the last line says so."""
    ended = okx_rfq("cancel-all", "--env", "demo", env=live)

    assert 3 == ended.returncode
    assert "NOTHING WAS CANCELED" in ended.stderr.splitlines()[-1]
    assert "live or demo as set" in ended.stderr
    assert "" == ended.stdout
    assert 1 == active(okx, live)


def test_no_secret_is_ever_shown(okx: Sandbox, live: dict[str, str]) -> None:
    """Neither key, secret nor passphrase appears in any output, after success or failure."""
    echo = " ".join(live.values())
    okx.fault(CANCEL, Fault(body=json.dumps({"code": "50001", "msg": echo})), Fault(body=f"<p>{echo}</p>"))
    ended = okx_rfq("cancel-all", "--env", "live", "--yes", env=live)
    shown = ended.stdout + ended.stderr

    assert "Next attempt in" in ended.stderr
    assert not [name for name, value in live.items() if name.startswith("OKX_") and value in shown]


@pytest.mark.measured
def test_a_demo_key_in_live_trading_is_told_where_it_belongs(okx: Sandbox, tmp_path: Path) -> None:
    """`check` names the right environment."""
    ended = okx_rfq("check", "--env", "live", env={**in_okxs_place(tmp_path, okx), **keys(okx.credentials)})

    assert 1 == ended.returncode
    assert "WRONG   key: OKX answered 50101" in ended.stdout
    assert "The key is one for demo trading: use --env demo." in ended.stdout


# The question


@pytest.mark.measured
def test_yes_cancels(okx: Sandbox, live: dict[str, str]) -> None:
    """On a terminal it asks whose RFQs to cancel, and sends nothing before the answer."""
    with on_a_terminal("cancel-all", "--env", "live", env=live) as running:
        question = plain(running.until("[y/N]"))
        before = cancels(okx)
        running.type("y\n")
        code = running.end()

    assert (0, 0, 0) == (before, code, active(okx, live))
    assert "ALL RFQs of the live account behind key ..." in question
    assert "on www.okx.com (okx)" in question
    assert "All active RFQs are canceled as of" in plain(running.seen)


def test_what_was_typed_before_the_question_is_no_answer(okx: Sandbox, live: dict[str, str]) -> None:
    """Keys typed while it loads do not count as agreement."""
    with on_a_terminal("cancel-all", "--env", "live", env=live) as running:
        running.type("y\n")
        running.until("[y/N]")
        running.type("n\n")
        code = running.end()

    assert (3, 0, 1) == (code, cancels(okx), active(okx, live))


def test_no_cancels_nothing(okx: Sandbox, live: dict[str, str]) -> None:
    """Exit 3, nothing is sent, and it says so."""
    with on_a_terminal("cancel-all", "--env", "live", env=live) as running:
        running.until("[y/N]")
        running.type("n\n")
        code = running.end()

    assert (3, 0, 1) == (code, cancels(okx), active(okx, live))
    assert "NOTHING WAS CANCELED, nothing was sent: the answer was not yes." in plain(running.seen)


def test_ctrl_c_at_the_question_cancels_nothing(okx: Sandbox, live: dict[str, str]) -> None:
    """Exit 3: it was interrupted, and nothing was sent."""
    with on_a_terminal("cancel-all", "--env", "live", env=live) as running:
        running.until("[y/N]")
        running.interrupt()
        code = running.end()

    assert (3, 0, 1) == (code, cancels(okx), active(okx, live))
    assert "NOTHING WAS CANCELED, nothing was sent: it was interrupted." in plain(running.seen)


# Attempts and signals


def test_attempts_are_shown_as_they_happen(okx: Sandbox) -> None:
    """On a terminal, each unsuccessful attempt is shown, with OKX's words and the wait."""
    okx.fault(CANCEL, "50001")
    okx.create_rfq()
    with on_a_terminal("cancel-all", "--env", "sandbox", "--url", okx.url, env=keys(okx.credentials)) as running:
        running.until("Next attempt in")
        code = running.end()

    assert 0 == code
    assert "OKX answered 50001" in plain(running.seen)
    assert "(3 attempts, " in plain(running.seen)


@pytest.mark.parametrize(
    ("number", "faults", "code", "words"),
    [
        (signal.SIGINT, (DROP, PATIENCE), 4, "RFQs MAY STILL BE ACTIVE"),
        (signal.SIGTERM, ("50011",), 3, "NOTHING WAS CANCELED"),
    ],
    ids=["in doubt", "certainly not"],
)
def test_ctrl_c_says_what_is_true(
    number: signal.Signals, faults: tuple[Any, ...], code: int, words: str, okx: Sandbox
) -> None:
    """Interrupted while waiting for another attempt: 4 if one may have worked, else 3, and the last line says so."""
    okx.fault(CANCEL, *faults)
    okx.create_rfq()
    with on_a_terminal("cancel-all", "--env", "sandbox", "--url", okx.url, env=keys(okx.credentials)) as running:
        running.until("Next attempt in")
        running.interrupt(number)
        ended = running.end()

    assert code == ended
    assert words in plain(running.seen.strip().splitlines()[-1])
    assert "Traceback" not in running.seen
    assert 1 == len(okx.rfqs("active"))


@pytest.mark.measured
def test_an_interrupted_cancel_leaves_one_json_line(okx: Sandbox) -> None:
    """--json also says what is true after Ctrl+C in the middle of a request."""
    arrived = threading.Event()
    okx.fault(CANCEL, *[Fault(late=PATIENCE)] * 4)

    def arrive(request: Any) -> dict[str, Any]:
        arrived.set()
        return {}

    okx.reply(CANCEL, arrive)
    okx.create_rfq()
    with started("cancel-all", "--env", "sandbox", "--url", okx.url, "--json", env=keys(okx.credentials)) as process:
        assert arrived.wait(PATIENCE)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=PATIENCE)

    assert 4 == process.returncode
    assert ("failed", True) == tuple(json.loads(out)[name] for name in ("status", "may_be_canceled"))


# Terminals of all kinds


@pytest.mark.measured
def test_a_reader_who_has_gone_changes_nothing(okx: Sandbox) -> None:
    """If the pipe has no reader, the exit code is that of the cancel."""
    okx.create_rfq()
    with started("cancel-all", "--env", "sandbox", "--url", okx.url, "--json", env=keys(okx.credentials)) as process:
        process.stdout.close()
        complaints = process.stderr.read()
        code = process.wait(PATIENCE)

    assert (0, "") == (code, complaints)
    assert [] == okx.rfqs("active")


def test_a_stderr_that_nobody_reads_holds_up_no_cancel(okx: Sandbox) -> None:
    """If stderr is a full pipe, a cancel that has to retry still finishes, and says so."""
    okx.fault(CANCEL, "50001")
    okx.create_rfq()
    near, far = os.pipe()
    os.set_blocking(far, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(far, b" " * 4096)
    os.set_blocking(far, True)
    ended = subprocess.run(
        [*COMMAND, "cancel-all", "--env", "sandbox", "--url", okx.url],
        env=environment(**keys(okx.credentials)),
        stdout=subprocess.PIPE,
        stderr=far,
        timeout=PATIENCE,
        check=False,
    )
    os.close(near)
    os.close(far)

    assert 0 == ended.returncode
    assert b"(3 attempts, " in ended.stdout
    assert [] == okx.rfqs("active")


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "dumb"])
def test_no_colours_where_none_are_wanted(variables: dict[str, str]) -> None:
    """NO_COLOR and a dumb terminal get no color, neither in tables nor in the last line."""
    with on_a_terminal("cancel-all", "--env", "sandbox", env=variables) as running:
        code = running.end()

    assert 0 == code
    assert not re.search("\x1b\\[[34][0-9]", running.seen)
    assert "All active RFQs are canceled" in running.seen


def test_colours_where_they_are() -> None:
    """Otherwise the last line is green."""
    with on_a_terminal("cancel-all", "--env", "sandbox") as running:
        running.end()

    assert "\x1b[32m\x1b[1mAll active RFQs are canceled" in running.seen


def test_a_narrow_terminal_without_unicode_is_served() -> None:
    """Forty columns of ASCII lose nothing important."""
    ended = okx_rfq("cancel-all", "--env", "sandbox", env={"PYTHONIOENCODING": "ascii", "COLUMNS": "40"})

    assert (0, "") == (ended.returncode, ended.stderr)
    assert "All active RFQs are canceled" in ended.stdout.splitlines()[-1]
    assert 40 >= max(len(line) for line in ended.stdout.splitlines()[1:-1])
    assert ended.stdout.isascii()
