"""The cassettes: their heads, what they must not contain, how they replay, and how they are recorded."""

from __future__ import annotations

import re
import socketserver
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import ccxt
import ccxt.async_support
import pytest
import yaml
from support.twins import Twin

from okx_rfq_plugin.credentials import KEYS
from okx_rfq_plugin.sandbox import Sandbox
from okx_rfq_plugin.testing import Refused, cassettes, reading, recording, replay
from okx_rfq_plugin.testing.names import NAMES

CANCEL = "cancel_all_rfqs"
# Written by hand: the call, its final outcome or exception, OKX's code, the attempts, the waits.
OUTCOMES: dict[str, tuple[str, Any, str | None, int, list[float]]] = {
    "canceled": (CANCEL, "canceled", "0", 1, []),
    "nothing-active": (CANCEL, "nothing_active", "70207", 1, []),
    "rate-limited-then-canceled": (CANCEL, "canceled", "0", 2, [2.0]),
    "unavailable-then-canceled": (CANCEL, "canceled", "0", 2, [0.3]),
    "clock-skew-then-canceled": (CANCEL, "canceled", "0", 2, []),
    "unreadable-then-nothing-active": (CANCEL, "nothing_active", "70207", 2, [0.3]),
    "lost-then-nothing-active": (CANCEL, "nothing_active", "70207", 2, []),
    "timeout-then-canceled": (CANCEL, "canceled", "0", 2, []),
    "rejected-signature": (CANCEL, ccxt.AuthenticationError, "50113", 1, []),
    "rejected-permission": (CANCEL, ccxt.PermissionDenied, "50120", 1, []),
    "confirmed": (CANCEL, "canceled", "0", 2, []),
    "quotes-canceled": ("cancel_all_quotes", "canceled", "0", 1, []),
    "quotes-nothing-active": ("cancel_all_quotes", "nothing_active", "70409", 1, []),
    "quotes-countdown": ("cancel_all_quotes_after", None, None, 1, []),
    "open-rfqs": ("fetch_open_rfqs", None, None, 2, []),
}
ARGUMENTS: dict[str, dict[str, Any]] = {"confirmed": {"confirm": True}, "quotes-countdown": {"timeout": 30}}


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_names_are_the_promised_ones() -> None:
    """Exactly the situations of the contract."""
    assert list(OUTCOMES) == list(NAMES)


def replayed(name: str, twin: Twin) -> tuple[Any, list[float]]:
    with replay(name) as tape:
        exchange = tape.make_exchange(twin.module.okx)
        result = twin.run(exchange, lambda: getattr(exchange, OUTCOMES[name][0])(**ARGUMENTS.get(name, {})))
        return result, tape.waits


def test_a_cassette_replays_without_network_for_both_twins(name: str, twin: Twin) -> None:
    """Each cassette gives its outcome after its waits, and every interaction in it is requested."""
    _, expected, code, attempts, waits = OUTCOMES[name]

    if isinstance(expected, type):
        with pytest.raises(expected) as caught:
            replayed(name, twin)
        error: Any = caught.value
        failure = error.cancel_failure
        assert (expected, code, attempts) == (type(error), failure.code, failure.attempts)
    elif expected is None:
        result, waited = replayed(name, twin)
        assert {"1000000001", "1000000002"} == {rfq["id"] for rfq in result} if name == "open-rfqs" else result
        assert waits == waited
    else:
        receipt, waited = replayed(name, twin)
        assert (expected, attempts) == (receipt["status"], receipt["attempts"])
        assert waits == waited or name in ("timeout-then-canceled", "lost-then-nothing-active")


def test_a_timeout_takes_the_attempts_time(twin: Twin) -> None:
    """A replayed timeout is one for requests and for aiohttp, and takes three virtual seconds."""
    receipt, waits = replayed("timeout-then-canceled", twin)

    assert ("canceled", [3.0]) == (receipt["status"], waits)


def test_vcrpy_reads_each_cassette(name: str) -> None:
    """The files are vcrpy's: if nothing was lost, vcrpy replays them unchanged."""
    import requests
    import vcr

    path = cassettes.find(name)
    rows = yaml.safe_load(path.read_text(encoding="utf-8"))["interactions"]
    if any("failure" in row["response"] for row in rows):
        pytest.skip("vcrpy knows no lost reply")
    with vcr.use_cassette(str(path), record_mode="none", match_on=["method", "path"]) as cassette:
        for row in rows:
            requests.request(row["request"]["method"], row["request"]["uri"], timeout=1)

    assert cassette.all_played


def test_a_head_says_that_the_sandbox_answered(name: str) -> None:
    """The head says what answered, when, and with which ccxt; nothing suggests that OKX answered."""
    cassette = reading.read(cassettes.find(name))

    assert cassette.head["answered_by"] == "sandbox"
    assert "not OKX" in cassette.head["note"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", cassette.head["recorded"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", cassette.head["ccxt"])
    assert cassette.described == f"recorded {cassette.head['recorded']} from sandbox"


def test_no_cassette_holds_a_secret(name: str) -> None:
    """No request header, cookie, OK-ACCESS word, credential, signature or counterparty is in any file."""
    text = cassettes.find(name).read_text(encoding="utf-8")
    interactions = yaml.safe_load(text)["interactions"]
    with Sandbox() as sandbox:
        credentials = [*sandbox.credentials.values(), *sandbox.create_user().values()]

    assert [{}] * len(interactions) == [interaction["request"]["headers"] for interaction in interactions]
    assert re.findall(r"(?i)ok-access|set-cookie|[\w+/]{43}=|WAGMI|SANDBOX\d", text) == []
    assert [index for index, credential in enumerate(credentials) if credential in text] == []


def test_no_line_is_long(name: str) -> None:
    """A long body has one key per line."""
    assert max(map(len, cassettes.find(name).read_text(encoding="utf-8").splitlines())) < 140


def test_the_shipped_cassettes_are_what_the_recorder_makes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Recording from the sandbox again gives the same files, except for times and the head."""

    def comparable(path: Path) -> list[Any]:
        text = re.sub(r"(?<=\")\d{10}(\d{3})?(?=\")", "ts", path.read_text(encoding="utf-8"))
        text = re.sub(r"expire at \S+", "", text)
        interactions: list[Any] = yaml.safe_load(text)["interactions"]
        return interactions

    assert recording.main(["--into", str(tmp_path)]) == 0

    assert len(NAMES) == capsys.readouterr().out.count("recorded from sandbox")
    assert sorted(NAMES) == sorted(path.stem for path in tmp_path.iterdir())
    for each in NAMES:
        assert comparable(cassettes.find(each)) == comparable(tmp_path / f"{each}.yaml")


def test_find_names_what_there_is() -> None:
    """An unknown name is a LookupError that lists the known ones."""
    with pytest.raises(LookupError, match="no cassette 'cancelled'; it has: canceled, nothing-active"):
        cassettes.find("cancelled")


def test_replay_outside_of_pytest_refuses_what_is_not_there(twin: Twin) -> None:
    """An extra request is a BaseException at the request; an unused interaction is one at the end."""
    with pytest.raises(Refused, match="does not hold what was asked for") as caught, replay("canceled") as tape:  # noqa: PT012 - the end of the replay is part of it
        exchange = tape.make_exchange(twin.module.okx)
        twin.run(exchange, exchange.cancel_all_rfqs, exchange.cancel_all_rfqs)

    assert not isinstance(caught.value, Exception)
    assert ["/api/v5/rfq/cancel-all-rfqs"] == [request.path for request in tape.requests]
    with pytest.raises(Refused, match="holds what was never asked for"), replay("canceled"):
        pass


def test_replay_outside_of_pytest_does_not_forget_a_swallowed_miss() -> None:
    """It is raised again at the end; an error from the block becomes its cause."""

    def twice(exchange: Any) -> None:
        exchange.cancel_all_rfqs()
        with pytest.raises(Refused):
            exchange.cancel_all_rfqs()

    with pytest.raises(Refused, match="does not hold"), replay("canceled") as tape:
        twice(tape.make_exchange())


def test_replay_takes_a_path_and_says_what_it_does_not_take(tmp_path: Path) -> None:
    """A path or a name; anything else is an error that says so."""
    path = tmp_path / "mine.yaml"
    path.write_bytes(cassettes.find("nothing-active").read_bytes())
    with replay(path) as tape:
        assert "nothing_active" == tape.make_exchange().cancel_all_rfqs()["status"]
    with pytest.raises(LookupError, match="no cassette 'none'"), replay("none"):
        pass
    with pytest.raises(ValueError, match="match is one of 'body', 'path'"), replay("canceled", match="all"):  # type: ignore[arg-type]  # on purpose
        pass


def test_exchanges_of_your_own_replay_too() -> None:
    """An exchange created in any other way is also answered by the cassette, under any host name."""
    with replay("canceled"):
        exchange = ccxt.myokx({"apiKey": "aaaa", "secret": "bbbb", "password": "cccc", "hostname": "elsewhere.invalid"})
        assert "0" == exchange.private_post_rfq_cancel_all_rfqs()["code"]
        exchange.session.close()


# The recorder


def test_demo_recording_needs_keys(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without keys in the environment, --env demo is a usage error that names the variables."""
    for variable in KEYS.values():
        monkeypatch.delenv(variable, raising=False)

    with pytest.raises(SystemExit) as caught:
        recording.main(["--env", "demo"])

    assert caught.value.code == 2
    assert "OKX_API_KEY, OKX_API_SECRET, OKX_PASSPHRASE" in capsys.readouterr().err


def test_demo_recording_asks_only_what_okx_can_answer(
    tmp_path: Path,
    okx_itself: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    no_pause: None,
) -> None:
    """With keys it uses them, in demo mode, and skips what OKX cannot be made to do; the sandbox replaces OKX."""
    for name, variable in KEYS.items():
        monkeypatch.setenv(variable, okx_itself.credentials[name])

    assert recording.main(["--env", "demo", "--into", str(tmp_path)]) == 0

    out = capsys.readouterr().out
    possible = [situation.name for situation in recording.SITUATIONS if not situation.sandbox_only]
    assert len(possible) == out.count("recorded from okx-demo")
    assert len(NAMES) - len(possible) == out.count("OKX cannot be asked to answer so")
    assert reading.read(tmp_path / "canceled.yaml").head["answered_by"] == "okx-demo"


@pytest.mark.parametrize(("variable", "host"), [("HTTPS_PROXY", "www.okx.com"), ("ALL_PROXY", "my.okx.com")])
def test_demo_recording_goes_by_the_environments_proxy(
    variable: str, host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_pause: None
) -> None:
    """And by its host, as every verb does; the key may come from files, too. A proxy that refuses ends it."""
    for name in ("https_proxy", "all_proxy", "no_proxy", "OKX_EXCHANGE", "OKX_HOST", *KEYS.values()):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    (tmp_path / "key").write_text("dummy-key\n")
    for name in KEYS.values():
        monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "key"))
    asked = []

    class Refuses(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            """Record the request, and refuse it."""
            asked.append(self.rfile.readline().decode().rsplit(" ", 1)[0])
            self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with socketserver.TCPServer(("127.0.0.1", 0), Refuses) as proxy:
        threading.Thread(target=proxy.handle_request).start()
        monkeypatch.setenv("OKX_HOST", "" if host == "www.okx.com" else host)
        monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.server_address[1]}")

        with pytest.raises(ccxt.NetworkError):
            recording.main(["--env", "demo", "--into", str(tmp_path / "made")])

    assert [f"CONNECT {host}:443"] == asked


def test_a_file_of_a_demo_key_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is a usage error, without a traceback."""
    for name in KEYS.values():
        monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "none"))

    with pytest.raises(SystemExit):
        recording.main(["--env", "demo"])

    assert str(tmp_path / "none") in capsys.readouterr().err


@pytest.mark.measured
def test_the_recorder_is_a_command() -> None:
    """`python -m okx_rfq_plugin.testing.recording`, which `tox -e record` runs, lists its options."""
    shown = subprocess.run(
        [sys.executable, "-m", "okx_rfq_plugin.testing.recording", "--help"], capture_output=True, text=True, check=True
    )

    assert "{sandbox,demo}" in shown.stdout
