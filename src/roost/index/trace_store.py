"""A trace as it is stored, and the one door by which it is written.

Rule: whatever happens to a trace is written as the step from what is stored to what shall be, so
that rows, postings, usage, sessions and counts always change together, and forth as back.
"""

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from roost.index.schema import SPAN_BITS
from roost.index.tally import Tally
from roost.index.trace_state import (
    SPAN_COLUMNS,
    SpanRow,
    TraceRecord,
    TraceState,
    posted,
    state_of,
)

KEPT_REMOVALS = 100_000

_PREFIXED = ", ".join(f"t.{column}" for column in TraceRecord._fields)
_SELECT = (
    f"SELECT p.input, p.output, {_PREFIXED}"  # noqa: S608 - names of columns
    " FROM trace t JOIN preview p ON p.trace = t.id"
)
_INSERT = f"INSERT INTO trace VALUES ({', '.join('?' * len(TraceRecord._fields))})"  # noqa: S608
_INSERT_SPAN = f"INSERT INTO span VALUES ({', '.join('?' * len(SpanRow._fields))})"  # noqa: S608
_UPDATE = (
    f"UPDATE trace SET {', '.join(f'{one} = ?' for one in TraceRecord._fields[2:])}"  # noqa: S608
    " WHERE id = ?"
)


_JOIN_SESSION = """
INSERT INTO session VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (word) DO UPDATE SET
  start = min(start, excluded.start), end = max(end, excluded.end),
  traces = traces + excluded.traces, failed = failed + excluded.failed,
  tokens = tokens + excluded.tokens, cost = cost + excluded.cost,
  priced = priced + excluded.priced, several = max(several, excluded.several),
  least_user = coalesce(min(least_user, excluded.least_user), least_user, excluded.least_user),
  most_user = coalesce(max(most_user, excluded.most_user), most_user, excluded.most_user)
"""

SessionStep = tuple[int, int, int, int, int, int, int, int, int, int, int | None, int | None]


@dataclass(frozen=True, slots=True)
class Stored:
    record: TraceRecord
    input: str
    output: str

    def state(self) -> TraceState:
        return state_of(self.record)


def load(db: sqlite3.Connection, trace_id: bytes) -> Stored | None:
    row = db.execute(f"{_SELECT} WHERE t.trace_id = ?", (trace_id,)).fetchone()
    return _stored(row) if row else None


def load_row(db: sqlite3.Connection, trace: int) -> Stored | None:
    row = db.execute(f"{_SELECT} WHERE t.id = ?", (trace,)).fetchone()
    return _stored(row) if row else None


def _stored(row: Sequence[Any]) -> Stored:
    return Stored(TraceRecord._make(row[2:]), row[0], row[1])


def spans_of_trace(db: sqlite3.Connection, trace: int) -> list[SpanRow]:
    """In log order."""
    rows = db.execute(
        f"SELECT {SPAN_COLUMNS} FROM span WHERE id >= ? AND id < ? ORDER BY id",  # noqa: S608
        (trace << SPAN_BITS, (trace + 1) << SPAN_BITS),
    )
    return [SpanRow._make(row) for row in rows]


class TraceWriter:
    """Collects a transaction's steps; `flush` writes what was collected."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._clear()

    def _clear(self) -> None:
        self._tally = Tally()
        self._spans: list[SpanRow] = []
        self._new: list[TraceRecord] = []
        self._changed: list[TraceRecord] = []
        self._previews: list[tuple[int, str, str]] = []
        self._posted: list[tuple[int, int, int, int, int]] = []
        self._unposted: list[tuple[int, int, int, int, int]] = []
        self._sessions: list[SessionStep] = []
        self._projects: list[tuple[int, int]] = []
        self._removals: list[tuple[int, bytes, int, int]] = []

    def write(
        self,
        before: Stored | None,
        after: Stored | None,
        *,
        added: Sequence[SpanRow] = (),
        removed: Collection[SpanRow] = (),
    ) -> None:
        """`added` and `removed` are the spans by which the two differ; those that are removed have
        been taken from `span` by the caller, those that are added are written by `flush`."""
        self._spans += added
        for span in added:
            self._tally.add_span(span, _sure(after))
        for span in removed:
            self._tally.add_span(span, _sure(before), -1)
        if before is not None:
            self._tally.add_trace(before.record, -1)
        if after is not None:
            self._tally.add_trace(after.record)
        if before is not None and after is not None:
            self._move_usage(before.record, after.record, removed)
        self._post(before, after)
        self._store(before, after)

    def flush(self) -> None:
        """Removals come last for their numbers; everything else is independent of order."""
        db = self._db
        db.executemany(_INSERT_SPAN, self._spans)
        db.executemany(_INSERT, self._new)
        db.executemany(_UPDATE, [(*record[2:], record.id) for record in self._changed])
        db.executemany("INSERT OR REPLACE INTO preview VALUES (?, ?, ?)", self._previews)
        db.executemany(
            "DELETE FROM posting WHERE dimension = ? AND value = ? AND project = ? AND start = ?"
            " AND trace = ?",
            self._unposted,
        )
        self._posted.sort()
        db.executemany("INSERT INTO posting VALUES (?, ?, ?, ?, ?)", self._posted)
        db.executemany(
            _JOIN_SESSION,
            self._sessions,
        )
        db.executemany("UPDATE project SET traces = traces + ? WHERE id = ?", self._projects)
        db.executemany(
            "INSERT INTO removal (position, trace_id, owner, deleted) VALUES (?, ?, ?, ?)",
            self._removals,
        )
        self._tally.write(db)
        self._clear()

    def begin_sessions(self, entered: Sequence[tuple[int, int, int, int]]) -> None:
        """Word, project, start and end of sessions without a trace yet, in log order; those that
        there are stay."""
        self._db.executemany(
            "INSERT OR IGNORE INTO session VALUES (?, ?, ?, ?, 0, 0, 0, 0, 0, 0, NULL, NULL)",
            entered,
        )

    def remove_for(self, record: TraceRecord, position: int, *, deleted: bool) -> None:
        """Those who come back later are told; see `removal`."""
        self._removals.append((position, record.trace_id, record.owner, int(deleted)))

    def _move_usage(
        self, before: TraceRecord, after: TraceRecord, removed: Collection[SpanRow]
    ) -> None:
        """A trace whose user has changed takes its usage along."""
        if (before.user, before.owner) == (after.user, after.owner):
            return
        gone = {span.id for span in removed}
        for span in spans_of_trace(self._db, before.id):
            if span.id not in gone:
                self._tally.add_span(span, before, -1)
                self._tally.add_span(span, after)

    def _post(self, before: Stored | None, after: Stored | None) -> None:
        was, now = _places(before), _places(after)
        self._unposted += was - now
        self._posted += now - was

    def _store(self, before: Stored | None, after: Stored | None) -> None:
        if after is None:
            self._drop(_sure(before))
            return
        record = after.record
        (self._new if before is None else self._changed).append(record)
        if before is None:
            self._projects.append((1, record.project))
        if before is None or _shown(before) != _shown(after):
            self._previews.append((record.id, after.input, after.output))
        if record.session:
            self._sessions.append(_session_step(None if before is None else before.record, record))
        if before is not None and before.record.owner not in (0, record.owner):
            self.remove_for(before.record, record.changed, deleted=False)

    def _drop(self, record: TraceRecord) -> None:
        self._projects.append((-1, record.project))
        for statement in (
            "DELETE FROM trace WHERE id = ?",
            "DELETE FROM preview WHERE trace = ?",
            "DELETE FROM annotation WHERE trace = ?",
        ):
            self._db.execute(statement, (record.id,))


def _session_step(before: TraceRecord | None, after: TraceRecord) -> SessionStep:
    """What the trace adds to its session beyond what it has added already."""
    was = before if before is not None and before.session == after.session else None
    user = after.user or None
    counted = [
        (1, int(one.errors > 0), one.tokens, max(one.cost, 0), int(one.cost >= 0))
        for one in (after, was)
        if one is not None
    ]
    traces, failed, tokens, cost, priced = (
        column[0] - sum(column[1:]) for column in zip(*counted, strict=True)
    )
    return (
        after.session, after.project, after.start, after.end, traces, failed, tokens, cost, priced,
        after.several, user, user,
    )  # fmt: skip


def _places(stored: Stored | None) -> set[tuple[int, int, int, int, int]]:
    if stored is None:
        return set()
    record = stored.record
    at = record.project, record.start, record.id
    return {(*label, *at) for label in posted(record)}


def _shown(stored: Stored) -> tuple[str, str]:
    return stored.input, stored.output


def _sure(stored: Stored | None) -> TraceRecord:
    if stored is None:
        raise ValueError("a trace that is neither stored nor to be stored has no spans")
    return stored.record
