"""A framework's first requests: markets, balance, status, account; with raw ccxt objects of every kind."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Iterator
from typing import Any

import ccxt
import ccxt.async_support
import ccxt.pro
import pytest

from okx_rfq_plugin.sandbox import Sandbox

# From okx.com/docs-v5/en/#trading-account-rest-api-get-account-configuration
CONFIG = """
    uid mainUid acctLv acctStpMode posMode autoLoan greeksType feeType level levelTmp ctIsoMode mgnIsoMode
    spotOffsetType stgyType roleType traderInsts spotRoleType spotTraderInsts opAuth kycLv label ip perm liquidationGear
    enableSpotBorrow spotBorrowAutoRepay type settleCcy settleCcyList
"""
# From okx.com/docs-v5/en/#trading-account-rest-api-get-balance, the example
BALANCE = """
    adjEq availEq borrowFroz delta deltaLever deltaNeutralStatus details imr isoEq mgnRatio mmr notionalUsd
    notionalUsdForBorrow notionalUsdForFutures notionalUsdForOption notionalUsdForSwap ordFroz totalEq uTime upl
"""
DETAIL = """
    autoLendStatus autoLendMtAmt availBal availEq borrowFroz cashBal ccy crossLiab colRes collateralEnabled
    collateralRestrict colBorrAutoConversion disEq eq eqUsd smtSyncEq spotCopyTradingEq fixedBal frozenBal frpType imr
    interest isoEq isoLiab isoUpl liab maxLoan mgnRatio mmr notionalLever ordFrozen rewardBal spotInUseAmt
    clSpotInUseAmt maxSpotInUse spotIsoBal stgyEq twap uTime upl uplLiab spotBal openAvgPx accAvgPx spotUpl spotUplRatio
    totalPnl
    totalPnlRatio
"""
# From okx.com/docs-v5/en/#public-data-rest-api-get-instruments, the example and the table
INSTRUMENT = """
    alias auctionEndTime baseCcy category ctMult ctType ctVal ctValCcy contTdSwTime expTime futureSettlement groupId
    instFamily instId instType lever listTime lotSz maxIcebergSz maxLmtAmt maxLmtSz maxMktAmt maxMktSz maxStopSz
    maxTriggerSz maxTwapSz minSz optType openType preMktSwTime quoteCcy tradeQuoteCcyList settleCcy state ruleType stk
    tickSz uly instIdCode instCategory upcChg initPxLmtPct floatPxLmtPct maxPxLmtPct rpiMinLevel rpiMinPxBand seriesId
"""
# From okx.com/docs-v5/en/#status-get-status
STATUS = "begin end href preOpenBegin scheDesc serviceType state maintType env system title"
# From okx.com/docs-v5/en/#funding-account-rest-api-get-currencies
CURRENCY = """
    burningFeeRate canDep canInternal canWd ccy chain ctAddr depEstOpenTime depQuotaFixed depQuoteDailyLayer2 fee
    logoLink mainNet maxFee maxFeeForCtAddr maxWd minDep minDepArrivalConfirm minFee minFeeForCtAddr minInternal minWd
    minWdUnlockConfirm name needTag usedDepQuotaFixed usedWdQuota wdEstOpenTime wdQuota wdTickSz
"""
ENVIRONMENTS = pytest.mark.parametrize("demo", [True, False], ids=["demo", "live"])


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture(params=["sync", "async", "pro"])
def run(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Return a function that creates an exchange of one kind and calls one of its methods."""
    module = {"sync": ccxt, "async": ccxt.async_support, "pro": ccxt.pro}[request.param]
    loop = asyncio.new_event_loop()
    opened: list[Any] = []

    def make(sandbox: Sandbox, **keywords: Any) -> Any:
        exchange = sandbox.exchange(module.okx, **keywords)
        exchange.enableRateLimit = False
        opened.append(exchange)

        def call(name: str, *arguments: Any) -> Any:
            answer = getattr(exchange, name)(*arguments)
            return answer if request.param == "sync" else loop.run_until_complete(answer)

        return call

    yield make
    for exchange in opened:
        if request.param == "sync":
            exchange.session.close()
        else:
            exchange.timeout_on_exit = 0
            loop.run_until_complete(exchange.close())
    loop.close()


@ENVIRONMENTS
def test_a_framework_starts(sandbox: Sandbox, run: Any, demo: bool) -> None:
    """Markets of every kind, a balance, a status and an account, without further setup."""
    call = run(sandbox, credentials=sandbox.create_user(demo=demo, balances={"USDT": "250.5"}))

    markets = call("load_markets")
    balance, status = call("fetch_balance"), call("fetch_status")
    (account,) = call("fetch_accounts")

    assert {"spot", "swap", "future", "option"} == {market["type"] for market in markets.values()}
    assert {"BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC"} <= markets.keys()
    assert (250.5, 250.5) == (balance["USDT"]["free"], balance["total"]["USDT"])
    assert "ok" == status["status"]
    assert ("100002", "2") == (account["id"], account["type"])


def test_documented_fields(sandbox: Sandbox, exchange: Any) -> None:
    """Exactly the fields on OKX's page of the endpoint."""
    (config,) = exchange.private_get_account_config()["data"]
    (balance,) = exchange.private_get_account_balance()["data"]
    sandbox.announce_maintenance()
    (status,) = exchange.public_get_system_status()["data"]
    (instrument,) = exchange.public_get_public_instruments({"instType": "SPOT", "instId": "BTC-USDT"})["data"]
    (currency,) = exchange.private_get_asset_currencies({"ccy": "BTC"})["data"]

    assert set(CONFIG.split()) == config.keys()
    assert set(BALANCE.split()) == balance.keys()
    assert [set(DETAIL.split())] * 2 == [set(detail) for detail in balance["details"]]
    assert set(STATUS.split()) == status.keys()
    assert set(INSTRUMENT.split()) == instrument.keys()
    assert set(CURRENCY.split()) == currency.keys()


def test_balance_of_some_currencies(exchange: Any) -> None:
    """Those requested; the funding account is empty."""
    details = exchange.private_get_account_balance({"ccy": "BTC,ETH"})["data"][0]["details"]

    assert [("BTC", "10")] == [(detail["ccy"], detail["cashBal"]) for detail in details]
    assert {} == exchange.fetch_balance({"type": "funding"})["total"]


@pytest.mark.parametrize(
    ("params", "ids"),
    [
        ({"instType": "SPOT"}, ["BTC-USDT", "ETH-USDT"]),
        ({"instType": "SWAP", "instFamily": "BTC-USD"}, ["BTC-USD-SWAP"]),
        ({"instType": "SWAP", "uly": "BTC-USD"}, ["BTC-USD-SWAP"]),
        ({"instType": "MARGIN"}, []),
        ({"instType": "OPTION", "instFamily": "SOL-USD"}, []),
    ],
)
def test_instruments(exchange: Any, params: dict[str, str], ids: list[str]) -> None:
    """By type, family and id."""
    assert ids == [row["instId"] for row in exchange.public_get_public_instruments(params)["data"]]


@pytest.mark.parametrize(
    ("query", "status", "code", "text"),
    [
        ("", 400, "50014", "Parameter instType can not be empty."),
        ("instType=STOCKS", 400, "51000", "Parameter instType error"),
        ("instType=OPTION", 400, "50015", "Either parameter uly or instFamily is required"),
        ("instType=EVENTS", 400, "50014", "Parameter seriesId can not be empty."),
        (
            "instType=SWAP&instId=BTC-USDT",
            200,
            "51001",
            "Instrument ID, Instrument ID code, or Spread ID doesn't exist.",
        ),
    ],
)
def test_instruments_without_what_is_required(wire: Any, query: str, status: int, code: str, text: str) -> None:
    """A type, for options a family, for events a series, and an id of that type; with OKX's wording."""
    answered, body = wire.send("GET", f"public/instruments?{query}")

    assert (status, code, text) == (answered, body["code"], body["msg"])


def test_each_type_has_what_applies_to_it(exchange: Any) -> None:
    """OKX's table says for each field to which types it applies; for others it is empty."""
    queries = [{"instType": kind} for kind in ("SPOT", "SWAP", "FUTURES")]
    queries.append({"instType": "OPTION", "instFamily": "BTC-USD"})
    rows = [row for query in queries for row in exchange.public_get_public_instruments(query)["data"]]

    groups = {"SPOT": "12", "SWAP": "4", "FUTURES": "5", "OPTION": "1"}
    for row in rows:
        kind = row["instType"]
        assert groups[kind] == row["groupId"]
        assert (kind == "SPOT") == bool(row["baseCcy"] and row["quoteCcy"]) == (not row["settleCcy"])
        assert (kind == "SPOT") == (not (row["ctVal"] and row["ctMult"] and row["ctValCcy"] and row["uly"]))
        assert (kind in ("SWAP", "FUTURES")) == bool(row["lever"] and row["ctType"])
        assert (kind in ("FUTURES", "OPTION")) == bool(row["expTime"])
        assert (kind == "OPTION") == bool(row["stk"] and row["optType"]) == (not row["initPxLmtPct"])


def test_an_option_is_a_hundredth_of_a_bitcoin(exchange: Any) -> None:
    """As other people's code has OKX's."""
    markets = exchange.load_markets().values()

    assert {("BTC", "0.01"), ("ETH", "0.1")} == {
        (market["base"], market["info"]["ctMult"]) for market in markets if market["option"]
    }


def test_rfq_on_every_instrument(sandbox: Sandbox, exchange: Any) -> None:
    """Listed instruments can be traded in a block."""
    markets = exchange.load_markets()
    for market in markets.values():
        sandbox.create_rfq(legs=[{"instId": market["id"], "side": "buy", "sz": "1"}])

    assert len(markets) == len(sandbox.rfqs("active")) == 14


def test_futures_and_options_expire_on_a_friday(exchange: Any) -> None:
    """In four to five weeks, at 08:00 UTC."""
    for market in exchange.load_markets().values():
        if market["expiry"]:
            days = (market["expiry"] - exchange.milliseconds()) / 86_400_000
            assert 27 < days < 35
            assert exchange.iso8601(market["expiry"]).endswith("T08:00:00.000Z")


def test_maintenance(sandbox: Sandbox, exchange: Any) -> None:
    """An announcement is scheduled, ongoing and completed as time passes, or in the given state."""
    coming = sandbox.announce_maintenance(begins_in=60, lasts=600)
    sandbox.announce_maintenance(begins_in=-700, lasts=600)
    sandbox.announce_maintenance(begins_in=-1, service_type="5", title="Trading")
    sandbox.announce_maintenance(state="canceled")

    rows = exchange.public_get_system_status()["data"]

    assert [("6", "scheduled"), ("5", "ongoing")] == [(row["serviceType"], row["state"]) for row in rows]
    assert 600_000 == int(coming["end"]) - int(coming["begin"])
    assert {**coming, "state": "scheduled"} == rows[0]


@pytest.mark.parametrize(("state", "number"), [("completed", 1), ("canceled", 1), ("scheduled", 0)])
def test_maintenance_of_a_state(sandbox: Sandbox, exchange: Any, state: str, number: int) -> None:
    """The state can be filtered, as OKX documents it."""
    sandbox.announce_maintenance(begins_in=-700, lasts=600)
    sandbox.announce_maintenance(state="canceled")

    assert number == len(exchange.public_get_system_status({"state": state})["data"])


def test_maintenance_in_a_state_that_is_none(sandbox: Sandbox) -> None:
    """OKX has five."""
    with pytest.raises(ValueError, match="scheduled, ongoing"):
        sandbox.announce_maintenance(state="over")


# The object stays on the sandbox


def sandbox_mode(enabled: bool) -> Any:
    return lambda exchange: exchange.set_sandbox_mode(enabled)


def hostname(exchange: Any) -> None:
    exchange.hostname = "www.okx.com"


def test_address(exchange: Any) -> None:
    exchange.urls["test"] = {"rest": "https://www.okx.com", "ws": "wss://wspap.okx.com:8443/ws/v5"}


def inner_test_address(exchange: Any) -> None:
    exchange.urls["test"]["rest"] = "https://www.okx.com"


def all_addresses(exchange: Any) -> None:
    exchange.urls["api"] = {"rest": "https://{hostname}", "ws": "wss://ws.okx.com:8443/ws/v5"}


on, off = sandbox_mode(True), sandbox_mode(False)
test_address.__test__ = False  # type: ignore[attr-defined]
CHANGES = [
    [on],
    [off],
    [off, on],
    [on, on, off, off],
    [hostname],
    [hostname, off, on],
    [test_address, on],
    [test_address, off, on],
    [inner_test_address, off],
    [off, inner_test_address, on],
    [off, test_address, on, off],
    [all_addresses],
    [all_addresses, hostname, off, on],
]


EVERYTHING = [change for changes in CHANGES for change in changes]
CASES = [
    *((cls, changes, demo) for cls in (ccxt.okx, ccxt.pro.okx) for changes in CHANGES for demo in (True, False)),
    *((cls, EVERYTHING, True) for cls in (ccxt.myokx, ccxt.okxus, ccxt.async_support.okx, ccxt.async_support.okxus)),
]


@pytest.mark.parametrize(("cls", "changes", "demo"), CASES)
def test_it_stays_on_the_sandbox(sandbox: Sandbox, cls: Any, changes: list[Any], demo: bool) -> None:
    """Whatever is set on it; including its WebSockets."""
    exchange = sandbox.exchange(cls, credentials=sandbox.create_user(demo=demo))

    for change in changes:
        change(exchange)
        for made in (exchange, pickle.loads(pickle.dumps(exchange.urls)), copy.deepcopy(exchange.urls)):  # noqa: S301
            urls = made if isinstance(made, dict) else made.urls
            assert {sandbox.url, sandbox.url.replace("http", "ws") + "/ws/v5"} >= set(urls["api"].values())
    assert exchange.sign("public/time", ["public"])["url"] == f"{sandbox.url}/api/v5/public/time"


def test_set_sandbox_mode_chooses_the_environment(sandbox: Sandbox) -> None:
    """A live key works after demo trading is switched off, and not before."""
    live = sandbox.create_user(demo=False)
    exchange = sandbox.exchange(credentials=live)
    exchange.set_sandbox_mode(True)

    with pytest.raises(ccxt.AuthenticationError, match="50101"):
        exchange.private_get_account_config()
    exchange.set_sandbox_mode(False)

    assert "100002" == exchange.private_get_account_config()["data"][0]["uid"]


def test_an_address_inside_of_the_api_addresses_is_taken(sandbox: Sandbox) -> None:
    """A test can move an object deliberately."""
    exchange = sandbox.exchange()
    exchange.urls["api"]["rest"] = "http://127.0.0.1:9"

    assert exchange.sign("public/time", ["public"])["url"] == "http://127.0.0.1:9/api/v5/public/time"
    assert "sandbox" not in exchange.urls["www"]
