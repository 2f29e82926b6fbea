"""The package as a whole: the cost of an import, its names, and which module may contain what."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import okx_rfq_plugin

PACKAGE = Path(okx_rfq_plugin.__file__).parent
FILES = {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}
TREES = {name: ast.parse(path.read_text()) for name, path in FILES.items()}


def run(tmp_path: Path, script: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a separate process."""
    (tmp_path / "script.py").write_text(textwrap.dedent(script))
    return subprocess.run(
        [sys.executable, "script.py", *args],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# What an import costs, and names


@pytest.mark.parametrize("name", ["okx_rfq_plugin", "okx_rfq_plugin.sandbox"])
def test_import_loads_nothing_heavy(name: str, tmp_path: Path) -> None:
    """Importing the package, as pytest does at each start, imports no third-party modules."""
    done = run(
        tmp_path,
        """
        import json, sys
        before = set(sys.modules)  # an interpreter may start with some, by a .pth file
        __import__(sys.argv[1])
        print(json.dumps(sorted({name.partition(".")[0] for name in set(sys.modules) - before})))
        """,
        name,
    )

    assert "" == done.stderr
    assert set() == set(json.loads(done.stdout)) - set(sys.stdlib_module_names) - {"okx_rfq_plugin"}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The metadata that pip writes for a release of this package, first on the path."""
    info = tmp_path / "okx_rfq_plugin-9.8.7.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: okx-rfq-plugin\nVersion: 9.8.7\n")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", okx_rfq_plugin.__all__)
def test_every_public_name_is_there(name: str) -> None:
    """Each name of `__all__` can be imported, and is the same object each time."""
    value = getattr(okx_rfq_plugin, name)

    assert value is not None
    assert value == getattr(okx_rfq_plugin, name)


@pytest.mark.usefixtures("installed")
def test_version_is_that_of_the_installed_distribution() -> None:
    """`__version__` is read from the installed metadata, and written down nowhere else."""
    assert "9.8.7" == okx_rfq_plugin.__version__


def test_public_names_are_those_of_the_contract() -> None:
    """Nothing that users rely on is missing."""
    promised = {"install", "uninstall", "RetryPolicy", "CancelFailure", "Receipt", "hookimpl", "get_plugin_manager"}

    assert promised <= set(okx_rfq_plugin.__all__)


def test_name_that_is_not_there_is_an_attribute_error() -> None:
    """An unknown name is an AttributeError with the name, and an ImportError when imported."""
    with pytest.raises(AttributeError, match="cancel_everything"):
        okx_rfq_plugin.cancel_everything  # noqa: B018 - that it raises is the point

    with pytest.raises(ImportError, match="cancel_everything"):
        from okx_rfq_plugin import cancel_everything  # noqa: F401 - as above


def test_dir_names_what_is_public() -> None:
    """`dir()` shows the public names, including those not imported yet."""
    assert sorted(okx_rfq_plugin.__all__) == dir(okx_rfq_plugin)


def test_star_import_brings_the_public_names(tmp_path: Path, installed: None) -> None:
    """`from okx_rfq_plugin import *` imports each name of `__all__`."""
    names: dict[str, Any] = {}

    exec("from okx_rfq_plugin import *", names)  # noqa: S102 - the only way to say it inside a function

    assert set(okx_rfq_plugin.__all__) <= names.keys()


def test_package_is_typed() -> None:
    """Type checkers find the marker next to the code."""
    assert (PACKAGE / "py.typed").is_file()


# Modules


OKX_CODE = re.compile(r"(?<![\d.])[5-7]\d{4}(?!\d)")


def literals(name: str) -> Iterator[str]:
    """Yield a file's strings and numbers, without docstrings and comments."""
    prose = {id(node.value) for node in ast.walk(TREES[name]) if isinstance(node, ast.Expr)}
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Constant) and isinstance(node.value, (str, int)) and id(node) not in prose:
            yield str(node.value)


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith(("sandbox", "testing"))])
def test_okx_codes_are_known_to_two_files(name: str) -> None:
    """Only the tables of verdicts and endpoints contain OKX codes; so must the sandbox, which plays OKX."""
    codes = [code for literal in literals(name) for code in OKX_CODE.findall(literal)]

    assert (name in ("_core.verdict", "_core.endpoints")) == bool(codes)


# Logging


def test_logger_is_silent_by_default(tmp_path: Path) -> None:
    """A cancel that is retried and fails prints nothing unless the user has configured logging."""
    done = run(
        tmp_path,
        """
        import asyncio
        import ccxt, ccxt.async_support
        import okx_rfq_plugin
        from okx_rfq_plugin.sandbox import Sandbox

        policy = okx_rfq_plugin.RetryPolicy(backoff=0, jitter=0)
        with Sandbox() as sandbox:
            sandbox.fault("rfq/cancel-all-rfqs", 502, "50113", 502, "50113")
            exchange = okx_rfq_plugin.install(sandbox.exchange(ccxt.okx), policy=policy)
            try:
                exchange.cancel_all_rfqs()
            except ccxt.AuthenticationError as error:
                print(error.cancel_failure.attempts)

            async def main():
                exchange = okx_rfq_plugin.install(sandbox.exchange(ccxt.async_support.okx), policy=policy)
                exchange.timeout_on_exit = 0
                try:
                    await exchange.cancel_all_rfqs()
                except ccxt.AuthenticationError as error:
                    print(error.cancel_failure.attempts)
                finally:
                    await exchange.close()

            asyncio.run(main())
        """,
    )

    assert (0, "2\n2\n", "") == (done.returncode, done.stdout, done.stderr)
