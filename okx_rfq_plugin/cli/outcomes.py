"""This file says how a cancel ended: in facts for a machine, in a sentence for a person, in an exit code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OK, NOT_CANCELED, MAY_BE_CANCELED = 0, 3, 4

_DONE = {"canceled": "All RFQs are canceled", "nothing_active": "No RFQ was active"}


def facts_of(error: BaseException, *, called: bool = True) -> dict[str, Any]:
    """Return what `--json` shows of a cancel that failed, in the place of a receipt.

    Args:
        error: what it raised, Ctrl+C included.
        called: whether the cancel had begun; without facts on the error nobody knows how far it came.
    """
    failure = getattr(error, "cancel_failure", None)
    return {
        "status": "failed",
        "error": type(error).__name__,
        "message": _words(error, called=called),
        "code": getattr(failure, "code", None),
        "attempts": getattr(failure, "attempts", 0),
        "elapsed": getattr(failure, "elapsed", 0.0),
        "may_be_canceled": getattr(failure, "may_be_canceled", called),
        "remaining": getattr(failure, "remaining", None),
        "filling": getattr(failure, "filling", None),
    }


def exit_code(facts: Mapping[str, Any]) -> int:
    """Return 0 where nothing is active any more, else 3 or 4."""
    if facts["status"] != "failed":
        return OK
    return MAY_BE_CANCELED if facts["may_be_canceled"] else NOT_CANCELED


def sentence(facts: Mapping[str, Any]) -> str:
    """Say what is true now."""
    if facts["status"] == "failed":
        return str(facts["message"])
    at = f" as of {facts['datetime']}" if facts["datetime"] else ""
    effort = f"{facts['attempts']} attempt{'s' * (facts['attempts'] != 1)}, {facts['elapsed']:.3f} s"
    said = ", as OKX itself says" * facts.get("confirmed", False)
    filling = f" Being executed, and not to be canceled: {', '.join(facts['filling'])}." if facts.get("filling") else ""
    return f"{_DONE[facts['status']]}{at}: none is active any more{said} ({effort}).{filling}"


def summary(outcomes: Mapping[str, Mapping[str, Any]]) -> str:
    """Say what is true now of many accounts, by name."""
    names: dict[int, list[str]] = {OK: [], NOT_CANCELED: [], MAY_BE_CANCELED: []}
    for name, facts in outcomes.items():
        names[exit_code(facts)].append(name)
    words = f"{len(names[OK])} of {len(outcomes)} accounts: no RFQ is active any more."
    if names[NOT_CANCELED]:
        words += f" NOTHING WAS CANCELED: {', '.join(names[NOT_CANCELED])}."
    if names[MAY_BE_CANCELED]:
        words += f" RFQs MAY STILL BE ACTIVE: {', '.join(names[MAY_BE_CANCELED])}."
    return words


def reason_of(error: BaseException | None) -> str | None:
    """Return what the operating system said, such as "Connection refused", where that is what led to an error."""
    while error is not None:
        if isinstance(error, OSError) and error.strerror:
            return error.strerror
        error = error.__cause__ or error.__context__
    return None


def _words(error: BaseException, *, called: bool) -> str:
    words = getattr(error, "__notes__", [str(error)])[-1]  # a note, where the error is none of ccxt's
    if hasattr(error, "cancel_failure"):
        reason = reason_of(error)
        return f"{words} The reason: {reason}." if reason else words
    if not isinstance(error, Exception):
        words = "it was interrupted"
    if called:
        return f"RFQs MAY STILL BE ACTIVE: nobody knows how far the cancel came ({words})."
    return f"NOTHING WAS CANCELED, nothing was sent: {words}."
