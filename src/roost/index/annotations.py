"""Annotations of spans, traces and sessions.

Rule: as in Phoenix, one is known by what it stands on, its name and its identifier, and the latest
wins. One that comes before its span or trace waits for it, a day at most; one on what was deleted
is dropped.
"""

import sqlite3
from collections.abc import Iterable, Sequence

from roost.index.facts import span_hex, span_number
from roost.index.schema import SPAN_BITS
from roost.index.trace_state import SpanRow, TraceState
from roost.log.base import Position
from roost.log.records import Annotation

SPAN, TRACE, SESSION = "span", "trace", "session"
WAIT_US = 86_400_000_000
"""How long one waits for what it stands on, by the log's clock."""
_UNKNOWN = 0
_FORGET_WAITING = "DELETE FROM annotation WHERE trace = 0 AND of <> 'session' AND at < ?"


def annotate(
    db: sqlite3.Connection, annotations: Iterable[Annotation], at_us: int, position: Position
) -> list[int]:
    """The traces that have changed by them, by row."""
    db.execute(_FORGET_WAITING, (at_us - WAIT_US,))
    touched = [_write(db, one, at_us) for one in annotations]
    rows = sorted({row for row in touched if row})
    db.executemany("UPDATE trace SET changed = ? WHERE id = ?", [(position, row) for row in rows])
    return rows


def settle_waiting(
    db: sqlite3.Connection, arrived: Iterable[tuple[TraceState, Sequence[SpanRow]]]
) -> None:
    """Those that waited for what has arrived find it."""
    waiting = "SELECT 1 FROM annotation WHERE trace = 0 AND of <> 'session' LIMIT 1"
    if db.execute(waiting).fetchone() is None:
        return
    for trace, spans in arrived:
        targets = [(TRACE, trace.trace_id.hex())] if trace.spans else []
        targets += [(SPAN, span_hex(one.span_id)) for one in spans]
        db.executemany(
            "UPDATE annotation SET trace = ? WHERE of = ? AND target = ? AND trace = 0",
            [(trace.id, *target) for target in targets],
        )


def forget_annotations(db: sqlite3.Connection, of: str, targets: Iterable[str]) -> None:
    db.executemany(
        "DELETE FROM annotation WHERE of = ? AND target = ?", [(of, one) for one in targets]
    )


def _write(db: sqlite3.Connection, annotation: Annotation, at_us: int) -> int:
    """The row of the trace that it stands on, or _UNKNOWN."""
    of = annotation.of
    target = annotation.target if of == SESSION else annotation.target.lower()
    if of != SESSION and _is_gone(db, of, target):
        return _UNKNOWN
    trace = _UNKNOWN if of == SESSION else _trace_of(db, of, target)
    key = of, target, annotation.name, annotation.identifier
    if annotation.removed:
        db.execute(
            "DELETE FROM annotation WHERE of = ? AND target = ? AND name = ? AND identifier = ?",
            key,
        )
        return trace
    db.execute(
        f"INSERT OR REPLACE INTO annotation VALUES ({', '.join('?' * 12)})",  # noqa: S608
        (
            *key, trace, annotation.annotator_kind, annotation.label, annotation.score,
            annotation.explanation, annotation.subject, annotation.subject_name, at_us,
        ),
    )  # fmt: skip
    return trace


def _trace_of(db: sqlite3.Connection, of: str, target: str) -> int:
    id_ = bytes_of(target)
    if of == TRACE:
        row = db.execute("SELECT id FROM trace WHERE trace_id = ?", (id_,)).fetchone()
        return int(row[0]) if row else _UNKNOWN
    if len(id_) != 8:
        return _UNKNOWN
    row = db.execute("SELECT id FROM span WHERE span_id = ?", (span_number(id_),)).fetchone()
    return int(row[0]) >> SPAN_BITS if row else _UNKNOWN


def _is_gone(db: sqlite3.Connection, of: str, target: str) -> bool:
    id_ = bytes_of(target)
    if of == TRACE:
        found = db.execute("SELECT 1 FROM gone_trace WHERE trace_id = ?", (id_,))
    elif len(id_) == 8:
        found = db.execute("SELECT 1 FROM gone_span WHERE span_id = ?", (span_number(id_),))
    else:
        return True
    return found.fetchone() is not None


def bytes_of(hex_id: str) -> bytes:
    """b"" where it is no hex."""
    try:
        return bytes.fromhex(hex_id)
    except ValueError:
        return b""
