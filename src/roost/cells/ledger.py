"""What a cell really holds, read from its own database; Phoenix's 200 does not tell.

Rule 1: read-only, and only the columns that are needed. Rule 2: only a schema that was looked at
(its Alembic revision is listed); for any other the cell is asked by its API.
"""

import asyncio
import base64
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from roost.cells.client import CellClient
from roost.cells.ledger_file import by_slices, is_known, marks, reading

_ALIASES_AT_ONCE = 50


class Node(StrEnum):
    """Types of Phoenix's Relay ids, `base64("Project:1")`."""

    PROJECT = "Project"
    TRACE = "Trace"
    SPAN = "Span"
    SESSION = "ProjectSession"


@dataclass(frozen=True, slots=True)
class _Name:
    sql: str
    field: str


_NAMES: Mapping[Node, _Name] = {
    Node.PROJECT: _Name("SELECT name FROM projects WHERE id = ?", "name"),
    Node.TRACE: _Name("SELECT trace_id FROM traces WHERE id = ?", "traceId"),
    Node.SPAN: _Name("SELECT span_id FROM spans WHERE id = ?", "spanId"),
    Node.SESSION: _Name("SELECT session_id FROM project_sessions WHERE id = ?", "sessionId"),
}


def relay_row(text: str, node: Node) -> int | None:
    """The row id in a Relay id of that type, or None where it is none.

    >>> relay_row("UHJvamVjdDoxMg==", Node.PROJECT), relay_row("default", Node.PROJECT)
    (12, None)
    """
    try:
        kind, _, row = base64.b64decode(text, validate=True).decode().partition(":")
    except ValueError:
        return None
    return int(row) if kind == node and row.isdecimal() and row.isascii() else None


class Ledger(Protocol):
    async def stored(self, span_ids: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Of those spans the ones that the cell holds, each with the trace it holds it under.
        Unavailable where it cannot be read."""

    async def projects_of(self, trace_ids: Sequence[bytes]) -> Mapping[bytes, str]:
        """Of those traces the ones that the cell holds, each with the name of its project."""

    async def name_of(self, node: Node, row: int) -> str | None:
        """What Phoenix's row id stands for, or None: a project's name, a trace's or span's id in
        hex, a session's id."""


@dataclass(frozen=True, slots=True)
class SqliteLedger:
    """The database file of a managed cell. About 5 µs a span."""

    path: Path

    async def stored(self, span_ids: Sequence[bytes]) -> Mapping[bytes, bytes]:
        return await asyncio.to_thread(self._stored, span_ids)

    def _stored(self, span_ids: Sequence[bytes]) -> Mapping[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        with reading(self.path) as connection:
            for some in by_slices(span_ids):
                found.update(_stored(connection, some))
        return found

    async def projects_of(self, trace_ids: Sequence[bytes]) -> Mapping[bytes, str]:
        return await asyncio.to_thread(self._projects_of, trace_ids)

    def _projects_of(self, trace_ids: Sequence[bytes]) -> Mapping[bytes, str]:
        found: dict[bytes, str] = {}
        with reading(self.path) as connection:
            for some in by_slices(trace_ids):
                found.update(_projects_of(connection, some))
        return found

    async def name_of(self, node: Node, row: int) -> str | None:
        return await asyncio.to_thread(self._name_of, node, row)

    def _name_of(self, node: Node, row: int) -> str | None:
        with reading(self.path) as connection:
            found = connection.execute(_NAMES[node].sql, (row,)).fetchone()
        return None if found is None else str(found[0])

    async def is_readable(self) -> bool:
        """Whether the file is there and its schema is a known one."""
        return await asyncio.to_thread(is_known, self.path)


def _stored(
    connection: sqlite3.Connection, span_ids: Sequence[bytes]
) -> Sequence[tuple[bytes, bytes]]:
    rows = connection.execute(
        "SELECT spans.span_id, traces.trace_id FROM spans"  # noqa: S608 - only question marks
        f" JOIN traces ON traces.id = spans.trace_rowid WHERE spans.span_id IN ({marks(span_ids)})",
        [one.hex() for one in span_ids],
    )
    return [(bytes.fromhex(span_id), bytes.fromhex(trace_id)) for span_id, trace_id in rows]


def _projects_of(
    connection: sqlite3.Connection, trace_ids: Sequence[bytes]
) -> Sequence[tuple[bytes, str]]:
    rows = connection.execute(
        "SELECT t.trace_id, p.name FROM traces t JOIN projects p ON p.id = t.project_rowid"  # noqa: S608
        f" WHERE t.trace_id IN ({marks(trace_ids)})",
        [one.hex() for one in trace_ids],
    )
    return [(bytes.fromhex(trace_id), name) for trace_id, name in rows]


@dataclass(frozen=True, slots=True)
class _Named:
    name: str


@dataclass(frozen=True, slots=True)
class _TraceNode:
    traceId: str  # noqa: N815 - as GraphQL spells it


@dataclass(frozen=True, slots=True)
class _SpanNode:
    spanId: str  # noqa: N815
    trace: _TraceNode


@dataclass(frozen=True, slots=True)
class _InProject:
    traceId: str  # noqa: N815
    project: _Named


@dataclass(frozen=True, slots=True)
class ApiLedger:
    """The same by GraphQL, for attached cells and unknown schemas: about 1 ms a span."""

    client: CellClient

    async def stored(self, span_ids: Sequence[bytes]) -> Mapping[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        for at in range(0, len(span_ids), _ALIASES_AT_ONCE):
            query = _spans_query(span_ids[at : at + _ALIASES_AT_ONCE])
            said = await self.client.ask(query, {}, dict[str, _SpanNode | None])
            for span in filter(None, said.values()):
                found[bytes.fromhex(span.spanId)] = bytes.fromhex(span.trace.traceId)
        return found

    async def projects_of(self, trace_ids: Sequence[bytes]) -> Mapping[bytes, str]:
        found: dict[bytes, str] = {}
        for at in range(0, len(trace_ids), _ALIASES_AT_ONCE):
            query = _traces_query(trace_ids[at : at + _ALIASES_AT_ONCE])
            said = await self.client.ask(query, {}, dict[str, _InProject | None])
            for trace in filter(None, said.values()):
                found[bytes.fromhex(trace.traceId)] = trace.project.name
        return found

    async def name_of(self, node: Node, row: int) -> str | None:
        relay_id = base64.b64encode(f"{node}:{row}".encode()).decode()
        query = (
            "query RoostName($id: ID!) { node(id: $id) "
            f"{{ ... on {node} {{ name: {_NAMES[node].field} }} }} }}"
        )
        said = await self.client.ask(query, {"id": relay_id}, dict[str, _Named | None])
        return next((one.name for one in said.values() if one is not None), None)


def _spans_query(span_ids: Sequence[bytes]) -> str:
    asked = (
        f's{number}: getSpanByOtelId(spanId: "{span_id.hex()}") {{ spanId trace {{ traceId }} }}'
        for number, span_id in enumerate(span_ids)
    )
    return f"query RoostLedger {{ {' '.join(asked)} }}"


def _traces_query(trace_ids: Sequence[bytes]) -> str:
    asked = (
        f't{number}: getTraceByOtelId(traceId: "{trace_id.hex()}") {{ traceId project {{ name }} }}'
        for number, trace_id in enumerate(trace_ids)
    )
    return f"query RoostTraces {{ {' '.join(asked)} }}"


async def ledger_of(client: CellClient, database: Path | None) -> Ledger:
    """The quickest that tells the truth; `database` is None for an attached cell."""
    if database is not None and await (direct := SqliteLedger(database)).is_readable():
        return direct
    return ApiLedger(client)
