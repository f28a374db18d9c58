"""What the segments ask of the file system, so that a test can put one of its own in its place.

Rule: a name that must survive the loss of power is followed by `sync_directory`.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

SIDE_FILES = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database, by what it appends to its name."""

_BUSY_TIMEOUT_S = 5.0


class Cursor(Protocol):
    def __iter__(self) -> Iterator[Any]: ...

    def fetchone(self) -> Any: ...

    def close(self) -> object: ...


class Connection(Protocol):
    """The part of `sqlite3.Connection` that the log uses, in autocommit mode."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Cursor: ...

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Cursor: ...

    def close(self) -> object: ...


class Disk:
    """The real one. Raises OSError and sqlite3.Error."""

    def connect(self, uri: str) -> Connection:
        """A connection that any thread may use, one at a time."""
        return sqlite3.connect(
            uri,
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=_BUSY_TIMEOUT_S,
            cached_statements=8,
        )

    def names(self, directory: Path) -> list[str]:
        return sorted(entry.name for entry in directory.iterdir())

    def size_bytes(self, path: Path) -> int:
        """0 where there is no such file."""
        try:
            return path.stat().st_size
        except FileNotFoundError:
            return 0

    def unlink(self, path: Path) -> None:
        """Nothing happens where it is gone already."""
        path.unlink(missing_ok=True)

    def rename(self, source: Path, target: Path) -> None:
        source.rename(target)

    def sync_directory(self, directory: Path) -> None:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
