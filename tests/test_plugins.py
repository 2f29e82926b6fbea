"""Plugins that perform, wrap and observe a cancel, and that none prevents one."""

from __future__ import annotations

import asyncio
import builtins
import copy
import json
import logging
import os
import pickle
import re
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ccxt
import pluggy
import pytest

import okx_rfq_plugin
from okx_rfq_plugin import CancelFailure, ExchangeSnapshot, get_plugin_manager, hookimpl, hookspecs, install, plugins
from okx_rfq_plugin._core.call import begun
from okx_rfq_plugin.okx import okx
from okx_rfq_plugin.plugins import NO_AUTOLOAD, RfqPluginManager
from okx_rfq_plugin.sandbox import DROP, Sandbox

CANCEL = "rfq/cancel-all-rfqs"
RECEIPT: dict[str, Any] = {
    "status": "canceled",
    "timestamp": None,
    "datetime": None,
    "attempts": 1,
    "elapsed": 0.0,
    "info": {},
}


@pytest.fixture
def registered() -> Iterator[Callable[[object], Any]]:
    """Registers plugins with the package's own manager, and removes them again."""
    manager, plugins = get_plugin_manager(), []

    def register(plugin: object) -> Any:
        manager.register(plugin)
        plugins.append(plugin)
        return plugin

    yield register

    manager.observers.drain()
    for plugin in plugins:
        manager.unregister(plugin)


# Third parties' distributions


def distribution(folder: Path, name: str, source: str, *, entry_points: str = "") -> None:
    """Install a distribution into a folder as pip would: its module, and its metadata next to it."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points or f"[okx_rfq_plugin]\n{name} = {name}\n")
    (folder / f"{name}.py").write_text(textwrap.dedent(source))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for installing distributions, on this process's path; imports from it are undone."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    yield folder
    for name in [name for name, module in sys.modules.items() if str(folder) in str(getattr(module, "__file__", ""))]:
        del sys.modules[name]


def run(tmp_path: Path, script: str, *args: str, code: int = 0, **environment: str) -> Any:
    """Run a script in a separate process, with `site` on its path, and return the JSON that it prints last."""
    (tmp_path / "script.py").write_text(textwrap.dedent(script))
    path = [str(tmp_path / "site"), str(Path(okx_rfq_plugin.__file__).parent.parent)]
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "script.py", *args],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path), **environment},
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (code, "") == (done.returncode, done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


GOOD = """
    from okx_rfq_plugin import hookimpl

    heard, wrapped = [], []

    @hookimpl(wrapper=True)
    def cancel_all_rfqs(exchange, params, confirm):
        wrapped.append("before")
        result = yield
        wrapped.append("after")
        return result

    @hookimpl
    def rfqs_canceled(exchange, receipt):
        heard.append([exchange.key, receipt["status"]])
"""
BROKEN = {
    "import_error": ("import no_such_module_anywhere", "ModuleNotFoundError"),
    "syntax_error": ("def broken(:", "SyntaxError"),
    "system_exit": ("raise SystemExit(3)", "SystemExit"),
    "runtime_error": ("raise RuntimeError('not today')", "not today"),
    "unknown_hook": (
        "from okx_rfq_plugin import hookimpl\n@hookimpl\ndef rfqs_cancelled(exchange, receipt): pass\n",
        "rfqs_cancelled",
    ),
    "bad_argument": (
        "from okx_rfq_plugin import hookimpl\n@hookimpl\ndef rfqs_canceled(exchange, reciept): pass\n",
        "reciept",
    ),
    "second_hook_bad": (
        "from okx_rfq_plugin import hookimpl\n"
        "@hookimpl\ndef rfq_cancel_failed(exchange, error): raise AssertionError('was left out')\n"
        "@hookimpl\ndef rfqs_canceled(exchange, reciept): pass\n",
        "reciept",
    ),
}

WHOLE_WAY = """
    import json, sys
    import ccxt
    from okx_rfq_plugin import get_plugin_manager, install
    from okx_rfq_plugin.sandbox import Sandbox

    with Sandbox() as sandbox:
        sandbox.create_rfq()
        exchange = install(sandbox.exchange(ccxt.okx))
        receipt = exchange.cancel_all_rfqs()
        left = len(sandbox.rfqs("active"))
    manager = get_plugin_manager()
    manager.observers.drain()
    good = sys.modules.get("good")
    print(json.dumps({
        "status": receipt["status"], "left": left, "failures": manager.failures,
        "plugins": [name for name, plugin in manager.list_name_plugin() if plugin],
        "heard": good and good.heard, "wrapped": good and good.wrapped,
    }))
"""


def test_installed_third_party_is_loaded_beside_broken_ones(tmp_path: Path) -> None:
    """An installed distribution is loaded, wraps and observes; broken ones are reported, and nothing more."""
    distribution(tmp_path / "site", "good", GOOD)
    for name, (source, _) in BROKEN.items():
        distribution(tmp_path / "site", name, source)

    result = run(tmp_path, WHOLE_WAY)

    assert ("canceled", 0) == (result["status"], result["left"])
    assert [["...ey-1", "canceled"]] == result["heard"]
    assert ["before", "after"] == result["wrapped"]
    assert {f"{name}:{name}" for name in BROKEN} == result["failures"].keys()
    assert {"okx", "good:good"} == set(result["plugins"])


def test_variable_in_the_environment_keeps_third_parties_out(tmp_path: Path) -> None:
    """With OKX_RFQ_DISABLE_PLUGIN_AUTOLOAD=1 no third-party plugin is imported, and the cancel works."""
    distribution(tmp_path / "site", "good", GOOD)

    result = run(tmp_path, WHOLE_WAY, OKX_RFQ_DISABLE_PLUGIN_AUTOLOAD="1")

    assert ("canceled", 0, {}, None) == (result["status"], result["left"], result["failures"], result["heard"])
    assert ["okx"] == result["plugins"]


@pytest.mark.parametrize("name", BROKEN)
def test_broken_plugin_is_reported_logged_and_left_out(
    name: str, site: Path, caplog: pytest.LogCaptureFixture, exchange: Any, twin: Any, sandbox: Sandbox
) -> None:
    """A plugin's error is in `failures` and in the log; nothing of it stays registered, and cancels work."""
    source, why = BROKEN[name]
    distribution(site, name, source)
    manager = RfqPluginManager()

    manager.load_entry_points()

    assert [f"{name}:{name}"] == list(manager.failures)
    assert why in manager.failures[f"{name}:{name}"]
    assert f"{name}:{name}" in caplog.text
    assert all(record.exc_info for record in caplog.records)  # with the traceback
    assert ["okx"] == [plugin for plugin, _ in manager.list_name_plugin()]
    assert [] == manager.hook.rfq_cancel_failed.get_hookimpls() + manager.hook.rfqs_canceled.get_hookimpls()
    sandbox.create_rfq()
    assert "canceled" == canceled_by(manager, exchange, twin)["status"]


def canceled_by(manager: RfqPluginManager, exchange: Any, twin: Any) -> Any:
    """Return the outcome of a cancel with this manager, not the process's own."""
    serve = manager.serve if twin.synchronous else manager.serve_async
    return twin.run(exchange, lambda: serve("cancel_all_rfqs", exchange, {}, confirm=False))


def test_one_plugin_declared_twice_is_named_as_such(site: Path) -> None:
    """If two entry points name one object, the second is skipped, and the reason says so."""
    distribution(site, "twofold", GOOD, entry_points="[okx_rfq_plugin]\none = twofold\ntwo = twofold\n")
    manager = RfqPluginManager()

    manager.load_entry_points()

    assert manager.has_plugin("twofold:one")
    assert "already registered" in manager.failures["twofold:two"]


def test_loading_twice_is_the_same_as_once(site: Path) -> None:
    """A second scan registers nothing again."""
    distribution(site, "good", GOOD)
    manager = RfqPluginManager()

    manager.load_entry_points()
    manager.load_entry_points()

    assert ({}, ["okx", "good:good"]) == (manager.failures, [name for name, _ in manager.list_name_plugin()])


def test_keyboard_interrupt_during_a_scan_is_not_swallowed(site: Path) -> None:
    """Ctrl+C while a plugin is being imported propagates."""
    distribution(site, "interrupted", "raise KeyboardInterrupt")

    with pytest.raises(KeyboardInterrupt):
        RfqPluginManager().load_entry_points()


def test_unreadable_metadata_keep_nothing_but_third_parties_from_working(
    site: Path, caplog: pytest.LogCaptureFixture, exchange: Any, twin: Any
) -> None:
    """If the installed metadata cannot be read, that is logged, and the package's own plugin serves."""
    distribution(site, "garbled", "", entry_points="[okx_rfq_plugin]\nthis line is no entry point\n")
    manager = RfqPluginManager()

    manager.load_entry_points()

    assert "scan" in caplog.text
    assert all(record.exc_info for record in caplog.records)
    assert "nothing_active" == canceled_by(manager, exchange, twin)["status"]


def test_variable_keeps_this_process_from_scanning(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is read when plugins are loaded."""
    distribution(site, "good", GOOD)
    monkeypatch.setenv(NO_AUTOLOAD, "1")
    manager = RfqPluginManager()

    manager.load_entry_points()

    assert ["okx"] == [name for name, _ in manager.list_name_plugin()]


def test_scan_happens_at_install_and_never_inside_a_cancel(tmp_path: Path) -> None:
    """`install`, on objects or classes, or unpickling scans for plugins; a cancel finds them loaded."""
    distribution(tmp_path / "site", "good", GOOD)

    result = run(
        tmp_path,
        """
        import importlib.metadata, json, pickle, subprocess, sys
        import ccxt
        from okx_rfq_plugin import install
        from okx_rfq_plugin.sandbox import Sandbox

        real, scans = importlib.metadata.entry_points, []

        def entry_points(**selection):
            scans.append(now)
            return real(**selection)

        importlib.metadata.entry_points = entry_points
        with Sandbox() as sandbox:
            exchange = sandbox.exchange(ccxt.okx)
            if len(sys.argv) > 1:
                now = "unpickling"
                exchange = pickle.load(open(sys.argv[1], "rb"))
                exchange.apiKey, exchange.secret, exchange.password = sandbox.credentials.values()
                exchange.urls["api"]["rest"] = sandbox.url
            else:
                now = "install"
                install(exchange)
                pickle.dump(exchange, open("pickled", "wb"))
            now = "cancel"
            receipt = exchange.cancel_all_rfqs()
        now = "later"
        fresh = json.loads(subprocess.check_output([sys.executable, __file__, "pickled"])) if len(sys.argv) == 1 else []
        print(json.dumps(scans + fresh))
        """,
    )

    assert ["install", "unpickling"] == result


def test_plugin_that_asks_for_the_manager_while_it_is_loaded_gets_the_one(tmp_path: Path) -> None:
    """A plugin may call `get_plugin_manager()` or `install()` on import: there is one manager per process."""
    distribution(
        tmp_path / "site",
        "eager",
        """
        import ccxt, okx_rfq_plugin
        manager = okx_rfq_plugin.get_plugin_manager()
        okx_rfq_plugin.install(ccxt.okx)
        """,
    )

    result = run(
        tmp_path,
        """
        import json
        from okx_rfq_plugin import get_plugin_manager
        manager = get_plugin_manager()
        import eager
        print(json.dumps({"one manager": manager is eager.manager, "failures": manager.failures,
                          "loaded": manager.has_plugin("eager:eager")}))
        """,
    )

    assert {"one manager": True, "failures": {}, "loaded": True} == result


def test_threads_that_ask_at_once_get_the_same_manager(tmp_path: Path) -> None:
    """Two threads that install first at the same time share one manager."""
    distribution(tmp_path / "site", "slow", "import meeting\nmeeting.loading.set()\nmeeting.go.wait(10)\n")
    meeting = "import threading\nloading, go = threading.Event(), threading.Event()\n"
    (tmp_path / "site" / "meeting.py").write_text(meeting)

    result = run(
        tmp_path,
        """
        import json, threading
        import meeting
        from okx_rfq_plugin import get_plugin_manager
        managers = []
        threads = [threading.Thread(target=lambda: managers.append(get_plugin_manager())) for _ in range(2)]
        threads[0].start()
        meeting.loading.wait(10)
        threads[1].start()
        threads[1].join(0.2)  # it may wait for the first, or not
        meeting.go.set()
        for thread in threads:
            thread.join()
        print(json.dumps([len(managers), len({id(manager) for manager in [*managers, get_plugin_manager()]})]))
        """,
    )

    assert [2, 1] == result  # two asked, and there is one


# Other hosts


OWN = re.compile(r"\[project\.entry-points\.okx_rfq_plugin\]\nokx = \"(.+)\"\n")


def test_the_manager_that_is_being_loaded_is_the_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking for it while plugins are being loaded returns the final one."""
    manager = okx_rfq_plugin.get_plugin_manager()
    monkeypatch.setattr(plugins, "_loaded", False)

    assert manager is okx_rfq_plugin.get_plugin_manager()


def test_ctrl_c_while_third_parties_are_loaded_loses_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl+C propagates, and the next call has all of them loaded."""
    loaded: list[str] = []

    class Declared:
        """A distribution's plugin whose first loading is interrupted."""

        value, name, dist = "third:party", "party", None

        def load(self) -> Any:
            loaded.append(self.name)
            if len(loaded) == 1:
                raise KeyboardInterrupt
            return object()

    monkeypatch.setattr(plugins, "_manager", None)
    monkeypatch.setattr(plugins, "_loaded", False)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [Declared()])

    with pytest.raises(KeyboardInterrupt):
        okx_rfq_plugin.get_plugin_manager()
    manager = okx_rfq_plugin.get_plugin_manager()

    assert ["party", "party"] == loaded
    assert manager.has_plugin("?:party")


# Notifications of an install


class Told:
    """Records what it was installed on."""

    def __init__(self, error: Exception | None = None) -> None:
        self.exchanges: list[Any] = []
        self._error = error

    @hookimpl
    def exchange_installed(self, exchange: Any) -> None:
        self.exchanges.append(exchange)
        if self._error is not None:
            raise self._error


@pytest.mark.parametrize("level", ["object", "class"])
def test_plugin_hears_of_each_install(level: str, twin: Any, registered: Any, sandbox: Sandbox) -> None:
    """It gets the very object or class, at the end, when the methods are there; and again on another install."""
    told = registered(Told())
    target = sandbox.exchange(twin.module.okx) if level == "object" else type("Mine", (twin.module.okx,), {})

    for _ in range(2):
        install(target)

    assert [target, target] == told.exchanges
    assert hasattr(target, "cancel_all_rfqs")


def test_plugin_hears_of_copies(twin: Any, registered: Any, sandbox: Sandbox) -> None:
    """Copying or unpickling an installed exchange installs another one."""
    exchange = install(sandbox.exchange(twin.module.okx))
    told = registered(Told())

    duplicates = [copy.deepcopy(exchange), pickle.loads(pickle.dumps(exchange))]  # noqa: S301 - our own bytes

    assert [id(duplicate) for duplicate in duplicates] == [id(each) for each in told.exchanges]


def test_plugin_that_fails_at_an_install_is_logged(
    twin: Any, registered: Any, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """The exchange is still installed."""
    registered(Told(ValueError("broken")))

    exchange = install(sandbox.exchange(twin.module.okx))

    assert "nothing_active" == twin.cancel(exchange)["status"]
    assert [True] == [bool(each.exc_info) for each in caplog.records if "failed in exchange_installed" in each.msg]


def test_any_pluggy_host_can_load_the_entry_point_and_cancel(
    site: Path, twin: Any, sandbox: Sandbox, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that loads the entry-point group with pluggy alone cancels on plain okx objects, never installed."""
    declared = OWN.search((Path(__file__).parent.parent / "pyproject.toml").read_text())
    assert declared is not None
    distribution(site, "same", "", entry_points=f"[okx_rfq_plugin]\nokx = {declared[1]}\n")
    host = pluggy.PluginManager("okx_rfq_plugin")
    host.add_hookspecs(hookspecs)

    host.load_setuptools_entrypoints("okx_rfq_plugin", "okx")

    monkeypatch.setattr(host.get_plugin("okx"), "clock", clock)
    exchange = sandbox.exchange(twin.module.okx)
    exchange.milliseconds = lambda: int(clock.wall() * 1000)
    sandbox.create_rfq()
    sandbox.fault(CANCEL, "50011")
    receipt = twin.run(exchange, lambda: host.hook.cancel_all_rfqs(exchange=exchange, params={}, confirm=False))
    assert ("canceled", 2) == (receipt["status"], receipt["attempts"])
    assert [] == sandbox.rfqs("active")
    assert host.hook.serves_rfqs(exchange_class=twin.module.okx) is True
    assert host.hook.serves_rfqs(exchange_class=twin.module.kraken) is None
    assert not hasattr(exchange, "cancel_all_rfqs")
    assert isinstance(exchange, twin.module.okx)


def test_object_that_another_host_has_canceled_on_can_still_be_pickled(twin: Any, sandbox: Sandbox) -> None:
    """A cancel through another host leaves an object that copies and pickles as before, and can be installed on."""
    host = pluggy.PluginManager("okx_rfq_plugin")
    host.add_hookspecs(hookspecs)
    host.register(okx)
    exchange = sandbox.exchange(twin.module.okx)
    exchange.apiKey = None  # refused before anything is sent, so that an async object stays picklable
    with pytest.raises(ccxt.AuthenticationError):
        twin.run(exchange, lambda: host.hook.cancel_all_rfqs(exchange=exchange, params={}, confirm=False))

    for copied in (copy.deepcopy(exchange), pickle.loads(pickle.dumps(exchange))):  # noqa: S301 - our own bytes
        assert isinstance(copied, twin.module.okx)
        assert not hasattr(copied, "cancel_all_rfqs")
        assert hasattr(install(copied), "cancel_all_rfqs")


def test_own_entry_point_is_not_loaded_a_second_time(site: Path) -> None:
    """The package's own implementation is registered once, although its metadata also declare it."""
    distribution(site, "okx_again", "", entry_points="[okx_rfq_plugin]\nokx = okx_rfq_plugin.okx:okx\n")
    manager = RfqPluginManager()

    manager.load_entry_points()

    assert 1 == len(manager.hook.cancel_all_rfqs.get_hookimpls())
    assert {} == manager.failures


# Performing and wrapping


class Kraken:
    """A plugin for another venue."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    @hookimpl
    def serves_rfqs(self, exchange_class: type) -> bool | None:
        return issubclass(exchange_class, (ccxt.kraken, ccxt.async_support.kraken)) or None

    @hookimpl
    def cancel_all_rfqs(self, exchange: Any, params: dict[str, Any], confirm: bool) -> Any:
        if exchange.id != "kraken":
            return None
        self.asked.append((params, confirm))
        return RECEIPT if exchange.synchronous else asyncio.sleep(0, RECEIPT)


def test_plugin_can_serve_another_venue(twin: Any, registered: Any) -> None:
    """Another package can support another venue: `install` accepts its exchanges, and it performs the cancel."""
    plugin = registered(Kraken())

    exchange = install(twin.module.kraken())

    assert RECEIPT == twin.cancel(exchange, {"desk": "blocks"})
    assert [({"desk": "blocks"}, False)] == plugin.asked


def test_exchange_that_lost_its_plugin_says_so(twin: Any) -> None:
    """If the plugin for an exchange is gone, the cancel fails as not supported, and nothing is in doubt."""
    plugin = Kraken()
    get_plugin_manager().register(plugin)
    exchange = install(twin.module.kraken())
    get_plugin_manager().unregister(plugin)

    with pytest.raises(ccxt.NotSupported, match="NOTHING WAS SENT") as raised:
        twin.cancel(exchange)

    failure = raised.value.cancel_failure
    assert (None, 0, False) == (failure.code, failure.attempts, failure.may_be_canceled)


def test_plugin_that_wants_to_come_first_does(exchange: Any, twin: Any, registered: Any, sandbox: Sandbox) -> None:
    """A dry run with `tryfirst` runs before the package's own implementation, for both twins."""

    class DryRun:
        """Sends nothing."""

        @hookimpl(tryfirst=True)
        def cancel_all_rfqs(self, exchange: Any) -> Any:
            return RECEIPT if exchange.synchronous else asyncio.sleep(0, RECEIPT)

    registered(DryRun())

    assert RECEIPT == twin.cancel(exchange)
    assert [] == sandbox.requests


@pytest.mark.parametrize(
    ("method", "arguments", "status"),
    [
        ("cancel_all_rfqs", (), "nothing_active"),
        ("fetch_open_rfqs", (), None),
        ("cancel_all_quotes", (), "nothing_active"),
        ("cancel_all_quotes_after", (0,), None),
    ],
)
def test_plugin_that_does_not_ask_to_come_first_does_not(
    exchange: Any,
    twin: Any,
    registered: Any,
    sandbox: Sandbox,
    method: str,
    arguments: tuple[int, ...],
    status: str | None,
) -> None:
    """A third-party implementation without a priority never keeps an okx exchange from OKX."""

    def meddle(self: object) -> Any:
        raise AssertionError("this is not OKX")

    registered(type("Meddler", (), {name: hookimpl(meddle) for name in ("serves_rfqs", method)})())
    install(exchange)
    told = twin.run(exchange, lambda: getattr(exchange, method)(*arguments))

    assert sandbox.requests
    assert status == (told.get("status") if isinstance(told, dict) else None)


def test_wrapper_sees_the_cancel_on_both_sides(exchange: Any, twin: Any, registered: Any) -> None:
    """A wrapper is called around the cancel with the live exchange, and its result is returned."""

    class Wrapper:
        """Adds a field; on async objects it wraps the awaitable."""

        @hookimpl(wrapper=True)
        def cancel_all_rfqs(self, exchange: Any, params: Any) -> Any:
            receipt = yield
            if exchange.synchronous:
                return {**receipt, "desk": params["desk"]}

            async def awaited() -> Any:
                return {**await receipt, "desk": params["desk"]}

            return awaited()

    registered(Wrapper())

    receipt = twin.cancel(exchange, {"desk": "blocks"})

    assert ("nothing_active", "blocks") == (receipt["status"], receipt["desk"])


@pytest.mark.parametrize("params", [None, [], "all", 1, [("a", 1)]], ids=repr)
def test_params_that_are_no_dict_reach_no_plugin(params: Any, exchange: Any, twin: Any, sandbox: Sandbox) -> None:
    """Params that are not a dict are `ccxt.BadRequest` before a byte is sent."""
    with pytest.raises(ccxt.BadRequest, match="dict") as raised:
        twin.cancel(exchange, params)

    assert raised.value.cancel_failure.may_be_canceled is False
    assert [] == sandbox.requests


# Observers


class Observer:
    """Records its notifications, and on which thread they came."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.threads: set[str] = set()

    def note(self, *what: Any) -> None:
        self.told.append(what)
        self.threads.add(threading.current_thread().name)

    @hookimpl
    def rfq_cancel_retrying(self, exchange: Any, attempt: int, error: Exception, wait: float) -> None:
        self.note("retrying", exchange, attempt, error, wait)

    @hookimpl
    def rfqs_canceled(self, exchange: Any, receipt: Any) -> None:
        self.note("canceled", exchange, receipt)

    @hookimpl
    def rfq_cancel_failed(self, exchange: Any, error: BaseException) -> None:
        self.note("failed", exchange, error)


def delivered() -> None:
    assert get_plugin_manager().observers.drain()


def test_observer_hears_of_each_wait_and_of_the_receipt(
    exchange: Any, twin: Any, registered: Any, sandbox: Sandbox, clock: Any
) -> None:
    """Observers are notified of each wait and of the receipt, in order, with a snapshot of the exchange."""
    observer = registered(Observer())
    sandbox.create_rfq()
    sandbox.fault(CANCEL, "50011", DROP)

    receipt = twin.cancel(exchange)
    delivered()

    snapshot = ExchangeSnapshot(id="okx", environment="demo", key="...ey-1")
    first, second, last = observer.told
    assert ("retrying", snapshot, 1, pytest.approx(clock.waits[0])) == (*first[:3], first[4])
    assert ("retrying", snapshot, 2, 0.0) == (*second[:3], second[4])  # the first retry after a broken connection
    assert isinstance(first[3], ccxt.RateLimitExceeded)
    assert isinstance(second[3], ccxt.NetworkError)
    assert not first[3].cancel_failure.may_be_canceled
    assert second[3].cancel_failure.may_be_canceled
    assert ("canceled", snapshot, receipt) == last
    assert 3 == receipt["attempts"]


def test_observer_hears_of_a_failure(exchange: Any, twin: Any, registered: Any, sandbox: Sandbox) -> None:
    """Observers get what the caller gets: the same class, words and facts, without a traceback."""
    observer = registered(Observer())
    sandbox.fault(CANCEL, "50113")

    with pytest.raises(ccxt.AuthenticationError) as raised:
        twin.cancel(exchange)
    delivered()

    ((what, _, error),) = observer.told
    assert ("failed", type(raised.value), str(raised.value)) == (what, type(error), str(error))
    assert raised.value.cancel_failure == error.cancel_failure
    assert error is not raised.value
    assert (None, None, None) == (error.__traceback__, error.__cause__, error.__context__)


def test_observer_hears_of_refused_params(exchange: Any, twin: Any, registered: Any) -> None:
    """A cancel that is refused before anything is sent is a failure reported to observers."""
    observer = registered(Observer())

    with pytest.raises(ccxt.BadRequest):
        twin.cancel(exchange, None)
    delivered()

    assert ["failed"] == [what for what, *_ in observer.told]


class NeedsArguments(Exception):
    """An exception like vcrpy's: it cannot be created from a message alone."""

    def __init__(self, cassette: str, *, request: str) -> None:
        super().__init__(f"{request} is not in {cassette}")


class ChangesArguments(Exception):
    """An exception that passes on other arguments than it was created with, so that a copy of a copy fails."""

    def __init__(self, words: str) -> None:
        super().__init__(words, "gateway")


class RefusedByGateway(ccxt.AuthenticationError):
    """A framework's own error, derived from ccxt's."""

    def __init__(self, gateway: str, *, rule: int) -> None:
        super().__init__(f"{gateway}: rule {rule}")


FOREIGN: list[Callable[[], BaseException]] = [
    lambda: NeedsArguments("a cassette", request="this request"),
    lambda: ChangesArguments("this request"),
    lambda: RuntimeError("Event loop is closed"),
    lambda: KeyboardInterrupt(),
    lambda: SystemExit(1),
    lambda: UnicodeDecodeError("utf-8", b"x", 0, 1, "of no use"),
    lambda: OSError(5, "Input/output error"),
    lambda: builtins.ExceptionGroup("two at once", [ValueError("one"), ValueError("two")]),
]


@pytest.mark.parametrize("number", range(len(FOREIGN)))
def test_exception_that_is_not_ccxts_passes_and_is_heard(number: int, exchange: Any, twin: Any) -> None:
    """Any exception from a cancel reaches the caller itself, with its facts, and observers learn its class."""
    if number == len(FOREIGN) - 1 and sys.version_info < (3, 11):
        pytest.skip("exception groups came with Python 3.11")
    manager, observer = RfqPluginManager(), Observer()  # separate, because an observers' thread may not survive this
    manager.register(observer)
    foreign = FOREIGN[number]()

    def fetch(*args: Any) -> Any:
        raise foreign

    exchange.fetch = fetch

    with pytest.raises(type(foreign)) as raised:
        canceled_by(manager, exchange, twin)
    assert manager.observers.drain()

    assert raised.value is foreign
    assert foreign.cancel_failure.may_be_canceled is True  # type: ignore[attr-defined]  # put on by the package
    ((what, _, error),) = observer.told
    assert ("failed", foreign.cancel_failure) == (what, error.cancel_failure)  # type: ignore[attr-defined]  # as above
    assert type(foreign).__name__ in f"{type(error).__name__} {error}"


def test_exception_of_a_framework_in_ccxts_family_is_heard(exchange: Any, twin: Any, registered: Any) -> None:
    """A framework's subclass of a ccxt error reaches the caller and the observers as that class."""
    observer = registered(Observer())

    def fetch(*args: Any) -> Any:
        raise RefusedByGateway("gateway", rule=7)

    exchange.fetch = fetch

    with pytest.raises(RefusedByGateway, match="rule 7") as raised:
        twin.cancel(exchange)
    delivered()

    ((what, _, error),) = observer.told
    assert ("failed", str(raised.value)) == (what, str(error))
    assert isinstance(error, ccxt.AuthenticationError)


def test_exception_of_a_plugin_passes_and_is_heard(exchange: Any, twin: Any, registered: Any) -> None:
    """An error from another plugin's implementation reaches the caller unchanged, and observers are notified."""
    observer = registered(Observer())
    foreign = NeedsArguments("a cassette", request="this request")

    class Replay:
        """Runs before the package's own, and fails."""

        @hookimpl(tryfirst=True)
        def cancel_all_rfqs(self) -> Any:
            raise foreign

    registered(Replay())

    with pytest.raises(NeedsArguments) as raised:
        twin.cancel(exchange)
    delivered()

    assert raised.value is foreign
    assert ["failed"] == [what for what, *_ in observer.told]
    facts = CancelFailure(code=None, attempts=0, elapsed=0.0, may_be_canceled=True)  # what the plugin sent is unknown
    assert facts == raised.value.cancel_failure  # type: ignore[attr-defined]  # the package puts it there


@pytest.mark.parametrize("steps", [(), ("50113",)], ids=["canceled", "rejected"])
def test_call_that_is_over_is_no_part_of_the_next(
    steps: tuple[str, ...], exchange: Any, twin: Any, sandbox: Sandbox
) -> None:
    """Nor of what its caller raises afterwards."""
    if steps:
        sandbox.fault("rfq/cancel-all-rfqs", *steps)
    seen: list[Any] = []
    before = begun.get(None)

    def once() -> Any:
        try:
            return exchange.cancel_all_rfqs()
        except ccxt.AuthenticationError:
            return None
        finally:
            seen.append(begun.get(None))

    async def once_async() -> Any:
        try:
            return await exchange.cancel_all_rfqs()
        except ccxt.AuthenticationError:
            return None
        finally:
            seen.append(begun.get(None))

    twin.run(exchange, once if twin.synchronous else once_async)

    assert [before] == seen


def test_each_plugin_hears_in_order_on_a_thread_of_its_own(exchange: Any, twin: Any, registered: Any) -> None:
    """Neither the caller's nor another plugin's: one for all of a plugin's notifications."""
    heard: dict[str, list[Any]] = {"one": [], "two": []}

    class Named:
        """Records its notifications, and where they came."""

        def __init__(self, name: str) -> None:
            self.name = name

        @hookimpl
        def rfqs_canceled(self, receipt: Any) -> None:
            heard[self.name].append((receipt["info"]["msg"], threading.get_ident()))

    registered(Named("one"))
    registered(Named("two"))

    twin.run(exchange, exchange.cancel_all_rfqs, exchange.cancel_all_rfqs)
    delivered()

    threads = [{thread for _, thread in told} for told in heard.values()]
    assert [2, 2] == [len(told) for told in heard.values()]
    assert [1, 1] == [len(of_one) for of_one in threads]
    assert 3 == len({threading.get_ident()}.union(*threads))


def test_event_of_one_exchange_is_told_in_the_order_of_events(
    exchange: Any, twin: Any, registered: Any, clock: Any
) -> None:
    """Events are delivered in order, over several cancels; the third waits for OKX's limit, which is no event."""
    observer = registered(Observer())

    twin.run(exchange, *[lambda n=n: exchange.cancel_all_rfqs({"number": n}) for n in range(3)])
    delivered()

    assert [("canceled", 1)] * 3 == [(what, receipt["attempts"]) for what, _, receipt in observer.told]
    assert [pytest.approx(2.0)] == clock.waits


@pytest.mark.parametrize("raised", [ValueError("broken"), SystemExit(1), KeyboardInterrupt()], ids=repr)
def test_observer_that_raises_is_logged_and_stops_nobody(
    raised: BaseException, exchange: Any, twin: Any, registered: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """One that raises, SystemExit included, is logged; the others are notified, and so is it the next time."""
    tries = []

    class Raising:
        """Raises each time."""

        @hookimpl
        def rfqs_canceled(self) -> None:
            tries.append(1)
            raise raised

    before, _, after = registered(Observer()), registered(Raising()), registered(Observer())

    twin.run(exchange, exchange.cancel_all_rfqs, exchange.cancel_all_rfqs)
    delivered()

    assert (2, 2, 2) == (len(before.told), len(tries), len(after.told))
    logged = [record for record in caplog.records if "observer" in record.getMessage()]
    assert [type(raised)] * 2 == [record.exc_info[0] for record in logged if record.exc_info]


def test_observer_that_hangs_does_not_hold_up_a_cancel(exchange: Any, twin: Any, registered: Any) -> None:
    """Cancels return while an observer still hangs in the first event; once it returns, the rest is delivered."""
    hanging, go = threading.Event(), threading.Event()

    class Hanging:
        """Waits until it may continue."""

        @hookimpl(tryfirst=True)
        def rfqs_canceled(self) -> None:
            hanging.set()
            go.wait(30)

    registered(Hanging())
    observer = registered(Observer())

    receipt = twin.run(exchange, exchange.cancel_all_rfqs, exchange.cancel_all_rfqs)
    assert "nothing_active" == receipt["status"]
    assert hanging.wait(10)
    assert get_plugin_manager().observers.drain(0.01) is False

    go.set()
    delivered()
    assert 2 == len(observer.told)


def test_observer_that_changes_a_receipt_changes_nothing(exchange: Any, twin: Any, registered: Any) -> None:
    """Each observer has its own copy: neither the others nor the caller see what one does to it."""

    class Vandal:
        """Changes everything."""

        @hookimpl
        def rfqs_canceled(self, receipt: Any) -> None:
            receipt["info"].clear()
            receipt.clear()

    registered(Vandal())
    observer = registered(Observer())
    registered(Vandal())

    receipt = twin.cancel(exchange)
    delivered()

    assert ("canceled", receipt) == (observer.told[0][0], observer.told[0][2])
    assert receipt["info"]["code"]


def test_observer_that_changes_an_error_changes_nothing(
    exchange: Any, twin: Any, registered: Any, sandbox: Sandbox
) -> None:
    """The caller's exception keeps its words and facts, whatever an observer does to its own."""

    class Vandal:
        """Changes everything."""

        @hookimpl
        def rfq_cancel_failed(self, error: Any) -> None:
            error.args = ("all is well",)
            error.cancel_failure = None

    registered(Vandal())
    observer = registered(Observer())
    registered(Vandal())
    sandbox.fault(CANCEL, "50113")

    with pytest.raises(ccxt.AuthenticationError, match="50113") as raised:
        twin.cancel(exchange)
    delivered()

    assert "50113" == raised.value.cancel_failure.code
    assert raised.value.cancel_failure == observer.told[0][2].cancel_failure
    assert "50113" in str(observer.told[0][2])


def test_observers_get_no_live_exchange_and_no_secret(
    exchange: Any, twin: Any, registered: Any, sandbox: Sandbox
) -> None:
    """What observers get contains no exchange object, key, secret or passphrase, at any depth."""
    observer = registered(Observer())
    sandbox.fault(CANCEL, "50011", DROP, "50113")
    with pytest.raises(ccxt.AuthenticationError):
        twin.cancel(exchange)
    delivered()

    seen: list[Any] = []

    def walk(value: Any) -> None:
        if id(value) not in map(id, seen):
            seen.append(value)
            parts = value.items() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
            for part in (*parts, *vars(value).values()) if hasattr(value, "__dict__") else parts:
                walk(part)
            if isinstance(value, BaseException):
                walk([value.args, value.__cause__, value.__context__, value.__traceback__])

    walk(observer.told)
    assert 3 == len(observer.told)
    assert not any(isinstance(value, (ccxt.Exchange, type(exchange))) for value in seen)
    for secret in sandbox.credentials.values():
        assert not any(secret in value for value in seen if isinstance(value, str))
        assert secret not in repr(seen)


@pytest.mark.parametrize(
    ("key", "shown"),
    [("0123456789ab", "...89ab"), ("0123456789a", "..."), ("", "..."), (None, "...")],
)
def test_snapshot_shows_the_end_of_a_long_key_only(key: Any, shown: str) -> None:
    """A snapshot shows four characters of a key with at least twelve, and nothing of a shorter one."""
    assert shown == ExchangeSnapshot.of(ccxt.okx({"apiKey": key})).key


@pytest.mark.parametrize("world", ["demo", "live"])
def test_snapshot_names_exchange_and_world(world: str, twin: Any) -> None:
    """A snapshot has ccxt's id and the exchange's environment, and is immutable."""
    exchange = twin.module.myokx()
    exchange.set_sandbox_mode(world == "demo")

    snapshot = ExchangeSnapshot.of(exchange)

    assert ("myokx", world) == (snapshot.id, snapshot.environment)
    with pytest.raises(AttributeError):
        snapshot.environment = "live"  # type: ignore[misc]  # what must fail


def test_exchange_that_cannot_be_described_does_not_spoil_a_cancel(
    exchange: Any, twin: Any, registered: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """If no snapshot can be taken, that is logged, and the cancel returns its receipt."""
    observer = registered(Observer())

    class Headers(dict):  # type: ignore[type-arg]  # some framework's own
        """Headers whose `get` is broken."""

        def get(self, *args: Any) -> Any:
            raise RuntimeError("not now")

    exchange.headers = Headers(exchange.headers)

    assert "nothing_active" == twin.cancel(exchange)["status"]
    delivered()
    assert [] == observer.told
    assert "could not be told" in caplog.text


def test_wrapper_of_an_observer_hook_is_passed_over(exchange: Any, twin: Any, registered: Any) -> None:
    """Observer hooks are not called through pluggy, so a wrapper around one is not called, and is harmless."""

    class Wrapper:
        """Wraps what cannot be wrapped."""

        @hookimpl(wrapper=True)
        def rfqs_canceled(self) -> Any:
            raise AssertionError("it was called")
            yield

    registered(Wrapper())
    observer = registered(Observer())

    twin.cancel(exchange)
    delivered()

    assert 1 == len(observer.told)


def test_nobody_told_needs_no_thread() -> None:
    """A manager without observers starts no thread in a cancel, and has nothing to deliver."""
    manager = RfqPluginManager()

    manager.observers.tell("rfqs_canceled", ccxt.okx(), "cancel_all_rfqs", receipt=RECEIPT)

    assert manager.observers.drain(0) is True


# The end of the process, and forks


def test_what_was_told_last_is_delivered_before_the_process_ends(tmp_path: Path) -> None:
    """If a script ends right after its cancel, its observers are still notified."""
    result = run(
        tmp_path,
        """
        import atexit, json, threading
        import ccxt
        from okx_rfq_plugin import get_plugin_manager, hookimpl, install
        from okx_rfq_plugin.sandbox import Sandbox

        ending = threading.Event()

        class Slow:
            @hookimpl
            def rfqs_canceled(self, receipt):
                ending.wait(10)
                print(json.dumps(receipt["status"]), flush=True)

        with Sandbox() as sandbox:
            exchange = install(sandbox.exchange(ccxt.okx))
            get_plugin_manager().register(Slow())
            atexit.register(ending.set)  # runs before what was registered earlier: the process is ending by then
            exchange.cancel_all_rfqs()
        """,
    )

    assert "nothing_active" == result


def test_observer_that_hangs_for_ever_does_not_keep_the_process_alive(tmp_path: Path) -> None:
    """A process whose observer never returns ends on its own, with its own exit code."""
    result = run(
        tmp_path,
        """
        import json, sys, threading
        import ccxt
        from okx_rfq_plugin import get_plugin_manager, hookimpl, install
        from okx_rfq_plugin.sandbox import Sandbox

        class Hanging:
            @hookimpl
            def rfqs_canceled(self):
                threading.Event().wait()

        with Sandbox() as sandbox:
            exchange = install(sandbox.exchange(ccxt.okx))
            get_plugin_manager().register(Hanging())
            print(json.dumps(exchange.cancel_all_rfqs()["status"]))
        sys.exit(3)
        """,
        code=3,
    )

    assert "nothing_active" == result


def test_observers_work_in_a_forked_process(tmp_path: Path) -> None:
    """After `os.fork` the child's cancels work and its observers are notified, though no thread was forked."""
    result = run(
        tmp_path,
        """
        import json, os, threading
        import ccxt
        from okx_rfq_plugin import get_plugin_manager, hookimpl, install
        from okx_rfq_plugin.sandbox import Sandbox

        heard = []

        class Observer:
            @hookimpl
            def rfqs_canceled(self, receipt):
                heard.append(receipt["status"])

        manager = get_plugin_manager()
        manager.register(Observer())
        with Sandbox() as sandbox:
            exchange = install(sandbox.exchange(ccxt.okx))
            sandbox.create_rfq()
            exchange.cancel_all_rfqs()
            manager.observers.drain()
            reading, writing = os.pipe()
            child = os.fork()
            if not child:
                exchange.session = type(exchange.session)()
                exchange.cancel_all_rfqs()
                drained = manager.observers.drain(10)
                os.write(writing, json.dumps([drained, *heard]).encode())
                os._exit(0)
            os.waitpid(child, 0)
            manager.observers.drain()
            print(json.dumps({"child": json.loads(os.read(reading, 1000)), "parent": heard}))
        """,
    )

    assert {"child": [True, "canceled", "nothing_active"], "parent": ["canceled"]} == result


def test_logger_of_the_package_is_the_one_that_is_documented(
    caplog: pytest.LogCaptureFixture, exchange: Any, twin: Any
) -> None:
    """A cancel logs everything under `okx_rfq_plugin`."""
    caplog.set_level(logging.DEBUG, "okx_rfq_plugin")

    twin.cancel(exchange)

    assert {"DEBUG", "INFO"} <= {record.levelname for record in caplog.records if record.name == "okx_rfq_plugin"}
