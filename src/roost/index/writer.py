"""Applies the log's records to the tables, in order.

Rule 1: one transaction holds the effects and the cursor; after any crash the index stands at a
record's end and goes on from there. Rule 2: a record that was applied is never applied again. Rule
3: a record that cannot be read is skipped and named in the log: it would stop the index for ever.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec
from google.protobuf.message import DecodeError

from roost.index.amending import Hand
from roost.index.annotations import annotate
from roost.index.batch import Batch
from roost.index.catalogue import Projects, project_name
from roost.index.prices import Price
from roost.index.removal import Removal
from roost.index.rows import Applied, Change, TraceChange
from roost.index.trace_store import Stored, TraceWriter, load_row
from roost.index.words import Words
from roost.log.base import Kind, Position, Record
from roost.log.records import LoggedSpan, annotations_of, deletion_of, spans_of

_log = logging.getLogger(__name__)

_UNUSED_WORDS = """
DELETE FROM word WHERE id NOT IN (
  SELECT name FROM span UNION SELECT model FROM span UNION SELECT provider FROM span
  UNION SELECT user FROM span UNION SELECT session FROM span UNION SELECT session FROM trace
  UNION SELECT session FROM shell
)
"""


class Writer:
    """Belongs to one thread at a time."""

    def __init__(self, db: sqlite3.Connection, price: Price, full_text: bool) -> None:
        self._db = db
        self._price = price
        self._full_text = full_text
        self._words = Words(db)
        self._projects = Projects(db)
        row = db.execute("SELECT value FROM meta WHERE key = 'cursor'").fetchone()
        self.cursor = Position(row[0] if row else 0)

    def apply(self, records: Sequence[Record]) -> Applied:
        """All of them or, where it raises, none."""
        new = [one for one in records if one.position > self.cursor]
        cursor = new[-1].position if new else self.cursor
        with self._transaction(cursor) as work:
            for record in new:
                work.apply(record)
        self.cursor = cursor
        return work.applied(cursor)

    def absorb(self, spans: Sequence[LoggedSpan]) -> Applied:
        """Spans that the cell made itself; those that are known are left as they are."""
        with self._transaction(self.cursor) as work:
            work.absorb(spans, self.cursor)
        return work.applied(self.cursor)

    def amend(self, act: Callable[[Hand], object]) -> Applied:
        """See `Index.amend`."""
        with self._transaction(self.cursor) as work:
            act(work.hand(self.cursor))
        return work.applied(self.cursor)

    def sweep(self) -> None:
        """See `Index.sweep`."""
        with self._transaction(self.cursor):
            self._db.execute(_UNUSED_WORDS)
            self._words.forget()
            self._db.execute("INSERT INTO words_of (words_of) VALUES ('optimize')")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def _transaction(self, cursor: Position) -> Iterator["_Transaction"]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            batch = Batch(self._db, self._words, self._projects, self._price, self._full_text)
            work = _Transaction(self._db, self._words, self._projects, batch)
            yield work
            work.settle()
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('cursor', ?)", (cursor,))
            self._db.execute("COMMIT")
        except BaseException:
            self._db.rollback()
            self._words.forget()
            self._projects.forget()
            raise


class _Transaction:
    def __init__(
        self, db: sqlite3.Connection, words: Words, projects: Projects, batch: Batch
    ) -> None:
        self._db = db
        self._words = words
        self._projects = projects
        self._batch = batch
        self._traces = TraceWriter(db)
        self._changes: dict[tuple[str, int], TraceChange] = {}
        self._spans = 0

    def apply(self, record: Record) -> None:
        try:
            self._apply(record)
        except (DecodeError, msgspec.DecodeError) as error:
            _log.error("record %d cannot be read: %s", record.position, error)

    def absorb(self, spans: Sequence[LoggedSpan], cursor: Position) -> None:
        self._spans += self._batch.take(spans, None, cursor)

    def hand(self, cursor: Position) -> Hand:
        return Hand(
            self._db,
            self._words,
            self._projects,
            self._traces,
            self._note,
            cursor,
            lambda spans: self.absorb(spans, cursor),
            self.settle,
        )

    def settle(self) -> None:
        """What was taken so far is in the tables then."""
        self._batch.flush(self._traces, self._note)

    def applied(self, cursor: Position) -> Applied:
        return Applied(cursor, tuple(self._changes.values()), self._spans)

    def _apply(self, record: Record) -> None:
        match record.kind:
            case Kind.SPANS:
                spans = spans_of(record.body)
                self._spans += self._batch.take(spans, record.position, record.position)
            case Kind.ANNOTATIONS:
                annotations = annotations_of(record.body)
                self.settle()
                at_us = round(record.at * 1e6)
                for row in annotate(self._db, annotations, at_us, record.position):
                    stored = load_row(self._db, row)
                    self._note(stored, stored)
            case Kind.DELETION:
                self._delete(record)

    def _delete(self, record: Record) -> None:
        if not record.body:
            return
        deletion = deletion_of(record.body)
        self.settle()
        Removal(
            self._db, self._words, self._projects, self._traces, self._note, record.position
        ).apply(deletion)
        self._batch.expect_tombstones()

    def _note(self, before: Stored | None, after: Stored | None) -> None:
        """Of several changes to a trace in a project, the first says what was before."""
        record = (after or before or _nothing()).record
        trace_id = record.trace_id.hex()
        earlier = self._changes.get((trace_id, record.project))
        self._changes[trace_id, record.project] = TraceChange(
            trace_id,
            project_name(self._db, record.project),
            Change.REMOVE if after is None else Change.UPSERT,
            earlier.own_before if earlier else self._owner(before),
            self._owner(after),
        )

    def _owner(self, stored: Stored | None) -> str | None:
        owner = stored.record.owner if stored else 0
        return self._words.text_of(owner) if owner else None


def _nothing() -> Stored:
    raise ValueError("a trace that is neither before nor after is no change")
