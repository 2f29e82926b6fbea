"""Every code that OKX publishes in the classes relevant to a block trader, and what a cancel makes of it.

Written down from OKX's pages as stored in July 2026, and not from the package: okx.com/docs-v5/en/#error-code-rest-api
(general class, API class, and the sub-account part of the account class, 595xx and 596xx) and
#error-code-rest-api-block-trading-and-spread-orderbook.
"""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from okx_rfq_plugin._core.endpoints import CANCEL_ALL_QUOTES, CANCEL_ALL_RFQS
from okx_rfq_plugin._core.verdict import Meaning, Reply, classify

GENERAL = [
    *("0", "1", "2", "50000", "50001", "50002", *map(str, range(50004, 50031)), "50032", "50033"),
    *map(str, [*range(50035, 50043), *range(50044, 50054), *range(50055, 50065)]),
    *("50067", "50069", "50071", "50072", "50075", "50076", "50077"),
]
API = list(map(str, [*range(50100, 50117), *range(50118, 50123)]))
SUB_ACCOUNT = list(
    map(
        str,
        [
            *(59500, 59501, 59502, 59503, 59504, 59505, 59506, 59507, 59508, 59509, 59510, 59512, 59515, 59516, 59517),
            *(*range(59518, 59530), 59550, 59601, 59603, 59604, 59606, *range(59608, 59620), 59622, 59623),
            *(*range(59648, 59653), 59658, 59659, 59660, 59661, 59662, 59664, 59665, 59666, *range(59668, 59677)),
            *(59678, 59679, 59683, 59684, 59686, 59689, 59691, 59692, 59693),
        ],
    )
)
BLOCK_TRADING = list(
    map(
        str,
        [
            *(*range(70000, 70017), 70060, 70061, 70062, 70064, 70065, 70066, 70067),
            *(70100, 70101, 70102, 70103, 70105, 70106, 70107, 70108, 70109, 70200, 70203, 70207, 70208),
            *(70301, *range(70303, 70311), 70400, 70408, 70409, *range(70501, 70512), *range(70514, 70519)),
            *(75001, 75002, 75003, *range(56000, 56009)),
        ],
    )
)
PUBLISHED = [*GENERAL, *API, *SUB_ACCOUNT, *BLOCK_TRADING]

AUTH, DENIED, SUSPENDED, OTHER = (
    ccxt.AuthenticationError,
    ccxt.PermissionDenied,
    ccxt.AccountSuspended,
    ccxt.ExchangeError,
)

# The meaning of each code that can answer cancel-all-rfqs, and what a caller catches if ccxt has no class for it.
REACHING: list[tuple[Meaning, type[ccxt.BaseError], str]] = [
    (Meaning.NOTHING_ACTIVE, OTHER, "70207"),
    (Meaning.RATE_LIMITED, ccxt.RateLimitExceeded, "50011 50040 50061"),
    (Meaning.UNAVAILABLE, ccxt.ExchangeNotAvailable, "50005 50046 50062 70208"),
    (Meaning.UNAVAILABLE, ccxt.ExchangeNotAvailable, "50017 50018 50019 50020 50021 50022 50023"),
    # OKX says that it is unavailable or busy, but not that nothing was executed.
    (Meaning.UNKNOWN, ccxt.ExchangeNotAvailable, "50001 50013"),
    (Meaning.UNKNOWN, ccxt.BadResponse, "50004 50026"),
    (Meaning.UNKNOWN, ccxt.BadResponse, "0 1 2"),  # without the rows that OKX documents
    (Meaning.CLOCK, ccxt.InvalidNonce, "50102"),
    (Meaning.REJECTED, AUTH, "50100 50101 50103 50104 50105 50106 50107 50111 50112 50113 50114 50119 59506"),
    (Meaning.REJECTED, DENIED, "50027 50030 50032 50033 50035 50038 50041 50051 50052 50053 50059 50060 50067 50075"),
    (Meaning.REJECTED, DENIED, "50110 50118 50120 50121 70015"),
    (Meaning.REJECTED, DENIED, "59500 59515 59516 59517 59550 59604 59608 59611 59613 59614 59619"),
    (Meaning.REJECTED, SUSPENDED, "50007 50009 50012 50029 59508 59519"),
    (Meaning.REJECTED, OTHER, "50000 50002 50006 50008 50010 50014 50015 50016 50024 50025 50028 50044"),
    (Meaning.REJECTED, OTHER, "50108 50109 50115 59510 59610 70000 70001 70002 70003 70004 70005 70006 70008"),
    (Meaning.REJECTED, OTHER, "70200 70203 70409 70511"),
]

# Why a code cannot answer cancel-all-rfqs. If one does anyway, the outcome is unknown: a doubt.
ELSEWHERE: list[tuple[str, str]] = [
    ("answers requests with an `expTime`, which the cancel does not send", "50036 50037"),
    ("answers requests that page through a list", "50039 50047"),
    ("says that the same request came before, and not what became of that one", "50042"),
    ("answers the position builder and the position tiers", "50045 50048 50049 50069"),
    ("answers the switch of options trading, or of an account's mode or strategy", "50050 50072"),
    ("answers the reset of demo assets", "50055 50056 50057 50058"),
    ("answers loans and credits", "50063 50064"),
    ("answers requests that name something new, and the cancel names nothing", "50071"),
    ("answers requests with a begin and an end", "50076 50077"),
    ("answers the creation of API keys", "50116 59501 59502 59503 59505"),
    ("answers orders", "50122"),
    ("answers withdrawals and transfers between accounts", "59504 59507 59512 59522 59692 59693"),
    ("answers the reset of market maker protection", "59509"),
    ("answers the creation and the deletion of sub-accounts", "59518 59601 59603 59606 59617 59618 59622 59623"),
    ("answers the choice of the delta neutral strategy", "59520 59521 59523 59524 59525 59526 59527 59528 59529"),
    ("answers brokers who register", "59609"),
    ("answers requests with dates", "59612 59615 59616"),
    (
        "answers the settings of risk offset, collateral, borrowing and fees",
        "59648 59649 59650 59651 59652 59658 59659",
    ),
    (
        "answers the settings of risk offset, collateral, borrowing and fees",
        "59660 59661 59662 59664 59665 59666 59683",
    ),
    ("answers the settings of risk offset, collateral, borrowing and fees", "59678 59679 59684 59686"),
    ("answers the setting of leverage", "59668 59669 59670"),
    ("answers auto-earn", "59671 59672 59673 59674 59675 59676"),
    ("answers conversions and demo balances", "59689 59691"),
    ("answers makers' settings and requests for trades", "70007 70009 70010 70011 70012 70013 70014 70016"),
    ("answers the move of positions", "70060 70061 70062 70064 70065 70066 70067"),
    ("answers create-rfq", "70100 70101 70102 70103 70105 70106 70107 70108 70109 70510 70514 70515 70516 70517 70518"),
    ("answers create-quote", "70301 70303 70304 70305 70306 70307 70308 70309 70310"),
    ("answers the cancel of quotes", "70400 70408"),
    ("answers execute-quote", "70501 70502 70503 70504 70505 70506 70507 70508 70509"),
    ("answers spread trading", "75001 75002 75003"),
    (
        "answers block trades that both parties report, by `clBlockTdId`",
        "56000 56001 56002 56003 56004 56005 56006 56007 56008",
    ),
]

MEANT = [(code, meaning, raises) for meaning, raises, codes in REACHING for code in codes.split()]
MEANT_ELSEWHERE = [code for _, codes in ELSEWHERE for code in codes.split()]


def verdict_on(code: str, endpoint: Any = CANCEL_ALL_RFQS) -> Any:
    return classify(endpoint, Reply(200, {"code": code, "data": [], "msg": "x"}), ccxt.ExchangeError("okx"))


def test_every_published_code_is_here_once() -> None:
    """No code is missing, none is judged twice, and none is invented."""
    judged = [code for code, _, _ in MEANT] + MEANT_ELSEWHERE

    assert sorted(set(PUBLISHED)) == sorted(judged)


@pytest.mark.parametrize(("code", "meaning", "raises"), MEANT)
def test_a_code_that_can_answer_a_cancel(code: str, meaning: Meaning, raises: type[ccxt.BaseError]) -> None:
    """It means what OKX's text says; if that does not say that nothing was executed, it is a doubt."""
    verdict = verdict_on(code)

    assert (meaning, raises, code) == (verdict.meaning, verdict.raises, verdict.code)


@pytest.mark.parametrize("code", MEANT_ELSEWHERE)
def test_a_code_that_cannot_answer_a_cancel(code: str) -> None:
    """It is a doubt, and never counts as a success or as a refusal of the cancel."""
    assert Meaning.UNKNOWN is verdict_on(code).meaning


@pytest.mark.parametrize(("code", "meaning"), [("70409", Meaning.NOTHING_ACTIVE), ("70408", Meaning.REJECTED)])
def test_a_code_that_answers_the_cancel_of_quotes(code: str, meaning: Meaning) -> None:
    """A quote's own code means for quotes what its counterpart means for RFQs."""
    assert meaning is verdict_on(code, CANCEL_ALL_QUOTES).meaning


@pytest.mark.parametrize(("code", "raises"), [("50001", ccxt.OnMaintenance), ("50013", ccxt.ExchangeNotAvailable)])
def test_a_doubt_keeps_the_class_of_ccxt(code: str, raises: type[ccxt.BaseError]) -> None:
    """A strategy's handlers for maintenance and busy systems still work."""
    verdict = classify(CANCEL_ALL_RFQS, Reply(503, {"code": code, "data": []}), raises("okx"))

    assert (Meaning.UNKNOWN, raises) == (verdict.meaning, verdict.raises)
