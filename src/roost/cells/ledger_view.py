"""Everything that is read of one cell, by the quickest way that tells the truth.

Rule: a managed cell's own file where its schema is a known one, else the cell's API.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from roost.cells.client import CellClient
from roost.cells.ledger import ApiLedger, Ledger, SqliteLedger
from roost.cells.ledger_annotations import SqliteAnnotations
from roost.cells.ledger_api import ApiIdentity, ApiSpans
from roost.cells.ledger_identity import CellIdentity, SqliteIdentity
from roost.cells.ledger_sessions import SqliteSessions
from roost.cells.ledger_spans import SpanKey, SqliteSpans
from roost.log.records import LoggedSpan


class SpanSource(Protocol):
    async def keys(self, after: int, limit: int) -> list[SpanKey]:
        """Those behind that row, in order; fewer than `limit` is not the end, none is."""

    async def is_at(self, key: SpanKey) -> bool:
        """That row still holds that span."""

    async def spans(self, rows: Sequence[int]) -> list[LoggedSpan]:
        """Whole ones, of rows that `keys` has just listed."""


class IdentitySource(Protocol):
    async def look(self) -> CellIdentity: ...


@dataclass(frozen=True, slots=True)
class CellView:
    """`annotations` and `sessions` are None where the cell can only be asked by its API, which
    lists annotations by span alone."""

    ledger: Ledger
    spans: SpanSource
    identity: IdentitySource
    annotations: SqliteAnnotations | None = None
    sessions: SqliteSessions | None = None


def file_view(database: Path, service: str) -> CellView:
    """`service` is the subject of Roost's own service in the cell."""
    return CellView(
        SqliteLedger(database),
        SqliteSpans(database),
        SqliteIdentity(database, service),
        SqliteAnnotations(database, service),
        SqliteSessions(database),
    )


async def view_of(client: CellClient, database: Path | None, service: str) -> CellView:
    """`database` is None for an attached cell."""
    if database is not None and await SqliteLedger(database).is_readable():
        return file_view(database, service)
    return CellView(ApiLedger(client), ApiSpans(client), ApiIdentity(client))
