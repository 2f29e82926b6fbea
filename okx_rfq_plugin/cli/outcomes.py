"""The outcome of a cancel: facts for machines, a sentence for people, an exit code."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

OK, NOT_CANCELED, MAY_BE_CANCELED = 0, 3, 4

LIFE = 600.0  # seconds that an RFQ can be active: ten minutes if all its legs are options, else two
_DONE = {"canceled": "All active RFQs are canceled", "nothing_active": "No RFQ was active"}
_NAMED = 10  # ids that a sentence lists
# The package's message prefix and Python's class names, which are of no use to an operator.
_METHOD = re.compile(r"^\w+ \w+\(\): ")
_KINDS = "Error|Timeout|Available|Exception|Exceeded|Response|Nonce|Denied|Suspended|Maintenance|Protection"
_CLASS = rf"(?:[A-Z][A-Za-z]+)+(?:{_KINDS})"
# The core's wording for programmers, and the wording for operators.
_FOR_OPERATORS = (
    ("Call again, and check the", "Run it again, and check the"),
    ("check params, proxy and the exchange object's settings", "check the proxy, and the account's settings at OKX"),
    ("interrupted by MemoryError", "out of memory"),
)
_REFUSED = ("Connection refused", "the connection was refused")  # the system's wording, and the core's


def facts_of(error: BaseException, *, called: bool = True, reason: str = "") -> dict[str, Any]:
    """Return what `--json` shows for a failed cancel instead of a receipt.

    Args:
        error: what it raised, including Ctrl+C.
        called: whether the cancel had begun. Without facts on the error, how far it got is unknown.
        reason: the cause of an interruption, in words.
    """
    failure = getattr(error, "cancel_failure", None)
    return {
        "status": "failed",
        "error": type(error).__name__,
        "message": _words(error, called=called, reason=reason),
        "code": getattr(failure, "code", None),
        "attempts": getattr(failure, "attempts", 0),
        "elapsed": getattr(failure, "elapsed", 0.0),
        "may_be_canceled": getattr(failure, "may_be_canceled", called),
        "remaining": _listed(getattr(failure, "remaining", None)),
        "filling": _listed(getattr(failure, "filling", None)),
        "bound": bound(),
    }


def nothing_sent(reason: str) -> dict[str, Any]:
    """Return the facts of a cancel that could not begin."""
    facts = facts_of(RuntimeError(reason), called=False)
    return {**facts, "error": None}


def exit_code(facts: Mapping[str, Any]) -> int:
    """Return 0 if nothing is active any more, else 3 or 4."""
    if facts["status"] != "failed":
        return OK
    return MAY_BE_CANCELED if facts["may_be_canceled"] else NOT_CANCELED


def sentence(facts: Mapping[str, Any], things: str = "RFQ") -> str:
    """Return what is true now, of RFQs or of quotes."""
    if facts["status"] == "failed":
        maintenance = f" {facts['maintenance']}" if facts.get("maintenance") else ""
        return f"{plain(str(facts['message']))}{maintenance} {bound(things)}"
    at = f" as of {facts['datetime']}" if facts.get("datetime") else ""
    effort = f"{facts['attempts']} attempt{'s' * (facts['attempts'] != 1)}, {facts['elapsed']:.3f} s"
    said = ", confirmed" * facts.get("confirmed", False)
    done = _DONE[facts["status"]].replace("RFQ", things)
    words = f"{done}{at}: none is active any more{said} ({effort})."
    if facts.get("canceled"):
        words += f" Canceled: {len(facts['canceled'])} ({named(facts['canceled'])})."
    if facts.get("filling"):
        words += f" Being executed, and no longer possible to cancel: {', '.join(facts['filling'])}."
    return words


def bound(things: str = "RFQ") -> str:
    """Return until when RFQs not canceled can be active: the last line of every error."""
    now = time.time()
    before, by = (time.strftime("%H:%M:%S", time.localtime(at)) for at in (now, now + LIFE))
    whatever = "Whatever" if things == "RFQ" else f"Whatever {things}"
    return f"{whatever} was created before {before} expires by {by} at the latest."


def named(ids: Iterable[str]) -> str:
    """Return the first ten ids, in words."""
    ids = list(ids)
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    return ", ".join(ids[:_NAMED]) + more


def summary(outcomes: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what is true now for many accounts, by name."""
    names: dict[int, list[str]] = {OK: [], NOT_CANCELED: [], MAY_BE_CANCELED: []}
    for name, facts in outcomes.items():
        names[exit_code(facts)].append(name)
    clear = len(names[OK])
    verb = "is" if clear == 1 else "are"
    words = f"{clear} of {len(outcomes)} accounts {verb} clear"
    words += ": no RFQ of theirs is active any more." if clear else "."
    if names[NOT_CANCELED]:
        words += f" NOTHING WAS CANCELED: {', '.join(names[NOT_CANCELED])}."
    if names[MAY_BE_CANCELED]:
        words += f" RFQs MAY STILL BE ACTIVE: {', '.join(names[MAY_BE_CANCELED])}."
    notices = dict.fromkeys(str(facts["maintenance"]) for facts in outcomes.values() if facts.get("maintenance"))
    return words if clear == len(outcomes) else " ".join((words, *notices, bound()))


def reason_of(error: BaseException | None) -> str | None:
    """Return what the operating system or TLS said, such as "Connection refused", if that caused the error."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError):
            verified = getattr(error, "verify_message", None)
            if verified or error.strerror:
                return str(verified or error.strerror)
        inner = next((each for each in error.args if isinstance(each, BaseException)), None)
        error = error.__cause__ or error.__context__ or getattr(error, "reason", None) or inner
        if not isinstance(error, BaseException):
            return None
    return None


def plain(words: str) -> str:
    """Return the text without names that mean something only to programmers."""
    words = _METHOD.sub("", words)
    words = re.sub(rf" \({_CLASS}(?: from \w+)?\)", "", words)
    words = re.sub(rf"\({_CLASS}: (.*?)\)", r"(\1)", words)
    for said, meant in _FOR_OPERATORS:
        words = words.replace(said, meant)
    words = re.sub(r"interrupted by \w+ before", "interrupted before", words)
    return " ".join(words.split())


def _words(error: BaseException, *, called: bool, reason: str) -> str:
    words = getattr(error, "__notes__", [str(error)])[-1]  # a note, if the error is not ccxt's
    if hasattr(error, "cancel_failure"):
        said = reason or reason_of(error)
        said_already = not said or said.removeprefix("it was ") in words
        known = said_already or (said == _REFUSED[0] and _REFUSED[1] in words)
        return words if known else f"{words} The reason: {said}."
    if isinstance(error, MemoryError):
        words = "out of memory"
    elif reason or not isinstance(error, Exception):
        words = reason or "it was interrupted"
    if called:
        return f"RFQs MAY STILL BE ACTIVE: it is not known how far the cancel came ({words or 'no reason given'})."
    return f"NOTHING WAS CANCELED, nothing was sent: {words.rstrip('.')}."


def _listed(ids: Iterable[str] | None) -> list[str] | None:
    return None if ids is None else list(ids)
