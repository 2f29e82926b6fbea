"""Mutation testing: how a change is tried, what may survive, and that a run without changes proves nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[2]))  # behind the installed package, which is the one to be tested
pytest.importorskip("tomllib")  # the tool runs on Python 3.11 and later

from tools.mutation.judging import Survivor, judge
from tools.mutation.swapping import CannotSwap, swap

POLICY = "_core/policy.py"


@pytest.fixture
def equivalent(tmp_path: Path) -> Path:
    """One change of `wait` may survive."""
    listed = tmp_path / "equivalent.toml"
    listed.write_text(f'[[equivalent]]\nfile = "{POLICY}"\nin = "wait"\nreason = "nobody can tell"\n')
    return listed


def survivors(*functions: str) -> list[Survivor]:
    return [Survivor(POLICY, function, 1, "- a\n+ b") for function in functions]


@pytest.mark.parametrize(
    ("total", "survived", "files", "code"),
    [
        pytest.param(100, survivors("wait"), [POLICY], 0, id="with a reason"),
        pytest.param(100, [], ["_core/once.py"], 0, id="the reason is another file's"),
        pytest.param(100, survivors("wait", "wait"), [POLICY], 1, id="more than have a reason"),
        pytest.param(100, survivors("wait", "stop"), [POLICY], 1, id="without a reason"),
        pytest.param(100, [], [POLICY], 1, id="a reason in vain"),
        pytest.param(10, survivors("wait"), [POLICY], 1, id="less than 95 %"),
        pytest.param(0, [], ["_core/once.py"], 1, id="nothing was changed"),
    ],
)
def test_a_run_passes_where_all_survivors_have_a_reason(
    total: int, survived: list[Survivor], files: list[str], code: int, equivalent: Path
) -> None:
    """And if something was changed, nineteen of twenty changes were noticed, and no reason is out of date."""
    assert code == judge(total, total - len(survived), survived, files, equivalent)


def test_nothing_changed_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """A run that changes nothing says that it proves nothing."""
    judge(0, 0, [], [])

    assert "Nothing was changed, so nothing is proven.\n" == capsys.readouterr().out


def test_a_reason_must_be_given(equivalent: Path) -> None:
    """An entry without one ends the run."""
    equivalent.write_text(f'[[equivalent]]\nfile = "{POLICY}"\nin = "wait"\nreason = " "\n')

    with pytest.raises(ValueError, match="no reason is given"):
        judge(100, 100, [], [POLICY], equivalent)


SOURCE = """
LIMIT = 2

def plain(value, most=LIMIT):
    return value + most

class Thing:
    size = 3

    @property
    def double(self):
        return self.size * 2

def counter():
    total = 0
    def count():
        nonlocal total
        total += 1
        return total
    return count

counting = counter()
"""


@pytest.fixture
def module() -> Any:
    """A module with that source, loaded."""
    made = ModuleType("swapped")
    exec(compile(SOURCE, "swapped.py", "exec"), made.__dict__)  # noqa: S102 - our own text
    return made


@pytest.mark.parametrize(
    ("before", "after", "call", "result"),
    [
        ("value + most", "value - most", lambda module: module.plain(5), 3),
        ("self.size * 2", "self.size / 2", lambda module: module.Thing().double, 1.5),
        ("total += 1", "total -= 1", lambda module: module.counter()(), -1),
        ("total += 1", "total -= 1", lambda module: module.counting(), -1),
    ],
)
def test_a_function_is_swapped_where_it_stands(
    before: str, after: str, call: Callable[[Any], Any], result: Any, module: Any
) -> None:
    """Functions, properties, and nested functions, including existing ones."""
    swap(SOURCE, SOURCE.replace(before, after))

    assert result == call(module)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("LIMIT = 2", "LIMIT = 3", id="a value of the module"),
        pytest.param("most=LIMIT", "most=None", id="a default"),
        pytest.param("size = 3", "size = 4", id="a value of a class"),
        pytest.param("@property", "@staticmethod", id="a decorator"),
        pytest.param("        total += 1\n", "        pass\n", id="fewer variables are closed over"),
    ],
)
def test_what_runs_at_import_is_not_swapped(before: str, after: str, module: Any) -> None:
    """It needs a new import to show."""
    after_it = SOURCE.replace(before, after)
    if "pass" in after:
        after_it = after_it.replace("        nonlocal total\n", "").replace(
            "return total\n    return", "return 1\n    return"
        )

    with pytest.raises(CannotSwap):
        swap(SOURCE, after_it)


def test_code_that_no_function_has_is_not_swapped() -> None:
    """If the module is not loaded, a change would show nowhere."""
    elsewhere = f"\n\n{SOURCE}"

    with pytest.raises(CannotSwap):
        swap(elsewhere, elsewhere.replace("value + most", "value - most"))
