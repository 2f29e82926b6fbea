"""Secrets: key, secret, passphrase and signatures are in nothing that is logged, raised, shown or shipped."""

from __future__ import annotations

import asyncio
import importlib.metadata
import logging
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import ccxt
import pytest
import yaml
from click.testing import CliRunner

import okx_rfq_plugin
from okx_rfq_plugin import plugins, redaction
from okx_rfq_plugin.cli import okx_rfq
from okx_rfq_plugin.sandbox import DROP, Fault, Sandbox
from okx_rfq_plugin.testing import cassettes, recording
from okx_rfq_plugin.testing.clocks import VirtualClock
from okx_rfq_plugin.testing.handles import FixtureSandbox
from okx_rfq_plugin.testing.names import NAMES
from okx_rfq_plugin.testing.stage import Stage
from okx_rfq_plugin.testing.wire import opened

CCXT_LOGGER = logging.getLogger("ccxt.base.exchange")
CANCEL_ALL = "rfq/cancel-all-rfqs"
KEY, SECRET, PASSPHRASE = "Dummy-key-of-a-test", "Dummy-secret-of-a-test", "Dummy, 'passphrase' of a \"test\""
HEADERS = {
    "OK-ACCESS-KEY": KEY,
    "OK-ACCESS-PASSPHRASE": PASSPHRASE,
    "OK-ACCESS-SIGN": "ZHVtbXkgc2lnbmF0dXJl",
    "OK-ACCESS-TIMESTAMP": "2026-01-01T00:00:00.000Z",
    "Content-Type": "application/json",
}


@pytest.fixture
def unfiltered() -> Iterator[None]:
    """Remove the filter from ccxt's logger afterwards; otherwise it would stay for the whole process."""
    yield
    CCXT_LOGGER.removeFilter(redaction.hide)


@pytest.fixture
def redacted(unfiltered: None) -> None:
    okx_rfq_plugin.redact_ccxt_logs()


def logged(message: object, *args: object, caplog: pytest.LogCaptureFixture) -> str:
    """Return what ccxt's logger makes of a record."""
    with caplog.at_level(logging.DEBUG, CCXT_LOGGER.name):
        CCXT_LOGGER.debug(message, *args)
    return caplog.messages[-1]


# The filter for ccxt's own debug log


SHAPES: dict[str, tuple[Any, ...]] = {
    "as ccxt logs it": ("%s %s, Request: %s %s", "POST", "https://sandbox.invalid", HEADERS, None),
    "alone": ("%s", HEADERS),
    "the message itself": (HEADERS,),
    "by name": ("key %(OK-ACCESS-KEY)s", HEADERS),
    "inside of others": ("%s", [{"request": (HEADERS,)}]),
    "names in lower case": ("%s", {name.lower(): value for name, value in HEADERS.items()}),
    "a text": (str(HEADERS),),
    "a text among the arguments": ("Response: %s", repr(HEADERS)),
    "JSON": ("%s", '{"sent": {"OK-ACCESS-KEY":"Dummy-key-of-a-test", "OK-ACCESS-SIGN" : "ZHVtbXkgc2lnbmF0dXJl"}}'),
    "JSON in JSON": ("%s", r'{"msg": "{\"OK-ACCESS-KEY\": \"Dummy-key-of-a-test\"}"}'),
    "lines": ("%s", "\r\n".join(f"{name}: {value}" for name, value in HEADERS.items())),
}


@pytest.mark.usefixtures("redacted")
@pytest.mark.parametrize("shape", SHAPES)
def test_values_are_hidden_wherever_they_stand(shape: str, caplog: pytest.LogCaptureFixture) -> None:
    """In every form the names stay and the values are gone."""
    told = logged(*SHAPES[shape], caplog=caplog)

    assert "***" in told
    assert [] == [name for name, value in HEADERS.items() if name.startswith("OK-") and value in told]
    assert "Dummy" not in told


@pytest.mark.usefixtures("redacted")
def test_the_request_keeps_its_headers(caplog: pytest.LogCaptureFixture) -> None:
    """The log gets a copy: the headers about to be sent stay unchanged."""
    headers = dict(HEADERS)

    logged("%s", headers, caplog=caplog)

    assert headers == HEADERS


@pytest.mark.usefixtures("redacted")
@pytest.mark.parametrize(
    "text",
    ['Request header "OK-ACCESS-KEY" cannot be empty.', "Invalid OK-ACCESS-TIMESTAMP.", '{"code":"0","data":[]}', ""],
)
def test_what_is_no_secret_stays(text: str, caplog: pytest.LogCaptureFixture) -> None:
    """OKX's own texts that name the headers are logged unchanged; so is any other object."""
    thing = object()

    assert f"{text} 7 {thing}" == logged("%s %d %s", text, 7, thing, caplog=caplog)


@pytest.mark.usefixtures("redacted")
def test_a_record_that_cannot_be_searched_is_hidden_whole(caplog: pytest.LogCaptureFixture) -> None:
    """The filter never raises, which would stop ccxt's request, and lets nothing through unchecked."""
    endless: list[Any] = [KEY]
    endless.append(endless)

    told = logged("%s", endless, caplog=caplog)

    assert "hidden whole (RecursionError)" in told
    assert KEY not in told


@pytest.mark.usefixtures("redacted")
def test_filter_is_there_once_and_can_be_taken_off() -> None:
    """Asking twice is the same as once, and the documented way undoes it."""
    okx_rfq_plugin.redact_ccxt_logs()
    before = list(CCXT_LOGGER.filters)
    CCXT_LOGGER.removeFilter(redaction.hide)

    assert 1 == before.count(redaction.hide)
    assert redaction.hide not in CCXT_LOGGER.filters


class Quiet:
    """A twin's raw ccxt object on the sandbox, with everything it has signed, and what its calls raised."""

    def __init__(self, twin: Any, sandbox: Sandbox, **config: Any) -> None:
        made = sandbox.exchange(twin.module.okx)
        self.exchange = twin.module.okx({**sandbox.credentials, **config})
        self.exchange.headers, self.exchange.urls = made.headers, made.urls
        self.exchange.enableRateLimit = False
        self.signed: list[str] = []
        sign = self.exchange.sign

        def noted(*args: Any, **kwargs: Any) -> Any:
            request = sign(*args, **kwargs)
            self.signed.append((request["headers"] or {}).get("OK-ACCESS-SIGN") or "no signature")
            return request

        self.exchange.sign = noted


@pytest.mark.usefixtures("unfiltered")
@pytest.mark.parametrize("filtered", [True, False])
@pytest.mark.parametrize("own_logger", [True, False])
def test_raw_ccxt_at_debug_level(
    filtered: bool, own_logger: bool, twin: Any, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Raw ccxt logs key, signature and passphrase of each request; with the filter none, and requests are unchanged."""
    logger = logging.getLogger("a.desk") if own_logger else None
    raw = Quiet(twin, sandbox, **({"logger": logger} if own_logger else {}))
    if filtered:
        okx_rfq_plugin.redact_ccxt_logs(logger)
    sandbox.create_rfq()

    with caplog.at_level(logging.DEBUG):
        reply = twin.run(raw.exchange, raw.exchange.private_post_rfq_cancel_all_rfqs)
    if logger is not None:
        logger.removeFilter(redaction.hide)

    assert "0" == reply["code"]
    assert f"POST {sandbox.url}/api/v5/{CANCEL_ALL}, Request: " in caplog.text
    seen = [
        text
        for text in (sandbox.credentials["apiKey"], sandbox.credentials["password"], *raw.signed)
        if text in caplog.text
    ]
    assert ([] if filtered else [sandbox.credentials["apiKey"], sandbox.credentials["password"], *raw.signed]) == seen
    assert sandbox.credentials["secret"] not in caplog.text


# A whole cancel, at debug level


def everything_of(error: BaseException | None) -> Iterator[str]:
    """Yield everything that can be printed of an exception and its causes."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield from (str(error), repr(error), repr(error.args), repr(vars(error)), *traceback.format_exception(error))
        error = error.__cause__ or error.__context__


def lose_a_reply(sandbox: Sandbox) -> None:
    sandbox.fault(CANCEL_ALL, DROP, Fault(status=502, execute=True))


def be_busy(sandbox: Sandbox) -> None:
    sandbox.fault(CANCEL_ALL, "50011", "50001", 418, 503, "50102")


def be_unreadable(sandbox: Sandbox) -> None:
    sandbox.fault(CANCEL_ALL, "<html>", '{"code":', b"\xff\xfe", "[]")


def turn_round(sandbox: Sandbox) -> None:
    sandbox.fault(CANCEL_ALL, *[Fault(status=307, headers={"Location": f"/api/v5/{CANCEL_ALL}"})] * 50)


def reject(sandbox: Sandbox) -> None:
    sandbox.fault(CANCEL_ALL, "50120")


TROUBLES: list[Callable[[Sandbox], None]] = [lose_a_reply, be_busy, be_unreadable, turn_round, reject]


@pytest.mark.usefixtures("redacted")
@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.__name__)
def test_a_cancel_in_trouble_shows_no_secret(
    trouble: Callable[[Sandbox], None],
    twin: Any,
    sandbox: Sandbox,
    clock: Any,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """With every logger of the process at debug level, no log, output, exception or repr contains one."""
    raw = Quiet(twin, sandbox)
    exchange = okx_rfq_plugin.install(raw.exchange, policy=okx_rfq_plugin.RetryPolicy(deadline=5))
    exchange.milliseconds = lambda: int(clock.wall() * 1000)
    sandbox.create_rfq()
    trouble(sandbox)
    shown: list[Any] = [exchange, sandbox, okx_rfq_plugin.get_plugin_manager()]
    error = None

    with caplog.at_level(logging.DEBUG):
        try:
            shown.append(twin.cancel(exchange))
        except ccxt.BaseError as raised:
            error = raised

    formatter = logging.Formatter()
    told = [*map(repr, shown), *map(str, shown), *everything_of(error), *capfd.readouterr()]
    told += [formatter.format(record) + repr(record.args) for record in caplog.records]
    words = "\n".join([*told, repr(okx_rfq_plugin.ExchangeSnapshot.of(exchange)), repr(sandbox.requests)])
    secrets = [*sandbox.credentials.values(), *raw.signed]
    assert raw.signed
    assert {"okx_rfq_plugin", "ccxt.base.exchange"} <= {record.name for record in caplog.records}
    assert [] == [place for place, secret in enumerate(secrets) if secret in words]


@pytest.mark.usefixtures("redacted")
def test_recording_at_debug_level_shows_no_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """The log while a cassette is recorded, and the cassette itself, contain no secret."""
    situation = next(situation for situation in recording.SITUATIONS if situation.name == "rejected-signature")
    clock = VirtualClock()
    sandbox = FixtureSandbox(clock)

    with sandbox, caplog.at_level(logging.DEBUG), opened(Stage()) as stage:
        stage.clock, stage.sandbox = clock, sandbox
        exchange = sandbox.exchange(ccxt.okx)
        recording.record(situation, exchange, tmp_path / "made.yaml", stage, "sandbox")

    words = "".join([caplog.text, (tmp_path / "made.yaml").read_text(encoding="utf-8"), *capfd.readouterr()])
    assert "ccxt.base.exchange" in {record.name for record in caplog.records}
    assert [] == [name for name, secret in sandbox.credentials.items() if secret in words]


def test_asyncio_in_debug_mode_shows_no_secret(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """The debug mode of asyncio, which logs tasks and slow callbacks with their repr, shows no secret."""
    exchange = okx_rfq_plugin.install(sandbox.exchange(ccxt.async_support.okx))
    exchange.timeout_on_exit = 0

    async def cancel() -> None:
        asyncio.get_running_loop().slow_callback_duration = 0
        with suppress(ccxt.BaseError):
            await asyncio.gather(*(exchange.cancel_all_rfqs() for _ in range(3)))
        await exchange.close()

    with caplog.at_level(logging.DEBUG, "asyncio"):
        asyncio.run(cancel(), debug=True)

    assert "asyncio" in {record.name for record in caplog.records}
    own = [record.getMessage() for record in caplog.records if record.name != CCXT_LOGGER.name]
    assert [] == [name for name, secret in sandbox.credentials.items() if secret in "\n".join(own)]


# What is shipped, and what the command prints


# OKX's keys are UUIDs and its secrets 32 capital hex digits; a signature is 32 bytes in base64.
KEYS = re.compile(
    r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9A-F]{32}\b|(?<![\w+/])[\w+/]{43}=|-----BEGIN"
    r"|(?i:OK-ACCESS-\w+['\"]?: *['\"]?\w)"
)


def shipped() -> dict[str, Path]:
    """Return the files of the installed distribution: the wheel's, or if editable, those of the checkout."""
    package = Path(okx_rfq_plugin.__file__).parent
    files = {str(path): Path(str(path.locate())) for path in importlib.metadata.files("okx-rfq-plugin") or ()}
    files |= {str(path): path for path in package.rglob("*") if "__pycache__" not in path.parts}
    files |= {f"{name}.yaml": cassettes.find(name) for name in NAMES}
    return {name: path for name, path in files.items() if path.is_file() and path.suffix != ".pyc"}


def test_nothing_that_is_shipped_looks_like_a_secret() -> None:
    """No file of the wheel has anything in the form of an OKX key, secret or signature, or a signed header."""
    files = shipped()

    assert {"redaction.py", "canceled.yaml", "METADATA"} <= {path.name for path in files.values()}
    found = {name: KEYS.findall(path.read_text(encoding="utf-8")) for name, path in files.items()}
    assert {} == {name: keys for name, keys in found.items() if keys}


@pytest.mark.parametrize(
    "secret",
    [
        "0a1b2c3d-0000-1111-2222-0a1b2c3d4e5f",
        "0123456789ABCDEF0123456789ABCDEF",
        "ZHVtbXkgc2lnbmF0dXJlIG9mIGEgdGVzdCwgMzIgYnl=",
        "-----BEGIN PRIVATE KEY-----",
        "'OK-ACCESS-SIGN': 'x'",
        "OK-ACCESS-KEY: x",
    ],
)
def test_what_looks_like_a_secret_is_recognized(secret: str) -> None:
    """The search above finds what it must find."""
    assert KEYS.search(f"a: {secret}\n")


def test_cassettes_hold_no_header_of_a_request() -> None:
    """No interaction of any shipped cassette has request headers."""
    interactions = [
        interaction
        for name in NAMES
        for interaction in yaml.safe_load(cassettes.find(name).read_text(encoding="utf-8"))["interactions"]
    ]

    assert {()} == {tuple(interaction["request"]["headers"]) for interaction in interactions}


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_the_command_prints_no_secret(
    options: list[str], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], redacted: None
) -> None:
    """The command's output and log about the sandbox, as text and JSON, contain no part of its credentials."""
    with caplog.at_level(logging.DEBUG):
        shown = CliRunner().invoke(okx_rfq, ["cancel-all", "--env", "sandbox", *options])
    with Sandbox() as sandbox:
        credentials = sandbox.credentials

    words = "".join([shown.output, caplog.text, *capfd.readouterr()])
    assert 0 == shown.exit_code
    assert "canceled" in shown.output
    assert [] == [name for name, secret in credentials.items() if secret in words]


def test_security_md_names_what_a_user_can_call_and_set() -> None:
    """The document names the filter, the switch for third-party code, and this search, by their real names."""
    text = (Path(__file__).parent.parent / "SECURITY.md").read_text(encoding="utf-8")

    assert f"okx_rfq_plugin.{okx_rfq_plugin.redact_ccxt_logs.__name__}()" in text
    assert f"{plugins.NO_AUTOLOAD}=1" in text
    assert f"tests/{Path(__file__).name}" in text
