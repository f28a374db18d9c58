"""Deletions: rows go, tombstones stay.

Rule 1: nothing that is named in a deletion comes back by a late copy. Rule 2: what is left is what
would be there had the deleted never come.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice

from roost.index.annotations import SESSION, SPAN, TRACE, bytes_of, forget_annotations
from roost.index.batch import Note
from roost.index.catalogue import Projects, known_project
from roost.index.facts import span_hex, span_number
from roost.index.postings import Posted
from roost.index.schema import SPAN_BITS
from roost.index.trace_state import SPAN_COLUMNS, SpanRow
from roost.index.trace_store import (
    KEPT_REMOVALS,
    Stored,
    TraceWriter,
    load_row,
    spans_of_trace,
)
from roost.index.words import Words, known_word
from roost.log.base import Position
from roost.log.records import Deletion

_TRACES_A_STEP = 200

_SESSION_SUMS = """
SELECT count(*), min(t.start), max(t.end), sum(t.errors > 0), sum(t.tokens), sum(max(t.cost, 0)),
  sum(t.cost >= 0), max(t.several), min(nullif(t.user, 0)), max(nullif(t.user, 0)), min(t.id)
FROM posting p JOIN trace t ON t.id = p.trace WHERE p.dimension = ? AND p.value = ?
"""
_RECOUNT_SESSION = """
UPDATE session SET traces = ?, start = ?, end = ?, failed = ?, tokens = ?, cost = ?, priced = ?,
  several = ?, least_user = ?, most_user = ?, project = coalesce(
    (SELECT id FROM project WHERE id = session.project), (SELECT project FROM trace WHERE id = ?)
  )
WHERE word = ?
"""


class Removal:
    """One deletion's work in the transaction; `note` hears of every trace that went or changed."""

    def __init__(
        self,
        db: sqlite3.Connection,
        words: Words,
        projects: Projects,
        writer: TraceWriter,
        note: Note,
        position: Position,
    ) -> None:
        self._db = db
        self._words = words
        self._projects = projects
        self._writer = writer
        self._note = note
        self._position = position
        self._sessions: set[int] = set()
        """Whose traces have changed."""

    def apply(self, deletion: Deletion) -> None:
        self._delete_traces(deletion.traces)
        self._delete_spans(deletion.spans)
        for session in deletion.sessions:
            self._delete_session(session)
        if deletion.project is not None:
            before = None if deletion.before is None else round(deletion.before * 1e6)
            self._delete_project(deletion.project, before)
        self._recount_sessions()
        self._trim()

    def _delete_traces(self, trace_ids: Iterable[str]) -> None:
        ids = [id_ for one in trace_ids if (id_ := bytes_of(one))]
        self._bury(ids)
        forget_annotations(self._db, TRACE, [one.hex() for one in ids])
        rows = [
            self._db.execute("SELECT id FROM trace WHERE trace_id = ?", (one,)).fetchone()
            for one in ids
        ]
        self._remove([row[0] for row in rows if row])

    def _delete_session(self, session: str) -> None:
        forget_annotations(self._db, SESSION, [session])
        word = known_word(self._db, session)
        if word is None:
            return
        shells = self._db.execute("SELECT trace_id FROM shell WHERE session = ?", (word,))
        self._bury([row[0] for row in shells.fetchall()])
        rows = self._db.execute(
            "SELECT trace FROM posting WHERE dimension = ? AND value = ?",
            (Posted.SESSION.value, word),
        )
        self._remove([row[0] for row in rows.fetchall()])

    def _delete_project(self, name: str, before: int | None) -> None:
        """The whole project goes where `before` does not narrow it."""
        project = known_project(self._db, name)
        if project is None:
            return
        for table, column in (("trace", "start"), ("shell", "start")):
            where = "project = ?" + ("" if before is None else f" AND {column} < ?")
            values = (project,) if before is None else (project, before)
            rows = self._db.execute(
                f"SELECT trace_id FROM {table} WHERE {where}",  # noqa: S608
                values,
            )
            self._delete_traces([row[0].hex() for row in rows.fetchall()])
        if before is None:
            self._projects.delete(project)

    def _bury(self, trace_ids: Sequence[bytes]) -> None:
        ids = [(one,) for one in trace_ids]
        self._db.executemany("INSERT OR IGNORE INTO gone_trace VALUES (?)", ids)
        self._db.executemany("DELETE FROM shell WHERE trace_id = ?", ids)

    def _remove(self, rows: Sequence[int]) -> None:
        left = iter(rows)
        while step := list(islice(left, _TRACES_A_STEP)):
            for row in step:
                if (stored := load_row(self._db, row)) is not None:
                    self._bury([stored.record.trace_id])
                    self._take_out(stored, spans_of_trace(self._db, row), None)
            self._writer.flush()

    def _delete_spans(self, span_ids: Iterable[str]) -> None:
        numbers = [span_number(id_) for one in span_ids if len(id_ := bytes_of(one)) == 8]
        self._db.executemany(
            "INSERT OR IGNORE INTO gone_span VALUES (?)", [(one,) for one in numbers]
        )
        forget_annotations(self._db, SPAN, [span_hex(one) for one in numbers])
        by_trace: defaultdict[int, list[SpanRow]] = defaultdict(list)
        for number in set(numbers):
            row = self._db.execute(
                f"SELECT {SPAN_COLUMNS} FROM span WHERE span_id = ?",  # noqa: S608
                (number,),
            ).fetchone()
            if row:
                by_trace[row[0] >> SPAN_BITS].append(SpanRow._make(row))
        for trace, removed in sorted(by_trace.items()):
            if (stored := load_row(self._db, trace)) is not None:
                self._take_out(stored, removed, self._counted_again(stored, removed))
        self._writer.flush()

    def _counted_again(self, stored: Stored, removed: Sequence[SpanRow]) -> Stored | None:
        """The trace without them, or None where no span is left."""
        state = stored.state().emptied()
        gone = {one.id for one in removed}
        for span in spans_of_trace(self._db, state.id):
            if span.id not in gone:
                state.count(span)
        if not state.spans:
            return None
        record = state.record(self._words.text_of(state.name_word), self._position)
        same = state.root == stored.record.root
        shown = (stored.input, stored.output) if same else ("", "")
        return Stored(record, *shown)

    def _take_out(self, before: Stored, removed: Sequence[SpanRow], after: Stored | None) -> None:
        record = before.record
        sessions = {record.session, 0 if after is None else after.record.session}
        self._sessions.update(sessions - {0})
        if after is None:
            bounds = record.id << SPAN_BITS, (record.id + 1) << SPAN_BITS
            self._db.execute("DELETE FROM span WHERE id >= ? AND id < ?", bounds)
            self._db.execute("DELETE FROM words_of WHERE rowid >= ? AND rowid < ?", bounds)
            self._writer.remove_for(record, self._position, deleted=True)
        else:
            ids = [(one.id,) for one in removed]
            self._db.executemany("DELETE FROM span WHERE id = ?", ids)
            self._db.executemany("DELETE FROM words_of WHERE rowid = ?", ids)
        self._writer.write(before, after, removed=removed)
        self._note(before, after)

    def _recount_sessions(self) -> None:
        """A session stays in the project in which it began, as long as there is that project."""
        for word in self._sessions:
            row = self._db.execute(_SESSION_SUMS, (Posted.SESSION.value, word)).fetchone()
            if row[0]:
                self._db.execute(_RECOUNT_SESSION, (*row, word))
            else:
                self._db.execute("DELETE FROM session WHERE word = ?", (word,))

    def _trim(self) -> None:
        self._db.execute(
            "DELETE FROM removal WHERE id <= (SELECT max(id) FROM removal) - ?", (KEPT_REMOVALS,)
        )
