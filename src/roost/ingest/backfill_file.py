"""An existing Phoenix's SQLite file, read only.

Rule: where a row stands is asked here; what stands in it is read by the ledger, which is handed in.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from roost.ingest.backfill import Place, Project, Reject, Slice
from roost.ingest.backfill_annotations import Result, Written, imported
from roost.log.records import Annotation, LoggedSpan

SLICE_SPANS = 500
IDS_AT_ONCE = 500
ODD_IDS = "its ids are not OpenTelemetry's: 32 and 16 digits of hex"
UNREADABLE = "what the file holds of it cannot be read"
_EXPERIMENTS = "SELECT project_name FROM experiments WHERE project_name <> 'playground'"
_EVALUATORS = "SELECT project_id FROM dataset_evaluators"
_PROJECTS = (
    "SELECT p.id, p.name, (SELECT count(*) FROM traces t JOIN spans s ON s.trace_rowid = t.id"
    " WHERE t.project_rowid = p.id AND s.start_time >= ?) FROM projects p ORDER BY p.id"
)
_KEYS = (
    "SELECT s.id, s.span_id, t.trace_id FROM spans s CROSS JOIN traces t ON t.id = s.trace_rowid"
    " WHERE t.project_rowid = ? AND s.id > ? AND s.start_time >= ? ORDER BY s.id LIMIT ?"
)
_ANNOTATIONS = (
    "SELECT o.{id}, a.name, a.annotator_kind, a.label, a.score, a.explanation, a.identifier,"
    " a.metadata, u.username FROM {on} o JOIN {table} a ON a.{row} = o.id"
    " LEFT JOIN users u ON u.id = a.user_id WHERE o.{id} IN ({marks}){more} ORDER BY a.id"
)
_IN_PROJECT = " AND o.project_id = {project}"
"""Sessions are met in every project in which they have a trace."""
_TABLES = {
    "span": ("span_annotations", "spans", "span_rowid", "span_id"),
    "trace": ("trace_annotations", "traces", "trace_rowid", "trace_id"),
    "session": (
        "project_session_annotations", "project_sessions", "project_session_id", "session_id",
    ),
}  # fmt: skip

Reading = Callable[[], AbstractContextManager[sqlite3.Connection]]
"""The file, for one question. Unavailable where it cannot be read."""
Bodies = Callable[[Sequence[int]], Awaitable[Sequence[LoggedSpan]]]
"""The spans in those rows that can be read."""


@dataclass(frozen=True, slots=True)
class FilePhoenix:
    """`since`: only spans that began then or later."""

    reading: Reading
    bodies: Bodies
    since: datetime | None = None
    slice_spans: int = SLICE_SPANS

    async def projects(self) -> list[Project]:
        """In the order in which they were made, without those of experiments."""
        return await asyncio.to_thread(self._projects)

    async def slice(self, project: Project, place: Place) -> Slice:
        keys = await asyncio.to_thread(self._keys, project, place)
        if not keys:
            return Slice(Place(after=place.after, anchor=place.anchor), True, ())
        found = await self.bodies([row for row, _, _ in keys])
        spans = [one.span for one in found]
        there = {one.span_id.hex() for one in spans}
        rejects = [
            Reject(project.name, trace_id, span_id, _why(trace_id, span_id))
            for _, span_id, trace_id in keys
            if span_id.lower() not in there
        ]
        last = keys[-1]
        place = Place(after=last[0], anchor=last[1])
        return Slice(place, len(keys) < self.slice_spans, spans, rejects)

    async def holds(self, project: Project, place: Place) -> bool:
        return await asyncio.to_thread(self._holds, place)

    async def annotations(
        self, project: Project, of: str, targets: Sequence[str]
    ) -> list[Annotation]:
        return await asyncio.to_thread(self._annotations, int(project.id), of, targets)

    def _projects(self) -> list[Project]:
        with self.reading() as db:
            names = {row[0] for row in _rows_if_any(db, _EXPERIMENTS)}
            ids = {row[0] for row in _rows_if_any(db, _EVALUATORS)}
            rows = db.execute(_PROJECTS, (self._since,)).fetchall()
        return [
            Project(name, str(row), count)
            for row, name, count in rows
            if name not in names and row not in ids
        ]

    def _keys(self, project: Project, place: Place) -> list[tuple[int, str, str]]:
        values = (int(project.id), place.after, self._since, self.slice_spans)
        with self.reading() as db:
            return db.execute(_KEYS, values).fetchall()

    def _holds(self, place: Place) -> bool:
        with self.reading() as db:
            row = db.execute("SELECT span_id FROM spans WHERE id = ?", (place.row,)).fetchone()
        return row is not None and row[0] == place.anchor

    def _annotations(self, project: int, of: str, targets: Sequence[str]) -> list[Annotation]:
        table, on, row, id_ = _TABLES[of]
        more = _IN_PROJECT.format(project=project) if of == "session" else ""
        found = []
        with self.reading() as db:
            for at in range(0, len(targets), IDS_AT_ONCE):
                some = targets[at : at + IDS_AT_ONCE]
                marks = ",".join("?" * len(some))
                query = _ANNOTATIONS.format(
                    table=table, on=on, row=row, id=id_, marks=marks, more=more
                )
                found += [_annotation(of, *one) for one in db.execute(query, some)]
        return found

    @property
    def _since(self) -> str:
        """As Phoenix writes times."""
        return f"{self.since.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}" if self.since else ""


def _annotation(
    of: str,
    target: str,
    name: str,
    kind: str,
    label: str | None,
    score: float | None,
    explanation: str | None,
    identifier: str | None,
    metadata: str | None,
    author: str | None,
) -> Annotation:
    written = Written(
        name=name,
        annotator_kind=kind,
        result=Result(label, score, explanation),
        metadata=_object(metadata),
        identifier=identifier,
    )
    return imported(of, target, written, author or "")


def _object(text: str | None) -> dict[str, object]:
    try:
        return msgspec.json.decode(text or "{}", type=dict[str, object])
    except msgspec.DecodeError:
        return {}


def _why(trace_id: str, span_id: str) -> str:
    try:
        sizes = len(bytes.fromhex(trace_id)), len(bytes.fromhex(span_id))
    except ValueError:
        return ODD_IDS
    return UNREADABLE if sizes == (16, 8) else ODD_IDS


def _rows_if_any(db: sqlite3.Connection, query: str) -> list[tuple[object]]:
    """Older files have no such table."""
    try:
        return db.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []
