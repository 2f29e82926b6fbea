"""The reference is complete: each public name, hook, fixture, option, exit code and key is on a page."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import pytest
from support.manual import commands

import okx_rfq_plugin
import okx_rfq_plugin.fleet
import okx_rfq_plugin.sandbox
import okx_rfq_plugin.testing
from okx_rfq_plugin import hookspecs, methods
from okx_rfq_plugin.testing import pytest_plugin

DOCS = Path(__file__).parents[2] / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


PYTHON, RECEIPTS, EXIT_CODES, COMMAND = map(
    page, ("reference/python.rst", "reference/receipts.md", "reference/exit-codes.md", "command.md")
)

NAMES = [
    *(("reference/python.rst", f"okx_rfq_plugin.{name}") for name in okx_rfq_plugin.__all__),
    *(("reference/python.rst", f"okx_rfq_plugin.fleet.{name}") for name in okx_rfq_plugin.fleet.__all__),
    *(("reference/sandbox.rst", f"okx_rfq_plugin.sandbox.{name}") for name in okx_rfq_plugin.sandbox.__all__),
    *(("reference/testing.rst", f"okx_rfq_plugin.testing.{name}") for name in okx_rfq_plugin.testing.__all__),
    *(("reference/python.rst", f"okx_rfq_plugin.methods.{name}") for name in ("cancel_all_rfqs", "fetch_open_rfqs")),
    *(("reference/python.rst", f"okx_rfq_plugin.methods.{sync.__name__}") for sync, _ in methods._TWINS),
    *(
        ("reference/python.rst", f"okx_rfq_plugin.hookspecs.{name}")
        for name, spec in inspect.getmembers(hookspecs, inspect.isfunction)
        if hasattr(spec, "okx_rfq_plugin_spec")
    ),
]


@pytest.mark.parametrize(("where", "name"), sorted(set(NAMES)))
def test_every_public_name_is_on_a_page(where: str, name: str) -> None:
    """Sphinx generates its entry from the docstring, which exists."""
    assert re.search(rf"^\.\. (auto\w+|data):: {re.escape(name)}$", page(where), flags=re.MULTILINE)
    if not name.endswith("__version__"):
        module, _, last = name.rpartition(".")
        assert getattr(__import__(module, fromlist=[last]), last).__doc__


def keys_under(heading: str) -> list[str]:
    section = RECEIPTS.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \| ", section, flags=re.MULTILINE)


def test_every_key_of_a_receipt_is_explained() -> None:
    """As in the type."""
    assert sorted(okx_rfq_plugin.Receipt.__annotations__) == sorted(set(keys_under("A receipt")))
    assert sorted(okx_rfq_plugin.OpenRfq.__annotations__) == sorted(keys_under("An open RFQ"))


def test_every_fact_of_a_failure_is_explained() -> None:
    """Attribute by attribute."""
    explained = keys_under("A failure")

    assert [field.name for field in fields(okx_rfq_plugin.CancelFailure)] == [n for n in explained if n.islower()]


@pytest.mark.parametrize(("verb", "command"), list(commands()), ids=lambda value: value if type(value) is str else "")
def test_every_option_is_on_the_page_of_the_command(verb: str, command: click.Command) -> None:
    """In its verb's section."""
    section = COMMAND.partition(f"\n## {verb}\n")[2].partition("\n## ")[0]

    options = [name for each in command.params if isinstance(each, click.Option) for name in each.opts]
    assert [] == [name for name in options if f"`{name}" not in section]


@pytest.mark.parametrize(("verb", "command"), list(commands()), ids=lambda value: value if type(value) is str else "")
def test_every_exit_code_is_explained(verb: str, command: click.Command) -> None:
    """Each code in a verb's help has a row."""
    told = inspect.cleandoc(str(command.help)).partition("Exit codes: ")[2].partition("Example: ")[0]
    first = set(re.findall(r"(?:^|; |ended\. |\n)(\d{1,3}) ", told))
    explained = set(re.findall(r"^\| (\d+) \|", EXIT_CODES, flags=re.MULTILINE))

    assert first - {"128", "137"} <= explained


# What readers of docs/how-to/errors.md search for, in the package's words.
SAID = (
    "RFQs MAY STILL BE ACTIVE",
    "NOTHING WAS CANCELED",
    "NOTHING WAS SENT",
    "STILL ACTIVE, as OKX lists them",
    "arrived without an OKX code",
    "no reply was seen; a fetch() of your own has to pass it to handle_errors()",
    "no plugin cancels RFQs for",
)


@pytest.mark.parametrize("words", SAID)
def test_an_error_is_found_by_its_words(words: str) -> None:
    """The page quotes the package's messages."""
    sources = Path(okx_rfq_plugin.__file__).parent.rglob("*.py")

    assert words in page("how-to/errors.md")
    assert any(words in source.read_text(encoding="utf-8") for source in sources)


def test_a_code_is_found_by_its_number() -> None:
    """The codes in the headings are OKX's, and each is judged."""
    codes = re.findall(r"\b\d{5}\b", "".join(re.findall(r"^## .+$", page("how-to/errors.md"), flags=re.MULTILINE)))

    assert len(codes) > 8
    assert [] == [code for code in codes if f"| {code} |" not in page("sandbox.md")]


FIXTURES = [name for name in vars(pytest_plugin) if name.startswith("okx_rfq_")]


@pytest.mark.parametrize("fixture", FIXTURES)
def test_every_fixture_has_a_section(fixture: str) -> None:
    """With an example, which tests/test_docs.py runs."""
    assert f"\n## {fixture}\n" in page("pytest.md")


class Asked:
    """Records the names that a pytest plugin declares."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def getgroup(self, *args: Any, **kwargs: Any) -> Asked:
        """Return itself, since groups do not matter."""
        return self

    def addoption(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Record an option."""
        self.names.append(name)

    def addini(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Record an ini value."""
        self.names.append(name)


def test_every_option_of_the_pytest_plugin_is_explained() -> None:
    """Command line options and ini values."""
    asked = Asked()
    pytest_plugin.pytest_addoption(asked)  # type: ignore[arg-type]  # it has what is called

    assert asked.names
    assert [] == [name for name in asked.names if f"`{name}" not in page("pytest.md")]


ENVIRONMENT = re.compile(r"\"(OKX_[A-Z_]+)\"|envvar=\"(OKX_\w+)\"")


def test_every_environment_variable_is_public() -> None:
    """A page names every environment variable that the package reads."""
    sources = (Path(okx_rfq_plugin.__file__).parent).rglob("*.py")
    read = {
        name for source in sources for pair in ENVIRONMENT.findall(source.read_text("utf-8")) for name in pair if name
    }
    internal = {
        "OKX_DRILL",
        "OKX_RFQ_GUARD",
        "OKX_RFQ_GUARD_FOLDER",
        "OKX_RFQ_FLEET_SERVER",
    }  # between the package's own processes, and in tests

    assert [] == sorted(name for name in read - internal if f"`{name}`" not in page("public-api.md"))
