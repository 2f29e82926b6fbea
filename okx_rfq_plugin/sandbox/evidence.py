"""The evidence behind each row of the sandbox: OKX's docs, or a public record of what OKX answered."""

from __future__ import annotations

from typing import NamedTuple

DOCS = "2026-08"  # when the stored pages that the tables were checked against, word by word, were saved


class Documented(NamedTuple):
    """Stated by OKX's docs."""

    anchor: str  # in okx.com/docs-v5/en/
    date: str = DOCS  # of the stored page


class Seen(NamedTuple):
    """Seen in a public record of OKX's answers."""

    source: str
    year: str


Evidence = Documented | Seen


class Point(NamedTuple):
    """One behavior visible to clients, and the evidence for how the sandbox does it."""

    what: str
    documented: str  # "" if the docs are silent
    seen: str  # "" if no public record is known
    here: str
    switch: str = ""  # how to change the behavior


# Behaviors that are neither codes nor endpoints.
POINTS: tuple[Point, ...] = (
    Point(
        "Body of a refusal by the gateway (50011 and 501xx)",
        "Code and text; no body is shown.",
        '`{"msg":"...","code":"..."}`, compact, without `data`: ccxt#24601, knowm/XChange#4946, c9s/bbgo#1534 (2024).',
        "As seen. All of 501xx have this form here: inferred from 50101, 50102, 50110, 50111, 50113, 50119, 50120.",
        "`Fault(body=...)`",
    ),
    Point(
        "Body of a refusal by block trading",
        "`code`, `msg`, `data`, in the examples of successes.",
        "HTTP 200 with `data` []: a record of 2026.",
        "As seen; the order of the names is that of the docs' examples.",
    ),
    Point(
        "Body of a success",
        "An example per endpoint.",
        "No public record of one was found for block trading.",
        "As documented, written compactly.",
    ),
    Point(
        "Headers of a reply",
        "",
        "No public record was found.",
        "`Content-Type: application/json`, and what aiohttp adds.",
    ),
    Point(
        "Unknown route",
        "",
        "HTTP 404: a record of 2026, without the body.",
        "HTTP 404; the body is the sandbox's own, and says what the sandbox serves.",
        "`reply(path, json)`",
    ),
    Point(
        "A key that the host does not know",
        "50111 Invalid OK-ACCESS-KEY, and 50119 API key doesn't exist; not when which.",
        "50119 for the keys of another region's host and for deleted keys: freqtrade#9422 (2023), ccxt#24601 (2024), "
        "freqtrade#10967, #11405. 50111: pyted/okx#1 (2023); for what key is not recorded.",
        "50119 for a key with the form of OKX's (a UUID), 50111 for any other.",
    ),
    Point(
        "Which of two mistakes is named first",
        "",
        "A key is looked up before its IP list: the records of 50119, where the same key is 50110 on its own host.",
        "Empty headers, timestamp, key, environment, passphrase, signature, IP, permission. Only the place of the IP "
        "list is seen.",
    ),
    Point(
        "Hosts and regions",
        "openapi.okx.com for production and demo trading since 2026-05-27, www.okx.com before.",
        "my., app., eea., us. and tr.okx.com in use, each region with its own keys: the records of 50119 above.",
        "One sandbox is one host; two are two regions, for keys that `create_user(credentials=...)` gave to one.",
    ),
    Point(
        "70207, 70203, 70208: on top or in a row",
        "The code and its text; no example.",
        "No public record was found.",
        "On top.",
        "`Sandbox(refusals_in_rows=True)`: code 1, and the refusal in a row's `sCode` and `sMsg`",
    ),
    Point(
        "`flowType` in the rows of a maker",
        'Only for makers, "" for takers; no value is published.',
        "No public record was found.",
        'The word "sandbox", which is not one of OKX\'s.',
        '`Sandbox(maker_flow_type="")`, or any other word',
    ),
    Point(
        "Whether a refused request (50011) counts against the limit",
        "",
        "No public record was found.",
        "It does not.",
        "`Sandbox(rejections_count=True)`",
    ),
    Point(
        "Exactness of the limiter",
        "A number of requests per window.",
        "33 of 60 parallel requests passed a limit of 20 in 2 s: a record of 2026.",
        "Exact, in sliding windows.",
        "`Sandbox(exact_limits=False)`: lets 33 through where the limit is 20, and 3 where it is 2",
    ),
    Point(
        "Form of 50011",
        "HTTP 429 and HTTP 200.",
        'HTTP 429, "Too Many Requests", no `data`: c9s/bbgo#1534 (2024). In 2021 also "Requests too frequent." with an '
        "integer code, and plain text: ccxt#9612.",
        "As seen in 2024.",
        "`Fault(code=50011, status=200)`; `Fault(body=..., status=429)` for those of 2021",
    ),
    Point(
        "An account below the minimum for block trading",
        "70006 Does not meet the minimum asset requirement.",
        "counterparties, rfqs, quotes and trades answer 70006: the tests of the Node client okx-api.",
        "Served.",
        "`create_user(eligible=False)`: those four answer 70006, as seen, and so does what creates; cancels are served",
    ),
    Point(
        "An account in spot mode (`acctLv` 1)",
        "Block trading is not offered; no code is named.",
        "No public record was found.",
        "Served; `account/config` shows the mode.",
    ),
    Point(
        "Maintenance",
        "`system/status`; 50001 with HTTP 503.",
        "Demo trading: 50004 with HTTP 400, `data` [] and a trailing blank, then 50001 with a Chinese text: "
        "python-okx#2 (2023).",
        "As documented.",
        "`announce_maintenance()`, `Fault(code=50001)`, `Fault(body=...)`",
    ),
    Point(
        "What becomes of a quote when its RFQ ends, and of an RFQ that is executed",
        "The states' names; `filled` to one maker is `traded_away` to another.",
        "",
        "At once: a canceled RFQ's quotes are canceled, an expired one's expire, a filled one's others are canceled. "
        "`pending_fill` is never passed through.",
        "`set_state(id, state)`",
    ),
    Point(
        "A parameter that is missing or wrong, in what a bot reads at its start",
        "Which are required, and the texts of 50014, 50015, 50025 and 51000; not which mistake gets which.",
        "instruments without a type: 50014; of a type that is none: 51000; options without a family: 50015 "
        '"Either parameter uly or instFamily is required", HTTP 400; an id of another type: 51001. Tiers of swaps '
        'without a family: 50015, "instFamily or uly": quoted in others\' code and notes of 2026.',
        "As seen; what was not seen likewise.",
    ),
    Point(
        "Prices, candles, positions, orders",
        "Parameters and fields. Bars from 6H on open on UTC+8, with `utc` on UTC; not on which day a week opens.",
        "",
        "One price an instrument, which never moves, and no volume; no position and no order, ever. They are there so "
        "that a bot starts. Weeks open on Monday.",
        "`reply(path, json)`",
    ),
    Point(
        "Fees, `strategy` of public trades, balances, instruments",
        "The fields.",
        "BTC-USD options are of 0.01 BTC: others' code.",
        "Fees are 0 and `strategy` is empty; balances and the few instruments are the sandbox's own. An option on BTC "
        "is of 0.01 BTC, on ETH of 0.1 ETH; `instIdCode` is null, and `alias` empty, which OKX has deprecated.",
        "`create_user(balances=...)`, `reply(path, json)`",
    ),
    Point(
        "Group RFQs (`acctAlloc`)",
        "A master account spreads an RFQ over its sub-accounts.",
        "No public record was found.",
        "Refused by the sandbox with 70517: its users have no sub-accounts. `acctAlloc` is [] in trades.",
    ),
)
