"""What becomes of spans: a moment in memory, then rows of `phoenix.db`, where a test has put one.

The file `spans` in the cell's directory says what goes wrong, from one request to the next: `busy`
(503), `hang` (no answer), `keep` (they stay in memory), `refuse <name>` (400 where one has it).
"""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.requests import Request
from starlette.responses import Response

DATABASE = Path("phoenix.db")
STORE_EVERY_S = 0.05

Row = tuple[str, str, str]
_accepted: list[Row] = []
_storing: list["asyncio.Task[None]"] = []


async def take(request: Request) -> Response:
    told = _told()
    if told == "hang":
        await asyncio.sleep(3600)
    rows = _rows(await request.body())
    if told == "busy":
        return Response(status_code=503)
    if told.startswith("refuse ") and any(told == f"refuse {name}" for _, _, name in rows):
        return Response(status_code=400)
    _accepted.extend(rows)
    if not _storing:
        _storing.append(asyncio.create_task(_store_on()))
    return Response()


async def delete(request: Request) -> Response:
    with closing(_database()) as db:
        query = "DELETE FROM traces WHERE trace_id = ?"
        found = db.execute(query, (request.path_params["trace"],)).rowcount
    return Response(status_code=204 if found else 404)


def _told() -> str:
    return Path("spans").read_text() if Path("spans").exists() else ""


def _has_database() -> bool:
    return DATABASE.exists()


def _rows(body: bytes) -> list[Row]:
    return [
        (span.trace_id.hex(), span.span_id.hex(), span.name)
        for group in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


async def _store_on() -> None:
    while True:
        if _accepted and _told() != "keep" and _has_database():
            rows = _accepted.copy()
            _accepted.clear()
            with closing(_database()) as db:
                _store(db, rows)
        await asyncio.sleep(STORE_EVERY_S)


def _store(db: sqlite3.Connection, rows: list[Row]) -> None:
    """As Phoenix does: what has a known id is passed over."""
    db.execute("BEGIN")
    for trace, span, name in rows:
        db.execute("INSERT OR IGNORE INTO traces (trace_id, project_rowid) VALUES (?, 1)", (trace,))
        db.execute(
            "INSERT OR IGNORE INTO spans (span_id, name, trace_rowid)"
            " SELECT ?, ?, id FROM traces WHERE trace_id = ?",
            (span, name, trace),
        )
    db.execute("COMMIT")


def _database() -> sqlite3.Connection:
    db = sqlite3.connect(DATABASE, isolation_level=None, timeout=10)
    db.execute("PRAGMA foreign_keys = ON")
    return db
