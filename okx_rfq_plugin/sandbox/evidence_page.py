"""Generator of docs/sandbox.md from the sandbox's tables: `python -m okx_rfq_plugin.sandbox.evidence_page`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .code_rows import ROWS, CodeRow
from .codes import reply
from .endpoints import TABLE, Endpoint
from .evidence import DOCS, POINTS, Documented, Point
from .limits import Limit

_HEAD = """\
# What the sandbox does, and how it is known

`okx_rfq_plugin.sandbox.Sandbox` is a local double of OKX's block trading. It is not OKX, and nothing on this page was
tried against OKX. Every row names its evidence:

- **documented**: OKX's docs say so, at `okx.com/docs-v5/en/#ANCHOR`, as stored in MONTH if no other month is named.
- **seen**: OKX answered so in a public record, with its source and year (`?` where it is not known).
- Neither: OKX documents nothing, and no public record was found. Then the row says what the sandbox does, and how to
  have it otherwise.

This page is made from the sandbox's own tables by `python -m okx_rfq_plugin.sandbox.evidence_page > docs/sandbox.md`.

## How to use it

```python
import ccxt

from okx_rfq_plugin.sandbox import DROP, Fault, Sandbox, VirtualClock

clock = VirtualClock()  # or leave it out: the sandbox lives in the machine's time
with Sandbox(clock=clock) as sandbox:
    exchange = sandbox.exchange(ccxt.okx)  # stays here, whatever set_sandbox_mode and hostname say
    exchange.milliseconds = lambda: int(clock.wall() * 1000)  # signs in the sandbox's time
    sandbox.create_rfq(clRfqId="mine")
    sandbox.fault("rfq/cancel-all-rfqs", "50011", 502, 4.0, DROP, Fault(code=70208, row=True))  # one a request
    sandbox.reply("account/bills", {"code": "0", "msg": "", "data": []})  # for as often as it is asked for
    sandbox.announce_maintenance(lasts=600)

    exchange.private_get_account_bills()
    print(exchange.fetch_status()["status"], [rfq["clRfqId"] for rfq in sandbox.rfqs("active")])
    print(sandbox.unused)  # five faults that no request has got
    print([request.path for request in sandbox.requests])
```

- `fault(path, *steps)`: a step is an OKX code, an HTTP status, a body, seconds (a float), `DROP`, or a `Fault`. The
  seconds pass on the sandbox's clock where that is a `SandboxClock`, such as `VirtualClock`: then nothing waits.
- `reply(path, json, times=None, status=200)`: a scripted reply, or a function of the `Request`. Nothing is checked or
  counted before it; a fault comes first.
- `unused`: the faults and replies that no request has got yet, in words.
- `create_user`, `create_key`, `create_rfq`, `create_quote`, `rfqs`, `quotes`, `set_state`: the users and their books.
- `begin()` starts afresh, `clear()` empties everything but users and keys.

## How it behaves
"""
_ENDPOINTS = """
## Endpoints

Anything else is answered with HTTP 404 and a text that says how to script it: `sandbox.reply(path, json)`. Limits are
counted per User ID, and per IP where an endpoint is public.
"""
_CODES = """
## Codes

`Fault(code=...)` answers any of them, and any other code too. Where OKX's docs and a record differ, both are here, and
**bold** is what the sandbox answers.
"""


def render() -> str:
    """Return the page."""
    points = _table(("What", "Documented", "Seen", "The sandbox", "To have it otherwise"), map(_point, POINTS))
    endpoints = _table(("Endpoint", "Limit", "Permission", "Documented"), map(_endpoint, TABLE))
    codes = sorted({row.code for row in ROWS}, key=int)
    return "\n".join(
        [
            _HEAD.replace("MONTH", DOCS) + "\n" + points,
            _ENDPOINTS + "\n" + endpoints,
            _CODES
            + "\n"
            + _table(("Code", "HTTP", "Text", "Evidence"), (cells for code in codes for cells in _code(code))),
            "",
        ]
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _point(point: Point) -> Sequence[str]:
    return point.what, point.documented or "-", point.seen or "-", point.here, point.switch or "-"


def _endpoint(endpoint: Endpoint) -> Sequence[str]:
    path = f"`{endpoint.method} {endpoint.path}`"
    limits = " and ".join(map(_limit, endpoint.limits)) + (f", per `{endpoint.per}`" if endpoint.per else "")
    permission = {"public": "none, public", "read": "Read", "trade": "Trade"}[endpoint.access]
    return path, limits, permission, _documented(endpoint.evidence)


def _limit(limit: Limit) -> str:
    hours, rest = divmod(limit.seconds, 3600)
    return f"{limit.requests} / {hours:g} h" if hours and not rest else f"{limit.requests} / {limit.seconds:g} s"


def _code(code: str) -> Iterable[Sequence[str]]:
    answered = reply(code)
    rows = [row for row in ROWS if row.code == code]
    differ = len({(row.status, row.text) for row in rows}) > 1
    for row in rows:
        status = "not recorded" if row.status is None else str(row.status)
        text = "not recorded" if row.text is None else row.text or "(none)"
        if differ and row.status == answered.status:
            status = f"**{status}**"
        if differ and row.text == answered.body["msg"]:
            text = f"**{text}**"
        yield code, status, text, _evidence(row)


def _evidence(row: CodeRow) -> str:
    if isinstance(row.evidence, Documented):
        return _documented(row.evidence)
    return f"seen: {row.evidence.source} ({row.evidence.year})" + (f"; {row.note}" if row.note else "")


def _documented(evidence: Documented) -> str:
    return f"`#{evidence.anchor}`" + ("" if evidence.date == DOCS else f", {evidence.date}")


if __name__ == "__main__":
    print(render(), end="")
