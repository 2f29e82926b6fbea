"""The subclasses for requests and single objects: created once, and kept while in use."""

from __future__ import annotations

import gc
import weakref

from okx_rfq_plugin._core import members


def test_subclass_is_made_once_and_kept_from_one_request_to_the_next() -> None:
    """Creating one takes longer than a whole request."""
    base = type("Base", (), {})
    made = weakref.ref(members.subclass_of(base, "delegate", {"__slots__": ()}))
    gc.collect()

    assert made() is members.subclass_of(base, "delegate", {"__slots__": ()})
    assert made() is not members.subclass_of(base, "silent", {})
    assert members.subclass_of(base, "delegate", {}).__name__ == "Base"


def test_subclass_of_an_unused_class_is_freed() -> None:
    """Frameworks create a class for each client or order."""
    first = type("First", (), {})
    made = weakref.ref(members.subclass_of(first, "delegate", {}))
    del first
    for number in range(20):
        members.subclass_of(type(f"Other{number}", (), {}), "delegate", {})
    gc.collect()

    assert made() is None
