"""The two tables that a log has in PostgreSQL, and every statement on them.

Rule: the head is changed by the same statement that inserts, and only if it is what the writer
thinks it is; so two writers can never give a position twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg

from roost.log.base import Kind, Position, Record
from roost.log.row import COLUMNS, OVERHEAD_BYTES, Row, Torn, record_of, row_of

RECORDS = "roost_log_records"
_COLUMNS = ", ".join(COLUMNS)
_TYPES = ("bigint", "double precision", "text", "bigint", "boolean", "bigint", "bytea")
_ROWS_AT_ONCE = 4096

_CREATE = f"""
CREATE TABLE IF NOT EXISTS roost_log_head (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  last bigint NOT NULL,
  at double precision NOT NULL);
CREATE TABLE IF NOT EXISTS {RECORDS} (
  position bigint PRIMARY KEY,
  at double precision NOT NULL,
  kind text NOT NULL,
  size bigint NOT NULL,
  deflated boolean NOT NULL,
  checksum bigint NOT NULL,
  data bytea NOT NULL);
ALTER TABLE {RECORDS} ALTER data SET STORAGE EXTERNAL;
INSERT INTO roost_log_head (last, at) VALUES (0, 0) ON CONFLICT DO NOTHING;
"""  # noqa: S608 names of ours
_EXISTS = "SELECT to_regclass('roost_log_head') IS NOT NULL"
_LOCK = "SELECT pg_try_advisory_lock(hashtext('roost log'), hashtext(current_schema()))"
_PLACES = ", ".join(f"${place}::{type_}[]" for place, type_ in enumerate(_TYPES, 4))
_INSERT = f"""
WITH head AS (
  UPDATE roost_log_head SET last = $1, at = $2 WHERE last = $3 RETURNING true)
INSERT INTO {RECORDS} ({_COLUMNS})
SELECT {", ".join(f"new.{name}" for name in COLUMNS)}
FROM head, unnest({_PLACES}) AS new ({_COLUMNS})
"""  # noqa: S608 names of ours
_EXTENT = f"""
SELECT coalesce(min(position), 0), coalesce(sum(octet_length(data) + {OVERHEAD_BYTES}), 0)
FROM {RECORDS}
"""  # noqa: S608 names of ours
_READ = f"""
SELECT {_COLUMNS} FROM (
  SELECT *, sum(size) OVER (ORDER BY position) - size AS bytes_in_front FROM (
    SELECT * FROM {RECORDS} WHERE position > $1 AND position <= $2
    ORDER BY position LIMIT {_ROWS_AT_ONCE}) AS next) AS counted
WHERE bytes_in_front < $3 ORDER BY position
"""  # noqa: S608 names of ours
_GET = f"SELECT {_COLUMNS} FROM {RECORDS} WHERE position = ANY($1::bigint[])"  # noqa: S608
_KEPT = f"SELECT position, at, kind FROM {RECORDS} WHERE position = ANY($1::bigint[])"  # noqa: S608
_ERASE = f"""
UPDATE {RECORDS} AS old
SET size = new.size, deflated = new.deflated, checksum = new.checksum, data = new.data
FROM unnest($1::bigint[], $2::bigint[], $3::boolean[], $4::bigint[], $5::bytea[])
  AS new (position, size, deflated, checksum, data)
WHERE old.position = new.position
"""  # noqa: S608 names of ours


class Displaced(Exception):
    """Another writer has the log."""


@dataclass(frozen=True, slots=True)
class Head:
    last: Position
    at: float


async def claim(connection: asyncpg.Connection) -> Head:
    """Make the tables where they are missing, and be their one writer as long as the connection
    lives. Raises Displaced."""
    if not await connection.fetchval(_LOCK):
        raise Displaced("another connection holds the lock of the log")
    if not await connection.fetchval(_EXISTS):
        async with connection.transaction():
            await connection.execute(_CREATE)
    row = await connection.fetchrow("SELECT last, at FROM roost_log_head")
    return Head(Position(row[0]), row[1])


async def oldest_and_bytes(connection: asyncpg.Connection) -> tuple[Position, int]:
    """The oldest record (0 where there is none), and what all of them take."""
    row = await connection.fetchrow(_EXTENT)
    return Position(row[0]), int(row[1])


async def insert(connection: asyncpg.Connection, rows: Sequence[Row], after: Position) -> None:
    """All or none. Raises Displaced where the log does not end with `after`."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    last, at = rows[-1][0], rows[-1][1]
    done: str = await connection.execute(_INSERT, last, at, after, *columns)
    if done != f"INSERT 0 {len(rows)}":
        raise Displaced(f"the log does not end with record {after} any more")


async def read(
    connection: asyncpg.Connection, after: Position, last: Position, limit_bytes: int
) -> list[Row]:
    """Raises Torn where there is a hole between them."""
    rows = [tuple(row) for row in await connection.fetch(_READ, after, last, max(limit_bytes, 1))]
    for place, row in enumerate(rows):
        if row[0] != rows[0][0] + place:
            raise Torn(f"record {rows[0][0] + place} is missing")
    return rows


async def get(connection: asyncpg.Connection, positions: Sequence[Position]) -> list[Row]:
    return [tuple(row) for row in await connection.fetch(_GET, list(positions))]


async def replace(connection: asyncpg.Connection, bodies: Mapping[Position, bytes]) -> None:
    """Other bodies; the old ones leave the table's files with `VACUUM FULL`."""
    kept = await connection.fetch(_KEPT, list(bodies))
    if not kept:
        return
    rows = [row_of(position, at, Kind(kind), bodies[position]) for position, at, kind in kept]
    positions, _, _, *others = [list(column) for column in zip(*rows, strict=True)]
    await connection.execute(_ERASE, positions, *others)
    await connection.execute(f"VACUUM (FULL) {RECORDS}")


async def delete(connection: asyncpg.Connection, before: Position) -> None:
    await connection.execute(f"DELETE FROM {RECORDS} WHERE position < $1", before)  # noqa: S608


def records_of(rows: Sequence[Row]) -> list[Record]:
    """Raises Torn."""
    return [record_of(row) for row in rows]
