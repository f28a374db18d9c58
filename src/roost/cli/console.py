"""How commands speak: tables for people, JSON for programs, errors on standard error."""

import sys
from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.table import Table

from roost.errors import RoostError

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def fail(error: RoostError) -> None:
    err.print(error.message, style="red", markup=False, soft_wrap=True)


def print_json(value: object) -> None:
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    out.print(table)


def ago(then: float | None, now: float) -> str:
    """A time as people say it.

    >>> ago(None, 0), ago(100, 130), ago(0, 7200), ago(0, 3 * 86400)
    ('never', '30 s ago', '2 h ago', '3 d ago')
    """
    if then is None:
        return "never"
    seconds = max(0.0, now - then)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
