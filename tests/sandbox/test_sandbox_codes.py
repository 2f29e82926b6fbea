"""OKX's codes, published and seen, written down independently, and what a client gets for each."""

from __future__ import annotations

from typing import Any

import pytest

from okx_rfq_plugin.sandbox import Sandbox

# HTTP status, codes: from okx.com/docs-v5/en/#error-code-rest-api and the block-trading page; except 50119
# and 50120, which are published with 200 and were seen with 401.
PUBLISHED = {
    200: "0 1 2 50007 50008 50009 50010 50012 50017 50018 50019 50020 50021 50022 50023 50024 50025 50027 50028 50029 "
    "50030 50038 50040 50041 50046 50051 50052 50059 50060 50061 50062 50118 50121 "
    "70000 70001 70002 70003 70004 70005 70006 70015 70100 70101 70102 70103 70107 70200 70203 70207 70208 "
    "70301 70303 70306 70308 70309 70400 70408 70409 70517",
    400: "50000 50002 50004 50006 50014 50015 50016 50100 51000",
    401: "50101 50102 50103 50104 50105 50106 50107 50108 50109 50110 50111 50112 50113 50114 50119 50120",
    403: "50035",
    405: "50115",
    410: "50005",
    429: "50011 50013",
    500: "50026",
    503: "50001",
}
GATEWAY = {"50011", *map(str, range(50100, 50122))}  # refuses without `data`
ROWS = [(code, status) for status, codes in PUBLISHED.items() for code in codes.split()]


@pytest.mark.parametrize(("code", "status"), ROWS)
def test_code_comes_with_its_published_status(sandbox: Sandbox, wire: Any, code: str, status: int) -> None:
    """Every code is answered with the HTTP status that OKX publishes, and all but 0 with a text."""
    sandbox.fault("rfq/rfqs", code)

    answered, body = wire.send("GET", "rfq/rfqs")

    assert (status, code) == (answered, body["code"])
    assert (["msg", "code"] if code in GATEWAY else ["code", "data", "msg"]) == [*body]
    assert (code == "0") == (body["msg"] == "")


def test_code_that_is_listed_nowhere(sandbox: Sandbox, wire: Any) -> None:
    """An unknown code is sent unchanged, with HTTP 200."""
    sandbox.fault("rfq/rfqs", "98765")

    status, body = wire.send("GET", "rfq/rfqs")

    assert (200, "98765", "Code 98765 is listed nowhere in the sandbox.") == (status, body["code"], body["msg"])


def test_place_without_a_value(sandbox: Sandbox, wire: Any) -> None:
    """A code that names a parameter, without a value for it, shows the placeholder as OKX's page does."""
    sandbox.fault("rfq/rfqs", "50014")

    assert "Parameter {param0} can not be empty." == wire.send("GET", "rfq/rfqs")[1]["msg"]
