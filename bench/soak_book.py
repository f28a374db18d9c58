"""What the soak has sent, what was acknowledged and what was deleted, and how that compares with
what Phoenix holds.

Rule 1: a span stands here before it is sent, and counts as acknowledged only by a 200. Rule 2: a
trace is deleted once Roost has said so; until then it may be there or not. Rule 3: Phoenix's
database is only read.
"""

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path

from opentelemetry.proto.trace.v1.trace_pb2 import Span

_SCHEMA = """
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS trace (id TEXT PRIMARY KEY, deletion INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS span (id TEXT PRIMARY KEY, trace TEXT NOT NULL, name TEXT NOT NULL,
  acknowledged INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS round (number INTEGER PRIMARY KEY, victim TEXT NOT NULL,
  spans INTEGER NOT NULL, outage_s REAL NOT NULL);
CREATE TABLE IF NOT EXISTS restart (kind TEXT PRIMARY KEY, count INTEGER NOT NULL);
"""
_ASKED, _DELETED = 1, 2
_HELD = (
    "SELECT spans.span_id, traces.trace_id, spans.name FROM spans"
    " JOIN traces ON traces.id = spans.trace_rowid"
)


@dataclass(frozen=True, slots=True)
class Round:
    """`outage_s` is from the kill to the first 200 of a batch that was sent after it."""

    number: int
    victim: str
    spans: int
    outage_s: float


@dataclass(frozen=True, slots=True)
class Held:
    """A span as Phoenix has it."""

    trace: str
    name: str


@dataclass(frozen=True, slots=True)
class Findings:
    """Ids of spans. All but `pending` are faults at any time; `pending` (acknowledged, and neither
    in Phoenix nor parked nor deleted) and `back` (of a deleted trace) are once all is settled."""

    pending: tuple[str, ...] = ()
    back: tuple[str, ...] = ()
    twice: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    """Under another trace or name than they were sent with."""
    unasked: tuple[str, ...] = ()
    """Nobody has sent them."""

    @property
    def faults(self) -> dict[str, tuple[str, ...]]:
        """What must be empty once all is settled, without what is."""
        return {one.name: found for one in fields(self) if (found := getattr(self, one.name))}


class Book:
    """A SQLite file; used from one thread."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    def fact(self, name: str, first: str = "") -> str:
        """What was put under that name, `first` if nothing was; it stays."""
        self._db.execute("INSERT OR IGNORE INTO fact VALUES (?, ?)", (name, first))
        return str(self._db.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()[0])

    def put(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, value))

    def sending(self, spans: Sequence[Span]) -> None:
        self._db.execute("BEGIN")
        self._db.executemany(
            "INSERT OR IGNORE INTO trace (id) VALUES (?)", [(one.trace_id.hex(),) for one in spans]
        )
        self._db.executemany(
            "INSERT OR IGNORE INTO span (id, trace, name) VALUES (?, ?, ?)",
            [(one.span_id.hex(), one.trace_id.hex(), one.name) for one in spans],
        )
        self._db.execute("COMMIT")

    def acknowledged(self, spans: Sequence[Span]) -> int:
        """How many of them were not before."""
        before = self._db.total_changes
        self._db.execute("BEGIN")
        self._db.executemany(
            "UPDATE span SET acknowledged = 1 WHERE id = ? AND acknowledged = 0",
            [(one.span_id.hex(),) for one in spans],
        )
        self._db.execute("COMMIT")
        return self._db.total_changes - before

    def deleting(self, trace: str) -> None:
        self._db.execute("UPDATE trace SET deletion = ? WHERE id = ?", (_ASKED, trace))

    def deleted(self, trace: str) -> None:
        self._db.execute("UPDATE trace SET deletion = ? WHERE id = ?", (_DELETED, trace))

    def being_deleted(self) -> list[str]:
        """Traces whose deletion was asked for and never answered."""
        rows = self._db.execute("SELECT id FROM trace WHERE deletion = ?", (_ASKED,))
        return [trace for (trace,) in rows]

    def finished(self, done: Round) -> None:
        row = (done.number, done.victim, done.spans, done.outage_s)
        self._db.execute("INSERT OR REPLACE INTO round VALUES (?, ?, ?, ?)", row)

    def rounds(self) -> list[Round]:
        return [Round(*row) for row in self._db.execute("SELECT * FROM round ORDER BY number")]

    def restarted(self, kind: str) -> None:
        self._db.execute(
            "INSERT INTO restart VALUES (?, 1) ON CONFLICT (kind) DO UPDATE SET count = count + 1",
            (kind,),
        )

    def restarts(self) -> dict[str, int]:
        return dict(self._db.execute("SELECT kind, count FROM restart ORDER BY kind"))

    def counts(self) -> tuple[int, int]:
        """Spans that were acknowledged, and traces that are deleted."""
        spans = self._db.execute("SELECT count(*) FROM span WHERE acknowledged").fetchone()[0]
        query = "SELECT count(*) FROM trace WHERE deletion = ?"
        return int(spans), int(self._db.execute(query, (_DELETED,)).fetchone()[0])

    def compared(self, held: Mapping[str, Held], parked: Collection[str]) -> Findings:
        """With what Phoenix holds by span id; `twice` is left empty."""
        rows = self._db.execute(
            "SELECT span.id, span.trace, span.name, acknowledged, deletion FROM span"
            " JOIN trace ON trace.id = span.trace"
        )
        pending, back, changed, known = [], [], [], set()
        for span, trace, name, acknowledged, deletion in rows:
            known.add(span)
            one = held.get(span)
            if one is None:
                if acknowledged and not deletion and span not in parked:
                    pending.append(span)
            elif deletion == _DELETED:
                back.append(span)
            elif one != Held(trace, name):
                changed.append(span)
        unasked = [span for span in held if span not in known]
        return Findings(
            pending=tuple(pending),
            back=tuple(back),
            changed=tuple(changed),
            unasked=tuple(unasked),
        )


def read_phoenix(database: Path) -> tuple[dict[str, Held], tuple[str, ...]]:
    """All spans by id, and the ids that are there more than once; none before the first start."""
    if not database.exists():
        return {}, ()
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=30)) as db:
        if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'spans'").fetchone():
            return {}, ()
        return _gathered(db.execute(_HELD))


def _gathered(
    rows: Iterable[tuple[str, str, str]],
) -> tuple[dict[str, Held], tuple[str, ...]]:
    held: dict[str, Held] = {}
    twice = []
    for span, trace, name in rows:
        if span in held:
            twice.append(span)
        held[span] = Held(trace, name)
    return held, tuple(twice)
