"""What a home's upkeep asks the index.

Rule: these answer for the home itself, never for a viewer.
"""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from roost.index.facts import span_number
from roost.index.schema import SPAN_BITS
from roost.log.base import Position

_MICRO = 1e6
_IDS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Resident:
    """A trace as the log has brought it: row, id, project, whether a span of it has failed, and the
    first and last position of its spans; both None where the cell has made all of them."""

    row: int
    trace_id: bytes
    project: str
    failed: bool
    first: Position | None
    last: Position | None


def oldest_by_project(db: sqlite3.Connection) -> list[tuple[str, float]]:
    """Each project that has traces, and when the oldest began, in seconds."""
    rows = db.execute(
        "SELECT name, (SELECT min(start) FROM trace WHERE project = p.id) FROM project p"
        " WHERE EXISTS (SELECT 1 FROM trace WHERE project = p.id)"
    )
    return [(name, start / _MICRO) for name, start in rows]


def gone_traces(db: sqlite3.Connection, trace_ids: Collection[bytes]) -> set[bytes]:
    """Those of them that were deleted."""
    return set(_among(db, "SELECT trace_id FROM gone_trace WHERE trace_id", list(trace_ids)))


def gone_spans(db: sqlite3.Connection, span_ids: Collection[bytes]) -> set[bytes]:
    """Those of them that were deleted by themselves, not with their trace."""
    numbers = {span_number(one): one for one in span_ids if len(one) == 8}
    found = _among(db, "SELECT span_id FROM gone_span WHERE span_id", list(numbers))
    return {numbers[number] for number in found}


def traces_after(db: sqlite3.Connection, row: int, limit: int) -> list[Resident]:
    """Those behind that row, in order."""
    rows = db.execute(
        "SELECT t.id, t.trace_id, p.name, t.errors > 0,"
        " (SELECT min(position) FROM span WHERE id >= t.id << ? AND id < t.id + 1 << ?),"
        " (SELECT max(position) FROM span WHERE id >= t.id << ? AND id < t.id + 1 << ?)"
        " FROM trace t JOIN project p ON p.id = t.project WHERE t.id > ? ORDER BY t.id LIMIT ?",
        (*[SPAN_BITS] * 4, row, limit),
    )
    return [
        Resident(trace, trace_id, project, bool(failed), first, last)
        for trace, trace_id, project, failed, first, last in rows
    ]


def traces_there(db: sqlite3.Connection, trace_ids: Collection[bytes]) -> set[bytes]:
    """Those of them that the index holds."""
    return set(_among(db, "SELECT trace_id FROM trace WHERE trace_id", list(trace_ids)))


def newest_removal(db: sqlite3.Connection) -> Position:
    """The position of the last deletion that took a trace away; 0 where there is none."""
    row = db.execute("SELECT max(position) FROM removal WHERE deleted").fetchone()
    return Position(row[0] or 0)


def _among(db: sqlite3.Connection, select: str, values: Sequence[Any]) -> Iterator[Any]:
    for at in range(0, len(values), _IDS_AT_ONCE):
        some = values[at : at + _IDS_AT_ONCE]
        yield from (
            row[0] for row in db.execute(f"{select} IN ({','.join('?' * len(some))})", some)
        )
