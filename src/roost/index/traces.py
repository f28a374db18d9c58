"""Lists of traces: pages, counts, and the rows that are shown.

Rule: a page is cut by (sorted value, row number) and never by an offset, so that walking the pages
meets every trace once, also among equals and while others arrive.
"""

import sqlite3
from collections.abc import Sequence
from itertools import chain
from typing import Any

import msgspec

from roost.errors import NotFound
from roost.index.asked import NANO, Asked
from roost.index.catalogue import project_name
from roost.index.cursors import Edge
from roost.index.facts import KINDS, span_hex
from roost.index.filters import STATUSES, Sort, SortBy
from roost.index.rows import Count, TraceRow
from roost.index.schema import SPAN_BITS
from roost.index.trace_state import UNKNOWN_COST
from roost.index.viewer import OwnTraces, Viewer
from roost.index.walk import Source, count_posting, count_range, source_for
from roost.index.words import known_word
from roost.log.base import Position

COUNTED = 1_000

_WORD = "(SELECT text FROM word WHERE id = t.{})"
_SHOWN = f"""
SELECT t.trace_id, (SELECT name FROM project WHERE id = t.project), t.name, t.kind, t.status,
  t.start, t.latency, t.spans, t.errors, t.prompt, t.completion, t.cost, t.unpriced,
  {_WORD.format("model")}, {_WORD.format("provider")}, {_WORD.format("user")}, t.several,
  {_WORD.format("session")}, (SELECT span_id FROM span WHERE id = t.id << {SPAN_BITS} | t.root),
  t.rooted, p.input, p.output, t.changed
FROM json_each(?) j CROSS JOIN trace t ON t.id = j.value CROSS JOIN preview p ON p.trace = t.id
ORDER BY j.key
"""  # noqa: S608 - names of columns


def page(
    db: sqlite3.Connection, asked: Asked, sort: Sort, edge: Edge | None, limit: int
) -> list[Edge]:
    """Up to `limit` traces behind the edge, in order."""
    found = [
        _project_page(db, source_for(db, asked, project, sort.by), sort, edge, limit)
        for project in asked.projects
    ]
    if len(found) == 1:
        return found[0]
    return sorted(chain.from_iterable(found), reverse=sort.descending)[:limit]


def count(db: sqlite3.Connection, asked: Asked) -> Count:
    """Up to COUNTED."""
    total = 0
    for project in asked.projects:
        total += _count_project(db, asked, project, COUNTED + 1 - total)
        if total > COUNTED:
            return Count(COUNTED, more=True)
    return Count(total, more=False)


def rows_of(db: sqlite3.Connection, ids: Sequence[int]) -> list[TraceRow]:
    """In the order of the ids."""
    wanted = msgspec.json.encode(ids).decode()
    return [_row(row) for row in db.execute(_SHOWN, (wanted,))]


def visible(db: sqlite3.Connection, viewer: Viewer, trace_id: str) -> int:
    """The trace's row number. NotFound where it is not there, or not the viewer's."""
    try:
        id_ = bytes.fromhex(trace_id)
    except ValueError:
        id_ = b""
    row = db.execute("SELECT id, owner FROM trace WHERE trace_id = ?", (id_,)).fetchone()
    if row is None or (isinstance(viewer, OwnTraces) and row[1] != known_word(db, viewer.user_id)):
        raise NotFound("there is no such trace")
    return int(row[0])


def trace_project(db: sqlite3.Connection, trace: int) -> str:
    row = db.execute("SELECT project FROM trace WHERE id = ?", (trace,)).fetchone()
    return project_name(db, row[0])


def _project_page(
    db: sqlite3.Connection, source: Source, sort: Sort, edge: Edge | None, limit: int
) -> list[Edge]:
    """Those that equal the edge come first, then those behind it: each a range of the index."""
    is_posting = sort.by is SortBy.START and source.order == "p.start"
    column, number = ("p.start", "p.trace") if is_posting else (f"t.{sort.by.value}", "t.id")
    way, beyond = ("DESC", "<") if sort.descending else ("ASC", ">")
    select = f"SELECT {column}, {number} FROM {source.tables} WHERE {source.where}"  # noqa: S608
    order = f"ORDER BY {column} {way}, {number} {way} LIMIT ?"
    if edge is None:
        return [Edge(*row) for row in db.execute(f"{select} {order}", (*source.values, limit))]
    equal = db.execute(
        f"{select} AND {column} = ? AND {number} {beyond} ? ORDER BY {number} {way} LIMIT ?",
        (*source.values, edge.value, edge.id, limit),
    ).fetchall()
    left = limit - len(equal)
    behind = db.execute(
        f"{select} AND {column} {beyond} ? {order}", (*source.values, edge.value, left)
    )
    return [Edge(*row) for row in chain(equal, behind if left else ())]


def _count_project(db: sqlite3.Connection, asked: Asked, project: int, most: int) -> int:
    if asked.is_plain and not asked.ranges:
        row = db.execute("SELECT traces FROM project WHERE id = ?", (project,)).fetchone()
        return int(row[0])
    if asked.is_plain:
        return count_range(db, project, "start", asked.ranges["start"], most)
    if len(asked.labels) == 1 and not asked.tests and asked.ids is None and not asked.other_ranges:
        return count_posting(db, asked, project, asked.labels[0], most)
    source = source_for(db, asked, project, SortBy.START)
    row = db.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM {source.tables} WHERE {source.where} LIMIT ?)",  # noqa: S608
        (*source.values, most),
    ).fetchone()
    return int(row[0])


def _row(row: Sequence[Any]) -> TraceRow:
    return TraceRow(
        trace_id=row[0].hex(), project=row[1], name=row[2], kind=KINDS[row[3]],
        status=STATUSES[row[4]], start_us=row[5], latency_us=row[6], spans=row[7], errors=row[8],
        prompt_tokens=row[9], completion_tokens=row[10], cost_usd=cost_usd(row[11]),
        unpriced=row[12], model=row[13], provider=row[14], user=row[15],
        several_users=bool(row[16]), session=row[17], root_span_id=span_hex(row[18]),
        has_root=bool(row[19]), input=row[20], output=row[21], changed_at=Position(row[22]),
    )  # fmt: skip


def cost_usd(nano: int | None) -> float | None:
    return None if nano is None or nano == UNKNOWN_COST else nano / NANO
