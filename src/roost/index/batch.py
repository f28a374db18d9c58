"""The spans of one transaction on their way into the tables.

Rule: spans count in the order in which they are taken. The first copy of a span id is the one that
counts in the whole home; a repeat only stretches its trace, as in Phoenix. What was deleted does
not come back.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from roost.index.annotations import settle_waiting
from roost.index.catalogue import Projects
from roost.index.facts import MAX_TEXT_CHARS, Facts, facts_of
from roost.index.prices import Price
from roost.index.trace_state import SpanRow, TraceState
from roost.index.trace_store import Stored, TraceWriter, load
from roost.index.words import NONE, Words
from roost.log.base import BEGINNING, Position
from roost.log.records import LoggedSpan


@dataclass(slots=True)
class _Work:
    """A trace that the transaction has touched. `shell`: it is stored without a span."""

    state: TraceState
    before: Stored | None
    shell: bool
    name: str
    input: str
    output: str
    changed: Position = BEGINNING
    added: list[SpanRow] = field(default_factory=list)
    texts: set[str] = field(default_factory=set)
    """Those that full text has of it in this transaction."""
    documents: list[tuple[int, str]] = field(default_factory=list)
    is_stretched: bool = False
    has_entered: bool = False
    """A session, with a span."""


Note = Callable[[Stored | None, Stored | None], None]
"""Hears of each trace before and after."""


class Batch:
    """What is taken is written by `flush`."""

    def __init__(
        self,
        db: sqlite3.Connection,
        words: Words,
        projects: Projects,
        price: Price,
        full_text: bool,
    ) -> None:
        self._db = db
        self._words = words
        self._projects = projects
        self._price = price
        self._full_text = full_text
        self._works: dict[bytes, _Work | None] = {}
        self._known: set[int] = set()
        self._gone: set[int] = set()
        self._entered: list[tuple[int, int, int, int]] = []
        """Sessions as traces entered them: the first one chooses the project."""
        self._next_trace = _next_row(db)
        self._has_tombstones = _any(db, "gone_span")

    def take(
        self, spans: Iterable[LoggedSpan], position: Position | None, changed: Position
    ) -> int:
        """How many were new. `position` is None for spans that the cell made; `changed` is the
        position by which watchers resume."""
        ordinals, facts = [], []
        for one in spans:
            ordinals.append(one.ordinal)
            facts.append(facts_of(one))
        self._meet([one.span_id for one in facts])
        taken = [
            self._take_one(one, position, ordinal, changed)
            for ordinal, one in zip(ordinals, facts, strict=True)
        ]
        return sum(taken)

    def expect_tombstones(self) -> None:
        self._has_tombstones = True

    def flush(self, writer: TraceWriter, note: Note) -> None:
        touched = [
            work for work in self._works.values() if work and (work.added or work.is_stretched)
        ]
        writer.begin_sessions(self._entered)
        self._entered.clear()
        for work in touched:
            if work.state.spans:
                note(work.before, self._write(work, writer))
            else:
                self._write_shell(work.state)
        writer.flush()
        self._write_documents(touched)
        settle_waiting(self._db, [(work.state, work.added) for work in touched])
        self._works.clear()
        self._known.clear()
        self._gone.clear()

    def _meet(self, span_ids: Sequence[int]) -> None:
        """Learns which of them are stored or deleted already."""
        wanted = msgspec.json.encode([one for one in span_ids if one not in self._known]).decode()
        found = self._db.execute(
            "SELECT s.span_id FROM json_each(?) j CROSS JOIN span s ON s.span_id = j.value",
            (wanted,),
        )
        self._known.update(row[0] for row in found)
        if self._has_tombstones:
            gone = self._db.execute(
                "SELECT g.span_id FROM json_each(?) j CROSS JOIN gone_span g"
                " ON g.span_id = j.value",
                (wanted,),
            )
            self._gone.update(row[0] for row in gone)

    def _take_one(
        self, facts: Facts, position: Position | None, ordinal: int, changed: Position
    ) -> bool:
        if facts.span_id in self._gone:
            return False
        work = self._work(facts)
        if work is None:
            return False
        session = self._words.optional(facts.session)
        if facts.span_id in self._known:
            work.state.stretch(facts.start, facts.end)
            work.state.enter(session)
            self._enter(work)
            work.is_stretched, work.changed = True, changed
            return False
        self._known.add(facts.span_id)
        row = self._row(work.state, facts, session, position, ordinal)
        work.added.append(row)
        work.changed = changed
        if work.state.count(row):
            work.name, work.input, work.output = facts.name, facts.input, facts.output
        self._enter(work)
        if self._full_text:
            _document(work, row.id, facts)
        return True

    def _enter(self, work: _Work) -> None:
        state = work.state
        if state.session and state.spans and not work.has_entered:
            work.has_entered = True
            self._entered.append((state.session, state.project, state.start or 0, state.end))

    def _work(self, facts: Facts) -> _Work | None:
        """None for a trace that was deleted."""
        trace_id = facts.trace_id
        if trace_id not in self._works:
            self._works[trace_id] = self._open(trace_id, facts.project)
        return self._works[trace_id]

    def _open(self, trace_id: bytes, project: str) -> _Work | None:
        if (stored := load(self._db, trace_id)) is not None:
            record = stored.record
            return _Work(stored.state(), stored, False, record.name, stored.input, stored.output)
        if self._is_gone(trace_id):
            return None
        number, self._next_trace = self._next_trace, self._next_trace + 1
        shell = self._db.execute(
            "SELECT project, session, start, end FROM shell WHERE trace_id = ?", (trace_id,)
        ).fetchone()
        if shell is None:
            state = TraceState(number, trace_id, self._projects.id_of(project))
        else:
            state = TraceState(
                number, trace_id, shell[0], session=shell[1], start=shell[2], end=shell[3]
            )
        return _Work(state, None, shell is not None, "", "", "")

    def _is_gone(self, trace_id: bytes) -> bool:
        found = self._db.execute("SELECT 1 FROM gone_trace WHERE trace_id = ?", (trace_id,))
        return found.fetchone() is not None

    def _row(
        self, state: TraceState, facts: Facts, session: int, position: Position | None, ordinal: int
    ) -> SpanRow:
        words = self._words
        call = facts.call
        return SpanRow(
            state.next_id(), facts.span_id, facts.parent, words.id_of(facts.name), facts.kind,
            facts.status, facts.start, facts.end, words.optional(facts.model),
            words.optional(facts.provider), NONE if facts.user is None else words.id_of(facts.user),
            session, facts.prompt, facts.completion, facts.cached, facts.reasoning,
            None if call is None else self._price(call), position, ordinal,
        )  # fmt: skip

    def _write_shell(self, state: TraceState) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO shell VALUES (?, ?, ?, ?, ?)",
            (state.trace_id, state.project, state.session, state.start or 0, state.end),
        )

    def _write(self, work: _Work, writer: TraceWriter) -> Stored:
        if work.shell:
            self._db.execute("DELETE FROM shell WHERE trace_id = ?", (work.state.trace_id,))
        record = work.state.record(work.name, work.changed)
        after = Stored(record, work.input, work.output)
        writer.write(work.before, after, added=work.added)
        return after

    def _write_documents(self, works: Sequence[_Work]) -> None:
        self._db.executemany(
            "INSERT INTO words_of (rowid, text) VALUES (?, ?)",
            [one for work in works for one in work.documents],
        )


def _document(work: _Work, row: int, facts: Facts) -> None:
    """What full text gets of a span: what the trace has not said before in this transaction."""
    texts = [text for text in (facts.name, *facts.texts) if text not in work.texts]
    if texts:
        work.texts.update(texts)
        work.documents.append((row, "\n".join(texts)[:MAX_TEXT_CHARS]))


def _next_row(db: sqlite3.Connection) -> int:
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'trace'").fetchone()
    return int(row[0]) + 1 if row else 1


def _any(db: sqlite3.Connection, table: str) -> bool:
    return db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is not None  # noqa: S608
