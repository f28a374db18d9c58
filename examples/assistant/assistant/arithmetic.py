"""Sums, for the `calculate` tool. Rule: numbers and + - * / alone; nothing is ever evaluated."""

import ast
import operator
import re
from collections.abc import Callable

SUM = re.compile(r"\d+(?:\.\d+)?(?:\s*[-+*/]\s+\d+(?:\.\d+)?)+")
OPERATIONS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def sum_in(question: str) -> str | None:
    """
    >>> sum_in("How much is 110 * 40 in MB?"), sum_in("What happened on 2026-11-23?")
    ('110 * 40', None)
    """
    found = SUM.search(question)
    return found[0] if found else None


def calculate(expression: str) -> str:
    """Raises ValueError for anything but a sum, ZeroDivisionError as arithmetic does.

    >>> calculate("110 * 40 + 372"), calculate("1 / 8")
    ('4772', '0.125')
    """
    return f"{_value(ast.parse(expression, mode='eval').body):.10g}"


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATIONS:
            return OPERATIONS[type(op)](_value(left), _value(right))
        case _:
            raise ValueError("Only numbers and + - * / can be calculated")
