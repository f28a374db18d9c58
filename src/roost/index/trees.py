"""One trace: its spans as columns, their places in the log, its annotations.

Rule: a tree of tens of thousands of spans is one scan and a few passes over whole columns; no
object is made for a span.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any

from roost.errors import NotFound
from roost.index.annotations import bytes_of
from roost.index.asked import NANO
from roost.index.facts import KINDS, span_hex, span_number
from roost.index.rows import AnnotationRow, Skeleton, SpanPlace
from roost.index.schema import SPAN_BITS
from roost.index.traces import trace_project
from roost.index.words import NONE, words_of
from roost.log.base import Position

MAX_SPANS = 50_000
_COLUMNS = (
    "span_id, parent, name, kind, model, start, end - start, status, prompt, completion, cost"
)


def skeleton(db: sqlite3.Connection, trace: int, limit: int = MAX_SPANS) -> Skeleton:
    """The first `limit` spans in the order of the log, sorted by start."""
    bounds = trace << SPAN_BITS, (trace + 1) << SPAN_BITS
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM (SELECT * FROM span WHERE id >= ? AND id < ? ORDER BY id LIMIT ?)"  # noqa: S608
        " ORDER BY start, id",
        (*bounds, min(limit, MAX_SPANS) + 1),
    ).fetchall()
    truncated = len(rows) > min(limit, MAX_SPANS)
    columns: Sequence[Sequence[Any]] = list(zip(*rows[: min(limit, MAX_SPANS)], strict=True))
    ids, parents, names, kinds, models, starts, durations, statuses, *spent = columns
    row_of = {span: at for at, span in enumerate(ids)}
    name_of, name = _ranked(names)
    model_of, model = _ranked(models)
    texts = words_of(db, [*name_of, *model_of])
    return Skeleton(
        trace_id=_trace_hex(db, trace),
        project=trace_project(db, trace),
        origin_us=starts[0],
        names=[texts.get(one, "") for one in name_of],
        kinds=KINDS,
        models=[texts.get(one, "") for one in model_of],
        span_id=[span_hex(one) for one in ids],
        parent=[row_of.get(one, -1) for one in parents],
        name=name,
        kind=kinds,
        model=model,
        start_us=[one - starts[0] for one in starts],
        duration_us=durations,
        status=statuses,
        tokens=[
            None if one is None else one + other for one, other in zip(*spent[:2], strict=True)
        ],
        cost_usd=[None if one is None else one / NANO for one in spent[2]],
        truncated=truncated,
    )


def place(db: sqlite3.Connection, trace: int, span_id: str) -> SpanPlace:
    """NotFound where the trace has no such span."""
    id_ = bytes_of(span_id)
    number = span_number(id_) if len(id_) == 8 else 0
    row = db.execute(
        "SELECT id, position, ordinal FROM span WHERE span_id = ?", (number,)
    ).fetchone()
    if row is None or row[0] >> SPAN_BITS != trace:
        raise NotFound("the trace has no such span")
    return _place(_trace_hex(db, trace), number, row[1], row[2])


def places(db: sqlite3.Connection, trace: int, limit: int) -> list[SpanPlace]:
    """Of all spans of a trace, in the order of the log."""
    trace_id = _trace_hex(db, trace)
    rows = db.execute(
        "SELECT span_id, position, ordinal FROM span WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
        (trace << SPAN_BITS, (trace + 1) << SPAN_BITS, limit),
    )
    return [_place(trace_id, *row) for row in rows]


def annotations_of_trace(db: sqlite3.Connection, trace: int, limit: int) -> list[AnnotationRow]:
    """Of the trace and its spans, the oldest first."""
    return _annotations(db, "trace = ?", (trace,), limit)


def annotations_of_session(db: sqlite3.Connection, session: str, limit: int) -> list[AnnotationRow]:
    return _annotations(db, "of = 'session' AND target = ?", (session,), limit)


def _annotations(
    db: sqlite3.Connection, where: str, values: tuple[int | str, ...], limit: int
) -> list[AnnotationRow]:
    rows = db.execute(
        "SELECT of, target, name, identifier, annotator_kind, label, score, explanation, subject,"  # noqa: S608
        f" subject_name, at FROM annotation WHERE {where} ORDER BY at, of, target, name LIMIT ?",
        (*values, limit),
    )
    return [AnnotationRow(*row) for row in rows]


def _place(trace_id: str, number: int, position: int | None, ordinal: int) -> SpanPlace:
    at = None if position is None else Position(position)
    return SpanPlace(trace_id, span_hex(number), at, ordinal)


def _ranked(words: Sequence[int]) -> tuple[list[int], list[int]]:
    """The distinct words, and each one's place among them; -1 for none."""
    distinct = list(dict.fromkeys(one for one in words if one != NONE))
    rank = {word: at for at, word in enumerate(distinct)}
    return distinct, [rank.get(one, -1) for one in words]


def _trace_hex(db: sqlite3.Connection, trace: int) -> str:
    row = db.execute("SELECT trace_id FROM trace WHERE id = ?", (trace,)).fetchone()
    return str(row[0].hex())
