"""Arithmetic as other tools write it into their files, worked out without running anything.

Numbers, names, ``+ - * / // % **``, comparisons, ``a if c else b``, and the functions below.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping

Value = float | int | str
"""What a name may stand for."""

FUNCTIONS: dict[str, Callable[..., float]] = {
    "max": max,
    "min": min,
    "ceil": math.ceil,
    "floor": math.floor,
    "round": round,
    "abs": abs,
    "int": int,
    "float": float,
    "sqrt": math.sqrt,
    "log2": math.log2,
    "log10": math.log10,
    "log": math.log,
    "pow": math.pow,
}
"""Functions by name; ``log`` of one argument is the natural one."""

_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: math.pow,  # floats: integers could grow without end
}
_COMPARE: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_LONGEST = 500


class ExpressionError(ValueError):
    """An expression that says nothing we can work out; the message has the reason."""


def evaluate(text: str, names: Mapping[str, Value]) -> Value:
    """Return the value of an expression; text that a name stands for may only stand alone.

    Raises:
        ExpressionError: not an expression of the kind above, an unknown name, or no finite value.
    """
    if len(text) > _LONGEST:
        raise ExpressionError("is too long an expression")
    try:
        tree = ast.parse(text.strip(), mode="eval")
        value = _value(tree.body, names)
    except (SyntaxError, RecursionError, MemoryError):
        raise ExpressionError("is not an expression") from None
    except (ArithmeticError, TypeError, ValueError) as error:
        if isinstance(error, ExpressionError):
            raise
        raise ExpressionError(f"has no value: {error}") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise ExpressionError("has no finite value")
    return value


def _value(node: ast.expr, names: Mapping[str, Value]) -> Value:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str):
        return node.value
    if isinstance(node, ast.Name):
        if node.id not in names:
            raise ExpressionError(f"names {node.id}, which has no value")
        return names[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        inner = _number(node.operand, names)
        return -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        left, right = _number(node.left, names), _number(node.right, names)
        return _BINARY[type(node.op)](left, right)
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARE:
        left, right = _number(node.left, names), _number(node.comparators[0], names)
        return int(_COMPARE[type(node.ops[0])](left, right))
    if isinstance(node, ast.IfExp):
        return _value(node.body if _value(node.test, names) else node.orelse, names)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        if node.func.id not in FUNCTIONS:
            raise ExpressionError(f"calls {node.func.id}, which is not known")
        return FUNCTIONS[node.func.id](*(_number(arg, names) for arg in node.args))
    raise ExpressionError("is not an expression of numbers, names and known functions")


def _number(node: ast.expr, names: Mapping[str, Value]) -> float | int:
    value = _value(node, names)
    if isinstance(value, str):
        raise ExpressionError(f"reckons with the text {value!r}")
    return value
