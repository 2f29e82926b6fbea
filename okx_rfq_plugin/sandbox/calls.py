"""Logic shared by RFQs and quotes: cancel one, several or all, and list them in pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Any, TypeVar

from .auth import Key
from .book import Entry, Kind
from .codes import Refused, Reply, reply
from .params import Params, text, texts, whole
from .venue import Venue

MOST_IDS = 100  # in one cancel-batch-...
MOST_ROWS = 100  # on one page

_IDS = range(10**20)
_Some = TypeVar("_Some", bound=Entry)


@dataclass(frozen=True)
class Question:
    """A public request that was admitted, and when (Unix milliseconds)."""

    venue: Venue
    params: Params
    now: int


@dataclass(frozen=True)
class Call(Question):
    """A private request, with the key that signed it."""

    key: Key

    @property
    def trader_code(self) -> str:
        """The trader code of the calling user."""
        return self.venue.user(self.key.user_id).trader_code


def cancel_one(kind: Kind, call: Call) -> Reply:
    """POST rfq/cancel-rfq, -quote.

    The docs show no failure, so it has the form that they show for the batch. A quote's `rfqId`, which may be sent
    along, is ignored: the docs do not say what it is for.
    """
    id_, client_id = text(call.params, kind.id), text(call.params, kind.client_id)
    if not id_ and not client_id:
        raise Refused("50015", param0=kind.id, param1=kind.client_id)
    return _verdict([_cancel(kind, call, id_, client_id)])


def cancel_batch(kind: Kind, call: Call) -> Reply:
    """POST rfq/cancel-batch-rfqs, -quotes. If both lists are given, OKX's own ids win."""
    names = f"{kind.id}s", f"{kind.client_id}s"
    ids, client_ids = (texts(call.params, name) for name in names)
    if not ids and not client_ids:
        raise Refused("50015", param0=names[0], param1=names[1])
    if max(len(ids), len(client_ids)) > MOST_IDS:
        # The docs name no code for exceeding the limit of 100. This code's text is the one that fits.
        raise Refused(kind.too_many, **{kind.limit: str(MOST_IDS)})
    pairs = zip_longest(ids, client_ids[: len(ids) or None], fillvalue="")
    return _verdict([_cancel(kind, call, id_, client_id) for id_, client_id in pairs])


def cancel_all(kind: Kind, call: Call) -> Reply:
    """POST rfq/cancel-all-rfqs, -quotes.

    The docs do not say whether a refusal is the top-level code or in a row: see the switch `refusals_in_rows`.
    """
    try:
        call.venue.book(kind, call.key.account).cancel_all(call.now)
    except Refused as refused:
        if not call.venue.switches.refusals_in_rows:
            raise
        return refused.in_a_row()
    return reply(data=[{"ts": str(call.now)}])


def page(
    kind: Kind,
    call: Call,
    entries: Iterable[tuple[_Some, bool]],
    show: Callable[[_Some, bool], dict[str, Any]],
    *,
    also_by: tuple[Kind, ...] = (),
) -> Reply:
    """List the matching entries, newest first.

    The docs do not say what an unknown id returns (here: no rows), nor a `limit` above 100 (here: 51000), nor which
    rows are returned if more than `limit` are newer than `beginId` (here: the newest).

    Args:
        kind: what is listed.
        call: the request, with `state`, `beginId`, `endId`, `limit`, and ids.
        entries: every entry that the caller may see, each with whether the caller received it.
        show: returns the row of an entry.
        also_by: other kinds whose ids may be used as filters.
    """
    state = text(call.params, "state", kind.states)
    newer_than, older_than = whole(call.params, "beginId", _IDS, -1), whole(call.params, "endId", _IDS, 10**20)
    limit = whole(call.params, "limit", range(1, MOST_ROWS + 1), MOST_ROWS)
    names = [(each.id, each.client_id) for each in (kind, *also_by)]
    asked = {name: text(call.params, name) for pair in names for name in pair}

    def named(row: dict[str, Any]) -> bool:
        chosen = [id_ if asked[id_] else client_id for id_, client_id in names]  # OKX's own id wins
        return all(asked[name] in ("", row[name]) for name in chosen)

    found = [(each, other) for each, other in entries if newer_than < int(each.id) < older_than]
    newest_first = sorted(found, key=lambda pair: int(pair[0].id), reverse=True)
    shown = (show(each, other) for each, other in newest_first)
    return reply(data=list(islice((row for row in shown if state in ("", row["state"]) and named(row)), limit)))


def _cancel(kind: Kind, call: Call, id_: str, client_id: str) -> dict[str, str]:
    book = call.venue.book(kind, call.key.account)
    row = {kind.id: id_, kind.client_id: client_id, "sCode": "0", "sMsg": ""}
    try:
        entry = book.find(id_, client_id, call.now)
        row |= {kind.id: entry.id, kind.client_id: entry.client_id}
        book.cancel(entry, call.now)
    except Refused as refused:
        row |= {"sCode": refused.code, "sMsg": refused.text}
    return row


def _verdict(rows: list[dict[str, str]]) -> Reply:
    failed = sum(row["sCode"] != "0" for row in rows)
    return reply("0" if not failed else "1" if failed == len(rows) else "2", rows)
