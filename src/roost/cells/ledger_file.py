"""The database file of a managed cell, opened to read.

Rule 1: read-only, and for as long as one question takes. Rule 2: only a schema that was looked at.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from roost.errors import Unavailable

KNOWN_REVISIONS = frozenset({"4aad9107d196"})
"""Alembic revisions of Phoenix whose tables have the columns that are read here."""
IDS_AT_ONCE = 500
_BUSY_S = 2.0
_UNREADABLE = "The database of this tenant's Phoenix cannot be read just now."
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO = timedelta(microseconds=1)

T = TypeVar("T")


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Unavailable where it is not there, or cannot be read."""
    try:
        with closing(_connected(path)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise Unavailable(_UNREADABLE, reason=f"ledger: {error}") from None


def is_known(path: Path) -> bool:
    """Whether the file is there and its schema is a known one."""
    try:
        with reading(path) as connection:
            rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    except Unavailable:
        return False
    return {row[0] for row in rows} <= KNOWN_REVISIONS


def marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def by_slices(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for at in range(0, len(values), IDS_AT_ONCE):
        yield values[at : at + IDS_AT_ONCE]


def micros(stamp: str) -> int:
    """A time as Phoenix writes it, in microseconds since the epoch.

    >>> micros("1970-01-01 00:00:02"), micros("1970-01-01 00:00:02.000001")
    (2000000, 2000001)
    """
    return (datetime.fromisoformat(stamp).replace(tzinfo=UTC) - EPOCH) // _MICRO


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_BUSY_S)
    connection.text_factory = _text
    return connection


def _text(value: bytes) -> str:
    """Phoenix takes what is no UTF-8, too."""
    return value.decode("utf-8", "replace")
