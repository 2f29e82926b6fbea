"""Switches for behavior on which OKX's docs allow two readings, or a record differs from them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Switches:
    """Behavior that `Sandbox(...)` lets you choose; see docs/sandbox.md for the evidence.

    Args:
        rejections_count: a request refused with 50011 counts against the window.
        exact_limits: no request exceeds a limit; if False, as many pass as a real limiter was seen to admit.
        refusals_in_rows: cancel-all-rfqs and -quotes refuse in a row, under code 1.
        maker_flow_type: the `flowType` of RFQs in a maker's list.
    """

    rejections_count: bool = False
    exact_limits: bool = True
    refusals_in_rows: bool = False
    maker_flow_type: str = "sandbox"
