"""Where spans stand in the log, and what `forward` and intake want to know of them.

Rule: these answer for the home itself, never for a viewer.
"""

import sqlite3
from collections.abc import Collection, Sequence
from typing import TypeVar

from roost.index.facts import span_number
from roost.index.schema import SPAN_BITS
from roost.log.base import Position

T = TypeVar("T")
_IDS_AT_ONCE = 500


def known(db: sqlite3.Connection, span_ids: Sequence[bytes]) -> set[bytes]:
    """Those that were seen before, deleted ones too."""
    numbers = {span_number(one): one for one in span_ids}
    found: set[bytes] = set()
    for table in ("span", "gone_span"):
        for some in _slices(list(numbers)):
            query = f"SELECT span_id FROM {table} WHERE span_id IN ({_marks(some)})"  # noqa: S608
            found.update(numbers[number] for (number,) in db.execute(query, some))
    return found


def failed(db: sqlite3.Connection, trace_ids: Collection[bytes]) -> set[bytes]:
    """Those of the traces in which a span has failed."""
    found: set[bytes] = set()
    for some in _slices(list(trace_ids)):
        query = f"SELECT trace_id FROM trace WHERE errors > 0 AND trace_id IN ({_marks(some)})"  # noqa: S608
        found.update(trace_id for (trace_id,) in db.execute(query, some))
    return found


def earlier(
    db: sqlite3.Connection, trace_id: bytes, before: Position
) -> list[tuple[Position, int]]:
    """(position, ordinal) of the trace's spans that stand in the log before that position."""
    row = db.execute("SELECT id FROM trace WHERE trace_id = ?", (trace_id,)).fetchone()
    if row is None:
        return []
    rows = db.execute(
        "SELECT position, ordinal FROM span WHERE id BETWEEN ? AND ? AND position < ?"
        " ORDER BY position, ordinal",
        (row[0] << SPAN_BITS, (row[0] + 1 << SPAN_BITS) - 1, before),
    )
    return [(Position(position), ordinal) for position, ordinal in rows]


def _slices(values: Sequence[T]) -> list[Sequence[T]]:
    return [values[at : at + _IDS_AT_ONCE] for at in range(0, len(values), _IDS_AT_ONCE)]


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))
