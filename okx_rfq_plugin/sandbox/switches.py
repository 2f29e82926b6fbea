"""Where OKX's docs allow two readings, or a record differs from them: how the sandbox does it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Switches:
    """What `Sandbox(...)` can be told; see docs/sandbox.md for the evidence.

    Args:
        rejections_count: a request that was refused with 50011 counts against the window.
        exact_limits: no request passes a limit; else as many as a real limiter was seen to let through.
        refusals_in_rows: the refusals of cancel-all-rfqs and -quotes stand in a row, under code 1.
        maker_flow_type: the `flowType` of RFQs in a maker's list.
    """

    rejections_count: bool = False
    exact_limits: bool = True
    refusals_in_rows: bool = False
    maker_flow_type: str = "sandbox"
