"""The index of one home: opened, fed and asked.

Rule: one thread at a time feeds it, any number ask it; who asks sees the state after some whole
transaction and never waits for the writer.
"""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from roost.index import schema
from roost.index.amending import Hand
from roost.index.effort import Effort
from roost.index.prices import GenaiPrices, Price
from roost.index.queries import Queries
from roost.index.reading import Readers
from roost.index.rows import Applied
from roost.index.writer import Writer
from roost.log.base import Position, Record
from roost.log.records import LoggedSpan

T = TypeVar("T")
_COMPANIONS = ("", "-wal", "-shm")


class Index:
    """`Index.open` makes one. `queries` may be asked from any thread; `apply`, `absorb`,
    `amend` and `sweep` belong to the home's writer thread."""

    def __init__(
        self,
        db: sqlite3.Connection,
        readers: Readers,
        writer: Writer,
        price_source: str,
        effort: Effort,
    ) -> None:
        self._db = db
        self._readers = readers
        self._writer = writer
        self.queries = Queries(readers, price_source, effort)

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        price: Price | None = None,
        full_text: bool = True,
        deadline_s: float = 5.0,
        readers: int = 4,
        effort: Effort | None = None,
    ) -> "Index":
        """Begins anew, at position 0, where the file is of another version, was made with the other
        `full_text`, or is no database. `deadline_s` is what one query may take, `readers` how many
        are answered at once."""
        fingerprint = f"{schema.VERSION} {'with' if full_text else 'without'} text"
        db = _opened(path, fingerprint)
        price = price or GenaiPrices()
        pool = Readers(path, readers, deadline_s)
        return cls(db, pool, Writer(db, price, full_text), price.source, effort or Effort())

    @property
    def cursor(self) -> Position:
        """The last record that is in the tables."""
        return self._writer.cursor

    def apply(self, records: Sequence[Record]) -> Applied:
        """One transaction with the effects of all of them and the cursor."""
        return self._writer.apply(records)

    def absorb(self, spans: Sequence[LoggedSpan]) -> Applied:
        """Spans that the cell made itself and the log does not hold."""
        return self._writer.absorb(spans)

    def amend(self, act: Callable[[Hand], object]) -> Applied:
        """One transaction with what `act` does; for what the cell says and the log does not."""
        return self._writer.amend(act)

    def read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Asks one state of the tables, from any thread; for the home itself, not for a viewer."""
        with self._readers.borrowed() as db:
            return question(db)

    def sweep(self) -> None:
        """Takes out of the file what deletions left in it: words that nothing names any more, and
        deleted terms of the full text. Some seconds where there is much."""
        self._writer.sweep()

    def close(self) -> None:
        self._readers.close()
        self._db.close()

    def __enter__(self) -> "Index":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def erase(path: Path) -> None:
    """The file and its companions; the next `open` begins at position 0."""
    for companion in _COMPANIONS:
        path.with_name(path.name + companion).unlink(missing_ok=True)


def _opened(path: Path, fingerprint: str) -> sqlite3.Connection:
    try:
        db = _connected(path)
        if _fingerprint(db) == fingerprint:
            return db
        db.close()
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
    erase(path)
    db = _connected(path)
    db.executescript(f"BEGIN; {schema.META} {schema.TABLES} {schema.FULL_TEXT} COMMIT;")
    db.execute("INSERT INTO meta VALUES ('fingerprint', ?)", (fingerprint,))
    return db


def _connected(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    db.executescript(schema.PRAGMAS)
    return db


def _fingerprint(db: sqlite3.Connection) -> str | None:
    made = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone()
    if made is None:
        return None
    row = db.execute("SELECT value FROM meta WHERE key = 'fingerprint'").fetchone()
    return str(row[0]) if row else None
