"""A disk that notes, in order, all that is done to its files, so that a crash can be played later.

SQLite comes through a VFS of apsw, the log's own renames, unlinks and syncs through `Disk`. The
files themselves are real; the notes are what `power_loss` makes crashed directories of.
"""

import itertools
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

from roost.log.disk import Connection, Disk

_LOGS = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL
_OPEN = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI
_FEW_PAGES = 11


@dataclass(frozen=True)
class Create:
    name: str
    inode: int


@dataclass(frozen=True)
class Write:
    inode: int
    offset: int
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Truncate:
    inode: int
    size_bytes: int


@dataclass(frozen=True)
class Sync:
    inode: int


@dataclass(frozen=True)
class Unlink:
    name: str


@dataclass(frozen=True)
class Rename:
    source: str
    target: str


@dataclass(frozen=True)
class SyncDirectory:
    pass


@dataclass(frozen=True)
class Said:
    """Something that the test notes between them."""

    what: object


Note = Create | Write | Truncate | Sync | Unlink | Rename | SyncDirectory | Said


class RecordingDisk(Disk):
    """For one directory; what is in it at the start counts as durable. Close it."""

    def __init__(self, directory: Path) -> None:
        self.notes: list[Note] = []
        self._inodes = {path.name: n for n, path in enumerate(sorted(directory.iterdir()))}
        self._numbers = itertools.count(len(self._inodes))
        self._vfs = _Vfs(f"recording-{secrets.token_hex(6)}", self)

    def say(self, what: object) -> None:
        self.notes.append(Said(what))

    def connect(self, uri: str) -> Connection:
        with _as_sqlite3():
            connection = apsw.Connection(f"{uri}&vfs={self._vfs.vfs_name}", flags=_OPEN)
        connection.set_busy_timeout(5_000)
        return _Connection(connection)

    def unlink(self, path: Path) -> None:
        if path.exists():
            self.note_unlink(path)
        super().unlink(path)

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        self._inodes[target.name] = self._inodes.pop(source.name)
        self.notes.append(Rename(source.name, target.name))

    def sync_directory(self, directory: Path) -> None:
        super().sync_directory(directory)
        self.notes.append(SyncDirectory())

    def close(self) -> None:
        self._vfs.unregister()

    def inode(self, path: Path) -> tuple[int, bool]:
        """That of the file at `path`, and whether opening it now creates it."""
        is_new = not path.exists()
        if is_new:
            self._inodes[path.name] = next(self._numbers)
            self.notes.append(Create(path.name, self._inodes[path.name]))
        return self._inodes[path.name], is_new

    def note_unlink(self, path: Path) -> None:
        """The index of a WAL is not a file of the VFS; no crash keeps it."""
        if self._inodes.pop(path.name, None) is not None:
            self.notes.append(Unlink(path.name))


class _Vfs(apsw.VFS):
    def __init__(self, name: str, disk: RecordingDisk) -> None:
        self.vfs_name = name
        self._disk = disk
        super().__init__(name, "")

    def xOpen(self, name: Any, flags: list[int]) -> "_File":  # noqa: N802
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        return _File(name, flags, Path(path), self._disk)

    def xDelete(self, name: str, sync_directory: bool) -> None:  # noqa: N802
        if Path(name).exists():
            self._disk.note_unlink(Path(name))
        super().xDelete(name, sync_directory)
        if sync_directory:
            self._disk.notes.append(SyncDirectory())


class _File(apsw.VFSFile):
    def __init__(self, name: Any, flags: list[int], path: Path, disk: RecordingDisk) -> None:
        self._disk = disk
        if flags[0] & apsw.SQLITE_OPEN_CREATE or path.exists():
            self._inode, is_new = disk.inode(path)
            self._syncs_directory = is_new and bool(flags[0] & _LOGS)
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        super().xWrite(data, offset)
        self._disk.notes.append(Write(self._inode, offset, bytes(data)))

    def xTruncate(self, size_bytes: int) -> None:  # noqa: N802
        super().xTruncate(size_bytes)
        self._disk.notes.append(Truncate(self._inode, size_bytes))

    def xSync(self, flags: int) -> None:  # noqa: N802
        """SQLite's own VFS syncs the directory with the first sync of a new WAL or journal."""
        super().xSync(flags)
        self._disk.notes.append(Sync(self._inode))
        if self._syncs_directory:
            self._syncs_directory = False
            self._disk.notes.append(SyncDirectory())


class _Connection:
    """apsw's connection in sqlite3's shape; it checkpoints often, so that tests see it."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> "_Cursor":
        if sql.startswith("PRAGMA wal_autocheckpoint"):
            sql = f"PRAGMA wal_autocheckpoint={_FEW_PAGES}"
        with _as_sqlite3():
            return _Cursor(self._connection.execute(sql, parameters))

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> "_Cursor":
        with _as_sqlite3():
            return _Cursor(self._connection.executemany(sql, parameters))

    def close(self) -> None:
        """SQLite asks for a lock that a read-only file can't have and does not mind; apsw does."""
        with suppress(apsw.IOError):
            self._connection.close(True)


class _Cursor:
    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def __iter__(self) -> Iterator[Any]:
        with _as_sqlite3():
            yield from self._cursor

    def fetchone(self) -> Any:
        with _as_sqlite3():
            return self._cursor.fetchone()

    def close(self) -> None:
        with _as_sqlite3():
            self._cursor.close(True)


@contextmanager
def _as_sqlite3() -> Iterator[None]:
    try:
        yield
    except apsw.Error as error:
        told = sqlite3.OperationalError(str(error))
        told.sqlite_errorcode = int(getattr(error, "extendedresult", 0))
        raise told from error
