"""The kinds of changes: those of cosmic-ray that are informative, and two that it lacks."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cosmic_ray.plugins
from cosmic_ray.operators.operator import Operator
from cosmic_ray.work_item import MutationSpec
from parso.python.tree import Keyword

# cosmic-ray replaces every operator with every other. One neighbor and one opposite are as informative, in a tenth of
# the time.
_CHOSEN = re.compile(
    r"core/("
    r"ReplaceComparisonOperator_(Eq_NotEq|NotEq_Eq|Is_IsNot|IsNot_Is|Lt_(LtE|GtE)|LtE_(Lt|Gt)|Gt_(GtE|LtE)|GtE_(Gt|Lt))"
    r"|ReplaceBinaryOperator_(Add_Sub|Sub_Add|Mul_Div|Div_Mul|Pow_Mul|BitOr_BitAnd)"
    r"|ReplaceUnaryOperator_Delete_\w+"
    r"|(?!Replace(Comparison|Binary|Unary)Operator)\w+"
    r")|own/\w+"
)
_WIDEST = 200  # no line has more columns
_STATEMENTS = {"expr_stmt", "return_stmt", "raise_stmt", "del_stmt", "atom_expr", "await_expr", "power"}


class DropStatement(Operator):
    """Replace a statement inside a function with `pass`."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        """Find the statement, if this node is one."""
        parent = node.parent
        if parent is None or parent.type != "simple_stmt" or parent.children[0] is not node:
            return
        inside = next((above for above in _above(parent) if above.type in ("funcdef", "classdef")), None)
        is_return = node.type == "keyword" and node.value == "return"
        if inside is not None and inside.type == "funcdef" and (node.type in _STATEMENTS or is_return):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Replace it."""
        return Keyword("pass", node.start_pos, node.get_first_leaf().prefix)

    @classmethod
    def examples(cls) -> Iterable[Any]:
        """Return none. Only cosmic-ray's own tests use them."""
        return ()


class KeywordToNone(Operator):
    """Replace the value of a keyword argument with `None`."""

    def mutation_positions(self, node: Any) -> Iterator[Any]:
        """Find the value, if this node is a keyword argument whose value is not None, False or True."""
        if node.type != "argument" or node.children[1].get_code().strip() != "=":
            return
        value = node.children[2]
        if value.get_code().strip() not in ("None", "False", "True"):
            yield value.start_pos, value.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Replace it."""
        node.children[2] = Keyword("None", node.children[2].start_pos, "")
        return node

    @classmethod
    def examples(cls) -> Iterable[Any]:
        """Return none, as above."""
        return ()


class _Own:
    """The provider of operators that cosmic-ray expects."""

    def __init__(self) -> None:
        self._operators = {operator.__name__: operator for operator in (DropStatement, KeywordToNone)}

    def __iter__(self) -> Iterator[str]:
        return iter(self._operators)

    def __getitem__(self, name: str) -> type[Operator]:
        return self._operators[name]


def register() -> None:
    """Register this file's operators with cosmic-ray in this process, without an installed package."""
    cosmic_ray.plugins.OPERATOR_PROVIDERS["own"] = _Own()


def tells(spec: MutationSpec, calculations: set[tuple[int, int]]) -> bool:
    """Return whether to make a change.

    Args:
        spec: the change.
        calculations: the places of real binary operators in the file. The `|` of an annotation, which never runs, and
            the `*` of a signature are not among them, though cosmic-ray includes them.
    """
    chosen = bool(_CHOSEN.fullmatch(spec.operator_name))
    return chosen and ("ReplaceBinaryOperator" not in spec.operator_name or spec.start_pos in calculations)


def calculations(path: Path) -> set[tuple[int, int]]:
    """Return every place (line, column) between the two sides of a calculation that is executed."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    annotations = [getattr(node, name, None) for node in ast.walk(tree) for name in ("annotation", "returns")]
    never_run = {id(inner) for annotation in annotations if annotation is not None for inner in ast.walk(annotation)}
    return {
        (line, column)
        for node in ast.walk(tree)
        if isinstance(node, ast.BinOp) and id(node) not in never_run
        for line in range(node.left.end_lineno or 0, node.right.lineno + 1)
        for column in range(
            node.left.end_col_offset or 0 if line == node.left.end_lineno else 0,
            node.right.col_offset if line == node.right.lineno else _WIDEST,
        )
    }


def _above(node: Any) -> Iterator[Any]:
    while node is not None:
        yield node
        node = node.parent
