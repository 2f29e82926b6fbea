"""The endpoints of OKX that the package calls: how ccxt names them, and what OKX allows and documents."""

from __future__ import annotations

from typing import NamedTuple


class Endpoint(NamedTuple):
    """One endpoint of OKX."""

    call: str  # ccxt's implicit method
    path: str  # as ccxt has it
    sends: int = 2  # requests that OKX accepts from one User ID in a `window`
    window: float = 2.0  # seconds
    nothing_active: str | None = None  # the code for "nothing to cancel"
    too_many: str | None = None  # the code for "too many to cancel at once"
    by_name: tuple[str, ...] = ()  # the codes after which canceling by name may help
    gone: tuple[str, ...] = ()  # the codes in a row of a batch for "not active any more"
    create: str | None = None  # the path of the create that is refused if this overtakes it in ccxt's queue
    fields: tuple[str, ...] = ()  # text fields in every row of a success; only an endpoint that reads has them
    proof: tuple[str, ...] = ()  # numeric fields in at least one row of a success

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return bool(self.fields)

    @property
    def refusals(self) -> frozenset[str | None]:
        """The codes that refuse the whole request; OKX does not say whether in the reply or in its row."""
        return frozenset((self.nothing_active, self.too_many, *self.by_name)) - {None}


# Source: okx.com/docs-v5/en/#block-trading-rest-api-cancel-all-rfqs, and so on for each
CANCEL_ALL_RFQS = Endpoint(
    "private_post_rfq_cancel_all_rfqs",
    "rfq/cancel-all-rfqs",
    nothing_active="70207",
    too_many="70203",
    by_name=("70203", "70208"),  # too many for one request; not possible at the moment
    create="rfq/create-rfq",
    proof=("ts",),
)
CANCEL_ALL_QUOTES = Endpoint(
    "private_post_rfq_cancel_all_quotes",
    "rfq/cancel-all-quotes",
    nothing_active="70409",
    too_many="70408",
    create="rfq/create-quote",
    proof=("ts",),
)
CANCEL_BATCH_RFQS = Endpoint(  # 70000: there is none, 70200: its state is past canceling
    "private_post_rfq_cancel_batch_rfqs",
    "rfq/cancel-batch-rfqs",
    gone=("70000", "70200"),
    proof=("sCode",),
)
COUNTERPARTIES = Endpoint("private_get_rfq_counterparties", "rfq/counterparties", sends=5, fields=("traderCode",))
RFQS = Endpoint("private_get_rfq_rfqs", "rfq/rfqs", fields=("rfqId", "state"))
CANCEL_ALL_AFTER = Endpoint(
    "private_post_rfq_cancel_all_after", "rfq/cancel-all-after", sends=1, window=1.0, proof=("triggerTime", "ts")
)
PUBLIC_TIME = Endpoint("fetch_time", "public/time", fields=("ts",))  # ccxt's method reads the reply

# For the command: OKX may be under maintenance; the key is unknown here; the key belongs to another region.
MAINTENANCE = ("50001", "70208")
KEY_UNKNOWN = ("50111", "50119")
KEY_ELSEWHERE = ("50101", *KEY_UNKNOWN)
TOO_MANY_REQUESTS = "50011"
