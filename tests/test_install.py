"""What `install` and `uninstall` change on exchanges and classes, and that nothing else changes."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import dataclasses
import functools
import inspect
import json
import math
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import permutations, product
from pathlib import Path
from typing import Any

import ccxt
import ccxt.async_support
import ccxt.pro
import pytest
from support.twins import kind

import okx_rfq_plugin
from okx_rfq_plugin import RetryPolicy, install, uninstall
from okx_rfq_plugin.sandbox import Sandbox

CANCEL = "rfq/cancel-all-rfqs"
MODULES = (ccxt, ccxt.async_support, ccxt.pro)
CLASSES = [getattr(module, name) for module in MODULES for name in ("okx", "myokx", "okxus")]
BOOKKEEPING = {
    "last_http_response", "last_json_response", "last_response_headers", "last_request_headers", "last_request_body",
    "last_request_url", "lastRestRequestTimestamp", "asyncio_loop", "session", "tcp_connector",
}  # fmt: skip
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)

every_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__module__)


@pytest.fixture
def sandbox(clock: Any) -> Iterator[Sandbox]:
    """A sandbox in real time, advanced only by waits, because a pickled exchange cannot bring its own clock."""
    with Sandbox(clock=lambda: time.time() + clock.time - 1000) as running:
        yield running


def family(cls: type) -> Iterator[type]:
    yield cls
    subclasses: list[type] = cls.__subclasses__()
    for subclass in subclasses:
        yield from family(subclass)


@pytest.fixture(scope="module")
def bare() -> dict[type, dict[str, Any]]:
    """What the classes contain before any test: ccxt's own members, and the subclasses that `install` creates."""
    for cls in CLASSES:
        install(cls())
    return {each: dict(vars(each)) for cls in CLASSES for each in family(cls)}


@pytest.fixture(autouse=True)
def _classes_as_before(bare: dict[type, dict[str, Any]]) -> Iterator[None]:
    """Remove by force what a failing test has left on a class, so that no other test sees it."""
    yield

    for cls, before in bare.items():
        if dict(vars(cls)) == before:  # nearly always, and at once: the names of all classes are forty thousand
            continue
        for name in vars(cls).keys() - before.keys():
            delattr(cls, name)
        for name, value in before.items():
            if vars(cls).get(name) is not value:
                setattr(cls, name, value)


def cancel(exchange: Any, method: str = "cancel_all_rfqs") -> Any:
    """Return a cancel's result, on either twin."""
    if exchange.synchronous:
        return getattr(exchange, method)()

    async def on_a_loop() -> Any:
        exchange.asyncio_loop, exchange.timeout_on_exit = None, 0  # it may have been used on another loop before
        exchange.open()
        try:
            return await getattr(exchange, method)()
        finally:
            await exchange.close()

    return asyncio.run(on_a_loop())


def outcome(sandbox: Sandbox, exchange: Any, method: str = "cancel_all_rfqs") -> tuple[str, int]:
    """Open an RFQ, cancel with this exchange, and return the receipt's status and how many are left."""
    user = {"apiKey": exchange.apiKey}
    sandbox.create_rfq(credentials=user)
    status = cancel(exchange, method)["status"]
    return status, len(sandbox.rfqs("active", credentials=user))


def keys_used(sandbox: Sandbox) -> list[str]:
    return [request.headers["OK-ACCESS-KEY"] for request in sandbox.requests]


def state(holder: Any) -> dict[str, Any]:
    """Return the contents of an object or class, including the one dict that an install writes to."""
    return {name: dict(value) if name == "has" else value for name, value in vars(holder).items()}


def subclass_of(base: type) -> Any:
    return type("Mine", (base,), {"__module__": __name__, "__doc__": "A user's own."})


class Desk(ccxt.okx):
    """A user's own exchange, which pickle finds by its name."""


class AsyncDesk(ccxt.async_support.okx):
    """Async version of `Desk`."""


# Objects and classes


@every_class
def test_object_of_every_class_gets_the_method_and_its_alias(cls: Any, sandbox: Sandbox) -> None:
    """An object of each of ccxt's okx classes cancels by both names after `install`; its class is unchanged."""
    before = dict(vars(cls))

    exchanges = [install(sandbox.exchange(cls)) for _ in range(2)]

    assert ("canceled", 0) == outcome(sandbox, exchanges[0])
    assert ("canceled", 0) == outcome(sandbox, exchanges[1], "cancelAllRfqs")
    assert exchanges[0].has["cancelAllRfqs"] is True
    assert before == dict(vars(cls))
    assert not hasattr(cls(), "cancel_all_rfqs")


@every_class
def test_class_gives_it_to_old_and_new_objects_and_subclasses(cls: Any, sandbox: Sandbox) -> None:
    """On a class, it affects existing objects, later ones, and those of subclasses created later."""
    existing = sandbox.exchange(cls)

    assert install(cls) is cls

    for exchange in (existing, sandbox.exchange(cls), sandbox.exchange(subclass_of(cls))):
        assert ("canceled", 0) == outcome(sandbox, exchange)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_class_okx_gives_it_to_the_regions(module: Any, sandbox: Sandbox) -> None:
    """On okx, it is also on objects of myokx and okxus, by both names."""
    existing = sandbox.exchange(module.myokx)

    install(module.okx)

    assert ("canceled", 0) == outcome(sandbox, existing, "cancelAllRfqs")
    assert ("canceled", 0) == outcome(sandbox, sandbox.exchange(module.okxus), "cancelAllRfqs")


def test_class_of_async_support_gives_it_to_pro(sandbox: Sandbox) -> None:
    """ccxt.pro.okx inherits it as a subclass of ccxt.async_support.okx."""
    install(ccxt.async_support.okx)

    assert ("canceled", 0) == outcome(sandbox, sandbox.exchange(ccxt.pro.okx))


@every_class
def test_has_tells_of_objects_built_after_the_class_was_installed(cls: Any) -> None:
    """`has['cancelAllRfqs']` is True on objects built after it was put on their class, subclasses included."""
    install(cls)

    assert cls().has["cancelAllRfqs"] is True
    assert subclass_of(cls)().has["cancelAllRfqs"] is True


def test_subclass_of_a_users_own_gets_it_alone(twin: Any, sandbox: Sandbox) -> None:
    """On a user's own subclass, it is on that and not on ccxt's class; the subclass's `__init__` runs as before."""

    class Mine(twin.module.okx):
        """Takes one more argument than ccxt."""

        def __init__(self, config: Any, desk: str = "none") -> None:
            super().__init__(config)
            self.desk = desk

    install(Mine)

    exchange = sandbox.exchange(lambda config: Mine(config, desk="blocks"))
    assert "blocks" == exchange.desk
    assert exchange.has["cancelAllRfqs"] is True
    assert ("canceled", 0) == outcome(sandbox, exchange)
    assert not hasattr(twin.module.okx, "cancel_all_rfqs")


def test_objects_that_compare_by_value_are_told_apart(twin: Any) -> None:
    """A user's class whose objects are equal and unhashable supports it, on each object separately."""

    class Mine(twin.module.okx):
        """All of them are equal."""

        __hash__ = None  # type: ignore[assignment]  # as a dataclass has it

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Mine)

    first, second, bare = install(Mine()), install(Mine()), Mine()

    uninstall(first)

    objects = {"first": first, "second": second, "bare": bare}
    assert ["second"] == [name for name, each in objects.items() if hasattr(each, "cancelAllRfqs")]
    assert ["second"] == [name for name, each in objects.items() if "cancelAllRfqs" in each.has]


def test_installing_an_object_twice_is_the_same_as_once(twin: Any) -> None:
    """A second `install` changes neither the object nor its class, and one `uninstall` undoes both."""
    exchange = twin.module.okx()
    bare = type(exchange), state(exchange)
    once = type(install(exchange)), state(exchange)

    assert install(exchange) is exchange

    assert once == (type(exchange), state(exchange))
    assert uninstall(exchange) is exchange
    assert bare == (type(exchange), state(exchange))


def test_installing_a_class_twice_is_the_same_as_once(twin: Any) -> None:
    """A second `install` changes nothing on the class, and one `uninstall` undoes both."""
    cls = twin.module.okx
    bare = dict(vars(cls))
    once = dict(vars(install(cls)))

    install(cls)

    assert once == dict(vars(cls))
    assert uninstall(cls) is cls
    assert bare == dict(vars(cls))


# Policies


@pytest.fixture
def waits(twin: Any, sandbox: Sandbox, clock: Any) -> Callable[[Any], list[float]]:
    """Return the waits of a cancel that is rate limited once."""

    def measure(exchange: Any) -> list[float]:
        clock.waits.clear()
        sandbox.fault(CANCEL, "50011")
        cancel(exchange)
        sandbox.clear()
        return list(clock.waits)

    return measure


def waiting(seconds: float) -> RetryPolicy:
    return RetryPolicy(rate_limit_wait=seconds, jitter=0)


@pytest.mark.parametrize("level", ["object", "class"])
def test_new_policy_replaces_the_old_and_none_keeps_it(level: str, twin: Any, sandbox: Sandbox, waits: Any) -> None:
    """Another `install` with a policy replaces the old one; one without keeps it; `uninstall` forgets it."""
    exchange = sandbox.exchange(twin.module.okx)
    target = exchange if level == "object" else twin.module.okx

    install(target, policy=waiting(3))
    assert [3.0] == waits(exchange)

    install(target, policy=waiting(4))
    assert [4.0] == waits(exchange)

    install(target)
    assert [4.0] == waits(exchange)

    install(uninstall(target))
    (wait,) = waits(exchange)
    assert 2.0 <= wait <= 2.3


def test_policy_of_the_object_beats_that_of_its_class(twin: Any, sandbox: Sandbox, waits: Any) -> None:
    """If both have a policy, the object's counts, whichever came first; without it, the class's counts again."""
    first, later = sandbox.exchange(twin.module.okx), sandbox.exchange(twin.module.okx)

    install(first, policy=waiting(3))
    install(twin.module.okx, policy=waiting(5))
    install(later, policy=waiting(4))

    assert [3.0] == waits(first)
    assert [4.0] == waits(later)
    assert [5.0] == waits(uninstall(first))


def test_object_without_a_policy_has_that_of_its_class(twin: Any, sandbox: Sandbox, waits: Any) -> None:
    """An object installed without a policy uses its class's, even one set later."""
    exchange = install(sandbox.exchange(twin.module.okx))

    install(twin.module.okx, policy=waiting(5))

    assert [5.0] == waits(exchange)
    assert [5.0] == waits(sandbox.exchange(subclass_of(twin.module.okx)))


@pytest.mark.parametrize("value", [-1, -0.001, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(RetryPolicy)])
def test_policy_refuses_what_is_no_time_to_wait(name: str, value: float) -> None:
    """A negative, NaN or infinite number of seconds is a ValueError that names the field."""
    with pytest.raises(ValueError, match=name):
        RetryPolicy(**{name: value})


@pytest.mark.parametrize("value", ["3", None, True, 1j])
def test_policy_refuses_what_is_no_number(value: Any) -> None:
    """A value that is not a number of seconds at all is a TypeError that names the field."""
    with pytest.raises(TypeError, match="deadline"):
        RetryPolicy(deadline=value)


def test_policy_is_frozen_and_keyword_only() -> None:
    """A policy is immutable, so that exchanges can share it, and its arguments are keyword-only."""
    policy = RetryPolicy(deadline=0, jitter=0)

    assert RetryPolicy(jitter=0.0, deadline=0.0) == policy
    with pytest.raises(dataclasses.FrozenInstanceError):
        policy.deadline = 1  # type: ignore[misc]  # what must fail
    with pytest.raises(TypeError):
        RetryPolicy(1)  # type: ignore[call-arg]  # what must fail


# Uninstalling


@pytest.mark.parametrize("off", list(permutations(("class", "subclass", "object"))), ids="-".join)
@pytest.mark.parametrize("on", list(permutations(("class", "subclass", "object"))), ids="-".join)
@pytest.mark.thinned
def test_class_subclass_and_object_are_independent(on: tuple[str, ...], off: tuple[str, ...], twin: Any) -> None:
    """On a class, its subclass and an object, installed and uninstalled in any order, each is independent."""
    cls = twin.module.okx
    mine = subclass_of(cls)
    exchange, bystander = mine(), cls()
    targets = {"class": cls, "subclass": mine, "object": exchange}
    before = [state(each) for each in (cls, mine, exchange, bystander)]
    installed = set()

    for name in on:
        install(targets[name])
        installed.add(name)
        type(exchange)(), mine()  # ccxt's constructor copies what it finds on them
        missing = [name for name in ("cancel_all_rfqs", "cancelAllRfqs") if not hasattr(exchange, name)]
        assert [] == missing, installed
        assert ("class" in installed) == hasattr(bystander, "cancel_all_rfqs"), installed
    for name in off:
        uninstall(targets[name])
        installed.remove(name)
        for alias in ("cancel_all_rfqs", "cancelAllRfqs"):
            assert bool(installed) == hasattr(exchange, alias), installed
            assert bool(installed & {"class", "subclass"}) == hasattr(mine, alias), installed
            assert ("class" in installed) == hasattr(bystander, alias), installed

    assert [state(each) for each in (cls, mine, exchange, bystander)] == before
    assert mine is type(exchange)


def test_object_still_cancels_after_its_class_was_uninstalled(twin: Any, sandbox: Sandbox) -> None:
    """An object on which it was installed keeps it when it is removed from the class."""
    exchange = install(sandbox.exchange(twin.module.okx))
    install(twin.module.okx)

    uninstall(twin.module.okx)

    assert ("canceled", 0) == outcome(sandbox, exchange)


def test_subclass_still_cancels_after_its_base_was_uninstalled(twin: Any, sandbox: Sandbox) -> None:
    """A subclass on which it was installed keeps it when it is removed from its base."""
    install(twin.module.okx)
    exchange = sandbox.exchange(install(twin.module.myokx))

    uninstall(twin.module.okx)

    assert ("canceled", 0) == outcome(sandbox, exchange)


@every_class
def test_uninstall_leaves_the_class_as_it_was(cls: Any) -> None:
    """After `uninstall` a class contains what it did before, including camelCase copies on subclasses."""
    before = {each: dict(vars(each)) for each in CLASSES}
    install(cls)
    for each in CLASSES:
        each()

    uninstall(cls)

    for each in CLASSES:
        assert before[each] == dict(vars(each))


def test_uninstall_leaves_no_copy_on_a_subclass_first_used_meanwhile(twin: Any) -> None:
    """On a subclass whose first object was built in between, only ccxt's own camelCase copies stay."""
    cls = twin.module.okx
    install(cls)
    mine = subclass_of(cls)
    mine()

    uninstall(cls)

    assert not hasattr(mine, "cancelAllRfqs")
    for camel, snake in (("handleErrors", "handle_errors"), ("checkProxyUrlSettings", "check_proxy_url_settings")):
        assert getattr(cls, snake) is getattr(mine, camel)


def test_uninstall_where_nothing_is_installed_changes_nothing(twin: Any) -> None:
    """Uninstalling where it was never installed, or no longer is, does nothing."""
    exchange = twin.module.okx()
    before = [state(each) for each in (exchange, twin.module.okx)]

    assert uninstall(exchange) is exchange
    assert uninstall(uninstall(twin.module.okx)) is twin.module.okx

    assert [state(each) for each in (exchange, twin.module.okx)] == before


@pytest.mark.parametrize("target", [5, "okx", None, ccxt, ccxt.kraken, int, object()], ids=kind)
def test_uninstall_of_what_can_have_nothing_does_nothing(target: Any) -> None:
    """If nothing is installed, nothing happens, whatever the target is."""
    assert uninstall(target) is target


def test_uninstall_of_an_objects_type_leaves_other_objects_their_own(twin: Any) -> None:
    """Code that uninstalls from `type(exchange)` does not prevent later objects from getting it."""
    exchange = install(twin.module.okx())

    uninstall(type(exchange))

    later = install(twin.module.okx())
    assert hasattr(later, "cancel_all_rfqs")


def test_patch_of_somebody_else_survives_uninstall(twin: Any) -> None:
    """A member that other code has replaced on the class since stays replaced."""
    cls = twin.module.okx
    install(cls)
    theirs = {name: lambda *args, **kwargs: None for name in ("handle_errors", "cancel_all_rfqs", "__init__")}
    for name, patch in theirs.items():
        setattr(cls, name, patch)

    uninstall(cls)

    assert theirs == {name: vars(cls)[name] for name in theirs}
    for name in ("cancel_all_rfqs", "__init__"):  # which the class has only inherited
        delattr(cls, name)


def test_patch_that_calls_what_it_found_works_before_and_after_uninstall(twin: Any, sandbox: Sandbox) -> None:
    """A patch made while installed calls what it replaced; after `uninstall` that still reaches ccxt's."""
    cls = install(twin.module.okx)
    found = cls.handle_errors
    seen = []

    def patched(self: Any, *args: Any) -> Any:
        seen.append(args[0])
        return found(self, *args)

    cls.handle_errors = patched
    assert ("canceled", 0) == outcome(sandbox, sandbox.exchange(cls))
    uninstall(cls)

    exchange = sandbox.exchange(cls)
    sandbox.fault(CANCEL, "70207")
    with pytest.raises(ccxt.BaseError, match="70207"):
        cancel(exchange, "private_post_rfq_cancel_all_rfqs")
    assert patched is vars(cls)["handle_errors"]
    assert [200, 200] == seen


def test_patch_made_before_install_is_called_and_put_back(twin: Any, sandbox: Sandbox, monkeypatch: Any) -> None:
    """A patch that was already on the class is called while installed, and is there again afterwards."""
    cls = twin.module.okx
    ccxts, seen = cls.handle_errors, []

    def patched(self: Any, *args: Any) -> Any:
        seen.append(args[0])
        return ccxts(self, *args)

    monkeypatch.setattr(cls, "handle_errors", patched)
    install(cls)

    assert ("canceled", 0) == outcome(sandbox, sandbox.exchange(cls))
    assert [200] == seen
    assert patched is vars(uninstall(cls))["handle_errors"]


def test_patch_of_an_inherited_method_counts_while_installed(twin: Any, sandbox: Sandbox, monkeypatch: Any) -> None:
    """The inherited ccxt method is looked up at each call, so that a patch on a base class counts at once."""
    exchange = install(sandbox.exchange(twin.module.okx))
    ccxts, seen = twin.module.okx.handle_errors, []

    def patched(self: Any, *args: Any) -> Any:
        seen.append(args[0])
        return ccxts(self, *args)

    monkeypatch.setattr(twin.module.okx, "handle_errors", patched)

    assert ("canceled", 0) == outcome(sandbox, exchange)
    assert [200] == seen


# Unsupported targets


class KrakenSubclass(ccxt.kraken):
    """A venue that no plugin supports."""


@pytest.mark.parametrize(
    "target",
    [ccxt.kraken, ccxt.async_support.kraken, KrakenSubclass, ccxt.Exchange, ccxt, 5, "okx", None, object, install],
    ids=kind,
)
def test_target_that_nobody_serves_is_not_supported(target: Any) -> None:
    """A class, a module or anything else that no plugin supports is `ccxt.NotSupported`, and unchanged."""
    before = dict(vars(target)) if hasattr(target, "__dict__") else None

    with pytest.raises(ccxt.NotSupported, match="okx"):
        install(target)

    assert before == (dict(vars(target)) if hasattr(target, "__dict__") else None)


def test_object_that_nobody_serves_is_not_supported(twin: Any) -> None:
    """The same applies to an object of another venue."""
    exchange = twin.module.kraken()
    before = type(exchange), state(exchange)

    with pytest.raises(ccxt.NotSupported, match="okx"):
        install(exchange)

    assert before == (type(exchange), state(exchange))


@pytest.mark.parametrize("policy", [30, {"deadline": 3}, RetryPolicy, "fast", False], ids=kind)
def test_policy_of_a_wrong_type_is_refused_before_anything_changes(policy: Any, twin: Any) -> None:
    """An invalid policy is a TypeError, and nothing was installed."""
    exchange = twin.module.okx()

    for target in (exchange, twin.module.okx):
        with pytest.raises(TypeError, match="RetryPolicy"):
            install(target, policy=policy)

    assert not hasattr(exchange, "cancel_all_rfqs")


# Copies


def on_object(cls: Any, make: Any) -> Any:
    return install(make(cls), policy=waiting(7))


def on_class(cls: Any, make: Any) -> Any:
    return make(install(cls, policy=waiting(7)))


def on_both(cls: Any, make: Any) -> Any:
    return install(make(install(cls, policy=waiting(9))), policy=waiting(7))


def on_base(cls: Any, make: Any) -> Any:
    install(cls.__base__, policy=waiting(7))
    return make(cls)


def pickled(protocol: int, exchange: Any) -> Any:
    return pickle.loads(pickle.dumps(exchange, protocol))  # noqa: S301 - our own bytes


LEVELS = {"object": on_object, "class": on_class, "both": on_both, "base": on_base}
COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"pickle{n}": functools.partial(pickled, n) for n in PROTOCOLS},
}


@pytest.mark.parametrize("how", ["copy", "deepcopy", f"pickle{pickle.HIGHEST_PROTOCOL}"])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.thinned
def test_copy_cancels_with_its_own_key(level: str, how: str, twin: Any, sandbox: Sandbox, waits: Any) -> None:
    """A copy cancels with its own key, not the original's, and uses the same policy."""
    cls = twin.module.myokx if level == "base" else twin.module.okx
    exchange = LEVELS[level](cls, sandbox.exchange)
    other = sandbox.create_user()

    duplicate = COPIES[how](exchange)
    duplicate.apiKey, duplicate.secret, duplicate.password = other["apiKey"], other["secret"], other["password"]
    second = COPIES[how](duplicate)
    sandbox.create_rfq()

    assert ("canceled", 0) == outcome(sandbox, duplicate)
    assert keys_used(sandbox) == [other["apiKey"]]
    assert 1 == len(sandbox.rfqs("active"))
    assert [7.0] == waits(second)
    assert isinstance(duplicate, cls)
    assert duplicate.has["cancelAllRfqs"] is True


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.thinned
def test_copy_holds_what_a_bare_copy_would_hold(level: str, how: str, twin: Any, sandbox: Sandbox) -> None:
    """Copying drops and adds nothing: the copy is installed like the original, and uninstalls the same way."""
    cls = twin.module.myokx if level == "base" else twin.module.okx
    exchange = LEVELS[level](cls, sandbox.exchange)

    duplicate = COPIES[how](exchange)

    assert type(exchange) is type(duplicate)
    assert vars(exchange).keys() == vars(duplicate).keys()
    assert exchange.options == duplicate.options
    uninstall(duplicate)
    assert (level != "object") == hasattr(duplicate, "cancel_all_rfqs")
    assert (level != "object") == ("cancelAllRfqs" in duplicate.has)


def test_copy_goes_by_its_class_where_the_original_does(twin: Any, sandbox: Sandbox, waits: Any) -> None:
    """A copy of an object without its own policy has none either, so that a new one on its class counts."""
    install(twin.module.okx, policy=waiting(5))
    duplicates = [
        copy.deepcopy(install(sandbox.exchange(twin.module.okx))),
        copy.deepcopy(sandbox.exchange(twin.module.okx)),
    ]

    install(twin.module.okx, policy=waiting(6))

    assert [[6.0], [6.0]] == [waits(duplicate) for duplicate in duplicates]


def test_bare_copies_are_bare(twin: Any) -> None:
    """An uninstalled object is copied as ccxt copies it."""
    exchange = uninstall(install(twin.module.okx()))

    duplicate = pickle.loads(pickle.dumps(exchange))  # noqa: S301 - our own bytes

    assert type(duplicate) is twin.module.okx
    assert not hasattr(duplicate, "cancel_all_rfqs")


def test_reduction_to_a_name_stays_a_name(twin: Any) -> None:
    """A user's exchange that pickles as a global name, as singletons do, still does."""

    class Singleton(twin.module.okx):
        """Found only by its name."""

        def __reduce_ex__(self, protocol: Any) -> str:
            return "THE_DESK"

    exchange = install(Singleton())

    assert "THE_DESK" == exchange.__reduce_ex__(4)
    assert copy.deepcopy(exchange) is exchange


FRESH = """
import asyncio, json, pickle, sys
results = []
for data in pickle.load(open(sys.argv[1], "rb")):
    exchange = pickle.loads(data)
    if exchange.synchronous:
        receipt = exchange.cancelAllRfqs()
    else:
        async def main():
            try:
                return await exchange.cancelAllRfqs()
            finally:
                exchange.timeout_on_exit = 0
                await exchange.close()
        receipt = asyncio.run(main())
    carried = exchange._okx_rfq_policy.rate_limit_wait
    bases = [base for base in type(exchange).__mro__ if base.__name__ in ("okx", "myokx")]
    results.append([receipt["status"], exchange.has["cancelAllRfqs"], carried, hasattr(bases[-1], "cancel_all_rfqs")])
print(json.dumps(results))
"""


def in_a_fresh_process(script: str, tmp_path: Path, *args: str) -> Any:
    """Run a script in which nothing was installed, and return its output."""
    (tmp_path / "script.py").write_text(script)
    root = str(Path(okx_rfq_plugin.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "script.py", *args], cwd=tmp_path, env={**os.environ, "PYTHONPATH": root},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_pickle_still_cancels_where_nothing_was_installed(twin: Any, sandbox: Sandbox, tmp_path: Path) -> None:
    """Unpickled in a process that never called `install`, it cancels with its own key and leaves the class alone."""
    pickles, users = [], []
    for level, put_on in LEVELS.items():
        cls = twin.module.myokx if level == "base" else twin.module.okx
        for protocol in PROTOCOLS:
            users.append(sandbox.create_user())
            sandbox.create_rfq(credentials=users[-1])
            exchange = put_on(cls, lambda cls: sandbox.exchange(cls, credentials=users[-1]))
            pickles.append(pickle.dumps(exchange, protocol))
            for each in (exchange, cls, cls.__base__):
                uninstall(each)
    (tmp_path / "pickles").write_bytes(pickle.dumps(pickles))

    results = in_a_fresh_process(FRESH, tmp_path, "pickles")

    assert [["canceled", True, 7.0, False]] * len(users) == results
    assert [user["apiKey"] for user in users] == keys_used(sandbox)
    assert [[]] * len(users) == [sandbox.rfqs("active", credentials=user) for user in users]


@pytest.mark.parametrize("policy", [None, waiting(7)], ids=["no policy", "policy"])
def test_pickle_of_a_users_own_class_finds_it_by_name(policy: Any, twin: Any, sandbox: Sandbox) -> None:
    """An object of a user's own class comes back as one of that class, with the method, even after an uninstall."""
    cls = Desk if twin.synchronous else AsyncDesk
    install(cls, policy=policy)
    data = pickle.dumps(sandbox.exchange(cls))
    uninstall(cls)

    exchange = pickle.loads(data)  # noqa: S301 - our own bytes

    assert isinstance(exchange, cls)
    assert ("canceled", 0) == outcome(sandbox, exchange)
    assert not hasattr(cls, "cancel_all_rfqs")


# Everything else unchanged


@pytest.mark.parametrize("steps", [(), ("50011",), ("50102",), ("50113",)], ids=str)
def test_cancel_leaves_the_object_as_it_was(steps: Any, twin: Any, sandbox: Sandbox) -> None:
    """A cancel, successful or not, changes nothing on the object except ccxt's usual bookkeeping."""
    exchange = install(sandbox.exchange(twin.module.okx))
    warm(exchange)
    before, options = state(exchange), copy.deepcopy(exchange.options)
    if steps:
        sandbox.fault(CANCEL, *steps)

    with contextlib.suppress(ccxt.AuthenticationError):
        cancel(exchange)

    after = state(exchange)
    changed = {name for name in before.keys() | after.keys() if before.get(name) is not after.get(name)}
    changed = {name for name in changed if before.get(name) != after.get(name)}
    assert set() == changed - BOOKKEEPING
    assert {name: value for name, value in options.items() if name != "timeDifference"} == {
        name: value for name, value in exchange.options.items() if name != "timeDifference"
    }


def warm(exchange: Any) -> None:
    """Send any request, so that ccxt has everything that it creates on the first one."""
    cancel(exchange, "public_get_public_time")


def test_rate_limit_flag_can_be_read_set_and_deleted_as_on_a_bare_object(twin: Any) -> None:
    """`enableRateLimit` of an installed object behaves like a bare one's, errors included."""
    bare, installed = twin.module.okx(), install(twin.module.okx())

    def use(exchange: Any) -> list[Any]:
        seen = [exchange.enableRateLimit]
        exchange.enableRateLimit = False
        seen += [exchange.enableRateLimit, vars(exchange)["enableRateLimit"]]
        del exchange.enableRateLimit
        seen += ["enableRateLimit" in vars(exchange), getattr(exchange, "enableRateLimit", "none")]
        with pytest.raises(AttributeError):
            del exchange.enableRateLimit
        exchange.enableRateLimit = True
        return seen + [exchange.enableRateLimit]

    assert use(bare) == use(installed)


def test_rate_limit_flag_of_a_class_is_readable_while_installed(twin: Any) -> None:
    """The flag of a class itself reads the same before, during and after `install`, whether it exists or not."""
    mine = subclass_of(twin.module.okx)
    mine.enableRateLimit = "the class's"
    before = [getattr(cls, "enableRateLimit", "none") for cls in (twin.module.okx, mine)]

    for use in (install, uninstall):
        for cls in (twin.module.okx, mine):
            use(cls)
        assert before == [getattr(cls, "enableRateLimit", "none") for cls in (twin.module.okx, mine)]


def test_object_and_class_look_as_before(twin: Any) -> None:
    """The repr, the class's name, module and docs, and isinstance are those of ccxt's class."""
    bare, exchange = twin.module.okx(), install(twin.module.okx())

    def look(each: Any) -> list[Any]:
        cls = type(each)
        return [repr(each), str(each), cls.__name__, cls.__qualname__, cls.__module__, repr(cls), each.id]

    assert look(bare) == look(exchange)
    assert isinstance(exchange, twin.module.okx)


@every_class
def test_method_is_a_coroutine_function_on_async_classes_only(cls: Any) -> None:
    """A framework that uses `inspect` to find out whether to await gets the right answer, for both names."""
    exchange = install(cls())

    assert inspect.iscoroutinefunction(exchange.cancel_all_rfqs) is not cls.synchronous
    assert inspect.iscoroutinefunction(exchange.cancelAllRfqs) is not cls.synchronous
    assert "cancel_all_rfqs" == exchange.cancel_all_rfqs.__name__
    assert exchange.cancel_all_rfqs.__doc__


@pytest.mark.parametrize("level", ["object", "class"])
def test_ccxts_own_methods_take_keywords_as_before(level: str, twin: Any) -> None:
    """A framework that calls `handle_errors` or `check_proxy_url_settings` with ccxt's keywords still can."""
    exchange = twin.module.okx()
    install(exchange if level == "object" else twin.module.okx)

    with pytest.raises(ccxt.AuthenticationError):
        exchange.handle_errors(
            httpCode=200, reason="OK", url="", method="POST", headers={}, body='{"code":"50113"}',
            response={"code": "50113", "data": []}, requestHeaders={}, requestBody=None,
        )  # fmt: skip
    assert exchange.check_proxy_url_settings(url="", method="GET", headers=None, body=None) is None


@pytest.mark.parametrize("level", ["object", "class"])
def test_other_calls_of_an_installed_exchange_work_as_before(level: str, twin: Any, sandbox: Sandbox) -> None:
    """Another request of the same object returns and raises the same as on a bare one."""
    exchange = sandbox.exchange(twin.module.okx)
    install(exchange if level == "object" else twin.module.okx)
    exchange.enableRateLimit = False  # ccxt would wait between the two
    sandbox.create_rfq()

    assert 1 == len(cancel(exchange, "private_get_rfq_rfqs")["data"])

    sandbox.fault("rfq/rfqs", "50113")
    with pytest.raises(ccxt.AuthenticationError):
        cancel(exchange, "private_get_rfq_rfqs")


@pytest.mark.parametrize(("on", "off"), list(product(permutations(("class", "object")), repeat=2)), ids=str)
def test_has_is_as_before_after_both_were_taken_off(on: Any, off: Any, twin: Any) -> None:
    """An object older than both installs does not claim the method once it is gone."""
    exchange = twin.module.okx()
    targets = {"class": twin.module.okx, "object": exchange}

    for name in on:
        install(targets[name])
    for name in off:
        uninstall(targets[name])

    assert "cancelAllRfqs" not in exchange.has


@pytest.mark.parametrize("how", [None, *COPIES])
def test_has_of_an_object_goes_with_its_class(how: str | None, twin: Any) -> None:
    """Objects built while it was on their class, and copies of them, do not claim the method once it is gone."""
    install(twin.module.okx)
    exchange = twin.module.okx()
    if how is not None:
        exchange = COPIES[how](exchange)
    uninstall(twin.module.okx)

    assert "cancelAllRfqs" not in exchange.has


def test_has_that_somebody_else_sets_afterwards_is_theirs(twin: Any) -> None:
    """After uninstalling from one object, a later uninstall from another does not change the first one's claims."""
    exchange = uninstall(install(twin.module.okx()))
    exchange.has["cancelAllRfqs"] = "emulated"
    uninstall(install(twin.module.okx()))

    assert "emulated" == exchange.has["cancelAllRfqs"]


def test_features_are_the_users_to_set_while_it_is_installed(twin: Any) -> None:
    """And shown again after a new `has`, and after a new install."""
    exchange = install(twin.module.okx())
    exchange.has["cancelAllRfqs"] = "emulated"
    assert "emulated" == exchange.has["cancelAllRfqs"]

    exchange.has = {}
    assert exchange.has["cancelAllRfqs"] is True

    uninstall(exchange)
    assert "cancelAllRfqs" not in exchange.has
    assert install(exchange).has["cancelAllRfqs"] is True
