"""The annotations and notes that a managed cell holds.

Rule: who has written one is what the cell knows by sign-in; a name in its metadata is believed only
where Roost's own service has put it there.
"""

import asyncio
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roost.cells.ledger_file import by_slices, marks, micros, reading
from roost.log.records import Annotation


@dataclass(frozen=True, slots=True)
class _Kind:
    """Where the annotations of spans, traces or sessions stand, and what they stand on."""

    table: str
    on: str
    row: str
    id: str


_KINDS: Mapping[str, _Kind] = {
    "span": _Kind("span_annotations", "spans", "span_rowid", "span_id"),
    "trace": _Kind("trace_annotations", "traces", "trace_rowid", "trace_id"),
    "session": _Kind(
        "project_session_annotations", "project_sessions", "project_session_id", "session_id"
    ),
}
KINDS = tuple(_KINDS)
_SELECT = (
    "SELECT a.id, o.{id}, a.name, a.annotator_kind, a.label, a.score, a.explanation, a.identifier,"
    " a.metadata, a.updated_at, u.username, u.oauth2_user_id"
    " FROM {table} a JOIN {on} o ON o.id = a.{row} LEFT JOIN users u ON u.id = a.user_id"
    " WHERE a.id > ?{more} ORDER BY a.id LIMIT ?"
)
_NEWEST = "SELECT max(id), max(updated_at) FROM {table}"
_PRESENT = (
    "SELECT o.{id}, a.name, a.identifier FROM {on} o LEFT JOIN {table} a ON a.{row} = o.id"
    " WHERE o.{id} IN ({marks})"
)


@dataclass(frozen=True, slots=True)
class Found:
    """One in the cell: its row, and when it was last written, also as Phoenix writes it."""

    row: int
    annotation: Annotation
    at_us: int
    stamp: str


@dataclass(frozen=True, slots=True)
class Present:
    """Of the targets that were asked for: those that the cell holds, and on each the annotations,
    by name and identifier."""

    targets: Mapping[str, frozenset[tuple[str, str]]]

    def lacks(self, target: str, name: str, identifier: str) -> bool:
        """The target is there, and no such annotation on it."""
        on_it = self.targets.get(target)
        return on_it is not None and (name, identifier) not in on_it


@dataclass(frozen=True, slots=True)
class SqliteAnnotations:
    """`service` is the subject of Roost's own service in the cell."""

    path: Path
    service: str

    async def slice(self, of: str, after: int, limit: int) -> list[Found]:
        """Those behind that row, in order."""
        return await asyncio.to_thread(self._read, of, "", (after, limit))

    async def changed(self, of: str, after: int, since: tuple[int, str], limit: int) -> list[Found]:
        """Those behind `after` that are newer than a row, or were written at that time or later."""
        more = " AND (a.id > ? OR a.updated_at >= ?)"
        return await asyncio.to_thread(self._read, of, more, (after, *since, limit))

    async def newest(self, of: str) -> tuple[int, str]:
        """The greatest row, and when anything was last written, as Phoenix writes it."""
        return await asyncio.to_thread(self._newest, of)

    async def present(self, of: str, targets: Sequence[str]) -> Present:
        return await asyncio.to_thread(self._present, of, targets)

    def _read(self, of: str, more: str, values: Sequence[int | str]) -> list[Found]:
        with reading(self.path) as db:
            return [
                self._found(of, row) for row in db.execute(_sql(_SELECT, of, more=more), values)
            ]

    def _newest(self, of: str) -> tuple[int, str]:
        with reading(self.path) as db:
            row, stamp = db.execute(_sql(_NEWEST, of)).fetchone()
        return row or 0, stamp or ""

    def _present(self, of: str, targets: Sequence[str]) -> Present:
        found: dict[str, set[tuple[str, str]]] = {}
        with reading(self.path) as db:
            for target, name, identifier in _rows_on(db, of, targets):
                on_it = found.setdefault(target, set())
                if name is not None:
                    on_it.add((name, identifier))
        return Present({target: frozenset(on_it) for target, on_it in found.items()})

    def _found(self, of: str, row: Sequence[Any]) -> Found:
        number, target, name, kind, label, score, explanation, identifier, *rest = row
        metadata, stamp, author, sub = rest
        subject, shown = self._author(metadata, author, sub)
        annotation = Annotation(
            of=of,
            target=target if of == "session" else target.lower(),
            name=name,
            annotator_kind=kind,
            label=label,
            score=score,
            explanation=explanation,
            identifier=identifier,
            subject=subject,
            subject_name=shown,
        )
        return Found(number, annotation, micros(stamp), stamp)

    def _author(self, metadata: str, author: str | None, sub: str | None) -> tuple[str, str]:
        if sub != self.service:
            return "", author or ""
        said = json.loads(metadata or "{}")
        subject = said.get("roost.subject") if isinstance(said, dict) else None
        if not isinstance(subject, str):
            return "", author or ""
        return subject, str(said.get("roost.subject_name") or "")


def _rows_on(
    db: sqlite3.Connection, of: str, targets: Sequence[str]
) -> Iterator[tuple[str, str | None, str]]:
    for some in by_slices(targets):
        yield from db.execute(_sql(_PRESENT, of, marks=marks(some)), some)


def _sql(text: str, of: str, **parts: str) -> str:
    kind = _KINDS[of]
    return text.format(table=kind.table, on=kind.on, row=kind.row, id=kind.id, **parts)
