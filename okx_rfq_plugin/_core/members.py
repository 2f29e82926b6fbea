"""Puts members on other packages' classes, takes them off again, and makes subclasses for single objects."""

from __future__ import annotations

import functools
import inspect
import weakref
from collections import deque
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

# Returns what `obj.name` would be without the member: looked up at each call, never a method remembered from before.
NextInLine = Callable[[Any, str], Any]
# Makes the members for the class that they are put on.
Maker = Callable[[type, NextInLine], dict[str, Any]]

_PUT = "_okx_rfq_put"


class _Put(NamedTuple):
    """What was put on a class, by which maker, and what it displaced."""

    make: Maker | None
    members: dict[str, Any]
    displaced: dict[str, Any]
    generated: bool


_NOTHING = _Put(None, {}, {}, False)


def put(owner: type, make: Maker, *, generated: bool = False) -> None:
    """Put members on a class, once; the members that they displace are kept."""
    if carries(owner):
        return
    displaced: dict[str, Any] = {}

    def next_in_line(obj: Any, name: str) -> Any:
        if name not in displaced:
            return getattr(super(owner, obj), name)
        member = displaced[name]
        return member.__get__(obj, type(obj)) if hasattr(member, "__get__") else member

    members = make(owner, next_in_line)
    displaced.update({name: owner.__dict__[name] for name in members if name in owner.__dict__})
    record = _Put(make, members, displaced, generated)
    # Recorded first: a thread that comes second, or an uninstall after an interrupt, finds all there is to take off.
    setattr(owner, _PUT, record)
    for name, member in members.items():
        setattr(owner, name, member)


def around(owner: type, name: str, body: Callable[..., Any], next_in_line: NextInLine) -> Callable[..., Any]:
    """Return a member that calls `body(self, own, *args, **kwargs)`, `own` being the method next in line.

    It looks like the method that it wraps: same name, signature and source. If that is a coroutine function, so is
    this, and `body` returns an awaitable.
    """
    original = getattr(owner, name)
    looks = functools.partial(functools.wraps, original, ("__name__", "__qualname__", "__doc__"))
    if inspect.iscoroutinefunction(original):

        @looks()
        async def member_async(self: Any, *args: Any, **kwargs: Any) -> Any:
            return await body(self, next_in_line(self, name), *args, **kwargs)

        return member_async

    @looks()
    def member(self: Any, *args: Any, **kwargs: Any) -> Any:
        return body(self, next_in_line(self, name), *args, **kwargs)

    return member


def take_off(owner: type) -> None:
    """Take the members off, with the camelCase copies that ccxt's constructor left on the class and its subclasses.

    A member that other code has replaced since stays.
    """
    record = _put_on(owner)
    for name, member in record.members.items():
        if owner.__dict__.get(name) is member:
            _restore(owner, name, record.displaced)
    snake_of = {id(member): name for name, member in reversed(record.members.items())}
    for cls in _family(owner):
        displaced = _put_on(cls).displaced
        for name in [name for name, member in displaced.items() if id(member) in snake_of]:
            del displaced[name]  # a copy that a subclass which carries members too would bring back
        for name, value in list(vars(cls).items()):
            if id(value) in snake_of and name not in _put_on(cls).members:
                delattr(cls, name)
                current = getattr(cls, snake_of[id(value)], None)
                if current is not None:
                    setattr(cls, name, current)
    delattr(owner, _PUT)


def carries(cls: type) -> bool:
    """Return whether members were put on this very class."""
    return _PUT in cls.__dict__


def is_generated(cls: type, make: Maker | None = None) -> bool:
    """Return whether `subclass_with` made this class, and with these members."""
    record = _put_on(cls)
    return record.generated and make in (None, record.make)


def first_carrier(cls: type) -> type | None:
    """Return the first class in the MRO that members were put on; None if there is none."""
    return next((base for base in cls.__mro__ if carries(base)), None)


@functools.lru_cache
def is_ccxts(module: str) -> bool:
    """Return whether a module of this name is ccxt's; its authors also publish OKX alone, as `okx-exchange`."""
    return f"{module}.".startswith(("ccxt.", "okx.ccxt."))


def are_ccxts(obj: Any, names: Collection[str]) -> bool:
    """Return whether everything under these names, on an object and on its classes, is ccxt's.

    Members that `put` has put there do not count.
    """
    if not vars(obj).keys().isdisjoint(names):
        return False
    for cls in type(obj).__mro__:
        found, record = vars(cls), _put_on(cls)
        for name in found.keys() & names:
            member = record.displaced.get(name) if name in record.members else found[name]
            if member is not None and not is_ccxts(str(getattr(member, "__module__", ""))):
                return False
    return True


def subclass_with(base: type, make: Maker) -> type:
    """Return the one subclass of `base`, under its name, that carries these members; for single objects."""
    return _cached(base, make.__name__, lambda: _carrier(base, make))


def subclass_of(base: type, key: str, namespace: dict[str, Any]) -> type:
    """Return the one subclass of `base` with this namespace, under its name; `key` tells namespaces apart."""
    return _cached(base, key, lambda: _derive(base, namespace))


def plain(cls: type) -> type:
    """Return the class that its owner knows: below one that this module made, its base."""
    while is_generated(cls):
        cls = cls.__base__  # type: ignore[assignment]  # a generated class has one
    return cls


# By the id of the base, which lives as long as the subclass does. Nothing is kept on a class that others own.
_subclasses: weakref.WeakValueDictionary[tuple[int, str], type] = weakref.WeakValueDictionary()
_recent: deque[type] = deque(maxlen=8)  # keeps alive what each request needs again


def _cached(base: type, key: str, make: Callable[[], type]) -> type:
    cls = _subclasses.get((id(base), key))
    if cls is None:
        cls = make()
        _subclasses[id(base), key] = cls
        _recent.append(cls)
    return cls


def _derive(base: type, namespace: dict[str, Any]) -> type:
    names = {"__module__": base.__module__, "__qualname__": base.__qualname__, **namespace}
    cls: type = type(base)(base.__name__, (base,), names)
    return cls


def _carrier(base: type, make: Maker) -> type:
    cls = _derive(base, {})
    put(cls, make, generated=True)
    return cls


def _put_on(cls: type) -> _Put:
    record: _Put = cls.__dict__.get(_PUT, _NOTHING)
    return record


def _restore(owner: type, name: str, displaced: dict[str, Any]) -> None:
    if name in displaced:
        setattr(owner, name, displaced[name])
    else:
        delattr(owner, name)


def _family(cls: Any) -> Iterator[type]:
    yield cls
    for subclass in cls.__subclasses__():
        yield from _family(subclass)
