"""The spans that a managed cell holds, as the log would hold them.

Rule: row ids are looked at first, bodies only of those that somebody asks for.
"""

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from roost.cells.ledger_attributes import pairs_of
from roost.cells.ledger_file import by_slices, marks, micros, reading
from roost.log.records import LoggedSpan

_KEYS = (
    "SELECT s.id, s.span_id, t.trace_id FROM spans s JOIN traces t ON t.id = s.trace_rowid"
    " WHERE s.id > ? ORDER BY s.id LIMIT ?"
)
_SPANS = (
    "SELECT t.trace_id, s.span_id, s.parent_id, p.name, s.name, s.start_time, s.end_time,"
    " s.status_code, s.status_message, s.attributes, s.events"
    " FROM spans s JOIN traces t ON t.id = s.trace_rowid JOIN projects p ON p.id = t.project_rowid"
    " WHERE s.{column} IN ({marks}) ORDER BY s.id"
)
_CODES = {"OK": Status.STATUS_CODE_OK, "ERROR": Status.STATUS_CODE_ERROR}

log = logging.getLogger("roost.ledger")


@dataclass(frozen=True, slots=True)
class SpanKey:
    """A span's row in the cell, and its ids in hex as Phoenix has them."""

    row: int
    span_id: str
    trace_id: str

    @property
    def is_plain(self) -> bool:
        """Its ids are OpenTelemetry's; others can be written by Phoenix's own API alone."""
        return _is_id(self.span_id, 8) and _is_id(self.trace_id, 16)


@dataclass(frozen=True, slots=True)
class SqliteSpans:
    path: Path

    async def keys(self, after: int, limit: int) -> list[SpanKey]:
        """Those behind that row, in order."""
        return await asyncio.to_thread(self._keys, after, limit)

    async def is_at(self, key: SpanKey) -> bool:
        """That row still holds that span: row ids are given again once the newest were deleted."""
        return await asyncio.to_thread(self._is_at, key)

    async def spans(self, rows: Sequence[int]) -> list[LoggedSpan]:
        """Whole ones, by row."""
        return await asyncio.to_thread(self._spans, "id", rows)

    async def spans_by_id(self, span_ids: Sequence[str]) -> list[LoggedSpan]:
        """Whole ones, by id in hex: the bodies of those that the log does not hold."""
        return await asyncio.to_thread(self._spans, "span_id", span_ids)

    def _keys(self, after: int, limit: int) -> list[SpanKey]:
        with reading(self.path) as db:
            return [SpanKey(*row) for row in db.execute(_KEYS, (after, limit))]

    def _is_at(self, key: SpanKey) -> bool:
        with reading(self.path) as db:
            row = db.execute("SELECT span_id FROM spans WHERE id = ?", (key.row,)).fetchone()
        return row is not None and row[0] == key.span_id

    def _spans(self, column: str, values: Sequence[int | str]) -> list[LoggedSpan]:
        found: list[LoggedSpan] = []
        with reading(self.path) as db:
            for some in by_slices(values):
                query = _SPANS.format(column=column, marks=marks(some))
                rows = db.execute(query, some).fetchall()
                found += [span for row in rows if (span := _logged(row)) is not None]
        return found


def _logged(row: Sequence[Any]) -> LoggedSpan | None:
    trace_id, span_id, parent, project, name, start, end, code, message, attributes, events = row
    if not (_is_id(span_id, 8) and _is_id(trace_id, 16)):
        return None
    try:
        span = Span(
            trace_id=bytes.fromhex(trace_id),
            span_id=bytes.fromhex(span_id),
            parent_span_id=bytes.fromhex(parent) if parent and _is_id(parent, 8) else b"",
            name=name,
            start_time_unix_nano=micros(start) * 1000,
            end_time_unix_nano=micros(end) * 1000,
            attributes=pairs_of(_object(attributes)),
            status=Status(code=_CODES.get(code, Status.STATUS_CODE_UNSET), message=message),
            events=[_event(one) for one in json.loads(events or "[]")],
        )
    except (ValueError, TypeError, RecursionError):
        log.warning("span %s of the cell cannot be read", span_id)
        return None
    return LoggedSpan(0, project, (), "", span)


def _object(text: str) -> Mapping[str, object]:
    value = json.loads(text or "{}")
    return value if isinstance(value, dict) else {}


def _event(one: Mapping[str, Any]) -> Span.Event:
    stamp = str(one.get("timestamp", "")).replace("Z", "+00:00").partition("+")[0]
    return Span.Event(
        name=str(one.get("name", "")),
        time_unix_nano=micros(stamp) * 1000 if stamp else 0,
        attributes=pairs_of(one.get("attributes") or {}),
    )


def _is_id(text: str, size: int) -> bool:
    try:
        return len(bytes.fromhex(text)) == size and len(text) == 2 * size
    except ValueError:
        return False
