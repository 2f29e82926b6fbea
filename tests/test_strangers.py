"""A day at the sandbox, written from OKX's pages, and run by clients that are unrelated to it.

Raw ccxt, sync and async, and python-okx, with only the base address changed. Where the pages are silent, the step
says so, and what the sandbox does there is in a comment or docstring.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import ccxt
import ccxt.async_support
import pytest
from okx.BlockTrading import BlockTradingAPI
from okx.PublicData import PublicAPI

from okx_rfq_plugin.sandbox import Sandbox

pytestmark = [
    # From python-okx: its fourth argument, datetime.utcnow, and how it passes its body to httpx.
    pytest.mark.filterwarnings("ignore:use_server_time parameter is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings(r"ignore:datetime\.datetime\.utcnow:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),
]

Call = Callable[[str, dict[str, Any]], dict[str, Any]]


class Clock:
    """Stands still until a step moves it; starts early enough for a day of steps to stay within OKX's 30 s."""

    def __init__(self) -> None:
        self.now = time.time() - 28

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True, kw_only=True)
class Step:
    """A request, and what OKX documents for it.

    `rfqIds` in `params` are given as `@name`, by the `clRfqId` that an RFQ was created with. Of the reply: its `code`,
    the `clRfqId` of its rows in their order, and their `sCode`; None where nothing is said about it here. `wait` is in
    seconds, before the first of `times` requests that all get the same.
    """

    path: str
    params: dict[str, Any]
    code: str = "0"
    names: str | None = None
    s_codes: str | None = None
    times: int = 1
    wait: float = 0.0


def create(name: str, code: str = "0") -> Step:
    leg = {"instId": "BTC-USD-261225-100000-C", "side": "buy", "sz": "25"}  # only options: active for ten minutes
    return Step(
        path="create-rfq",
        params={"counterparties": ["WAGMI"], "clRfqId": name, "legs": [leg]},
        code=code,
        names=name if code == "0" else "",
    )


def listed(names: str, code: str = "0", wait: float = 0.0, **params: str) -> Step:
    return Step(path="rfqs", params=params, code=code, names=names, wait=wait)


TOO_MANY = "50011"

MORNING = [
    # Source: #block-trading-rest-api-get-rfqs; created ones and received ones, here none of either.
    listed(""),
    # Source: #error-code-rest-api-block-trading-and-spread-orderbook; no RFQ is active. Whether 70207 comes on top or
    # in a row the pages do not say.
    Step(path="cancel-all-rfqs", params={}, code="70207"),
    # Source: #block-trading-rest-api-create-rfq; five in two seconds.
    *map(create, ["a", "b", "c", "d", "e"]),
    create("f", TOO_MANY),
    # The window is over two seconds later; that it slides the pages do not say.
    replace(create("f"), wait=2.0),
    create("g"),
    # A name is used once.
    create("g", "70101"),
]
NOON = [
    # Source: #block-trading-rest-api-get-rfqs; two in two seconds. `endId` leads to older ones, `beginId` to newer, and
    # neither is included. That the newest come first the pages do not say.
    listed("g f", wait=2.0, limit="2"),
    listed("e d c", endId="@f", limit="3"),
    listed("", TOO_MANY, endId="@c"),
    listed("b a", wait=2.0, endId="@c", limit="3"),
    listed("g f", beginId="@e"),
    listed("c", wait=2.0, rfqId="@c"),
    listed("d", clRfqId="d", state="active"),
]
AFTERNOON = [
    # Source: #block-trading-rest-api-cancel-rfq; by either name, and `rfqId` wins. How a failure looks the pages do not
    # show: it has the form that they show for several.
    Step(path="cancel-rfq", params={"rfqId": "@a"}, names="a", s_codes="0"),
    Step(path="cancel-rfq", params={"clRfqId": "b"}, names="b", s_codes="0"),
    Step(path="cancel-rfq", params={"rfqId": "@c", "clRfqId": "d"}, names="c", s_codes="0"),
    Step(path="cancel-rfq", params={"rfqId": "@a"}, code="1", names="a", s_codes="70200"),
    Step(path="cancel-rfq", params={"clRfqId": "nobody"}, code="1", names="nobody", s_codes="70000"),
    Step(path="cancel-rfq", params={"clRfqId": "d"}, code=TOO_MANY, names=""),
    # Source: #block-trading-rest-api-cancel-multiple-rfqs; code 0 for all, 2 for some, 1 for none; two in two seconds.
    Step(path="cancel-batch-rfqs", params={"rfqIds": ["@d", "@e"]}, names="d e", s_codes="0 0"),
    Step(path="cancel-batch-rfqs", params={"clRfqIds": ["e", "f"]}, code="2", names="e f", s_codes="70200 0"),
    Step(path="cancel-batch-rfqs", params={"rfqIds": ["@g"]}, code=TOO_MANY, names=""),
    Step(path="cancel-batch-rfqs", params={"rfqIds": ["@d"]}, code="1", names="d", s_codes="70200", wait=2.0),
    # At most 100; which code says so the pages do not say.
    Step(path="cancel-batch-rfqs", params={"clRfqIds": ["x"] * 101}, code="70203", names=""),
    listed("f e d c b a", state="canceled"),
    listed("g", state="active"),
]
EVENING = [
    replace(create("h"), wait=2.0),
    create("i"),
    # Source: #block-trading-rest-api-cancel-all-rfqs; two in two seconds. The reply holds the time alone.
    Step(path="cancel-all-rfqs", params={}),
    Step(path="cancel-all-rfqs", params={}, code="70207"),
    Step(path="cancel-all-rfqs", params={}, code=TOO_MANY, names=""),
    listed("", state="active"),
    listed("i h g f e d c b a"),
    # Source: #block-trading-rest-api-get-counterparties; five in two seconds.
    Step(path="counterparties", params={}, times=5),
    Step(path="counterparties", params={}, code=TOO_MANY, names=""),
    # Source: #public-data-rest-api-get-system-time; ten in two seconds, of one IP.
    Step(path="time", params={}, times=10),
    Step(path="time", params={}, code=TOO_MANY, names=""),
]
DAY = {"morning": MORNING, "noon": NOON, "afternoon": AFTERNOON, "evening": EVENING}

# What is wrong, OKX's code for it, and ccxt's class.
# Source: #error-code-rest-api; which of two mistakes is named first the pages do not say, so there is one at a time.
WRONG: dict[str, tuple[dict[str, str], str, type[ccxt.BaseError]]] = {
    "key": ({"apiKey": "nobody"}, "50111", ccxt.AuthenticationError),
    "secret": ({"secret": "wrong"}, "50113", ccxt.AuthenticationError),
    "passphrase": ({"password": "wrong"}, "50105", ccxt.AuthenticationError),
    "world": ({"world": "live"}, "50101", ccxt.AuthenticationError),
}


def by_ccxt(exchange: Any, run: Callable[[Any], Any]) -> Call:
    """Call ccxt's implicit methods; their exceptions contain OKX's reply."""
    exchange.enableRateLimit = False
    verbs = {"rfqs": "private_get", "counterparties": "private_get", "time": "public_get"}

    def call(path: str, params: dict[str, Any]) -> dict[str, Any]:
        place = "public" if path == "time" else "rfq"
        method = f"{verbs.get(path, 'private_post')}_{place}_{path.replace('-', '_')}"
        try:
            reply: dict[str, Any] = run(getattr(exchange, method)(params))
        except ccxt.BaseError as error:
            reply = {**json.loads(str(error).removeprefix("okx ")), "raised": type(error)}
        return reply

    return call


def ccxt_sync(sandbox: Sandbox, key: dict[str, str], live: bool) -> Iterator[Call]:
    exchange = ccxt.okx(key)
    exchange.set_sandbox_mode(not live)
    exchange.urls["api"]["rest"] = sandbox.url
    yield by_ccxt(exchange, lambda reply: reply)
    exchange.session.close()


def ccxt_async(sandbox: Sandbox, key: dict[str, str], live: bool) -> Iterator[Call]:
    exchange = ccxt.async_support.okx(key)
    exchange.set_sandbox_mode(not live)
    exchange.urls["api"]["rest"] = sandbox.url
    exchange.timeout_on_exit = 0
    loop = asyncio.new_event_loop()
    yield by_ccxt(exchange, loop.run_until_complete)
    loop.run_until_complete(exchange.close())
    loop.close()


def python_okx(sandbox: Sandbox, key: dict[str, str], live: bool) -> Iterator[Call]:
    account = (key["apiKey"], key["secret"], key["password"], False, "0" if live else "1")
    methods = {"rfqs": "get_rfqs", "time": "get_system_time"}
    with BlockTradingAPI(*account, domain=sandbox.url) as desk, PublicAPI(*account, domain=sandbox.url) as public:

        def call(path: str, params: dict[str, Any]) -> dict[str, Any]:
            client = public if path == "time" else desk
            reply: dict[str, Any] = getattr(client, methods.get(path, path.replace("-", "_")))(**params)
            return reply

        yield call


Stranger = Callable[[Sandbox, dict[str, str], bool], Iterator[Call]]
STRANGERS: list[Stranger] = [ccxt_sync, ccxt_async, python_okx]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=STRANGERS, ids=lambda stranger: stranger.__name__)
def meet(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[Callable[..., Call]]:
    """Return a function that creates one of the clients, with the sandbox's key except for what is changed."""
    met: list[Iterator[Call]] = []

    def make(world: str = "demo", **changed: str) -> Call:
        met.append(request.param(sandbox, {**sandbox.credentials, **changed}, world == "live"))
        return next(met[-1])

    yield make
    for stranger in met:
        assert next(stranger, None) is None


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[Sandbox]:
    with Sandbox(clock=clock) as running:
        yield running


def named(params: dict[str, Any], ids: dict[str, str]) -> dict[str, Any]:
    """Replace `@name` with ids."""
    plain = json.dumps(params)
    for name, rfq_id in ids.items():
        plain = plain.replace(f'"@{name}"', f'"{rfq_id}"')
    filled: dict[str, Any] = json.loads(plain)
    return filled


def outcome(step: Step, reply: dict[str, Any]) -> Step:
    """Return the step's actual outcome, for comparison with the expected one."""
    rows = reply.get("data", [])  # a refusal of the gateway has none
    return replace(
        step,
        code=reply["code"],
        names=None if step.names is None else " ".join(row["clRfqId"] for row in rows),
        s_codes=None if step.s_codes is None else " ".join(row["sCode"] for row in rows),
    )


def test_a_day_goes_as_documented(meet: Callable[..., Call], sandbox: Sandbox, clock: Clock) -> None:
    """Create, list with paging, cancel one, some and all, and run into each limit: each reply is the documented one."""
    call = meet()
    ids: dict[str, str] = {}
    for part, steps in DAY.items():
        for number, step in enumerate(steps, 1):
            clock.now += step.wait
            for _ in range(step.times):
                reply = call(step.path, named(step.params, ids))

                assert (part, number, step) == (part, number, outcome(step, reply))
            if step.path == "create-rfq" and reply["code"] == "0":
                ids[step.params["clRfqId"]] = reply["data"][0]["rfqId"]

    assert 9 == len(ids) == len(sandbox.rfqs("canceled"))


def test_eighty_rfqs_are_what_half_a_day_allows(meet: Callable[..., Call], sandbox: Sandbox, clock: Clock) -> None:
    """The eighty-first in twelve hours is refused, however slowly they come; cancel-all does not count for that limit.

    Source: #block-trading-rest-api-create-rfq
    """
    call = meet()
    codes = []
    for number in range(81):
        clock.now += 0.4  # five in two seconds, and not one more
        codes.append(call("create-rfq", create(f"n{number}").params)["code"])

    assert ["0"] * 80 + [TOO_MANY] == codes
    assert "0" == call("cancel-all-rfqs", {})["code"]
    assert 80 == len(sandbox.rfqs("canceled"))


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_gets_its_code(wrong: str, meet: Callable[..., Call], sandbox: Sandbox) -> None:
    """A wrong key, secret, passphrase or environment gets OKX's code, for reads and cancels; nothing is canceled."""
    changed, code, raises = WRONG[wrong]
    sandbox.create_rfq()
    call = meet(**changed)

    replies = [call("rfqs", {}), call("cancel-all-rfqs", {})]

    assert [code, code] == [reply["code"] for reply in replies]
    assert {raises} >= {reply["raised"] for reply in replies if "raised" in reply}
    assert 1 == len(sandbox.rfqs("active"))


@pytest.mark.parametrize("off", [-31, 31])
def test_a_wrong_clock_gets_50102(off: int, meet: Callable[..., Call], sandbox: Sandbox, clock: Clock) -> None:
    """A client over 30 seconds off, in either direction, gets 50102; the time is public all the same.

    Source: #overview-rest-authentication
    """
    sandbox.create_rfq()
    call = meet()
    clock.now = time.time() + off

    reply = call("cancel-all-rfqs", {})

    assert "50102" == reply["code"]
    assert ccxt.InvalidNonce is reply.get("raised", ccxt.InvalidNonce)
    assert str(int(clock.now * 1000)) == call("time", {})["data"][0]["ts"]
    assert 1 == len(sandbox.rfqs("active"))
