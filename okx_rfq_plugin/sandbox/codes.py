"""Holds the codes that OKX publishes, each with its HTTP status and text, and makes replies of them.

Source: okx.com/docs-v5/en/#error-code-rest-api and #error-code-rest-api-block-trading-and-spread-orderbook, July 2026.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

# Code, HTTP status, text. Where OKX lists a code twice, the first row is the one that the sandbox answers by itself.
ROWS: tuple[tuple[str, int, str], ...] = (
    ("0", 200, ""),
    ("1", 200, "Operation failed."),
    ("2", 200, "Bulk operation partially succeeded."),
    ("50000", 400, "Body for POST request cannot be empty."),
    ("50001", 503, "Service temporarily unavailable. Please try again later."),
    ("50002", 400, "JSON syntax error"),
    (
        "50004",
        400,
        "API endpoint request timeout. (does not mean that the request was successful or failed, "
        "please check the request result).",
    ),
    ("50005", 410, "API endpoint is inactive or unavailable."),
    ("50006", 400, 'Invalid Content-Type. Please use "application/JSON".'),
    ("50007", 200, "User blocked."),
    ("50008", 200, "User doesn't exist."),
    ("50009", 200, "Account is frozen due to stop-out."),
    ("50010", 200, "User ID cannot be empty."),
    ("50011", 429, "Too Many Requests"),
    ("50011", 200, "Rate limit reached. Please refer to API documentation and throttle requests accordingly."),
    ("50012", 200, "Account status invalid. Check account status"),
    ("50013", 429, "Systems are busy. Please try again later."),
    ("50014", 400, "Parameter {param0} can not be empty."),
    ("50015", 400, "Either parameter {param0} or {param1} is required"),
    ("50016", 400, "Parameter {param0} does not match parameter {param1}"),
    (
        "50017",
        200,
        "Position frozen and related operations restricted due to auto-deleveraging (ADL). Please try again later.",
    ),
    ("50018", 200, "Currency {param0} is frozen due to ADL. Operation restricted."),
    (
        "50019",
        200,
        "Account frozen and related operations restricted due to auto-deleveraging (ADL). Please try again later.",
    ),
    (
        "50020",
        200,
        "Position frozen and related operations restricted due to forced liquidation. Please try again later.",
    ),
    ("50021", 200, "Currency {param0} is frozen due to liquidation. Operation restricted."),
    (
        "50022",
        200,
        "Account frozen and related operations restricted due to forced liquidation. Please try again later.",
    ),
    ("50023", 200, "Funding fees frozen and related operations are restricted. Please try again later."),
    ("50024", 200, "Parameter {param0} and {param1} can not exist at the same time."),
    ("50025", 200, "Parameter {param0} count exceeds the limit {param1}."),
    ("50026", 500, "System error. Try again later"),
    ("50027", 200, "This account is restricted from trading. Please contact customer support for assistance."),
    ("50028", 200, "Unable to place the order. Please contact the customer service for details."),
    (
        "50029",
        200,
        "Your account has triggered OKX risk control and is temporarily restricted from conducting transactions. "
        "Please check your email registered with OKX for contact from our customer support team.",
    ),
    ("50030", 200, "You don't have permission to use this API endpoint"),
    ("50035", 403, "This endpoint requires that APIKey must be bound to IP"),
    ("50038", 200, "This feature is unavailable in demo trading"),
    ("50040", 200, "Too frequent operations, please try again later"),
    ("50041", 200, "Your user ID hasn’t been allowlisted. Please contact customer service for assistance."),
    (
        "50046",
        200,
        "This feature is temporarily unavailable while we make some improvements to it. Please try again later.",
    ),
    ("50051", 200, "Due to compliance restrictions in your country or region, you cannot use this feature."),
    ("50052", 200, "Due to local laws and regulations, you cannot trade with your chosen crypto."),
    (
        "50059",
        200,
        "Before you continue, you'll need to complete additional steps as required by your local regulators. "
        "Please visit the website or app for more details.",
    ),
    (
        "50060",
        200,
        "For security and compliance purposes, please complete the identity verification process "
        "to continue using our services.",
    ),
    ("50061", 200, "You've reached the maximum order rate limit for this account."),
    ("50062", 200, "This feature is currently unavailable."),
    ("50100", 400, "API frozen, please contact customer service."),
    ("50101", 401, "APIKey does not match current environment."),
    ("50102", 401, "Timestamp request expired."),
    ("50103", 401, 'Request header "OK-ACCESS-KEY" cannot be empty.'),
    ("50104", 401, 'Request header "OK-ACCESS-PASSPHRASE" cannot be empty.'),
    ("50105", 401, 'Request header "OK-ACCESS-PASSPHRASE" incorrect.'),
    ("50106", 401, 'Request header "OK-ACCESS-SIGN" cannot be empty.'),
    ("50107", 401, 'Request header "OK-ACCESS-TIMESTAMP" cannot be empty.'),
    ("50108", 401, "Exchange ID does not exist."),
    ("50109", 401, "Exchange domain does not exist."),
    ("50110", 401, "Your IP {param0} is not included in your API key's IP whitelist."),
    ("50111", 401, "Invalid OK-ACCESS-KEY."),
    ("50112", 401, "Invalid OK-ACCESS-TIMESTAMP."),
    ("50113", 401, "Invalid signature."),
    ("50114", 401, "Invalid authorization."),
    ("50115", 405, "Invalid request method."),
    ("50118", 200, "To link the app using your API key, your broker needs to share their IP to be whitelisted"),
    ("50119", 200, "API key doesn't exist"),
    ("50120", 200, "This API key doesn't have permission to use this function"),
    ("50121", 200, "You can't access our services through the IP address ({param0})"),
    ("51000", 400, "Parameter {param0} error"),
    ("70000", 200, "RFQ does not exist."),
    ("70001", 200, "Quote does not exist."),
    ("70002", 200, "Block trade does not exist."),
    ("70003", 200, "Public block trade does not exist."),
    ("70004", 200, "Invalid instrument {instId}"),
    ("70005", 200, "The number of legs in RFQ cannot exceed maximum value."),
    ("70006", 200, "Does not meet the minimum asset requirement."),
    ("70015", 200, "In order to trade this product, you need to complete advanced verification"),
    ("70100", 200, "Duplicate instruments in legs array."),
    ("70101", 200, "Duplicate clRfqId"),
    ("70102", 200, "No counterparties specified"),
    ("70103", 200, "Invalid counterparty"),
    ("70107", 200, "The number of counterparties cannot exceed maximum value."),
    ("70200", 200, "The RFQ with {rfqState} status cannot be canceled"),
    ("70203", 200, "Cancellation failed as rfq count exceeds the limit {rfqLimit}."),
    ("70207", 200, "Cancellation failed as you do not have any active RFQs."),
    ("70208", 200, "Cancellation failed as service is unavailable now, please try again later."),
    ("70301", 200, "Duplicate clQuoteId."),
    ("70303", 200, "The RFQ with {rfqState} status cannot be quoted."),
    ("70306", 200, "The legs of quote do not match the legs of {rfqId}"),
    ("70308", 200, "Quote to your own RFQ is not allowed."),
    ("70309", 200, "Quote to the same RFQ with the same side is not allowed."),
    ("70400", 200, "The Quote with {quoteState} status cannot be canceled"),
    ("70408", 200, "Cancellation failed as quote count exceeds the limit {quoteLimit}."),
    ("70409", 200, "Cancellation failed as you do not have any active Quotes."),
    ("70517", 200, "{param0} doesn't exist or you don’t have permission to create group RFQ for it."),
)


@dataclass(frozen=True)
class Reply:
    """What OKX sends back: an HTTP status and a body in OKX's frame of `code`, `data` and `msg`."""

    status: int
    body: dict[str, Any]


class Refused(Exception):
    """A request that OKX refuses with one of its codes; `values` fill the places in the code's text."""

    def __init__(self, code: str, **values: str) -> None:
        super().__init__(code)
        self.code = code
        self.reply = reply(code, values=values)
        self.text = str(self.reply.body["msg"])


def reply(
    code: str = "0",
    data: Sequence[Any] = (),
    *,
    status: int | None = None,
    values: Mapping[str, str] = MappingProxyType({}),
) -> Reply:
    """Make OKX's reply for a code, with the published HTTP status and text.

    Args:
        code: a code that the table does not know gets HTTP 200 and a text that says so.
        data: the rows.
        status: another HTTP status than the published one.
        values: what stands in the text's places, such as `param0`; a place without a value stays as OKX prints it.
    """
    published, text = _find(code, status)
    frame = {"code": code, "data": list(data), "msg": text.format_map(_Places(values))}
    return Reply(published if status is None else status, frame)


class _Places(dict[str, str]):
    def __missing__(self, place: str) -> str:
        return f"{{{place}}}"


def _find(code: str, status: int | None) -> tuple[int, str]:
    rows = [(published, text) for known, published, text in ROWS if known == code]
    same_status = [row for row in rows if row[0] == status]
    return [*same_status, *rows, (200, f"Code {code} is listed nowhere in the sandbox.")][0]
