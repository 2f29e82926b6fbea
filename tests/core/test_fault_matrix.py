"""Every row of the table, alone, in pairs and in triples, and the outcome of a cancel."""

from __future__ import annotations

import json
import math
import ssl
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import ccxt
import pytest
from support.fault_table import (
    AWAY,
    BUSY,
    BY_NAME,
    CCXT_S_OWN,
    CLOCK,
    DONE,
    DOUBT,
    EMPTY,
    FAULTS,
    GROUPS,
    NO,
    OTHER_CODES,
    PRINCIPAL,
    PUBLIC_TIME,
    TLS_FAULTS,
    Row,
    Unreached,
    predict,
)
from support.fault_tls import Tunnel, make_certificate
from support.fault_world import HOST, Venue, make_exchange, venue
from support.twins import Twin, VirtualClock

from okx_rfq_plugin import RetryPolicy

pytestmark = pytest.mark.exhaustive

PATIENT = 10.0  # seconds of the real clock that an attempt may take; nothing here comes close
SHORT = 0.2  # the same if the first row must run into it; later rows have twice as long
WINDOW = 2.0  # seconds in which OKX accepts two requests
DEADLINE = 8.0  # seconds of the virtual clock: five attempts fit, whatever they wait for
CANCELED = BY_NAME["canceled"]
COMPLAINT = BY_NAME["50102 (401)"]
REFUSAL = BY_NAME["50120 (200)"]
AFTER_TLS = [BY_NAME[name] for name in ("canceled", "50011 (200)", "50113 (401)", "reset")]
CLOCK_FAULTS = [row for row in FAULTS if not row.slow and not isinstance(row.step, Unreached)]
TWINS = ("sync", "async")


@pytest.fixture(name="okx")
def _okx(clock: VirtualClock) -> Iterator[Venue]:
    with venue(clock) as running:
        yield running


def outcome_of(twin: Twin, okx: Venue, rows: Sequence[Row], deadline: float = DEADLINE, **world: Any) -> Any:
    """Return the receipt or the exception of a cancel that meets these rows, the last of them forever."""
    okx.play(rows)
    okx.met.clear()
    timeout = SHORT if rows[0].slow else PATIENT
    policy = RetryPolicy(attempt_timeout=timeout, deadline=deadline)
    exchange = make_exchange(twin.module.okx, policy, okx.clock, **world)
    try:
        return twin.cancel(exchange)
    except ccxt.BaseError as error:
        return error


def check(rows: Sequence[Row], outcome: Any, okx: Venue) -> None:
    """Compare an outcome with the table."""
    __tracebackhide__ = True
    predicted = predict(rows)
    met = [meeting.row for meeting in okx.met]
    times = [meeting.at for meeting in okx.met if not isinstance(meeting.row.step, Unreached)]  # what OKX counts
    assert all(third - first >= WINDOW for first, third in zip(times, times[2:], strict=False))
    told = outcome if isinstance(outcome, dict) else vars(outcome.cancel_failure)
    # If the machine stalls for longer than a short timeout, one more attempt follows, which may reach no server.
    slow = rows[0].slow
    assert [row.name for row in rows[: len(met)]] == [row.name for row in met[: len(rows)]]
    assert len(met) == told["attempts"] or (slow and len(met) < told["attempts"])
    assert predicted.attempts in (None, len(met)) or (slow and predicted.attempts < len(met))
    if predicted.raises is None:
        assert predicted.status == told.get("status"), repr(outcome)
    else:
        assert predicted.doubt == told.get("may_be_canceled"), repr(outcome)
        expected = ccxt_s_own(predicted.raises) if predicted.raises.raises is CCXT_S_OWN else predicted.raises.raises
        assert isinstance(outcome, expected), repr(outcome)
        # A rejection's class is exact, because a handler for one family must not get another.
        assert predicted.raises.means != NO or type(outcome) is expected, repr(outcome)


def ccxt_s_own(row: Row) -> type:
    """Return the class that ccxt itself raises for the same reply."""
    assert isinstance(row.step.wire, bytes)
    head, _, body = row.step.wire.decode().partition("\r\n\r\n")
    bare = ccxt.okx()
    with pytest.raises(ccxt.BaseError) as raised:
        bare.handle_errors(int(head.split()[1]), "", "", "POST", {}, body, json.loads(body), {}, None)
    return raised.type


def named(*case: Any) -> Any:
    """Return a parameter for rows, named after them."""
    *_, rows = case
    names = " + ".join(row.name for row in rows)
    return pytest.param(*case, id="-".join([*case[:-1], names]))


OPEN = [name for name, rows in GROUPS.items() if not rows[0].ends]
QUICK = [name for name in GROUPS if not GROUPS[name][0].slow]


def pairs() -> Iterator[tuple[str, list[Row]]]:
    """Pair each group that may be retried with every group, often enough for each row to come second at least once."""
    turn = {name: cycle(rows) for name, rows in GROUPS.items()}
    for name in QUICK:
        second = cycle(GROUPS[name])
        firsts = [first for first in OPEN if possible(first, name)]
        for _ in range(math.ceil(len(GROUPS[name]) / (len(firsts) * len(TWINS)))):
            yield from ((twin, [next(turn[first]), next(second)]) for first in firsts for twin in TWINS)


def triples() -> Iterator[tuple[str, list[Row]]]:
    """Return triples in which any two groups meet in any two places."""
    turn = {name: cycle(rows) for name, rows in GROUPS.items()}
    twin = cycle(TWINS)
    between = [name for name in OPEN if name in QUICK]
    for i, first in enumerate(between):
        for k, third in enumerate(QUICK):
            second = between[(i + k) % len(between)]
            if possible(first, second) and possible(second, third):
                yield next(twin), [next(turn[first]), next(turn[second]), next(turn[third])]


def possible(first: str, second: str) -> bool:
    """Return whether one may follow the other: which connection fails is not reported if another comes in between."""
    return not (GROUPS[first][0].detour and isinstance(GROUPS[second][0].step, Unreached))


@pytest.mark.parametrize("rows", [named([row, CANCELED]) for row in PRINCIPAL])
def test_a_row_alone_comes_to_what_the_table_says(rows: list[Row], twin: Twin, okx: Venue) -> None:
    """Its class and its doubt if it is all there is; followed by a success, it is retried or not."""
    if not rows[0].ends and rows[0].means != CLOCK:
        check(rows[:1], outcome_of(twin, okx, rows[:1], deadline=0), okx)
        assert 1 == len(okx.met)

    check(rows, outcome_of(twin, okx, rows), okx)


@pytest.mark.parametrize(("twin", "row"), list(zip(cycle(TWINS), OTHER_CODES)), indirect=["twin"], ids=str)
def test_a_code_about_other_things_leaves_it_open(row: Row, twin: Twin, okx: Venue) -> None:
    """Text that is not about a cancel does not say what happened to one."""
    check([row], outcome_of(twin, okx, [row], deadline=1), okx)

    assert 2 <= len(okx.met)


@pytest.mark.parametrize(("twin", "rows"), [named(*case) for case in pairs()], indirect=["twin"])
def test_two_in_a_row_come_to_what_the_table_says(rows: list[Row], twin: Twin, okx: Venue) -> None:
    """An unexecuted or doubtful row, and then anything: forever, or until it ends the call."""
    check(rows, outcome_of(twin, okx, rows), okx)


@pytest.mark.parametrize(("twin", "rows"), [named(*case) for case in triples()], indirect=["twin"])
def test_three_in_a_row_come_to_what_the_table_says(rows: list[Row], twin: Twin, okx: Venue) -> None:
    """The same with one row in between."""
    check(rows, outcome_of(twin, okx, rows), okx)


@pytest.fixture(scope="session", name="certificate")
def _certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(HOST, tmp_path_factory.mktemp("tls") / "okx.pem")


@pytest.fixture(name="okx_over_tls")
def _okx_over_tls(
    okx: Venue, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Venue, ssl.SSLContext]]:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    stranger = make_certificate(HOST, tmp_path / "stranger.pem")
    with Tunnel(certificate, okx.port) as tunnel, Tunnel(stranger, okx.port) as another:
        okx.doors = {"": tunnel.port, "no TLS": okx.port, "a stranger": another.port}
        yield okx, ssl.create_default_context(cafile=certificate)


# asyncio of Python 3.10 warns about a transport that its peer reset: aiohttp has dropped it without closing it.
@pytest.mark.filterwarnings("ignore:unclosed transport <asyncio.sslproto:ResourceWarning")
@pytest.mark.parametrize("next_", [*AFTER_TLS, None], ids=str)
@pytest.mark.parametrize("fault", TLS_FAULTS, ids=str)
def test_a_failed_tls_leaves_no_doubt(
    fault: Row, next_: Row | None, twin: Twin, okx_over_tls: tuple[Venue, ssl.SSLContext]
) -> None:
    """No request gets through failing TLS; the next attempt may, unless the certificate is not trusted."""
    okx, trusts = okx_over_tls
    rows = [fault] if next_ is None else [fault, next_]

    check(rows, outcome_of(twin, okx, rows, trusts=trusts), okx)


@pytest.mark.parametrize(("twin", "row"), list(zip(cycle(TWINS), CLOCK_FAULTS)), indirect=["twin"], ids=str)
def test_okx_s_clock_may_fail_and_the_cancel_goes_on(row: Row, twin: Twin, okx: Venue) -> None:
    """The outcome of reading the time is no doubt about a cancel, and no rejection of one."""
    okx.script(row.step, path=PUBLIC_TIME)

    check([COMPLAINT, CANCELED], outcome_of(twin, okx, [COMPLAINT, CANCELED]), okx)
    check([COMPLAINT, REFUSAL], outcome_of(twin, okx, [COMPLAINT, REFUSAL]), okx)


def test_the_groups_hold_every_row() -> None:
    """No row, and no meaning, is forgotten when they are paired."""
    assert {BUSY, AWAY, DOUBT, CLOCK, DONE, EMPTY, NO} == {rows[0].means for rows in GROUPS.values()}
    assert {row.name for row in PRINCIPAL if not row.slow} == {rows[1].name for _, rows in pairs()}
