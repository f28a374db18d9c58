"""A record as a row, the same columns on each engine: its body deflated where that pays, and a
checksum, since SQLite has none of its own.

Rule: what comes out is what went in, or Torn.
"""

import struct
from dataclasses import dataclass

from isal import isal_zlib

from roost.log.base import Entry, Kind, Position, Record

COLUMNS = ("position", "at", "kind", "size", "deflated", "checksum", "data")

Row = tuple[int, float, str, int, bool, int, bytes]
"""`size` is that of the body, `checksum` a CRC-32 of all the others."""

OVERHEAD_BYTES = 64
"""About what a row takes besides its data."""

_HEADER = struct.Struct("<qdq?")
_LEVEL = 1
_RAW_DEFLATE = -15
_WORTH_DEFLATING_BYTES = 200
_PAYS = 0.9


class Torn(ValueError):
    """The row does not hold what was put into it."""


@dataclass(frozen=True, slots=True)
class Stamped:
    """An entry, and when it was taken."""

    at: float
    entry: Entry


def row_of(position: Position, at: float, kind: Kind, body: bytes) -> Row:
    data = _deflated(body)
    deflated = data is not body
    checksum = _checksum(position, at, kind, len(body), deflated, data)
    return (position, at, kind.value, len(body), deflated, checksum, data)


def record_of(row: Row) -> Record:
    """Raises Torn."""
    position, at, kind, size, deflated, checksum, data = row
    try:
        is_whole = _checksum(position, at, kind, size, deflated, data) == checksum
    except (TypeError, AttributeError, struct.error):  # damage made a column another type
        is_whole = False
    if not is_whole:
        raise Torn(f"record {position} does not match its checksum")
    body = isal_zlib.decompress(data, wbits=_RAW_DEFLATE, bufsize=size) if deflated else data
    return Record(Position(position), at, Kind(kind), body)


def rows_of(stamped: list[Stamped], after: Position, not_before: float) -> list[Row]:
    """Rows for the positions behind `after`, no time earlier than the one in front of it."""
    rows, at = [], not_before
    for position, one in enumerate(stamped, after + 1):
        at = max(at, one.at)
        rows.append(row_of(Position(position), at, one.entry.kind, one.entry.body))
    return rows


def _checksum(position: int, at: float, kind: str, size: int, deflated: bool, data: bytes) -> int:
    others = _HEADER.pack(position, at, size, deflated) + kind.encode()
    return isal_zlib.crc32(data, isal_zlib.crc32(others))


def _deflated(body: bytes) -> bytes:
    """`body` itself where deflating does not pay."""
    if len(body) < _WORTH_DEFLATING_BYTES:
        return body
    data = isal_zlib.compress(body, level=_LEVEL, wbits=_RAW_DEFLATE)
    return data if len(data) < len(body) * _PAYS else body
