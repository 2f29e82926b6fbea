"""This file describes the endpoints of OKX that the package calls: how ccxt names them, and what OKX allows."""

from __future__ import annotations

from typing import NamedTuple


class Endpoint(NamedTuple):
    """One endpoint of OKX.

    `call` is ccxt's implicit method and `path` the path as ccxt has it. OKX takes `sends` requests in `window` seconds
    from each User ID. `nothing_active` is the code by which it says that there is nothing to cancel, `gone` are those
    by which a row of a batch says that this one is active no longer. `create` is the path of the request that must not
    outlive this one in ccxt's queue. An endpoint that only reads has `fields`: the texts that no row of its reply
    lacks. `too_many` is the code by which it refuses to cancel so many at once, `by_name` are those after which what it
    would not cancel all at once may be canceled by name.
    """

    call: str
    path: str
    sends: int = 2
    window: float = 2.0
    nothing_active: str | None = None
    too_many: str | None = None
    by_name: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    create: str | None = None
    fields: tuple[str, ...] = ()

    @property
    def reads(self) -> bool:
        """Say whether it changes nothing."""
        return bool(self.fields)


# Source: okx.com/docs-v5/en/#block-trading-rest-api-cancel-all-rfqs, and so on for each
CANCEL_ALL_RFQS = Endpoint(
    "private_post_rfq_cancel_all_rfqs",
    "rfq/cancel-all-rfqs",
    nothing_active="70207",
    too_many="70203",
    by_name=("70203", "70208"),  # too many for one request; not possible at the moment
    create="rfq/create-rfq",
)
CANCEL_ALL_QUOTES = Endpoint(
    "private_post_rfq_cancel_all_quotes",
    "rfq/cancel-all-quotes",
    nothing_active="70409",
    too_many="70408",
    create="rfq/create-quote",
)
CANCEL_BATCH_RFQS = Endpoint(  # 70000: there is none, 70200: its state is past canceling
    "private_post_rfq_cancel_batch_rfqs",
    "rfq/cancel-batch-rfqs",
    gone=("70000", "70200"),
)
RFQS = Endpoint("private_get_rfq_rfqs", "rfq/rfqs", fields=("rfqId", "state"))
CANCEL_ALL_AFTER = Endpoint("private_post_rfq_cancel_all_after", "rfq/cancel-all-after", sends=1, window=1.0)
PUBLIC_TIME = Endpoint("fetch_time", "public/time", fields=("ts",))  # ccxt's method reads the reply
