"""Replaces functions in a running process with changed ones, without importing anything again."""

from __future__ import annotations

import gc
import inspect
from collections.abc import Iterator
from types import CodeType, FunctionType


class CannotSwap(Exception):
    """The change is visible only after a new import: in a table, a class body, a default, or a decorator."""


def swap(before: str, after: str) -> None:
    """Update the code of every function of a module that differs between two versions of its source.

    Raises:
        CannotSwap: if anything but the inside of a function has changed.
    """
    changed = dict(_pairs(compile(before, "before", "exec"), compile(after, "after", "exec")))
    found = False
    for function in [each for each in gc.get_objects() if isinstance(each, FunctionType)]:
        # Code objects compare by content and position in the source, not by file name.
        if (code := changed.get(function.__code__)) is not None:
            found = True
            try:
                function.__code__ = code
            except ValueError as error:  # it closes over other variables than before
                raise CannotSwap(str(error)) from error
    if not found:
        raise CannotSwap("no function has the code that was changed")


def _pairs(before: CodeType, after: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    inner, inner_after = _inner(before), _inner(after)
    if len(inner) != len(inner_after):
        raise CannotSwap(f"{before.co_qualname} has other functions inside")
    if before.co_flags & inspect.CO_OPTIMIZED:
        if before != after:
            yield before, after
    elif _own(before) != _own(after):
        raise CannotSwap(f"{before.co_qualname} runs when it is imported")
    for one, other in zip(inner, inner_after, strict=True):
        yield from _pairs(one, other)


def _inner(code: CodeType) -> list[CodeType]:
    return [each for each in code.co_consts if isinstance(each, CodeType)]


def _own(code: CodeType) -> tuple[object, ...]:
    constants = [(type(each), each) for each in code.co_consts if not isinstance(each, CodeType)]
    return code.co_code, code.co_names, constants
