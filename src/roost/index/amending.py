"""What the cell says and the log does not, on its way into the tables.

Rule: an amendment and the mark that says how far the cell was read are one transaction, so that an
index that is built anew reads the cell from its beginning.
"""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from roost.index.batch import Note
from roost.index.catalogue import Projects
from roost.index.trace_store import TraceWriter
from roost.index.words import Words
from roost.log.base import Position
from roost.log.records import LoggedSpan

_PREFIX = "cell."


@dataclass(frozen=True, slots=True)
class Hand:
    """The transaction. `absorb` takes spans that the cell has made, `settle` writes what was taken
    so far; `position` is what changed traces are stamped with."""

    db: sqlite3.Connection
    words: Words
    projects: Projects
    traces: TraceWriter
    note: Note
    position: Position
    absorb: Callable[[Sequence[LoggedSpan]], None]
    settle: Callable[[], None]

    def mark(self, name: str, value: str) -> None:
        self.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_PREFIX + name, value))


def mark_of(db: sqlite3.Connection, name: str) -> str | None:
    """None where nothing was read yet."""
    row = db.execute("SELECT value FROM meta WHERE key = ?", (_PREFIX + name,)).fetchone()
    return str(row[0]) if row else None


def bury(hand: Hand, ids: Sequence[bytes]) -> None:
    """Traces (16 bytes) and spans (8 bytes) that were deleted before this index was begun."""
    hand.db.executemany(
        "INSERT OR IGNORE INTO gone_trace VALUES (?)", [(one,) for one in ids if len(one) == 16]
    )
    hand.db.executemany(
        "INSERT OR IGNORE INTO gone_span VALUES (?)",
        [(int.from_bytes(one, "big", signed=True),) for one in ids if len(one) == 8],
    )
