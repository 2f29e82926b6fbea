"""The cassettes: what they say of themselves, what is not in them, and that both twins replay them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import ccxt
import pytest
import yaml

import okx_rfq_plugin
from okx_rfq_plugin.sandbox import Sandbox
from okx_rfq_plugin.testing import cassettes, recording

# Written down by hand: the status or class in the end, OKX's code, the number of attempts.
OUTCOMES: dict[str, tuple[Any, str, int]] = {
    "canceled": ("canceled", "0", 1),
    "nothing-active": ("nothing_active", "70207", 1),
    "rate-limited-then-canceled": ("canceled", "0", 2),
    "unavailable-then-canceled": ("canceled", "0", 2),
    "clock-skew-then-canceled": ("canceled", "0", 2),
    "unreadable-then-nothing-active": ("nothing_active", "70207", 2),
    "rejected-signature": (ccxt.AuthenticationError, "50113", 1),
    "rejected-permission": (ccxt.PermissionDenied, "50120", 1),
}
DUMMIES = {"apiKey": "dummy-key", "secret": "dummy-secret", "password": "dummy-passphrase"}


@pytest.fixture(params=cassettes.NAMES)
def name(request: pytest.FixtureRequest) -> Iterator[str]:
    return request.param


def test_the_names_are_the_promised_ones() -> None:
    """The eight situations of the contract are there, and no others."""
    assert list(OUTCOMES) == list(cassettes.NAMES)


def test_a_cassette_replays_without_network_for_both_twins(name: str, twin: Any) -> None:
    """Each cassette gives its outcome, and every interaction in it is asked for."""
    expected, code, attempts = OUTCOMES[name]
    exchange = okx_rfq_plugin.install(twin.module.okx(dict(DUMMIES)))
    exchange.set_sandbox_mode(True)
    with cassettes.make_vcr().use_cassette(str(cassettes.find(name))) as cassette:
        if isinstance(expected, str):
            receipt = twin.cancel(exchange)
        else:
            with pytest.raises(expected) as caught:
                twin.cancel(exchange)

    assert cassette.all_played
    if isinstance(expected, str):
        assert (expected, code, attempts) == (receipt["status"], receipt["info"]["code"], receipt["attempts"])
    else:
        failure = caught.value.cancel_failure
        assert (expected, code, attempts) == (type(caught.value), failure.code, failure.attempts)


def test_a_request_that_a_cassette_does_not_hold_passes_through_as_it_is(twin: Any) -> None:
    """A cassette miss is raised at once, by vcrpy's own class, never retried; a note says what it stopped."""
    from vcr.errors import CannotOverwriteExistingCassetteException

    exchange = okx_rfq_plugin.install(twin.module.okx(dict(DUMMIES)))
    with (
        cassettes.make_vcr().use_cassette(str(cassettes.find("canceled"))),
        pytest.raises(CannotOverwriteExistingCassetteException) as caught,
    ):
        twin.run(exchange, exchange.cancel_all_rfqs, exchange.cancel_all_rfqs)

    assert caught.value.cancel_failure.attempts == 1
    assert "RFQs MAY STILL BE ACTIVE" in caught.value.__notes__[-1]
    assert "CannotOverwriteExistingCassetteException" in caught.value.__notes__[-1]


def test_a_head_says_that_the_sandbox_answered(name: str) -> None:
    """The head names who answered, when, with which ccxt; nothing reads as if OKX had answered."""
    head = cassettes.read_head(cassettes.find(name))

    assert head["answered_by"] == "sandbox"
    assert "not OKX" in head["note"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", head["recorded"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", head["ccxt"])


def test_no_cassette_holds_a_secret(name: str) -> None:
    """No request header, cookie, OK-ACCESS word, credential or signature is in any file."""
    text = cassettes.find(name).read_text(encoding="utf-8")
    interactions = yaml.safe_load(text)["interactions"]
    with Sandbox() as sandbox:
        credentials = [*sandbox.credentials.values(), *sandbox.create_user().values()]

    assert [{}] * len(interactions) == [interaction["request"]["headers"] for interaction in interactions]
    assert re.findall(r"(?i)ok-access|set-cookie|[\w+/]{43}=", text) == []
    assert [index for index, credential in enumerate(credentials) if credential in text] == []


def test_the_shipped_cassettes_are_what_the_recorder_makes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Recording from the sandbox again gives the same files, but for times and the head."""

    def comparable(path: Path) -> list[Any]:
        text = re.sub(r'\\?"ts\\?":\\?"\d{13}', "ts", path.read_text(encoding="utf-8"))
        interactions: list[Any] = yaml.safe_load(text)["interactions"]
        return interactions

    assert recording.main(["--into", str(tmp_path)]) == 0

    assert capsys.readouterr().out.count("recorded from sandbox") == 8
    for name in cassettes.NAMES:
        assert comparable(cassettes.find(name)) == comparable(tmp_path / f"{name}.yaml")


def test_find_names_what_there_is() -> None:
    """An unknown name is a LookupError that lists the known ones."""
    with pytest.raises(LookupError, match="no cassette 'cancelled'; it has: canceled, nothing-active"):
        cassettes.find("cancelled")


def test_a_secret_in_a_reply_is_not_kept(tmp_path: Path, sandbox: Sandbox) -> None:
    """Where a server echoes the key, the cassette is not kept, and the error does not show it."""
    situation = recording.Situation("canceled")
    exchange = sandbox.exchange(ccxt.okx)
    sandbox.fault("rfq/cancel-all-rfqs", f'{{"code":"50113","msg":"{sandbox.credentials["apiKey"]}"}}')

    with pytest.raises(RuntimeError, match=r"a secret would have stood in x\.yaml") as caught:
        recording.record(situation, exchange, tmp_path / "x.yaml", "sandbox")

    assert list(tmp_path.iterdir()) == []
    assert sandbox.credentials["apiKey"] not in str(caught.value)


def test_ids_are_scrubbed(tmp_path: Path, sandbox: Sandbox) -> None:
    """Ids and names of people in a reply do not reach the file; the rest does."""
    sandbox.create_rfq(clRfqId="mine")
    path = tmp_path / "list.yaml"
    exchange = sandbox.exchange(ccxt.okx)
    vcr = cassettes.make_vcr({"answered_by": "sandbox"}, api=sandbox.url)
    with closing(exchange.session), vcr.use_cassette(str(path)):
        exchange.private_get_rfq_rfqs()
    row = yaml.safe_load(
        yaml.safe_load(path.read_text(encoding="utf-8"))["interactions"][0]["response"]["body"]["string"]
    )

    assert {"scrubbed"} == {row["data"][0][key] for key in ("rfqId", "clRfqId", "traderCode", "counterparties")}
    assert row["data"][0]["state"] == "active"


def test_demo_recording_needs_keys(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without keys in the environment --env demo is a usage error that names the variables."""
    for variable in recording.KEYS.values():
        monkeypatch.delenv(variable, raising=False)

    with pytest.raises(SystemExit) as caught:
        recording.main(["--env", "demo"])

    assert caught.value.code == 2
    assert "OKX_API_KEY, OKX_API_SECRET, OKX_PASSPHRASE" in capsys.readouterr().err


def test_demo_recording_asks_only_what_okx_can_answer(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With keys it uses them, in demo mode, and leaves out what OKX cannot be brought to; the sandbox stands in."""
    made: list[Any] = []

    def okx(config: dict[str, str]) -> Any:
        exchange = sandbox.exchange(ccxt.okx.__mro__[0], credentials=config)
        monkeypatch.setattr(exchange, "set_sandbox_mode", lambda on: made.append((exchange, on)))
        return exchange

    real, stand_in = ccxt.okx, okx
    monkeypatch.setattr(okx, "__mro__", (real,), raising=False)
    for name, variable in recording.KEYS.items():
        monkeypatch.setenv(variable, sandbox.credentials[name])
    monkeypatch.setattr(ccxt, "okx", stand_in)

    assert recording.main(["--env", "demo", "--into", str(tmp_path)]) == 0

    out = capsys.readouterr().out
    assert 5 == out.count("recorded from okx-demo") == len(made)
    assert out.count("OKX cannot be asked to answer so") == 3
    assert {True} == {on for _, on in made}
    assert cassettes.read_head(tmp_path / "canceled.yaml")["answered_by"] == "okx-demo"


def test_the_recorder_is_a_command() -> None:
    """`python -m okx_rfq_plugin.testing.recording`, which `tox -e record` runs, says what it takes."""
    shown = subprocess.run(
        [sys.executable, "-m", "okx_rfq_plugin.testing.recording", "--help"], capture_output=True, text=True, check=True
    )

    assert "{sandbox,demo}" in shown.stdout
