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
_MICRO = 10**6


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


def last_position(
    db: sqlite3.Connection, span_ids: Sequence[bytes], trace_ids: Sequence[bytes]
) -> Position:
    """The last place in the log of those spans and traces; 0 where it holds none of them."""
    last = 0
    for some in _slices([span_number(one) for one in span_ids]):
        query = f"SELECT max(position) FROM span WHERE span_id IN ({_marks(some)})"  # noqa: S608
        last = max(last, db.execute(query, some).fetchone()[0] or 0)
    for one in _slices(trace_ids):
        query = f"SELECT max(changed) FROM trace WHERE trace_id IN ({_marks(one)})"  # noqa: S608
        last = max(last, db.execute(query, one).fetchone()[0] or 0)
    return Position(last)


def traces_of_session(db: sqlite3.Connection, session: str) -> list[str]:
    """Ids in hex."""
    rows = db.execute(
        "SELECT trace_id FROM trace WHERE session = (SELECT id FROM word WHERE text = ?)",
        (session,),
    )
    return [trace_id.hex() for (trace_id,) in rows]


def traces_between(db: sqlite3.Connection, project: str, since: float, until: float) -> list[str]:
    """Ids in hex of the project's traces that began in [since, until), in seconds."""
    rows = db.execute(
        "SELECT trace_id FROM trace WHERE project = (SELECT id FROM project WHERE name = ?)"
        " AND start >= ? AND start < ?",
        (project, since * _MICRO, until * _MICRO),
    )
    return [trace_id.hex() for (trace_id,) in rows]


def _slices(values: Sequence[T]) -> list[Sequence[T]]:
    return [values[at : at + _IDS_AT_ONCE] for at in range(0, len(values), _IDS_AT_ONCE)]


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))
