"""OKX's codes, published or seen, each with its HTTP status, text and evidence."""

from __future__ import annotations

from typing import NamedTuple

from .evidence import Documented, Evidence, Seen

_Published = tuple[tuple[str, int, str], ...]

# Code, HTTP status, text, as published.
_GENERAL: _Published = (
    ("0", 200, ""),
    ("1", 200, "Operation failed."),
    ("2", 200, "Bulk operation partially succeeded."),
    ("50000", 400, "Body for POST request cannot be empty."),
    ("50001", 503, "Service temporarily unavailable. Please try again later."),
    ("50002", 400, "JSON syntax error"),
    (
        "50004",
        400,
        "API endpoint request timeout. (does not mean that the request was successful or failed, please "
        "check the request result).",
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
        "Your account has triggered OKX risk control and is temporarily restricted from conducting "
        "transactions. Please check your email registered with OKX for contact from our customer support team.",
    ),
    ("50030", 200, "You don't have permission to use this API endpoint"),
    ("50032", 200, "Your account has been set to prohibit transactions in this currency. Please confirm and try again"),
    (
        "50033",
        200,
        "Instrument blocked. Please verify trading this instrument is allowed under account settings and try again.",
    ),
    ("50035", 403, "This endpoint requires that APIKey must be bound to IP"),
    ("50038", 200, "This feature is unavailable in demo trading"),
    ("50040", 200, "Too frequent operations, please try again later"),
    ("50041", 200, "Your user ID hasn’t been allowlisted. Please contact customer service for assistance."),
    ("50042", 200, "Repeated request"),
    ("50044", 200, "Must select one broker type"),
    (
        "50046",
        200,
        "This feature is temporarily unavailable while we make some improvements to it. Please try again later.",
    ),
    ("50051", 200, "Due to compliance restrictions in your country or region, you cannot use this feature."),
    ("50052", 200, "Due to local laws and regulations, you cannot trade with your chosen crypto."),
    ("50053", 200, "This feature is only available in demo trading."),
    (
        "50059",
        200,
        "Before you continue, you'll need to complete additional steps as required by your local regulators. "
        "Please visit the website or app for more details.",
    ),
    (
        "50060",
        200,
        "For security and compliance purposes, please complete the identity verification process to continue "
        "using our services.",
    ),
    ("50061", 200, "You've reached the maximum order rate limit for this account."),
    ("50062", 200, "This feature is currently unavailable."),
    ("50067", 200, "The API doesn't support cross site trading feature"),
    ("50075", 200, "The token is restricted in Islamic sub-account"),
)

_API: _Published = (
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
)

_TRADE: _Published = (
    ("51000", 400, "Parameter {param0} error"),
    ("51001", 200, "Instrument ID, Instrument ID code or Spread ID doesn't exist."),
)

_ACCOUNT: _Published = (
    ("59500", 200, "Only the API key of the main account has permission."),
    ("59506", 200, "API key doesn't exist."),
    ("59508", 200, "The sub account of {param0} is suspended."),
    ("59510", 200, "Sub-account does not exist"),
    ("59515", 200, "You are currently not on the custody whitelist. Please contact customer service for assistance."),
    ("59519", 200, "You can’t use this function/feature while it's frozen, due to: {freezereason}"),
    ("59550", 200, "Complete identity verification (Lv2) to access this feature."),
    ("59604", 200, "Only the API key of the main account can access this API."),
    ("59608", 200, "Only Broker accounts have permission to access this API."),
    ("59614", 200, "Managed subaccount does not support this operation."),
)

_BLOCK: _Published = (
    ("70000", 200, "RFQ does not exist."),
    ("70001", 200, "Quote does not exist."),
    ("70002", 200, "Block trade does not exist."),
    ("70003", 200, "Public block trade does not exist."),
    ("70004", 200, "Invalid instrument {instId}"),
    ("70005", 200, "The number of legs in RFQ cannot exceed maximum value."),
    ("70006", 200, "Does not meet the minimum asset requirement."),
    ("70008", 200, "Operation failed under MMP status."),
    ("70009", 200, "Data must have at least 1 valid element."),
    ("70011", 200, "Duplicate setting for instType {instType}."),
    ("70015", 200, "In order to trade this product, you need to complete advanced verification"),
    ("70016", 200, "Please specify your instrument settings for at least one instType."),
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
    ("70501", 200, "RFQ {rfqId} is not quoted by {quoteId}"),
    ("70502", 200, "The legs do not match the legs of {rfqId}"),
    ("70504", 200, "Execution failed as the RFQ status is {rfqState}."),
    ("70505", 200, "Execution failed as the Quote status is {quoteState}."),
    ("70506", 200, "Leg sizes specified do not have the same ratios as the whole RFQ."),
    ("70507", 200, "Partial execution was attempted but allowPartialExecution of the RFQ is not enabled."),
    ("70511", 200, "Execution is being processed"),
    ("70517", 200, "{param0} doesn't exist or you don’t have permission to create group RFQ for it."),
)


class CodeRow(NamedTuple):
    """One way in which OKX answers with a code."""

    code: str
    status: int | None  # HTTP; None if the record has none
    text: str | None  # None if the record has none
    evidence: Evidence
    followed: bool  # whether the sandbox answers this way; what the record lacks comes from the docs
    note: str = ""


_NO_DATA = "without `data`"

# What was seen, and whether the sandbox follows it. A text or status missing from the record is None.
_SEEN: tuple[CodeRow, ...] = (
    CodeRow("50001", None, None, Seen("python-okx#2", "2023"), False, "maintenance of demo trading; text in Chinese"),
    CodeRow(
        "50004",
        400,
        None,
        Seen("python-okx#2", "2023"),
        False,
        "maintenance of demo trading; `data` [], a trailing blank in the text",
    ),
    CodeRow("50011", 429, "Too Many Requests", Seen("c9s/bbgo#1534", "2024"), True, _NO_DATA),
    CodeRow(
        "50011",
        None,
        "Requests too frequent.",
        Seen("ccxt#9612, knowm/XChange#4114", "2021"),
        False,
        "with an integer code, or as plain text",
    ),
    CodeRow("50013", 500, None, Seen("quoted in a test of another project", "?"), False, "`data` []"),
    CodeRow("50101", 401, None, Seen("quoted in others' code", "?"), True, _NO_DATA),
    CodeRow("50102", 401, None, Seen("quoted in others' code", "?"), True, _NO_DATA),
    CodeRow("50110", 401, None, Seen("quoted in others' code", "?"), True, _NO_DATA),
    CodeRow("50111", 401, "Invalid OK-ACCESS-KEY", Seen("pyted/okx#1", "2023"), True, _NO_DATA),
    CodeRow(
        "50113",
        None,
        "Invalid Sign",
        Seen("burakoner/OKX.Api#4, okx-api#22, knowm/XChange#4946", "2023"),
        True,
        _NO_DATA,
    ),
    CodeRow(
        "50119",
        401,
        "API key doesn't exist",
        Seen("freqtrade#9422, #10967, #11405, ccxt#24601, python-okx#92, #118", "2023"),
        True,
        f"{_NO_DATA}; 46 bytes; for a key of another region's host, and for a deleted one",
    ),
    CodeRow(
        "50120",
        401,
        None,
        Seen("okx-api test/private.write.test.ts, and a record", "2026"),
        True,
        f'{_NO_DATA}; text contains "permission"; from cancel-all-rfqs too',
    ),
    CodeRow(
        "51001",
        200,
        "Instrument ID, Instrument ID code, or Spread ID doesn't exist.",
        Seen("quoted in a test of another project", "2026"),
        True,
        "`data` []; public/instruments with the id of another type",
    ),
    CodeRow(
        "70006",
        None,
        None,
        Seen("okx-api test/private.read.test.ts", "?"),
        True,
        "from counterparties, rfqs, quotes and trades",
    ),
)


def _rows() -> tuple[CodeRow, ...]:
    anchors = {
        "error-code-rest-api": (_GENERAL, _API, _TRADE, _ACCOUNT),
        "error-code-rest-api-block-trading-and-spread-orderbook": (_BLOCK,),
    }
    followed = {row.code for row in _SEEN if row.followed}
    rows: list[CodeRow] = []
    for anchor, classes in anchors.items():
        for code, status, text in (row for published in classes for row in published):
            first = all(row.code != code for row in rows)
            rows.append(CodeRow(code, status, text, Documented(anchor), first and code not in followed))
    return tuple(sorted([*rows, *_SEEN], key=lambda row: int(row.code)))


ROWS = _rows()
