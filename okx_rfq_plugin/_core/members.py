"""This file puts members on a class that others own, takes them off again, and gives one object a class of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

# Returns what `obj.name` would be without the member: looked up at each call, never a method remembered from before.
NextInLine = Callable[[Any, str], Any]
# Makes the members for the class that they are put on.
Maker = Callable[[type, NextInLine], dict[str, Any]]

_SHELF = "_okx_rfq_shelf"


class _Shelf(NamedTuple):
    """What was put on a class, what made it, and what stood there before."""

    make: Maker | None
    members: dict[str, Any]
    displaced: dict[str, Any]
    generated: bool


_EMPTY = _Shelf(None, {}, {}, False)


def put(owner: type, make: Maker, *, generated: bool = False) -> None:
    """Put members on a class, once; what stood under their names is kept on a shelf."""
    if not carries(owner):
        displaced: dict[str, Any] = {}

        def next_in_line(obj: Any, name: str) -> Any:
            if name not in displaced:
                return getattr(super(owner, obj), name)
            member = displaced[name]
            return member.__get__(obj, type(obj)) if hasattr(member, "__get__") else member

        members = make(owner, next_in_line)
        if generated:
            members["__reduce_ex__"] = _reducer(make, next_in_line)
        displaced.update({name: owner.__dict__[name] for name in members if name in owner.__dict__})
        for name, member in members.items():
            setattr(owner, name, member)
        setattr(owner, _SHELF, _Shelf(make, members, displaced, generated))


def take_off(owner: type) -> None:
    """Take them off again, with the camelCase copies that ccxt's constructor left on the class and its subclasses.

    What somebody else has put in the place of a member since stays.
    """
    shelf = _shelf(owner)
    delattr(owner, _SHELF)
    for name, member in shelf.members.items():
        if owner.__dict__.get(name) is member:
            _restore(owner, name, shelf.displaced)
    snake_of = {id(member): name for name, member in reversed(shelf.members.items())}
    for cls in _family(owner):
        for name, value in list(vars(cls).items()):
            if id(value) in snake_of and name not in _shelf(cls).members:
                delattr(cls, name)
                current = getattr(cls, snake_of[id(value)], None)
                if current is not None:
                    setattr(cls, name, current)


def carries(cls: type) -> bool:
    """Say whether members were put on this very class."""
    return _SHELF in cls.__dict__


def is_generated(cls: type, make: Maker | None = None) -> bool:
    """Say whether `subclass_with` has made this class, and with these members."""
    shelf = _shelf(cls)
    return shelf.generated and make in (None, shelf.make)


def first_carrier(cls: type) -> type | None:
    """Return the class in line on which members stand, the nearest one; None where there is none."""
    return next((base for base in cls.__mro__ if carries(base)), None)


def definitions(obj: Any, name: str) -> Iterator[Any]:
    """Give what stands under a name on an object and on its classes, without what was put there by this file."""
    for holder in (obj, *type(obj).__mro__):
        shelf = _shelf(holder) if isinstance(holder, type) else _EMPTY
        found = shelf.displaced if name in shelf.members else vars(holder)
        if name in found:
            yield found[name]


def definer(cls: type, name: str) -> type:
    """Return the class in line that decides about a name of its objects."""
    return next(base for base in cls.__mro__ if name in base.__dict__)


def subclass_with(base: type, make: Maker) -> type:
    """Return the one subclass of `base`, under its name, that carries these members; for single objects."""
    known = _generated.get((base, make))
    if known is None:
        names: dict[str, Any] = {"__module__": base.__module__, "__qualname__": base.__qualname__}
        subclass: Any = type(base.__name__, (base,), names)
        put(subclass, make, generated=True)
        known = _generated.setdefault((base, make), subclass)  # of two threads one wins
    return known


_generated: dict[tuple[type, Maker], type] = {}


def plain(cls: type) -> type:
    """Return the class that its owner knows: below one that `subclass_with` has made, its base."""
    while is_generated(cls):
        cls = cls.__base__  # type: ignore[assignment]  # a generated class has one
    return cls


def reduce_by(rebuild: Callable[..., Any], extra: Any, reduced: Any) -> Any:
    """Return what pickle or copy needs so that `rebuild(extra, make, args)` makes the object, instead of `make(*args)`.

    A generated class has no name by which another process could find it: its base travels.
    """
    if isinstance(reduced, str):
        return reduced
    make, args, *state = reduced
    args = tuple(plain(arg) if isinstance(arg, type) else arg for arg in args)
    return (rebuild, (extra, make, args), *state)


def _reducer(make: Maker, next_in_line: NextInLine) -> Any:
    def __reduce_ex__(self: Any, protocol: Any) -> Any:
        return reduce_by(_rebuilt, make, next_in_line(self, "__reduce_ex__")(protocol))

    return __reduce_ex__


def _rebuilt(make_members: Maker, make: Any, args: Any) -> Any:
    obj = make(*args)
    obj.__class__ = subclass_with(type(obj), make_members)
    return obj


def _shelf(cls: type) -> _Shelf:
    shelf: _Shelf = cls.__dict__.get(_SHELF, _EMPTY)
    return shelf


def _restore(owner: type, name: str, displaced: dict[str, Any]) -> None:
    if name in displaced:
        setattr(owner, name, displaced[name])
    else:
        delattr(owner, name)


def _family(cls: Any) -> Iterator[type]:
    yield cls
    for subclass in cls.__subclasses__():
        yield from _family(subclass)
